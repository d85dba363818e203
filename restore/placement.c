/* restore/placement.c - see placement.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/placement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/log.h"

/* Faults in a row, each within the pause of the one before, that call a worker near. */
#define STREAK	 8
#define PAUSE_NS 2000000

/* Rounds between judgements; that many of them must have ended in an involuntary switch. */
#define JUDGE_ROUNDS 32
#define JUDGE_GOOD   10
#define MAX_BAD	     4

/* Absence after it was of no use. */
#define USELESS_NS UINT64_C(200000000)

/* Absence after the CPU turned out to be busy: twice as long each time, while it happens again
 * within FORGIVE_NS of the end of the last absence. */
#define STARVED_NS    UINT64_C(500000000)
#define STARVED_TIMES 6
#define FORGIVE_NS    UINT64_C(2000000000)

/* Guard: looks without progress before a worker with work counts as starved, one without as idle. */
#define STARVED_LOOKS 2
#define IDLE_LOOKS    20

/* Whether the kernel lets a SCHED_IDLE thread of ours become a normal one again. */
static bool may_return(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit limit;

	if (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur >= 20) /* nice 0 */
		return true;
	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1u << CAP_SYS_NICE)) != 0;
}

void fi_placement_init(struct fi_placement *placement)
{
	placement->tid = (pid_t)syscall(SYS_gettid);
	placement->cpu = -1;
	if (!may_return() ||
	    sched_getaffinity(0, sizeof(placement->everywhere), &placement->everywhere) < 0)
		placement->away_until = UINT64_MAX;
}

static long involuntary_switches(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nivcsw;
}

/* The CPU that the first thread of @pid ran on last, or -1. */
static int cpu_of(pid_t pid)
{
	enum { PROCESSOR = 39 }; /* proc(5), field of /proc/PID/stat */
	char path[64], line[1024], *at, *end;
	fi_auto_close int fd = -EBADF;
	ssize_t len;
	long cpu;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (len <= 0)
		return -1;
	line[len] = '\0';
	at = strrchr(line, ')'); /* the name, field 2, may hold anything */
	for (int field = 2; at && field < PROCESSOR; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -1;
	cpu = strtol(at + 1, &end, 10);
	return end > at + 1 && cpu >= 0 && cpu < CPU_SETSIZE ? (int)cpu : -1;
}

static int set_class(pid_t tid, int policy)
{
	const struct sched_param param = { 0 };

	return sched_setscheduler(tid, policy, &param);
}

/* From the worker, or from the guard. */
static void go_away(struct fi_placement *placement, uint64_t until, const char *why)
{
	fi_log(FI_LOG_DEBUG, "demand worker %d goes away from CPU %d: %s", (int)placement->tid,
	       placement->cpu, why);
	if (placement->away_until != UINT64_MAX)
		placement->away_until = until;
	(void)set_class(placement->tid, SCHED_OTHER);
	(void)sched_setaffinity(placement->tid, sizeof(placement->everywhere),
				&placement->everywhere);
	placement->cpu = -1;
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
	if (sched_setaffinity(0, sizeof(there), &there) < 0 || set_class(0, SCHED_IDLE) < 0)
		go_away(placement, UINT64_MAX, "not permitted");
	else if (placement->cpu != cpu) /* the guard came between */
		go_away(placement, placement->away_until, "told to");
	placement->checked = 0;
	placement->switches = involuntary_switches();
}

/* Another CPU than this one to try, when the process's own word was of no use. */
static int other_cpu(const struct fi_placement *placement)
{
	int cpu = placement->cpu;

	for (int i = 1; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((cpu + i) % CPU_SETSIZE, &placement->everywhere))
			return (cpu + i) % CPU_SETSIZE;
	return cpu;
}

static void judge(struct fi_placement *placement, pid_t pid, uint64_t now)
{
	long switches = involuntary_switches();
	int cpu;

	if (switches - placement->switches >= JUDGE_GOOD) {
		placement->checked = 0;
		placement->switches = switches;
		placement->bad = 0;
		return;
	}
	if (++placement->bad >= MAX_BAD) {
		placement->bad = 0;
		go_away(placement, now + USELESS_NS, "of no use");
		return;
	}
	cpu = cpu_of(pid);
	come_near(placement, cpu == placement->cpu ? other_cpu(placement) : cpu);
}

void fi_placement_round(struct fi_placement *placement, pid_t pid, uint64_t now)
{
	bool pause = now - placement->last_round > PAUSE_NS;

	placement->last_round = now;
	placement->streak = pause ? 1 : placement->streak + 1;
	if (placement->cpu >= 0) {
		if (++placement->checked >= JUDGE_ROUNDS)
			judge(placement, pid, now);
		return;
	}
	if (pid && placement->streak >= STREAK && now >= placement->away_until) {
		placement->bad = 0;
		come_near(placement, cpu_of(pid));
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

void fi_placement_guard(struct fi_placement *placement, bool waiting, uint64_t now)
{
	uint64_t progress = atomic_load_explicit(&placement->progress, memory_order_relaxed);

	placement->still = progress == placement->seen_progress ? placement->still + 1 : 0;
	placement->seen_progress = progress;
	/* A worker without progress is sent away whatever it says it is: it may have been stopped
	 * halfway through coming near. */
	if (waiting && placement->still >= STARVED_LOOKS)
		go_away(placement, now + starved_ns(placement, now), "starving");
	else if (!waiting && placement->cpu >= 0 && placement->still >= IDLE_LOOKS)
		go_away(placement, now, "idle");
	else
		return;
	placement->still = 0;
}
