/* restore/options.c - see options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/options.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "restore/complain.h"

/* getopt leaves a cluster of short ones only at its end, so the word before optind may be another one. */
int fi_option_bad(int c, const char *letters, int argc, char **argv, struct fi_error *err)
{
	const char *word = argv[optind > 0 && optind <= argc ? optind - 1 : 0];
	const bool one_letter = optopt > 0 && optopt <= UCHAR_MAX &&
				(c == '?' ? !strchr(letters, optopt) : strncmp(word, "--", 2) != 0);
	const char letter[] = { '-', (char)optopt, '\0' };
	const char *name = one_letter ? letter : word;

	return c == ':' ? fi_error_set(err, -EINVAL, "%s needs a value", name)
			: fi_error_set(err, -EINVAL, "unknown option '%s'", name);
}

int fi_option_next(const struct fi_verb *verb, int argc, char **argv, int *code)
{
	struct fi_error err = { "" };
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, verb->letters, verb->options, NULL);
	switch (c) {
	case -1:
		return 0;
	case 'V':
		(void)printf("Version: %s\n", PACKAGE_VERSION);
		*code = 0;
		return -1;
	case 'h':
		(void)fputs(verb->usage, stdout);
		*code = 0;
		return -1;
	case ':':
	case '?':
		(void)fi_option_bad(c, verb->letters, argc, argv, &err);
		*code = fi_complain_misuse(verb->name, err.text);
		return -1;
	default:
		return c;
	}
}
