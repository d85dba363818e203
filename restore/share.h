/* restore/share.h - how much of a CPU a thread is given, and when it had better not ask for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nice(2) weighs threads of one group against each other. Engines, CRIU and restored programs are in
 * groups of their own where each session or container has one (autogroups, cgroups), and then a low
 * priority says nothing: the drains of many restores would take as much as all that they restore. So a
 * thread that gives way also looks at whether it loses its CPU to others, and how many threads of the whole
 * machine want one (getrusage(2), and the fourth field of /proc/loadavg: schedstat in proc(5) would know
 * better, but many threads that open files there all the time make the end of each process expensive).
 */
#ifndef FI_RESTORE_SHARE_H
#define FI_RESTORE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* The longest that a thread is asked to stay away, ns: in its first seconds, when others may be restoring,
 * and after that, when it is to have a tenth of a CPU on a machine that is always so. */
#define FI_SHARE_NAP_MAX_NS	 UINT64_C(250000000)
#define FI_SHARE_NAP_LATE_MAX_NS UINT64_C(32000000)
#define FI_SHARE_LATE_NS	 UINT64_C(5000000000)

/* Of one thread, which alone uses it.  All zero at first. */
struct fi_share {
	uint64_t since;	 /* the first look: ns, monotonic */
	uint64_t cpus;	 /* of the machine, then */
	uint64_t looked; /* when, or the end of the nap after it: ns */
	uint64_t ran;	 /* CPU time until then: ns */
	long switches;	 /* involuntary ones until then */
};

/* A descriptor to ask how many threads want a CPU; negative: nobody knows. */
int fi_share_open(void);

/* How long the calling thread should leave the CPUs to others from @now on: ns; it is taken to do so.  0 while
 * fewer than three threads for each CPU want one, and nobody has taken its CPU from it or it ran half of
 * the time since the last look.  Else the longer the more they are (as the square), so that many such threads thin
 * out.  @fd: from fi_share_open. */
uint64_t fi_share_excess(struct fi_share *share, int fd, uint64_t now);

/* Whether no more threads want a CPU than there are, the calling one not counted.  False: nobody knows, too. */
bool fi_share_is_room(int fd);

/* The same rule in figures: @running threads want a CPU (0: not known), of @cpus; @lost: ours was taken. */
uint64_t fi_share_nap(uint64_t running, uint64_t cpus, bool lost, uint64_t max_ns);

#endif
