/* tests/model/random.c - random sequences: any step that the present state allows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order between things that the kernel does at the same time is open, and the model allows any.
 * What they leave in memory has to be one thing, though, so sequences avoid races of the program
 * with itself: two threads wait for one page only to read it, and nobody closes a userfaultfd
 * while a thread waits for an event in it.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tests/model/conformance.h"

#define ARENA 20 /* pages that sequences use */

static uint64_t next(struct c_random *random)
{
	uint64_t z = (random->seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static int below(struct c_random *random, int n)
{
	return (int)(next(random) % (uint64_t)n);
}

static bool chance(struct c_random *random, int percent)
{
	return below(random, 100) < percent;
}

static int pick_thread(struct c_random *random, const struct w_state *state)
{
	int ready[W_THREADS], nr = 0;

	for (int t = 0; t < W_THREADS; t++)
		if (state->threads[t].kind == W_DONE)
			ready[nr++] = t;
	return nr ? ready[below(random, nr)] : -1;
}

static int pick_uffd(struct c_random *random, const struct w_state *state)
{
	int open[W_UFFDS], nr = 0;

	for (int u = 0; u < W_UFFDS; u++)
		if (state->uffds[u].open)
			open[nr++] = u;
	return nr ? open[below(random, nr)] : -1;
}

static int free_uffds(const struct c_random *random)
{
	return W_UFFDS - random->nr_uffds;
}

static int waiting(const struct w_state *state, enum w_kind kind)
{
	int n = 0;

	for (int t = 0; t < W_THREADS; t++)
		n += state->threads[t].kind == kind;
	return n;
}

/* The page of some fault that waits, or -1. */
static int faulting_page(struct c_random *random, struct c_run *run)
{
	const struct m_model *m = c_machine(run);
	const struct w_state *state = c_state(run);
	int pages[W_THREADS], nr = 0;

	for (int i = 0; i < W_THREADS; i++)
		if (state->threads[i].kind == W_FAULT)
			pages[nr++] =
				(int)((m->threads[c_thread(run, i)].msg.arg.pagefault.address -
				       M_BASE) /
				      M_PAGE);
	return nr ? pages[below(random, nr)] : -1;
}

/* Somebody in the same process waits for this page: 1 to read it, 2 to write it. */
static int waited_for(struct c_run *run, int t, int page)
{
	const struct m_model *m = c_machine(run);
	const struct m_thread *self = &m->threads[c_thread(run, t)];
	int found = 0;

	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];

		/* A discard that waits for its event has not flushed the TLBs for the VMAs before:
		 * who touches them may see the old page, or the new one. */
		if (thread->state == M_IN_EVENT && thread->task == self->task &&
		    thread->call.op == M_OP_MADVISE &&
		    M_BASE + (uint64_t)page * M_PAGE >= thread->call.addr &&
		    M_BASE + (uint64_t)page * M_PAGE < thread->call.at)
			return 2;
		if (thread->state != M_IN_FAULT || thread->task != self->task ||
		    thread->msg.arg.pagefault.address != M_BASE + (uint64_t)page * M_PAGE)
			continue;
		found |= thread->call.op == M_OP_WRITE ? 2 : 1;
	}
	return found;
}

static bool others_wait(struct c_run *run, int t)
{
	const struct m_model *m = c_machine(run);
	int task = m->threads[c_thread(run, t)].task;

	for (int i = 0; i < M_THREADS; i++)
		if (m->threads[i].task == task &&
		    (m->threads[i].state == M_IN_FAULT || m->threads[i].state == M_IN_EVENT))
			return true;
	return false;
}

static const char *const advices[] = {
	"dontneed", "dontneed",	  "dontneed",	"free",	    "dontfork",
	"dofork",   "wipeonfork", "keeponfork", "dontneed", "remove",
};
static const char *const prots[] = { "rw", "rw", "rw", "r", "none" };
static const char *const uffds[] = {
	"frdu", "frdu", "frdu", "frdut", "-", "f", "r", "d", "u", "du"
};

#define PICK(random, list) (list)[below(random, (int)(sizeof(list) / sizeof((list)[0])))]

