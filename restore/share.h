/* restore/share.h - how much of a CPU a thread is given, and when it had better not ask for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nice(2) weighs threads of one group against each other. Engines, CRIU and restored programs are in
 * groups of their own where each session or container has one (autogroups, cgroups), and then a low
 * priority says nothing: the drains of many restores would take as much as all that they restore. So a
 * thread that gives way also looks at whether it loses its CPU to others, and how much of one it has left.
 * It asks getrusage(2): schedstat in proc(5) would know better, but many threads that open files there all
 * the time make the end of each process expensive.
 */
#ifndef FI_RESTORE_SHARE_H
#define FI_RESTORE_SHARE_H

#include <stdint.h>

/* The longest that a thread is asked to stay away: ns. */
#define FI_SHARE_NAP_MAX_NS 16000000

/* Of one thread, which alone uses it.  All zero at first. */
struct fi_share {
	uint64_t looked; /* when, or the end of the nap after it: ns, monotonic */
	uint64_t ran;	 /* CPU time until then: ns */
	long switches;	 /* involuntary ones until then */
	uint64_t nap;
};

/* How long the calling thread should leave the CPUs to others from @now on: ns; it is taken to do so.  0 while
 * nobody takes its CPU from it, or it runs half of the time, between two looks.  It is twice as long each time
 * in a row, so that many such threads thin out until those that are left have half of a CPU each. */
uint64_t fi_share_excess(struct fi_share *share, uint64_t now);

#endif
