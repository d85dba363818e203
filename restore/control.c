/* restore/control.c - see control.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A client goes READING -> WRITING, or READING -> WAITING (for the end of the session) -> WRITING, and
 * is closed.  Clients have an epoll of their own inside the session's.
 */
#include "config.h"

#include "restore/control.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "images/inspect/json.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/metrics.h"
#include "restore/rundir.h"

#define MAX_TALKERS 32	/* who asks, or is answered */
#define MAX_WAITERS 256 /* for the end of the session: a descriptor each */
#define MAX_CLIENTS (MAX_TALKERS + MAX_WAITERS)
#define MAX_EVENTS  16 /* for one fi_control_serve */

enum client_state { NOBODY, READING, WAITING, WRITING };

struct client {
	enum client_state state;
	int fd;
	uint64_t since; /* counts connections */
	char *text;	/* READING: the request, with room for FI_REQUEST_MAX; WRITING: the reply */
	size_t len;	/* bytes of it */
	size_t sent;	/* of the reply */
};

struct fi_control {
	struct fi_control_host host;
	int listener, epfd;
	uint64_t nr_connections;
	struct client clients[MAX_CLIENTS];
};

/* --- the socket ---------------------------------------------------------------------------- */

/* Bound in @dir; the ledger has its name. */
static int make_socket(int dir, pid_t pid, struct fi_error *err)
{
	struct fi_session_record *record = &fi_ledger()->session;
	fi_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fi_session_name name;
	struct stat bound;
	int r;

	if (fd < 0)
		return fi_error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	/* Before bind: the mode of the socket's inode is what bind gives the file. */
	(void)fchmod(fd, 0600);
	r = fi_rundir_bind(dir, fd, pid, name);
	if (r < 0)
		return fi_error_set(err, r, "cannot bind: %s", strerror(-r));
	if (fstatat(dir, name, &bound, AT_SYMLINK_NOFOLLOW) < 0 || listen(fd, MAX_TALKERS) < 0) {
		r = fi_error_set(err, -errno, "cannot listen: %s", strerror(errno));
		(void)unlinkat(dir, name, 0);
		return r;
	}
	record->control_ino = bound.st_ino;
	memcpy(record->control, name, sizeof(record->control));
	return fi_take_fd(&fd);
}

_Static_assert(sizeof(fi_session_name) == sizeof(((struct fi_session_record *)0)->control),
	       "a name fits in the ledger");

int fi_control_listen(pid_t pid, struct fi_error *err)
{
	int dir = fi_rundir_open(true, err), listener;

	if (dir < 0)
		return dir;
	fi_rundir_sweep(dir);
	listener = make_socket(dir, pid, err);
	if (listener < 0) {
		fi_close(&dir);
		return listener;
	}
	fi_keep(FI_KEPT_RUNDIR, dir);
	fi_keep(FI_KEPT_CONTROL, listener);
	return 0;
}

