/* tests/unit/test-share.c - a thread among too many for its CPU is asked to stay away.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/share.h"

#define NR_OTHERS 4

static atomic_bool stop;
static atomic_int nr_begun;

static void *want_cpu(void *arg)
{
	(void)arg;
	nr_begun++;
	while (!stop)
		;
	return NULL;
}

static void start_others(pthread_t *threads)
{
	stop = false;
	nr_begun = 0;
	for (int i = 0; i < NR_OTHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, want_cpu, NULL), 0);
	while (nr_begun < NR_OTHERS)
		(void)sched_yield();
}

static void end_others(pthread_t *threads)
{
	stop = true;
	for (int i = 0; i < NR_OTHERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* The calling thread, and those that it starts from then on. */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Looks again and again, and never sleeps, until it is asked to stay away. */
static uint64_t next_excess(struct fi_share *share)
{
	uint64_t excess;

	while ((excess = fi_share_excess(share, -1, fi_now_ns())) == 0)
		;
	return excess;
}

/* Nobody knows how many the others are: that this thread loses its CPU is enough. */
static void one_of_many_on_a_cpu_is_asked_to_stay_away(void **state)
{
	struct fi_share share = { 0 };
	pthread_t threads[NR_OTHERS];

	stay_on_one_cpu();
	start_others(threads);
	for (int i = 0; i < 5; i++) {
		uint64_t before = share.looked, excess = next_excess(&share);

		assert_true(excess > 0 && excess <= FI_SHARE_NAP_MAX_NS);
		assert_true(share.looked >= before + excess);
	}
	end_others(threads);
}

/* The machine's own figure: these threads, at least.  With one CPU they would be a crowd, and nothing
 * has to be lost to them: it is the first look.  The figure is a sum over CPUs at different instants,
 * which may miss a thread that changes its CPU, and what holds one up is not ours to know; but it may
 * not miss them for ever. */
static void many_are_counted(void **state)
{
	pthread_t threads[NR_OTHERS];
	int fd = fi_share_open();
	uint64_t excess = 0;
	bool room = true;

	assert_true(fd >= 0);
	start_others(threads);
	for (int i = 0; excess == 0 && i < 100000; i++) {
		struct fi_share share = { .cpus = 1, .since = fi_now_ns() };

		excess = fi_share_excess(&share, fd, fi_now_ns());
	}
	assert_true(excess > 0);
	for (int i = 0; room && i < 100000; i++)
		room = fi_share_is_room(fd);
	assert_true(!room || sysconf(_SC_NPROCESSORS_ONLN) >= NR_OTHERS);
	assert_false(fi_share_is_room(-1));
	end_others(threads);
	assert_int_equal(close(fd), 0);
}

static void the_more_want_a_cpu_the_longer(void **state)
{
	const uint64_t max = FI_SHARE_NAP_MAX_NS;

	for (uint64_t cpus = 1; cpus <= 1024; cpus *= 2) {
		uint64_t last = 0;

		assert_int_equal(fi_share_nap(0, cpus, false, max), 0);
		assert_int_equal(fi_share_nap(3 * cpus, cpus, false, max), 0);
		assert_true(fi_share_nap(3 * cpus + 1, cpus, false, max) > 0);
		assert_true(fi_share_nap(0, cpus, true, max) > 0);
		for (uint64_t running = 0; running < 100 * cpus; running++) {
			uint64_t nap = fi_share_nap(running, cpus, true, max);

			assert_true(nap >= last && nap <= max);
			assert_true(nap == fi_share_nap(running, cpus, false, max) ||
				    running <= 3 * cpus);
			last = nap;
		}
		assert_int_equal(last, max);
		assert_int_equal(fi_share_nap(UINT64_MAX, cpus, false, max), max);
	}
}

static void between_two_looks_nothing_is_asked(void **state)
{
	uint64_t now = fi_now_ns();
	struct fi_share share = { .looked = now };

	assert_int_equal(fi_share_excess(&share, -1, now), 0);
	assert_int_equal(fi_share_excess(&share, -1, now + 1), 0);
	assert_int_equal(share.looked, now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_two_looks_nothing_is_asked),
		cmocka_unit_test(the_more_want_a_cpu_the_longer),
		cmocka_unit_test(many_are_counted),
		cmocka_unit_test(one_of_many_on_a_cpu_is_asked_to_stay_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
