/* restore/events.c - see events.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events of one thread come in order, but two threads can be seen the wrong way round: the kernel
 * queues an event only after it has dropped the mmap lock.  When thread A unmaps X (or moves it
 * away) and thread B then moves other memory to X, B's REMAP may be read first and finds A's old
 * content still at X.  That content is displaced: set aside until A's event, which means it and
 * not what has landed on X, arrives.  It always does before the kernel lets a copy through again
 * (its mmap_changing count covers the time from A's change to the reading of A's event), so once a
 * probe finds no event pending, displaced content has no owner left.
 */
#include "config.h"

#include "restore/events.h"

#include <errno.h>
#include <inttypes.h>

static void bump(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Takes out what an event about [start, end) means: displaced content where there is some, else
 * the layout's.  It arrives in *@ret (empty before) at its addresses. */
static int take(struct fi_space *space, uint64_t start, uint64_t end, struct fi_layout *ret)
{
	struct fi_layout late = FI_LAYOUT_EMPTY;
	uint64_t from = start;
	int r;

	r = fi_layout_cut(&space->displaced, start, end, &late);
	for (size_t i = 0; r == 0 && i <= fi_layout_count(&late); i++) {
		const struct fi_segment *old =
			i < fi_layout_count(&late) ? fi_layout_segment(&late, i) : NULL;
		uint64_t to = old ? old->start : end;

		if (from < to)
			r = fi_layout_cut(&space->layout, from, to, ret);
		if (r == 0 && old)
			r = fi_layout_add(ret, old);
		from = old ? old->end : end;
	}
	fi_layout_clear(&late);
	return r;
}

static int on_unmap(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	int r;

	r = take(space, start, end, &gone);
	if (r == 0)
		r = fi_space_drop(space, &gone, start, end);
	fi_layout_clear(&gone);
	return r;
}

static int on_remap(struct fi_space *space, uint64_t from, uint64_t to, uint64_t len)
{
	struct fi_layout moving = FI_LAYOUT_EMPTY;
	int r;

	r = take(space, from, from + len, &moving);
	if (r == 0)
		r = fi_layout_cut(&space->layout, to, to + len, &space->displaced);
	for (size_t i = 0; r == 0 && i < fi_layout_count(&moving); i++) {
		struct fi_segment segment = *fi_layout_segment(&moving, i);

		segment.start = segment.start - from + to;
		segment.end = segment.end - from + to;
		r = fi_layout_add(&space->layout, &segment);
	}
	fi_layout_clear(&moving);
	return r;
}

/* What the child sees as zeros although its parent does not.  The dump says which memory was to be
 * wiped then; no event tells of a later MADV_KEEPONFORK, so where such memory is still owed the
 * question is asked anew. */
static int wipe(struct fi_space *parent, struct fi_space *child, const struct fi_birth *birth)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(&child->layout); i++) {
		const struct fi_segment *segment = fi_layout_segment(&child->layout, i);
		uint64_t addr = segment->start, end;
		struct fi_extent owed;

		for (; segment->wipe_on_fork && r == 0 && addr < segment->end; addr = end) {
			bool wiped = true;

			end = segment->end;
			if (!fi_space_next_owed(child, addr, FI_PAGE_SIZE, &owed) ||
			    owed.addr >= segment->end)
				break;
			(void)birth->wipes(birth->arg, parent, addr, &end, &wiped);
			if (end > segment->end)
				end = segment->end;
			if (wiped)
				r = fi_space_drop(child, &child->layout, addr, end);
		}
	}
	return r;
}

static int on_fork(struct fi_space *space, int uffd, const struct fi_birth *birth)
{
	struct fi_space *child;
	int r;

	fi_space_log(space, FI_LOG_DEBUG, "forks while it owes %" PRIu64 " pages",
		     fi_space_nr_owed(space));
	r = fi_space_fork(space, uffd, &child);
	if (r == 0) {
		r = wipe(space, child, birth);
		if (r < 0) {
			child->uffd = -EBADF;
			fi_space_put(child);
		}
	}
	if (r < 0) {
		birth->stillborn(birth->arg, space, uffd);
		return 0; /* the parent is as well as before */
	}
	birth->born(birth->arg, space, child);
	return 0;
}

int fi_event_apply(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth)
{
	if (msg->event == UFFD_EVENT_PAGEFAULT)
		return 0;

	atomic_fetch_add_explicit(&space->generation, 1, memory_order_relaxed);
	switch (msg->event) {
	case UFFD_EVENT_FORK:
		bump(&space->count.forks);
		return on_fork(space, (int)msg->arg.fork.ufd, birth);
	case UFFD_EVENT_REMAP:
		bump(&space->count.remaps);
		fi_space_log(space, FI_LOG_DEBUG, "remap %" PRIx64 " to %" PRIx64 ", %" PRIx64,
			     (uint64_t)msg->arg.remap.from, (uint64_t)msg->arg.remap.to,
			     (uint64_t)msg->arg.remap.len);
		return on_remap(space, msg->arg.remap.from, msg->arg.remap.to, msg->arg.remap.len);
	case UFFD_EVENT_REMOVE:
		bump(&space->count.removes);
		return fi_space_drop(space, &space->layout, msg->arg.remove.start,
				     msg->arg.remove.end);
	case UFFD_EVENT_UNMAP:
		bump(&space->count.unmaps);
		fi_space_log(space, FI_LOG_DEBUG, "unmap %" PRIx64 "-%" PRIx64,
			     (uint64_t)msg->arg.remove.start, (uint64_t)msg->arg.remove.end);
		return on_unmap(space, msg->arg.remove.start, msg->arg.remove.end);
	default:
		/* We asked for no others. */
		fi_space_log(space, FI_LOG_WARN, "unknown userfaultfd event %#x, ignoring",
			     msg->event);
		return 0;
	}
}

int fi_events_settled(struct fi_space *space)
{
	int r = fi_space_drop(space, &space->displaced, 0, UINT64_MAX);

	fi_layout_clear(&space->displaced);
	return r;
}
