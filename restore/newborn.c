/* restore/newborn.c - see newborn.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Changes whose ranges meet are decided about together.  A history is some of them in some order; it
 * predicts what the child watches: an UNMAP and a move leave nothing (but for a MREMAP_DONTUNMAP,
 * behind which no UNMAP trails), a move brings something.  What was read before the FORK, in that
 * order, is the history of a program that does one thing after the other; if the child's answers allow
 * it, it is believed.  Else all others are tried, and those that the answers allow must come to the same.
 * If they do not, nobody can know: all missing pages look alike to the kernel.
 * (What grows has no event; see events.c.)
 */
#include "config.h"

#include "restore/newborn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "restore/past.h"

/* Of a search for what may have happened: all orders of seven changes. */
#define MAX_STEPS 14000

int fi_newborn_new(struct fi_space *child, const struct fi_space *parent)
{
	child->newborn = calloc(1, sizeof(*child->newborn));
	if (!child->newborn)
		return -ENOMEM;
	child->newborn->at = parent->past.nr_changes;
	return 0;
}

static int begin(struct fi_space *child, const struct fi_past *past, bool all)
{
	struct fi_newborn *newborn = child->newborn;
	size_t nr = past->nr_changes;

	newborn->all = all;
	newborn->begun = true;
	fi_layout_share(&past->before, &newborn->past.before);
	fi_layout_clear(&child->layout);
	fi_layout_share(&past->before, &child->layout);
	if (nr == 0)
		return 0;
	newborn->past.changes = malloc(nr * sizeof(newborn->past.changes[0]));
	if (!newborn->past.changes)
		return -ENOMEM;
	memcpy(newborn->past.changes, past->changes, nr * sizeof(past->changes[0]));
	newborn->past.nr_changes = nr;
	return 0;
}

int fi_newborn_begin(struct fi_space *child, const struct fi_space *parent, bool all)
{
	return begin(child, &parent->past, all);
}

int fi_newborn_hear(struct fi_space *child, const struct uffd_msg *msg)
{
	struct fi_newborn *newborn = child->newborn;
	struct uffd_msg *grown =
		realloc(newborn->heard, (newborn->nr_heard + 1) * sizeof(newborn->heard[0]));

	if (!grown)
		return -ENOMEM;
	grown[newborn->nr_heard++] = *msg;
	newborn->heard = grown;
	return 0;
}

int fi_newborn_fork(struct fi_space *grandchild, const struct fi_space *child)
{
	const struct fi_newborn *newborn = child->newborn;
	int r;

	grandchild->newborn = calloc(1, sizeof(*grandchild->newborn));
	if (!grandchild->newborn)
		return -ENOMEM;
	grandchild->newborn->at = newborn->at;
	r = begin(grandchild, &newborn->past, newborn->all);
	for (size_t i = 0; r == 0 && i < newborn->nr_heard; i++)
		r = fi_newborn_hear(grandchild, &newborn->heard[i]);
	return r;
}

struct uffd_msg *fi_newborn_end(struct fi_space *child, size_t *nr)
{
	struct fi_newborn *newborn = child->newborn;
	struct uffd_msg *heard = newborn->heard;

	*nr = newborn->nr_heard;
	fi_layout_clear(&newborn->past.before);
	free(newborn->past.changes);
	free(newborn);
	child->newborn = NULL;
	return heard;
}

/* --- what the child watches ------------------------------------------------------------------------ */

enum answer {
	NO,
	YES,
	GONE_NOW, /* the child has unmapped it since, if it was there */
	LATER,	  /* an event of the child's must be read first */
	DEAD,
};

static struct fi_change change_of(const struct uffd_msg *msg)
{
	if (msg->event == UFFD_EVENT_REMAP)
		return (struct fi_change){
			.start = msg->arg.remap.from,
			.end = msg->arg.remap.from + msg->arg.remap.len,
			.to = msg->arg.remap.to,
			.moved = true,
		};
	return (struct fi_change){
		.start = msg->arg.remove.start,
		.end = msg->arg.remove.end,
		.unmapped = msg->event == UFFD_EVENT_UNMAP,
		.discarded = msg->event == UFFD_EVENT_REMOVE,
	};
}

