/* tests/model/task.c - tasks: threads inside kernel calls, one step at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A call that changes memory is: take the lock, change, raise the count of each context concerned,
 * drop the lock; then, for each, queue the event, sleep until it is read, lower the count; then
 * what is left to do.  Each of these is a step.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/model/parts.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum {
	PC_BEGIN,
	PC_ENQUEUE, /* touch: the page was missing under the lock */
	PC_NOTIFY,
	PC_WOKEN,
	PC_REST,
};

void m_init(struct m_model *m)
{
	memset(m, 0, sizeof(*m));
	for (int i = 0; i < M_FDS; i++)
		m->fds[i].ctx = -1;
	m->max_map_count = 65530;
	m->max_fds = M_FDS;
	m->fail_fork_after = -1;
	m->fail_pages = -1;
}

static int thread_new(struct m_model *m, int task)
{
	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *thread = &m->threads[i];

		if (thread->state != M_FREE)
			continue;
		memset(thread, 0, sizeof(*thread));
		thread->state = M_USER;
		thread->task = task;
		return i;
	}
	return -ENOMEM;
}

static int task_new(struct m_model *m, int mm)
{
	for (int i = 0; i < M_TASKS; i++) {
		if (m->tasks[i].used)
			continue;
		m->tasks[i] = (struct m_task){ .used = true, .alive = true, .mm = mm };
		return i;
	}
	return -ENOMEM;
}

int m_spawn(struct m_model *m)
{
	int mm = m_mm_new(m), task;

	if (mm < 0)
		return mm;
	task = task_new(m, mm);
	return task < 0 ? task : thread_new(m, task);
}

int m_clone(struct m_model *m, int thread)
{
	return thread_new(m, m->threads[thread].task);
}

struct m_mm *m_mm_of(struct m_model *m, int thread)
{
	return &m->mms[m->tasks[m->threads[thread].task].mm];
}

/* --- the end of threads and tasks --------------------------------------------------------------- */

static void note_done(struct m_model *m, struct m_note *note)
{
	m_note_release_child(m, note);
	m->ctxs[note->ctx].changing--;
	m_ctx_put(m, note->ctx);
}

static void unqueue(struct m_model *m, struct m_thread *thread)
{
	if (thread->queue == M_Q_NONE)
		return;
	thread->queue = M_Q_NONE;
	m_ctx_put(m, thread->ctx);
}

/* A slot is used again when its process is gone. */
static void thread_dies(struct m_model *m, int i)
{
	struct m_thread *thread = &m->threads[i];
	struct m_call *call = &thread->call;
	struct m_task *task = &m->tasks[thread->task];

	if (thread->state == M_DEAD)
		return;
	unqueue(m, thread);
	if (thread->state != M_USER) {
		if (call->pc == PC_ENQUEUE)
			m->mms[task->mm].readers--;
		for (; call->note < call->nr_notes; call->note++)
			note_done(m, &call->notes[call->note]);
		if (call->op == M_OP_FORK && call->pc != PC_BEGIN && call->child_mm >= 0)
			m_mm_put_user(m, call->child_mm);
	}
	thread->state = M_DEAD;
	thread->result = M_KILLED;
	for (int j = 0; j < M_THREADS; j++)
		if (m->threads[j].task == thread->task && m->threads[j].state != M_FREE &&
		    m->threads[j].state != M_DEAD)
			return;
	task->alive = false;
	m_mm_put_user(m, task->mm);
}

void m_kill(struct m_model *m, int thread)
{
	int task = m->threads[thread].task;

	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *other = &m->threads[i];

		if (other->task != task || other->state == M_FREE || other->state == M_DEAD)
			continue;
		other->killed = true;
		if (other->state == M_USER) /* outside the kernel it has nothing to undo */
			thread_dies(m, i);
		else
			other->state = M_KERNEL;
	}
}

void m_reap(struct m_model *m, int i)
{
	int task = m->threads[i].task;

	if (m->threads[i].state != M_DEAD)
		return;
	m->threads[i].state = M_FREE;
	for (int j = 0; j < M_THREADS; j++)
		if (m->threads[j].task == task && m->threads[j].state != M_FREE)
			return;
	m->tasks[task].used = false;
}

/* --- what memory would hold if nobody had to be asked ---------------------------------------------- */

static bool others_discard(const struct m_model *m, const struct m_mm *mm, uint64_t addr,
			   const struct m_call *but)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];
		const struct m_call *call = &thread->call;

		if (call != but && (thread->state == M_KERNEL || thread->state == M_IN_EVENT) &&
		    &m->mms[m->tasks[thread->task].mm] == mm && call->op == M_OP_MADVISE &&
		    (call->flags == MADV_DONTNEED || call->flags == MADV_FREE) &&
		    addr >= call->addr && addr < call->addr + call->len)
			return true;
	}
	return false;
}

