/* tests/unit/test-control.c - a session's socket, and visitors of every kind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The session is this test's own thread: nothing happens but in fi_control_serve, so that what would
 * block is a test that does not end.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "restore/control.h"
#include "restore/ledger.h"
#include "restore/rundir.h"

static char work[] = "/tmp/test-control.XXXXXX";
static struct fi_control *control;
static struct fi_error err;
static int dir, listener;
static int nr_steered, last_command;
static size_t padding; /* of the status */

static struct json_object *status(void *arg)
{
	struct json_object *json = json_object_new_object();
	char *text = malloc(padding + 1);

	(void)memset(text, 'x', padding);
	text[padding] = '\0';
	(void)json_object_object_add(json, "text", json_object_new_string(text));
	free(text);
	return json;
}

static void steer(void *arg, const struct fi_request *request)
{
	nr_steered++;
	last_command = request->command;
}

static const struct fi_control_host host = { status, steer, NULL };

static int begin(void **state)
{
	memcpy(work + sizeof(work) - 7, "XXXXXX", 7);
	if (!mkdtemp(work) || setenv("FAULTIN_RUNTIME_DIR", work, 1) < 0 || fi_durable_create() < 0)
		return -1;
	nr_steered = 0;
	padding = 10;
	err.text[0] = '\0';
	if (fi_control_listen(getpid(), &err) < 0)
		return -1;
	listener = fi_kept(FI_KEPT_CONTROL);
	dir = fi_kept(FI_KEPT_RUNDIR);
	return fi_control_new(listener, &host, &control);
}

static int leave(void **state)
{
	fi_control_free(control);
	control = NULL;
	fi_control_end();
	fi_close(&dir);
	return rmdir(work);
}

static int visit(const char *text)
{
	const struct timeval patience = { .tv_sec = 20 };
	int fd = fi_rundir_connect(dir, fi_ledger()->session.control);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	return fd;
}

static void serve(void)
{
	for (int i = 0; i < 20; i++)
		fi_control_serve(control);
}

/* The next line, or as much as there is before the end. */
static const char *line(int fd)
{
	static char text[4096];
	size_t have = 0;

	while (have < sizeof(text) - 1 && recv(fd, text + have, 1, 0) == 1 && text[have] != '\n')
		have++;
	text[have] = '\0';
	return text;
}

