/* restore/demand.h - the demand lane: one step for a space whose task may be waiting for a page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_DEMAND_H
#define FI_RESTORE_DEMAND_H

#include "restore/events.h"
#include "restore/space.h"

enum fi_step {
	FI_STEP_IDLE,  /* nothing to do until the descriptor is readable (or, drain: until told) */
	FI_STEP_MORE,  /* did something, there may be more */
	FI_STEP_RETRY, /* something waits for an event or for memory: try again soon */
	FI_STEP_END,   /* the space's state is no longer LIVE */
};

/* Reads what there is, at most one batch, applies its events and answers its faults and those that
 * were parked.  Reader only. */
enum fi_step fi_demand_step(struct fi_space *space, const struct fi_birth *birth);

/* A step must follow soon even if the descriptor does not become readable.  Reader only. */
bool fi_demand_unfinished(const struct fi_space *space);

#endif
