/* tests/sim/sim.c - the engine on the model, under schedules that a seed chooses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: test-sim			 small cases with at most 2 delays; FI_SIM_SCHEDULES schedules
 *					 (default 10000) from a fixed seed, and as many from a fresh one,
 *					 or, if FI_SIM_SEED is set, from that only; every planted fault.
 *					 Less of it under AddressSanitizer, which takes four times as long
 *	  test-sim run SEED NR [PLANT]	 NR schedules from SEED on
 *	  test-sim replay SEED [PLANT]	 one of them, shrunk, with a trace
 *	  test-sim plants [SECONDS]	 each planted fault must be found in that time
 *	  test-sim explore DELAYS [CASE] every interleaving of the small cases, from CASE on
 *
 * A program of a few threads does what it likes with its memory: reads, writes, maps, moves,
 * discards, forks, dies.  Its memory belongs to an image that the engine's steps, one demand lane
 * and two drain lanes, give it meanwhile.  The lanes are coroutines: at each kernel entry and exit,
 * and wherever the kernel itself can be interrupted, the seed decides who goes on.  After each step:
 *
 *   law 1  what a read finds is what the program's own actions make of the image
 *   law 1  nothing is closed while a page is still owed
 *   law 2  no event is read from a space while a copy into it is in flight
 *   law 3  in the end nobody waits
 *
 * Every decision is a number from choose(); the list of them is the schedule, and shrinking it is
 * leaving numbers out.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "restore/demand.h"
#include "restore/drain.h"
#include "restore/fate.h"
#include "restore/fill.h"
#include "restore/log.h"
#include "restore/takeover.h"
#include "tests/sim/door.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/toy-image.h"

enum { MAX_CHOICES = 200000, MAX_SPACES = 24, NR_LANES = 3 };

/* AddressSanitizer clears the shadow of what is switched to, by way of mmap if that is 512 KiB or more. */
enum { STACK = 448 * 1024 };

enum { MAX_STEPS = 20000 };

struct lane {
	ucontext_t context;
	char *stack;
	unsigned rounds; /* how often it was through with a step */
	bool busy;	 /* inside a step: it must be resumed until it is through */
	bool in_kernel;
};

/* A space in the engine's lists. */
struct seat {
	struct fi_space *space;
	bool called, soon;
};

static struct {
	struct m_model m;
	struct toy *toy;
	struct fi_source *source;

	struct seat seats[MAX_SPACES];
	int nr_spaces, drain_turn;
	int orphans[MAX_SPACES], nr_orphans;
	bool restored;

	struct lane lanes[NR_LANES];
	struct lane *running;
	ucontext_t scheduler;

	uint64_t random;
	uint16_t choices[MAX_CHOICES];
	int nr_choices, next_choice;
	bool replaying;
	bool exploring, waiting; /* waiting: the lane that has just yielded can only wait */

	long fail_alloc; /* this many of the engine's allocations succeed, then one does not; -1: all do */
	int actions, forks;
	uint64_t token;
	bool quiet;	     /* the program is through: nothing but what is under way goes on */
	uint64_t unreadable; /* address at the dump of a page that the image has lost; 0: none */
	bool odd_sources;
	bool risky;   /* see note_risk */
	bool starved; /* an allocation has failed, or may have */
	int killed;   /* programs */
	bool may_fail_alloc, may_die;
	bool dying, must_die; /* the engine */
	bool stays;	      /* the program uses MREMAP_DONTUNMAP; from here: */
	uint64_t stayed[32], stayed_len[32];
	int nr_stayed;
	bool late;	 /* the restore is finished only when the program is */
	bool everything; /* races too that the engine is known not to follow */

	char failure[256];
	const char *kind; /* of the failure: its format */
	bool tracing;
} sim;

/* Over all schedules: those where a program was to be feared for, and those where one was killed; by
 * why: threads that change the same memory, or an allocation that failed. */
static struct {
	unsigned long racing, killed_racing, starved, killed_starved;
} tally;

/* --- decisions -------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
	uint64_t z = (sim.random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A number below @n; in what was shrunk away it is 0. */
static int choose(int n)
{
	int value;

	if (sim.exploring) /* it is who goes on that is explored */
		return 0;
	if (sim.replaying)
		return sim.next_choice < sim.nr_choices ? sim.choices[sim.next_choice++] % n : 0;
	value = (int)(next_random() % (uint64_t)n);
	if (sim.nr_choices < MAX_CHOICES)
		sim.choices[sim.nr_choices++] = (uint16_t)value;
	return value;
}

__attribute__((format(printf, 1, 2))) static void trace(const char *format, ...)
{
	va_list ap;

	if (!sim.tracing)
		return;
	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	(void)putchar('\n');
}

__attribute__((format(printf, 1, 2))) static void violation(const char *format, ...)
{
	va_list ap;

	if (sim.failure[0])
		return;
	sim.kind = format;
	va_start(ap, format);
	(void)vsnprintf(sim.failure, sizeof(sim.failure), format, ap);
	va_end(ap);
	trace("!! %s", sim.failure);
}

static void plain_violation(const char *what)
{
	violation("%s", what);
}

static long long page_of(uint64_t addr)
{
	return (long long)((addr - M_BASE) / M_PAGE);
}

/* --- the engine's lanes --------------------------------------------------------------------------- */

static void back_to_scheduler(void)
{
	struct lane *lane = sim.running;

	sim.running = NULL;
	(void)swapcontext(&lane->context, &sim.scheduler);
}

static void lane_yield(const char *where)
{
	sim.waiting = strcmp(where, "at the gate") == 0 ||
		      strcmp(where, "waiting for the mmap lock") == 0;
	if (sim.running && (sim.dying || choose(3) == 0))
		back_to_scheduler();
}

static void enter_kernel(void)
{
	if (sim.running)
		sim.running->in_kernel = true;
}

/* A killed engine's thread does not come back from there. */
static void leave_kernel(void)
{
	if (!sim.running)
		return;
	sim.running->in_kernel = false;
	if (sim.dying)
		back_to_scheduler();
}

static void model_yield(void *arg, const char *where)
{
	(void)arg;
	lane_yield(where);
}

static void add_space(struct fi_space *space)
{
	if (sim.nr_spaces == MAX_SPACES)
		abort();
	sim.seats[sim.nr_spaces++] = (struct seat){
		.space = space,
		.called = space->state != FI_SPACE_LIVE || fi_demand_unfinished(space) ||
			  (sim.restored && fi_space_nr_owed(space) == 0),
	};
}