bool m_discarding(const struct m_model *m, const struct m_mm *mm, uint64_t addr)
{
	return others_discard(m, mm, addr, NULL);
}

static bool or_zero(const struct m_model *m, const struct m_mm *mm, uint64_t addr)
{
	return mm->or_zero[(addr - M_BASE) / M_PAGE] || m_discarding(m, mm, addr);
}

static void set_want(struct m_mm *mm, uint64_t addr, uint64_t token, bool zero_too)
{
	*m_want(mm, addr) = token;
	mm->or_zero[(addr - M_BASE) / M_PAGE] = zero_too;
}

bool m_may_be(const struct m_model *m, const struct m_mm *mm, uint64_t addr, uint64_t token)
{
	return token == mm->want[(addr - M_BASE) / M_PAGE] || (token == 0 && or_zero(m, mm, addr));
}

/* --- touching ----------------------------------------------------------------------------------- */

static void finish(struct m_thread *thread, int64_t result)
{
	thread->result = result;
	thread->state = M_USER;
	thread->call.op = M_OP_NONE;
}

static int64_t touch_present(struct m_model *m, struct m_thread *thread, struct m_mm *mm)
{
	struct m_call *call = &thread->call;
	uint16_t *pte = m_pte_at(mm, call->addr);

	if (*pte == M_PTE_POISON)
		return M_SIGBUS;
	if (call->op == M_OP_WRITE)
		set_want(mm, call->addr, call->token, false);
	if (call->op == M_OP_READ) {
		thread->value = m_token(m, *pte);
		return 0;
	}
	if (*pte >= M_PTE_FRAME && m->frames[*pte - M_PTE_FRAME].refs == 1) {
		m->frames[*pte - M_PTE_FRAME].token = call->token;
		return 0;
	}
	return m_pte_fill(m, pte, call->token); /* the zero page, or a shared one: copy on write */
}

static void touch_look(struct m_model *m, struct m_thread *thread, struct m_mm *mm)
{
	struct m_call *call = &thread->call;
	size_t i = m_vma_index(mm, call->addr);
	const struct m_vma *vma = &mm->vmas[i];
	bool writes = call->op == M_OP_WRITE;
	uint16_t *pte;

	if (i == mm->nr_vmas || vma->start > call->addr ||
	    !(vma->prot & (writes ? M_PROT_WRITE : M_PROT_READ))) {
		finish(thread, M_SIGSEGV);
		return;
	}
	pte = m_pte_at(mm, call->addr);
	if (*pte != M_PTE_NONE) {
		if (writes && *pte != M_PTE_POISON)
			m_vma_anon(m, mm, i);
		finish(thread, touch_present(m, thread, mm));
		return;
	}
	if (writes) /* before anybody is asked */
		m_vma_anon(m, mm, i);
	if (vma->flags & M_VM_FILE) {
		finish(thread, M_SIGBUS);
		return;
	}
	if (vma->ctx < 0) {
		if (writes) {
			set_want(mm, call->addr, call->token, false);
			finish(thread, m_pte_fill(m, pte, call->token));
		} else {
			*pte = M_PTE_ZERO;
			thread->value = 0;
			finish(thread, 0);
		}
		return;
	}
	if (m->ctxs[vma->ctx].features & UFFD_FEATURE_SIGBUS) {
		finish(thread, M_SIGBUS);
		return;
	}
	thread->ctx = vma->ctx;
	mm->readers++;
	call->pc = PC_ENQUEUE;
}

/* In the queue first, then a second look at the page: whoever fills it from here on finds us. */
static void touch_enqueue(struct m_model *m, struct m_thread *thread, struct m_mm *mm)
{
	struct m_call *call = &thread->call;
	struct m_ctx *ctx = &m->ctxs[thread->ctx];
	uint16_t pte = m_pte(mm, call->addr);

	mm->readers--;
	call->pc = PC_BEGIN;
	if (ctx->released || (pte != M_PTE_NONE && pte != M_PTE_POISON))
		return; /* look again */

	memset(&thread->msg, 0, sizeof(thread->msg));
	thread->msg.event = UFFD_EVENT_PAGEFAULT;
	thread->msg.arg.pagefault.address = call->addr;
	if (call->op == M_OP_WRITE)
		thread->msg.arg.pagefault.flags = UFFD_PAGEFAULT_FLAG_WRITE;
	if (ctx->features & UFFD_FEATURE_THREAD_ID)
		thread->msg.arg.pagefault.feat.ptid = (uint32_t)(thread - m->threads) + 1;
	ctx->refs++;
	thread->queue = M_Q_PENDING;
	thread->seq = ++m->seq;
	thread->epoch = m->epoch;
	thread->state = M_IN_FAULT;
}

