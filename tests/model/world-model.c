/* tests/model/world-model.c - see world.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/world.h"

struct w_model {
	struct m_model m;
	int threads[W_THREADS];	 /* model's index + 1; 0: none */
	int first_of[W_THREADS]; /* which thread's process this is */
	int uffds[W_UFFDS];	 /* model's descriptor + 1 */
	int nr_uffds;
	int child[W_THREADS]; /* name + 1 of the thread that the pending fork makes */
	bool execed[W_THREADS];
	uint64_t source[16];
	int readable;
};

static bool readable(void *arg, const void *page)
{
	struct w_model *w = arg;

	return (const uint64_t *)page < w->source + w->readable;
}

struct w_model *wm_new(void)
{
	struct w_model *w = calloc(1, sizeof(*w));

	m_init(&w->m);
	w->m.readable = readable;
	w->m.source_arg = w;
	w->threads[0] = m_spawn(&w->m) + 1;
	w->threads[1] = m_clone(&w->m, w->threads[0] - 1) + 1;
	w->threads[2] = m_clone(&w->m, w->threads[0] - 1) + 1;
	return w;
}

void wm_free(struct w_model *w)
{
	free(w);
}

struct m_model *wm_machine(struct w_model *w)
{
	return &w->m;
}

int wm_thread(const struct w_model *w, int t)
{
	return w->threads[t] - 1;
}

/* Everybody moves on until nobody can. */
static void settle(struct w_model *w)
{
	bool moved;

	do {
		moved = false;
		for (int t = 0; t < W_THREADS; t++) {
			struct m_thread *thread;
			bool forking;

			if (!w->threads[t])
				continue;
			thread = &w->m.threads[w->threads[t] - 1];
			if (thread->state != M_KERNEL)
				continue;
			forking = thread->call.op == M_OP_FORK;
			m_run(&w->m, w->threads[t] - 1);
			moved = true;
			if (forking && thread->state == M_USER && thread->result >= 0) {
				w->threads[w->child[t] - 1] = (int)thread->result + 1;
				w->first_of[w->child[t] - 1] = w->child[t] - 1;
				thread->result = 0;
			}
		}
	} while (moved);
	w->m.epoch++;
}

static void thread_step(struct w_model *w, const struct s_step *step)
{
	static const enum m_op ops[] = {
		[S_MMAP] = M_OP_MMAP,	  [S_FILE] = M_OP_MMAP,	  [S_MUNMAP] = M_OP_MUNMAP,
		[S_MREMAP] = M_OP_MREMAP, [S_ADV] = M_OP_MADVISE, [S_PROT] = M_OP_MPROTECT,
		[S_R] = M_OP_READ,	  [S_W] = M_OP_WRITE,	  [S_FORK] = M_OP_FORK,
		[S_EXEC] = M_OP_EXEC,	  [S_EXIT] = M_OP_EXIT,
	};
	struct m_call call = {
		.op = ops[step->cmd],
		.addr = step->addr,
		.len = step->len,
		.new_len = step->new_len,
		.to = step->to,
		.token = step->value,
		.prot = step->prot,
		.flags = step->flags,
		.file = step->cmd == S_FILE,
	};

	if (step->cmd == S_FORK)
		w->child[step->who] = step->flags + 1;
	if (step->cmd == S_EXEC) {
		call.op = M_OP_EXIT; /* to everything that is compared, the same */
		w->execed[step->who] = true;
	}
	m_start(&w->m, w->threads[step->who] - 1, &call);
}

static void new_uffd(struct w_model *w, int fd)
{
	w->uffds[w->nr_uffds++] = fd + 1;
}

/* The kernel's words in the model's. */
static void hint(struct w_model *w, const struct w_out *real)
{
	if (real && real->nr_msgs > 0)
		m_hint(&w->m, &real->msgs[0]);
}

static void name_msgs(struct w_model *w, struct w_out *out)
{
	for (int i = 0; i < out->nr_msgs; i++) {
		struct uffd_msg *msg = &out->msgs[i];

		if (msg->event == UFFD_EVENT_FORK) {
			new_uffd(w, (int)msg->arg.fork.ufd);
			msg->arg.fork.ufd = (uint32_t)w->nr_uffds - 1;
		}
		if (msg->event == UFFD_EVENT_PAGEFAULT && msg->arg.pagefault.feat.ptid)
			for (int t = 0; t < W_THREADS; t++)
				if (w->threads[t] == (int)msg->arg.pagefault.feat.ptid) {
					msg->arg.pagefault.feat.ptid = (uint32_t)t + 1;
					break;
				}
	}
}

void wm_step(struct w_model *w, const struct s_step *step, const struct w_out *real,
	     struct w_out *out)
{
	struct m_model *m = &w->m;
	int fd = step->cmd >= S_API && step->cmd <= S_CLOSE ? w->uffds[step->who] - 1 : -1;
	int64_t done = 0;
	int r;

