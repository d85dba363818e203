/* restore/options.h - the options of a verb, one by one; what all verbs have is answered here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_OPTIONS_H
#define FI_RESTORE_OPTIONS_H

#include <getopt.h>

#include "common/error.h"

struct fi_verb {
	const char *name;
	const char *usage;	      /* what --help prints */
	const char *letters;	      /* as getopt has them, with ":" first, and "V" and "h" */
	const struct option *options; /* the same: "version" is 'V', "help" is 'h' */
};

/* The next one; its value is in optarg.  Returns what getopt_long does; 0: there is none any more, and
 * argv[optind] is the first other word; or -1: the verb ends with *@code, because --version or --help was
 * answered, or what is wrong was complained of.  As with getopt_long, a second command line in one process
 * wants optind = 0 before. */
int fi_option_next(const struct fi_verb *verb, int argc, char **argv, int *code);

/* Says what is wrong with the option for which getopt_long has returned @c, ':' or '?'.  Returns -EINVAL. */
int fi_option_bad(int c, const char *letters, int argc, char **argv, struct fi_error *err);

#endif