static void born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	(void)arg;
	(void)parent;
	trace("  space %d: fd %d is born", sim.nr_spaces, child->uffd);
	if (door.plant == PLANT_NO_INHERITANCE)
		(void)fi_space_drop(child, &child->layout, M_BASE, M_BASE + 4 * M_PAGE);
	add_space(child);
}

static void kill_all_of(int fd)
{
	int mm = sim.m.ctxs[sim.m.fds[fd].ctx].mm;

	for (int i = 0; i < M_THREADS; i++)
		if (sim.m.threads[i].state != M_FREE && sim.m.threads[i].state != M_DEAD &&
		    sim.m.tasks[sim.m.threads[i].task].mm == mm)
			m_kill(&sim.m, i);
}

/* There is no memory for it: it waits for ever, or until somebody kills it. */
static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	(void)arg;
	(void)parent;
	if (!sim.risky)
		violation("a child is left to itself");
	sim.orphans[sim.nr_orphans++] = uffd;
}

static bool wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	(void)arg;
	(void)parent;
	(void)addr;
	(void)end;
	(void)ret;
	return false;
}

/* Whether a process has one thread is not always known. */
static bool alone(void *arg, struct fi_space *space)
{
	int mm = sim.m.ctxs[sim.m.fds[space->uffd].ctx].mm, nr = 0;

	(void)arg;
	for (int i = 0; i < M_THREADS; i++)
		nr += sim.m.threads[i].state != M_FREE && sim.m.threads[i].state != M_DEAD &&
		      sim.m.tasks[sim.m.threads[i].task].mm == mm;
	return nr == 1 && choose(2);
}

/* Its program is killed, and nothing else is done to the space before that is so. */
static void doom(struct fi_space *space)
{
	sim.killed += !space->doomed;
	if (!space->doomed && !sim.risky)
		violation("a program must be killed that did nothing wrong");
	space->doomed = true;
	kill_all_of(space->uffd);
}

static void meet(struct seat *seat, enum fi_fate fate)
{
	seat->soon = fate == FI_FATE_SOON || fate == FI_FATE_DOOM;
	if (fate == FI_FATE_DOOM)
		doom(seat->space);
	if (fate == FI_FATE_END)
		fi_space_retire(seat->space);
}

/* What a demand worker does with a space: when somebody has called, and when it is readable or to be
 * looked at soon. */
static void read_space(struct seat *seat, const struct fi_birth *birth)
{
	struct fi_space *space = seat->space;
	enum fi_step step;

	if (space->uffd >= 0 && (seat->called || (seat->soon && space->state == FI_SPACE_FAILED))) {
		seat->called = false;
		meet(seat, fi_fate_called(space, sim.restored, false, birth));
	}
	if (space->uffd < 0 || space->state != FI_SPACE_LIVE ||
	    !(seat->soon || m_poll(&sim.m, space->uffd) & POLLIN))
		return;
	step = fi_demand_step(space, birth);
	if (door.plant == PLANT_PARKED_DROPPED)
		space->nr_parked = 0;
	if (door.plant == PLANT_CLOSE_OWING && sim.restored)
		meet(seat, FI_FATE_END);
	else
		meet(seat, fi_fate_after(space, step, sim.restored, birth));
}

static void found(void *arg, struct fi_space *space)
{
	(void)arg;
	trace("  space %d: fd %d is found", sim.nr_spaces, space->uffd);
	add_space(space);
	sim.seats[sim.nr_spaces - 1].called = true;
}

static const struct fi_task_image *task_of(void *arg, uint32_t vpid)
{
	(void)arg;
	(void)vpid;
	return &sim.toy->task;
}

static void take_over(const struct fi_birth *birth)
{
	const struct fi_heir heir = {
		.task = task_of, .source = sim.source, .birth = *birth, .found = found
	};

	if (fi_takeover(&heir) < 0)
		sim.must_die = true; /* there was no memory: the next one may have more luck */
	else
		door.taking_over = false;
}

static void demand_once(void)
{
	static const struct fi_birth birth = { born, stillborn, wipes, alone, NULL };

	if (door.taking_over)
		take_over(&birth);
	for (int i = 0; i < sim.nr_spaces; i++)
		read_space(&sim.seats[i], &birth);
}

static void drain_once(void)
{
	struct fi_claim claim = { 0 };
	struct seat *seat;

	if (door.taking_over || sim.nr_spaces == 0)
		return;
	seat = &sim.seats[sim.drain_turn++ % sim.nr_spaces];
	if (seat->space->uffd < 0 || seat->space->state != FI_SPACE_LIVE || !sim.restored ||
	    fi_space_nr_owed(seat->space) == 0)
		return;
	if (fi_fate_calls(seat->space, fi_drain_step(seat->space, &claim, FI_PACE_FULL)))
		seat->called = true;
}

static void finish_restore(void)
{
	sim.restored = true;
	for (int i = 0; i < sim.nr_spaces; i++)
		sim.seats[i].called = true;
}

static void lane_main(int i)
{
	struct lane *lane = &sim.lanes[i];

	for (;;) {
		lane->busy = true;
		if (i == 0)
			demand_once();
		else
			drain_once();
		lane->busy = false;
		lane->rounds++;
		back_to_scheduler();
	}
}

static void resume(int i)
{
	sim.running = &sim.lanes[i];
	fail_alloc_in = sim.fail_alloc;
	(void)swapcontext(&sim.scheduler, &sim.lanes[i].context);
	sim.fail_alloc = fail_alloc_in;
	fail_alloc_in = -1;
}

static void start_lane(int i)
{
	struct lane *lane = &sim.lanes[i];

	if (!lane->stack)
		lane->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);
	(void)getcontext(&lane->context);
	lane->context.uc_stack.ss_sp = lane->stack;
	lane->context.uc_stack.ss_size = STACK;
	lane->context.uc_link = NULL;
	lane->busy = lane->in_kernel = false;
	makecontext(&lane->context, (void (*)(void))(void *)lane_main, 1, i);
}

static void step_thread(int i);

/* --- the engine's death ----------------------------------------------------------------------------- */

/* What is in the kernel leaves it; what the engine knew is lost but for the ledger; the next engine
 * takes over. */
