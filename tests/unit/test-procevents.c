/* tests/unit/test-procevents.c - the real kernel's events about real children.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Other processes of the machine fork and exit meanwhile; only our children's events are looked
 * at.  Without the privilege every test is skipped and says why.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/procevents.h"

#define WAIT_MS 60000

/* As where a thread loses its CPU for seconds whenever it has looked at the clock. */
static atomic_bool is_held_up;

int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
	static atomic_int looks;
	int r = __real_clock_gettime(id, ret);

	if (r == 0 && is_held_up)
		ret->tv_sec += 10 * ++looks;
	return r;
}

static int open_events(void **state)
{
	struct fi_error err = { "" };
	struct fi_procevents *pe = NULL;
	int r;

	r = fi_procevents_open(&pe, &err);
	if (r == -EPERM || r == -EPROTONOSUPPORT) {
		assert_true(strlen(err.text) > 0);
		print_message("skipped: %s\n", err.text);
		*state = NULL;
		return 0;
	}
	if (r < 0)
		fail_msg("%s: %s", err.text, strerror(-r));
	*state = pe;
	return 0;
}

static int close_events(void **state)
{
	fi_procevents_close(*state);
	return 0;
}

#define SKIP_UNLESS(pe)                                                                            \
	do {                                                                                       \
		if (!(pe))                                                                         \
			skip();                                                                    \
	} while (0)

/* The next event that is about @pid.  Fails the test when none comes or some were lost. */
static struct fi_proc_event next_about(struct fi_procevents *pe, pid_t pid)
{
	struct pollfd pfd = { .fd = fi_procevents_fd(pe), .events = POLLIN };
	struct fi_proc_event event;
	int r;

