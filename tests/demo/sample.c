/* tests/demo/sample.c - what the demonstration restores where there is no Redis.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   sample SOCKET FILE KEYS SIZE [--load]
 *
 * Holds KEYS values of SIZE bytes in anonymous memory and speaks as much of Redis's protocol as
 * tests/demo/client does.  BGSAVE forks a child, which writes all of them to FILE; --load begins
 * with what is there.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CLIENTS 8
#define MAX_LINE    66000

struct client {
	int fd;
	char *in;
	size_t len;
};

static struct {
	const char *file;
	uint64_t keys, size;
	char *values; /* an empty value begins with a NUL */
	pid_t saver;  /* 0: none */
	bool save_failed;
} self;

static char *value(uint64_t key)
{
	return self.values + key * self.size;
}

static void send_all(struct client *client, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* poll will say that it has gone */
		text += n;
		len -= (size_t)n;
	}
}

static void say(struct client *client, const char *text)
{
	send_all(client, text, strlen(text));
}

static void say_bulk(struct client *client, const char *text, size_t len)
{
	char head[32];

	(void)snprintf(head, sizeof(head), "$%zu\r\n", len);
	say(client, head);
	send_all(client, text, len);
	say(client, "\r\n");
}

static int write_all(void)
{
	uint64_t len = self.keys * self.size, done = 0;
	int fd = open(self.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	while (fd >= 0 && done < len) {
		ssize_t n = write(fd, self.values + done, len - done);

		if (n <= 0)
			return 1;
		done += (uint64_t)n;
	}
	return fd < 0 || close(fd) < 0;
}

static void load_all(void)
{
	uint64_t len = self.keys * self.size, done = 0;
	int fd = open(self.file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "cannot open '%s'", self.file);
	while (done < len) {
		ssize_t n = read(fd, self.values + done, len - done);

		if (n <= 0)
			errx(1, "'%s' is too short", self.file);
		done += (uint64_t)n;
	}
	(void)close(fd);
}

static void look_at_saver(void)
{
	int status;

	if (!self.saver || waitpid(self.saver, &status, WNOHANG) != self.saver)
		return;
	self.saver = 0;
	self.save_failed = status != 0;
}

static void save(struct client *client)
{
	self.saver = fork();
	if (self.saver == 0)
		_exit(write_all());
	if (self.saver < 0) {
		self.saver = 0;
		say(client, "-ERR fork\r\n");
		return;
	}
	say(client, "+Background saving started\r\n");
}

static void say_info(struct client *client)
{
	char text[128];
	int len;

	look_at_saver();
	len = snprintf(text, sizeof(text),
		       "rdb_bgsave_in_progress:%d\r\nrdb_last_bgsave_status:%s\r\n",
		       self.saver != 0, self.save_failed ? "err" : "ok");
	say_bulk(client, text, (size_t)len);
}

static void say_size(struct client *client)
{
	char text[32];
	uint64_t nr = 0;

	for (uint64_t key = 0; key < self.keys; key++)
		nr += *value(key) != '\0';
	(void)snprintf(text, sizeof(text), ":%" PRIu64 "\r\n", nr);
	say(client, text);
}

/* The key's number, which is below self.keys, or UINT64_MAX.  *@rest is what comes after. */
static uint64_t key_of(const char *word, char **rest)
{
	uint64_t key = UINT64_MAX;

	if (strncmp(word, "key:", 4) == 0)
		key = strtoull(word + 4, rest, 10);
	return key < self.keys ? key : UINT64_MAX;
}

static void on_command(struct client *client, const char *line)
{
	char *rest = NULL;
	uint64_t key;

	if (strcmp(line, "PING") == 0) {
		say(client, "+PONG\r\n");
	} else if (strcmp(line, "DBSIZE") == 0) {
		say_size(client);
	} else if (strcmp(line, "BGSAVE") == 0) {
		save(client);
	} else if (strncmp(line, "INFO", 4) == 0) {
		say_info(client);
	} else if (strncmp(line, "GET ", 4) == 0) {
		key = key_of(line + 4, &rest);
		if (key == UINT64_MAX || *value(key) == '\0')
			say(client, "$-1\r\n");
		else
			say_bulk(client, value(key), self.size);
	} else if (strncmp(line, "SET ", 4) == 0) {
		key = key_of(line + 4, &rest);
		if (key == UINT64_MAX || *rest != ' ' || strlen(rest + 1) != self.size) {
			say(client, "-ERR value\r\n");
			return;
		}
		memcpy(value(key), rest + 1, self.size);
		say(client, "+OK\r\n");
	} else {
		say(client, "-ERR unknown command\r\n");
	}
}

/* False when the client has gone. */
static bool on_input(struct client *client)
{
	ssize_t n = recv(client->fd, client->in + client->len, MAX_LINE - client->len, 0);
	char *line = client->in, *end;

	if (n <= 0)
		return false;
	client->len += (size_t)n;
	while ((end = memchr(line, '\n', (size_t)(client->in + client->len - line)))) {
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		on_command(client, line);
		line = end + 1;
	}
	client->len -= (size_t)(line - client->in);
	memmove(client->in, line, client->len);
	return client->len < MAX_LINE;
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    sizeof(addr.sun_path))
		errx(1, "'%s' is too long for a socket", path);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, MAX_CLIENTS) < 0)
		err(1, "cannot listen at '%s'", path);
	return fd;
}

static void accept_client(int listener, struct client *clients)
{
	struct client *client = clients;

	while (client < clients + MAX_CLIENTS - 1 && client->fd >= 0)
		client++;
	if (client->fd >= 0)
		(void)close(client->fd); /* the last seat: its owner has waited long enough */
	client->fd = accept(listener, NULL, NULL);
	client->len = 0;
	if (!client->in)
		client->in = malloc(MAX_LINE);
	if (!client->in)
		err(1, "malloc");
}

int main(int argc, char **argv)
{
	struct pollfd pfds[MAX_CLIENTS + 1];
	struct client clients[MAX_CLIENTS];

	if (argc < 5)
		errx(1, "usage: sample SOCKET FILE KEYS SIZE [--load]");
	self.file = argv[2];
	self.keys = strtoull(argv[3], NULL, 10);
	self.size = strtoull(argv[4], NULL, 10);
	self.values = mmap(NULL, self.keys * self.size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (self.values == MAP_FAILED)
		err(1, "cannot have %" PRIu64 " values of %" PRIu64 " bytes", self.keys, self.size);
	if (argc > 5)
		load_all();

	memset(clients, 0, sizeof(clients));
	for (int i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -1;
	pfds[MAX_CLIENTS] = (struct pollfd){ .fd = listen_at(argv[1]), .events = POLLIN };
	for (;;) {
		for (int i = 0; i < MAX_CLIENTS; i++)
			pfds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		if (poll(pfds, MAX_CLIENTS + 1, -1) < 0 && errno != EINTR)
			err(1, "poll");
		for (int i = 0; i < MAX_CLIENTS; i++) {
			if (clients[i].fd < 0 || !pfds[i].revents || on_input(&clients[i]))
				continue;
			(void)close(clients[i].fd);
			clients[i].fd = -1;
		}
		if (pfds[MAX_CLIENTS].revents)
			accept_client(pfds[MAX_CLIENTS].fd, clients);
	}
}
