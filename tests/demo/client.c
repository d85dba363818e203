/* tests/demo/client.c - fills a Redis (or tests/demo/sample), checks it, and times its restore.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   client wait SOCKET             waits until it answers
 *   client ask SOCKET WORD...      one command; prints the reply
 *   client fill SOCKET KEYS SIZE   sets key:0 and so on to SIZE bytes that follow from the number
 *   client check SOCKET KEYS SIZE  all of them are there, with every byte right, and nothing else
 *   client restore SOCKET KEYS SIZE PID GOAL_KIB REPORT COMMAND [ARG...]
 *       runs COMMAND, which restores the server as process PID, and asks for a key from the first
 *       moment on.  With a REPORT (else "-") it then has it save in the background at once, and
 *       asks for one key after the other, until that file, the engine's, is there; meanwhile it
 *       shows on standard error how much of GOAL_KIB the process has.  Prints NAME=NUMBER lines.
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/demo/resp.h"

#define WINDOW 128 /* commands on their way */

static uint64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void nap_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static uint64_t number(const char *word)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(word, &end, 10);
	if (errno || end == word || *end)
		errx(1, "'%s' is not a number", word);
	return value;
}

static void open_or_die(struct conn *conn, const char *path)
{
	if (!conn_open(conn, path))
		errx(1, "nobody listens at '%s'", path);
}

/* --- wait, ask, fill, check --------------------------------------------------------------------- */

static int wait_for(const char *path)
{
	struct conn conn = { .fd = -1 };
	struct reply reply;

	for (int i = 0; i < 60000; i++, nap_ms(10)) {
		if (conn.fd < 0 && !conn_open(&conn, path))
			continue;
		reply = conn_ask(&conn, "PING");
		if (reply.kind == '+') /* not "-LOADING" */
			return 0;
	}
	errx(1, "nobody answers at '%s'", path);
}

static int ask(const char *path, char **words)
{
	struct conn conn = { .fd = -1 };
	char command[1024] = "";
	struct reply reply;
	size_t len = 0;

	for (; *words && len < sizeof(command); words++)
		len += (size_t)snprintf(command + len, sizeof(command) - len, "%s%s",
					len ? " " : "", *words);
	open_or_die(&conn, path);
	reply = conn_ask(&conn, command);
	(void)printf("%.*s\n", (int)reply.len, reply.text ? reply.text : "");
	return reply.kind == '-';
}

static int fill(const char *path, uint64_t keys, uint64_t size)
{
	struct conn conn = { .fd = -1 };
	char *commands = malloc(WINDOW * (size + 64));
	uint64_t key = 0;

	if (!commands)
		err(1, "malloc");
	open_or_die(&conn, path);
	while (key < keys) {
		size_t len = 0;
		int sent = 0;

		for (; sent < WINDOW && key < keys; sent++, key++) {
			len += (size_t)snprintf(commands + len, 64, "SET key:%" PRIu64 " ", key);
			value_of(key, commands + len, size);
			len += size;
			memcpy(commands + len, "\r\n", 2);
			len += 2;
		}
		if (!conn_send(&conn, commands, len))
			errx(1, "the server has gone");
		while (sent--) {
			struct reply reply = conn_wait(&conn);

			if (reply.kind != '+')
				errx(1, "SET: %.*s", (int)reply.len, reply.text);
		}
	}
	free(commands);
	return 0;
}

static int check(const char *path, uint64_t keys, uint64_t size)
{
	struct conn conn = { .fd = -1 };
	uint64_t key = 0, right = 0, there;
	struct reply reply;

	open_or_die(&conn, path);
	reply = conn_ask(&conn, "DBSIZE");
	there = reply.kind == ':' ? strtoull(reply.text, NULL, 10) : 0;
	while (key < keys) {
		char commands[WINDOW * 32];
		size_t len = 0;
		uint64_t first = key;

		for (; key < keys && key < first + WINDOW; key++)
			len += (size_t)snprintf(commands + len, 32, "GET key:%" PRIu64 "\r\n", key);
		if (!conn_send(&conn, commands, len))
			errx(1, "the server has gone");
		for (; first < key; first++) {
			reply = conn_wait(&conn);
			right += is_value_of(&reply, first, size);
		}
	}
	(void)printf("there=%" PRIu64 "\nright=%" PRIu64 "\n", there, right);
	return there == keys && right == keys ? 0 : 1;
}

