/* tests/unit/test-priority.c - a thread that gives way, one that is hurried, one that comes first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "restore/priority.h"

/* A thread's steps and those of the one that watches it, by turns. */
static pthread_barrier_t turn;

static void meet(void)
{
	(void)pthread_barrier_wait(&turn);
}

static void *polite(void *arg)
{
	struct fi_courtesy *courtesy = arg;

	fi_courtesy_init(courtesy);
	fi_courtesy_set(courtesy, true);
	meet();
	meet(); /* it has been hurried */
	fi_courtesy_set(courtesy, true);
	meet();
	meet();
	fi_courtesy_set(courtesy, false);
	meet();
	meet();
	return NULL;
}

static int nice_of(pid_t tid)
{
	return getpriority(PRIO_PROCESS, (id_t)tid);
}

static void who_gives_way_can_be_hurried(void **state)
{
	struct fi_courtesy courtesy = { 0 };
	int normal = nice_of(0);
	pthread_t thread;

	if (!fi_priority_may_return()) {
		print_message("# SKIP: wants CAP_SYS_NICE\n");
		skip();
	}
	assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, polite, &courtesy), 0);
	meet();
	assert_true(courtesy.tid > 0);
	assert_int_equal(nice_of(courtesy.tid), 19);
	assert_int_equal(nice_of(0), normal); /* the others of the process do not */
	fi_courtesy_hurry(&courtesy);
	assert_int_equal(nice_of(courtesy.tid), normal);
	meet();
	meet(); /* it has gone on */
	assert_int_equal(nice_of(courtesy.tid), 19);
	meet();
	meet();
	assert_int_equal(nice_of(courtesy.tid), normal);
	meet();
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)pthread_barrier_destroy(&turn);
}

static void without_the_right_nobody_gives_way(void **state)
{
	struct fi_courtesy courtesy = { 0 };
	int normal = nice_of(0);

	fi_courtesy_set(&courtesy, true);
	fi_courtesy_hurry(&courtesy);
	assert_int_equal(nice_of(0), normal);
}

static void *class_of_mine(void *arg)
{
	*(int *)arg = sched_getscheduler(0);
	return NULL;
}

static void *first(void *arg)
{
	int *classes = arg;
	pthread_t thread;

	fi_priority_first();
	classes[0] = sched_getscheduler(0);
	assert_int_equal(pthread_create(&thread, NULL, class_of_mine, &classes[1]), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return NULL;
}

static void who_comes_first_does_so_alone(void **state)
{
	int classes[2] = { -1, -1 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, first, classes), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(classes[1], SCHED_OTHER);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	if (classes[0] == SCHED_OTHER) {
		print_message("# SKIP: no class for real time here\n");
		skip();
	}
	assert_int_equal(classes[0], SCHED_FIFO | SCHED_RESET_ON_FORK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gives_way_can_be_hurried),
		cmocka_unit_test(without_the_right_nobody_gives_way),
		cmocka_unit_test(who_comes_first_does_so_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
