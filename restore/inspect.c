/* restore/inspect.c - the verb `inspect`: from a command line to a report on standard output.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the report says is images/inspect/'s.
 */
#include "config.h"

#include "restore/inspect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#include "images/inspect/content.h"
#include "images/inspect/diff.h"
#include "images/inspect/estimate.h"
#include "images/inspect/html.h"
#include "images/inspect/memory.h"
#include "images/inspect/text.h"
#include "images/inspect/trace.h"
#include "restore/complain.h"

static const char usage[] =
	"Usage: faultin inspect [OPTION]... DIR|ARCHIVE|-\n"
	"Show what a checkpoint holds, and what of it would be lazy.\n"
	"\n"
	"      --maps[=PID]       every mapping, and why it is lazy or not\n"
	"      --files            open files and descriptors\n"
	"      --sockets          sockets\n"
	"      --mounts           mounts\n"
	"      --namespaces       namespaces, and who is in them\n"
	"      --env              arguments and environment of the tasks\n"
	"      --pages            zero and duplicate pages, and what compression would save\n"
	"      --diff OTHER       what has changed since the older checkpoint OTHER\n"
	"      --grep PATTERN     where in memory PATTERN is: text, or bytes as hex:0a0b0c\n"
	"      --dump ADDR,LEN    bytes of memory\n"
	"      --estimate         how long eager and lazy restores may take here\n"
	"      --trace FILE       what a restore has touched, as 'faultin serve --trace' wrote it\n"
	"      --all              --maps, --files, --sockets, --mounts, --namespaces and --env\n"
	"\n"
	"  -t, --task PID         only this task\n"
	"      --prot PROT        only mappings with this protection: rw-, r?x, ...\n"
	"      --kind KIND        only mappings of this kind: heap, stack, anon, file, ...\n"
	"      --range START-END  only mappings in this range of addresses\n"
	"\n"
	"      --json             a JSON object in place of text; see faultin-inspect(1)\n"
	"      --html FILE        a page for a browser in place of text, with all but --env\n"
	"  -V, --version          print the version\n"
	"  -h, --help             print this\n"
	"\n"
	"An archive is a tar, packed or not, as podman and Kubernetes make them; '-' is one on\n"
	"standard input.  Exit code: 0, 1 when the checkpoint cannot be read, 2 for wrong "
	"options.\n";

/* --- long work ---------------------------------------------------------------------------------- */

static struct bar {
	uint64_t start_ns, shown_ns;
	bool drawn;
} bar;

/* Ten times a second, on one line that is written over. */
static void draw_bar(uint64_t done, uint64_t all, void *arg)
{
	static const char full[] = "########################################";
	const int width = (int)sizeof(full) - 1;
	struct bar *b = arg;
	uint64_t now = fi_now_ns();
	int part = all ? (int)((double)done / (double)all * width) : width;

	if (!b->start_ns)
		b->start_ns = b->shown_ns = now;
	if (done >= all) {
		if (b->drawn)
			(void)fputs("\r\033[K", stderr); /* the report takes its place */
		*b = (struct bar){ .drawn = false };
		return;
	}
	if (now - b->shown_ns < 100000000)
		return;
	(void)fprintf(stderr, "\r[%-*.*s] %3d %%  %.2f GB/s ", width, part, full,
		      (int)(100.0 * (double)done / (double)all),
		      (double)done / (double)(now - b->start_ns));
	b->shown_ns = now;
	b->drawn = true;
}

static fi_progress *asked_progress(void)
{
	return isatty(STDERR_FILENO) ? draw_bar : NULL;
}

/* What takes the fingerprints of all pages. */
static int add_digests(const struct fi_inspect_options *o, const struct fi_checkpoint *cp,
		       struct fi_json *js, struct json_object *root, struct fi_error *err)
{
	fi_auto_checkpoint struct fi_checkpoint other = { .fd = -EBADF };
	fi_auto_digests struct fi_digests digests = { .of_file = NULL };
	fi_auto_digests struct fi_digests others = { .of_file = NULL };
	int r;

