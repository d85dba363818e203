/* tests/unit/test-placement.c - real threads that come near, starve, wait, idle, and are sent away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The worker is a thread that does what it is told; the guard is the test, with a clock of its own.
 * To leave class SCHED_IDLE again takes CAP_SYS_NICE or RLIMIT_NICE: without them the cases skip.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/placement.h"
#include "restore/priority.h"
#include "restore/runnable.h"

#define LOOK	    FI_PLACEMENT_LOOK_NEAR_NS
#define FIRST_NS    UINT64_C(1000000)
#define MANY_LOOKS  1000
#define LONG_NS	    UINT64_C(1000000000000)
#define MAX_DOUBLES 12

enum order { REST, TURN, SPIN, BLOCK, END };

struct fixture {
	struct fi_placement placement;
	pthread_t thread;
	_Atomic enum order order, doing;
	_Atomic uint64_t come_at; /* ns: faults arrive at this time; 0: none do */
	int pipe[2];
	pid_t task; /* on one CPU */
	int cpu;
	unsigned nr_moved;
	bool is_room;
};

static void short_sleep(void)
{
	const struct timespec ts = { .tv_nsec = 100000 };

	(void)nanosleep(&ts, NULL);
}

static void on_moved(void *arg)
{
	((struct fixture *)arg)->nr_moved++;
}

static bool is_room(void *arg)
{
	return ((const struct fixture *)arg)->is_room;
}

/* As many faults as it takes, at one instant. */
static void come(struct fixture *fixture)
{
	uint64_t now = fixture->come_at;

	for (int i = 0; i < 64 && fixture->placement.cpu < 0; i++)
		fi_placement_round(&fixture->placement, fixture->task, now);
	fixture->come_at = 0;
}

static void *work(void *arg)
{
	struct fixture *fixture = arg;
	char byte;

	fi_placement_init(&fixture->placement);
	while (fixture->order != END) {
		const enum order order = fixture->order;

		if (fixture->come_at)
			come(fixture);
		fixture->doing = order;
		if (order == TURN)
			fi_placement_turn(&fixture->placement);
		else if (order == BLOCK)
			(void)read(fixture->pipe[0], &byte, 1);
		else if (order == REST)
			short_sleep();
	}
	return NULL;
}

static void give(struct fixture *fixture, enum order order)
{
	fixture->order = order;
	while (fixture->doing != order)
		short_sleep();
}

static void come_near(struct fixture *fixture, uint64_t now)
{
	fixture->come_at = now;
	while (fixture->come_at)
		short_sleep();
	assert_int_equal(fixture->placement.cpu, fixture->cpu);
}

