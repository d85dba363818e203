/* tests/unit/test-takeover.c - an engine that is killed at any instruction is taken over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A victim process applies a batch of events, and stops after each store to the durable memory: that
 * is read-only, a store faults, is made writable for the one instruction (the CPU's trap flag), and
 * the victim waits until we have looked.  Whenever the durable memory has changed, a judge is forked
 * with a copy of it: it takes over as a new engine would, does what the victim had left to do, and
 * must come to the same spaces as the victim does when nobody kills it.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "restore/demand.h"
#include "restore/fate.h"
#include "restore/takeover.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define BASE	   UINT64_C(0x10000000)
#define NR_PAGES   12
#define NR_PLACES  32 /* pages that the events are about */
#define MAX_SPACES 24
#define MAX_MSGS   5

/* What is looked at of a space. */
struct view {
	unsigned parent;
	int uffd;
	uint64_t origin[NR_PLACES], owed[NR_PLACES];
	size_t displaced, left, changes;
	bool landed, failed, newborn;
};

struct views {
	size_t nr;
	struct view at[MAX_SPACES];
};

static struct views *foreseen; /* shared with the processes that are forked */

static int durable_fd;
static struct toy *toy;
static struct fi_space *spaces[MAX_SPACES];
static size_t nr_spaces;

/* --- the victim ------------------------------------------------------------------------------ */

static bool is_victim;
static int says, hears; /* pipes between victim and us */

static void allow_stores(bool allow)
{
	if (mprotect((char *)fi_durable_root() - 4096, FI_DURABLE_SIZE,
		     allow ? PROT_READ | PROT_WRITE : PROT_READ) < 0)
		abort();
}

/* Until we have looked. */
static void stop(void)
{
	char c = 0;

	if (write(says, &c, 1) != 1 || read(hears, &c, 1) != 1)
		_exit(1);
}

static void trap_after(ucontext_t *context, bool yes)
{
#ifdef __x86_64__
	const greg_t trap_flag = 0x100;
	greg_t *flags = &context->uc_mcontext.gregs[REG_EFL];

	*flags = yes ? *flags | trap_flag : *flags & ~trap_flag;
#else
	(void)context;
	(void)yes;
	abort();
#endif
}

static void on_store(int sig, siginfo_t *info, void *context)
{
	const char *at = info->si_addr, *start = (char *)fi_durable_root() - 4096;

	if (at < start || at >= start + FI_DURABLE_SIZE) {
		(void)signal(sig, SIG_DFL); /* it faults again */
		return;
	}
	allow_stores(true);
	trap_after(context, true);
}

static void on_stored(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	trap_after(context, false);
	allow_stores(false);
	stop();
}

static void become_victim(int say, int hear)
{
	struct sigaction store = { .sa_flags = SA_SIGINFO, .sa_sigaction = on_store },
			 stored = { .sa_flags = SA_SIGINFO, .sa_sigaction = on_stored };

	is_victim = true;
	says = say;
	hears = hear;
	if (sigaction(SIGSEGV, &store, NULL) < 0 || sigaction(SIGTRAP, &stored, NULL) < 0)
		abort();
	allow_stores(false);
}

/* What the kernel would do is done as a whole. */
int __real_fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr);
int __wrap_fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr);

int __wrap_fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr)
{
	int n;

	if (!is_victim)
		return __real_fi_uffd_read(fd, msgs, nr);
	allow_stores(true);
	n = __real_fi_uffd_read(fd, msgs, nr);
	allow_stores(false);
	stop();
	return n;
}

static const struct fi_task_image *task(void *arg, uint32_t vpid)
{
	assert_int_equal(vpid, toy->task.vpid);
	return &toy->task;
}

static void found(void *arg, struct fi_space *space)
{
	assert_true(nr_spaces < MAX_SPACES);
	spaces[nr_spaces++] = space;
}

static void born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	found(NULL, child);
}

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	/* Only behind an event that cannot be applied: nobody serves the parent any more either. */
}

