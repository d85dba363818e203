/* restore/fate.h - what becomes of a space after a step.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Decides; the reader acts on it, and has threads, descriptors to wait for and signals to send.
 */
#ifndef FI_RESTORE_FATE_H
#define FI_RESTORE_FATE_H

#include "restore/demand.h"

enum fi_fate {
	FI_FATE_WAIT, /* step it again when its descriptor is readable, or when somebody calls */
	FI_FATE_SOON, /* step it again soon, whether its descriptor is readable or not */
	FI_FATE_DOOM, /* it cannot be served: kill its task, and call again soon until it is gone */
	FI_FATE_END,  /* it owes nothing, or its task is gone: fi_space_retire */
};

/* After a step.  @restored: the restore is finished, nothing more is registered.  Reader only. */
enum fi_fate fi_fate_after(struct fi_space *space, enum fi_step step, bool restored,
			   const struct fi_birth *birth);

/* When somebody has called: the task may have gone, the drain may be through or have found that the
 * space cannot be served, the restore may be finished, or may have failed (@abandoned: every task
 * of it must end).  Reader only. */
enum fi_fate fi_fate_called(struct fi_space *space, bool restored, bool abandoned,
			    const struct fi_birth *birth);

/* After a drain step: whether the reader must be called.  Any thread. */
bool fi_fate_calls(struct fi_space *space, enum fi_step drained);

#endif
