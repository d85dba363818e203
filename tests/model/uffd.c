/* tests/model/uffd.c - userfaultfd contexts: queues, events, the ioctls, the descriptor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order in which a call looks at things is the kernel's, because that order is what decides
 * between two errors, and what a call finds when others ran at one of its yields.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "tests/model/parts.h"

#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
#endif
#define FEATURES UINT64_C(0x1ffff)

static void yield(struct m_model *m, const char *where)
{
	if (m->yield)
		m->yield(m->yield_arg, where);
}

/* The mmap lock, exclusively: whoever holds it shared has to go on first. */
static void lock(struct m_model *m, const struct m_mm *mm)
{
	while (mm->readers && m->yield)
		m->yield(m->yield_arg, "waiting for the mmap lock");
}

/* --- contexts --------------------------------------------------------------------------------- */

int m_ctx_new(struct m_model *m, int mm)
{
	for (int i = 0; i < M_CTXS; i++) {
		struct m_ctx *ctx = &m->ctxs[i];

		if (ctx->used)
			continue;
		memset(ctx, 0, sizeof(*ctx));
		ctx->used = true;
		ctx->refs = 1;
		ctx->mm = mm;
		m->mms[mm].refs++;
		return i;
	}
	return -ENOMEM;
}

void m_ctx_put(struct m_model *m, int i)
{
	struct m_ctx *ctx = &m->ctxs[i];

	if (--ctx->refs)
		return;
	ctx->used = false;
	m_mm_put_ref(m, ctx->mm);
}

void m_ctx_clear(struct m_model *m, int mm, int ctx)
{
	struct m_mm *space = &m->mms[mm];
	uint64_t at = 0;

	for (size_t i; (i = m_vma_index(space, at)) < space->nr_vmas;) {
		struct m_vma vma = space->vmas[i];

		at = vma.end;
		if (vma.ctx == ctx)
			(void)m_vma_modify(m, space, vma.start, vma.end, vma.prot,
					   vma.flags & ~M_VM_MISSING, -1);
	}
}

void m_ctx_wake(struct m_model *m, int ctx, uint64_t start, uint64_t len)
{
	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *thread = &m->threads[i];

		if ((thread->queue != M_Q_PENDING && thread->queue != M_Q_READ) ||
		    thread->ctx != ctx)
			continue;
		if (len && (start > thread->msg.arg.pagefault.address ||
			    start + len <= thread->msg.arg.pagefault.address))
			continue;
		thread->queue = M_Q_NONE;
		thread->state = M_KERNEL;
		m_ctx_put(m, ctx);
	}
}

static uint64_t feature_of(uint8_t event)
{
	switch (event) {
	case UFFD_EVENT_FORK:
		return UFFD_FEATURE_EVENT_FORK;
	case UFFD_EVENT_REMAP:
		return UFFD_FEATURE_EVENT_REMAP;
	case UFFD_EVENT_REMOVE:
		return UFFD_FEATURE_EVENT_REMOVE;
	default:
		return UFFD_FEATURE_EVENT_UNMAP;
	}
}

bool m_note_add(struct m_model *m, struct m_call *call, int ctx, int child, uint8_t event,
		uint64_t a, uint64_t b, uint64_t c)
{
	if (ctx < 0 || !(m->ctxs[ctx].features & feature_of(event)))
		return false;
	for (int i = 0; event == UFFD_EVENT_UNMAP && i < call->nr_notes; i++) {
		const struct m_note *note = &call->notes[i];

		if (note->ctx == ctx && note->event == event && note->a == a && note->b == b)
			return true;
	}
	call->notes[call->nr_notes++] = (struct m_note){
		.ctx = (int8_t)ctx,
		.child = (int8_t)child,
		.event = event,
		.a = a,
		.b = b,
		.c = c,
	};
	m->ctxs[ctx].refs++;
	m->ctxs[ctx].changing++;
	return true;
}

