/* restore/scrape.c - see scrape.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/scrape.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "restore/client.h"
#include "restore/complain.h"
#include "restore/look.h"
#include "restore/metrics.h"
#include "restore/options.h"
#include "restore/workfile.h"

static const char usage[] =
	"Usage: faultin metrics [OPTION]... [SESSION]...\n"
	"Print how running restores do, all of them or those named, as OpenMetrics text.\n"
	"\n"
	"  -o, --output FILE  write it to FILE, in place of what was there, and at once: for\n"
	"                     node_exporter's textfile collector\n"
	"  -V, --version      print the version\n"
	"  -h, --help         print this\n"
	"\n"
	"Exit code: 0, 1 when a session could not be asked or FILE not written, 2 for wrong\n"
	"options, 3 when there is no such session.\n";

static const struct option long_options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "metrics", usage, ":o:Vh", long_options };

static int write_text(const struct fi_look *look, FILE *to)
{
	fi_metrics_write(look->sessions, json_object_array_length(look->unheard), to);
	return fflush(to) != 0 || ferror(to) ? -EIO : 0;
}

/* For everybody to read: who collects it is somebody else. */
static int publish(const struct fi_look *look, const char *path)
{
	fi_auto_close int fd = memfd_create("faultin-metrics", MFD_CLOEXEC);
	FILE *to;
	int r;

	if (fd < 0)
		return -errno;
	to = fdopen(dup(fd), "w");
	if (!to)
		return -errno;
	r = write_text(look, to);
	if (fclose(to) != 0 && r == 0)
		r = -EIO;
	return r < 0 ? r : fi_workfile_publish(fd, path, 0644);
}

/* What could not be asked is missing, and counted. */
static int scrape(char **words, const char *path, struct fi_error *err)
{
	struct fi_look look;
	int r = fi_look_take(words, FI_CLIENT_PATIENCE_MS, &look, err);

	if (r < 0)
		return r;
	fi_look_complain(&look, "metrics");
	r = path ? publish(&look, path) : write_text(&look, stdout);
	if (r < 0)
		r = fi_error_set(err, r, "cannot write '%s': %s", path ? path : "standard output",
				 strerror(-r));
	else
		r = fi_look_code(&look);
	fi_look_done(&look);
	return r;
}

int fi_scrape_main(int argc, char **argv)
{
	const char *path = NULL;
	struct fi_error err = { "" };
	int c, code, r;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		if (c == 'o')
			path = optarg;
	}
	if (c < 0)
		return code;
	r = scrape(argv + optind, path, &err);
	if (r == -EINVAL)
		return fi_complain_misuse("metrics", err.text);
	if (r < 0)
		fi_complain("metrics", NULL, err.text);
	return r < 0 ? 1 : r;
}
