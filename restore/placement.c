/* restore/placement.c - see placement.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/placement.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/log.h"
#include "restore/priority.h"
#include "restore/runnable.h"

/* Faults in a row, each within the pause of the one before, that call a worker near. */
#define STREAK	 8
#define PAUSE_NS 2000000

/* Rounds between checks.  Without an involuntary switch among them the worker looks where the thread
 * has gone; it checks more and more seldom where that is the worker's CPU all the same. */
#define PATIENCE     3
#define MAX_PATIENCE 256

/* So many follows are too many; one is forgiven for so many checks that went well. */
#define MAX_FOLLOWS 12
#define KEPT_CHECKS 4

/* Absence after it was of no use. */
#define USELESS_NS UINT64_C(200000000)

/* Absence after the CPU turned out to be busy: twice as long each time, while it happens again
 * within FORGIVE_NS of the end of the last absence.  The first is short, because most of what comes
 * between is: a kernel thread. */
#define STARVED_NS    UINT64_C(1000000)
#define STARVED_TIMES 12
#define FORGIVE_NS    UINT64_C(2000000000)

/* Guard: looks without progress before a worker with work counts as starved, one without as idle. */
#define STARVED_LOOKS 2
#define IDLE_LOOKS    40

void fi_placement_init(struct fi_placement *placement)
{
	placement->tid = (pid_t)syscall(SYS_gettid);
	placement->cpu = -1;
	if (!fi_priority_may_return() ||
	    sched_getaffinity(0, sizeof(placement->everywhere), &placement->everywhere) < 0)
		placement->away_until = UINT64_MAX;
}

static long involuntary_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nivcsw;
}

static int set_class(pid_t tid, int policy)
{
	const struct sched_param param = { 0 };

	return sched_setscheduler(tid, policy, &param);
}

/* To have a wider choice would not take a thread that waits for its CPU to another.  Where all are wanted that would
 * be for nothing, and everybody would do it. */
static void leave_cpu(const struct fi_placement *placement)
{
	cpu_set_t others = placement->everywhere;

	if (placement->cpu >= 0 && placement->is_room(placement->arg)) {
		CPU_CLR(placement->cpu, &others);
		(void)sched_setaffinity(placement->tid, sizeof(others), &others);
	}
	(void)sched_setaffinity(placement->tid, sizeof(placement->everywhere),
				&placement->everywhere);
}

/* From the worker, or from the guard. */
static void go_away(struct fi_placement *placement, uint64_t until, const char *why)
{
	fi_log(FI_LOG_DEBUG, "demand worker %d goes away from CPU %d: %s", (int)placement->tid,
	       placement->cpu, why);
	if (placement->away_until != UINT64_MAX)
		placement->away_until = until;
	(void)set_class(placement->tid, SCHED_OTHER);
	leave_cpu(placement);
	placement->cpu = -1;
	placement->moved(placement->arg);
}

static void come_near(struct fi_placement *placement, int cpu)
{
	cpu_set_t there;

	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &placement->everywhere))
		return;
	CPU_ZERO(&there);
	CPU_SET(cpu, &there);
	fi_log(FI_LOG_DEBUG, "demand worker %d comes near on CPU %d", (int)placement->tid, cpu);
	placement->cpu = cpu;
	placement->moved(placement->arg);
	if (sched_setaffinity(0, sizeof(there), &there) < 0 || set_class(0, SCHED_IDLE) < 0)
		go_away(placement, UINT64_MAX, "not permitted");
	else if (placement->cpu != cpu) /* the guard came between */
		go_away(placement, placement->away_until, "told to");
	placement->switches = involuntary_switches();
	placement->checked = 0;
}

/* The threads that were woken have not preempted the worker. */
static void follow(struct fi_placement *placement, pid_t pid, uint64_t now)
{
	int cpu = fi_faulter_cpu(&placement->faulter, pid);

	if (cpu == placement->cpu) {
		if (placement->patience < MAX_PATIENCE)
			placement->patience *= 2;
		return;
	}
	if (cpu < 0 || ++placement->follows > MAX_FOLLOWS)
		go_away(placement, now + USELESS_NS, "of no use");
	else
		come_near(placement, cpu);
}

static void check(struct fi_placement *placement, pid_t pid, uint64_t now)
{
	long switches = involuntary_switches();

	placement->checked = 0;
	if (switches == placement->switches) {
		follow(placement, pid, now);
		return;
	}
	placement->switches = switches;
	placement->patience = PATIENCE;
	if (placement->follows && ++placement->kept >= KEPT_CHECKS) {
		placement->kept = 0;
		placement->follows--;
	}
}

void fi_placement_round(struct fi_placement *placement, pid_t pid, uint64_t now)
{
	bool pause = now - placement->last_round > PAUSE_NS;

	placement->last_round = now;
	placement->streak = pause ? 1 : placement->streak + 1;
	if (placement->cpu >= 0) {
		if (++placement->checked >= placement->patience)
			check(placement, pid, now);
	} else if (pid && placement->streak >= STREAK && now >= placement->away_until) {
		placement->follows = 0;
		placement->patience = PATIENCE;
		come_near(placement, fi_faulter_cpu(&placement->faulter, pid));
	}
}

static uint64_t starved_ns(struct fi_placement *placement, uint64_t now)
{
	uint64_t before = STARVED_NS << placement->starved;

	if (now - placement->last_starved > before + FORGIVE_NS)
		placement->starved = 0;
	else if (placement->starved < STARVED_TIMES)
		placement->starved++;
	placement->last_starved = now;
	return STARVED_NS << placement->starved;
}

void fi_placement_guard(struct fi_placement *placement, bool busy, uint64_t now)
{
	uint64_t progress = atomic_load_explicit(&placement->progress, memory_order_relaxed);

	placement->still = progress == placement->seen_progress ? placement->still + 1 : 0;
	placement->seen_progress = progress;
	/* A worker without progress is sent away whatever it says it is: it may have been stopped
	 * halfway through coming near. */
	if (busy && placement->still >= STARVED_LOOKS && fi_thread_wants_cpu(placement->tid))
		go_away(placement,
			placement->cpu < 0 ? placement->away_until
					   : now + starved_ns(placement, now),
			"starving");
	else if (!busy && placement->cpu >= 0 && placement->still >= IDLE_LOOKS)
		go_away(placement, now, "idle");
	else
		return;
	placement->still = 0;
}

void fi_placement_relieve(struct fi_placement *placement)
{
	if (placement->cpu >= 0)
		go_away(placement, 0, "relieved");
}