static void kill_engine(void)
{
	bool left;

	trace("the engine is killed");
	sim.dying = true;
	do {
		left = true;
		for (int i = 0; i < NR_LANES; i++) {
			if (!sim.lanes[i].in_kernel)
				continue;
			resume(i);
			left = false;
		}
		/* They may wait for one of the program's. */
		for (int i = 0; !left && i < M_THREADS; i++)
			if (m_can_step(&sim.m, i))
				step_thread(i);
	} while (!left);
	sim.dying = sim.must_die = false;
	memset(door.copying, 0, sizeof(door.copying));
	for (int i = 0; i < sim.nr_spaces; i++)
		fi_space_put(sim.seats[i].space);
	sim.nr_spaces = sim.drain_turn = 0;
	for (int i = 0; i < NR_LANES; i++)
		start_lane(i);
	door.taking_over = true;
}

/* --- the image ------------------------------------------------------------------------------------- */

#define ARENA 16 /* pages that programs use */

static uint64_t at(int page)
{
	return M_BASE + (uint64_t)page * M_PAGE;
}

static bool readable(void *arg, const void *page)
{
	(void)arg;
	if (!page)
		return false;
	return !sim.unreadable || *(const uint64_t *)page != toy_word(sim.unreadable);
}

static bool mapped(void *arg, const void *page)
{
	(void)arg;
	(void)page;
	return !sim.odd_sources || choose(4);
}

static void make_image(bool small)
{
	const struct fi_vma vmas[] = {
		{ .start = at(0), .end = at(6), .lazy = true },
		{ .start = at(7), .end = at(12), .lazy = true },
	};
	const struct fi_run runs[] = {
		{ .addr = at(0), .nr_pages = 4, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = at(5), .nr_pages = 1, .kind = FI_RUN_ZERO, .lazy = true },
		{ .addr = at(7), .nr_pages = 1, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = at(8), .nr_pages = 1, .kind = FI_RUN_ZERO, .lazy = true },
		{ .addr = at(9), .nr_pages = 3, .kind = FI_RUN_DATA, .lazy = true },
	};
	/* Two pages, and one that the image has nothing for. */
	const struct fi_vma few_vmas[] = {
		{ .start = at(0), .end = at(2), .lazy = true },
		{ .start = at(4), .end = at(5), .lazy = true },
	};
	const struct fi_run few_runs[] = {
		{ .addr = at(0), .nr_pages = 2, .kind = FI_RUN_DATA, .lazy = true },
	};

	if (sim.toy)
		toy_free(sim.toy);
	sim.toy = small ? toy_new(few_vmas, 2, few_runs, 1) : toy_new(vmas, 2, runs, 5);
}

static void restore_task(void)
{
	struct m_call map = { .op = M_OP_MMAP, .prot = M_PROT_READ | M_PROT_WRITE };
	const struct fi_mm *vmas = sim.toy->task.mm;
	int thread = m_spawn(&sim.m), fd;
	struct fi_space *space;
	struct m_mm *mm;

	for (size_t i = 0; i < vmas->nr_vmas; i++) {
		map.addr = vmas->vmas[i].start;
		map.len = vmas->vmas[i].end - vmas->vmas[i].start;
		m_start(&sim.m, thread, &map);
		(void)m_run(&sim.m, thread);
	}
	fd = m_userfaultfd(&sim.m, thread, true);
	(void)m_api(&sim.m, fd, UFFD_API,
		    UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |
			    UFFD_FEATURE_EVENT_UNMAP);
	for (size_t i = 0; i < vmas->nr_vmas; i++)
		(void)m_register(&sim.m, fd, vmas->vmas[i].start,
				 vmas->vmas[i].end - vmas->vmas[i].start,
				 UFFDIO_REGISTER_MODE_MISSING);
	mm = m_mm_of(&sim.m, thread);
	for (size_t i = 0; i < sim.toy->pagemap.nr_runs; i++) {
		const struct fi_run *run = &sim.toy->pagemap.runs[i];

		for (uint64_t a = run->addr; run->kind == FI_RUN_DATA && a < fi_run_end(run);
		     a += M_PAGE)
			*m_want(mm, a) = toy_word(a);
	}
	if (fi_space_new(fd, &sim.toy->task, sim.source, &space) < 0)
		abort();
	add_space(space);
	(void)m_clone(&sim.m, thread);
	if (choose(2))
		(void)m_clone(&sim.m, thread);
}

/* --- the program ------------------------------------------------------------------------------------ */

static const char *const op_names[] = {
	[M_OP_READ] = "reads",	      [M_OP_WRITE] = "writes", [M_OP_MMAP] = "maps",
	[M_OP_MUNMAP] = "unmaps",     [M_OP_MREMAP] = "moves", [M_OP_MADVISE] = "discards",
	[M_OP_MPROTECT] = "protects", [M_OP_FORK] = "forks",   [M_OP_EXEC] = "execs",
	[M_OP_EXIT] = "exits",
};

/* Another thread of the process is inside this call, about something in [start, end). */
static bool is_under_way_at(int thread, enum m_op op, uint64_t start, uint64_t end)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *other = &sim.m.threads[i];

		if (other->task == sim.m.threads[thread].task && other->call.op == op &&
		    (op == M_OP_FORK ||
		     (other->call.addr < end && other->call.addr + other->call.len > start)) &&
		    (other->state == M_KERNEL || other->state == M_IN_EVENT))
			return true;
	}
	return false;
}

static bool is_under_way(int thread, enum m_op op)
{
	return is_under_way_at(thread, op, 0, UINT64_MAX);
}

/* Another thread of the process is inside an mremap to, or (@from) of, this range. */
static bool moves(int thread, uint64_t start, uint64_t end, bool from)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *other = &sim.m.threads[i];
		const struct m_call *call = &other->call;
		uint64_t at = from ? call->addr : call->to;

		if (other->task == sim.m.threads[thread].task && call->op == M_OP_MREMAP &&
		    (other->state == M_KERNEL || other->state == M_IN_EVENT) && at < end &&
		    at + (from ? call->len : call->new_len) > start)
			return true;
	}
	return false;
}

/* Nothing is mapped there, so the kernel might choose it for something. */
static bool is_hole(int thread, uint64_t start, uint64_t end)
{
	for (uint64_t addr = start; addr < end; addr += M_PAGE)
		if (m_find_vma(m_mm_of(&sim.m, thread), addr))
			return false;
	return true;
}

