/* restore/complain.h - what the verbs that ask sessions say of what is wrong, all in the same words.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_COMPLAIN_H
#define FI_RESTORE_COMPLAIN_H

/* The exit code when a session that was named is not there. */
enum { FI_NO_SUCH_SESSION = 3 };

/* A line on standard error: of @session, unless that is NULL.  @words may come from anywhere. */
void fi_complain(const char *verb, const char *session, const char *words);

/* The same of a command line, and where to read how it is meant.  Returns the exit code for that. */
int fi_complain_misuse(const char *verb, const char *words);

#endif