/* --- changing memory ---------------------------------------------------------------------------- */

/* Where a mapping of a file begins in it: behind its end, so a touch is a SIGBUS.  Each has a file
 * of its own, so they do not merge with one another. */
static uint64_t file_pgoff(struct m_model *m)
{
	return (UINT64_C(1) << 32) + ++m->files * 4 * M_PAGES;
}

static bool in_arena(uint64_t addr, uint64_t len)
{
	return addr >= M_BASE && addr < M_END && len <= M_END - addr;
}

static uint64_t page_align(uint64_t len)
{
	return (len + M_PAGE - 1) & ~(M_PAGE - 1);
}

static int unmap_range(struct m_model *m, struct m_mm *mm, struct m_call *call, uint64_t start,
		       uint64_t end)
{
	size_t i = m_vma_index(mm, start);

	if (i < mm->nr_vmas && mm->vmas[i].start < start) {
		if (mm->vmas[i].end > end && mm->nr_vmas >= m->max_map_count)
			return -ENOMEM;
		if (mm->nr_vmas == M_VMAS || m_vma_split(m, mm, i, start) < 0)
			return -ENOMEM;
		i++;
	}
	for (size_t j = i; j < mm->nr_vmas && mm->vmas[j].start < end; j++) {
		if (mm->vmas[j].end > end && m_vma_split(m, mm, j, end) < 0)
			return -ENOMEM;
		(void)m_note_add(m, call, mm->vmas[j].ctx, -1, UFFD_EVENT_UNMAP, start, end, 0);
	}
	while (i < mm->nr_vmas && mm->vmas[i].start < end) {
		m_zap(m, mm, mm->vmas[i].start, mm->vmas[i].end);
		m_vma_remove(mm, i);
	}
	return 0;
}

static int do_mmap(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	uint64_t len = page_align(call->len);
	struct m_vma vma = {
		.start = call->addr,
		.end = call->addr + len,
		.pgoff = call->file ? file_pgoff(m) : call->addr / M_PAGE,
		.prot = (uint8_t)call->prot,
		.flags = call->file ? M_VM_FILE : 0,
		.ctx = -1,
	};
	int r;

	if (call->addr % M_PAGE || len == 0)
		return -EINVAL;
	if (!in_arena(call->addr, len))
		return -ENOMEM;
	r = unmap_range(m, mm, call, vma.start, vma.end);
	return r < 0 ? r : m_vma_insert(m, mm, &vma, true);
}

static int do_munmap(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	uint64_t len = page_align(call->len);

	if (call->addr % M_PAGE || len == 0)
		return -EINVAL;
	return unmap_range(m, mm, call, call->addr, call->addr + len);
}

static int do_mprotect(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	uint64_t at = call->addr, end = call->addr + page_align(call->len);

	if (call->addr % M_PAGE)
		return -EINVAL;
	while (at < end) {
		size_t i = m_vma_index(mm, at);
		struct m_vma vma;
		uint64_t to;

		if (i == mm->nr_vmas || mm->vmas[i].start > at)
			return -ENOMEM;
		vma = mm->vmas[i];
		to = vma.end < end ? vma.end : end;
		if (vma.prot != call->prot) {
			int r = m_vma_modify(m, mm, at, to, (uint8_t)call->prot, vma.flags,
					     vma.ctx);

			if (r < 0)
				return r;
		}
		at = to;
	}
	return 0;
}

static int grow_in_place(struct m_model *m, struct m_mm *mm, size_t i, uint64_t end)
{
	struct m_vma *vma = &mm->vmas[i];
	struct m_vma more = *vma;

	if (end > M_END || (i + 1 < mm->nr_vmas && mm->vmas[i + 1].start < end))
		return -ENOMEM;
	more.start = vma->end;
	more.end = end;
	more.uncowed = false; /* no pages yet whose origin would matter */
	more.pgoff = vma->pgoff + (vma->end - vma->start) / M_PAGE;
	return m_vma_insert(m, mm, &more, true);
}

/* What an mremap has to tell, in the order in which it is told. */
struct mremap_notes {
	struct m_call early, moved, late; /* only their notes */
};

