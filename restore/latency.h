/* restore/latency.h - how long faults took: a histogram of log scale, for percentiles.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Eight buckets for each power of two, so a percentile is at most an eighth too high.  One thread
 * adds; any may read meanwhile, and what it finds is a few faults old at most.
 */
#ifndef FI_RESTORE_LATENCY_H
#define FI_RESTORE_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>

#define FI_LATENCY_BUCKETS 304 /* up to 2^40 ns, which is 18 minutes; more counts as that */

struct fi_latency {
	_Atomic uint64_t max, sum; /* ns */
	_Atomic uint64_t buckets[FI_LATENCY_BUCKETS];
};

/* @nr faults that took @ns each.  The one writer only. */
void fi_latency_add(struct fi_latency *latency, uint64_t ns, uint64_t nr);

/* Adds what is in @more; the caller is the writer of @sum. */
void fi_latency_sum(struct fi_latency *sum, const struct fi_latency *more);

uint64_t fi_latency_count(const struct fi_latency *latency);

/* Faults that took less than 2^@power ns; exactly. */
uint64_t fi_latency_below(const struct fi_latency *latency, unsigned power);

/* A time, ns, that at least @permille of 1000 faults did not exceed; 0 when there were none. */
uint64_t fi_latency_permille(const struct fi_latency *latency, unsigned permille);

#endif
