/* restore/drain.c - see drain.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk is never waited for inside the gate: a chunk whose bytes are not known to be mapped is
 * populated outside, and picked again if an event came between.
 */
#include "config.h"

#include "restore/drain.h"

#include "restore/fill.h"

#define CHUNK	    (32 * FI_PAGE_SIZE)
#define SHORT_CHUNK (4 * FI_PAGE_SIZE)
#define POPULATE    (UINT64_C(2) << 20)
#define READ_AHEAD  (UINT64_C(8) << 20)

/* What one page table maps. */
#define CLAIM (UINT64_C(2) << 20)

/* The next chunk of the claim; where it has none left, of a new one, from the space's cursor on and
 * around the end of memory if need be. */
static bool pick(struct fi_space *space, struct fi_claim *claim, uint64_t chunk,
		 struct fi_extent *ret)
{
	bool found = claim->at < claim->end && fi_space_next_owed(space, claim->at, chunk, ret) &&
		     ret->addr < claim->end;

	if (!found) {
		(void)pthread_mutex_lock(&space->drain_lock);
		found = fi_space_next_owed(space, space->drain_at, chunk, ret) ||
			(space->drain_at && fi_space_next_owed(space, 0, chunk, ret));
		if (found) {
			claim->end = (ret->addr & ~(CLAIM - 1)) + CLAIM;
			space->drain_at = claim->end;
		}
		(void)pthread_mutex_unlock(&space->drain_lock);
	}
	if (!found)
		return false;
	if (ret->len > claim->end - ret->addr)
		ret->len = claim->end - ret->addr;
	claim->at = ret->addr + ret->len;
	return true;
}

void fi_drain_from(struct fi_space *space, uint64_t addr)
{
	(void)pthread_mutex_lock(&space->drain_lock);
	space->drain_at = addr;
	(void)pthread_mutex_unlock(&space->drain_lock);
}

/* Inside the gate on entry and, when true, on return: @chunk's bytes are mapped and it is still
 * what the layout says. */
static bool ready(struct fi_space *space, const struct fi_extent *chunk, enum fi_pace pace)
{
	uint64_t generation = space->generation;

	if (!chunk->bytes ||
	    fi_source_is_populated(space->source, chunk->file, chunk->bytes, chunk->len))
		return true;

	fi_gate_leave(&space->gate);
	if (pace != FI_PACE_GENTLE) {
		if (fi_source_populate(space->source, chunk->file, chunk->bytes, POPULATE))
			fi_source_read_ahead(space->source, chunk->file, chunk->bytes + POPULATE,
					     READ_AHEAD);
	} else {
		(void)fi_source_populate(space->source, chunk->file, chunk->bytes, chunk->len);
	}
	if (!fi_gate_enter(&space->gate))
		return false;
	if (space->generation == generation)
		return true;
	fi_gate_leave(&space->gate);
	return false;
}

enum fi_step fi_drain_step(struct fi_space *space, struct fi_claim *claim, enum fi_pace pace)
{
	struct fi_extent chunk;
	enum fi_step step = FI_STEP_MORE;
	uint64_t len;

	if (!fi_gate_enter(&space->gate))
		return FI_STEP_RETRY;
	if (space->state != FI_SPACE_LIVE ||
	    !pick(space, claim, pace == FI_PACE_SHORT ? SHORT_CHUNK : CHUNK, &chunk)) {
		fi_gate_leave(&space->gate);
		return space->state == FI_SPACE_LIVE ? FI_STEP_IDLE : FI_STEP_END;
	}
	if (!ready(space, &chunk, pace)) {
		claim->at = chunk.addr;
		return FI_STEP_RETRY;
	}

	switch (fi_fill(space, &chunk, &space->count.drained, &len)) {
	case FI_FILLED:
	case FI_FILLED_BEFORE:
	case FI_FILLED_NOWHERE:
		if (len < chunk.len)
			claim->at = chunk.addr + len;
		break;
	case FI_FILLED_LATER:
		claim->at = chunk.addr;
		step = FI_STEP_RETRY;
		break;
	case FI_FILLED_END:
		step = FI_STEP_END;
		break;
	}
	fi_gate_leave(&space->gate);
	return step;
}