static bool is_welcome(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* The reply to whatever is asked too late. */
static void say_ended(int fd)
{
	const char *outcome = fi_ledger()->session.outcome;
	char line[128];
	int len;

	if (!outcome[0])
		outcome = "failed";
	len = snprintf(line, sizeof(line),
		       "{\"version\":%d,\"ok\":false,\"error\":\"it has ended: %s\","
		       "\"result\":\"%s\"}\n",
		       FI_CONTROL_VERSION, outcome, outcome);
	(void)send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* To whom no engine has listened any more. */
static void say_ended_to_all(int listener)
{
	for (;;) {
		fi_auto_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0 && is_welcome(fd))
			say_ended(fd);
		else if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

void fi_control_end(void)
{
	struct fi_session_record *record = &fi_ledger()->session;
	int dir = fi_kept(FI_KEPT_RUNDIR), listener = fi_kept(FI_KEPT_CONTROL);
	struct stat now;

	/* Not if somebody has removed it and another session has its name. */
	if (dir >= 0 && record->control[0] &&
	    fstatat(dir, record->control, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    now.st_ino == record->control_ino)
		(void)unlinkat(dir, record->control, 0);
	record->control[0] = '\0';
	if (listener >= 0)
		say_ended_to_all(listener);
	fi_keep(FI_KEPT_CONTROL, -EBADF);
	fi_close(&listener);
}

/* --- a client ------------------------------------------------------------------------------ */

static void drop(struct client *client)
{
	fi_close(&client->fd);
	free(client->text);
	*client = (struct client){ .state = NOBODY, .fd = -EBADF };
}

/* Sends what the socket takes; drops the client when all is sent, or none will ever be. */
static void send_more(struct client *client)
{
	ssize_t n = send(client->fd, client->text + client->sent, client->len - client->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		client->sent += (size_t)n;
	if (client->sent == client->len || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(client);
}

static void watch(struct fi_control *control, struct client *client, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = client };

	if (epoll_ctl(control->epfd, EPOLL_CTL_MOD, client->fd, &event) < 0)
		drop(client);
}

/* Takes @reply; NULL: there was no memory for it.  Then the client sees the end and no reply. */
static void answer(struct fi_control *control, struct client *client, struct json_object *reply)
{
	size_t len = 0;
	const char *text =
		reply ? json_object_to_json_string_length(reply, JSON_C_TO_STRING_PLAIN, &len)
		      : NULL;

	free(client->text);
	client->text = text && len < FI_REPLY_MAX ? malloc(len + 1) : NULL;
	if (client->text) {
		memcpy(client->text, text, len);
		client->text[len] = '\n';
		client->len = len + 1;
		client->state = WRITING;
		send_more(client);
	} else {
		drop(client);
	}
	(void)json_object_put(reply);
	if (client->state == WRITING)
		watch(control, client, EPOLLOUT);
}

/* A reply with nothing in it yet. */
static struct json_object *new_reply(struct fi_json *js, bool ok)
{
	struct json_object *reply = json_object_new_object();

	fi_json_u64(js, reply, "version", FI_CONTROL_VERSION);
	fi_json_bool(js, reply, "ok", ok);
	return reply;
}

/* NULL when there was no memory. */
static struct json_object *finish(const struct fi_json *js, struct json_object *reply)
{
	if (!js->failed)
		return reply;
	(void)json_object_put(reply);
	return NULL;
}

static struct json_object *refusal(const struct fi_error *err)
{
	struct fi_json js = { .failed = false };
	struct json_object *reply = new_reply(&js, false);

	fi_json_text(&js, reply, "error", err->text);
	return finish(&js, reply);
}

static struct json_object *acceptance(const char *result)
{
	struct fi_json js = { .failed = false };
	struct json_object *reply = new_reply(&js, true);

	if (result)
		fi_json_text(&js, reply, "result", result);
	return finish(&js, reply);
}

static struct json_object *status(const struct fi_control *control)
{
	struct fi_json js = { .failed = false };
	struct json_object *reply = new_reply(&js, true);
	struct json_object *session = control->host.status(control->host.arg);

	if (!session || !reply || json_object_object_add(reply, "session", session) < 0) {
		(void)json_object_put(session);
		js.failed = true;
	}
	return finish(&js, reply);
}

static struct json_object *metrics(const struct fi_control *control)
{
	struct fi_json js = { .failed = false };
	struct json_object *reply = new_reply(&js, true), *sessions = json_object_new_array();
	struct json_object *session = control->host.status(control->host.arg);
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!session || !sessions || !to || json_object_array_add(sessions, session) < 0) {
		(void)json_object_put(session);
		js.failed = true;
	} else {
		fi_metrics_write(sessions, 0, to);
	}
	if (!to || fclose(to) != 0)
		js.failed = true;
	else
		fi_json_text(&js, reply, "metrics", text);
	free(text);
	(void)json_object_put(sessions);
	return finish(&js, reply);
}

static size_t count_waiters(const struct fi_control *control)
{
	size_t nr = 0;

	for (size_t i = 0; i < MAX_CLIENTS; i++)
		nr += control->clients[i].state == WAITING;
	return nr;
}

/* WAIT or COMPLETE. */
static void await_end(struct fi_control *control, struct client *client,
		      const struct fi_request *request)
{
	struct fi_error err = { "" };

	if (count_waiters(control) == MAX_WAITERS) {
		(void)fi_error_set(&err, -EBUSY, "%d clients wait for its end already",
				   MAX_WAITERS);
		answer(control, client, refusal(&err));
		return;
	}
	if (request->command == FI_COMMAND_COMPLETE)
		control->host.steer(control->host.arg, request);
	client->state = WAITING;
	free(client->text);
	client->text = NULL;
	watch(control, client, EPOLLIN | EPOLLRDHUP);
}

static void obey(struct fi_control *control, struct client *client,
		 const struct fi_request *request)
{
	switch (request->command) {
	case FI_COMMAND_STATUS:
		answer(control, client, status(control));
		return;
	case FI_COMMAND_METRICS:
		answer(control, client, metrics(control));
		return;
	case FI_COMMAND_PAUSE:
	case FI_COMMAND_RESUME:
	case FI_COMMAND_RATE:
	case FI_COMMAND_CONTAINER:
	case FI_COMMAND_UPGRADE:
		control->host.steer(control->host.arg, request);
		answer(control, client, acceptance(NULL));
		return;
	case FI_COMMAND_COMPLETE:
	case FI_COMMAND_WAIT:
		await_end(control, client, request);
		return;
	}
}

static void hear(struct fi_control *control, struct client *client, size_t len)
{
	struct fi_request request;
	struct fi_error err = { "" };

	if (fi_request_parse(client->text, len, &request, &err) < 0)
		answer(control, client, refusal(&err));
	else
		obey(control, client, &request);
}

static void read_more(struct fi_control *control, struct client *client)
{
	const char *end;
	ssize_t n = recv(client->fd, client->text + client->len, FI_REQUEST_MAX - client->len,
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	client->len += (size_t)n;
	end = memchr(client->text, '\n', client->len);
	if (end || client->len == FI_REQUEST_MAX)
		hear(control, client, end ? (size_t)(end - client->text) : client->len);
}

static void serve(struct fi_control *control, struct client *client)
{
	switch (client->state) {
	case NOBODY: /* it was dropped earlier in this round */
		break;
	case READING:
		read_more(control, client);
		break;
	case WAITING: /* it has gone, or says what nobody has asked for */
		drop(client);
		break;
	case WRITING:
		send_more(client);
		break;
	}
}

/* --- all of them --------------------------------------------------------------------------- */

/* For a new client: a free place, or that of the oldest of too many talkers. */
static struct client *find_place(struct fi_control *control)
{
	struct client *oldest = NULL, *empty = NULL;
	size_t nr_talkers = 0;

	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->state == NOBODY) {
			empty = client;
		} else if (client->state != WAITING) {
			nr_talkers++;
			if (!oldest || client->since < oldest->since)
				oldest = client;
		}
	}
	if (nr_talkers < MAX_TALKERS)
		return empty; /* those who wait have not taken all */
	drop(oldest);
	return oldest;
}

static void welcome(struct fi_control *control, int accepted)
{
	fi_auto_close int fd = accepted;
	struct epoll_event event = { .events = EPOLLIN };
	struct client *client;

	if (!is_welcome(fd))
		return;
	client = find_place(control);
	client->text = malloc(FI_REQUEST_MAX);
	event.data.ptr = client;
	if (!client->text || epoll_ctl(control->epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		drop(client);
		return;
	}
	client->state = READING;
	client->since = control->nr_connections++;
	client->fd = fi_take_fd(&fd);
}

/* A connection that was reset before is no reason to stop. */
static void accept_some(struct fi_control *control)
{
	for (int i = 0; i < MAX_EVENTS; i++) {
		int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			welcome(control, fd);
		else if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

int fi_control_new(int listener, const struct fi_control_host *host, struct fi_control **ret)
{
	struct fi_control *control = calloc(1, sizeof(*control));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (!control)
		return -ENOMEM;
	control->host = *host;
	control->listener = listener;
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		control->clients[i].fd = -EBADF;
	control->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (control->epfd < 0 || epoll_ctl(control->epfd, EPOLL_CTL_ADD, listener, &event) < 0) {
		int r = -errno;

		fi_close(&control->epfd);
		free(control);
		return r;
	}
	*ret = control;
	return 0;
}

int fi_control_fd(const struct fi_control *control)
{
	return control->epfd;
}

void fi_control_serve(struct fi_control *control)
{
	struct epoll_event events[MAX_EVENTS];
	int n = epoll_wait(control->epfd, events, MAX_EVENTS, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			serve(control, events[i].data.ptr);
		else
			accept_some(control);
	}
}

void fi_control_free(struct fi_control *control)
{
	if (!control)
		return;
	/* Who has asked already is heard: one round to let them in, one to read. */
	fi_control_serve(control);
	fi_control_serve(control);
	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->state == WAITING)
			answer(control, client, acceptance(fi_ledger()->session.outcome));
		else if (client->state == READING)
			say_ended(client->fd);
		if (client->state != NOBODY)
			drop(client);
	}
	fi_close(&control->epfd);
	free(control);
}
