/* tests/unit/test-engine.c - the threads over scripted userfaultfds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/engine.h"
#include "restore/workers.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define BASE	UINT64_C(0x10000000)
#define WAIT_MS 20000 /* children are drained only after seconds */

static struct toy *toy;
static struct fi_engine *engine;
static struct fi_space *spaces[4096]; /* by descriptor; each with a user of ours */
static _Atomic int nr_born, nr_ended, broken;
static _Atomic bool look_when_born;
static _Atomic int sticky = -1; /* copies into this one take as long as it is that */
static _Atomic int nr_stuck;

static void *look_thread(void *arg)
{
	fi_engine_look(engine, arg);
	return NULL;
}

/* Descriptors are used again. */
static void keep(struct fi_space *space)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct fi_space *before;

	(void)pthread_mutex_lock(&lock);
	before = spaces[space->uffd];
	spaces[space->uffd] = fi_space_get(space);
	if (before)
		fi_space_put(before);
	(void)pthread_mutex_unlock(&lock);
}

static void born(void *arg, struct fi_space *parent, struct fi_space *child, uint64_t before)
{
	pthread_t thread;

	if (child->parent != parent->id || !before || !child->id)
		broken++;
	keep(child);
	nr_born++;
	/* The process events of a child may come, to another thread, at any time. */
	if (look_when_born && pthread_create(&thread, NULL, look_thread, child) == 0)
		(void)pthread_join(thread, NULL);
}

static void ended(void *arg, struct fi_space *space)
{
	nr_ended++;
}

/* Law 1: nothing is closed while it owes, unless it is gone. */
static void watch(const struct fake_call *call)
{
	struct fi_space *space = spaces[call->fd];

	if (call->op == FAKE_CLOSE && space && space->state != FI_SPACE_GONE &&
	    fi_space_nr_owed(space))
		broken++;
	/* Law 2. */
	if ((call->op == FAKE_COPY || call->op == FAKE_ZERO) && space &&
	    (space->gate.state & FI_GATE_CLOSED) && (space->gate.state & ~FI_GATE_CLOSED) == 0)
		broken++;
	if (call->op == FAKE_READ && space && space->gate.state != FI_GATE_CLOSED)
		broken++;
}

