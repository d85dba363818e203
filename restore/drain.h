/* restore/drain.h - the drain lane: one chunk of a space for which nobody waits yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_DRAIN_H
#define FI_RESTORE_DRAIN_H

#include "restore/demand.h"

enum fi_pace {
	FI_PACE_FULL,
	FI_PACE_SHORT, /* faults arrive in this space: short chunks, so that the gate is soon free */
	FI_PACE_STREAM, /* faults arrive in order: chunks that keep ahead of them */
	FI_PACE_AHEAD,	/* the same, and no further ahead than the stream is sure of */
	FI_PACE_GENTLE, /* a task waits for the disk: read no more than the chunk itself */
};

/* Where a drain worker is at work in a space: [at, end), at most a page table's worth, so that two
 * workers do not meet at one page table's lock.  All zero: nowhere yet. */
struct fi_claim {
	uint64_t at, end;
};

/* Copies the next owed chunk: small, so that the gate costs demand no more than some tens of
 * microseconds.  Any number of drain workers, also on one space, each with its own claim; a claim is
 * for one space only.
 *
 * IDLE: the space owes nothing that a copy could give, as far as the pace goes. */
enum fi_step fi_drain_step(struct fi_space *space, struct fi_claim *claim, enum fi_pace pace);

/* Whether there may be something for FI_PACE_AHEAD. */
bool fi_drain_is_behind(struct fi_space *space);

/* While faults arrive, [from, to) is left to them, and the next claim begins behind it; with FI_PACE_AHEAD
 * it ends @reach bytes behind @to. */
void fi_drain_keep_off(struct fi_space *space, uint64_t from, uint64_t to, uint64_t reach);

#endif