static int move(struct m_model *m, struct m_mm *mm, uint64_t addr, uint64_t to, uint64_t len,
		uint64_t new_len, int flags, struct mremap_notes *notes)
{
	size_t i = m_vma_index(mm, addr);
	struct m_vma old = mm->vmas[i], vma = old;
	int r;

	vma.start = to;
	vma.end = to + new_len;
	vma.pgoff = vma.anon || vma.flags & M_VM_FILE ? old.pgoff + (addr - old.start) / M_PAGE
						      : to / M_PAGE;
	r = m_vma_insert(m, mm, &vma, true);
	if (r < 0)
		return r;
	for (uint64_t off = 0; off < len; off += M_PAGE) {
		*m_pte_at(mm, to + off) = *m_pte_at(mm, addr + off);
		*m_pte_at(mm, addr + off) = M_PTE_NONE;
		set_want(mm, to + off, *m_want(mm, addr + off), or_zero(m, mm, addr + off));
		mm->arrived[(to + off - M_BASE) / M_PAGE] = m_discarding(m, mm, to + off);
		set_want(mm, addr + off, 0, false);
	}
	if (!m_note_add(m, &notes->moved, old.ctx, -1, UFFD_EVENT_REMAP, addr, to, len) &&
	    old.ctx >= 0) {
		/* Whatever the moved pages were merged with is watched no more either. */
		i = m_vma_index(mm, to);
		mm->vmas[i].ctx = -1;
		mm->vmas[i].flags &= ~M_VM_MISSING;
	}
	if (flags & MREMAP_DONTUNMAP) {
		i = m_vma_index(mm, addr);
		if (mm->vmas[i].start == addr && mm->vmas[i].end == addr + len) {
			mm->vmas[i].anon = 0;
			mm->vmas[i].uncowed = false;
		}
		return 0;
	}
	return unmap_range(m, mm, &notes->late, addr, addr + len);
}

static int move_fixed(struct m_model *m, struct m_mm *mm, uint64_t addr, uint64_t to, uint64_t len,
		      uint64_t new_len, int flags, struct mremap_notes *notes)
{
	int r = unmap_range(m, mm, &notes->early, to, to + new_len);

	if (r == 0 && len > new_len) {
		r = unmap_range(m, mm, &notes->late, addr + new_len, addr + len);
		len = new_len;
	}
	return r < 0 ? r : move(m, mm, addr, to, len, new_len, flags, notes);
}

/* A move without a change of size may take several VMAs, and gaps between them, unless one of them
 * is watched. */
static int move_only(struct m_model *m, struct m_mm *mm, const struct m_call *call, uint64_t len,
		     struct mremap_notes *notes)
{
	uint64_t at = call->addr, end = at + len, to = call->to, last_end = 0;
	bool seen = false;

	while (at < end) {
		size_t i = m_vma_index(mm, at);
		struct m_vma vma;
		uint64_t piece;
		int r;

		if (i == mm->nr_vmas || mm->vmas[i].start >= end)
			break;
		vma = mm->vmas[i];
		if (!seen && vma.start > at)
			return -EFAULT;
		if (at < vma.start)
			at = vma.start;
		piece = (end < vma.end ? end : vma.end) - at;
		if (seen)
			to += vma.start - last_end;
		last_end = vma.end;
		if (vma.ctx >= 0 && (seen || vma.end < end))
			return -EFAULT;
		r = move_fixed(m, mm, at, to, piece, piece, call->flags, notes);
		if (r < 0)
			return r;
		to += piece;
		at += piece;
		seen = true;
	}
	return seen ? 0 : -EFAULT;
}

static void add_notes(struct m_call *to, const struct m_call *from)
{
	for (int i = 0; i < from->nr_notes; i++)
		to->notes[to->nr_notes++] = from->notes[i];
}

/* Without MREMAP_FIXED a mapping that has to move goes where the kernel likes: not modelled, such a
 * call fails with ENOMEM here. */
