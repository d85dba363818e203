/* restore/events.c - see events.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Events of one thread come in order, but two threads can be seen the wrong way round: the kernel
 * queues an event only after it has dropped the mmap lock.  It does count the change under that lock
 * (mmap_changing), lets no copy through while the count is not 0, and takes it back when the event
 * has been read.  So whenever a probe finds no event pending, the space is settled: every event of
 * every change so far has been read.  In between nothing can be given, so nothing is lost by
 * deciding then.  Three things wait for it:
 *
 * Displaced.  When thread A unmaps X (or moves it away) and thread B then moves other memory to X,
 * B's REMAP may be read first and finds A's old content still at X.  That is set aside until A's
 * event, which means it and not what has landed on X, arrives; when the space is settled it has no
 * owner left.
 *
 * Landed.  Where nothing of the image was at X, there is nothing to set aside, and A's UNMAP finds
 * what B has moved there.  Or it is a true unmapping of what has landed.  So an UNMAP of what landed
 * since the space was settled makes it disputed, and when the space is settled the kernel is asked
 * page by page whether anything watched is there (ENOENT: no).
 *
 * An mremap sends two events: REMAP and, when that has been read, UNMAP of where the memory was (not
 * with MREMAP_DONTUNMAP), where another thread may meanwhile have put something else.  So each REMAP
 * notes that such an UNMAP trails behind it, and the first UNMAP of exactly that range excuses what
 * has landed there: the kernel is asked as well, but until then it has not gone.
 *
 * Left.  A fork's event, too, may come after that of another thread's later UNMAP; and when there is
 * no descriptor for the child, the kernel puts it behind the others.  So what an UNMAP takes out is
 * still owed until the space is settled, for children: which of it they have their own userfaultfd
 * tells.
 *
 * What remains: if a program with several threads moves memory, unmaps it there, and has another
 * mapping grow over the hole (of which no event tells), all before one probe has found nothing
 * pending, then the pages that grew are watched, and get the bytes of what was unmapped.  A program
 * with one thread cannot: its events come in order, so what it moves is not asked about.  The same
 * goes for memory that was unmapped and grown over in that time, and then forked: the child gets it.
 * A FORK that comes before the REMAP of an earlier move has the memory where it was.  And a REMAP
 * of memory that nothing of the image was in, read after another thread's REMAP to that place, is
 * taken to move on what has just come.
 */
#include "config.h"

#include "restore/events.h"

#include <errno.h>
#include <inttypes.h>

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

/* What was left in [start, end) is nobody's any more. */
static int forget_left(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout old = FI_LAYOUT_EMPTY;
	int r = fi_layout_cut(&space->left, start, end, &old);

	if (r == 0)
		r = fi_space_drop(space, &old, start, end);
	fi_layout_clear(&old);
	return r;
}

/* What an UNMAP has taken out is kept until nobody can have forked before. */
static int leave(struct fi_space *space, const struct fi_layout *gone)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(gone); i++) {
		struct fi_segment segment = *fi_layout_segment(gone, i);

		r = forget_left(space, segment.start, segment.end);
		segment.landing = FI_LANDING_OLD;
		if (r == 0)
			r = fi_layout_add(&space->left, &segment);
	}
	return r;
}

static int on_unmap(struct fi_space *space, uint64_t start, uint64_t end,
		    const struct fi_birth *birth)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	bool trailing = spend_trailing(space, start, end);
	int r;

	if (trailing)
		r = fi_layout_cut(&space->layout, start, end, &gone);
	else
		r = take(space, start, end, &gone);
	if (r == 0 && space->landed)
		r = put_back(space, &gone, trailing ? FI_LANDING_EXCUSED : FI_LANDING_DISPUTED);
	if (r == 0 && fi_layout_count(&gone))
		r = birth->alone(birth->arg, space) ? fi_space_drop(space, &gone, start, end)
						    : leave(space, &gone);
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

/* A REMAP comes to [start, end): so what is disputed there is gone, and not only as far as content
 * comes, because a mapping may grow as it moves. */
static int end_disputes(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_layout gone = FI_LAYOUT_EMPTY;
	int r = 0;

	for (size_t i = fi_layout_lower_bound(&space->layout, start);
	     r == 0 && i < fi_layout_count(&space->layout);) {
		struct fi_segment segment = *fi_layout_segment(&space->layout, i);

		if (segment.start >= end)
			break;
		if (segment.landing != FI_LANDING_DISPUTED)
			i++;
		else
			r = fi_layout_cut(&space->layout, segment.start, segment.end, &gone);
	}
	if (r == 0)
		r = fi_space_drop(space, &gone, 0, UINT64_MAX);
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
	struct fi_layout moving = FI_LAYOUT_EMPTY;
	/* Whoever has an UNMAP of before to come sleeps until it is read: a single thread means that
	 * there is none. */
	bool alone = birth->alone(birth->arg, space);
	int r;

	r = take(space, from, from + len, &moving);
	if (r == 0)
		r = forget_left(space, to, to + len);
	if (r == 0)
		r = displace(space, to, to + len);
	if (r == 0 && !alone)
		r = add_trailing(space, from, from + len);
	if (fi_layout_count(&moving) && !alone)
		space->landed = true;
	for (size_t i = 0; r == 0 && i < fi_layout_count(&moving); i++) {
		struct fi_segment segment = *fi_layout_segment(&moving, i);

		segment.start = segment.start - from + to;
		segment.end = segment.end - from + to;
		segment.landing = alone ? FI_LANDING_OLD : FI_LANDING_NEW;
		r = fi_layout_add(&space->layout, &segment);
	}
	fi_layout_clear(&moving);
	return r;
}

