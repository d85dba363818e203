/* restore/sessions.h - which sessions a verb is about: those that were named, or all.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One's own; for root those of other users, too (rundir.h).  A name stands for the first session that
 * is called so, one's own before others'.
 */
#ifndef FI_RESTORE_SESSIONS_H
#define FI_RESTORE_SESSIONS_H

#include "restore/rundir.h"

struct fi_session_ref {
	int dir;   /* of its socket; negative: there is none */
	uid_t uid; /* whose directory that is */
	fi_session_name name;
};

struct fi_sessions {
	struct fi_rundir *dirs;
	size_t nr_dirs;
	struct fi_session_ref *at;
	size_t nr;
	bool all; /* none was named; some may have died long ago */
};

enum fi_whose { FI_OWN, FI_EVERYBODYS };

/* @words, up to a NULL, are names; no word: all sessions, for root and FI_EVERYBODYS those of other
 * users, too.  What is no name is refused with -EINVAL.  A directory that is not there is no error:
 * there are no sessions then.  Release with fi_sessions_done.  Returns 0 or a negative errno said in
 * @err. */
int fi_sessions_find(char **words, enum fi_whose whose, struct fi_sessions *ret,
		     struct fi_error *err);

void fi_sessions_done(struct fi_sessions *sessions);
#define fi_auto_sessions fi_cleanup(fi_sessions_done)

#endif