/* Nobody has found out yet what the thread's process had where when it was forked. */
static bool is_newborn(int thread)
{
	int mm = sim.m.tasks[sim.m.threads[thread].task].mm;

	for (int i = 0; i < sim.nr_spaces; i++) {
		const struct fi_space *space = sim.seats[i].space;

		if (space->uffd >= 0 && sim.m.ctxs[sim.m.fds[space->uffd].ctx].mm == mm)
			return space->newborn;
	}
	return true;
}

/* Programs that race with themselves in a way of which nobody can tell the outcome (doc/model.md,
 * "What the engine does not follow"). */
static bool races(int thread, const struct m_call *call)
{
	bool fork = is_under_way(thread, M_OP_FORK), move = is_under_way(thread, M_OP_MREMAP);
	uint64_t end = call->addr + call->len;

	if ((call->op == M_OP_MREMAP || call->op == M_OP_MUNMAP || call->op == M_OP_MMAP) &&
	    sim.risky && is_newborn(thread))
		return true;
	/* It looks like the UNMAP that trails behind a plain mremap. */
	for (int i = 0; i < sim.nr_stayed; i++) {
		uint64_t at = sim.stayed[i], len = sim.stayed_len[i];

		if (call->op == M_OP_MUNMAP || call->op == M_OP_MMAP) {
			if (call->addr == at && call->len == len)
				return true;
		} else if (call->op == M_OP_MREMAP) {
			if (call->to < at + len && call->to + call->new_len > at)
				return true;
			if (call->addr + call->new_len == at && call->len - call->new_len == len)
				return true; /* what it cuts off */
		}
	}
	switch (call->op) {
	case M_OP_FORK:
	case M_OP_EXEC:
	case M_OP_EXIT:
		return sim.stays && move;
	case M_OP_MREMAP:
		if (sim.may_die &&
		    is_under_way_at(thread, M_OP_MADVISE, call->to, call->to + call->new_len))
			return true;
		return (sim.stays &&
			(fork || move ||
			 is_under_way_at(thread, M_OP_MUNMAP, call->to, call->to + call->new_len) ||
			 is_under_way_at(thread, M_OP_MMAP, call->to, call->to + call->new_len))) ||
		       moves(thread, call->to, call->to + call->new_len, false) ||
		       moves(thread, call->addr, end, false) ||
		       moves(thread, call->addr, end, true) ||
		       (moves(thread, call->to, call->to + call->new_len, true) &&
			!is_hole(thread, call->to, call->to + call->new_len)) ||
		       is_under_way_at(thread, M_OP_MUNMAP, call->addr, end) ||
		       is_under_way_at(thread, M_OP_MMAP, call->addr, end);
	case M_OP_MADVISE: /* of what an engine that dies may have given, and not noted */
		return sim.may_die && moves(thread, call->addr, end, false);
	case M_OP_MUNMAP:
	case M_OP_MMAP:
		return moves(thread, call->addr, end, true) ||
		       (sim.stays && moves(thread, call->addr, end, false));
	default:
		return false;
	}
}

/* Threads that change what is mapped at the same time: their program may be killed, because nobody
 * can tell what is where, but it may not be wrong. */
static void note_risk(int thread, const struct m_call *call)
{
	bool change = is_under_way(thread, M_OP_MREMAP) || is_under_way(thread, M_OP_MUNMAP) ||
		      is_under_way(thread, M_OP_MMAP);

	switch (call->op) {
	case M_OP_EXIT:
	case M_OP_EXEC:
		sim.risky = sim.risky || change || sim.stays;
		break;
	case M_OP_FORK:
		sim.risky = sim.risky || change;
		break;
	case M_OP_MREMAP:
	case M_OP_MUNMAP:
	case M_OP_MMAP:
		sim.risky = sim.risky || change || is_under_way(thread, M_OP_FORK);
		break;
	default:
		break;
	}
}

static void act(int thread)
{
	static const int mix[] = { M_OP_READ,	 M_OP_READ,   M_OP_READ,     M_OP_READ,
				   M_OP_READ,	 M_OP_WRITE,  M_OP_WRITE,    M_OP_MADVISE,
				   M_OP_MADVISE, M_OP_MUNMAP, M_OP_MREMAP,   M_OP_MREMAP,
				   M_OP_FORK,	 M_OP_FORK,   M_OP_MPROTECT, M_OP_MMAP,
				   M_OP_EXIT };
	struct m_call call = { .op = (enum m_op)mix[choose(sizeof(mix) / sizeof(mix[0]))] };
	int page = choose(ARENA), len = 1 + choose(4), to = choose(ARENA);

	if (page + len > ARENA)
		len = ARENA - page;
	call.addr = at(page);
	call.len = (uint64_t)len * M_PAGE;
	call.prot = M_PROT_READ | M_PROT_WRITE;
	switch (call.op) {
	case M_OP_WRITE:
		call.token = ++sim.token << 1;
		break;
	case M_OP_MADVISE:
		call.flags = MADV_DONTNEED;
		break;
	case M_OP_MPROTECT:
		call.prot = choose(2) ? M_PROT_READ | M_PROT_WRITE : M_PROT_READ;
		break;
	case M_OP_MREMAP:
		call.to = at(to);
		call.flags = MREMAP_MAYMOVE | MREMAP_FIXED;
		call.new_len = call.len;
		if (choose(4) == 0)
			call.new_len = M_PAGE;
		else if (sim.stays && choose(4) == 0)
			call.flags |= MREMAP_DONTUNMAP;
		break;
	case M_OP_FORK:
		if (sim.forks == 5)
			return;
		sim.forks++;
		break;
	case M_OP_EXIT:
		if (choose(4))
			return;
		call.op = choose(2) ? M_OP_EXIT : M_OP_EXEC;
		break;
	default:
		break;
	}
	if (!sim.everything && races(thread, &call))
		return;
	note_risk(thread, &call);
	if (call.op == M_OP_MREMAP && call.flags & MREMAP_DONTUNMAP) {
		sim.stayed[sim.nr_stayed] = call.addr;
		sim.stayed_len[sim.nr_stayed++] = call.len;
	}
	trace("t%d %s %d+%d%s", thread, op_names[call.op], page, len,
	      call.op == M_OP_MREMAP ? " to" : "");
	if (call.op == M_OP_MREMAP)
		trace("   %d, %lld pages, flags %x", to, (long long)(call.new_len / M_PAGE),
		      (unsigned)call.flags);
	m_start(&sim.m, thread, &call);
}