/* Takes those pages of a disputed segment out of the layout that the kernel has nowhere.  False in
 * *@told: new events wait, so it is still disputed. */
static int ask(struct fi_space *space, const struct fi_segment *disputed, bool *told)
{
	int r = 0;

	*told = true;
	for (uint64_t addr = disputed->start; r == 0 && addr < disputed->end;
	     addr += FI_PAGE_SIZE) {
		struct fi_layout gone = FI_LAYOUT_EMPTY;
		int answer = fi_space_probe_at(space, addr);

		if (answer == -EAGAIN || answer == -ESRCH) {
			*told = false;
			return 0;
		}
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
	bool all_told = true;
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(&space->layout); i++)
		if (fi_layout_segment(&space->layout, i)->landing == FI_LANDING_NEW)
			r = fi_layout_land(&space->layout, i, FI_LANDING_OLD);

	for (size_t i = 0; r == 0 && i < fi_layout_count(&space->layout);) {
		struct fi_segment segment = *fi_layout_segment(&space->layout, i);
		bool told = true;

		if (segment.landing != FI_LANDING_OLD)
			r = ask(space, &segment, &told);
		all_told = all_told && told;
		for (i = fi_layout_lower_bound(&space->layout, segment.start);
		     r == 0 && i < fi_layout_count(&space->layout) &&
		     fi_layout_segment(&space->layout, i)->start < segment.end;
		     i++)
			if (told)
				r = fi_layout_land(&space->layout, i, FI_LANDING_OLD);
	}
	if (r == 0)
		space->landed = !all_told;
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

/* Whether the child has what its parent has left at @addr.  If that cannot be told any more, because
 * it has gone on, it had it. */
static bool has(struct fi_space *child, uint64_t addr)
{
	size_t at = fi_layout_lower_bound(&child->layout, addr);

	if (at < fi_layout_count(&child->layout) &&
	    fi_layout_segment(&child->layout, at)->start <= addr)
		return false; /* something else has come there */
	return fi_space_probe_at(child, addr) != -ENOENT;
}

/* Gives the child what it has of what its parent has left since the fork. */
static int give_back(struct fi_space *child, const struct fi_layout *left)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(left); i++) {
		const struct fi_segment *segment = fi_layout_segment(left, i);
		uint64_t addr = segment->start, end;

		for (; r == 0 && addr < segment->end; addr = end) {
			struct fi_segment part = *segment;
			bool given = has(child, addr);

			for (end = addr + FI_PAGE_SIZE;
			     end < segment->end && has(child, end) == given;)
				end += FI_PAGE_SIZE;
			part.start = addr;
			part.end = end;
			part.origin += addr - segment->start;
			r = given ? fi_layout_add(&child->layout, &part)
				  : fi_space_drop(child, left, addr, end);
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
		r = give_back(child, &space->left);
		if (r == 0)
			r = wipe(space, child, birth);
		/* The child's descriptor brings nothing of before the fork, and says what it has. */
		if (r == 0 && child->landed)
			r = settle_landed(child);
		if (r == 0)
			r = fi_space_show(child);
		if (r < 0) {
			child->uffd = -EBADF;
			fi_space_put(child);
		}
	}
	if (r < 0) {
		birth->stillborn(birth->arg, space, uffd);
		return fi_space_show(space); /* the parent is as well as before */
	}
	/* Nobody may end the child before its parent's record says that it was born. */
	r = fi_space_show(space);
	birth->born(birth->arg, space, child);
	return r;
}

int fi_event_apply(struct fi_space *space, const struct uffd_msg *msg, const struct fi_birth *birth)
{
	int r;

	space->applied++;
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
		r = on_remap(space, msg->arg.remap.from, msg->arg.remap.to, msg->arg.remap.len,
			     birth);
		return r == 0 ? fi_space_show(space) : r;
	case UFFD_EVENT_REMOVE:
		bump(&space->count.removes);
		return fi_space_drop(space, &space->layout, msg->arg.remove.start,
				     msg->arg.remove.end);
	case UFFD_EVENT_UNMAP:
		bump(&space->count.unmaps);
		fi_space_log(space, FI_LOG_DEBUG, "unmap %" PRIx64 "-%" PRIx64,
			     (uint64_t)msg->arg.remove.start, (uint64_t)msg->arg.remove.end);
		r = on_unmap(space, msg->arg.remove.start, msg->arg.remove.end, birth);
		return r == 0 ? fi_space_show(space) : r;
	default:
		/* We asked for no others. */
		fi_space_log(space, FI_LOG_WARN, "unknown userfaultfd event %#x, ignoring",
			     msg->event);
		return 0;
	}
}

bool fi_events_unsettled(const struct fi_space *space)
{
	return fi_layout_count(&space->displaced) || fi_layout_count(&space->left) ||
	       space->landed || space->nr_trailing;
}

int fi_events_settled(struct fi_space *space)
{
	int r = fi_space_drop(space, &space->displaced, 0, UINT64_MAX);

	if (r == 0)
		r = fi_space_drop(space, &space->left, 0, UINT64_MAX);
	fi_layout_clear(&space->displaced);
	fi_layout_clear(&space->left);
	space->nr_trailing = 0;
	if (r == 0 && space->landed)
		r = settle_landed(space);
	return r == 0 ? fi_space_show(space) : r;
}