static bool wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	return false;
}

static bool single;

static bool alone(void *arg, struct fi_space *space)
{
	return single;
}

static const struct fi_birth birth = {
	.born = born, .stillborn = stillborn, .wipes = wipes, .alone = alone
};

/* What it finds it calls, as an engine does. */
static void take_over(void)
{
	const struct fi_heir heir = {
		.task = task, .source = toy->source, .birth = birth, .found = found
	};

	nr_spaces = 0;
	assert_true(fi_takeover(&heir) >= 0);
	for (size_t i = 0; i < nr_spaces; i++)
		(void)fi_fate_called(spaces[i], false, false, &birth);
}

/* An engine is over: its private memory goes, its records stay. */
static void bury(void)
{
	for (size_t i = 0; i < nr_spaces; i++)
		fi_space_put(spaces[i]);
	nr_spaces = 0;
}

static struct view view_of(struct fi_space *space)
{
	struct view view = {
		.parent = space->parent,
		.uffd = space->uffd,
		.displaced = fi_layout_count(&space->displaced),
		.left = space->nr_left,
		.changes = space->past.nr_changes,
		.landed = space->landed,
		.newborn = space->newborn,
	};

	if (space->state != FI_SPACE_LIVE) /* what it has is not looked at any more */
		return (struct view){ .parent = space->parent,
				      .uffd = space->uffd,
				      .failed = true };
	for (unsigned i = 0; i < NR_PLACES; i++) {
		struct fi_extent extent = fi_space_look(space, BASE + i * PAGE, PAGE);
		size_t at = fi_layout_lower_bound(&space->layout, BASE + i * PAGE);
		const struct fi_segment *segment;

		view.owed[i] = extent.owed && extent.bytes ? toy_origin(toy, extent.bytes) : 0;
		if (at == fi_layout_count(&space->layout))
			continue;
		segment = fi_layout_segment(&space->layout, at);
		if (segment->start <= BASE + i * PAGE)
			view.origin[i] = segment->origin + (BASE + i * PAGE - segment->start);
	}
	return view;
}

static int by_descriptor(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	return (x->uffd > y->uffd) - (x->uffd < y->uffd);
}

/* Ids may have been given in vain, so parents are named by their descriptors. */
static void look(struct views *views)
{
	memset(views, 0, sizeof(*views));
	for (size_t i = 0; i < nr_spaces; i++) {
		views->at[i] = view_of(spaces[i]);
		for (size_t j = 0; j < nr_spaces; j++)
			if (spaces[j]->id == views->at[i].parent) {
				views->at[i].parent = 1000 + (unsigned)spaces[j]->uffd;
				break;
			}
	}
	views->nr = nr_spaces;
	qsort(views->at, views->nr, sizeof(views->at[0]), by_descriptor);
}

/* The batch that is read and applied, of the first space. */
static struct fi_space *target;

static void one_batch(void)
{
	if (target->state == FI_SPACE_LIVE)
		(void)fi_demand_step(target, &birth);
}

/* In a process of its own from here on: what it does to the durable memory nobody sees. */
static void keep_to_oneself(void)
{
	char *base = (char *)fi_durable_root() - 4096;

	if (mmap(base, FI_DURABLE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, durable_fd, 0) == MAP_FAILED)
		abort();
	fake_forked();
}

static void wait_for(pid_t pid, const char *what)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("%s: wait status %#x", what, status);
}

/* What becomes of the spaces when nobody is killed. */
static void foresee(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		keep_to_oneself();
		one_batch();
		one_batch(); /* what could not be decided may be now */
		look(foreseen);
		_exit(0);
	}
	wait_for(pid, "the one that lives");
}

