/* restore/past.c - see past.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/past.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fi_past_begin(struct fi_space *space)
{
	if (space->past.open)
		return;
	space->past.open = true;
	fi_layout_share(&space->layout, &space->past.before);
}

/* Room for one more of @size bytes; @array is the address of a pointer. */
static int grow(void *array, size_t *room, size_t nr, size_t size)
{
	void **at = array;
	size_t more = *room ? 2 * *room : 8;
	void *grown;

	if (nr < *room)
		return 0;
	grown = realloc(*at, more * size);
	if (!grown)
		return -ENOMEM;
	*at = grown;
	*room = more;
	return 0;
}

int fi_past_add(struct fi_space *space, const struct fi_change *change)
{
	struct fi_past *past = &space->past;
	int r = grow(&past->changes, &past->room_changes, past->nr_changes, sizeof(*change));

	if (r == 0)
		past->changes[past->nr_changes++] = *change;
	return r;
}

bool fi_past_trails(struct fi_space *space, uint64_t start, uint64_t end)
{
	/* The last one: a MREMAP_DONTUNMAP from the same place may be before it. */
	for (size_t i = space->past.nr_changes; i-- > 0;) {
		struct fi_change *change = &space->past.changes[i];

		if (!change->moved || change->trailed || change->start != start ||
		    change->end != end)
			continue;
		change->trailed = true;
		return true;
	}
	return false;
}

static int leave(struct fi_space *space, const struct fi_segment *segment)
{
	int r = grow(&space->left, &space->room_left, space->nr_left, sizeof(space->left[0]));

	if (r == 0)
		space->left[space->nr_left++] = *segment;
	return r;
}

int fi_past_leave(struct fi_space *space, const struct fi_layout *gone)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_layout_count(gone); i++)
		r = leave(space, fi_layout_segment(gone, i));
	return r;
}

int fi_past_discard(struct fi_space *space, uint64_t start, uint64_t end)
{
	const struct fi_layout *layout = &space->layout;
	int r = 0;

	space->in_doubt = true;
	for (size_t i = fi_layout_lower_bound(layout, start);
	     r == 0 && i < fi_layout_count(layout) && fi_layout_segment(layout, i)->start < end;
	     i++) {
		struct fi_segment part = *fi_layout_segment(layout, i);

		if (part.start < start) {
			part.origin += start - part.start;
			part.start = start;
		}
		if (part.end > end)
			part.end = end;
		r = leave(space, &part);
	}
	return r;
}

int fi_past_bear(struct fi_space *space, struct fi_space *child)
{
	int r = grow(&space->newborns, &space->room_newborns, space->nr_newborns,
		     sizeof(space->newborns[0]));

	if (r == 0)
		space->newborns[space->nr_newborns++] = child;
	return r;
}

struct fi_space *fi_past_give_up(struct fi_space *space)
{
	struct fi_space *oldest = space->newborns[0];

	memmove(space->newborns, space->newborns + 1,
		--space->nr_newborns * sizeof(space->newborns[0]));
	return oldest;
}

static int drop(struct fi_space *space, const struct fi_segment *segment)
{
	struct fi_layout one = FI_LAYOUT_EMPTY;
	int r = fi_layout_add(&one, segment);

	if (r == 0)
		r = fi_space_drop(space, &one, segment->start, segment->end);
	fi_layout_clear(&one);
	return r;
}

int fi_past_end(struct fi_space *space)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < space->nr_left; i++)
		r = drop(space, &space->left[i]);
	space->nr_left = space->past.nr_changes = 0;
	fi_layout_clear(&space->past.before);
	space->past.open = space->in_doubt = false;
	return r;
}

/* --- moves that cross ---------------------------------------------------------------------------- */

bool fi_past_crosses(const struct fi_space *space, uint64_t from, uint64_t to, uint64_t len)
{
	for (size_t i = 0; i < space->past.nr_changes; i++) {
		const struct fi_change *change = &space->past.changes[i];

		if (change->moved && (fi_overlaps(change->start, change->end, to, len) ||
				      fi_leads_to(change, from, len)))
			return true;
	}
	return false;
}

