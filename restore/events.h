/* restore/events.h - the kernel says that a space has changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_EVENTS_H
#define FI_RESTORE_EVENTS_H

#include <linux/userfaultfd.h>

#include "restore/space.h"

/* What the events of a space need from outside it.
 *
 * Told of each child that a FORK event brings.  The child is the callee's (its one user).  Called
 * behind the parent's closed gate, so it must not wait. */
struct fi_birth {
	void (*born)(void *arg, struct fi_space *parent, struct fi_space *child);
	/* There is no memory for the child's space; @uffd must stay open for ever (law 1). */
	void (*stillborn)(void *arg, struct fi_space *parent, int uffd);
	/* Whether what @parent has at @addr is wiped in a child (MADV_WIPEONFORK) as of now; the
	 * answer holds for [@addr, *@end).  Asked only about memory that was wiped at the dump and
	 * is still owed.  False: not known, and *@end untouched. */
	bool (*wipes)(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret);
	/* Whether the process of @space is known to have a single thread as of now. */
	bool (*alone)(void *arg, struct fi_space *space);
	void *arg;
};

/* Applies one event, in the order in which they were read.  Reader only, behind the closed gate;
 * a PAGEFAULT is not an event and is ignored.  Returns 0, -ENOMEM, or -ENOTRECOVERABLE (so many
 * threads changed one place at once that nobody can say what is where): then the layout is no longer
 * known and the space must be failed. */
int fi_event_apply(struct fi_space *space, const struct uffd_msg *msg,
		   const struct fi_birth *birth);

/* An event may still come that means something of the past: ask fi_space_probe whether one is
 * pending, and if none is, call fi_events_settled.  Reader only. */
bool fi_events_unsettled(const struct fi_space *space);

/* The events of all changes so far have been read (fi_space_probe said 0): decides what was left
 * open until then.   Reader only, behind the
 * closed gate.  Returns 0, -EAGAIN (new events wait: another time), -ESRCH, -ENOMEM or
 * -ENOTRECOVERABLE, as above. */
int fi_events_settled(struct fi_space *space, const struct fi_birth *birth);

/* A newborn (newborn.h) gets its layout, if that can be told now, and what it did meanwhile is applied.
 * Returns as above. */
int fi_events_grow_up(struct fi_space *space, const struct fi_birth *birth);

/* The space is no longer LIVE, and what else there was to be read will never be: decides about the
 * children that have waited for it.  Reader only. */
void fi_events_lost(struct fi_space *space, const struct fi_birth *birth);

#endif
