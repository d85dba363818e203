/* restore/latency.c - see latency.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/latency.h"

#define SUB_BITS 3 /* buckets for each power of two, as a power of two */
#define SUBS	 (1U << SUB_BITS)

/* Times below SUBS have a bucket each. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned top, index;

	if (ns < SUBS)
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	index = ((top - SUB_BITS + 1) << SUB_BITS) + (unsigned)((ns >> (top - SUB_BITS)) - SUBS);
	return index < FI_LATENCY_BUCKETS ? index : FI_LATENCY_BUCKETS - 1;
}

/* The longest time that falls into it. */
static uint64_t end_of(unsigned bucket)
{
	unsigned shift;

	if (bucket < SUBS)
		return bucket;
	shift = (bucket >> SUB_BITS) - 1;
	return ((((uint64_t)(bucket & (SUBS - 1)) + SUBS) + 1) << shift) - 1;
}

static uint64_t load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic uint64_t *value, uint64_t now)
{
	atomic_store_explicit(value, now, memory_order_relaxed);
}

/* Without a locked instruction: there is one writer. */
void fi_latency_add(struct fi_latency *latency, uint64_t ns, uint64_t nr)
{
	_Atomic uint64_t *bucket = &latency->buckets[bucket_of(ns)];

	store(bucket, load(bucket) + nr);
	store(&latency->sum, load(&latency->sum) + ns * nr);
	if (nr > 0 && ns > load(&latency->max))
		store(&latency->max, ns);
}

void fi_latency_sum(struct fi_latency *sum, const struct fi_latency *more)
{
	for (unsigned i = 0; i < FI_LATENCY_BUCKETS; i++)
		store(&sum->buckets[i], load(&sum->buckets[i]) + load(&more->buckets[i]));
	store(&sum->sum, load(&sum->sum) + load(&more->sum));
	if (load(&more->max) > load(&sum->max))
		store(&sum->max, load(&more->max));
}

uint64_t fi_latency_count(const struct fi_latency *latency)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < FI_LATENCY_BUCKETS; i++)
		count += load(&latency->buckets[i]);
	return count;
}

uint64_t fi_latency_below(const struct fi_latency *latency, unsigned power)
{
	unsigned end = bucket_of(UINT64_C(1) << power);
	uint64_t count = 0;

	for (unsigned i = 0; i < end; i++)
		count += load(&latency->buckets[i]);
	return count;
}

uint64_t fi_latency_permille(const struct fi_latency *latency, unsigned permille)
{
	uint64_t count = fi_latency_count(latency), max = load(&latency->max), seen = 0;
	/* Rounded up, without an overflow. */
	uint64_t want = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;

	for (unsigned i = 0; i < FI_LATENCY_BUCKETS && count > 0; i++) {
		seen += load(&latency->buckets[i]);
		if (seen >= want && seen > 0)
			return end_of(i) < max ? end_of(i) : max;
	}
	return max;
}
