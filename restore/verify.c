/* restore/verify.c - the verb `verify`: is a checkpoint whole?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is looked at is images/inspect/verify.h's.
 */
#include "config.h"

#include "restore/verify.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "images/inspect/text.h"
#include "images/inspect/verify.h"
#include "restore/complain.h"
#include "restore/options.h"

static const char usage[] =
	"Usage: faultin verify [OPTION]... DIR|ARCHIVE|-\n"
	"Check whether a checkpoint is whole.\n"
	"\n"
	"      --json     a JSON object in place of text; see faultin-verify(1)\n"
	"  -q, --quiet    say nothing but errors\n"
	"  -V, --version  print the version\n"
	"  -h, --help     print this\n"
	"\n"
	"Exit code: 0 when it is whole, 1 when it is not or cannot be read, 2 for wrong options.\n";

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const struct fi_verb verb = { "verify", usage, ":qVh", long_options };

static void print_text(const struct fi_verdict *verdict, const char *path)
{
	size_t i;

	for (i = 0; i < verdict->nr; i++) {
		const struct fi_finding *finding = &verdict->findings[i];

		fi_text_put(finding->file, stdout);
		if (finding->record)
			(void)printf(" record %" PRIu64, finding->record);
		(void)fputs(": ", stdout);
		fi_text_put(finding->what, stdout);
		(void)printf("\n    so %s\n", finding->loss);
	}
	fi_text_put(path, stdout);
	if (verdict->nr > 0)
		(void)printf(": not whole: %zu %s", verdict->nr,
			     verdict->nr > 1 ? "findings" : "finding");
	else
		(void)fputs(": whole", stdout);
	(void)printf(" (%" PRIu64 " files, %" PRIu64 " records, %" PRIu64 " pages)\n",
		     verdict->files, verdict->records, verdict->pages);
}

static int print_json(const struct fi_verdict *verdict, const char *path, struct fi_error *err)
{
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = !root };
	int r = 0;

	fi_verdict_json(verdict, path, &js, root);
	if (js.failed)
		r = fi_error_set(err, -ENOMEM, "no memory for the report");
	else
		(void)puts(json_object_to_json_string_ext(
			root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	(void)json_object_put(root);
	return r;
}

/* Returns the exit code, or a negative errno. */
static int verify(const char *path, bool json, bool quiet, struct fi_error *err)
{
	fi_auto_verdict struct fi_verdict verdict = { .findings = NULL };
	int r;

	r = fi_verify(path, &verdict, err);
	if (r < 0)
		return r;
	if (json)
		r = print_json(&verdict, path, err);
	else if (!quiet)
		print_text(&verdict, path);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = fi_error_set(err, -EIO, "cannot write to standard output");
	return r < 0 ? r : verdict.nr > 0;
}

int fi_verify_main(int argc, char **argv)
{
	bool json = false, quiet = false;
	struct fi_error err = { "" };
	int c, code, r;

	while ((c = fi_option_next(&verb, argc, argv, &code)) > 0) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'q':
			quiet = true;
			break;
		}
	}
	if (c < 0)
		return code;
	if (optind + 1 != argc)
		return fi_complain_misuse("verify", "name one directory or archive");
	r = verify(argv[optind], json, quiet, &err);
	if (r < 0)
		fi_complain("verify", NULL, err.text[0] ? err.text : strerror(-r));
	return r < 0 ? 1 : r;
}
