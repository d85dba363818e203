/* restore/control.h - a session's control socket: who asks is answered, and never waited for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The socket is in the runtime directory (rundir.h), mode 0600, and only our own user and root are
 * heard.  The protocol is request.h's.  The listener is one of the descriptors that outlive an
 * engine: who connects while there is none is heard by the next.  Connections do not outlive it:
 * who was not answered asks again.
 *
 * Everything is non-blocking and bounded: so many clients, so many bytes from each and for each.  A
 * client that does not read, or sends nothing, loses its place when another one wants it.
 *
 * One thread (the session's) uses all of this.
 */
#ifndef FI_RESTORE_CONTROL_H
#define FI_RESTORE_CONTROL_H

#include <json-c/json.h>
#include <sys/types.h>

#include "restore/request.h"

struct fi_control; /* opaque */

struct fi_control_host {
	/* What the session is doing: a new object, or NULL when there is no memory. */
	struct json_object *(*status)(void *arg);
	/* PAUSE, RESUME, RATE, COMPLETE, CONTAINER or UPGRADE. */
	void (*steer)(void *arg, const struct fi_request *request);
	void *arg;
};

/* A listener for the session whose first keeper is @pid; the ledger knows it from then on.  Sockets of
 * dead sessions are removed.  Before rights are given up.  Returns 0, or a negative errno said in @err:
 * then the session goes on without. */
int fi_control_listen(pid_t pid, struct fi_error *err);

/* Nobody serves the session any more: the socket's file is removed, who has connected in time is told how
 * it has ended (the ledger's outcome; none: "failed"), and the socket is closed.  Allocates nothing: a
 * keeper may call it. */
void fi_control_end(void);

int fi_control_new(int listener, const struct fi_control_host *host, struct fi_control **ret);

/* Readable when there is something to do for fi_control_serve, which does a bounded part of it. */
int fi_control_fd(const struct fi_control *control);
void fi_control_serve(struct fi_control *control);

/* The session has ended, and the ledger says how: who waits is told, and so is who has connected and not
 * asked yet, as far as it fits into the sockets.  @control may be NULL. */
void fi_control_free(struct fi_control *control);

#endif