/* --- restore ------------------------------------------------------------------------------------ */

#define DEADLINE_US  UINT64_C(300000000)
#define ASK_EVERY_US 1000 /* a customer, not a load: the engine has its work on the same CPUs */

struct watch {
	const char *socket, *report; /* report: NULL when none is to come */
	uint64_t keys, size, goal_kib;
	pid_t server, criu; /* criu: 0 when it has returned */
	bool terminal;

	struct conn conn;
	bool asking;		/* `key` is on its way, */
	uint64_t key, asked_at; /* since then */

	uint64_t start;			      /* us, as all times here */
	uint64_t restored, first, save, done; /* after the start; 0: not yet */
	uint64_t there_at_first_kib;
	uint64_t asked, slowest; /* after the first */
	uint64_t shown_at, shown_percent;
};

static uint64_t since_start(const struct watch *w)
{
	return now_us() - w->start;
}

/* Anonymous memory that the restored process has.  0: it is not there yet. */
static uint64_t there_kib(const struct watch *w)
{
	char path[64], line[128];
	uint64_t kib = 0;
	FILE *status;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)w->server);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtoull(line + 8, NULL, 10);
	if (status)
		(void)fclose(status);
	return kib < w->goal_kib ? kib : w->goal_kib;
}

static void say(const struct watch *w, uint64_t at, const char *text)
{
	(void)fprintf(stderr, "%s%8" PRIu64 " ms  %s\n", w->terminal ? "\r\033[K" : "",
		      (at + 500) / 1000, text);
}

/* A bar that moves, or a line for each quarter. */
static void show(struct watch *w)
{
	static const char full[] = "########################################";
	static const char none[] = "----------------------------------------";
	uint64_t now = since_start(w), kib, percent;
	char text[64];

	if (!w->report || now < w->shown_at + 10000)
		return;
	w->shown_at = now;
	kib = there_kib(w);
	percent = kib * 100 / w->goal_kib;
	(void)snprintf(text, sizeof(text), "%3" PRIu64 " %%, %" PRIu64 " of %" PRIu64 " MiB",
		       percent, kib / 1024, w->goal_kib / 1024);
	if (w->terminal) {
		int cells = (int)(percent * 40 / 100);

		(void)fprintf(stderr, "\r%8" PRIu64 " ms  [%.*s%.*s] %s\033[K", now / 1000, cells,
			      full, 40 - cells, none, text);
	} else if (percent / 25 > w->shown_percent / 25) {
		say(w, now, text);
	}
	w->shown_percent = percent;
}

static void start_command(struct watch *w, char **command)
{
	w->start = now_us();
	w->criu = fork();
	if (w->criu < 0)
		err(1, "fork");
	if (w->criu == 0) {
		(void)execvp(command[0], command);
		err(127, "cannot run '%s'", command[0]);
	}
}

static void look_at_command(struct watch *w)
{
	int status;

	if (!w->criu || waitpid(w->criu, &status, WNOHANG) != w->criu)
		return;
	w->restored = since_start(w);
	w->criu = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "the restore failed");
	say(w, w->restored, "criu restore returns");
}

static void send_key(struct watch *w)
{
	char command[64];
	int len = snprintf(command, sizeof(command), "GET key:%" PRIu64 "\r\n", w->key);

	w->asking = true;
	w->asked_at = now_us();
	if (!conn_send(&w->conn, command, (size_t)len))
		conn_close(&w->conn);
}

static void save_in_background(struct watch *w)
{
	struct reply reply = conn_ask(&w->conn, "BGSAVE");

	w->save = since_start(w);
	if (reply.kind != '+')
		errx(1, "BGSAVE: %.*s", (int)reply.len, reply.text);
	say(w, w->save, "BGSAVE: the server has forked");
}

