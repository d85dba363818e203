/* restore/fate.c - see fate.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/fate.h"

#include <errno.h>

enum fi_fate fi_fate_after(struct fi_space *space, enum fi_step step, bool restored,
			   const struct fi_birth *birth)
{
	if (space->state != FI_SPACE_LIVE)
		fi_events_lost(space, birth);
	switch ((enum fi_space_state)space->state) {
	case FI_SPACE_GONE:
		return FI_FATE_END;
	case FI_SPACE_FAILED:
		return FI_FATE_DOOM;
	case FI_SPACE_LIVE:
		break;
	}
	/* Whoever asks, and whatever the step was: no parked fault may be forgotten (law 3). */
	if (step == FI_STEP_RETRY || fi_demand_unfinished(space))
		return FI_FATE_SOON;
	if (!restored || fi_space_nr_owed(space) > 0)
		return FI_FATE_WAIT;
	/* An UNMAP that was read may have settled the last pages while the FORK of another thread,
	 * which came before it, is still to be read: its child owes them. */
	return fi_space_probe(space) == -EAGAIN ? FI_FATE_SOON : FI_FATE_END;
}

enum fi_fate fi_fate_called(struct fi_space *space, bool restored, bool abandoned,
			    const struct fi_birth *birth)
{
	if (abandoned && space->state == FI_SPACE_LIVE)
		space->state = FI_SPACE_FAILED;
	/* Even if it is gone by now, it is known as one that failed: by its children, too. */
	if (space->state == FI_SPACE_FAILED && !space->doomed) {
		fi_events_lost(space, birth);
		return FI_FATE_DOOM;
	}
	if (fi_space_probe(space) == -ESRCH)
		space->state = FI_SPACE_GONE;
	return fi_fate_after(space, FI_STEP_IDLE, restored, birth);
}

bool fi_fate_calls(struct fi_space *space, enum fi_step drained)
{
	return drained == FI_STEP_END || fi_space_nr_owed(space) == 0;
}