static void nap_ms(long ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int setup(void **state)
{
	const struct fi_engine_watcher watcher = { born, ended, NULL };

	fake_reset();
	toy = toy_simple(BASE, 600);
	memset(spaces, 0, sizeof(spaces));
	nr_born = nr_ended = broken = 0;
	look_when_born = false;
	sticky = -1;
	fake_watch = watch;
	return fi_engine_new(&watcher, NULL, &engine, NULL);
}

static int teardown(void **state)
{
	struct fi_engine_totals left = { .nr_live = 1 };

	sticky = -1;
	/* An engine ends only when every space has. */
	for (int waited = 0; left.nr_live && waited < WAIT_MS; waited++) {
		for (int fd = 0; fd < 4096; fd++)
			if (spaces[fd] && fake_always_if_open(fd, FAKE_PROBE, -ESRCH))
				fi_engine_look(engine, spaces[fd]);
		nap_ms(1);
		fi_engine_totals(engine, &left);
	}
	fi_engine_free(engine);
	fake_watch = NULL;
	fake_reset();
	for (size_t i = 0; i < 4096; i++)
		if (spaces[i])
			fi_space_put(spaces[i]);
	toy_free(toy);
	return broken;
}

static struct fi_space *space_new(void)
{
	struct fi_space *space = NULL;

	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
	keep(space);
	return space;
}

static struct fi_space *add(void)
{
	struct fi_space *space = space_new();

	assert_int_equal(fi_engine_add(engine, space), 0);
	return space;
}

#define wait_until(condition)                                                                      \
	do {                                                                                       \
		int waited = 0;                                                                    \
		while (!(condition) && waited++ < WAIT_MS)                                         \
			nap_ms(1);                                                                 \
		if (!(condition))                                                                  \
			fail_msg("waited in vain: %s", #condition);                                \
	} while (0)

static struct fi_engine_totals totals(void)
{
	struct fi_engine_totals sum;

	fi_engine_totals(engine, &sum);
	return sum;
}

static struct uffd_msg fault(uint64_t page)
{
	return fake_fault(BASE + page * PAGE);
}

static void faults_come_before_the_drain_and_nothing_ends(void **state)
{
	struct fi_space *space = add();
	int fd = space->uffd;

	fake_push(fd, fault(7));
	wait_until(space->count->demanded == 1);
	fake_push(fd, fake_unmap(BASE, BASE + 600 * PAGE));
	wait_until(fi_space_nr_owed(space) == 0);
	nap_ms(20);
	assert_int_equal(fake_nr(FAKE_CLOSE), 0); /* it owes nothing, but CRIU is still at work */
	assert_int_equal(space->count->drained, 0);

	fi_engine_restored(engine);
	wait_until(nr_ended == 1);
	wait_until(totals().nr_live == 0);
	assert_int_equal(fake_nr(FAKE_CLOSE), 1);
	assert_int_equal(totals().count.dropped, 599);
	assert_int_equal(totals().nr_failed, 0);
}

/* Each end rings, and the last one may do so before another one, whose thread was held up. */
static void what_is_drained_ends(void **state)
{
	struct fi_space *some[5];
	struct pollfd pfd = { .fd = fi_engine_fd(engine), .events = POLLIN };

	for (int i = 0; i < 5; i++)
		some[i] = add();
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(totals().nr_live, 5);
	assert_int_equal(totals().nr_owed, 3000);
	fi_engine_restored(engine);
	wait_until(totals().nr_live == 0);
	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	wait_until((fi_engine_heard(engine), poll(&pfd, 1, 0) == 0));
	assert_int_equal(totals().count.drained, 3000);
	assert_int_equal(totals().nr_owed, 0);
	for (int i = 0; i < 5; i++)
		assert_true(some[i]->uffd < 0);
	assert_int_equal(fake_nr(FAKE_UNREGISTER), 5);
}

static void a_task_that_is_gone_ends_when_looked_at(void **state)
{
	struct fi_space *space = add();

	fi_engine_look(engine, space);
	wait_until(fake_nr(FAKE_PROBE) == 1);
	assert_int_equal(nr_ended, 0);
	fake_always(space->uffd, FAKE_PROBE, -ESRCH);
	fi_engine_look(engine, space);
	wait_until(nr_ended == 1);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().count.dropped, 600);
	fi_engine_look(engine, space); /* late news is no harm */
	nap_ms(20);
	assert_int_equal(nr_ended, 1);
}

/* Law 3: a parked fault has nobody but the retry list. */
static void a_look_does_not_forget_a_parked_fault(void **state)
{
	struct fi_space *space = add();

	fake_always(space->uffd, FAKE_COPY, -EAGAIN);
	fake_push(space->uffd, fault(7));
	wait_until(space->count->parked >= 1);
	fi_engine_look(engine, space);
	wait_until(fake_nr(FAKE_PROBE) == 1);
	nap_ms(10);
	fake_always(space->uffd, FAKE_COPY, 0);
	wait_until(space->count->demanded == 1);
}

static void a_parked_fault_does_not_wait_for_the_next_message(void **state)
{
	struct fi_space *space = space_new();
	int fd = space->uffd;

	/* As many messages as a worker takes in one turn, all of them put off. */
	for (uint64_t page = 0; page < 512; page++)
		fake_push(fd, fault(page));
	fake_always(fd, FAKE_COPY, -EAGAIN);
	assert_int_equal(fi_engine_add(engine, space), 0);
	wait_until(space->count->faults == 512);
	nap_ms(30);
	fake_always(fd, FAKE_COPY, 0);
	wait_until(fi_space_nr_owed(space) <= 600 - 512);
}

static void displaced_pages_do_not_keep_a_space_for_ever(void **state)
{
	struct fi_space *space = space_new();
	int fd = space->uffd;

	fake_always(fd, FAKE_PROBE, -EAGAIN);
	fake_push(fd, fake_remap(BASE, BASE + 300 * PAGE, 100 * PAGE));
	assert_int_equal(fi_engine_add(engine, space), 0);
	wait_until(space->count->remaps == 1);
	fi_engine_restored(engine);
	wait_until(space->count->drained == 500);
	fi_engine_look(engine, space);
	nap_ms(10);
	assert_int_equal(nr_ended, 0);
	fake_always(fd, FAKE_PROBE, 0);
	wait_until(nr_ended == 1);
	assert_int_equal(space->count->dropped, 100);
}

/* --- the policy ------------------------------------------------------------------------------- */

static void a_paused_drain_gives_nothing_and_demand_does(void **state)
{
	struct fi_policy *policy = &fi_ledger()->session.policy;
	struct fi_space *space = add();

	policy->paused = 1;
	fi_engine_steered(engine);
	fi_engine_restored(engine);
	fake_push(space->uffd, fault(7));
	wait_until(space->count->demanded == 1);
	nap_ms(50);
	assert_int_equal(space->count->drained, 0);
	policy->paused = 0;
	fi_engine_steered(engine);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().count.drained, 599);
}

