/* restore/client.h - the other end of a control socket: what the verbs ask sessions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_CLIENT_H
#define FI_RESTORE_CLIENT_H

#include <json-c/json.h>

#include "restore/member.h"
#include "restore/request.h"
#include "restore/rundir.h"

#define FI_CLIENT_PATIENCE_MS 5000 /* for what a session answers at once */

/* A request on its way. */
struct fi_call {
	const char *session; /* its name; the caller's */
	struct fi_request request;
	int fd; /* negative: why it could not be sent */
};

/* Sends @request to the session.  What went wrong is said by fi_call_reply. */
void fi_call_send(struct fi_call *call, int dir, const char *session,
		  const struct fi_request *request);

/* Waits for the reply, at most @timeout_ms after the last bytes of it (negative: without a limit),
 * and ends the call.  A session whose engine has died, and been replaced, is asked again.
 *
 * Returns 0 and the reply, an object whose "ok" is true or, to WAIT and COMPLETE, that has a "result";
 * or, said in @err:
 *   -ESRCH      there is no such session
 *   -ENOLINK    it was there, and has ended
 *   -EREMOTEIO  it has refused
 *   -ETIMEDOUT, -EPROTO, or what connect(2) and recv(2) gave. */
int fi_call_reply(struct fi_call *call, int dir, int timeout_ms, struct json_object **ret,
		  struct fi_error *err);

/* Both, for an answer that comes at once. */
int fi_ask(int dir, const char *session, const struct fi_request *request, struct json_object **ret,
	   struct fi_error *err);

#endif
