/* restore/inspect.h - `faultin inspect`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_INSPECT_H
#define FI_RESTORE_INSPECT_H

#include <stdbool.h>

#include "images/inspect/report.h"
#include "images/inspect/search.h"

struct fi_inspect_options {
	const char *path; /* "-": standard input */
	struct fi_filter filter;
	uint64_t dump_addr, dump_len; /* dump_len 0: no dump */
	uint8_t pattern[FI_PATTERN_MAX];
	size_t pattern_len; /* 0: no search */
	const char *diff;   /* the older checkpoint, or NULL */
	const char *html;   /* the page to write, or NULL */
	const char *trace;  /* the one to draw, or NULL */
	bool maps, files, sockets, mounts, namespaces, env, pages, estimate;
	bool json;
	bool help, version;
};

/* Reads the words after "inspect".  Returns 0, or -EINVAL said in @err.  The strings are @argv's. */
int fi_inspect_parse(int argc, char **argv, struct fi_inspect_options *ret, struct fi_error *err);

/* The verb.  @argv[0] is "inspect".  Returns the exit code. */
int fi_inspect_main(int argc, char **argv);

#endif
