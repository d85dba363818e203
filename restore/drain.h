/* restore/drain.h - the drain lane: one chunk of a space for which nobody waits yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_DRAIN_H
#define FI_RESTORE_DRAIN_H

#include "restore/demand.h"

/* Copies the next owed chunk: small, so that the gate costs demand no more than some tens of
 * microseconds.  Any number of drain workers, also on one space.
 *
 * IDLE: the space owes nothing that a copy could give. */
enum fi_step fi_drain_step(struct fi_space *space);

#endif