static bool is_over(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

#define REQUEST(command) "{\"version\":1,\"command\":\"" command "\"}\n"

static void answers(void **state)
{
	int fd = visit(REQUEST("status")), other = visit(REQUEST("pause"));
	char text[65536] = "";
	int third = visit(REQUEST("metrics"));

	serve();
	assert_string_equal(line(fd),
			    "{\"version\":1,\"ok\":true,\"session\":{\"text\":\"xxxxxxxxxx\"}}");
	assert_true(is_over(fd));
	assert_string_equal(line(other), "{\"version\":1,\"ok\":true}");
	assert_true(is_over(other));
	assert_int_equal(nr_steered, 1);
	assert_int_equal(last_command, FI_COMMAND_PAUSE);
	(void)recv(third, text, sizeof(text) - 1, MSG_WAITALL);
	assert_non_null(strstr(text, "\"ok\":true,\"metrics\":\"# TYPE faultin_sessions gauge\\n"));
	assert_non_null(strstr(text, "\\n# EOF\\n\"}\n"));
	(void)close(third);
	(void)close(fd);
	(void)close(other);
}

static void hears_a_line_in_pieces(void **state)
{
	int fd = visit("{\"version\"");

	serve();
	assert_false(is_over(fd));
	assert_int_equal(send(fd, ":1,\"command\":\"resume\"}", 22, 0), 22);
	serve();
	assert_int_equal(nr_steered, 0);
	assert_int_equal(send(fd, "\nmore", 5, 0), 5);
	serve();
	assert_int_equal(nr_steered, 1);
	assert_string_equal(line(fd), "{\"version\":1,\"ok\":true}");
	(void)close(fd);
}

static void refuses_rubbish(void **state)
{
	char text[FI_REQUEST_MAX + 1];
	int fd = visit("rubbish\n"), other;

	serve();
	assert_non_null(strstr(line(fd), "\"ok\":false,\"error\":"));
	assert_true(is_over(fd));
	(void)memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	other = visit(text);
	serve();
	assert_non_null(strstr(line(other), "\"ok\":false"));
	assert_int_equal(nr_steered, 0);
	(void)close(fd);
	(void)close(other);
}

#define ENDED(how)                                                                                 \
	"{\"version\":1,\"ok\":false,\"error\":\"it has ended: " how "\",\"result\":\"" how "\"}"

static void end_as(const char *outcome)
{
	struct fi_session_record *record = &fi_ledger()->session;

	(void)snprintf(record->outcome, sizeof(record->outcome), "%s", outcome);
	fi_control_free(control);
	control = NULL;
}

static void the_end_is_told_to_who_waits(void **state)
{
	int waiter = visit(REQUEST("wait")), completer = visit(REQUEST("complete")), late, gone,
	    silent;

	serve();
	assert_int_equal(nr_steered, 1);
	assert_int_equal(last_command, FI_COMMAND_COMPLETE);
	assert_false(is_over(waiter));
	gone = visit(REQUEST("wait"));
	serve();
	(void)close(gone);
	late = visit(REQUEST("wait")); /* which nobody has heard yet */
	silent = visit("");
	end_as("stopped");
	assert_string_equal(line(waiter), "{\"version\":1,\"ok\":true,\"result\":\"stopped\"}");
	assert_string_equal(line(completer), "{\"version\":1,\"ok\":true,\"result\":\"stopped\"}");
	assert_string_equal(line(late), "{\"version\":1,\"ok\":true,\"result\":\"stopped\"}");
	assert_string_equal(line(silent), ENDED("stopped"));
	(void)close(silent);
	(void)close(waiter);
	(void)close(completer);
	(void)close(late);
}

/* Whoever finds the socket learns how the session has ended, though no engine is left. */
static void the_end_is_told_to_who_comes_late(void **state)
{
	int asking, silent;

	end_as("complete");
	asking = visit(REQUEST("wait"));
	silent = visit("");
	fi_control_end();
	assert_string_equal(line(asking), ENDED("complete"));
	assert_string_equal(line(silent), ENDED("complete"));
	assert_true(is_over(asking));
	(void)close(asking);
	(void)close(silent);
}

static void a_session_that_is_given_up_has_failed(void **state)
{
	int fd = visit(REQUEST("status"));

	fi_control_end();
	assert_string_equal(line(fd), ENDED("failed"));
	(void)close(fd);
}

/* The silent and the slow make room, the waiting do not. */
static void places_are_for_who_asks(void **state)
{
	int waiter = visit(REQUEST("wait")), fds[100], fd;

	serve();
	padding = 1 << 20; /* more than a socket takes */
	for (size_t i = 0; i < FI_ARRAY_SIZE(fds); i++) {
		fds[i] = visit(i % 2 ? "{" : REQUEST("status"));
		serve();
	}
	assert_true(is_over(fds[1]));
	padding = 10;
	fd = visit(REQUEST("status"));
	serve();
	assert_non_null(strstr(line(fd), "\"ok\":true"));
	assert_false(is_over(waiter));
	(void)close(fd);
	(void)close(waiter);
	for (size_t i = 0; i < FI_ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
}

#define REFUSED "{\"version\":1,\"ok\":false,\"error\":\"256 clients wait for its end already\"}"

/* 256 may wait; the next are told so, at once, and others are heard as ever. */
static void many_may_wait(void **state)
{
	int fds[256], fd;

	for (size_t i = 0; i < FI_ARRAY_SIZE(fds); i++) {
		fds[i] = visit(REQUEST("wait"));
		serve();
	}
	fd = visit(REQUEST("wait"));
	serve();
	assert_string_equal(line(fd), REFUSED);
	(void)close(fd);
	fd = visit(REQUEST("complete"));
	serve();
	assert_string_equal(line(fd), REFUSED);
	assert_int_equal(nr_steered, 0);
	(void)close(fd);
	fd = visit(REQUEST("status"));
	serve();
	assert_non_null(strstr(line(fd), "\"ok\":true"));
	(void)close(fd);

	(void)close(fds[7]);
	serve();
	fds[7] = visit(REQUEST("wait"));
	serve();
	end_as("complete");
	for (size_t i = 0; i < FI_ARRAY_SIZE(fds); i++) {
		assert_string_equal(line(fds[i]),
				    "{\"version\":1,\"ok\":true,\"result\":\"complete\"}");
		(void)close(fds[i]);
	}
}

static void a_long_reply_comes_in_pieces(void **state)
{
	size_t have = 0;
	char text[65536];
	int fd;

	padding = 3 << 20;
	fd = visit(REQUEST("status"));
	serve();
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		ssize_t n = recv(fd, text, sizeof(text), 0);

		if (n == 0)
			break;
		if (n > 0)
			have += (size_t)n;
		else
			assert_int_equal(errno, EAGAIN);
		fi_control_serve(control);
	}
	assert_true(have > padding);
	(void)close(fd);
}

static void a_reply_beyond_bounds_is_none(void **state)
{
	int fd;

	padding = FI_REPLY_MAX;
	fd = visit(REQUEST("status"));
	serve();
	assert_true(is_over(fd));
	(void)close(fd);
}

/* --- the directory -------------------------------------------------------------------------- */

static void is_for_us_alone(void **state)
{
	struct stat found;

	assert_int_equal(fstatat(dir, fi_ledger()->session.control, &found, 0), 0);
	assert_true(S_ISSOCK(found.st_mode));
	assert_int_equal(found.st_mode & 07777, 0600);
	assert_int_equal(chmod(work, 0750), 0);
	assert_int_equal(fi_rundir_open(true, &err), -EPERM);
	assert_int_equal(chmod(work, 0700), 0);
}

static void names_are_not_paths(void **state)
{
	static const char *const names[] = { "",   "-",	    "1-",
					     "-1", "../1",  "1/2",
					     "a",  "1.",    " 1",
					     "1 ", "1-2-3", "12345678901234567890123456789012" };

	for (size_t i = 0; i < FI_ARRAY_SIZE(names); i++) {
		assert_false(fi_rundir_is_name(names[i]));
		assert_int_equal(fi_rundir_connect(dir, names[i]), -ESRCH);
	}
	assert_true(fi_rundir_is_name("1"));
	assert_true(fi_rundir_is_name("4194304-9"));
}

/* A name that leads to somebody else's socket is not followed. */
static void links_are_not_followed(void **state)
{
	assert_int_equal(symlinkat(fi_ledger()->session.control, dir, "9"), 0);
	assert_int_equal(fi_rundir_connect(dir, "9"), -ESRCH);
	assert_int_equal(unlinkat(dir, "9", 0), 0);
	assert_int_equal(fi_rundir_connect(-EBADF, fi_ledger()->session.control), -ESRCH);
}

static int bind_one(pid_t pid, fi_session_name name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(fi_rundir_bind(dir, fd, pid, name), 0);
	return fd;
}

static void the_dead_are_swept_and_the_young_are_not(void **state)
{
	const struct timespec old[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	fi_session_name dead, again, alive, young, found[8];
	int fds[4] = { bind_one(1, dead), bind_one(1, again), bind_one(20, alive),
		       bind_one(3, young) };

	assert_string_equal(dead, "1");
	assert_string_equal(again, "1-1");
	assert_int_equal(listen(fds[2], 1), 0);
	assert_int_equal(utimensat(dir, dead, old, 0), 0);
	assert_int_equal(utimensat(dir, again, old, 0), 0);
	assert_int_equal(utimensat(dir, alive, old, 0), 0);
	assert_int_equal(mkdirat(dir, "7", 0700), 0);
	assert_int_equal(fi_rundir_list(dir, found, 8), 6);
	assert_string_equal(found[0], "1");
	assert_string_equal(found[1], "1-1");
	assert_string_equal(found[2], "3");
	fi_rundir_sweep(dir);
	assert_int_equal(fi_rundir_list(dir, found, 8), 4);
	assert_string_equal(found[0], "3");
	assert_string_equal(found[1], "7");
	assert_string_equal(found[2], "20");
	assert_int_equal(unlinkat(dir, "7", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(dir, alive, 0), 0);
	assert_int_equal(unlinkat(dir, young, 0), 0);
	for (size_t i = 0; i < FI_ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
}

static void another_engine_finds_the_listener(void **state)
{
	int fd = visit(REQUEST("status"));

	/* The first has died: its connections and tables are gone. */
	fi_control_free(control);
	assert_int_equal(fi_control_new(listener, &host, &control), 0);
	(void)close(fd);
	fd = visit(REQUEST("status"));
	serve();
	assert_non_null(strstr(line(fd), "\"ok\":true"));
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers, begin, leave),
		cmocka_unit_test_setup_teardown(hears_a_line_in_pieces, begin, leave),
		cmocka_unit_test_setup_teardown(refuses_rubbish, begin, leave),
		cmocka_unit_test_setup_teardown(the_end_is_told_to_who_waits, begin, leave),
		cmocka_unit_test_setup_teardown(the_end_is_told_to_who_comes_late, begin, leave),
		cmocka_unit_test_setup_teardown(a_session_that_is_given_up_has_failed, begin,
						leave),
		cmocka_unit_test_setup_teardown(places_are_for_who_asks, begin, leave),
		cmocka_unit_test_setup_teardown(many_may_wait, begin, leave),
		cmocka_unit_test_setup_teardown(a_long_reply_comes_in_pieces, begin, leave),
		cmocka_unit_test_setup_teardown(a_reply_beyond_bounds_is_none, begin, leave),
		cmocka_unit_test_setup_teardown(is_for_us_alone, begin, leave),
		cmocka_unit_test_setup_teardown(names_are_not_paths, begin, leave),
		cmocka_unit_test_setup_teardown(links_are_not_followed, begin, leave),
		cmocka_unit_test_setup_teardown(the_dead_are_swept_and_the_young_are_not, begin,
						leave),
		cmocka_unit_test_setup_teardown(another_engine_finds_the_listener, begin, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