/* What a second gives is more than the rate by a chunk at most. */
static void a_rate_is_not_exceeded(void **state)
{
	struct fi_policy *policy = &fi_ledger()->session.policy;
	struct fi_space *space = add();
	uint64_t start = fi_now_ns(), drained, ns;

	policy->rate = 400 * PAGE;
	fi_engine_steered(engine);
	fi_engine_restored(engine);
	wait_until(space->count->drained >= 40);
	drained = space->count->drained;
	ns = fi_now_ns() - start;
	assert_true((drained - 16) * 1000000000 <= 400 * ns);
	policy->rate = 0;
	fi_engine_steered(engine);
	wait_until(totals().nr_live == 0);
}

/* One byte a second is a wait of hours, which nobody has to sit out. */
static void full_speed_ends_every_other_wish(void **state)
{
	struct fi_policy *policy = &fi_ledger()->session.policy;
	struct fi_space *space = add();
	int child = fake_uffd_new();

	policy->paused = 1;
	fi_engine_steered(engine);
	fi_engine_restored(engine);
	fake_push(space->uffd, fake_fork(child));
	wait_until(nr_born == 1);
	policy->paused = 0;
	policy->rate = 1;
	fi_engine_steered(engine);
	wait_until(space->count->drained > 0);
	nap_ms(20);
	assert_true(fi_space_nr_owed(space) > 0);
	policy->full = 1;
	fi_engine_steered(engine);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().count.drained, 1200);
}

static uint64_t nr_latencies(void)
{
	struct fi_latency latency = { 0 };

	fi_engine_latency(engine, &latency);
	return latency.max ? fi_latency_count(&latency) : 0;
}

static void live_spaces_can_be_seen(void **state)
{
	struct fi_space_status seen[3] = { 0 };
	struct fi_space *first = add();
	int child = fake_uffd_new();

	fake_push(first->uffd, fault(7));
	fake_push(first->uffd, fake_fork(child));
	wait_until(nr_born == 1);
	wait_until(totals().nr_live == 2);
	wait_until(first->count->demanded == 1);
	(void)add();
	assert_int_equal(fi_engine_spaces(engine, seen, 0), 0);
	assert_int_equal(fi_engine_spaces(engine, seen, 3), 3);
	assert_int_equal(seen[0].parent, 0);
	assert_int_equal(seen[0].nr_owed, 599);
	assert_int_equal(seen[0].nr_lazy, 600);
	assert_int_equal(seen[0].count.faults, 1);
	assert_int_equal(seen[0].count.forks, 1);
	assert_int_equal(seen[0].image, toy->task.vpid);
	assert_int_equal(seen[1].parent, 0); /* restored tasks first */
	assert_int_equal(seen[1].nr_owed, 600);
	assert_int_equal(seen[2].parent, seen[0].id);
	wait_until(nr_latencies() == 1);
	fi_engine_restored(engine);
	wait_until(totals().nr_live == 0);
}

/* --- children --------------------------------------------------------------------------------- */

static void children_and_grandchildren_are_drained_to_their_end(void **state)
{
	struct fi_space *space = add();
	int fds[200];

	/* All born before the first page is given, then everything at once. */
	fake_always(space->uffd, FAKE_COPY, -EAGAIN);
	for (int i = 0; i < 200; i++) {
		fds[i] = fake_uffd_new();
		fake_always(fds[i], FAKE_COPY, -EAGAIN);
	}
	fi_engine_restored(engine);
	for (int i = 0; i < 100; i++)
		fake_push(fds[i], fake_fork(fds[100 + i]));
	for (int i = 0; i < 100; i++)
		fake_push(space->uffd, fake_fork(fds[i]));
	wait_until(nr_born == 200);
	fake_always(space->uffd, FAKE_COPY, 0);
	for (int i = 0; i < 200; i++)
		fake_always(fds[i], FAKE_COPY, 0);
	wait_until(totals().nr_live == 0);
	wait_until(nr_ended == 201);
	assert_int_equal(totals().nr_forked, 200);
	assert_int_equal(totals().nr_failed, 0);
	assert_int_equal(totals().count.drained, 600 * 201);
}

