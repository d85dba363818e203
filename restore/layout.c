/* restore/layout.c - see layout.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Invariant: segments are sorted, disjoint and non-empty.  An array is a durable block; one with more
 * than one owner is never written to.
 */
#include "config.h"

#include "restore/layout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "restore/durable.h"

struct fi_segments {
	size_t nr, room;
	struct fi_segment at[];
};

size_t fi_layout_count(const struct fi_layout *layout)
{
	return layout->shared ? layout->shared->nr : 0;
}

const struct fi_segment *fi_layout_segment(const struct fi_layout *layout, size_t i)
{
	return &layout->shared->at[i];
}

size_t fi_layout_lower_bound(const struct fi_layout *layout, uint64_t addr)
{
	size_t lo = 0, hi = fi_layout_count(layout);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (layout->shared->at[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Makes the array this layout's own, with room for @more further segments. */
static int own(struct fi_layout *layout, size_t more)
{
	struct fi_segments *old = layout->shared, *mine;
	size_t nr = old ? old->nr : 0;
	size_t room = nr + more;

	if (old && old->room >= room && fi_durable_sole(old))
		return 0;

	room += room / 2 + 8;
	mine = fi_durable_alloc(sizeof(*mine) + room * sizeof(mine->at[0]));
	if (!mine)
		return -ENOMEM;
	mine->nr = nr;
	mine->room = room;
	if (nr)
		memcpy(mine->at, old->at, nr * sizeof(mine->at[0]));
	fi_durable_release(old);
	layout->shared = mine;
	return 0;
}

int fi_layout_add(struct fi_layout *layout, const struct fi_segment *segment)
{
	struct fi_segments *s;
	size_t i;
	int r;

	r = own(layout, 1);
	if (r < 0)
		return r;

	s = layout->shared;
	i = fi_layout_lower_bound(layout, segment->start);
	assert(segment->start < segment->end && (i == s->nr || s->at[i].start >= segment->end));
	memmove(&s->at[i + 1], &s->at[i], (s->nr - i) * sizeof(s->at[0]));
	s->at[i] = *segment;
	s->nr++;
	return 0;
}

/* The part of @segment inside [start, end). */
static struct fi_segment clip(const struct fi_segment *segment, uint64_t start, uint64_t end)
{
	struct fi_segment part = *segment;

	if (part.start < start) {
		part.origin += start - part.start;
		part.start = start;
	}
	if (part.end > end)
		part.end = end;
	return part;
}

int fi_layout_cut(struct fi_layout *layout, uint64_t start, uint64_t end, struct fi_layout *ret)
{
	size_t first = fi_layout_lower_bound(layout, start);
	size_t last = first, nr_kept = 0;
	struct fi_segment kept[2];
	struct fi_segments *s;
	int r;

	while (last < fi_layout_count(layout) && layout->shared->at[last].start < end)
		last++;
	if (first == last)
		return 0;

	/* Everything that can fail comes before the first change. */
	r = own(layout, 1);
	if (r == 0 && ret)
		r = own(ret, last - first);
	if (r < 0)
		return r;

	s = layout->shared;
	for (size_t i = first; ret && i < last; i++) {
		struct fi_segment part = clip(&s->at[i], start, end);

		(void)fi_layout_add(ret, &part);
	}
	if (s->at[first].start < start)
		kept[nr_kept++] = clip(&s->at[first], 0, start);
	if (s->at[last - 1].end > end)
		kept[nr_kept++] = clip(&s->at[last - 1], end, UINT64_MAX);

	memmove(&s->at[first + nr_kept], &s->at[last], (s->nr - last) * sizeof(s->at[0]));
	memcpy(&s->at[first], kept, nr_kept * sizeof(kept[0]));
	s->nr = s->nr - (last - first) + nr_kept;
	return 0;
}

int fi_layout_land(struct fi_layout *layout, size_t i, enum fi_landing landing)
{
	int r;

	if (layout->shared->at[i].landing == landing)
		return 0;
	r = own(layout, 0);
	if (r == 0)
		layout->shared->at[i].landing = landing;
	return r;
}

void fi_layout_share(const struct fi_layout *layout, struct fi_layout *copy)
{
	copy->shared = layout->shared;
	fi_durable_share(copy->shared);
}

void fi_layout_clear(struct fi_layout *layout)
{
	fi_durable_release(layout->shared);
	layout->shared = NULL;
}

uint32_t fi_layout_ref(const struct fi_layout *layout)
{
	return fi_durable_ref(layout->shared);
}

struct fi_layout fi_layout_at(uint32_t ref)
{
	return (struct fi_layout){ fi_durable_at(ref) };
}