/* What the first message that means @at says of it. */
static bool told(const struct fi_newborn *newborn, uint64_t at, enum answer *ret)
{
	for (size_t i = 0; i < newborn->nr_heard; i++) {
		const struct fi_change change = change_of(&newborn->heard[i]);

		*ret = change.unmapped ? GONE_NOW : YES;
		if (at >= change.start && at < change.end)
			return true;
		*ret = NO; /* else an UNMAP would have come first */
		if (fi_leads_to(&change, at, FI_PAGE_SIZE))
			return true;
	}
	return false;
}

/* Whether the child watched @at when it was born. */
static enum answer watched(struct fi_space *child, uint64_t at)
{
	enum answer answer;

	if (told(child->newborn, at, &answer))
		return answer;
	switch (fi_space_probe_at(child, at)) {
	case 0:
		return YES;
	case -ENOENT:
		return NO;
	case -ESRCH:
		return DEAD;
	default:
		return LATER;
	}
}

static int error_of(enum answer answer)
{
	return answer == LATER ? -EAGAIN : answer == DEAD ? -ESRCH : 0;
}

/* --- how far the child has come --------------------------------------------------------------------- */

/* Changes whose ranges meet, as indices in the order of reading. */
struct group {
	size_t *change;
	size_t nr;
	uint64_t *border; /* addresses, one at least between any two borders */
	size_t nr_borders;
	enum answer *answer; /* for each */
};

/* What has happened of the past: these changes, in this order. */
struct history {
	size_t *change;
	size_t nr;
};

static bool meet(const struct fi_change *a, const struct fi_change *b)
{
	uint64_t len = fi_change_len(b);

	return fi_overlaps(a->start, a->end, b->start, len) || fi_leads_to(a, b->start, len) ||
	       (b->moved &&
		(fi_overlaps(a->start, a->end, b->to, len) || fi_leads_to(a, b->to, len)));
}

enum prediction { IS_NOT, IS, HARDLY, EITHER };

/* Whether @addr is watched after that. */
static enum prediction predict(const struct fi_newborn *newborn, const struct history *history,
			       uint64_t addr)
{
	const struct fi_past *past = &newborn->past;
	enum prediction is = fi_past_has(past, addr) ? IS : HARDLY;

	for (size_t i = 0; i < history->nr; i++) {
		const struct fi_change *change = &past->changes[history->change[i]];

		if (change->discarded)
			continue;
		if (addr >= change->start && addr < change->end)
			is = change->unmapped || change->trailed ? IS_NOT
			     : newborn->all			 ? IS
								 : EITHER;
		if (fi_leads_to(change, addr, FI_PAGE_SIZE))
			is = IS;
	}
	return is;
}

static bool is_about(const struct fi_past *past, const struct group *group, uint64_t addr)
{
	for (size_t i = 0; i < group->nr; i++) {
		const struct fi_change *change = &past->changes[group->change[i]];

		if ((addr >= change->start && addr < change->end) ||
		    fi_leads_to(change, addr, FI_PAGE_SIZE))
			return true;
	}
	return false;
}

static void find_borders(const struct fi_newborn *newborn, struct group *group)
{
	const struct fi_past *past = &newborn->past;
	uint64_t *border = group->border;
	size_t nr = 0;

	for (size_t i = 0; i < newborn->nr_heard; i++) {
		const struct fi_change change = change_of(&newborn->heard[i]);

		border[nr++] = change.start;
		border[nr++] = change.end;
		border[nr++] = change.to;
		border[nr++] = change.to + fi_change_len(&change);
	}

	for (size_t i = 0; i < group->nr; i++) {
		const struct fi_change *change = &past->changes[group->change[i]];

		border[nr++] = change->start;
		border[nr++] = change->end;
		border[nr++] = change->moved ? change->to : change->start;
		border[nr++] = change->moved ? change->to + fi_change_len(change) : change->start;
	}
	for (size_t i = 0; i < fi_layout_count(&past->before); i++) {
		border[nr++] = fi_layout_segment(&past->before, i)->start;
		border[nr++] = fi_layout_segment(&past->before, i)->end;
	}
	for (size_t i = 0; i < nr;)
		if (is_about(past, group, border[i]))
			i++;
		else
			border[i] = border[--nr];
	group->nr_borders = nr;
}