	r = fi_digests_make(cp, asked_progress(), &bar, &digests, err);
	if (r == 0 && o->pages)
		r = fi_report_content(cp, &digests, js, root, err);
	if (r < 0 || !o->diff)
		return r;
	r = fi_checkpoint_open(o->diff, &other, err);
	if (r == 0)
		r = fi_digests_make(&other, asked_progress(), &bar, &others, err);
	if (r == 0)
		fi_report_diff(cp, &digests, &other, &others, &o->filter, js, root);
	return r;
}

/* --- the verb ----------------------------------------------------------------------------------- */

static int add_parts(const struct fi_inspect_options *o, const struct fi_checkpoint *cp,
		     struct fi_json *js, struct json_object *root, struct fi_error *err)
{
	int r;

	r = fi_report_overview(cp, &o->filter, o->maps, js, root, err);
	if (r == 0 && o->files)
		r = fi_report_files(cp, &o->filter, js, root, err);
	if (r == 0 && o->sockets)
		r = fi_report_sockets(cp, js, root, err);
	if (r == 0 && o->mounts)
		r = fi_report_mounts(cp, js, root, err);
	if (r == 0 && o->namespaces)
		r = fi_report_namespaces(cp, js, root, err);
	if (r == 0 && o->env)
		r = fi_report_environment(cp, &o->filter, js, root, err);
	if (r == 0 && o->dump_len)
		r = fi_report_dump(cp, &o->filter, o->dump_addr, o->dump_len, js, root, err);
	if (r == 0 && (o->pages || o->diff))
		r = add_digests(o, cp, js, root, err);
	if (r == 0 && o->pattern_len)
		r = fi_report_grep(cp, &o->filter, o->pattern, o->pattern_len, asked_progress(),
				   &bar, js, root, err);
	if (r == 0 && o->trace)
		r = fi_report_trace(cp, &o->filter, o->trace, js, root, err);
	if (r == 0 && o->estimate)
		r = fi_report_estimate(cp, js, root, err);
	return r;
}

static int write_html(const char *path, struct json_object *root, struct fi_error *err)
{
	FILE *to = fopen(path, "we");
	int r;

	if (!to)
		return fi_error_set(err, -errno, "cannot create '%s': %s", path, strerror(errno));
	r = fi_html_report(root, to, err);
	if (fclose(to) != 0 && r == 0)
		r = fi_error_set(err, -errno, "cannot write '%s': %s", path, strerror(errno));
	return r;
}

static int print(const struct fi_inspect_options *o, struct json_object *root, struct fi_error *err)
{
	int r;

	if (o->html) {
		r = write_html(o->html, root, err);
		if (r < 0)
			return r;
	}
	if (o->json) {
		(void)fputs(json_object_to_json_string_ext(
				    root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
			    stdout);
		(void)fputc('\n', stdout);
	} else if (!o->html) {
		fi_text_report(root, stdout);
	}
	if (fflush(stdout) != 0 || ferror(stdout))
		return fi_error_set(err, -errno, "cannot write to standard output");
	return 0;
}

static int inspect(const struct fi_inspect_options *o, struct fi_error *err)
{
	fi_auto_checkpoint struct fi_checkpoint cp = { .fd = -EBADF };
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = !root };
	int r;

	fi_json_u64(&js, root, "version", FI_REPORT_VERSION);
	r = fi_checkpoint_open(o->path, &cp, err);
	if (r == 0 && o->filter.pid && !fi_image_find_task(cp.image, o->filter.pid))
		r = fi_error_set(err, -ESRCH, "there is no task %u in it", o->filter.pid);
	if (r == 0)
		r = add_parts(o, &cp, &js, root, err);
	if (r == 0 && js.failed)
		r = fi_error_set(err, -ENOMEM, "no memory for the report");
	if (r == 0)
		r = print(o, root, err);
	(void)json_object_put(root);
	return r;
}

int fi_inspect_main(int argc, char **argv)
{
	struct fi_inspect_options options;
	struct fi_error err = { "" };
	int r;

	if (fi_inspect_parse(argc, argv, &options, &err) < 0)
		return fi_complain_misuse("inspect", err.text);
	if (options.help) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (options.version) {
		(void)printf("Version: %s\n", PACKAGE_VERSION);
		return 0;
	}
	r = inspect(&options, &err);
	if (r < 0)
		fi_complain("inspect", NULL, err.text[0] ? err.text : strerror(-r));
	return r < 0 ? 1 : 0;
}
