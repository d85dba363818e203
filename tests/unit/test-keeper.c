/* tests/unit/test-keeper.c - engine and keepers are killed, and the session goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Real processes.  A session runs in a child of the test, which is the subreaper of all; its engine
 * does what the test wants by words in shared memory.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "restore/durable.h"
#include "restore/keeper.h"
#include "restore/ledger.h"

enum { FIRST, SECOND, ENGINE };

/* What the session says and hears, beside the ledger. */
static struct words {
	_Atomic unsigned lives;
	_Atomic pid_t engine;
	_Atomic int code;   /* negative: go on */
	_Atomic int signal; /* that the engine was sent */
	_Atomic bool ready_at_once;
	_Atomic int read;  /* what the reader ends with; negative: of SIGKILL */
	_Atomic bool hold; /* the reader does not end */
	_Atomic pid_t reader, settler, finisher;
	_Atomic unsigned lives_when_read, settled, finished;
	_Atomic bool second_when_settled;
} * words;

static struct fi_ledger *ledger;

static void nap(void)
{
	struct timespec ts = { .tv_nsec = 1000000 };

	(void)nanosleep(&ts, NULL);
}

#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		for (int tries_ = 0; !(condition); tries_++) {                                     \
			if (tries_ > 20000)                                                        \
				fail_msg("in vain: %s", #condition);                               \
			nap();                                                                     \
		}                                                                                  \
	} while (0)

static int engine(void *arg)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	words->engine = getpid();
	if (words->ready_at_once)
		fi_keeper_ready();
	words->lives++;
	while (words->code < 0) {
		if (read(fd, &info, sizeof(info)) == sizeof(info))
			words->signal = (int)info.ssi_signo;
		nap();
	}
	return words->code;
}

static int reader(void *arg)
{
	words->reader = getpid();
	words->lives_when_read = words->lives;
	while (words->hold)
		nap();
	if (words->read < 0)
		(void)raise(SIGKILL);
	return words->read;
}

static void settle(void *arg)
{
	words->settler = getpid();
	words->second_when_settled = ledger->keeper.pidfd[SECOND] >= 0;
	words->settled++;
}

static int finish(void *arg)
{
	words->finisher = getpid();
	words->finished++;
	return *(const int *)arg;
}

/* With a reader, and something to do in the end. */
static pid_t start_all(int end)
{
	pid_t pid = fork();

	if (pid == 0) {
		const struct fi_keeper_job job = {
			.read = reader,
			.settle = settle,
			.engine = engine,
			.finish = finish,
			.arg = &end,
		};
		struct fi_error err;
		int r = fi_keeper_run(&job, &err);

		_exit(r < 0 ? 99 : r);
	}
	return pid;
}