static int ask(struct fi_space *child, struct group *group)
{
	for (size_t i = 0; i < group->nr_borders; i++) {
		group->answer[i] = watched(child, group->border[i]);
		if (error_of(group->answer[i]) < 0)
			return error_of(group->answer[i]);
	}
	return 0;
}

/* What was moved was there to be moved, and nothing was where it came to: that would have been
 * unmapped first. */
static bool is_possible(const struct fi_newborn *newborn, const struct group *group,
			const struct history *history)
{
	for (size_t i = 0; i < history->nr; i++) {
		const struct fi_change *change = &newborn->past.changes[history->change[i]];
		const struct history before = { history->change, i };

		for (size_t k = 0; change->moved && k < group->nr_borders; k++) {
			uint64_t at = group->border[k];
			enum prediction is = predict(newborn, &before, at);

			if ((at >= change->start && at < change->end && is == IS_NOT) ||
			    (fi_leads_to(change, at, FI_PAGE_SIZE) && is == IS))
				return false;
		}
	}
	return true;
}

/* The child's answers to the group's questions allow that.  @strictly: nothing is watched that was not
 * so before, and where nothing has come; but it may have grown. */
static bool allowed(const struct fi_newborn *newborn, const struct group *group,
		    const struct history *history, bool strictly)
{
	for (size_t i = 0; i < group->nr_borders; i++) {
		enum prediction is = predict(newborn, history, group->border[i]);

		if (group->answer[i] != GONE_NOW && is != EITHER && (is != HARDLY || strictly) &&
		    (group->answer[i] == YES) != (is == IS))
			return false;
	}
	return true;
}

static bool owes(struct fi_space *space, uint64_t start, uint64_t end)
{
	struct fi_extent owed;

	return fi_space_next_owed(space, start, FI_PAGE_SIZE, &owed) && owed.addr < end;
}

static bool matters(struct fi_space *child, const struct group *group)
{
	const struct fi_past *past = &child->newborn->past;

	for (size_t i = 0; i < group->nr; i++) {
		const struct fi_change *change = &past->changes[group->change[i]];

		if (owes(child, change->start, change->end) ||
		    (change->moved && owes(child, change->to, change->to + fi_change_len(change))))
			return true;
	}
	return false;
}

/* Takes [start, end) out of @layout, and out of what @child owes unless it is NULL. */
static int lose(struct fi_layout *layout, uint64_t start, uint64_t end, struct fi_space *child)
{
	int r = child ? fi_space_drop(child, layout, start, end) : 0;

	return r == 0 ? fi_layout_cut(layout, start, end, NULL) : r;
}

static int move(struct fi_layout *layout, const struct fi_change *change, struct fi_space *child)
{
	struct fi_layout moving = FI_LAYOUT_EMPTY;
	int r = fi_layout_cut(layout, change->start, change->end, &moving);

	if (r == 0)
		r = lose(layout, change->to, change->to + fi_change_len(change), child);
	for (size_t i = 0; r == 0 && i < fi_layout_count(&moving); i++) {
		struct fi_segment segment = *fi_layout_segment(&moving, i);

		segment.start += change->to - change->start;
		segment.end += change->to - change->start;
		r = fi_layout_add(layout, &segment);
	}
	fi_layout_clear(&moving);
	return r;
}

static int happen(struct fi_layout *layout, const struct fi_change *change, struct fi_space *child)
{
	return change->moved ? move(layout, change, child)
			     : lose(layout, change->start, change->end, child);
}

/* What @before has become after that; what goes is owed by @child no more (NULL: only asking).  @ret is empty
 * before. */
static int play(const struct fi_past *past, const struct fi_layout *before,
		const struct history *history, struct fi_space *child, struct fi_layout *ret)
{
	int r = 0;

	fi_layout_share(before, ret);
	for (size_t i = 0; r == 0 && i < history->nr; i++)
		r = happen(ret, &past->changes[history->change[i]], child);
	return r;
}

/* The same, and after what was heard since. */
static int play_on(const struct fi_newborn *newborn, const struct history *history,
		   struct fi_layout *ret)
{
	int r = play(&newborn->past, &newborn->past.before, history, NULL, ret);

	for (size_t i = 0; r == 0 && i < newborn->nr_heard; i++) {
		const struct fi_change change = change_of(&newborn->heard[i]);

		r = happen(ret, &change, NULL);
	}
	return r;
}