/* The call is over: did a read find what it must? */
static void judge(int i, enum m_op op, uint64_t addr)
{
	const struct m_thread *thread = &sim.m.threads[i];
	struct m_mm *mm = m_mm_of(&sim.m, i);
	uint64_t want;

	if (op != M_OP_READ && op != M_OP_WRITE)
		return;
	trace("t%d: page %lld gives %lld, %llx", i, page_of(addr), (long long)thread->result,
	      (unsigned long long)thread->value);
	want = *m_want(mm, addr);
	if (thread->result == M_SIGBUS) {
		if (!sim.unreadable || want != toy_word(sim.unreadable))
			violation("t%d gets SIGBUS on page %lld", i, page_of(addr));
		return;
	}
	if (op != M_OP_READ || thread->result != 0 || m_may_be(&sim.m, mm, addr, thread->value))
		return;
	violation("law 1: t%d reads %llx from page %lld, must be %llx", i,
		  (unsigned long long)thread->value, page_of(addr), (unsigned long long)want);
}

static void step_thread(int i)
{
	struct m_thread *thread = &sim.m.threads[i];
	enum m_op op = thread->call.op;
	uint64_t addr = thread->call.addr;

	m_step(&sim.m, i);
	if (thread->state == M_USER) {
		judge(i, op, addr);
		if (op == M_OP_FORK)
			trace("t%d: its child is t%d", i, (int)thread->result);
	}
	if (thread->state == M_IN_FAULT)
		trace("t%d waits for page %lld", i, page_of(addr));
	if (thread->state == M_IN_EVENT)
		trace("t%d waits for its event to be read", i);
}

/* --- the laws at rest -------------------------------------------------------------------------------- */

/* Pages of which nobody will ever tell: closed or never registered, and not zero. */
static void check_closed(void)
{
	for (int i = 0; i < M_MMS && !sim.failure[0]; i++) {
		struct m_mm *mm = &sim.m.mms[i];

		if (!mm->used || !mm->users)
			continue;
		for (int p = 0; p < ARENA; p++) {
			const struct m_vma *vma = m_find_vma(mm, at(p));
			uint16_t pte = m_pte(mm, at(p));

			if (vma && vma->ctx < 0 && pte == M_PTE_NONE &&
			    !m_may_be(&sim.m, mm, at(p), 0))
				violation("law 1: mm %d page %d is watched no more, and still owed",
					  i, p);
		}
	}
}

static void check_waiting(void)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &sim.m.threads[i];

		if (thread->state == M_IN_FAULT)
			violation("law 3: t%d waits for page %lld for ever", i,
				  page_of(thread->call.addr));
		if (thread->state == M_IN_EVENT || thread->state == M_KERNEL)
			violation("law 3: t%d is in the kernel for ever", i);
	}
}

static void check_end(void)
{
	check_waiting();
	for (int i = 0; i < M_MMS; i++) {
		struct m_mm *mm = &sim.m.mms[i];

		for (int p = 0; mm->used && mm->users && p < ARENA; p++) {
			uint16_t pte = m_pte(mm, at(p));

			if (!m_find_vma(mm, at(p)) || (pte == M_PTE_POISON && sim.unreadable &&
						       mm->want[p] == toy_word(sim.unreadable)))
				continue;
			if (!m_may_be(&sim.m, mm, at(p), m_token(&sim.m, pte)))
				violation(
					"law 1: in the end mm %d page %d holds %llx, must be %llx",
					i, p, (unsigned long long)m_token(&sim.m, pte),
					(unsigned long long)mm->want[p]);
		}
	}
	for (int i = 0; i < sim.nr_spaces; i++)
		if (sim.seats[i].space->uffd >= 0 && sim.seats[i].space->state == FI_SPACE_LIVE)
			violation("space %d does not end, it owes %llu", i,
				  (unsigned long long)fi_space_nr_owed(sim.seats[i].space));
}

/* --- one schedule ------------------------------------------------------------------------------------ */

static void begin(void)
{
	sim.failure[0] = '\0';
	sim.next_choice = 0;
	sim.nr_spaces = sim.drain_turn = sim.nr_orphans = 0;
	sim.restored = sim.quiet = sim.risky = sim.starved = false;
	sim.killed = 0;
	sim.forks = 0;
	sim.token = 0;
	m_init(&sim.m);
	memset(door.copying, 0, sizeof(door.copying));
	door.m = &sim.m;
	door.calls = 0;
	door.yield = lane_yield;
	door.enter = enter_kernel;
	door.leave = leave_kernel;
	door.violation = plain_violation;
	door.trace = trace;
	sim.m.yield = model_yield;
	sim.m.readable = readable;
	sim.m.mapped = mapped;
	sim.running = NULL;
	if (fi_source_new((const struct fi_image *)(const void *)sim.toy, &sim.source) < 0)
		abort();
	for (int i = 0; i < NR_LANES; i++)
		start_lane(i);

	sim.actions = 4 + choose(24);
	sim.unreadable = choose(8) ? 0 : at(choose(4));
	sim.odd_sources = choose(2);
	sim.late = choose(2);
	sim.stays = choose(2);
	sim.nr_stayed = 0;
	sim.may_fail_alloc = choose(8) == 1;
	sim.may_die = choose(4) == 1;
	sim.must_die = door.taking_over = false;
	sim.fail_alloc = -1;
	if (choose(4) == 0)
		sim.m.fail_fork_after = 2;
	restore_task();
}

static void end(void)
{
	for (int i = 0; i < sim.nr_spaces; i++)
		fi_space_put(sim.seats[i].space);
	fi_durable_reset();
	fi_source_free(sim.source);
}

