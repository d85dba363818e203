/* restore/events.c - see events.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events of one thread come in order, but two threads can be seen the wrong way round: the kernel
 * queues an event only after it has dropped the mmap lock.  It does count the change under that lock
 * (mmap_changing), lets no copy through while the count is not 0, and takes it back when the event
 * has been read.  So whenever a probe finds no event pending, the space is settled: every event of
 * every change so far has been read.  In between nothing can be given, so nothing is lost by
 * deciding then.  Until then the past is kept (past.h), and these things wait:
 *
 * Displaced.  When thread A unmaps X (or moves it away) and thread B then moves other memory to X,
 * B's REMAP may be read first and finds A's old content still at X.  That is set aside until A's
 * event, which means it and not what has landed on X, arrives; when the space is settled it has no
 * owner left.
 *
 * Landed.  Where nothing of the image was at X, there is nothing to set aside, and A's UNMAP finds
 * what B has moved there.  Or it is a true unmapping of what has landed.  So an UNMAP of what landed
 * since the space was settled makes it disputed, and when the space is settled the kernel is asked
 * page by page whether anything watched is there (ENOENT: no).  And so it is if the UNMAP was read
 * before what it may have meant.
 *
 * An mremap sends two events: REMAP and, when that has been read, UNMAP of where the memory was (not
 * with MREMAP_DONTUNMAP), where another thread may meanwhile have put something else.  So the first
 * UNMAP of exactly that range excuses what has landed there: the kernel is asked as well, but until
 * then it has not gone.
 *
 * Crossed.  When A moves away memory that nothing of the image is in, and B then moves content to where
 * it was, and B's REMAP is read first, A's seems to take the content along.  So where one move leads to
 * where another comes from, nothing is copied until the kernel has been asked which of them was the
 * later (fi_past_resolve).
 *
 * Left.  A fork's event may come before or after those of other threads' changes, whichever happened
 * first; and when there is no descriptor for the child, the kernel puts it behind the others.  So what
 * an UNMAP or a REMOVE takes stays owed until the space is settled, and a child born until then is a
 * newborn (newborn.h) until its own userfaultfd can be asked what it has where.  Where the answers leave
 * that open the child must not run.
 *
 * What remains, because the kernel has nothing to tell it by, is in doc/model.md, "What the engine does
 * not follow".  A program with one thread has its events in order, and nothing of all this is done.
 */
#include "config.h"

#include "restore/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "restore/newborn.h"
#include "restore/past.h"

static void bump(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Takes out what an event about [start, end) means: displaced content where there is some (and then
 * without a doubt: its landing is OLD), else the layout's.  It arrives in *@ret (empty before) at
 * its addresses. */
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

/* What was just taken out is put back if it may not be what was meant.  The rest stays in @gone. */
static int put_back(struct fi_space *space, struct fi_layout *gone, enum fi_landing landing)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(gone);) {
		struct fi_segment segment = *fi_layout_segment(gone, i);

		if (segment.landing == FI_LANDING_OLD) {
			i++;
			continue;
		}
		if (segment.landing < landing)
			segment.landing = landing;
		r = fi_layout_cut(gone, segment.start, segment.end, NULL);
		if (r == 0)
			r = fi_layout_add(&space->layout, &segment);
	}
	return r;
}

static int on_unmap(struct fi_space *space, uint64_t start, uint64_t end,
		    const struct fi_birth *birth)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	const struct fi_change change = { .start = start, .end = end, .unmapped = true };
	bool trailing = fi_past_trails(space, start, end);
	int r = 0;

	if (!space->past.open && birth->alone(birth->arg, space)) {
		r = fi_layout_cut(&space->layout, start, end, &gone);
		if (r == 0)
			r = fi_space_drop(space, &gone, start, end);
		fi_layout_clear(&gone);
		return r;
	}
	fi_past_begin(space);
	if (trailing)
		r = fi_layout_cut(&space->layout, start, end, &gone);
	else
		r = fi_past_add(space, &change);
	if (r == 0 && !trailing)
		r = take(space, start, end, &gone);
	if (r == 0 && space->landed)
		r = put_back(space, &gone, trailing ? FI_LANDING_EXCUSED : FI_LANDING_DISPUTED);
	if (r == 0)
		r = fi_past_leave(space, &gone);
	fi_layout_clear(&gone);
	return r;
}