static void thread_step(struct c_random *r, struct c_run *run, int t, char *text, size_t room)
{
	const struct w_state *state = c_state(run);
	int page = below(r, ARENA), len = 1 + below(r, chance(r, 70) ? 4 : 10);
	int to = below(r, ARENA), held;

	if (page + len > ARENA)
		len = ARENA - page;
	switch (below(r, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		held = waited_for(run, t, page);
		if (held & 2)
			break;
		(void)snprintf(text, room, "t%d r %d", t, page);
		return;
	case 5:
	case 6:
	case 7:
		if (waited_for(run, t, page))
			break;
		(void)snprintf(text, room, "t%d w %d %llu", t, page,
			       (unsigned long long)++r->token);
		return;
	case 8:
		(void)snprintf(text, room, "t%d mmap %d %d %s", t, page, len, PICK(r, prots));
		return;
	case 9:
		if (chance(r, 20))
			(void)snprintf(text, room, "t%d file %d %d", t, page, 1 + below(r, 2));
		else
			(void)snprintf(text, room, "t%d munmap %d %d", t, page, len);
		return;
	case 10:
		if (chance(r, 80)) {
			bool keep = chance(r, 25);
			int new_len = keep || chance(r, 60) ? len : 1 + below(r, 6);

			if (to + new_len > ARENA)
				break;
			(void)snprintf(text, room, "t%d mremap %d %d %d %d %s", t, page, len, to,
				       new_len, keep ? "mfd" : "mf");
		} else {
			(void)snprintf(text, room, "t%d mremap %d %d 0 %d -", t, page, len,
				       1 + below(r, len + 2));
		}
		return;
	case 11:
	case 12:
		(void)snprintf(text, room, "t%d adv %d %d %s", t, page, len, PICK(r, advices));
		return;
	case 13:
		(void)snprintf(text, room, "t%d prot %d %d %s", t, page, len, PICK(r, prots));
		return;
	case 14:
		if (r->nr_children == W_THREADS - 3 ||
		    free_uffds(r) < 3 * (1 + waiting(state, W_EVENT)))
			break;
		(void)snprintf(text, room, "t%d fork t%d", t, 3 + r->nr_children++);
		return;
	default:
		/* An end of a process is rare, and not while its threads race with it. */
		if (!chance(r, 10) || others_wait(run, t))
			break;
		(void)snprintf(text, room, "t%d %s", t,
			       chance(r, 50)   ? "exit"
			       : chance(r, 50) ? "exec"
					       : "kill");
		return;
	}
	(void)snprintf(text, room, "t%d wait", t);
}

static void uffd_step(struct c_random *r, struct c_run *run, int u, char *text, size_t room)
{
	const struct w_state *state = c_state(run);
	int fault = faulting_page(r, run);
	int page = fault >= 0 && chance(r, 60) ? fault : below(r, ARENA);
	int len = chance(r, 50) ? 1 : 1 + below(r, 5);
	const char *mode = chance(r, 15) ? " 1" : "";

	if (page + len > ARENA)
		len = ARENA - page;
	if (state->uffds[u].poll & POLLIN && chance(r, 40)) {
		(void)snprintf(text, room, "u%d read", u);
		return;
	}
	switch (below(r, 14)) {
	case 0:
	case 1:
	case 2:
	case 3:
		if (chance(r, 15))
			(void)snprintf(text, room, "u%d copy %d %d %llu %d %d", u, page, len,
				       (unsigned long long)(r->token += 8), !!mode[0],
				       below(r, len + 1));
		else
			(void)snprintf(text, room, "u%d copy %d %d %llu%s", u, page, len,
				       (unsigned long long)(r->token += 8), mode);
		return;
	case 4:
	case 5:
		(void)snprintf(text, room, "u%d zero %d %d%s", u, page, len, mode);
		return;
	case 6:
		(void)snprintf(text, room, "u%d poison %d %d%s", u, page, len, mode);
		return;
	case 7:
		(void)snprintf(text, room, "u%d wake %d %d", u, page, len);
		return;
	case 8:
	case 9:
		(void)snprintf(text, room, "u%d reg %d %d", u, below(r, ARENA), len + below(r, 10));
		return;
	case 10:
		(void)snprintf(text, room, "u%d unreg %d %d", u, page, len);
		return;
	case 11:
		(void)snprintf(text, room, "u%d info", u);
		return;
	case 12:
		if (chance(r, 85) || waiting(state, W_EVENT))
			break;
		(void)snprintf(text, room, "u%d close", u);
		return;
	default:
		break;
	}
	if (state->uffds[u].poll == 0 || state->uffds[u].poll & POLLIN)
		(void)snprintf(text, room, "u%d read", u);
	else
		(void)snprintf(text, room, "u%d poll", u);
}

void c_random_step(struct c_random *r, struct c_run *run, char *text, size_t room)
{
	static const char *const opening[] = { "t0 mmap 0 16", "t0 uffd frdu", "u0 reg 0 12" };
	const struct w_state *state = c_state(run);
	int t = pick_thread(r, state), u = pick_uffd(r, state);

	if (r->nr_opened < 3) {
		(void)snprintf(text, room, "%s", opening[r->nr_opened++]);
		return;
	}
	/* descriptors are named in order of appearance */
	for (int i = r->nr_uffds; i < W_UFFDS; i++)
		if (state->uffds[i].open)
			r->nr_uffds = i + 1;
	if (t >= 0 && free_uffds(r) > 12 && chance(r, 3)) {
		(void)snprintf(text, room, "t%d uffd %s", t, PICK(r, uffds));
		return;
	}
	if (t >= 0 && (u < 0 || chance(r, 50)))
		thread_step(r, run, t, text, room);
	else if (u >= 0)
		uffd_step(r, run, u, text, room);
	else
		(void)snprintf(text, room, "t0 wait");
}