static int do_mremap(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	uint64_t len = page_align(call->len), new_len = page_align(call->new_len);
	bool fixed = call->flags & MREMAP_FIXED;
	struct mremap_notes notes;
	const struct m_vma *vma;
	size_t i;
	int r;

	if (call->addr % M_PAGE || new_len == 0 ||
	    call->flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP))
		return -EINVAL;
	if (call->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(call->flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if (call->flags & MREMAP_DONTUNMAP && len != new_len)
		return -EINVAL;
	if (fixed &&
	    (call->to % M_PAGE || (call->addr < call->to + new_len && call->to < call->addr + len)))
		return -EINVAL;
	if (fixed && !in_arena(call->to, new_len))
		return -ENOMEM;

	i = m_vma_index(mm, call->addr);
	vma = &mm->vmas[i];
	if (fixed) {
		notes.early.nr_notes = notes.moved.nr_notes = notes.late.nr_notes = 0;
		if (len == new_len)
			r = move_only(m, mm, call, len, &notes);
		else if (i == mm->nr_vmas || vma->start > call->addr ||
			 (len < new_len ? len : new_len) > vma->end - call->addr)
			r = -EFAULT;
		else
			r = move_fixed(m, mm, call->addr, call->to, len, new_len, call->flags,
				       &notes);
		add_notes(call, &notes.early);
		add_notes(call, &notes.moved);
		add_notes(call, &notes.late);
		return r;
	}
	if (i == mm->nr_vmas || vma->start > call->addr)
		return -EFAULT;
	if (new_len < len)
		return unmap_range(m, mm, call, call->addr + new_len, call->addr + len);
	if (new_len == len)
		return 0;
	if (len > vma->end - call->addr)
		return -EFAULT;
	if (vma->end != call->addr + len)
		return -ENOMEM;
	return grow_in_place(m, mm, i, call->addr + new_len);
}

static int fork_contexts(struct m_model *m, struct m_call *call, struct m_vma *vma)
{
	int child = -1;

	if (vma->ctx < 0)
		return 0;
	if (!(m->ctxs[vma->ctx].features & UFFD_FEATURE_EVENT_FORK)) {
		vma->ctx = -1;
		vma->flags &= ~M_VM_MISSING;
		return 0;
	}
	for (int i = 0; i < call->nr_notes; i++)
		if (call->notes[i].ctx == vma->ctx)
			child = call->notes[i].child;
	if (child < 0) {
		child = m_ctx_new(m, call->child_mm);
		if (child < 0)
			return child;
		m->ctxs[child].features = m->ctxs[vma->ctx].features;
		m->ctxs[child].initialized = true;
		(void)m_note_add(m, call, vma->ctx, child, UFFD_EVENT_FORK, 0, 0, 0);
	}
	vma->ctx = (int8_t)child;
	return 0;
}

static int copy_mm(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	struct m_mm *child = &m->mms[call->child_mm];

	for (size_t i = 0; i < mm->nr_vmas; i++) {
		struct m_vma vma = mm->vmas[i];
		int r;

		if (vma.flags & M_VM_DONTFORK)
			continue;
		r = fork_contexts(m, call, &vma);
		if (r < 0)
			return r;
		if (vma.flags & M_VM_WIPEONFORK)
			vma.anon = 0;
		for (uint64_t addr = vma.start; addr < vma.end; addr += M_PAGE)
			set_want(child, addr, vma.flags & M_VM_WIPEONFORK ? 0 : *m_want(mm, addr),
				 or_zero(m, mm, addr));
		/* Without an anon_vma there is nothing but zero pages, which are not copied. */
		if (vma.anon) {
			vma.anon = ++m->next_anon ? m->next_anon : ++m->next_anon;
			vma.uncowed = true;
			for (uint64_t addr = vma.start; addr < vma.end; addr += M_PAGE) {
				uint16_t pte = m_pte(mm, addr);

				*m_pte_at(child, addr) = pte;
				if (pte >= M_PTE_FRAME)
					m->frames[pte - M_PTE_FRAME].refs++;
			}
		}
		child->vmas[child->nr_vmas++] = vma;
		if (m->fail_fork_after == child->nr_vmas)
			return -ENOMEM;
	}
	return 0;
}

static int do_fork(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	int r;

	call->child_mm = m_mm_new(m);
	if (call->child_mm < 0)
		return call->child_mm;
	r = copy_mm(m, mm, call);
	if (r == 0)
		return 0;
	for (int i = 0; i < call->nr_notes; i++)
		note_done(m, &call->notes[i]);
	call->nr_notes = 0;
	m_mm_put_user(m, call->child_mm);
	call->child_mm = -1;
	return r;
}

/* --- madvise: VMA after VMA, and each may have to be told of first -------------------------------- */

static int advise_flags(struct m_model *m, struct m_mm *mm, const struct m_vma *vma, uint64_t start,
			uint64_t end, int advice)
{
	uint8_t flags = vma->flags;

	switch (advice) {
	case MADV_DONTFORK:
		flags |= M_VM_DONTFORK;
		break;
	case MADV_DOFORK:
		flags &= ~M_VM_DONTFORK;
		break;
	case MADV_WIPEONFORK:
		if (flags & M_VM_FILE)
			return -EINVAL;
		flags |= M_VM_WIPEONFORK;
		break;
	case MADV_KEEPONFORK:
		flags &= ~M_VM_WIPEONFORK;
		break;
	case MADV_REMOVE: /* wants a shared file */
		return flags & M_VM_FILE ? -EACCES : -EINVAL;
	default:
		return -EINVAL;
	}
	if (flags == vma->flags)
		return 0;
	return m_vma_modify(m, mm, start, end, vma->prot, flags, vma->ctx);
}

/* A fork under way has copied the pages, but its end is not before this discard's beginning. */
static void children_or_zero(struct m_model *m, const struct m_mm *mm, uint64_t start, uint64_t end)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];

		if ((thread->state != M_KERNEL && thread->state != M_IN_EVENT) ||
		    &m->mms[m->tasks[thread->task].mm] != mm || thread->call.op != M_OP_FORK ||
		    thread->call.child_mm < 0)
			continue;
		for (uint64_t addr = start; addr < end; addr += M_PAGE)
			m->mms[thread->call.child_mm].or_zero[(addr - M_BASE) / M_PAGE] = true;
	}
}

