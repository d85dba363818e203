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
 *
 * An mremap sends two events: REMAP and, when that has been read, UNMAP of where the memory was
 * (not with MREMAP_DONTUNMAP).  The second says nothing new, and between the two any thread's
 * mremap may have put other memory there.  So each REMAP notes that such an UNMAP trails behind it,
 * and the UNMAP of exactly that range, when it comes, is spent on the note instead of on the layout.
 * Should another thread's UNMAP of the same range be spent in its place, the trailing one does its
 * work later: together they mean the same.
 */
#include "config.h"

#include "restore/events.h"

#include <errno.h>
#include <inttypes.h>

struct fi_trailing {
	uint64_t start, end;
};

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

static int add_trailing(struct fi_space *space, uint64_t start, uint64_t end)
{
	if (space->nr_trailing == space->room_trailing) {
		size_t room = space->room_trailing ? 2 * space->room_trailing : 8;
		struct fi_trailing *grown = realloc(space->trailing, room * sizeof(grown[0]));

		if (!grown)
			return -ENOMEM;
		space->trailing = grown;
		space->room_trailing = room;
	}
	space->trailing[space->nr_trailing++] = (struct fi_trailing){ start, end };
	return 0;
}

/* Whether an UNMAP is one that trails behind a REMAP; its note is spent. */
static bool spend_trailing(struct fi_space *space, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < space->nr_trailing; i++) {
		if (space->trailing[i].start != start || space->trailing[i].end != end)
			continue;
		space->trailing[i] = space->trailing[--space->nr_trailing];
		return true;
	}
	return false;
}

static int on_unmap(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	int r;

	if (spend_trailing(space, start, end))
		return 0;
	r = take(space, start, end, &gone);
	if (r == 0)
		r = fi_space_drop(space, &gone, start, end);
	fi_layout_clear(&gone);
	return r;
}

/* The layout has something in [start, end) at an address where something else is displaced. */
static bool displaced_before(const struct fi_space *space, uint64_t start, uint64_t end)
{
	const struct fi_layout *layout = &space->layout, *displaced = &space->displaced;

	for (size_t i = fi_layout_lower_bound(displaced, start); i < fi_layout_count(displaced); i++) {
		const struct fi_segment *old = fi_layout_segment(displaced, i);
		uint64_t from = old->start > start ? old->start : start;
		uint64_t to = old->end < end ? old->end : end;
		size_t j = fi_layout_lower_bound(layout, from);

		if (old->start >= end)
			break;
		if (j < fi_layout_count(layout) && fi_layout_segment(layout, j)->start < to)
			return true;
	}
	return false;
}

static int on_remap(struct fi_space *space, uint64_t from, uint64_t to, uint64_t len)
{
	struct fi_layout moving = FI_LAYOUT_EMPTY;
	int r;

	r = take(space, from, from + len, &moving);
	if (r == 0 && displaced_before(space, to, to + len))
		r = -ENOTRECOVERABLE;
	if (r == 0)
		r = add_trailing(space, from, from + len);
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

bool fi_events_unsettled(const struct fi_space *space)
{
	return fi_layout_count(&space->displaced) || space->nr_trailing;
}

int fi_events_settled(struct fi_space *space)
{
	int r = fi_space_drop(space, &space->displaced, 0, UINT64_MAX);

	fi_layout_clear(&space->displaced);
	space->nr_trailing = 0;
	return r;
}