/* Forks while the parent is drained and ends: whoever is born late owes little or nothing. */
static void children_born_near_the_end_end_too(void **state)
{
	for (int round = 0; round < 3; round++) {
		struct fi_space *space = space_new();
		int fd = space->uffd, children[4];

		for (int i = 0; i < 4; i++)
			children[i] = fake_uffd_new();
		fi_engine_restored(engine);
		assert_int_equal(fi_engine_add(engine, space), 0);
		for (int i = 0; i < 4; i++) {
			fake_push_if_open(fd, fake_fork(children[i]));
			if (round % 3)
				(void)sched_yield();
		}
		wait_until(totals().nr_live == 0);
	}
	wait_until(nr_ended == 3 + nr_born);
}

/* Everything is MADV_WIPEONFORK, so the child owes nothing, and nobody will ever ring for it. */
static void a_child_that_owes_nothing_ends(void **state)
{
	struct fi_space *space;

	toy->vmas[0].madv = UINT64_C(1) << 18;
	space = add();
	fake_always(space->uffd, FAKE_COPY, -EAGAIN);
	fi_engine_restored(engine);
	fake_push(space->uffd, fake_fork(fake_uffd_new()));
	wait_until(nr_ended == 1);
	assert_int_equal(nr_born, 1);
	assert_int_equal(fi_space_nr_owed(space), 600);
	fake_always(space->uffd, FAKE_COPY, 0);
	wait_until(totals().nr_live == 0);
}

/* exec or exit before the engine knows the child: between its naming and its being added. */
static void news_of_a_child_may_come_before_it_is_added(void **state)
{
	struct fi_space *space = add();

	look_when_born = true;
	for (int i = 0; i < 50; i++) {
		int fd = fake_uffd_new();

		fake_always(fd, FAKE_PROBE, i % 2 ? -ESRCH : 0);
		fake_always(fd, FAKE_COPY, i % 2 ? -ESRCH : 0);
		fake_push(space->uffd, fake_fork(fd));
	}
	wait_until(nr_born == 50);
	fi_engine_restored(engine);
	wait_until(totals().nr_live == 0);
	wait_until(nr_ended == 51);
}

/* --- what cannot be served ---------------------------------------------------------------------- */

static pid_t sleeper(struct fi_space *space)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	assert_true(pid > 0);
	space->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(space->pidfd >= 0);
	return pid;
}

static bool was_killed(pid_t pid)
{
	int status;

	for (int waited = 0; waited < WAIT_MS; waited++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		nap_ms(1);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return false;
}

/* Nobody waits for a page, so it is the drain that finds out; law 1 does not wait for a fault. */
static void what_the_drain_cannot_give_kills_the_task(void **state)
{
	struct fi_space *space = space_new();
	int fd = space->uffd;
	pid_t pid = sleeper(space);

	fake_always(fd, FAKE_COPY, -EFAULT);
	fake_always(fd, FAKE_POISON, -EINVAL);
	assert_int_equal(fi_engine_add(engine, space), 0);
	fi_engine_restored(engine);
	assert_true(was_killed(pid));
	nap_ms(20);
	assert_int_equal(fake_nr(FAKE_CLOSE), 0); /* not before it is gone */
	fake_always(fd, FAKE_PROBE, -ESRCH);
	wait_until(nr_ended == 1);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().nr_failed, 1);
}

static void what_demand_cannot_give_kills_the_task(void **state)
{
	struct fi_space *space = space_new();
	int fd = space->uffd;
	pid_t pid = sleeper(space);

	fake_always(fd, FAKE_COPY, -EPERM);
	fake_push(fd, fault(3));
	assert_int_equal(fi_engine_add(engine, space), 0);
	assert_true(was_killed(pid));
	fake_always(fd, FAKE_PROBE, -ESRCH);
	wait_until(nr_ended == 1);
	assert_int_equal(totals().nr_failed, 1);
}

/* One task's trouble stays its own (law 5). */
static void others_are_served_meanwhile(void **state)
{
	struct fi_space *bad = add(), *good = add();

	fake_always(bad->uffd, FAKE_COPY, -EPERM);
	fake_push(bad->uffd, fault(3));
	fi_engine_restored(engine);
	wait_until(nr_ended == 1);
	assert_true(good->uffd < 0 && bad->uffd >= 0);
	wait_until(totals().nr_failed == 1);
	fake_always(bad->uffd, FAKE_PROBE, -ESRCH);
	wait_until(totals().nr_live == 0);
}

