/* restore/client.c - see client.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/client.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Between two tries: a session whose engine has died is heard of again in some milliseconds. */
#define PAUSE_MS 20

#define MAX_DEPTH 8

void fi_call_send(struct fi_call *call, int dir, const char *session,
		  const struct fi_request *request)
{
	char line[FI_REQUEST_MAX];
	size_t len = fi_request_format(request, line);

	*call = (struct fi_call){ .session = session, .request = *request };
	call->fd = fi_rundir_connect(dir, session);
	/* Who has hung up already may have said why. */
	if (call->fd >= 0 && send(call->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len &&
	    errno != EPIPE) {
		fi_close(&call->fd);
		call->fd = -ECONNRESET;
	}
}

struct reply {
	char *text;
	size_t have, room;
};

/* Reads on.  Returns 1 when the line is there, 0 when there is more to come, or a negative errno. */
static int read_more(int fd, struct reply *reply)
{
	ssize_t n;

	if (reply->have == reply->room) {
		size_t room = reply->room ? 2 * reply->room : 16384;
		char *grown = room > 2 * (size_t)FI_REPLY_MAX ? NULL : realloc(reply->text, room);

		if (!grown)
			return -ENOMEM;
		reply->text = grown;
		reply->room = room;
	}
	n = recv(fd, reply->text + reply->have, reply->room - reply->have, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	reply->have += (size_t)n;
	return reply->text[reply->have - 1] == '\n';
}

static bool is_about_the_end(const struct fi_request *request)
{
	return request->command == FI_COMMAND_WAIT || request->command == FI_COMMAND_COMPLETE;
}

static int parse(const struct fi_request *request, const struct reply *reply,
		 struct json_object **ret, struct fi_error *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	struct json_object *json =
		tokener ? json_tokener_parse_ex(tokener, reply->text, (int)reply->have) : NULL;
	struct json_object *ok = fi_member(json, "ok", json_type_boolean);
	int r = 0;

	json_tokener_free(tokener);
	if (!ok || fi_member_u64(json, "version") != FI_CONTROL_VERSION)
		r = fi_error_set(err, -EPROTO, "its reply makes no sense");
	else if (!json_object_get_boolean(ok) && fi_member(json, "result", json_type_string))
		r = is_about_the_end(request)
			    ? 0
			    : fi_error_set(err, -ENOLINK, "%s", fi_member_text(json, "error"));
	else if (!json_object_get_boolean(ok))
		r = fi_error_set(err, -EREMOTEIO, "%s", fi_member_text(json, "error"));
	if (r < 0)
		(void)json_object_put(json);
	else
		*ret = json;
	return r;
}

/* Whether the session can still be reached: one that was given up keeps its connections open. */
static bool is_there(int dir, const char *session)
{
	fi_auto_close int fd = fi_rundir_connect(dir, session);

	return fd != -ESRCH;
}

/* Without a time limit, as long as the session can be reached. */
static int receive(const struct fi_call *call, int dir, int timeout_ms, struct reply *reply)
{
	bool there = true;
	int r = 0;

	reply->have = 0;
	while (r == 0) {
		struct pollfd pfd = { .fd = call->fd, .events = POLLIN };
		int n = poll(&pfd, 1, timeout_ms < 0 ? FI_CLIENT_PATIENCE_MS : timeout_ms);

		if (n > 0)
			r = read_more(call->fd, reply);
		else if (n < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (timeout_ms >= 0)
			r = -ETIMEDOUT;
		else if (there)
			there = is_there(dir,
					 call->session); /* its last words may be here by now */
		else
			r = -ESRCH;
	}
	return r < 0 ? r : 0;
}

/* One try.  -ECONNRESET: the connection, or nobody had a place for us: another may do better. */
static int try_once(struct fi_call *call, int dir, int timeout_ms, struct json_object **ret,
		    struct fi_error *err)
{
	struct reply reply = { .text = NULL };
	int r = call->fd < 0 ? call->fd : receive(call, dir, timeout_ms, &reply);

	if (r == 0)
		r = parse(&call->request, &reply, ret, err);
	free(reply.text);
	fi_close(&call->fd);
	return r == -EAGAIN || r == -EPIPE ? -ECONNRESET : r;
}

int fi_call_reply(struct fi_call *call, int dir, int timeout_ms, struct json_object **ret,
		  struct fi_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	bool was_there = call->fd != -ESRCH;
	int r = try_once(call, dir, timeout_ms, ret, err);

	for (int ms = 0; r == -ECONNRESET && (timeout_ms < 0 || ms < timeout_ms); ms += PAUSE_MS) {
		(void)nanosleep(&pause, NULL);
		fi_call_send(call, dir, call->session, &call->request);
		r = try_once(call, dir, timeout_ms, ret, err);
	}
	if (r == -ESRCH && was_there)
		return fi_error_set(err, -ENOLINK, "it has ended, and nobody knows how");
	if (r == -ESRCH)
		return fi_error_set(err, r, "there is no such session");
	if (r == -ECONNRESET || r == -ETIMEDOUT)
		return fi_error_set(err, -ETIMEDOUT, "it does not answer");
	return r < 0 && !err->text[0] ? fi_error_set(err, r, "%s", strerror(-r)) : r;
}

int fi_ask(int dir, const char *session, const struct fi_request *request, struct json_object **ret,
	   struct fi_error *err)
{
	struct fi_call call;

	fi_call_send(&call, dir, session, request);
	return fi_call_reply(&call, dir, FI_CLIENT_PATIENCE_MS, ret, err);
}