/* It has run on its CPU when this returns, so that the kernel's account says so. */
static pid_t start_task(int cpu)
{
	char byte = 0;
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set) < 0 || write(ready[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static int set_up(void **state)
{
	static struct fixture fixture;
	cpu_set_t allowed;

	*state = NULL;
	if (!fi_priority_may_return())
		return 0;
	memset(&fixture, 0, sizeof(fixture));
	fixture.placement.moved = on_moved;
	fixture.placement.is_room = is_room;
	fixture.placement.arg = &fixture;
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	while (!CPU_ISSET(fixture.cpu, &allowed))
		fixture.cpu++;
	fixture.task = start_task(fixture.cpu);
	assert_int_equal(pipe(fixture.pipe), 0);
	assert_int_equal(pthread_create(&fixture.thread, NULL, work, &fixture), 0);
	give(&fixture, REST);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture)
		return 0;
	fixture->order = END;
	(void)close(fixture->pipe[1]); /* should it be blocked */
	assert_int_equal(pthread_join(fixture->thread, NULL), 0);
	(void)close(fixture->pipe[0]);
	(void)kill(fixture->task, SIGKILL);
	assert_int_equal(waitpid(fixture->task, NULL, 0), fixture->task);
	return 0;
}

static struct fixture *fixture_of(void **state)
{
	if (!*state) {
		print_message("needs CAP_SYS_NICE or RLIMIT_NICE\n");
		skip();
	}
	return *state;
}

/* Until the worker is sent away.  Returns when that was. */
static uint64_t look_until_away(struct fixture *fixture, bool busy, uint64_t now)
{
	while (fixture->placement.cpu >= 0) {
		fi_placement_guard(&fixture->placement, busy, now);
		now += LOOK;
		short_sleep();
	}
	return now - LOOK;
}

static void assert_is_away(const struct fixture *fixture)
{
	cpu_set_t set;

	assert_int_equal(fixture->placement.cpu, -1);
	assert_int_equal(sched_getscheduler(fixture->placement.tid), SCHED_OTHER);
	assert_int_equal(sched_getaffinity(fixture->placement.tid, sizeof(set), &set), 0);
	assert_true(CPU_EQUAL(&set, &fixture->placement.everywhere));
}

static void who_is_near_has_one_cpu_and_the_idle_class(void **state)
{
	struct fixture *fixture = fixture_of(state);
	cpu_set_t set;

	come_near(fixture, LONG_NS);
	assert_int_equal(fixture->nr_moved, 1);
	assert_int_equal(sched_getscheduler(fixture->placement.tid), SCHED_IDLE);
	assert_int_equal(sched_getaffinity(fixture->placement.tid, sizeof(set), &set), 0);
	assert_true(CPU_COUNT(&set) == 1 && CPU_ISSET(fixture->cpu, &set));
}

static void *want_cpu(void *arg)
{
	const atomic_bool *stop = arg;

	while (!*stop)
		;
	return NULL;
}

/* Somebody else has the CPU. */
static void starve(struct fixture *fixture)
{
	atomic_bool stop = false;
	pthread_t other;
	cpu_set_t one;
	pthread_attr_t attr;
	uint64_t progress;

	CPU_ZERO(&one);
	CPU_SET(fixture->cpu, &one);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setaffinity_np(&attr, sizeof(one), &one), 0);
	come_near(fixture, LONG_NS);
	give(fixture, TURN);
	assert_int_equal(pthread_create(&other, &attr, want_cpu, &stop), 0);
	(void)look_until_away(fixture, true, LONG_NS);
	assert_is_away(fixture);
	progress = fixture->placement.progress;
	while (fixture->placement.progress == progress)
		short_sleep();
	stop = true;
	assert_int_equal(pthread_join(other, NULL), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
}

static void who_starves_is_sent_away(void **state)
{
	struct fixture *fixture = fixture_of(state);

	fixture->is_room = true;
	starve(fixture);
}

static void where_there_is_no_room_too(void **state)
{
	starve(fixture_of(state));
}

/* A disk is no reason to go: elsewhere it would not answer earlier. */
static void who_waits_for_something_else_stays(void **state)
{
	struct fixture *fixture = fixture_of(state);

	come_near(fixture, LONG_NS);
	give(fixture, BLOCK);
	while (fi_thread_wants_cpu(fixture->placement.tid))
		short_sleep();
	for (uint64_t i = 0; i < MANY_LOOKS; i++)
		fi_placement_guard(&fixture->placement, true, LONG_NS + i * LOOK);
	assert_int_equal(fixture->placement.cpu, fixture->cpu);
}

static void who_has_nothing_to_do_goes_and_may_come_back_at_once(void **state)
{
	struct fixture *fixture = fixture_of(state);
	uint64_t now;

	come_near(fixture, LONG_NS);
	now = look_until_away(fixture, false, LONG_NS);
	assert_is_away(fixture);
	assert_true(now >= LONG_NS + UINT64_C(19000000) && now <= LONG_NS + UINT64_C(21000000));
	come_near(fixture, now + LOOK);
}

static void absences_become_longer_and_are_forgiven(void **state)
{
	struct fixture *fixture = fixture_of(state);
	struct fi_placement *placement = &fixture->placement;
	uint64_t now = LONG_NS, absence = FIRST_NS;

	give(fixture, SPIN); /* wants a CPU, and makes no turn */
	for (int i = 0; i <= MAX_DOUBLES + 2; i++) {
		come_near(fixture, now);
		now = look_until_away(fixture, true, now);
		assert_is_away(fixture);
		assert_int_equal(placement->away_until, now + absence);
		fixture->come_at = now + absence - 1;
		while (fixture->come_at)
			short_sleep();
		assert_is_away(fixture); /* too early */
		now += absence;
		if (i < MAX_DOUBLES)
			absence *= 2;
	}
	now += LONG_NS;
	come_near(fixture, now);
	now = look_until_away(fixture, true, now);
	assert_int_equal(placement->away_until, now + FIRST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		CASE(who_is_near_has_one_cpu_and_the_idle_class),
		CASE(who_starves_is_sent_away),
		CASE(where_there_is_no_room_too),
		CASE(who_waits_for_something_else_stays),
		CASE(who_has_nothing_to_do_goes_and_may_come_back_at_once),
		CASE(absences_become_longer_and_are_forgiven),
#undef CASE
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