static bool alike(const struct fi_layout *a, const struct fi_layout *b)
{
	if (fi_layout_count(a) != fi_layout_count(b))
		return false;
	for (size_t i = 0; i < fi_layout_count(a); i++) {
		const struct fi_segment *x = fi_layout_segment(a, i), *y = fi_layout_segment(b, i);

		if (x->start != y->start || x->end != y->end || x->origin != y->origin)
			return false;
	}
	return true;
}

/* A search for what may have happened of a group. */
struct search {
	const struct fi_newborn *newborn;
	const struct group *group;
	struct history try, found;
	struct fi_layout layout; /* after what was found */
	bool any, strictly;
	unsigned left; /* steps before it is given up */
};

/* Takes note of what is being tried if the answers allow it.  -ENOTRECOVERABLE: it is not the only
 * one, and it does matter. */
static int consider(struct search *search)
{
	struct fi_layout layout = FI_LAYOUT_EMPTY;
	int r;

	if (!is_possible(search->newborn, search->group, &search->try) ||
	    !allowed(search->newborn, search->group, &search->try, search->strictly))
		return 0;
	r = play_on(search->newborn, &search->try, &layout);
	if (r == 0 && search->any && !alike(&search->layout, &layout))
		r = -ENOTRECOVERABLE;
	if (r == 0 && !search->any) {
		search->any = true;
		search->layout = layout;
		layout = FI_LAYOUT_EMPTY;
		memcpy(search->found.change, search->try.change, search->try.nr * sizeof(size_t));
		search->found.nr = search->try.nr;
	}
	fi_layout_clear(&layout);
	return r;
}

static bool is_tried(const struct search *search, size_t change)
{
	for (size_t i = 0; i < search->try.nr; i++)
		if (search->try.change[i] == change)
			return true;
	return false;
}

/* Everything that can follow what is being tried. */
static int go_on(struct search *search)
{
	int r = search->left ? consider(search) : -ENOTRECOVERABLE;

	search->left--;
	for (size_t i = 0; r == 0 && i < search->group->nr; i++) {
		size_t change = search->group->change[i];

		if (search->newborn->past.changes[change].discarded || is_tried(search, change))
			continue;
		search->try.change[search->try.nr++] = change;
		r = go_on(search);
		search->try.nr--;
	}
	return r;
}

/* A move whose UNMAP was not read may have one that never will be. */
static bool is_open(const struct fi_newborn *newborn, const struct group *group)
{
	for (size_t i = 0; !newborn->all && i < group->nr; i++) {
		const struct fi_change *change = &newborn->past.changes[group->change[i]];

		if (change->moved && !change->trailed)
			return true;
	}
	return false;
}

/* Adds to @history what has happened of a group: as far as it was read before the FORK, in the order of reading; or, if
 * the answers do not allow that, what else they do allow.  What was discarded makes no difference to
 * what is watched; it is put in between in the order of reading. */
static int find_way(const struct fi_newborn *newborn, const struct group *group,
		    struct history *history)
{
	size_t *room = malloc(2 * group->nr * sizeof(room[0]));
	struct search search = { .newborn = newborn, .group = group, .left = MAX_STEPS };
	int r = room ? 0 : -ENOMEM;

	search.try.change = room;
	search.found.change = room ? room + group->nr : NULL;
	for (size_t i = 0; r == 0 && i < group->nr && group->change[i] < newborn->at; i++)
		if (!newborn->past.changes[group->change[i]].discarded)
			search.try.change[search.try.nr++] = group->change[i];
	if (r == 0 && !is_open(newborn, group))
		r = consider(&search);
	for (int strictly = 1; r == 0 && strictly >= 0 && !search.any; strictly--) {
		search.try.nr = 0;
		search.strictly = strictly;
		r = go_on(&search);
	}
	if (r == 0 && !search.any)
		r = -ENOTRECOVERABLE;
	for (size_t i = 0, k = 0; r == 0 && i <= search.found.nr; i++) {
		size_t next = i < search.found.nr ? search.found.change[i] : newborn->at;

		for (; k < group->nr && group->change[k] < next; k++)
			if (newborn->past.changes[group->change[k]].discarded &&
			    group->change[k] < newborn->at)
				history->change[history->nr++] = group->change[k];
		if (i < search.found.nr)
			history->change[history->nr++] = next;
	}
	fi_layout_clear(&search.layout);
	free(room);
	return r;
}