static void a_name_that_comes_late_is_killed_too(void **state)
{
	struct fi_space *space = add();
	pid_t pid;

	fake_always(space->uffd, FAKE_COPY, -EPERM);
	fake_push(space->uffd, fault(3));
	wait_until(totals().nr_failed == 1);
	pid = sleeper(space);
	assert_true(was_killed(pid));
	fake_always(space->uffd, FAKE_PROBE, -ESRCH);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().nr_failed, 1);
}

static void a_failed_restore_kills_every_task(void **state)
{
	struct fi_space *first = space_new(), *late;
	pid_t pid = sleeper(first), late_pid;

	assert_int_equal(fi_engine_add(engine, first), 0);
	fi_engine_abandon(engine);
	assert_true(was_killed(pid));
	late = space_new();
	late_pid = sleeper(late);
	assert_int_equal(fi_engine_add(engine, late), 0);
	assert_true(was_killed(late_pid));
	assert_int_equal(fake_nr(FAKE_CLOSE), 0);
	fake_always(first->uffd, FAKE_PROBE, -ESRCH);
	fake_always(late->uffd, FAKE_PROBE, -ESRCH);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().nr_failed, 2);
}

static _Atomic bool hold, held;
static _Atomic int held_fd;

static void holding_watch(const struct fake_call *call)
{
	if (call->op == FAKE_READ && call->fd == held_fd && hold) {
		held = true;
		while (hold)
			nap_ms(1);
	}
	watch(call);
}

/* The news that the restore has failed, and a fault, both in one look at the descriptors. */
static void a_failed_space_is_counted_once(void **state)
{
	struct fi_space *some[8];
	int same = 0;

	fake_watch = holding_watch;
	for (int i = 0; i < 8; i++)
		some[i] = add();
	for (int i = 1; i < 8; i++)
		if (some[i]->worker == some[0]->worker)
			same = i;
	assert_true(same > 0);
	held_fd = some[0]->uffd;
	held = false;
	hold = true;
	fake_push(some[0]->uffd, fault(1));
	wait_until(held);
	fi_engine_abandon(engine);
	fake_push(some[same]->uffd, fault(1));
	hold = false;
	for (int i = 0; i < 8; i++)
		wait_until(some[i]->state == FI_SPACE_FAILED);
	for (int i = 0; i < 8; i++)
		fake_always(some[i]->uffd, FAKE_PROBE, -ESRCH);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().nr_failed, 8);
}

static void a_descriptor_that_cannot_be_watched_is_refused(void **state)
{
	struct fi_space *space = space_new();
	int fd = space->uffd;

	space->uffd = 4095;
	assert_int_equal(fi_engine_add(engine, space), -EBADF);
	assert_int_equal(totals().nr_live, 0);
	space->uffd = fd;
	assert_int_equal(fi_engine_add(engine, space), 0);
	assert_int_equal(totals().nr_live, 1);
}

/* Its descriptor must stay open for ever, so the session must not end. */
static void a_child_that_cannot_be_watched_is_an_orphan(void **state)
{
	struct fi_space *space = add();

	fake_push(space->uffd, fake_fork(4095));
	wait_until(totals().nr_orphans == 1);
	assert_int_equal(totals().nr_failed, 1);
	assert_int_equal(totals().nr_forked, 0);
	assert_int_equal(fake_nr(FAKE_CLOSE), 0);
}

/* --- threads that are stuck ----------------------------------------------------------------- */

static void stick(const struct fake_call *call)
{
	watch(call);
	if (call->op != FAKE_COPY || call->fd != sticky)
		return;
	nr_stuck++;
	while (call->fd == sticky)
		nap_ms(1);
	nr_stuck--;
}

/* More than there are workers, and more than steps may be stuck at once. */
#define SOME (2 * FI_MAX_WORKERS + 1)

