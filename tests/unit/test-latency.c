/* tests/unit/test-latency.c - percentiles against sorted numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <stdlib.h>

#include "restore/latency.h"

#define NR 20000

static struct fi_latency latency;
static uint64_t values[NR];

static int begin(void **state)
{
	latency = (struct fi_latency){ 0 };
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

static void nothing_is_nothing(void **state)
{
	assert_int_equal(fi_latency_count(&latency), 0);
	assert_int_equal(fi_latency_permille(&latency, 500), 0);
	fi_latency_add(&latency, 5, 0);
	assert_int_equal(fi_latency_count(&latency), 0);
	assert_int_equal(latency.max, 0);
}

static void one_is_every_percentile(void **state)
{
	fi_latency_add(&latency, 123456, 1);
	for (unsigned permille = 0; permille <= 1000; permille++)
		assert_int_equal(fi_latency_permille(&latency, permille), 123456);
}

static void is_an_eighth_too_high_at_most(void **state)
{
	unsigned seed = 7;

	for (int i = 0; i < NR; i++) {
		values[i] = (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31;
		fi_latency_add(&latency, values[i], 1);
	}
	qsort(values, NR, sizeof(values[0]), compare);
	assert_int_equal(fi_latency_count(&latency), NR);
	assert_int_equal(latency.max, values[NR - 1]);
	for (unsigned permille = 1; permille <= 1000; permille++) {
		uint64_t want = values[NR / 1000 * permille - 1];
		uint64_t got = fi_latency_permille(&latency, permille);

		assert_true(got >= want && got <= want + want / 8);
	}
}

static void every_time_has_a_place(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++)
		fi_latency_add(&latency, UINT64_C(1) << bit, 2);
	fi_latency_add(&latency, UINT64_MAX, 1);
	fi_latency_add(&latency, 0, 1);
	assert_int_equal(fi_latency_count(&latency), 130);
	assert_int_equal(latency.max, UINT64_MAX);
	/* The last bucket has no end but the longest. */
	assert_int_equal(fi_latency_permille(&latency, 1), 0);
}

static void sums_are_of_all(void **state)
{
	struct fi_latency more = { 0 };

	fi_latency_add(&latency, 1000, 99);
	fi_latency_add(&more, 1000000, 1);
	fi_latency_sum(&latency, &more);
	assert_int_equal(fi_latency_count(&latency), 100);
	assert_int_equal(latency.max, 1000000);
	assert_true(fi_latency_permille(&latency, 990) < 1125);
	assert_int_equal(fi_latency_permille(&latency, 1000), 1000000);
}

static void is_exact_at_powers_of_two(void **state)
{
	unsigned seed = 3;
	uint64_t sum = 0;

	for (int i = 0; i < NR; i++) {
		values[i] = (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31;
		if (i % 5 == 0)
			values[i] = UINT64_C(1) << i % 36;
		sum += values[i];
		fi_latency_add(&latency, values[i], 1);
	}
	assert_int_equal(latency.sum, sum);
	for (unsigned power = 0; power < 40; power++) {
		uint64_t below = 0;

		for (int i = 0; i < NR; i++)
			below += values[i] < UINT64_C(1) << power;
		assert_int_equal(fi_latency_below(&latency, power), below);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_nothing, begin),
		cmocka_unit_test_setup(one_is_every_percentile, begin),
		cmocka_unit_test_setup(is_an_eighth_too_high_at_most, begin),
		cmocka_unit_test_setup(every_time_has_a_place, begin),
		cmocka_unit_test_setup(sums_are_of_all, begin),
		cmocka_unit_test_setup(is_exact_at_powers_of_two, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
