/* restore/takeover.h - a new engine finds what the dead one has left, and goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A step without threads: the old engine is gone altogether, and the new one has none yet.  From the
 * ledger it makes the spaces, applies what was read and not applied, finishes the closing of spaces
 * that had come to their end, and lets every fault that was read and not answered be asked again.
 * With an empty ledger it does nothing.
 *
 * What can be redone is redone:
 *   a page copied and still called owed	is there already (EEXIST) when it is copied again
 *   an event applied and not shown		is applied again to what it was applied to
 *   a child recorded, its parent not		is known by the serial number of its FORK
 *   a closing begun				is finished, unless the number is another's by now
 */
#ifndef FI_RESTORE_TAKEOVER_H
#define FI_RESTORE_TAKEOVER_H

#include "restore/events.h"

struct fi_heir {
	/* The image's task with this vpid; never NULL for one that had a space. */
	const struct fi_task_image *(*task)(void *arg, uint32_t vpid);
	struct fi_source *source;
	struct fi_birth birth; /* all but `born`, which is not called */

	/* Told of every space when all is done, in the order of their ids.  The space is the
	 * callee's (its one user). */
	void (*found)(void *arg, struct fi_space *space);
	void *arg;
};

/* Returns how many spaces there are, or a negative errno (-ENOMEM): then nothing was found, and
 * another takeover may be tried, in a new process. */
int fi_takeover(const struct fi_heir *heir);

#endif
