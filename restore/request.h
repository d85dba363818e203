/* restore/request.h - what a session can be asked over its control socket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line of JSON is the request, one line the reply, and the connection is over:
 * doc/faultin-control.5 is the protocol's description.
 */
#ifndef FI_RESTORE_REQUEST_H
#define FI_RESTORE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "common/container.h"
#include "common/error.h"

#define FI_CONTROL_VERSION 1
#define FI_REQUEST_MAX	   4096		       /* bytes of the line, its newline included */
#define FI_REPLY_MAX	   (4U << 20)	       /* of the reply's line */
#define FI_RATE_MAX	   (UINT64_C(1) << 50) /* bytes a second */

enum fi_command {
	FI_COMMAND_STATUS,
	FI_COMMAND_METRICS,
	FI_COMMAND_WAIT,
	FI_COMMAND_PAUSE,
	FI_COMMAND_RESUME,
	FI_COMMAND_RATE,
	FI_COMMAND_COMPLETE,
	FI_COMMAND_CONTAINER,
	FI_COMMAND_UPGRADE,
};

struct fi_request {
	enum fi_command command;
	uint64_t rate; /* RATE: bytes a second, at most FI_RATE_MAX; 0: no limit */
	char container[FI_CONTAINER_MAX]; /* CONTAINER: its id */
};

/* Reads a line of @len bytes, without its newline; anything may be in it.  Returns 0, or, said in
 * @err, -EPROTO when it is no request, -EPROTONOSUPPORT when it is of another version or asks for
 * what we do not know, or -ENOMEM. */
int fi_request_parse(const char *line, size_t len, struct fi_request *ret, struct fi_error *err);

/* The request as a line with its newline.  Returns its length. */
size_t fi_request_format(const struct fi_request *request, char line[FI_REQUEST_MAX]);

#endif