void m_note_release_child(struct m_model *m, struct m_note *note)
{
	struct m_mm *mm;

	if (note->child < 0)
		return;
	mm = &m->mms[m->ctxs[note->child].mm];
	for (int i = 0; i < mm->nr_vmas; i++) { /* unlike a close, without merging */
		if (mm->vmas[i].ctx != note->child)
			continue;
		mm->vmas[i].ctx = -1;
		mm->vmas[i].flags &= ~M_VM_MISSING;
	}
	m_ctx_put(m, note->child);
	note->child = -1;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static int fd_new(struct m_model *m, int ctx, bool nonblock)
{
	unsigned open = 0;
	int free = -EMFILE;

	for (int i = M_FDS - 1; i >= 0; i--) {
		if (m->fds[i].ctx < 0)
			free = i;
		else
			open++;
	}
	if (free < 0 || open >= m->max_fds)
		return -EMFILE;
	m->fds[free] = (struct m_fd){ .ctx = ctx, .nonblock = nonblock };
	return free;
}

static struct m_ctx *ctx_of(const struct m_model *m, int fd)
{
	if (fd < 0 || fd >= M_FDS || m->fds[fd].ctx < 0)
		return NULL;
	return (struct m_ctx *)(uintptr_t)&m->ctxs[m->fds[fd].ctx];
}

int m_userfaultfd(struct m_model *m, int thread, bool nonblock)
{
	int ctx = m_ctx_new(m, m->tasks[m->threads[thread].task].mm);
	int fd;

	if (ctx < 0)
		return ctx;
	fd = fd_new(m, ctx, nonblock);
	if (fd < 0)
		m_ctx_put(m, ctx);
	return fd;
}

int m_api(struct m_model *m, int fd, uint64_t api, uint64_t features)
{
	struct m_ctx *ctx = ctx_of(m, fd);

	if (!ctx)
		return -EBADF;
	if (api != UFFD_API || features & ~FEATURES || ctx->initialized)
		return -EINVAL;
	ctx->initialized = true;
	ctx->features = features;
	return 0;
}

static int validate_range(uint64_t start, uint64_t len)
{
	if (start % M_PAGE || len % M_PAGE || len == 0)
		return -EINVAL;
	if (start < M_MMAP_MIN || start >= M_TASK_SIZE || len > M_TASK_SIZE - start)
		return -EINVAL;
	return 0;
}

/* --- registration ----------------------------------------------------------------------------- */

int m_register(struct m_model *m, int fd, uint64_t start, uint64_t len, uint64_t mode)
{
	struct m_ctx *ctx = ctx_of(m, fd);
	int8_t self = (int8_t)(ctx ? ctx - m->ctxs : -1);
	uint64_t end = start + len;
	struct m_mm *mm;

	if (!ctx)
		return -EBADF;
	if (!ctx->initialized || mode != UFFDIO_REGISTER_MODE_MISSING)
		return -EINVAL;
	if (validate_range(start, len) < 0)
		return -EINVAL;
	mm = &m->mms[ctx->mm];
	if (!mm->users)
		return -ENOMEM;
	lock(m, mm);

	size_t first = m_vma_index(mm, start);

	if (first == mm->nr_vmas || mm->vmas[first].start >= end)
		return -EINVAL;
	for (size_t i = first; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		if (mm->vmas[i].flags & M_VM_FILE)
			return -EINVAL;
		if (mm->vmas[i].ctx >= 0 && mm->vmas[i].ctx != self)
			return -EBUSY;
	}
	for (uint64_t at = start; at < end;) {
		size_t i = m_vma_index(mm, at);
		struct m_vma vma;
		int r;

		if (i == mm->nr_vmas || mm->vmas[i].start >= end)
			break;
		vma = mm->vmas[i];
		if (at < vma.start)
			at = vma.start;
		if (vma.ctx != self) {
			r = m_vma_modify(m, mm, at, end < vma.end ? end : vma.end, vma.prot,
					 vma.flags | M_VM_MISSING, self);
			if (r < 0)
				return r;
		}
		at = vma.end;
	}
	return 0;
}

int m_unregister(struct m_model *m, int fd, uint64_t start, uint64_t len)
{
	struct m_ctx *ctx = ctx_of(m, fd);
	int self = ctx ? (int)(ctx - m->ctxs) : -1;
	uint64_t end = start + len;
	struct m_mm *mm;

	if (!ctx)
		return -EBADF;
	if (!ctx->initialized || validate_range(start, len) < 0)
		return -EINVAL;
	mm = &m->mms[ctx->mm];
	if (!mm->users)
		return -ENOMEM;
	lock(m, mm);

	size_t first = m_vma_index(mm, start);

	if (first == mm->nr_vmas || mm->vmas[first].start >= end)
		return -EINVAL;
	for (size_t i = first; i < mm->nr_vmas && mm->vmas[i].start < end; i++) {
		if (mm->vmas[i].flags & M_VM_FILE)
			return -EINVAL;
		if (mm->vmas[i].ctx >= 0 && mm->vmas[i].ctx != self)
			return -EINVAL;
	}
	for (uint64_t at = start; at < end;) {
		size_t i = m_vma_index(mm, at);
		struct m_vma vma;
		uint64_t to;
		int r;

		if (i == mm->nr_vmas || mm->vmas[i].start >= end)
			break;
		vma = mm->vmas[i];
		if (at < vma.start)
			at = vma.start;
		to = end < vma.end ? end : vma.end;
		if (vma.ctx >= 0) {
			m_ctx_wake(m, vma.ctx, at, to - at);
			r = m_vma_modify(m, mm, at, to, vma.prot, vma.flags & ~M_VM_MISSING, -1);
			if (r < 0)
				return r;
		}
		at = vma.end;
	}
	return 0;
}

int m_wake(struct m_model *m, int fd, uint64_t start, uint64_t len)
{
	struct m_ctx *ctx = ctx_of(m, fd);

	if (!ctx)
		return -EBADF;
	if (!ctx->initialized || validate_range(start, len) < 0)
		return -EINVAL;
	m_ctx_wake(m, (int)(ctx - m->ctxs), start, len);
	return 0;
}

/* --- filling ---------------------------------------------------------------------------------- */

enum fill { FILL_COPY, FILL_ZERO, FILL_POISON };

struct filling {
	enum fill fill;
	const uint8_t *src;
	size_t stride;
	uint64_t dst, len;
};

static bool source_can(bool (*can)(void *arg, const void *page), void *arg, const void *page)
{
	return !can || can(arg, page);
}

static int fill_page(struct m_model *m, uint16_t *pte, enum fill fill, uint64_t token)
{
	/* A copy may replace a marker; the others replace nothing. */
	if (*pte != M_PTE_NONE && !(fill == FILL_COPY && *pte == M_PTE_POISON))
		return -EEXIST;
	switch (fill) {
	case FILL_COPY:
		return m_pte_fill(m, pte, token);
	case FILL_ZERO:
		*pte = M_PTE_ZERO;
		return 0;
	default:
		*pte = M_PTE_POISON;
		return 0;
	}
}

/* The VMA, then the count, then page after page, all under shared locks; but a page whose source is
 * not mapped makes it drop them, read the source, and begin again with the VMA.  Returns the bytes
 * filled, or an error if there are none. */
static int64_t fill_range(struct m_model *m, struct m_ctx *ctx, const struct filling *f)
{
	struct m_mm *mm = &m->mms[ctx->mm];
	uint64_t done = 0, token = 0;
	bool in_hand = false;
	int r;

again : {
	size_t i = m_vma_index(mm, f->dst);
	const struct m_vma *vma = &mm->vmas[i];

	r = -ENOENT;
	if (i == mm->nr_vmas || vma->start > f->dst)
		goto out;
	m_vma_anon(m, mm, i); /* even if nothing comes of it */
	if (vma->end < f->dst + f->len || vma->ctx < 0)
		goto out;
}
	r = -EAGAIN;
	if (ctx->changing)
		goto out;
	mm->readers++;
	while (done < f->len) {
		const uint8_t *src = f->src + done / M_PAGE * f->stride;

		if (f->fill == FILL_COPY && !in_hand) {
			bool readable = source_can(m->readable, m->source_arg, src);

			if (!readable || !source_can(m->mapped, m->source_arg, src)) {
				mm->readers--;
				yield(m, "copy: reading an unmapped source page");
				r = -EFAULT;
				if (!readable)
					goto out;
				memcpy(&token, src, sizeof(token));
				in_hand = true;
				goto again;
			}
			memcpy(&token, src, sizeof(token));
		}
		in_hand = false;
		r = -ENOMEM;
		if (f->fill == FILL_COPY && m->fail_pages == 0)
			break;
		r = fill_page(m, m_pte_at(mm, f->dst + done), f->fill, token);
		if (r < 0)
			break;
		if (f->fill == FILL_COPY && m->fail_pages > 0)
			m->fail_pages--;
		done += M_PAGE;
		if (done < f->len)
			yield(m, "fill: between pages");
	}
	mm->readers--;
out:
	return done ? (int64_t)done : r;
}

static int fill(struct m_model *m, int fd, const struct filling *f, uint64_t mode, int64_t *ret)
{
	struct m_ctx *ctx = ctx_of(m, fd);
	int64_t done;
	int mm;

	if (!ctx)
		return -EBADF;
	if (!ctx->initialized)
		return -EINVAL;
	if (ctx->changing) {
		*ret = -EAGAIN;
		return -EAGAIN;
	}
	if (validate_range(f->dst, f->len) < 0)
		return -EINVAL;
	if (mode & ~UINT64_C(1)) /* MODE_DONTWAKE is 1 for all three */
		return -EINVAL;
	mm = ctx->mm;
	if (!m->mms[mm].users)
		return -ESRCH;
	m_mm_get_user(m, mm);
	ctx->refs++;
	yield(m, "fill: before the lock");
	done = fill_range(m, ctx, f);
	m_mm_put_user(m, mm);
	*ret = done;
	if (done > 0 && !(mode & 1)) {
		yield(m, "fill: before waking");
		m_ctx_wake(m, (int)(ctx - m->ctxs), f->dst, (uint64_t)done);
	}
	m_ctx_put(m, (int)(ctx - m->ctxs));
	if (done < 0)
		return (int)done;
	return (uint64_t)done == f->len ? 0 : -EAGAIN;
}

int m_copy(struct m_model *m, int fd, uint64_t dst, const void *src, size_t stride, uint64_t len,
	   uint64_t mode, int64_t *done)
{
	struct filling f = { FILL_COPY, src, stride, dst, len };

	return fill(m, fd, &f, mode, done);
}

int m_zeropage(struct m_model *m, int fd, uint64_t dst, uint64_t len, uint64_t mode, int64_t *done)
{
	struct filling f = { FILL_ZERO, NULL, 0, dst, len };

	return fill(m, fd, &f, mode, done);
}

int m_poison(struct m_model *m, int fd, uint64_t dst, uint64_t len, uint64_t mode, int64_t *done)
{
	struct filling f = { FILL_POISON, NULL, 0, dst, len };

	return fill(m, fd, &f, mode, done);
}

/* --- reading ---------------------------------------------------------------------------------- */

void m_hint(struct m_model *m, const struct uffd_msg *msg)
{
	m->hint = *msg;
	m->hinted = true;
}

static bool hint_matches(const struct m_model *m, const struct uffd_msg *msg)
{
	if (m->hint.event != msg->event)
		return false;
	switch (msg->event) {
	case UFFD_EVENT_PAGEFAULT:
		return m->hint.arg.pagefault.address == msg->arg.pagefault.address &&
		       m->hint.arg.pagefault.flags == msg->arg.pagefault.flags;
	case UFFD_EVENT_FORK:
		return true;
	default:
		return memcmp(&m->hint.arg, &msg->arg, sizeof(msg->arg)) == 0;
	}
}

static struct m_thread *oldest(struct m_model *m, int ctx, enum m_queue queue)
{
	struct m_thread *found = NULL;

	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *thread = &m->threads[i];

		if (thread->queue == queue && thread->ctx == ctx &&
		    (!found || thread->seq < found->seq))
			found = thread;
	}
	if (!found || !m->hinted)
		return found;
	m->hinted = false;
	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *thread = &m->threads[i];

		if (thread->queue == queue && thread->ctx == ctx && thread->epoch == found->epoch &&
		    hint_matches(m, &thread->msg))
			return thread;
	}
	return found;
}

