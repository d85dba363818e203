/* tests/demo/resp.h - as much of Redis's protocol as the demonstration speaks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Commands go out inline ("GET key:7\r\n"); replies come back as +text, -text, :number or $length.
 * What goes wrong with a server that is up ends the program, with a sentence.
 */
#ifndef FI_TESTS_DEMO_RESP_H
#define FI_TESTS_DEMO_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn {
	int fd; /* -1: not connected */
	char *buf;
	size_t len, pos, room; /* replies that have arrived: [pos, len) */
};

struct reply {
	char kind;	  /* '+', '-', ':' or '$' */
	const char *text; /* NULL: there is no such key; else in the connection's buffer */
	size_t len;
};

/* One attempt.  False when nobody listens (yet). */
bool conn_open(struct conn *conn, const char *path);
void conn_close(struct conn *conn);

/* Sends all of it.  False when the other end has gone. */
bool conn_send(struct conn *conn, const char *text, size_t len);

/* Takes what there is, waiting up to @timeout_ms for the first byte.  False when the other end has
 * gone. */
bool conn_read(struct conn *conn, int timeout_ms);

/* The next reply that has arrived whole; its text is good until the next conn_read. */
bool conn_reply(struct conn *conn, struct reply *ret);

/* Sends a command and waits for its reply. */
struct reply conn_ask(struct conn *conn, const char *command);
/* Waits for the reply to what was sent. */
struct reply conn_wait(struct conn *conn);

/* Writes the value that belongs to key number @key: @len printable characters, no blank. */
void value_of(uint64_t key, char *to, size_t len);

bool is_value_of(const struct reply *reply, uint64_t key, size_t len);

#endif