/* The session's first process.  Its exit status is that of the session. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct fi_error err;
		const struct fi_keeper_job job = { .engine = engine };
		int r = fi_keeper_run(&job, &err);

		_exit(r < 0 ? 99 : r);
	}
	WAIT_FOR(words->lives == 1 && ledger->keeper.pidfd[SECOND] >= 0);
	return pid;
}

/* Roles are in the table of a session, whose descriptors are not ours: by name and parent. */
static pid_t child_of(pid_t parent, const char *name)
{
	char path[64], comm[32];
	FILE *file;
	long pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	file = fopen(path, "re");
	while (file && fscanf(file, "%ld", &pid) == 1) {
		FILE *other;

		(void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
		other = fopen(path, "re");
		comm[0] = '\0';
		if (other && fgets(comm, sizeof(comm), other))
			comm[strcspn(comm, "\n")] = '\0';
		if (other)
			(void)fclose(other);
		if (strcmp(comm, name) == 0) {
			(void)fclose(file);
			return (pid_t)pid;
		}
	}
	if (file)
		(void)fclose(file);
	return 0;
}

static pid_t second_of(pid_t first)
{
	pid_t pid = 0;

	WAIT_FOR((pid = child_of(first, "faultin-keeper")) > 0);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_nobody_left(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0)
		;
	assert_int_equal(errno, ECHILD);
}

static int setup(void **state)
{
	memset(ledger, 0, offsetof(struct fi_ledger, slots) + sizeof(ledger->slots[0]));
	memset(words, 0, sizeof(*words));
	words->code = -1;
	words->ready_at_once = true;
	return 0;
}

/* Of a test that has failed: keepers start others, until none is left to. */
static int teardown(void **state)
{
	pid_t pid;
	int nr = 0;

	for (;;) {
		while ((pid = child_of(getpid(), "faultin-keeper")) > 0 ||
		       (pid = child_of(getpid(), "faultin-engine")) > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
			nr++;
		}
		if (waitpid(-1, NULL, WNOHANG) < 0)
			return nr ? -1 : 0;
		nap();
	}
}

static void the_exit_code_is_the_engines(void **state)
{
	pid_t first = start();

	words->code = 7;
	assert_int_equal(end_of(first), 7 << 8);
	assert_int_equal(words->lives, 1);
	assert_nobody_left();
}

static void a_reader_comes_first_and_a_keeper_finishes(void **state)
{
	pid_t first = start_all(0);

	WAIT_FOR(words->lives == 1);
	assert_int_not_equal(words->reader, words->engine);
	assert_int_not_equal(words->reader, first);
	assert_int_equal(words->lives_when_read, 0);
	assert_int_equal(words->finished, 0);
	(void)kill(words->engine, SIGKILL);
	WAIT_FOR(words->lives == 2);
	assert_int_equal(words->finished, 0);
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_int_equal(words->finished, 1);
	assert_int_equal(words->finisher, first);
	assert_nobody_left();
}

/* What is to be there before CRIU begins is made meanwhile. */
static void rights_are_given_up_and_a_second_made_while_the_image_is_read(void **state)
{
	pid_t first;

	words->hold = true;
	first = start_all(0);
	(void)second_of(first);
	WAIT_FOR(words->reader);
	assert_int_equal(words->settled, 1);
	assert_int_equal(words->settler, first);
	assert_false(words->second_when_settled);
	assert_int_equal(words->lives, 0);
	words->hold = false;
	WAIT_FOR(words->lives == 1);
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_int_equal(words->settled, 1);
	assert_nobody_left();
}

static void a_first_keeper_that_dies_while_the_image_is_read_takes_all_along(void **state)
{
	pid_t first;

	words->hold = true;
	first = start_all(0);
	(void)second_of(first);
	(void)kill(first, SIGKILL);
	assert_nobody_left(); /* or this would wait for ever: the reader does */
	assert_int_equal(words->lives, 0);
	assert_int_equal(words->finished, 0);
}

static void a_second_keeper_that_dies_while_the_image_is_read_is_replaced(void **state)
{
	pid_t first, second, next = 0;

	words->hold = true;
	first = start_all(0);
	second = second_of(first);
	(void)kill(second, SIGKILL);
	words->hold = false;
	WAIT_FOR((next = child_of(first, "faultin-keeper")) > 0 && next != second);
	WAIT_FOR(words->lives == 1);
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_nobody_left();
}

/* A disk may not answer. */
static void reading_can_be_stopped(void **state)
{
	pid_t first;

	words->hold = true;
	first = start_all(0);
	WAIT_FOR(words->reader && words->settled);
	(void)kill(first, SIGUSR2);
	(void)kill(first, SIGTERM);
	assert_int_equal(end_of(first), 1 << 8);
	assert_int_equal(words->lives, 0);
	assert_nobody_left();
}

static void what_fails_in_the_end_is_the_exit_code(void **state)
{
	pid_t first = start_all(4);

	WAIT_FOR(words->lives == 1);
	words->code = 0;
	assert_int_equal(end_of(first), 4 << 8);
	assert_nobody_left();
}

static void without_a_reader_that_ends_well_there_is_no_engine(void **state)
{
	words->read = 6;
	assert_int_equal(end_of(start_all(0)), 6 << 8);
	words->read = -1;
	assert_int_equal(end_of(start_all(0)), 1 << 8);
	assert_int_equal(words->lives, 0);
	assert_int_equal(words->finished, 0);
	assert_nobody_left();
}

static void an_engine_that_dies_is_replaced(void **state)
{
	pid_t first = start();

	for (unsigned lives = 1; lives < 4; lives++) {
		(void)kill(words->engine, lives % 2 ? SIGKILL : SIGQUIT);
		WAIT_FOR(words->lives == lives + 1);
	}
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_int_equal(ledger->keeper.lives, 4);
	assert_nobody_left();
}

static void a_second_keeper_that_dies_is_replaced(void **state)
{
	pid_t first = start();

	for (int i = 0; i < 3; i++) {
		pid_t second = second_of(first), next = 0;

		(void)kill(second, SIGKILL);
		WAIT_FOR((next = child_of(first, "faultin-keeper")) > 0 && next != second);
	}
	words->code = 3;
	assert_int_equal(end_of(first), 3 << 8);
	assert_int_equal(words->lives, 1);
	assert_nobody_left();
}

static void the_second_keeper_takes_the_firsts_place(void **state)
{
	pid_t first = start(), second = second_of(first);

	(void)kill(first, SIGKILL);
	assert_int_equal(end_of(first), SIGKILL);
	(void)second_of(second);
	assert_int_equal(words->lives, 1); /* nobody has hurt the engine */
	(void)kill(words->engine, SIGKILL);
	WAIT_FOR(words->lives == 2);
	words->code = 5;
	assert_int_equal(end_of(second), 5 << 8);
	assert_nobody_left();
}

static void engine_and_keeper_may_die_at_once(void **state)
{
	pid_t first = start();

	for (unsigned lives = 1; lives < 4; lives++) {
		pid_t second = second_of(first);

		(void)kill(first, SIGKILL);
		(void)kill(words->engine, SIGKILL);
		WAIT_FOR(words->lives == lives + 1);
		(void)end_of(first);
		first = second;
		(void)second_of(first);
	}
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_nobody_left();
}

static void nobody_depends_on_an_engine_that_is_not_ready(void **state)
{
	pid_t first;

	words->ready_at_once = false;
	first = start();
	(void)kill(words->engine, SIGKILL);
	assert_int_equal(end_of(first), 1 << 8);
	assert_int_equal(words->lives, 1);
	assert_nobody_left();

	(void)setup(state);
	words->ready_at_once = false;
	first = start();
	(void)second_of(first);
	(void)kill(first, SIGKILL);
	assert_nobody_left(); /* or this would wait for ever */
	assert_int_equal(words->lives, 1);
}

static void signals_are_handed_on(void **state)
{
	pid_t first = start();

	(void)kill(first, SIGTERM);
	WAIT_FOR(words->signal == SIGTERM);
	words->code = 0;
	assert_int_equal(end_of(first), 0);
	assert_nobody_left();
}

static void die_until(unsigned deaths)
{
	for (unsigned lives = 1; lives < deaths; lives++) {
		(void)kill(words->engine, SIGKILL);
		WAIT_FOR(words->lives == lives + 1);
	}
	(void)kill(words->engine, SIGKILL);
}

/* A task of the session, known by pidfd or not: a record in the first slot. */
static pid_t start_task(int *pidfd)
{
	struct fi_slot *slot = &ledger->slots[0];
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	slot->uffd = eventfd(0, EFD_CLOEXEC);
	slot->pidfd = *pidfd;
	slot->state = FI_SLOT_LIVE;
	ledger->nr_slots = 1;
	ledger->session.criu.fd = -EBADF;
	return pid;
}

static void tasks_are_killed_when_engines_die_again_and_again(void **state)
{
	int pidfd;
	pid_t task = start_task(&pidfd), first = start();

	die_until(FI_KEEPER_DEATHS);
	assert_int_equal(end_of(task), SIGKILL);
	assert_int_equal(end_of(first), 1 << 8);
	assert_nobody_left();
	(void)close(pidfd);
	(void)close(ledger->slots[0].uffd);
}

/* Nothing is closed: the keepers stay. */
static void a_task_that_is_not_known_is_never_let_go(void **state)
{
	int pidfd;
	pid_t task = start_task(&pidfd), first, second;
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	ledger->slots[0].pidfd = -EBADF;
	first = start();
	second = second_of(first);
	die_until(FI_KEEPER_DEATHS);
	WAIT_FOR(child_of(first, "faultin-engine") == 0);
	for (int i = 0; i < 100; i++)
		nap();
	assert_int_equal(waitpid(first, NULL, WNOHANG), 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	(void)kill(task, SIGKILL);
	(void)kill(second, SIGKILL);
	(void)kill(first, SIGKILL);
	assert_nobody_left();
	(void)close(pidfd);
	(void)close(ledger->slots[0].uffd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What is laid out in another way is not touched. */
static void another_programs_memory_is_not_ours(void **state)
{
	(void)state;
	assert_false(fi_ledger_is_ours()); /* all zeros */
	fi_ledger_stamp();
	assert_true(fi_ledger_is_ours());
	ledger->stamp.layout++;
	assert_false(fi_ledger_is_ours());
	fi_ledger_stamp();
	ledger->stamp.slot_size += 8;
	assert_false(fi_ledger_is_ours());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_exit_code_is_the_engines),
		TEST(a_reader_comes_first_and_a_keeper_finishes),
		TEST(rights_are_given_up_and_a_second_made_while_the_image_is_read),
		TEST(a_first_keeper_that_dies_while_the_image_is_read_takes_all_along),
		TEST(a_second_keeper_that_dies_while_the_image_is_read_is_replaced),
		TEST(reading_can_be_stopped),
		TEST(what_fails_in_the_end_is_the_exit_code),
		TEST(without_a_reader_that_ends_well_there_is_no_engine),
		TEST(an_engine_that_dies_is_replaced),
		TEST(a_second_keeper_that_dies_is_replaced),
		TEST(the_second_keeper_takes_the_firsts_place),
		TEST(engine_and_keeper_may_die_at_once),
		TEST(nobody_depends_on_an_engine_that_is_not_ready),
		TEST(signals_are_handed_on),
		TEST(tasks_are_killed_when_engines_die_again_and_again),
		TEST(a_task_that_is_not_known_is_never_let_go),
		TEST(another_programs_memory_is_not_ours),
	};

	if (fi_durable_create() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	ledger = fi_ledger();
	/* In the durable memory, too: at its end, where no block will ever be. */
	words = (struct words *)(void *)((char *)fi_durable_root() - 4096 + FI_DURABLE_SIZE - 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