static void on_first_reply(struct watch *w)
{
	char text[80];

	w->first = since_start(w);
	w->there_at_first_kib = there_kib(w);
	(void)snprintf(text, sizeof(text),
		       "first correct reply, with %" PRIu64 " of %" PRIu64 " MiB",
		       w->there_at_first_kib / 1024, w->goal_kib / 1024);
	say(w, w->first, text);
	if (w->report)
		save_in_background(w);
}

static void on_reply(struct watch *w, const struct reply *reply)
{
	uint64_t took = now_us() - w->asked_at;

	w->asking = false;
	if (!is_value_of(reply, w->key, w->size))
		errx(1, "wrong reply to GET key:%" PRIu64 ": '%.*s'", w->key,
		     (int)(reply->len < 80 ? reply->len : 80), reply->text ? reply->text : "");
	/* Far from the last one: the step is a prime. */
	w->key = (w->key + 7919) % w->keys;
	if (!w->first) {
		on_first_reply(w);
		return;
	}
	w->asked++;
	w->slowest = took > w->slowest ? took : w->slowest;
}

/* Asks, and takes the reply if it is there within a millisecond. */
static void talk(struct watch *w)
{
	struct reply reply;

	if (w->conn.fd < 0) {
		w->asking = false;
		if (!conn_open(&w->conn, w->socket)) {
			nap_ms(1);
			return;
		}
	}
	if (!w->asking && now_us() >= w->asked_at + ASK_EVERY_US)
		send_key(w);
	/* Before its first reply the server may not be the one that will stay. */
	if (!conn_read(&w->conn, 1)) {
		if (w->first)
			errx(1, "the server has gone");
		conn_close(&w->conn);
		return;
	}
	if (conn_reply(&w->conn, &reply))
		on_reply(w, &reply);
}

static int restore(char **arg, int nr)
{
	struct watch w = { .conn.fd = -1, .terminal = isatty(STDERR_FILENO) };

	if (nr < 7)
		errx(1, "restore: too few arguments");
	w.socket = arg[0];
	w.keys = number(arg[1]);
	w.size = number(arg[2]);
	w.server = (pid_t)number(arg[3]);
	w.goal_kib = number(arg[4]);
	w.report = strcmp(arg[5], "-") == 0 ? NULL : arg[5];
	if (!w.keys || !w.goal_kib)
		errx(1, "restore: nothing to restore");
	w.key = w.keys / 2;

	start_command(&w, arg + 6);
	while (!w.restored || !w.first || (w.report && !w.done)) {
		look_at_command(&w);
		if (!w.done && w.report && access(w.report, F_OK) == 0)
			w.done = since_start(&w);
		else
			talk(&w);
		show(&w);
		if (since_start(&w) > DEADLINE_US)
			errx(1, "not ready within %d s", (int)(DEADLINE_US / 1000000));
	}
	if (w.report)
		say(&w, w.done, "nothing is owed any more: the engine has ended");
	(void)printf("restored=%" PRIu64 "\nfirst=%" PRIu64 "\nsave=%" PRIu64 "\nended=%" PRIu64
		     "\nthere_at_first_kib=%" PRIu64 "\nasked=%" PRIu64 "\nslowest=%" PRIu64 "\n",
		     w.restored, w.first, w.save, w.done, w.there_at_first_kib, w.asked, w.slowest);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	if (strcmp(verb, "wait") == 0)
		return wait_for(argv[2]);
	if (strcmp(verb, "ask") == 0)
		return ask(argv[2], argv + 3);
	if (strcmp(verb, "fill") == 0 && argc == 5)
		return fill(argv[2], number(argv[3]), number(argv[4]));
	if (strcmp(verb, "check") == 0 && argc == 5)
		return check(argv[2], number(argv[3]), number(argv[4]));
	if (strcmp(verb, "restore") == 0)
		return restore(argv + 2, argc - 2);
	errx(1, "usage: client wait|ask|fill|check|restore SOCKET ...");
}