static void tell(const char *what, const struct view *view)
{
	(void)fprintf(stderr, "# %s: fd %d of %u: %zu displaced %zu left %zu changes %d %d:", what,
		      view->uffd, view->parent, view->displaced, view->left, view->changes,
		      view->landed, view->newborn);
	for (unsigned i = 0; i < NR_PLACES; i++)
		(void)fprintf(stderr, " %llx%s", (unsigned long long)view->origin[i] >> 12,
			      view->owed[i] ? "" : "-");
	(void)fprintf(stderr, "\n");
}

/* The messages that wait have been read: by the victim. */
static void forget_batch(void)
{
	struct uffd_msg msgs[FI_INBOX_ROOM];

	(void)__real_fi_uffd_read(target->uffd, msgs, FI_INBOX_ROOM);
}

/* A new engine: it knows what is durable and nothing else. */
static void judge(void)
{
	pid_t pid = fork();
	static struct views views;
	bool was_read;
	int uffd;

	if (pid) {
		wait_for(pid, "an heir");
		return;
	}
	keep_to_oneself();
	uffd = target->uffd;
	was_read = target->slot->inbox.msgs[0].event;
	take_over();
	for (size_t i = 0; i < nr_spaces; i++)
		if (spaces[i]->uffd == uffd)
			target = spaces[i];
	/* If the kernel still had the batch when the victim died, it is read now. */
	if (was_read)
		forget_batch();
	one_batch();
	look(&views);
	if (memcmp(&views, foreseen, sizeof(views)) == 0)
		_exit(0);
	for (size_t i = 0; i < views.nr || i < foreseen->nr; i++) {
		tell("is", &views.at[i]);
		tell("must be", &foreseen->at[i]);
	}
	_exit(1);
}

/* What is used of the durable memory. */
struct snapshot {
	size_t size[2];
	char *copy[2];
};

static bool changed(struct snapshot *snapshot)
{
	const void *now[2] = { fi_durable_root(), fi_durable_heap() };
	size_t size[2] = { offsetof(struct fi_ledger, slots) +
				   fi_ledger()->nr_slots * sizeof(struct fi_slot),
			   fi_durable_used() };
	bool is = false;

	for (int i = 0; i < 2; i++) {
		if (size[i] == snapshot->size[i] && memcmp(snapshot->copy[i], now[i], size[i]) == 0)
			continue;
		is = true;
		snapshot->copy[i] = realloc(snapshot->copy[i], size[i] + 1);
		assert_non_null(snapshot->copy[i]);
		memcpy(snapshot->copy[i], now[i], size[i]);
		snapshot->size[i] = size[i];
	}
	return is;
}

static unsigned nr_judged;

/* Lets a victim apply the batch, store by store. */
static void dissect(void)
{
	struct snapshot snapshot = { 0 };
	int from[2], to[2], status;
	pid_t victim;
	char c;

	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	victim = fork();
	if (victim == 0) {
		(void)close(from[0]);
		(void)close(to[1]); /* should we fail, it hears that */
		fake_forked();
		become_victim(from[1], to[0]);
		one_batch();
		_exit(0);
	}
	(void)close(from[1]);
	(void)close(to[0]);
	(void)changed(&snapshot);
	while (read(from[0], &c, 1) == 1) {
		if (changed(&snapshot)) {
			nr_judged++;
			judge();
		}
		assert_int_equal(write(to[1], &c, 1), 1);
	}
	assert_int_equal(waitpid(victim, &status, 0), victim);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("the victim: wait status %#x", status);
	(void)close(from[0]);
	(void)close(to[1]);
	free(snapshot.copy[0]);
	free(snapshot.copy[1]);
}

static uint64_t random_state;

static uint64_t rnd(uint64_t below)
{
	return toy_random(&random_state, below);
}

static struct uffd_msg random_event(void)
{
	uint64_t start = rnd(NR_PLACES - 6), len = 1 + rnd(5), to = rnd(NR_PLACES - 6);