static bool is_in(uint64_t addr, uint64_t start, uint64_t len)
{
	return addr >= start && addr < start + len;
}

/* A move under way has been made, but its end is not before this discard's beginning: what it brings
 * may have been brought after the discard, what it takes may have been discarded first. */
static void moved_or_zero(const struct m_model *m, struct m_mm *mm, uint64_t start, uint64_t end)
{
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];
		const struct m_call *call = &thread->call;

		if ((thread->state != M_KERNEL && thread->state != M_IN_EVENT) ||
		    &m->mms[m->tasks[thread->task].mm] != mm || call->op != M_OP_MREMAP ||
		    call->pc == PC_BEGIN)
			continue;
		for (uint64_t addr = start; addr < end; addr += M_PAGE) {
			if (is_in(addr, call->to, call->new_len))
				mm->arrived[(addr - M_BASE) / M_PAGE] = true;
			if (is_in(addr, call->addr, call->new_len) &&
			    is_in(addr - call->addr + call->to, M_BASE, M_END - M_BASE))
				mm->or_zero[(addr - call->addr + call->to - M_BASE) / M_PAGE] =
					true;
		}
	}
}

static bool discards(const struct m_call *call)
{
	return call->flags == MADV_DONTNEED || call->flags == MADV_FREE;
}

/* After the event was read, under the lock again, whatever is there now. */
static int64_t advise_zap(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	const struct m_vma *vma = m_find_vma(mm, call->at);
	uint64_t end = call->at + call->new_len;

	if (!vma) {
		/* Told of, and left as it was: whoever was told may take it for discarded. */
		for (uint64_t addr = call->at; addr < call->addr + call->len && addr < M_END;
		     addr += M_PAGE)
			mm->or_zero[(addr - M_BASE) / M_PAGE] = m_find_vma(mm, addr) != NULL;
		return -ENOMEM;
	}
	if (call->flags == MADV_FREE && vma->flags & M_VM_FILE)
		return -EINVAL;
	if (end > vma->end)
		end = vma->end;
	for (uint64_t addr = call->at; call->flags == MADV_DONTNEED && addr < end; addr += M_PAGE) {
		bool arrived = mm->arrived[(addr - M_BASE) / M_PAGE];
		uint64_t want = *m_want(mm, addr);

		m_zap(m, mm, addr, addr + M_PAGE);
		if (!arrived)
			continue;
		set_want(mm, addr, want, true);
		mm->arrived[(addr - M_BASE) / M_PAGE] = others_discard(m, mm, addr, call);
	}
	/* FREE leaves pages until memory is short (never, here) but takes poison at once. */
	for (uint64_t addr = call->at; call->flags == MADV_FREE && addr < end; addr += M_PAGE)
		if (m_pte(mm, addr) == M_PTE_POISON)
			*m_pte_at(mm, addr) = M_PTE_NONE;
	call->at = end;
	return 0;
}