/* Its event has been read: the thread may go on. */
static void event_complete(struct m_model *m, struct m_thread *thread)
{
	thread->queue = M_Q_NONE;
	thread->state = M_KERNEL;
	m_ctx_put(m, thread->ctx);
}

static int read_one(struct m_model *m, int fd, struct uffd_msg *msg)
{
	int ctx = m->fds[fd].ctx;
	struct m_thread *thread = oldest(m, ctx, M_Q_PENDING);
	struct m_note *note;
	int child;

	if (thread) {
		thread->queue = M_Q_READ;
		*msg = thread->msg;
		return 0;
	}
	thread = oldest(m, ctx, M_Q_EVENT);
	if (!thread)
		return -EAGAIN;

	if (thread->msg.event == UFFD_EVENT_FORK) {
		/* The context was made by fork; its descriptor is made here. */
		note = &thread->call.notes[thread->call.note];
		child = fd_new(m, note->child, m->fds[fd].nonblock);
		if (child < 0) {
			thread->seq = ++m->seq; /* back into the queue, as the newest */
			return child;
		}
		note->child = -1;
		thread->msg.arg.fork.ufd = (uint32_t)child;
	}
	*msg = thread->msg;
	event_complete(m, thread);
	return 0;
}

int m_read(struct m_model *m, int fd, struct uffd_msg *msgs, size_t nr)
{
	struct m_ctx *ctx = ctx_of(m, fd);
	size_t n = 0;
	int r = 0;

	if (!ctx)
		return -EBADF;
	if (!ctx->initialized || nr == 0)
		return -EINVAL;
	while (n < nr) {
		r = read_one(m, fd, &msgs[n]);
		if (r < 0)
			break;
		n++;
		if (n < nr)
			yield(m, "read: between messages");
	}
	m->hinted = false;
	return n ? (int)n : r;
}

