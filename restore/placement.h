/* restore/placement.h - where a demand worker runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The largest part of a fault is not the copy but waking a CPU: the faulting thread sleeps, its CPU
 * halts, another CPU is woken for the worker, and the first one is woken again for the thread.  A
 * worker that sits on the CPU of the faulting thread needs none of that: the CPU switches from one
 * to the other and back.  For the thread to stay there it must not look attractive to go elsewhere,
 * so the worker is of class SCHED_IDLE: to the scheduler a CPU that runs nothing else is idle, the
 * woken thread stays on it and preempts the worker at once.  (doc/placement.md has the figures.)
 *
 * A worker is AWAY (any CPU, normal class) or NEAR (one CPU, idle class).  It comes near while
 * faults arrive.  As long as the thread that it wakes is on its CPU, each wake preempts it; when
 * that has not happened for a few rounds, the thread has been moved (somebody else woke up there at
 * the wrong moment) and the worker follows.  Where it would have to follow all the time it goes
 * away.  On a busy CPU an idle-class worker would starve; a guard that comes before all normal threads looks twice
 * a millisecond and sends a worker away that has work, wants a CPU and makes no progress.
 *
 * The functions of the worker are for the worker's own thread; the guard's may come at any time.
 */
#ifndef FI_RESTORE_PLACEMENT_H
#define FI_RESTORE_PLACEMENT_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "restore/faulter.h"

struct fi_placement {
	/* Told when `cpu` has changed, before a worker is there: others are to make way. */
	void (*moved)(void *arg);
	bool (*is_room)(void *arg); /* there may be a CPU that nobody wants */
	void *arg;

	pid_t tid;
	cpu_set_t everywhere;	     /* where the process may run */
	_Atomic int cpu;	     /* NEAR: which; AWAY: -1 */
	_Atomic uint64_t away_until; /* ns: not to come near before */
	_Atomic uint64_t progress;   /* turns of the worker's loop */

	/* The worker's own. */
	unsigned streak;     /* rounds in a row without a pause */
	uint64_t last_round; /* ns */
	unsigned checked;    /* rounds since the last check */
	unsigned patience;   /* rounds until the next */
	long switches;	     /* involuntary ones at the last check */
	unsigned follows;    /* of late */
	unsigned kept;	     /* checks that went well since one follow was forgiven */
	struct fi_faulter faulter;

	/* The guard's own. */
	uint64_t seen_progress;
	unsigned still;	       /* looks in a row without progress */
	unsigned starved;      /* times that it was sent away starving, of late */
	uint64_t last_starved; /* ns */
};

/* Worker: at its start. */
void fi_placement_init(struct fi_placement *placement);

/* Worker: once in each turn of its loop. */
static inline void fi_placement_turn(struct fi_placement *placement)
{
	atomic_fetch_add_explicit(&placement->progress, 1, memory_order_relaxed);
}

/* Worker: it is NEAR, and gives way to everything on its CPU. */
static inline bool fi_placement_yields(const struct fi_placement *placement)
{
	return placement->cpu >= 0;
}

/* Worker: a round has answered faults of process @pid (0: not known); @now in ns, monotonic. */
void fi_placement_round(struct fi_placement *placement, pid_t pid, uint64_t now);

/* Guard: one look.  @busy: there is something for the worker to do, or it is doing something. */
void fi_placement_guard(struct fi_placement *placement, bool busy, uint64_t now);

/* Guard: the thread is no worker any more; another one will call fi_placement_init. */
void fi_placement_relieve(struct fi_placement *placement);

/* How long the guard may sleep between looks, ns. */
#define FI_PLACEMENT_LOOK_NEAR_NS 500000
#define FI_PLACEMENT_LOOK_AWAY_NS 5000000

#endif