/* --- the layout ------------------------------------------------------------------------------------ */

/* Where nothing is owed any more nobody is asked, and nothing is said of what is there. */
static int forget(struct fi_layout *layout, const struct fi_past *past, const struct group *group)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < group->nr; i++) {
		const struct fi_change *change = &past->changes[group->change[i]];

		r = fi_layout_cut(layout, change->start, change->end, NULL);
		if (r == 0 && change->moved)
			r = fi_layout_cut(layout, change->to, change->to + fi_change_len(change),
					  NULL);
	}
	return r;
}

/* Adds to @history what has happened of one group, that of @first. */
static int decide_group(struct fi_space *child, const size_t *group_of, size_t first,
			struct history *history)
{
	const struct fi_newborn *newborn = child->newborn;
	const struct fi_past *past = &newborn->past;
	size_t nr_borders =
		4 * (past->nr_changes + newborn->nr_heard) + 2 * fi_layout_count(&past->before);
	struct group group = {
		.change = malloc(past->nr_changes * sizeof(group.change[0])),
		.border = malloc(nr_borders * sizeof(group.border[0])),
		.answer = malloc(nr_borders * sizeof(group.answer[0])),
	};
	int r = group.change && group.border && group.answer ? 0 : -ENOMEM;

	for (size_t i = first; r == 0 && i < past->nr_changes; i++)
		if (group_of[i] == group_of[first])
			group.change[group.nr++] = i;
	if (r == 0 && !matters(child, &group)) {
		r = forget(&child->layout, past, &group);
	} else if (r == 0) {
		find_borders(newborn, &group);
		r = ask(child, &group);
		if (r == 0)
			r = find_way(newborn, &group, history);
	}
	free(group.change);
	free(group.border);
	free(group.answer);
	return r;
}

static int decide(struct fi_space *child, struct history *history)
{
	const struct fi_past *past = &child->newborn->past;
	size_t *group_of = malloc((past->nr_changes + 1) * sizeof(group_of[0]));
	int r = group_of ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < past->nr_changes; i++) {
		group_of[i] = i;
		for (size_t k = 0; k < i; k++)
			if (meet(&past->changes[i], &past->changes[k]))
				for (size_t j = 0, old = group_of[k]; j <= i; j++)
					if (group_of[j] == old)
						group_of[j] = i;
	}
	for (size_t i = 0; r == 0 && i < past->nr_changes; i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = group_of[k] == group_of[i];
		if (!seen)
			r = decide_group(child, group_of, i, history);
	}
	free(group_of);
	return r;
}

/* Nothing more is heard from the parent, and a change may be unknown: everything must be where it is
 * thought to be.  What is owed no more, too: it may have been moved onto what is. */
static int check_places(struct fi_space *child)
{
	for (size_t i = 0; i < fi_layout_count(&child->layout); i++) {
		const struct fi_segment *segment = fi_layout_segment(&child->layout, i);

		for (uint64_t at = segment->start; at < segment->end; at += FI_PAGE_SIZE) {
			enum answer here = watched(child, at);

			if (here == NO)
				return -ENOTRECOVERABLE;
			if (error_of(here) < 0)
				return error_of(here);
		}
	}
	return 0;
}

int fi_newborn_lay_out(struct fi_space *child)
{
	const struct fi_past *past = &child->newborn->past;
	struct history history = { .change = malloc((past->nr_changes + 1) * sizeof(size_t)) };
	struct fi_layout layout = FI_LAYOUT_EMPTY;
	int r = history.change ? 0 : -ENOMEM;

	fi_layout_clear(&child->layout); /* an attempt before this one has changed it */
	fi_layout_share(&past->before, &child->layout);
	if (r == 0)
		r = decide(child, &history);
	if (r == 0)
		r = play(past, &child->layout, &history, child, &layout);
	free(history.change);
	if (r < 0) {
		fi_layout_clear(&layout);
		return r;
	}
	fi_layout_clear(&child->layout);
	child->layout = layout;
	return child->newborn->all ? 0 : check_places(child);
}
