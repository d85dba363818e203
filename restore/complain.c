/* restore/complain.c - see complain.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/complain.h"

#include <stdio.h>

#include "images/inspect/text.h"

void fi_complain(const char *verb, const char *session, const char *words)
{
	(void)fprintf(stderr, "faultin %s: ", verb);
	if (session)
		(void)fprintf(stderr, "session %s: ", session);
	fi_text_put(words, stderr);
	(void)fputc('\n', stderr);
}

int fi_complain_misuse(const char *verb, const char *words)
{
	fi_complain(verb, NULL, words);
	(void)fprintf(stderr, "Try 'faultin %s --help'.\n", verb);
	return 2;
}
