/* restore/rundir.h - where the control sockets of running sessions are found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * $FAULTIN_RUNTIME_DIR where it is set, else /run/faultin for root and $XDG_RUNTIME_DIR/faultin for
 * others.  Only a directory that belongs to us and that nobody else can enter is used, and by its
 * descriptor from then on: nobody can plant a name in it, or exchange what a name stands for.
 *
 * A session is named after its first keeper: "1234", or "1234-1" where that name is still in use.
 */
#ifndef FI_RESTORE_RUNDIR_H
#define FI_RESTORE_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

#define FI_RUNDIR_NAME_MAX 32	/* with the terminator */
#define FI_RUNDIR_ROOM	   1024 /* sessions that are looked at */

typedef char fi_session_name[FI_RUNDIR_NAME_MAX];

/* Opens the directory; where @make, it is made first.
 *
 * Returns a descriptor, or, said in @err:
 *   -ENOENT   there is none, so there has been no session; or nothing says where it would be
 *   -EPERM    it is somebody else's, or others may enter it
 *   or what mkdir(2) and open(2) gave */
int fi_rundir_open(bool make, struct fi_error *err);

/* Opens those of other users, /run/user/UID/faultin: for root, unless $FAULTIN_RUNTIME_DIR is set.  Who
 * has put his elsewhere is not found.  Returns how many there are in @at, each with its owner. */
struct fi_rundir {
	int fd;
	uid_t uid;
};
size_t fi_rundir_open_others(struct fi_rundir *at, size_t room);

/* Whether a word can be a session's name; no other ever gets near a path. */
bool fi_rundir_is_name(const char *word);

/* Binds @socket, for the session of @pid, to a name that was free.  Returns 0 or a negative errno. */
int fi_rundir_bind(int dir, int socket, pid_t pid, fi_session_name ret);

/* A connection to a session, non-blocking, of the directory's owner or root: not to whoever a link in
 * it names.  -ESRCH: there is no such session, or no directory (@dir is negative); -EAGAIN: it has too many visitors to hear us now; or a
 * negative errno. */
int fi_rundir_connect(int dir, const char *name);

/* The names that there are, in the order of numbers: at most @room of them.  Some may be of sessions
 * that have died.  Returns how many, or a negative errno. */
int fi_rundir_list(int dir, fi_session_name *at, size_t room);

/* Removes sockets at which nobody listens any more. */
void fi_rundir_sweep(int dir);

#endif
