/* tests/sim/sim.c - the engine on the model, under schedules that a seed chooses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: test-sim			 FI_SIM_SCHEDULES schedules (default 20000) from FI_SIM_SEED on
 *					 (the same one each time unless it is said; fresh ones are
 *					 `make check-sim`), then every planted fault
 *	  test-sim run SEED NR [PLANT]	 NR schedules from SEED on
 *	  test-sim replay SEED [PLANT]	 one of them, shrunk, with a trace
 *	  test-sim plants [SECONDS]	 each planted fault must be found in that time
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
#include "tests/sim/door.h"
#include "tests/unit/toy-image.h"

enum { MAX_CHOICES = 200000, MAX_SPACES = 24, NR_LANES = 3, STACK = 1024 * 1024 };
enum { MAX_STEPS = 20000 };

struct lane {
	ucontext_t context;
	char *stack;
	unsigned rounds; /* how often it was through with a step */
	bool busy;	 /* inside a step: it must be resumed until it is through */
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
	bool restored;

	struct lane lanes[NR_LANES];
	struct lane *running;
	ucontext_t scheduler;

	uint64_t random;
	uint16_t choices[MAX_CHOICES];
	int nr_choices, next_choice;
	bool replaying;

	int actions, forks;
	uint64_t token;
	bool quiet;	     /* the program is through: nothing but what is under way goes on */
	uint64_t unreadable; /* address at the dump of a page that the image has lost; 0: none */
	bool odd_sources;
	bool late;	 /* the restore is finished only when the program is */
	bool everything; /* races too that the engine is known not to follow */

	char failure[256];
	const char *kind; /* of the failure: its format */
	bool tracing;
} sim;

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
	(void)where;
	if (sim.running && choose(3) == 0)
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
		.called = sim.restored && fi_space_nr_owed(space) == 0,
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

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	(void)arg;
	(void)parent;
	(void)uffd;
	abort();
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

static bool alone(void *arg, struct fi_space *space)
{
	(void)arg;
	(void)space;
	return false;
}

/* Its program is killed, and nothing else is done to the space before that is so. */
static void doom(struct fi_space *space)
{
	int mm = sim.m.ctxs[sim.m.fds[space->uffd].ctx].mm;

	if (!space->doomed)
		violation("a program must be killed that did nothing wrong");
	space->doomed = true;
	for (int i = 0; i < M_THREADS; i++)
		if (sim.m.threads[i].state != M_FREE && sim.m.threads[i].state != M_DEAD &&
		    sim.m.tasks[sim.m.threads[i].task].mm == mm)
			m_kill(&sim.m, i);
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
		meet(seat, fi_fate_called(space, sim.restored, false));
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
		meet(seat, fi_fate_after(space, step, sim.restored));
}

static void demand_once(void)
{
	static const struct fi_birth birth = { born, stillborn, wipes, alone, NULL };

	for (int i = 0; i < sim.nr_spaces; i++)
		read_space(&sim.seats[i], &birth);
}

static void drain_once(void)
{
	struct seat *seat = &sim.seats[sim.drain_turn++ % sim.nr_spaces];
	struct fi_claim claim = { 0 };

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
	(void)swapcontext(&sim.scheduler, &sim.lanes[i].context);
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
	lane->busy = false;
	makecontext(&lane->context, (void (*)(void))(void *)lane_main, 1, i);
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

static void make_image(void)
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

	sim.toy = toy_new(vmas, 2, runs, 5);
}

static void restore_task(void)
{
	struct m_call map = { .op = M_OP_MMAP, .prot = M_PROT_READ | M_PROT_WRITE };
	int thread = m_spawn(&sim.m), fd;
	struct fi_space *space;
	struct m_mm *mm;

	for (int i = 0; i < 2; i++) {
		map.addr = i ? at(7) : at(0);
		map.len = (i ? 5 : 6) * M_PAGE;
		m_start(&sim.m, thread, &map);
		(void)m_run(&sim.m, thread);
	}
	fd = m_userfaultfd(&sim.m, thread, true);
	(void)m_api(&sim.m, fd, UFFD_API,
		    UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE |
			    UFFD_FEATURE_EVENT_UNMAP);
	(void)m_register(&sim.m, fd, at(0), 6 * M_PAGE, UFFDIO_REGISTER_MODE_MISSING);
	(void)m_register(&sim.m, fd, at(7), 5 * M_PAGE, UFFDIO_REGISTER_MODE_MISSING);
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

/* Programs that race with themselves in a way that the engine is known not to follow (doc/model.md,
 * "What the engine does not follow"). */
static bool races(int thread, const struct m_call *call)
{
	bool fork = is_under_way(thread, M_OP_FORK), move = is_under_way(thread, M_OP_MREMAP);
	uint64_t end = call->addr + call->len;

	switch (call->op) {
	case M_OP_FORK:
		return move;
	case M_OP_MREMAP:
		return fork || move || is_under_way(thread, M_OP_MADVISE) ||
		       is_under_way_at(thread, M_OP_MUNMAP, call->addr, end) ||
		       is_under_way_at(thread, M_OP_MMAP, call->addr, end);
	case M_OP_MUNMAP:
	case M_OP_MMAP:
		return is_under_way_at(thread, M_OP_MREMAP, call->addr, end);
	case M_OP_MADVISE:
		return move;
	default:
		return false;
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
		else if (choose(4) == 0)
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
	sim.nr_spaces = sim.drain_turn = 0;
	sim.restored = sim.quiet = false;
	sim.forks = 0;
	sim.token = 0;
	m_init(&sim.m);
	memset(door.copying, 0, sizeof(door.copying));
	door.m = &sim.m;
	door.calls = 0;
	door.yield = lane_yield;
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
		uint64_t found = 0;
		double from = now();
		long nr;

		door.plant = (enum plant)i;
		nr = explore(seed, 100000000, seconds, &found);
		printf("%s %d - finds the planted fault %s\n", nr ? "ok" : "not ok", ++*n,
		       plant_names[i]);
		if (nr)
			printf("# schedule %ld, %.2f s, seed %llu: %s\n", nr, now() - from,
			       (unsigned long long)found, sim.failure);
		missed += !nr;
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
	printf("# %.1f s\n", now() - from);
	if (!at_schedule)
		return 0;
	printf("# seed %llu: %s\n# test-sim replay %llu\n", (unsigned long long)found, sim.failure,
	       (unsigned long long)found);
	return 1;
}

#define FIRST_SEED UINT64_C(20261121000000000)

int main(int argc, char **argv)
{
	const char *schedules = getenv("FI_SIM_SCHEDULES");
	const char *seed_text = getenv("FI_SIM_SEED");
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : FIRST_SEED;
	int null = 2, n = 0, failed;

	fi_log_init(null, FI_LOG_MSG);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	make_image();
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
	if (argc > 1 && strcmp(argv[1], "plants") == 0)
		return plants(seed, argc > 2 ? strtod(argv[2], NULL) : 60, &n);

	failed = run(seed, schedules ? strtol(schedules, NULL, 10) : 20000, &n);
	failed += plants(seed, 60, &n);
	printf("1..%d\n", n);
	return failed != 0;
}
