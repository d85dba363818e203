/* restore/past.h - what a space has been told since it was last settled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A space is settled when the events of all changes so far have been read (events.c).  Until then
 * the order of what was read need not be the order of what happened, so it is kept: the layout of
 * before, the changes in the order of reading, the content that they have left without a place, and
 * the children that were born meanwhile (newborn.h).
 *
 * Reader only, behind the closed gate.
 */
#ifndef FI_RESTORE_PAST_H
#define FI_RESTORE_PAST_H

#include "restore/space.h"

static inline bool fi_overlaps(uint64_t start, uint64_t end, uint64_t at, uint64_t len)
{
	return at < end && start < at + len;
}

static inline uint64_t fi_change_len(const struct fi_change *change)
{
	return change->end - change->start;
}

/* A move that leads to what is at [at, at + len). */
static inline bool fi_leads_to(const struct fi_change *change, uint64_t at, uint64_t len)
{
	return change->moved &&
	       fi_overlaps(change->to, change->to + fi_change_len(change), at, len);
}

/* The layout of before has something at @addr. */
bool fi_past_has(const struct fi_past *past, uint64_t addr);

/* From here on the past is kept.  Nothing, if it is already.  Cannot fail. */
void fi_past_begin(struct fi_space *space);

/* Adds a change.  Returns 0 or -ENOMEM. */
int fi_past_add(struct fi_space *space, const struct fi_change *change);

/* A REMAP was read whose UNMAP of where the memory was, this range, was not: it now was.  False:
 * there is none. */
bool fi_past_trails(struct fi_space *space, uint64_t start, uint64_t end);

/* An UNMAP was read of something in [start, end). */
bool fi_past_unmapped(const struct fi_space *space, uint64_t start, uint64_t end);

/* Another move leads to where this one comes from, or the other way round.  In the order of reading
 * content was carried on, or was not; the kernel may have had it differently.  Until that is resolved
 * nothing may be copied. */
bool fi_past_crosses(const struct fi_space *space, uint64_t from, uint64_t to, uint64_t len);

/* Once all events have been read: puts what was carried on, or was not, where the kernel has it.
 * Returns 0; -EAGAIN (new events wait: it must be done again); -ENOMEM; -ESRCH. */
int fi_past_resolve(struct fi_space *space);

/* Keeps content that has left the layout: it stays owed, because a child may have it still.  Returns 0
 * or -ENOMEM. */
int fi_past_leave(struct fi_space *space, const struct fi_layout *gone);

/* The same for what is in [start, end) of the layout, and stays there without being owed.  Until the end
 * nothing may be copied. */
int fi_past_discard(struct fi_space *space, uint64_t start, uint64_t end);

/* Keeps a child, which is its parent's then.  Returns 0 or -ENOMEM. */
int fi_past_bear(struct fi_space *space, struct fi_space *child);

/* The oldest child that is kept, of at least one: the caller's. */
struct fi_space *fi_past_give_up(struct fi_space *space);

/* The end of the past: what was left is owed no more.  Returns 0 or -ENOMEM. */
int fi_past_end(struct fi_space *space);

#endif