	for (;;) {
		r = fi_procevents_next(pe, &event);
		if (r == -EAGAIN) {
			assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_not_equal(event.kind, FI_PROC_LOST);
		if (event.pid == pid)
			return event;
	}
}

static void reap(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_fork_exec_exit(void **state)
{
	struct fi_procevents *pe = *state;
	struct fi_proc_event event;
	pid_t pid;

	SKIP_UNLESS(pe);
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	assert_true(pid > 0);
	reap(pid);

	event = next_about(pe, pid);
	assert_int_equal(event.kind, FI_PROC_FORK);
	assert_int_equal(event.parent, getpid());
	event = next_about(pe, pid);
	assert_int_equal(event.kind, FI_PROC_EXEC);
	event = next_about(pe, pid);
	assert_int_equal(event.kind, FI_PROC_EXIT);
}

static void test_grandchild_names_its_parent(void **state)
{
	struct fi_procevents *pe = *state;
	struct fi_proc_event event;
	pid_t child, grandchild;
	int fds[2];

	SKIP_UNLESS(pe);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		grandchild = fork();
		if (grandchild == 0)
			_exit(0);
		if (grandchild < 0 || write(fds[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		(void)waitpid(grandchild, NULL, 0);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(read(fds[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	reap(child);
	(void)close(fds[0]);
	(void)close(fds[1]);

	assert_int_equal(next_about(pe, child).parent, getpid());
	event = next_about(pe, grandchild);
	assert_int_equal(event.kind, FI_PROC_FORK);
	assert_int_equal(event.parent, child);
	assert_int_equal(next_about(pe, grandchild).kind, FI_PROC_EXIT);
}

static void *thread_body(void *arg)
{
	return arg;
}

static void test_threads_are_silent(void **state)
{
	struct fi_procevents *pe = *state;
	pthread_t threads[4];
	pid_t pid;

	SKIP_UNLESS(pe);
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < FI_ARRAY_SIZE(threads); i++)
			if (pthread_create(&threads[i], NULL, thread_body, NULL) ||
			    pthread_join(threads[i], NULL))
				_exit(1);
		_exit(0);
	}
	assert_true(pid > 0);
	reap(pid);

	/* Four threads began and ended between these two. */
	assert_int_equal(next_about(pe, pid).kind, FI_PROC_FORK);
	assert_int_equal(next_about(pe, pid).kind, FI_PROC_EXIT);
}

static void test_a_storm_is_told_as_loss(void **state)
{
	struct fi_procevents *pe = *state;
	struct fi_proc_event event = { 0 };
	int small = 1;
	pid_t pid;

	SKIP_UNLESS(pe);
	assert_int_equal(
		setsockopt(fi_procevents_fd(pe), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 50; i++) {
		pid = fork();
		if (pid == 0)
			_exit(0);
		assert_true(pid > 0);
		reap(pid);
	}

	while (event.kind != FI_PROC_LOST)
		assert_int_equal(fi_procevents_next(pe, &event), 0);
	assert_int_equal(event.pid, 0);
	assert_int_equal(event.parent, 0);
}

static void test_never_blocks_and_closes_on_exec(void **state)
{
	struct fi_procevents *pe = *state;
	struct fi_proc_event event;
	int fd, r;

	SKIP_UNLESS(pe);
	fd = fi_procevents_fd(pe);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	do
		r = fi_procevents_next(pe, &event);
	while (r == 0);
	assert_int_equal(r, -EAGAIN);
}

/* Tries to open in a new namespace of this @kind.  A pid namespace needs a child to be in it. */
static void refused_in_namespace(int kind)
{
	struct fi_procevents *pe = NULL;
	struct fi_error err = { "" };
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		if (unshare(kind) < 0)
			_exit(77);
		pid = fork();
		if (pid == 0)
			_exit(fi_procevents_open(&pe, &err) == -EPERM && err.text[0] ? 0 : 1);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(1);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_refused_in_pid_namespace(void **state)
{
	SKIP_UNLESS(*state);
	refused_in_namespace(CLONE_NEWPID);
}

static void test_refused_in_net_namespace(void **state)
{
	SKIP_UNLESS(*state);
	refused_in_namespace(CLONE_NEWNET);
}

static void test_refused_in_user_namespace(void **state)
{
	SKIP_UNLESS(*state);
	refused_in_namespace(CLONE_NEWUSER);
}

/* The answer is there, behind events of others: it is not overlooked by one who comes late to it. */
static void test_late_and_in_company(void **state)
{
	pid_t pid;

	SKIP_UNLESS(*state);
	pid = fork();
	if (pid == 0)
		for (;;) {
			pid_t child = fork();

			if (child == 0)
				_exit(0);
			(void)waitpid(child, NULL, 0);
		}
	assert_true(pid > 0);
	is_held_up = true;
	for (int i = 0; i < 1000; i++) {
		struct fi_procevents *pe = NULL;
		struct fi_error err = { "" };
		int r = fi_procevents_open(&pe, &err);

		fi_procevents_close(pe);
		if (r < 0) {
			is_held_up = false;
			(void)kill(pid, SIGKILL);
			reap(pid);
			fail_msg("try %d: %s", i, err.text);
		}
	}
	is_held_up = false;
	(void)kill(pid, SIGKILL);
	reap(pid);
}

static void test_close_takes_null(void **state)
{
	(void)state;
	fi_procevents_close(NULL);
}

#define WITH_EVENTS(test) cmocka_unit_test_setup_teardown(test, open_events, close_events)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EVENTS(test_fork_exec_exit),
		WITH_EVENTS(test_grandchild_names_its_parent),
		WITH_EVENTS(test_threads_are_silent),
		WITH_EVENTS(test_a_storm_is_told_as_loss),
		WITH_EVENTS(test_never_blocks_and_closes_on_exec),
		WITH_EVENTS(test_refused_in_pid_namespace),
		WITH_EVENTS(test_refused_in_net_namespace),
		WITH_EVENTS(test_refused_in_user_namespace),
		WITH_EVENTS(test_late_and_in_company),
		cmocka_unit_test(test_close_takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