/* Goes through the VMAs from call->at on; stops to tell of one.  new_len: bytes told of. */
static int64_t do_madvise(struct m_model *m, struct m_mm *mm, struct m_call *call)
{
	uint64_t end = call->addr + page_align(call->len);

	while (call->at < end) {
		size_t i = m_vma_index(mm, call->at);
		struct m_vma vma;
		uint64_t to;
		int64_t r;

		if (i == mm->nr_vmas)
			return -ENOMEM;
		vma = mm->vmas[i];
		if (call->at < vma.start) {
			call->result = -ENOMEM;
			call->at = vma.start;
			if (call->at >= end)
				break;
		}
		to = vma.end < end ? vma.end : end;
		if (!discards(call)) {
			r = advise_flags(m, mm, &vma, call->at, to, call->flags);
			call->at = to;
		} else if (call->flags == MADV_FREE && vma.flags & M_VM_FILE) {
			return -EINVAL;
		} else {
			call->new_len = to - call->at;
			call->nr_notes = call->note = 0;
			for (uint64_t addr = call->at; addr < to; addr += M_PAGE)
				mm->arrived[(addr - M_BASE) / M_PAGE] =
					mm->arrived[(addr - M_BASE) / M_PAGE] &&
					others_discard(m, mm, addr, call);
			if (m_note_add(m, call, vma.ctx, -1, UFFD_EVENT_REMOVE, call->at, to, 0)) {
				children_or_zero(m, mm, call->at, to);
				moved_or_zero(m, mm, call->at, to);
				call->pc = PC_NOTIFY;
				return 0;
			}
			r = advise_zap(m, mm, call);
		}
		if (r < 0)
			return r;
	}
	return call->result;
}

/* --- steps --------------------------------------------------------------------------------------- */

void m_start(struct m_model *m, int i, const struct m_call *call)
{
	struct m_thread *thread = &m->threads[i];

	thread->call = *call;
	thread->call.pc = PC_BEGIN;
	thread->call.at = call->addr;
	thread->call.result = 0;
	thread->call.child_mm = -1;
	thread->call.nr_notes = thread->call.note = 0;
	thread->state = M_KERNEL;
	thread->value = 0;
}

static bool wants_lock(const struct m_call *call)
{
	switch (call->op) {
	case M_OP_READ:
	case M_OP_WRITE:
	case M_OP_EXEC:
	case M_OP_EXIT:
	case M_OP_NONE:
		return false;
	default:
		return call->pc == PC_BEGIN;
	}
}

bool m_can_step(const struct m_model *m, int i)
{
	const struct m_thread *thread = &m->threads[i];

	if (thread->state != M_KERNEL)
		return false;
	return thread->killed || !wants_lock(&thread->call) ||
	       m->mms[m->tasks[thread->task].mm].readers == 0;
}

/* The locks are dropped: one note after the other is queued, waited for, and taken back. */
static bool notify(struct m_model *m, struct m_thread *thread)
{
	struct m_call *call = &thread->call;
	struct m_note *note;

	if (call->note == call->nr_notes)
		return false;
	note = &call->notes[call->note];
	call->pc = PC_WOKEN;
	if (m->ctxs[note->ctx].released) {
		m_note_release_child(m, note);
		return true;
	}
	memset(&thread->msg, 0, sizeof(thread->msg));
	thread->msg.event = note->event;
	switch (note->event) {
	case UFFD_EVENT_REMAP:
		thread->msg.arg.remap.from = note->a;
		thread->msg.arg.remap.to = note->b;
		thread->msg.arg.remap.len = note->c;
		break;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		thread->msg.arg.remove.start = note->a;
		thread->msg.arg.remove.end = note->b;
		break;
	default:
		break;
	}
	thread->ctx = note->ctx;
	thread->queue = M_Q_EVENT;
	thread->seq = ++m->seq;
	thread->epoch = m->epoch;
	thread->state = M_IN_EVENT;
	m->ctxs[note->ctx].refs++;
	return true;
}

static void fork_done(struct m_model *m, struct m_thread *thread)
{
	struct m_call *call = &thread->call;
	int task = task_new(m, call->child_mm);
	int child = task < 0 ? task : thread_new(m, task);

	if (child < 0) {
		if (task >= 0)
			m->tasks[task].used = m->tasks[task].alive = false;
		m_mm_put_user(m, call->child_mm);
	}
	finish(thread, child);
}

static void begin(struct m_model *m, int i)
{
	struct m_thread *thread = &m->threads[i];
	struct m_call *call = &thread->call;
	struct m_task *task = &m->tasks[thread->task];
	struct m_mm *mm = &m->mms[task->mm];

	switch (call->op) {
	case M_OP_READ:
	case M_OP_WRITE:
		touch_look(m, thread, mm);
		return;
	case M_OP_MMAP:
		call->result = do_mmap(m, mm, call);
		break;
	case M_OP_MUNMAP:
		call->result = do_munmap(m, mm, call);
		break;
	case M_OP_MREMAP:
		call->result = do_mremap(m, mm, call);
		break;
	case M_OP_MPROTECT:
		call->result = do_mprotect(m, mm, call);
		break;
	case M_OP_FORK:
		call->result = do_fork(m, mm, call);
		break;
	case M_OP_MADVISE:
		if (call->addr % M_PAGE) {
			finish(thread, -EINVAL);
			return;
		}
		{
			int64_t r = do_madvise(m, mm, call);

			if (call->pc != PC_NOTIFY)
				finish(thread, r);
		}
		return;
	case M_OP_EXEC:
	case M_OP_EXIT: {
		int old = task->mm, fresh = call->op == M_OP_EXEC ? m_mm_new(m) : -1;

		for (int j = 0; j < M_THREADS; j++)
			if (j != i && m->threads[j].task == thread->task &&
			    m->threads[j].state != M_FREE)
				thread_dies(m, j);
		if (fresh < 0) {
			thread_dies(m, i);
			return;
		}
		task->mm = fresh;
		m_mm_put_user(m, old);
		finish(thread, 0);
		return;
	}
	default:
		finish(thread, -ENOSYS);
		return;
	}
	call->pc = PC_NOTIFY;
}