/* The address at the dump of what a layout has at @addr; false if that is nothing. */
static bool origin_at(const struct fi_layout *layout, uint64_t addr, uint64_t *ret)
{
	size_t i = fi_layout_lower_bound(layout, addr);
	const struct fi_segment *segment;

	if (i == fi_layout_count(layout))
		return false;
	segment = fi_layout_segment(layout, i);
	*ret = segment->origin + (addr - segment->start);
	return segment->start <= addr;
}

bool fi_past_has(const struct fi_past *past, uint64_t addr)
{
	uint64_t origin;

	return origin_at(&past->before, addr, &origin);
}

static int carry(struct fi_space *space, uint64_t from, uint64_t to)
{
	struct fi_layout page = FI_LAYOUT_EMPTY;
	int r = fi_layout_cut(&space->layout, from, from + FI_PAGE_SIZE, &page);

	if (r == 0) {
		struct fi_segment segment = *fi_layout_segment(&page, 0);

		segment.start = to;
		segment.end = to + FI_PAGE_SIZE;
		r = fi_layout_add(&space->layout, &segment);
	}
	fi_layout_clear(&page);
	return r;
}

bool fi_past_unmapped(const struct fi_space *space, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < space->past.nr_changes; i++) {
		const struct fi_change *change = &space->past.changes[i];

		if (change->unmapped && change->start < end && change->end > start)
			return true;
	}
	return false;
}

/* Just one move leads there, and one away. */
static bool is_simple(const struct fi_past *past, uint64_t addr)
{
	size_t to = 0, from = 0;

	for (size_t i = 0; i < past->nr_changes; i++) {
		const struct fi_change *change = &past->changes[i];

		to += fi_leads_to(change, addr, FI_PAGE_SIZE);
		from += change->moved && addr >= change->start && addr < change->end;
	}
	return to == 1 && from == 1;
}

/* A move was read that leads from @source to @middle, and one from there to @target; which of them came
 * first?  What was brought is in the middle if that is watched.  Unless the move from there was a
 * MREMAP_DONTUNMAP, or there are more: then the order of reading is believed. */
static int resolve_page(struct fi_space *space, uint64_t source, uint64_t middle, uint64_t target,
			bool left_nothing)
{
	uint64_t here, there, brought;
	bool at_middle = origin_at(&space->layout, middle, &here);
	bool at_target = origin_at(&space->layout, target, &there);
	int watched;

	if (at_middle == at_target || !left_nothing || !is_simple(&space->past, middle))
		return 0;
	if (!origin_at(&space->past.before, source, &brought) ||
	    brought != (at_middle ? here : there))
		return 0; /* it has come by another way */
	watched = fi_space_probe_at(space, middle);
	if (watched == -EAGAIN || watched == -ESRCH)
		return watched;
	if (at_target)
		return watched == 0 ? carry(space, target, middle) : 0;
	if (watched == 0)
		return 0;
	if (fi_layout_segment(&space->layout, fi_layout_lower_bound(&space->layout, middle))
		    ->landing == FI_LANDING_DISPUTED)
		return 0; /* it may have gone from there: asked about later */
	watched = fi_space_probe_at(space, target);
	if (watched == -EAGAIN || watched == -ESRCH)
		return watched;
	return watched == 0 ? carry(space, middle, target) : 0;
}

int fi_past_resolve(struct fi_space *space)
{
	const struct fi_past *past = &space->past;
	int r = 0;

	for (size_t i = 0; i < past->nr_changes; i++)
		for (size_t k = 0; r == 0 && k < past->nr_changes; k++) {
			const struct fi_change *to = &past->changes[i], *from = &past->changes[k];
			uint64_t middle;

			if (!to->moved || !from->moved || i == k)
				continue;
			middle = to->to > from->start ? to->to : from->start;
			for (; r == 0 && middle < from->end && middle < to->to + fi_change_len(to);
			     middle += FI_PAGE_SIZE)
				r = resolve_page(space, middle - to->to + to->start, middle,
						 middle - from->start + from->to, from->trailed);
		}
	return r;
}