	memset(out, 0, sizeof(*out));
	switch (step->cmd) {
	case S_KILL:
		m_kill(m, w->threads[step->who] - 1);
		out->quiet = true;
		break;
	case S_WAIT:
		out->quiet = true;
		break;
	case S_OPEN:
	case S_UFFD:
		r = m_userfaultfd(m, w->threads[step->who] - 1, step->flags == 0);
		if (r >= 0) {
			new_uffd(w, r);
			if (step->cmd == S_UFFD)
				r = m_api(m, r, UFFD_API, step->mode);
		}
		out->err = r < 0 ? r : 0;
		break;
	case S_API:
		out->err = m_api(m, fd, step->value, step->mode);
		break;
	case S_REG:
		out->err = m_register(m, fd, step->addr, step->len, step->mode);
		break;
	case S_UNREG:
		out->err = m_unregister(m, fd, step->addr, step->len);
		break;
	case S_WAKE:
		out->err = m_wake(m, fd, step->addr, step->len);
		break;
	case S_COPY:
		for (int i = 0; i < 16; i++)
			w->source[i] = step->value + (uint64_t)i;
		w->readable = step->src < 0 ? 16 : step->src;
		out->err = m_copy(m, fd, step->addr, w->source, sizeof(w->source[0]), step->len,
				  step->mode, &done);
		break;
	case S_ZERO:
		out->err = m_zeropage(m, fd, step->addr, step->len, step->mode, &done);
		break;
	case S_POISON:
		out->err = m_poison(m, fd, step->addr, step->len, step->mode, &done);
		break;
	case S_READ:
		hint(w, real);
		r = m_read(m, fd, out->msgs, step->len);
		out->err = r < 0 ? r : 0;
		out->nr_msgs = r < 0 ? 0 : r;
		name_msgs(w, out);
		break;
	case S_POLL:
		out->err = m_poll(m, fd);
		break;
	case S_INFO:
		out->err = m_fdinfo(m, fd, &out->pending, &out->total);
		break;
	case S_CLOSE:
		out->err = m_close(m, fd);
		w->uffds[step->who] = 0;
		break;
	case S_LIMIT: {
		unsigned open = 0;

		for (int i = 0; i < M_FDS; i++)
			open += m->fds[i].ctx >= 0;
		m->max_fds = (int64_t)step->len < 0 ? M_FDS : open + (unsigned)step->len;
		break;
	}
	default:
		thread_step(w, step);
		out->quiet = true;
		break;
	}
	out->done = done > 0 ? done / (int64_t)M_PAGE : 0;
	settle(w);
}

static void thread_state(const struct m_thread *from, struct w_thread *to)
{
	switch (from->state) {
	case M_IN_FAULT:
		to->kind = W_FAULT;
		break;
	case M_IN_EVENT:
		to->kind = W_EVENT;
		break;
	case M_DEAD:
		to->kind = W_DEAD;
		break;
	default:
		to->kind = W_DONE;
		to->result = from->result;
		to->value = from->value;
		break;
	}
}

static void memory_state(struct w_model *w, int t, struct w_memory *memory)
{
	const struct m_mm *mm = m_mm_of(&w->m, w->threads[t] - 1);

	memory->alive = w->m.tasks[w->m.threads[w->threads[t] - 1].task].alive;
	if (!memory->alive)
		return;
	for (int i = 0; i < mm->nr_vmas; i++)
		memory->vmas[memory->nr_vmas++] = (struct w_vma){
			mm->vmas[i].start,
			mm->vmas[i].end,
			mm->vmas[i].prot,
		};
	for (int i = 0; i < M_PAGES; i++) {
		uint16_t pte = mm->pte[i];
		const struct m_vma *vma = m_find_vma(mm, M_BASE + (uint64_t)i * M_PAGE);

		if (vma && vma->flags & M_VM_FILE)
			continue;
		memory->pages[i].kind = pte == M_PTE_NONE ? 0 : pte == M_PTE_POISON ? 2 : 1;
		memory->pages[i].token = m_token(&w->m, pte);
	}
}

void wm_state(struct w_model *w, struct w_state *state)
{
	memset(state, 0, sizeof(*state));
	for (int t = 0; t < W_THREADS; t++) {
		if (!w->threads[t])
			continue;
		thread_state(&w->m.threads[w->threads[t] - 1], &state->threads[t]);
		if (w->first_of[t] == t)
			memory_state(w, t, &state->memory[t]);
	}
	for (int u = 0; u < W_UFFDS; u++) {
		if (!w->uffds[u])
			continue;
		state->uffds[u].open = true;
		state->uffds[u].poll = (short)m_poll(&w->m, w->uffds[u] - 1);
		(void)m_fdinfo(&w->m, w->uffds[u] - 1, &state->uffds[u].pending,
			       &state->uffds[u].total);
	}
}