int m_poll(const struct m_model *m, int fd)
{
	const struct m_ctx *ctx = ctx_of(m, fd);

	if (!ctx)
		return POLLNVAL;
	if (!ctx->initialized || !m->fds[fd].nonblock)
		return POLLERR;
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];

		if ((thread->queue == M_Q_PENDING || thread->queue == M_Q_EVENT) &&
		    thread->ctx == m->fds[fd].ctx)
			return POLLIN;
	}
	return 0;
}

int m_fdinfo(const struct m_model *m, int fd, unsigned *pending, unsigned *total)
{
	if (!ctx_of(m, fd))
		return -EBADF;
	*pending = *total = 0;
	for (int i = 0; i < M_THREADS; i++) {
		const struct m_thread *thread = &m->threads[i];

		if (thread->ctx != m->fds[fd].ctx)
			continue;
		*pending += thread->queue == M_Q_PENDING;
		*total += thread->queue == M_Q_PENDING || thread->queue == M_Q_READ;
	}
	return 0;
}

int m_close(struct m_model *m, int fd)
{
	struct m_ctx *ctx = ctx_of(m, fd);
	int self;

	if (!ctx)
		return -EBADF;
	self = (int)(ctx - m->ctxs);
	m->fds[fd].ctx = -1;
	ctx->released = true;
	lock(m, &m->mms[ctx->mm]);
	m_ctx_clear(m, ctx->mm, self);
	m_ctx_wake(m, self, 0, 0);
	/* Those who wait for an event to be read find the context released when they look. */
	for (int i = 0; i < M_THREADS; i++) {
		struct m_thread *thread = &m->threads[i];

		if (thread->queue != M_Q_EVENT || thread->ctx != self)
			continue;
		m_note_release_child(m, &thread->call.notes[thread->call.note]);
		event_complete(m, thread);
	}
	m_ctx_put(m, self);
	return 0;
}
