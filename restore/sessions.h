/* restore/sessions.h - which sessions a verb is about: those that were named, or all.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SESSIONS_H
#define FI_RESTORE_SESSIONS_H

#include "restore/rundir.h"

struct fi_sessions {
	int dir; /* of their sockets; -EBADF: there is none */
	fi_session_name *names;
	size_t nr;
	bool all; /* none was named; some may have died long ago */
};

/* @words, up to a NULL, are names; no word: all sessions.  What is no name is refused with -EINVAL.
 * A directory that is not there is no error: there are no sessions then.  Release with
 * fi_sessions_done.  Returns 0 or a negative errno said in @err. */
int fi_sessions_find(char **words, struct fi_sessions *ret, struct fi_error *err);

void fi_sessions_done(struct fi_sessions *sessions);
#define fi_auto_sessions fi_cleanup(fi_sessions_done)

#endif