/* Who goes on: a thread in the kernel, a thread that does something new, or a lane. */
static void one_step(void)
{
	int ready[2 * M_THREADS], nr = 0;

	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &sim.m.threads[i];

		if (m_can_step(&sim.m, i) || (thread->state == M_USER && sim.actions > 0))
			ready[nr++] = i;
	}
	if (nr && choose(2)) {
		int i = ready[choose(nr)];

		if (sim.m.threads[i].state == M_KERNEL) {
			step_thread(i);
		} else {
			sim.actions--;
			act(i);
		}
		return;
	}
	if (choose(64) == 0)
		sim.m.fail_pages = choose(2) ? -1 : choose(3);
	if (sim.must_die || (sim.may_die && choose(64) == 1))
		kill_engine();
	if (sim.may_fail_alloc && choose(32) == 0) {
		sim.fail_alloc = choose(6);
		sim.risky = sim.starved = true; /* what cannot be followed must not run */
	}
	if (choose(64) == 0)
		sim.m.max_fds = choose(2) ? M_FDS : 1;
	if (!sim.restored && !sim.late && choose(8) == 0)
		finish_restore();
	resume(choose(NR_LANES));
	check_closed();
}

/* Each lane has been through its work often enough for each space, and nothing came of it. */
static bool lanes_are_idle(const unsigned *rounds)
{
	for (int i = 0; i < NR_LANES; i++)
		if (sim.lanes[i].rounds - rounds[i] < 4)
			return false;
	/* A drain lane that meets a closed gate goes on to the next space. */
	for (int i = 0; sim.restored && i < sim.nr_spaces; i++)
		if (sim.seats[i].space->uffd >= 0 && sim.seats[i].space->state == FI_SPACE_LIVE)
			return sim.lanes[1].rounds - rounds[1] > 500;
	return true;
}

/* Everybody goes on until nothing moves any more. */
static void rest(void)
{
	unsigned rounds[NR_LANES], progress = 0;
	bool moved = true;

	for (int n = 0; n < MAX_STEPS && !sim.failure[0]; n++) {
		for (int i = 0; moved && i < NR_LANES; i++)
			rounds[i] = sim.lanes[i].rounds;
		moved = false;
		for (int i = 0; i < sim.nr_orphans; i++)
			kill_all_of(sim.orphans[i]);
		if (sim.must_die)
			kill_engine();
		for (int i = 0; i < M_THREADS; i++) {
			if (!m_can_step(&sim.m, i))
				continue;
			step_thread(i);
			moved = true;
		}
		for (int i = 0; i < NR_LANES; i++)
			do {
				resume(i);
			} while (sim.lanes[i].busy && !sim.failure[0] && choose(4));
		check_closed();
		moved = moved || door.progress != progress;
		progress = door.progress;
		if (!moved && lanes_are_idle(rounds))
			break;
	}
}

/* The program does nothing new, nothing fails any more: everything must come to its end. */
static void settle(void)
{
	sim.fail_alloc = -1;
	sim.actions = 0;
	sim.m.fail_pages = -1;
	sim.m.max_fds = M_FDS;
	if (!sim.restored) {
		/* Without a drain, and before anything is closed, each fault has its answer. */
		rest();
		check_waiting();
	}
	finish_restore();
	rest();
	if (!sim.failure[0])
		check_end();
}

static bool run_once(void)
{
	const char *broken;

	begin();
	for (int n = 0; n < 600 && !sim.failure[0]; n++) {
		bool thread_busy = sim.actions > 0;

		one_step();
		for (int i = 0; !thread_busy && i < M_THREADS; i++)
			thread_busy = m_can_step(&sim.m, i);
		if (!thread_busy && choose(8) == 0)
			break;
	}
	if (!sim.failure[0])
		settle();
	broken = m_check(&sim.m);
	if (broken)
		violation("the model is broken: %s", broken);
	for (int i = 0; i < NR_LANES; i++)
		(void)i; /* a lane in the middle of a step is simply left there */
	if (sim.starved) {
		tally.starved++;
		tally.killed_starved += sim.killed > 0;
	} else if (sim.risky) {
		tally.racing++;
		tally.killed_racing += sim.killed > 0;
	}
	end();
	return !sim.failure[0];
}

static bool run_seed(uint64_t seed)
{
	sim.random = seed;
	sim.nr_choices = 0;
	sim.replaying = false;
	return run_once();
}

static bool run_choices(const uint16_t *choices, int nr)
{
	memcpy(sim.choices, choices, (size_t)nr * sizeof(choices[0]));
	sim.nr_choices = nr;
	sim.replaying = true;
	return run_once();
}

