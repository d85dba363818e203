/* restore/newborn.h - a child of which it is not known yet what it has where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A FORK may be read before and after the events of other changes that the child has been through,
 * or not (events.c).  So a child whose parent was not settled when it was born is a newborn until
 * the parent is: it owes what the parent owed then, but nobody copies into it.  Then its own
 * userfaultfd is asked which places it watches.  If the child has gone on meanwhile, and waits for
 * an event of its own to be read, that is read and kept: the event says what was where, too.
 *
 * Reader only, behind the closed gate.
 */
#ifndef FI_RESTORE_NEWBORN_H
#define FI_RESTORE_NEWBORN_H

#include <linux/userfaultfd.h>

#include "restore/space.h"

struct fi_newborn {
	struct fi_past past; /* the parent's; only from its beginning on */
	bool begun;
	bool all;  /* of the parent's past */
	size_t at; /* how many changes had been read before its FORK */
	struct uffd_msg *heard;
	size_t nr_heard;
};

/* Makes @child a newborn: its FORK has been read.  Returns 0 or -ENOMEM. */
int fi_newborn_new(struct fi_space *child, const struct fi_space *parent);

/* Gives the newborn the past of @parent, which is settled now (@all), or of which nothing
 * more will be heard.  Before that nothing below may be called but the end.  Returns 0 or -ENOMEM. */
int fi_newborn_begin(struct fi_space *child, const struct fi_space *parent, bool all);

/* Makes @grandchild, whose FORK was read from the newborn @child, a newborn with the same past, and what
 * was heard.  Returns 0 or -ENOMEM. */
int fi_newborn_fork(struct fi_space *grandchild, const struct fi_space *child);

/* Gives the newborn its layout.
 *
 * Returns 0: it has it, and what was heard from it (fi_newborn_heard) is to be applied now.
 *   -EAGAIN   it has gone on: read from it, have it hear that, and try again
 *   -ENOMEM
 *   -ESRCH    it is gone
 *   -ENOTRECOVERABLE  it cannot be told what it has where
 */
int fi_newborn_lay_out(struct fi_space *child);

/* Keeps a message that was read from it.  Returns 0 or -ENOMEM. */
int fi_newborn_hear(struct fi_space *child, const struct uffd_msg *msg);

/* It is one no more.  What was heard is the caller's (free); *@nr is how many messages. */
struct uffd_msg *fi_newborn_end(struct fi_space *child, size_t *nr);

#endif
