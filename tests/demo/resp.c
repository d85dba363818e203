/* tests/demo/resp.c - see resp.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/demo/resp.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A server that says nothing for so long has stopped. */
#define PATIENCE_MS 120000

bool conn_open(struct conn *conn, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    sizeof(addr.sun_path))
		errx(1, "'%s' is too long for a socket", path);
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		err(1, "socket");
	conn->len = conn->pos = 0;
	if (connect(conn->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return true;
	if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN)
		err(1, "cannot connect to '%s'", path);
	conn_close(conn);
	return false;
}

void conn_close(struct conn *conn)
{
	if (conn->fd >= 0)
		(void)close(conn->fd);
	conn->fd = -1;
	conn->len = conn->pos = 0;
}

bool conn_send(struct conn *conn, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(conn->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return false;
		if (n < 0)
			err(1, "send");
		text += n;
		len -= (size_t)n;
	}
	return true;
}

bool conn_read(struct conn *conn, int timeout_ms)
{
	struct pollfd pfd = { .fd = conn->fd, .events = POLLIN };
	ssize_t n;

	if (conn->pos > 0) {
		memmove(conn->buf, conn->buf + conn->pos, conn->len - conn->pos);
		conn->len -= conn->pos;
		conn->pos = 0;
	}
	if (conn->room - conn->len < 65536) {
		conn->room += 262144;
		conn->buf = realloc(conn->buf, conn->room);
		if (!conn->buf)
			err(1, "realloc");
	}
	if (poll(&pfd, 1, timeout_ms) <= 0)
		return true;
	n = recv(conn->fd, conn->buf + conn->len, conn->room - conn->len, 0);
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno != ECONNRESET)
		err(1, "recv");
	conn->len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

bool conn_reply(struct conn *conn, struct reply *ret)
{
	const char *at = conn->buf + conn->pos;
	size_t have = conn->len - conn->pos, line;
	const char *end;
	long len;

	end = have ? memchr(at, '\n', have) : NULL;
	if (!end || end == at || end[-1] != '\r')
		return false;
	line = (size_t)(end + 1 - at);
	*ret = (struct reply){ .kind = at[0], .text = at + 1, .len = line - 3 };
	switch (at[0]) {
	case '+':
	case '-':
	case ':':
		break;
	case '$':
		len = strtol(at + 1, NULL, 10);
		if (len < 0) {
			ret->text = NULL;
			ret->len = 0;
			break;
		}
		if (have < line + (size_t)len + 2)
			return false;
		ret->text = at + line;
		ret->len = (size_t)len;
		line += (size_t)len + 2;
		break;
	default:
		errx(1, "a reply begins with '%c'", at[0]);
	}
	conn->pos += line;
	return true;
}

struct reply conn_wait(struct conn *conn)
{
	struct reply reply;
	size_t before;

	while (!conn_reply(conn, &reply)) {
		before = conn->len - conn->pos;
		if (!conn_read(conn, PATIENCE_MS))
			errx(1, "the server has gone");
		if (conn->len == before)
			errx(1, "the server did not answer within %d s", PATIENCE_MS / 1000);
	}
	return reply;
}

struct reply conn_ask(struct conn *conn, const char *command)
{
	if (!conn_send(conn, command, strlen(command)) || !conn_send(conn, "\r\n", 2))
		errx(1, "the server has gone");
	return conn_wait(conn);
}

void value_of(uint64_t key, char *to, size_t len)
{
	static const char letters[65] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";
	uint64_t x = key * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len; i += 8) {
		/* xorshift64* */
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		for (size_t j = i, bits = x * UINT64_C(0x2545f4914f6cdd1d) >> 16;
		     j < i + 8 && j < len; j++, bits >>= 6)
			to[j] = letters[bits & 63];
	}
}

bool is_value_of(const struct reply *reply, uint64_t key, size_t len)
{
	char want[65536];

	if (reply->kind != '$' || !reply->text || reply->len != len || len > sizeof(want))
		return false;
	value_of(key, want, len);
	return memcmp(reply->text, want, len) == 0;
}
