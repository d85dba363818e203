/* tests/unit/test-gate.c - the gate: nobody is inside while it is closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "restore/gate.h"

#define COPIERS 4
#define RUN_NS	300000000

static struct fi_gate gate;

/* Plain variables on purpose: what the gate does not order, a thread sanitizer sees. */
static uint64_t layout_a, layout_b;

static _Atomic bool stop, inside_seen, reading;
static _Atomic int inside, most_inside, times_stuck;
static _Atomic uint64_t entered, refused, broken;

static void closed_means_refused(void **state)
{
	struct fi_gate g = { 0 };

	assert_true(fi_gate_enter(&g));
	assert_true(fi_gate_enter(&g)); /* any number at once */
	fi_gate_leave(&g);
	fi_gate_leave(&g);
	fi_gate_close(&g);
	assert_false(fi_gate_enter(&g));
	assert_false(fi_gate_enter(&g));
	fi_gate_open(&g);
	assert_true(fi_gate_enter(&g));
	fi_gate_leave(&g);
}

static void note_stuck(void *arg)
{
	assert_ptr_equal(arg, &inside);
	times_stuck++;
}

static void *close_it(void *arg)
{
	fi_gate_close(&gate);
	assert_int_equal(inside, 0);
	inside_seen = true;
	fi_gate_open(&gate);
	return NULL;
}

static void close_waits_for_every_copier(void **state)
{
	pthread_t closer;

	gate.stuck = note_stuck;
	gate.arg = &inside;
	inside = 2;
	inside_seen = false;
	assert_true(fi_gate_enter(&gate));
	assert_true(fi_gate_enter(&gate));
	assert_int_equal(pthread_create(&closer, NULL, close_it, NULL), 0);
	while (fi_gate_enter(&gate)) { /* until it has begun to close */
		fi_gate_leave(&gate);
		(void)sched_yield();
	}
	while (times_stuck == 0) /* until it goes to sleep in the kernel */
		(void)usleep(1000);
	(void)usleep(10000);
	assert_false(inside_seen);
	inside--;
	fi_gate_leave(&gate);
	(void)usleep(10000);
	assert_false(inside_seen);
	inside--;
	fi_gate_leave(&gate);
	assert_int_equal(pthread_join(closer, NULL), 0);
	assert_true(inside_seen);
	assert_int_equal(times_stuck, 1);
	gate.stuck = NULL;
	assert_true(fi_gate_enter(&gate));
	fi_gate_leave(&gate);
}

static void *copier(void *arg)
{
	while (!stop) {
		int now;

		if (!fi_gate_enter(&gate)) {
			refused++;
			(void)sched_yield();
			continue;
		}
		now = ++inside;
		if (reading || layout_a != layout_b)
			broken++;
		if (now > most_inside)
			most_inside = now;
		entered++;
		if (entered % 64 == 0)
			(void)sched_yield();
		if (reading || layout_a != layout_b)
			broken++;
		inside--;
		fi_gate_leave(&gate);
	}
	return NULL;
}

/* Some of each, for as long as that takes here. */
static bool is_enough(const struct timespec *start, uint64_t closed)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - start->tv_sec) * 1000000000 + now.tv_nsec - start->tv_nsec >= RUN_NS &&
	       closed > 100 && entered > 100;
}

/* The detector of law 2: an event read with a copy in flight. */
static void no_copy_in_flight_while_an_event_is_read(void **state)
{
	struct timespec start;
	pthread_t threads[COPIERS];
	uint64_t closed = 0;

	for (int i = 0; i < COPIERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, copier, NULL), 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		fi_gate_close(&gate);
		reading = true;
		if (inside)
			broken++;
		layout_a++;
		if (closed % 16 == 0)
			(void)sched_yield();
		layout_b++;
		if (inside)
			broken++;
		reading = false;
		fi_gate_open(&gate);
		closed++;
		for (int i = 0; i < 200 && refused + entered < 4 * closed; i++)
			(void)sched_yield();
	} while (!is_enough(&start, closed));
	stop = true;
	for (int i = 0; i < COPIERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	print_message(
		"# closed %lu times; copiers entered %lu times, up to %d at once, refused %lu\n",
		(unsigned long)closed, (unsigned long)entered, most_inside, (unsigned long)refused);
	assert_int_equal(broken, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_means_refused),
		cmocka_unit_test(close_waits_for_every_copier),
		cmocka_unit_test(no_copy_in_flight_while_an_event_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