	switch (rnd(7)) {
	case 0:
	case 1:
		return fake_unmap(BASE + start * PAGE, BASE + (start + len) * PAGE);
	case 2:
	case 3:
		if (to < start + len && start < to + len)
			to = start + len < NR_PLACES - 6 ? start + len : start - len;
		if (to + len > NR_PLACES)
			return fake_remove(BASE + start * PAGE, BASE + (start + len) * PAGE);
		return fake_remap(BASE + start * PAGE, BASE + to * PAGE, len * PAGE);
	case 4:
	case 5:
		return fake_fork(fake_uffd_new());
	default:
		return fake_remove(BASE + start * PAGE, BASE + (start + len) * PAGE);
	}
}

/* Another life: the old engine's batches, then one that is cut short everywhere. */
static void one_life(void)
{
	target = spaces[rnd(nr_spaces)];
	/* An event that is pending leaves the space unsettled; the next one may settle it. */
	fake_always(target->uffd, FAKE_PROBE, rnd(3) ? -EAGAIN : 0);
	single = rnd(3) == 0;
	for (uint64_t i = 0, nr = 1 + rnd(MAX_MSGS); i < nr; i++)
		fake_push(target->uffd, random_event());
	memset(target->slot->inbox.msgs, 0, sizeof(target->slot->inbox.msgs));

	foresee();
	dissect();
	/* Ours is the kernel that the judges saw; now the batch has been read. */
	forget_batch();
	bury();
	take_over();
	for (size_t i = 0; i < nr_spaces; i++)
		if (spaces[i]->state != FI_SPACE_LIVE) /* nobody can say what is where */
			target = NULL;
}

static void reset_durable(void)
{
	/* The shared memory cannot be reset by dropping our view of it. */
	assert_int_equal(ftruncate(durable_fd, 0), 0);
	assert_int_equal(ftruncate(durable_fd, FI_DURABLE_SIZE), 0);
}

static void killed_after_every_store(void **state)
{
	random_state = toy_seed("takeover");
	for (int round = 0; round < 3; round++) {
		struct fi_space *space;

		reset_durable();
		fake_reset();
		toy = toy_simple(BASE, NR_PAGES);
		nr_spaces = 0;
		assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
		found(NULL, space);
		for (int life = 0; life < 4 && nr_spaces < MAX_SPACES - MAX_MSGS; life++) {
			one_life();
			if (!target)
				break;
		}
		bury();
		toy_free(toy);
	}
	print_message("# %u states of the durable memory were taken over\n", nr_judged);
	assert_true(nr_judged > 100);
}

/* What was counted of a space that lives is counted on; of one that was being closed, it joins the sums. */
static void counts_go_on(void **state)
{
	struct fi_space *space, *ending;
	const struct fi_counters *sums;

	reset_durable();
	fake_reset();
	toy = toy_simple(BASE, NR_PAGES);
	nr_spaces = 0;
	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
	assert_int_equal(fi_space_settle(space, 0, 3, &space->count->drained), 0);
	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &ending), 0);
	assert_int_equal(fi_space_settle(ending, 0, 5, &ending->count->demanded), 0);
	ending->slot->state = FI_SLOT_CLOSING;
	found(NULL, space);
	found(NULL, ending);
	bury();
	take_over();
	sums = &fi_ledger()->session.ended;

	assert_int_equal(nr_spaces, 1);
	assert_int_equal(spaces[0]->count->drained, 3);
	assert_int_equal(sums->demanded, 5);
	assert_int_equal(fi_space_settle(spaces[0], 3, 4, &spaces[0]->count->drained), 0);
	fi_space_retire(spaces[0]);
	assert_int_equal(spaces[0]->count->drained, 7);
	/* Whoever has the record next begins at 0. */
	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
	assert_int_equal(space->count->drained, 0);
	found(NULL, space);
	bury();
	toy_free(toy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_after_every_store),
		cmocka_unit_test(counts_go_on),
	};

#ifndef __x86_64__
	return 77; /* how to trap after one instruction is not known */
#endif
	durable_fd = fi_durable_create();
	foreseen = mmap(NULL, sizeof(*foreseen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (durable_fd < 0 || foreseen == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