/* Leaves out what is not needed for a failure, in ever smaller pieces, and makes numbers 0. */
static void shrink(void)
{
	static uint16_t best[MAX_CHOICES], attempt[MAX_CHOICES];
	const char *kind = sim.kind;
	int nr = sim.nr_choices;

	memcpy(best, sim.choices, (size_t)nr * sizeof(best[0]));
	for (int rounds = 0; rounds < 3; rounds++) {
		for (int piece = nr / 2 ? nr / 2 : 1; piece; piece /= 2) {
			for (int from = nr - piece; from >= 0; from -= piece) {
				memcpy(attempt, best, (size_t)from * sizeof(best[0]));
				memcpy(attempt + from, best + from + piece,
				       (size_t)(nr - from - piece) * sizeof(best[0]));
				if (run_choices(attempt, nr - piece) || sim.kind != kind)
					continue;
				nr -= piece;
				memcpy(best, attempt, (size_t)nr * sizeof(best[0]));
			}
		}
	}
	sim.tracing = true;
	(void)run_choices(best, nr);
	sim.tracing = false;
	printf("%d decisions\n", nr);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Returns how many schedules it took to find a violation; 0: none in @nr schedules or @seconds. */
static long explore(uint64_t seed, long nr, double seconds, uint64_t *found)
{
	double until = now() + seconds;

	for (long i = 0; i < nr; i++) {
		if (!run_seed(seed + (uint64_t)i)) {
			*found = seed + (uint64_t)i;
			return i + 1;
		}
		if (i % 64 == 0 && now() > until)
			break;
	}
	return 0;
}

/* --- every interleaving of something small ----------------------------------------------------------- */

/* Depth first over the question who goes on: two threads, the reader, one copier, at every kernel entry
 * and exit and wherever the kernel can be interrupted.  Each schedule is run from the beginning, along
 * the path of the last one up to the last question that has an answer left.  Without a delay whoever
 * goes on does so until it can not, and the next one follows; to pass over one who could go on is a
 * delay, and there are all schedules with so many of them.  A lane that did nothing is asked again when
 * something has changed. */

enum { MAX_PATH = 4000, MAX_SCRIPT = 2 };

#define MAP(op_, page_, ...)                                                                       \
	{                                                                                          \
		.op = (op_), .addr = M_BASE + (page_)*M_PAGE, .len = M_PAGE,                       \
		.prot = M_PROT_READ | M_PROT_WRITE, __VA_ARGS__                                    \
	}
#define READ(page)    MAP(M_OP_READ, page, )
#define WRITE(page)   MAP(M_OP_WRITE, page, .token = 2)
#define DISCARD(page) MAP(M_OP_MADVISE, page, .flags = MADV_DONTNEED)
#define UNMAP(page)   MAP(M_OP_MUNMAP, page, )
#define MOVE(page, to_)                                                                            \
	MAP(M_OP_MREMAP, page, .flags = MREMAP_MAYMOVE | MREMAP_FIXED, .new_len = M_PAGE,          \
	    .to = M_BASE + (to_)*M_PAGE)
#define FORK MAP(M_OP_FORK, 0, )
#define EXIT MAP(M_OP_EXIT, 0, )

/* Pages 0 and 1 are data, page 4 is watched and nothing of the image, page 8 is nowhere. */
static const struct small_case {
	const char *name;
	struct m_call thread[2][MAX_SCRIPT];
	struct m_call child[MAX_SCRIPT]; /* of each child */
} small_cases[] = {
	{ "discard, then read; read", { { DISCARD(0), READ(0) }, { READ(0) } }, { { 0 } } },
	{ "munmap; read of its neighbour", { { UNMAP(0) }, { READ(1) } }, { { 0 } } },
	{ "mremap, then read; read", { { MOVE(0, 8), READ(8) }, { READ(0) } }, { { 0 } } },
	{ "read; exit", { { READ(0) }, { EXIT } }, { { 0 } } },
	{ "fork; read", { { FORK }, { READ(0) } }, { READ(0) } },
	{ "fork; write", { { FORK }, { WRITE(0) } }, { READ(0) } },
	{ "fork; fork", { { FORK }, { FORK } }, { READ(1) } },
	{ "fork; discard", { { FORK }, { DISCARD(0) } }, { READ(0) } },
	{ "fork; munmap", { { FORK }, { UNMAP(0) } }, { READ(0) } },
	{ "fork; mremap", { { FORK }, { MOVE(0, 8) } }, { READ(0), READ(8) } },
	{ "fork; mremap onto", { { FORK }, { MOVE(0, 1) } }, { READ(0), READ(1) } },
	{ "fork, then exit; munmap", { { FORK, EXIT }, { UNMAP(0) } }, { READ(1) } },
	{ "mremap away; mremap to there", { { MOVE(4, 8) }, { MOVE(0, 4) } }, { { 0 } } },
	{ "munmap; mremap to there", { { UNMAP(4) }, { MOVE(0, 4) } }, { { 0 } } },
	{ "mremap; discard", { { MOVE(0, 8), READ(8) }, { DISCARD(0) } }, { { 0 } } },
	{ "a child forks", { { FORK }, { MOVE(0, 8) } }, { FORK } },
};

static struct {
	const struct small_case *what;
	uint16_t path[MAX_PATH], ways[MAX_PATH];
	int depth, at;
	int delays, bound;
	int script_at[M_THREADS];
	unsigned steps, progress;		  /* by anybody; that changed something */
	unsigned idle[NR_LANES], stuck[NR_LANES]; /* since when, in these */
	unsigned door_progress;
} small;

static int pick(int nr)
{
	if (nr == 1)
		return 0;
	if (small.at == small.depth) {
		if (small.depth == MAX_PATH)
			abort();
		small.path[small.depth] = 0;
		small.ways[small.depth++] = (uint16_t)nr;
	}
	return small.path[small.at++];
}

/* The next path; false: that was the last. */
static bool next_path(void)
{
	while (small.depth && small.path[small.depth - 1] + 1 == small.ways[small.depth - 1])
		small.depth--;
	if (small.depth == 0)
		return false;
	small.path[small.depth - 1]++;
	return true;
}

static const struct m_call *next_call(int thread)
{
	const struct m_call *script = thread < 2 ? small.what->thread[thread] : small.what->child;
	int at_call = small.script_at[thread];

	/* A child's child is only there. */
	if (thread >= 2 && script[0].op == M_OP_FORK && sim.forks == 2)
		return NULL;
	return at_call < MAX_SCRIPT && script[at_call].op ? &script[at_call] : NULL;
}

static bool thread_can_go_on(int thread)
{
	const struct m_call *call;

	if (m_can_step(&sim.m, thread))
		return true;
	if (sim.m.threads[thread].state != M_USER)
		return false;
	call = next_call(thread);
	return call && !races(thread, call);
}

static bool lane_can_go_on(int lane)
{
	if (small.stuck[lane] == small.steps)
		return false;
	if (sim.lanes[lane].busy)
		return true;
	if (small.idle[lane] == small.progress)
		return false;
	for (int i = 0; i < sim.nr_spaces; i++) {
		const struct seat *seat = &sim.seats[i];

		if (seat->space->uffd >= 0 && (lane > 0 || seat->called || seat->soon ||
					       m_poll(&sim.m, seat->space->uffd) & POLLIN))
			return true;
	}
	return false;
}

static void thread_goes_on(int thread)
{
	const struct m_call *call;

	small.progress++;
	if (sim.m.threads[thread].state == M_KERNEL) {
		step_thread(thread);
		return;
	}
	call = next_call(thread);
	small.script_at[thread]++;
	sim.forks += call->op == M_OP_FORK;
	note_risk(thread, call);
	trace("t%d %s %lld", thread, op_names[call->op], page_of(call->addr));
	m_start(&sim.m, thread, call);
}

static void lane_goes_on(int lane)
{
	resume(lane);
	if (door.progress != small.door_progress)
		small.progress++;
	small.door_progress = door.progress;
	if (sim.lanes[lane].busy && sim.waiting)
		small.stuck[lane] = small.steps;
	if (!sim.lanes[lane].busy)
		small.idle[lane] = small.progress;
}

/* Who goes on; -1: nobody can.  Lanes come after the threads.  The one who has gone last is the first,
 * and each one who is passed over is a delay. */
static int who_goes_on(int last)
{
	int can[M_THREADS + 2], nr = 0, left = small.bound - small.delays, chosen;

	for (int i = 0; i < M_THREADS + 2; i++) {
		int who = (i + (last < 0 ? 0 : last)) % (M_THREADS + 2);

		if (who < M_THREADS ? thread_can_go_on(who) : lane_can_go_on(who - M_THREADS))
			can[nr++] = who;
	}
	if (nr == 0)
		return -1;
	chosen = pick(nr < left + 1 ? nr : left + 1);
	small.delays += chosen;
	return can[chosen];
}

static bool run_small(void)
{
	const char *broken;
	int last = -1;

	begin();
	sim.restored = true;
	sim.unreadable = 0;
	sim.m.fail_fork_after = -1;
	small.at = small.delays = 0;
	small.steps = small.progress = 1;
	small.door_progress = door.progress;
	memset(small.script_at, 0, sizeof(small.script_at));
	memset(small.idle, 0, sizeof(small.idle));
	memset(small.stuck, 0, sizeof(small.stuck));
	while (!sim.failure[0] && (last = who_goes_on(last)) >= 0) {
		small.steps++;
		if (last < M_THREADS)
			thread_goes_on(last);
		else
			lane_goes_on(last - M_THREADS);
		check_closed();
	}
	if (!sim.failure[0])
		settle();
	broken = m_check(&sim.m);
	if (broken)
		violation("the model is broken: %s", broken);
	end();
	return !sim.failure[0];
}

/* Up to this many delays.  @first: the first case. */
static int explore_all(int bound, size_t first, int *n)
{
	int failed = 0;

	sim.exploring = true;
	make_image(true);
	for (size_t i = first; i < sizeof(small_cases) / sizeof(small_cases[0]); i++) {
		unsigned long nr = 0, killed;
		double from = now();
		bool ok;

		small.what = &small_cases[i];
		small.depth = 0;
		small.bound = bound;
		killed = 0;
		do {
			ok = run_small();
			killed += sim.killed > 0;
			nr++;
		} while (ok && next_path());
		printf("%s %d - all interleavings of: %s\n", ok ? "ok" : "not ok", ++*n,
		       small.what->name);
		printf("# %lu interleavings with at most %d delays, a program killed in %lu, %.1f "
		       "s\n",
		       nr, bound, killed, now() - from);
		if (ok)
			continue;
		failed++;
		printf("# %s\n", sim.failure);
		sim.tracing = true;
		(void)run_small();
		sim.tracing = false;
	}
	sim.exploring = false;
	make_image(false);
	return failed;
}

static enum plant plant_named(const char *name)
{
	for (int i = 0; i < PLANT_NR; i++)
		if (strcmp(name, plant_names[i]) == 0)
			return (enum plant)i;
	fprintf(stderr, "no such fault: %s\n", name);
	exit(2);
}

static int plants(uint64_t seed, double seconds, int *n)
{
	int missed = 0;

	for (int i = 1; i < PLANT_NR; i++) {
		char failure[sizeof(sim.failure)];
		uint64_t found = 0;
		double from = now(), took;
		bool again;
		long nr;

		door.plant = (enum plant)i;
		nr = explore(seed, 100000000, seconds, &found);
		took = now() - from;
		memcpy(failure, sim.failure, sizeof(failure));
		again = nr && !run_seed(found) && strcmp(failure, sim.failure) == 0;
		printf("%s %d - finds the planted fault %s, and by its seed again\n",
		       again ? "ok" : "not ok", ++*n, plant_names[i]);
		if (nr)
			printf("# schedule %ld, %.2f s, seed %llu: %s\n", nr, took,
			       (unsigned long long)found, failure);
		missed += !again;
	}
	door.plant = PLANT_NONE;
	return missed;
}

static int run(uint64_t seed, long nr, int *n)
{
	double from = now();
	uint64_t found = 0;
	long at_schedule = explore(seed, nr, 1e9, &found);

	printf("%s %d - no law is broken in %ld schedules from seed %llu on\n",
	       at_schedule ? "not ok" : "ok", ++*n, nr, (unsigned long long)seed);
	printf("# %.1f s; a program killed in %lu of %lu schedules where threads change memory at "
	       "the "
	       "same time, and in %lu of %lu where allocations fail\n",
	       now() - from, tally.killed_racing, tally.racing, tally.killed_starved,
	       tally.starved);
	if (!at_schedule)
		return 0;
	printf("# seed %llu: %s\n# test-sim replay %llu\n", (unsigned long long)found, sim.failure,
	       (unsigned long long)found);
	return 1;
}

#define FIRST_SEED UINT64_C(20261121000000000)

#ifdef __SANITIZE_ADDRESS__
enum { SCHEDULES = 1000, DELAYS = 1 };
#else
enum { SCHEDULES = 10000, DELAYS = 2 };
#endif

int main(int argc, char **argv)
{
	const char *schedules = getenv("FI_SIM_SCHEDULES");
	const char *seed_text = getenv("FI_SIM_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : FIRST_SEED;
	long nr = schedules ? strtol(schedules, NULL, 10) : SCHEDULES;
	int null = 2, n = 0, failed;

	fi_log_init(null, FI_LOG_MSG);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	make_image(false);
	sim.everything = getenv("FI_SIM_EVERYTHING") != NULL;
	if (argc > 3 && strcmp(argv[1], "run") == 0) {
		if (argc > 4)
			door.plant = plant_named(argv[4]);
		return run(strtoull(argv[2], NULL, 10), strtol(argv[3], NULL, 10), &n);
	}
	if (argc > 2 && strcmp(argv[1], "replay") == 0) {
		if (argc > 3)
			door.plant = plant_named(argv[3]);
		if (run_seed(strtoull(argv[2], NULL, 10)))
			return printf("no law is broken\n"), 0;
		shrink();
		return 1;
	}
	if (argc > 2 && strcmp(argv[1], "explore") == 0)
		return explore_all((int)strtol(argv[2], NULL, 10),
				   argc > 3 ? strtoul(argv[3], NULL, 10) - 1 : 0, &n);
	if (argc > 1 && strcmp(argv[1], "plants") == 0)
		return plants(seed, argc > 2 ? strtod(argv[2], NULL) : 60, &n);

	failed = explore_all(DELAYS, 0, &n);
	failed += run(seed, nr, &n);
	if (!seed_text)
		failed += run((uint64_t)time(NULL) * 1000000000, nr, &n);
	failed += plants(seed, 60, &n);
	printf("1..%d\n", n);
	return failed != 0;
}