/* The layout has something in [start, end) at an address where something else is displaced. */
static bool displaced_before(const struct fi_space *space, uint64_t start, uint64_t end)
{
	const struct fi_layout *layout = &space->layout, *displaced = &space->displaced;

	for (size_t i = fi_layout_lower_bound(displaced, start); i < fi_layout_count(displaced);
	     i++) {
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

/* A REMAP comes to [start, end): so what is disputed there is gone, and what is behind that as well,
 * because a mapping may grow as it moves.  What is before it may have been left out by the UNMAP that
 * has made room. */
static int end_disputes(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	int r = 0;

	for (size_t i = fi_layout_lower_bound(&space->layout, start);
	     r == 0 && i < fi_layout_count(&space->layout);) {
		struct fi_segment segment = *fi_layout_segment(&space->layout, i);

		if (segment.start >= end)
			break;
		if (segment.landing != FI_LANDING_DISPUTED) {
			i++;
			continue;
		}
		if (segment.start < start) {
			segment.start = start;
			i++;
		}
		r = fi_layout_cut(&space->layout, segment.start, segment.end, &gone);
	}
	if (r == 0)
		r = fi_past_leave(space, &gone);
	fi_layout_clear(&gone);
	return r;
}

/* Makes room in [start, end) for what a REMAP brings. */
static int displace(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout old = FI_LAYOUT_EMPTY;
	int r = space->landed ? end_disputes(space, start, end) : 0;

	if (r == 0 && displaced_before(space, start, end))
		r = -ENOTRECOVERABLE;
	if (r == 0)
		r = fi_layout_cut(&space->layout, start, end, &old);
	for (size_t i = 0; r == 0 && i < fi_layout_count(&old); i++) {
		struct fi_segment segment = *fi_layout_segment(&old, i);

		segment.landing = FI_LANDING_OLD;
		r = fi_layout_add(&space->displaced, &segment);
	}
	fi_layout_clear(&old);
	return r;
}

static int on_remap(struct fi_space *space, uint64_t from, uint64_t to, uint64_t len,
		    const struct fi_birth *birth)
{
	const struct fi_change change = {
		.start = from, .end = from + len, .to = to, .moved = true
	};
	struct fi_layout moving = FI_LAYOUT_EMPTY;
	/* Whoever has an UNMAP of before to come sleeps until it is read: a single thread means that
	 * there is none. */
	bool alone = birth->alone(birth->arg, space);
	int r = 0;

	if (!alone || space->past.open) {
		fi_past_begin(space);
		space->in_doubt =
			space->in_doubt || (!alone && fi_past_crosses(space, from, to, len));
		r = fi_past_add(space, &change);
	}
	if (r == 0)
		r = take(space, from, from + len, &moving);
	if (r == 0)
		r = displace(space, to, to + len);
	if (fi_layout_count(&moving) && !alone)
		space->landed = true;
	for (size_t i = 0; r == 0 && i < fi_layout_count(&moving); i++) {
		struct fi_segment segment = *fi_layout_segment(&moving, i);

		segment.start = segment.start - from + to;
		segment.end = segment.end - from + to;
		segment.landing = alone ? FI_LANDING_OLD
				  : fi_past_unmapped(space, segment.start, segment.end)
					  ? FI_LANDING_EXCUSED
					  : FI_LANDING_NEW;
		r = fi_layout_add(&space->layout, &segment);
	}
	fi_layout_clear(&moving);
	return r;
}

/* Where the order is open, a child may have what is discarded here, at another place. */
static int on_remove(struct fi_space *space, uint64_t start, uint64_t end)
{
	const struct fi_change change = { .start = start, .end = end, .discarded = true };
	int r;

	if (!space->past.open)
		return fi_space_drop(space, &space->layout, start, end);
	r = fi_past_add(space, &change);
	return r == 0 ? fi_past_discard(space, start, end) : r;
}

/* Takes those pages of a doubtful segment out of the layout that the kernel has nowhere. */
static int ask(struct fi_space *space, const struct fi_segment *doubtful)
{
	int r = 0;

	for (uint64_t addr = doubtful->start; r == 0 && addr < doubtful->end;
	     addr += FI_PAGE_SIZE) {
		struct fi_layout gone = FI_LAYOUT_EMPTY;
		int answer = fi_space_probe_at(space, addr);

		if (answer == -EAGAIN || answer == -ESRCH)
			return answer;
		if (answer != -ENOENT)
			continue;
		r = fi_layout_cut(&space->layout, addr, addr + FI_PAGE_SIZE, &gone);
		if (r == 0)
			r = fi_space_drop(space, &gone, addr, addr + FI_PAGE_SIZE);
		fi_layout_clear(&gone);
	}
	return r;
}

/* No UNMAP of before will come any more. */
static int settle_landed(struct fi_space *space)
{
	const struct fi_layout *layout = &space->layout;
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(layout);) {
		struct fi_segment segment = *fi_layout_segment(layout, i);

		if (segment.landing > FI_LANDING_NEW)
			r = ask(space, &segment);
		for (i = fi_layout_lower_bound(layout, segment.start);
		     r == 0 && i < fi_layout_count(layout) &&
		     fi_layout_segment(layout, i)->start < segment.end;
		     i++)
			r = fi_layout_land(&space->layout, i, FI_LANDING_OLD);
	}
	space->landed = space->landed && r < 0;
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

static int change(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth);

/* A newborn is one no more: with a layout (@r is 0), or without. */
static int grown_up(struct fi_space *space, int r, const struct fi_birth *birth)
{
	size_t nr;
	struct uffd_msg *heard = fi_newborn_end(space, &nr);

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = change(space, &heard[i], birth);
	free(heard);
	return r == 0 ? fi_space_show(space) : r;
}

int fi_events_grow_up(struct fi_space *space, const struct fi_birth *birth)
{
	int r = fi_newborn_lay_out(space);

	return r == -EAGAIN ? r : grown_up(space, r, birth);
}

/* A child is the callee's, a newborn or grown up: @r says what has become of it.  Its record is its
 * parent's no more; if it must not run, that is recorded first. */
static void hand_over(struct fi_space *space, struct fi_space *child, int r,
		      const struct fi_birth *birth)
{
	if (r == -ESRCH) {
		child->state = FI_SPACE_GONE;
	} else if (r < 0 && r != -EAGAIN) {
		fi_space_log(child, FI_LOG_ERROR, "cannot tell what it has where: %s",
			     strerror(-r));
		child->state = FI_SPACE_FAILED;
	}
	fi_space_show_failed(child);
	if (fi_space_show(child) < 0) {
		child->state = FI_SPACE_FAILED;
		fi_space_show_failed(child);
	}
	birth->born(birth->arg, space, child);
}

static void deliver(struct fi_space *space, struct fi_space *child, bool all,
		    const struct fi_birth *birth)
{
	int r = child->state == FI_SPACE_LIVE ? fi_newborn_begin(child, space, all)
					      : -ENOTRECOVERABLE;

	if (r == 0)
		r = wipe(space, child, birth);
	if (r == 0)
		r = fi_events_grow_up(child, birth);
	hand_over(space, child, r, birth);
}

static void deliver_all(struct fi_space *space, bool all, const struct fi_birth *birth)
{
	while (space->nr_newborns)
		deliver(space, fi_past_give_up(space), all, birth);
}

/* Where no event of another thread can be on its way, the child is born at once.  A newborn's child
 * is no wiser than the newborn. */
static int on_fork(struct fi_space *space, int uffd, const struct fi_birth *birth)
{
	bool settled = !fi_events_unsettled(space) && birth->alone(birth->arg, space);
	bool borne = false;
	struct fi_space *child = NULL;
	int r, shown;

	fi_space_log(space, FI_LOG_DEBUG, "forks while it owes %" PRIu64 " pages",
		     fi_space_nr_owed(space));
	r = fi_space_fork(space, uffd, &child);
	if (r == 0 && space->newborn) {
		r = fi_newborn_fork(child, space);
	} else if (r == 0 && !settled) {
		fi_past_begin(space);
		r = fi_newborn_new(child, space);
	}
	if (r == 0 && (settled || space->newborn))
		r = wipe(space, child, birth);
	if (r == 0 && child->newborn && !space->newborn) {
		r = fi_past_bear(space, child);
		borne = r == 0;
	}
	if (r == 0) /* last: from here on its record owns the descriptor */
		r = fi_space_show(child);
	if (r < 0 && borne)
		space->nr_newborns--;
	if (r < 0 && child) {
		child->uffd = -EBADF;
		fi_space_put(child);
	}
	/* Whatever becomes of the child, the parent is as well as before. */
	if (r < 0)
		birth->stillborn(birth->arg, space, uffd);
	/* Nobody may end the child before its parent's record says that it was born. */
	shown = fi_space_show(space);
	if (r == 0 && (settled || space->newborn))
		birth->born(birth->arg, space, child);
	return shown;
}

static int change(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth)
{
	atomic_fetch_add_explicit(&space->generation, 1, memory_order_relaxed);
	switch (msg->event) {
	case UFFD_EVENT_REMAP:
		bump(&space->count->remaps);
		fi_space_log(space, FI_LOG_DEBUG, "remap %" PRIx64 " to %" PRIx64 ", %" PRIx64,
			     (uint64_t)msg->arg.remap.from, (uint64_t)msg->arg.remap.to,
			     (uint64_t)msg->arg.remap.len);
		return on_remap(space, msg->arg.remap.from, msg->arg.remap.to, msg->arg.remap.len,
				birth);
	case UFFD_EVENT_REMOVE:
		bump(&space->count->removes);
		return on_remove(space, msg->arg.remove.start, msg->arg.remove.end);
	case UFFD_EVENT_UNMAP:
		bump(&space->count->unmaps);
		fi_space_log(space, FI_LOG_DEBUG, "unmap %" PRIx64 "-%" PRIx64,
			     (uint64_t)msg->arg.remove.start, (uint64_t)msg->arg.remove.end);
		return on_unmap(space, msg->arg.remove.start, msg->arg.remove.end, birth);
	default:
		/* We asked for no others. */
		fi_space_log(space, FI_LOG_WARN, "unknown userfaultfd event %#x, ignoring",
			     msg->event);
		return 0;
	}
}

int fi_event_apply(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth)
{
	int r;

	space->applied++;
	if (msg->event == UFFD_EVENT_PAGEFAULT)
		return 0;
	if (msg->event == UFFD_EVENT_FORK) {
		atomic_fetch_add_explicit(&space->generation, 1, memory_order_relaxed);
		bump(&space->count->forks);
		return on_fork(space, (int)msg->arg.fork.ufd, birth);
	}
	r = space->newborn ? fi_newborn_hear(space, msg) : change(space, msg, birth);
	/* What a REMOVE has taken is not in the geometry, unless the order is open. */
	if (r == 0 && (msg->event != UFFD_EVENT_REMOVE || fi_events_unsettled(space)))
		r = fi_space_show(space);
	return r;
}

bool fi_events_unsettled(const struct fi_space *space)
{
	return space->newborn || space->past.open || fi_layout_count(&space->displaced);
}

int fi_events_settled(struct fi_space *space, const struct fi_birth *birth)
{
	int r = space->in_doubt ? fi_past_resolve(space) : 0;

	if (r == 0 && space->landed)
		r = settle_landed(space);
	if (r < 0)
		return r;
	deliver_all(space, true, birth);
	r = fi_space_drop(space, &space->displaced, 0, UINT64_MAX);
	fi_layout_clear(&space->displaced);
	if (r == 0)
		r = fi_past_end(space);
	return r == 0 ? fi_space_show(space) : r;
}

void fi_events_lost(struct fi_space *space, const struct fi_birth *birth)
{
	if (space->newborn)
		(void)grown_up(space, -ESRCH, birth);
	/* What was left open of a space that could not be followed is open for its children, too: for
	 * the next engine as well. */
	fi_space_show_failed(space);
	if (space->state == FI_SPACE_FAILED)
		for (size_t i = 0; i < space->nr_newborns; i++)
			space->newborns[i]->state = FI_SPACE_FAILED;
	deliver_all(space, false, birth);
}