void m_step(struct m_model *m, int i)
{
	struct m_thread *thread = &m->threads[i];
	struct m_call *call = &thread->call;
	struct m_mm *mm = m_mm_of(m, i);

	if (!m_can_step(m, i))
		return;
	if (thread->killed) {
		thread_dies(m, i);
		return;
	}
	switch (call->pc) {
	case PC_BEGIN:
		begin(m, i);
		break;
	case PC_ENQUEUE:
		touch_enqueue(m, thread, mm);
		break;
	case PC_WOKEN:
		note_done(m, &call->notes[call->note]);
		call->note++;
		call->pc = PC_NOTIFY;
		break;
	case PC_NOTIFY:
		if (!notify(m, thread))
			call->pc = PC_REST;
		break;
	case PC_REST:
		if (call->op == M_OP_FORK && call->result == 0) {
			fork_done(m, thread);
		} else if (call->op == M_OP_MADVISE) {
			int64_t r = advise_zap(m, mm, call);

			if (r < 0)
				finish(thread, r);
			call->pc = PC_BEGIN; /* on with the next VMA */
		} else {
			finish(thread, call->result);
		}
		break;
	default:
		break;
	}
}

bool m_run(struct m_model *m, int thread)
{
	while (m->threads[thread].state == M_KERNEL) {
		if (!m_can_step(m, thread))
			return false;
		m_step(m, thread);
	}
	return true;
}

/* --- for testers ---------------------------------------------------------------------------------- */

unsigned m_in_use(const struct m_model *m)
{
	unsigned n = 0;

	for (int i = 0; i < M_FRAMES; i++)
		n += m->frames[i].refs > 0;
	for (int i = 0; i < M_CTXS; i++)
		n += m->ctxs[i].used;
	for (int i = 0; i < M_MMS; i++)
		n += m->mms[i].used;
	return n;
}

const char *m_check(const struct m_model *m)
{
	int refs[M_FRAMES] = { 0 };
	int changing[M_CTXS] = { 0 };

	for (int i = 0; i < M_MMS; i++) {
		const struct m_mm *mm = &m->mms[i];

		if (!mm->used)
			continue;
		if (mm->readers < 0 || mm->users < 0 || mm->refs < 0)
			return "an address space is released once too often";
		for (int p = 0; p < M_PAGES; p++) {
			if (mm->pte[p] >= M_PTE_FRAME)
				refs[mm->pte[p] - M_PTE_FRAME]++;
			if (mm->pte[p] && !m_find_vma(mm, M_BASE + (uint64_t)p * M_PAGE))
				return "a page is present outside every VMA";
		}
		for (int v = 0; v < mm->nr_vmas; v++) {
			const struct m_vma *vma = &mm->vmas[v];

			if (vma->start >= vma->end || (v && vma[-1].end > vma->start))
				return "VMAs overlap";
			if ((vma->ctx >= 0) != !!(vma->flags & M_VM_MISSING))
				return "a VMA is half registered";
			if (vma->ctx >= 0 &&
			    (!m->ctxs[vma->ctx].used || &m->mms[m->ctxs[vma->ctx].mm] != mm))
				return "a VMA has a stranger's context";
		}
	}
	for (int i = 0; i < M_FRAMES; i++)
		if (m->frames[i].refs != refs[i])
			return "a frame's count is wrong";
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];
		const struct m_call *call = &thread->call;

		if (thread->state == M_FREE || thread->state == M_DEAD || thread->state == M_USER)
			continue;
		for (int n = call->note; n < call->nr_notes; n++)
			changing[call->notes[n].ctx]++;
	}
	for (int i = 0; i < M_CTXS; i++)
		if (m->ctxs[i].used && m->ctxs[i].changing != changing[i])
			return "a context's count of changes is wrong";
	return NULL;
}