static void a_stuck_fault_keeps_nobody_else_waiting(void **state)
{
	struct fi_latency latency = { 0 };
	struct fi_space *some[SOME];

	fake_watch = stick;
	for (int i = 0; i < SOME; i++)
		some[i] = add();
	sticky = some[0]->uffd;
	fake_push(sticky, fault(7));
	wait_until(nr_stuck == 1);
	for (int round = 1; round <= 3; round++) {
		for (int i = 1; i < SOME; i++)
			fake_push(some[i]->uffd, fault(7 * (unsigned)round));
		for (int i = 1; i < SOME; i++)
			wait_until(some[i]->count->demanded == (unsigned)round);
	}
	wait_until(some[0]->place == FI_SPACE_AWAY);
	fake_push(sticky, fault(100)); /* nobody else may read it meanwhile */
	fi_engine_look(engine, some[0]);
	nap_ms(5);
	assert_int_equal(some[0]->count->demanded, 0);
	assert_int_equal(fake_waiting(sticky), 1);

	sticky = -1;
	wait_until(some[0]->count->demanded == 2);
	fake_push(some[0]->uffd, fault(200));
	wait_until(some[0]->count->demanded == 3);
	wait_until(nr_latencies() >= 3 + 3 * (SOME - 1)); /* noted when a step is over */
	fi_engine_latency(engine, &latency);
	assert_true(latency.max >= FI_RELIEF_NS);

	fi_engine_restored(engine);
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().nr_failed, 0);
}

static void a_space_that_was_given_back_has_children(void **state)
{
	struct fi_space *parent = add();
	int child = fake_uffd_new();

	fake_watch = stick;
	sticky = parent->uffd;
	fake_push(sticky, fault(7));
	wait_until(parent->place == FI_SPACE_AWAY);
	fake_push(sticky, fake_fork(child));
	sticky = -1;
	wait_until(nr_born == 1);
	fake_push(child, fault(7));
	wait_until(spaces[child]->count->faults == 1);
}

static void a_stuck_drain_keeps_no_other_space_from_its_pages(void **state)
{
	struct fi_space *some[SOME];

	fake_watch = stick;
	for (int i = 0; i < SOME; i++)
		some[i] = add();
	sticky = some[0]->uffd;
	fi_engine_restored(engine);
	for (int i = 1; i < SOME; i++)
		wait_until(fi_space_nr_owed(some[i]) == 0);
	wait_until(totals().nr_live == 1);
	assert_int_equal(fi_space_nr_owed(some[0]), 600);
	sticky = -1;
	wait_until(totals().nr_live == 0);
	assert_int_equal(totals().count.drained, SOME * 600);
}

/* A task that has no memory to be given any is tried again ever more seldom. */
static void what_is_put_off_is_put_off_for_longer_and_longer(void **state)
{
	struct fi_space *full = add(), *other = add();

	fake_always(full->uffd, FAKE_COPY, -ENOMEM);
	fake_push(full->uffd, fault(7));
	fi_engine_restored(engine);
	wait_until(totals().nr_live == 1);
	assert_true(other->uffd < 0);
	wait_until(full->retry_ns == 10000000 && full->drain_pause == 10000000);
	fake_always(full->uffd, FAKE_COPY, 0);
	wait_until(totals().nr_live == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_come_before_the_drain_and_nothing_ends),
		TEST(what_is_drained_ends),
		TEST(a_task_that_is_gone_ends_when_looked_at),
		TEST(a_look_does_not_forget_a_parked_fault),
		TEST(a_parked_fault_does_not_wait_for_the_next_message),
		TEST(displaced_pages_do_not_keep_a_space_for_ever),
		TEST(a_paused_drain_gives_nothing_and_demand_does),
		TEST(a_rate_is_not_exceeded),
		TEST(full_speed_ends_every_other_wish),
		TEST(live_spaces_can_be_seen),
		TEST(children_and_grandchildren_are_drained_to_their_end),
		TEST(children_born_near_the_end_end_too),
		TEST(a_child_that_owes_nothing_ends),
		TEST(news_of_a_child_may_come_before_it_is_added),
		TEST(what_the_drain_cannot_give_kills_the_task),
		TEST(what_demand_cannot_give_kills_the_task),
		TEST(others_are_served_meanwhile),
		TEST(a_name_that_comes_late_is_killed_too),
		TEST(a_failed_restore_kills_every_task),
		TEST(a_failed_space_is_counted_once),
		TEST(a_descriptor_that_cannot_be_watched_is_refused),
		TEST(a_stuck_fault_keeps_nobody_else_waiting),
		TEST(a_space_that_was_given_back_has_children),
		TEST(a_stuck_drain_keeps_no_other_space_from_its_pages),
		TEST(what_is_put_off_is_put_off_for_longer_and_longer),
		TEST(a_child_that_cannot_be_watched_is_an_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
