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

#include "common/clock.h"
#include "restore/share.h"

#define NR_OTHERS 4

static atomic_bool stop;

static void *want_cpu(void *arg)
{
	(void)arg;
	while (!stop)
		;
	return NULL;
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

	while ((excess = fi_share_excess(share, fi_now_ns())) == 0)
		;
	return excess;
}

static void one_of_many_on_a_cpu_is_asked_longer_and_longer(void **state)
{
	struct fi_share share = { 0 };
	pthread_t threads[NR_OTHERS];
	uint64_t last = 0, excess;

	stay_on_one_cpu();
	for (int i = 0; i < NR_OTHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, want_cpu, NULL), 0);
	while (last < FI_SHARE_NAP_MAX_NS) {
		excess = next_excess(&share);
		/* It may have had more than its share meanwhile, and then begins again. */
		assert_true(excess == 2 * last || excess <= last || last == 0);
		assert_true(excess <= FI_SHARE_NAP_MAX_NS);
		last = excess;
	}
	stop = true;
	for (int i = 0; i < NR_OTHERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void between_two_looks_nothing_is_asked(void **state)
{
	uint64_t now = fi_now_ns();
	struct fi_share share = { .looked = now, .nap = FI_SHARE_NAP_MAX_NS };

	assert_int_equal(fi_share_excess(&share, now), 0);
	assert_int_equal(fi_share_excess(&share, now + 1), 0);
	assert_int_equal(share.looked, now);
	assert_int_equal(share.nap, FI_SHARE_NAP_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(between_two_looks_nothing_is_asked),
		cmocka_unit_test(one_of_many_on_a_cpu_is_asked_longer_and_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
