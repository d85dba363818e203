/* restore/drain.c - see drain.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The disk is never waited for inside the gate: bytes that are not mapped are read outside, and the
 * chunk is picked again if an event came between.
 */
#include "config.h"

#include "restore/drain.h"

#include "restore/fill.h"
#include "restore/probes.h"

#define CHUNK	     FI_FETCH_MAX
#define GENTLE_CHUNK (32 * FI_PAGE_SIZE)
#define STREAM_CHUNK (16 * FI_PAGE_SIZE)
#define SHORT_CHUNK  (4 * FI_PAGE_SIZE)

/* What one page table maps. */
#define CLAIM (UINT64_C(2) << 20)

/* The first owed page at or after @addr that the pace allows. */
static bool next_free(struct fi_space *space, uint64_t addr, uint64_t chunk, enum fi_pace pace,
		      struct fi_extent *ret)
{
	bool found = fi_space_next_owed(space, addr, chunk, ret);

	if (found && pace != FI_PACE_FULL && ret->addr + ret->len > space->kept_from &&
	    ret->addr < space->kept_to)
		found = fi_space_next_owed(space, space->kept_to, chunk, ret);
	return found && (pace != FI_PACE_AHEAD || (ret->addr >= space->kept_to &&
						   ret->addr < space->kept_to + space->kept_reach));
}

/* A new claim, from the space's cursor on and around the end of memory if need be. */
static bool stake(struct fi_space *space, struct fi_claim *claim, uint64_t chunk, enum fi_pace pace,
		  struct fi_extent *ret)
{
	bool found = next_free(space, space->drain_at, chunk, pace, ret);

	if (!found && pace == FI_PACE_AHEAD)
		space->drain_at = space->kept_to + space->kept_reach;
	else if (!found && space->drain_at)
		found = next_free(space, 0, chunk, pace, ret);
	if (found) {
		claim->end = (ret->addr & ~(CLAIM - 1)) + CLAIM;
		space->drain_at = claim->end;
	}
	return found;
}

/* The next chunk of the claim; where it has none left, of a new one. */
static bool pick(struct fi_space *space, struct fi_claim *claim, uint64_t chunk, enum fi_pace pace,
		 struct fi_extent *ret)
{
	bool found;

	(void)pthread_mutex_lock(&space->drain_lock);
	found = claim->at < claim->end && next_free(space, claim->at, chunk, pace, ret) &&
		ret->addr < claim->end;
	if (!found)
		found = stake(space, claim, chunk, pace, ret);
	(void)pthread_mutex_unlock(&space->drain_lock);
	if (!found)
		return false;
	if (ret->len > claim->end - ret->addr)
		ret->len = claim->end - ret->addr;
	claim->at = ret->addr + ret->len;
	return true;
}

bool fi_drain_is_behind(struct fi_space *space)
{
	bool behind;

	(void)pthread_mutex_lock(&space->drain_lock);
	behind = space->drain_at < space->kept_to + space->kept_reach;
	(void)pthread_mutex_unlock(&space->drain_lock);
	return behind;
}

void fi_drain_keep_off(struct fi_space *space, uint64_t from, uint64_t to, uint64_t reach)
{
	(void)pthread_mutex_lock(&space->drain_lock);
	space->kept_from = from;
	space->kept_to = to;
	space->kept_reach = reach;
	space->drain_at = to;
	(void)pthread_mutex_unlock(&space->drain_lock);
}

/* Inside the gate on entry and, when true, on return: @chunk's bytes can be copied at once, and it is
 * still what the layout says. */
static bool ready(struct fi_space *space, struct fi_extent *chunk, uint8_t *room, enum fi_fetch why)
{
	uint64_t generation = space->generation;

	if (!chunk->bytes ||
	    fi_source_is_mapped(space->source, chunk->file, chunk->bytes, chunk->len))
		return true;

	fi_gate_leave(&space->gate);
	chunk->bytes =
		fi_source_fetch(space->source, chunk->file, chunk->bytes, chunk->len, room, why);
	if (!chunk->bytes || !fi_gate_enter(&space->gate))
		return false;
	if (space->generation == generation)
		return true;
	fi_gate_leave(&space->gate);
	return false;
}

static uint64_t chunk_of(enum fi_pace pace)
{
	switch (pace) {
	case FI_PACE_FULL:
		return CHUNK;
	case FI_PACE_STREAM:
	case FI_PACE_AHEAD:
		return STREAM_CHUNK;
	case FI_PACE_SHORT:
		return SHORT_CHUNK;
	default:
		return GENTLE_CHUNK;
	}
}

enum fi_step fi_drain_step(struct fi_space *space, struct fi_claim *claim, enum fi_pace pace)
{
	uint8_t room[FI_FETCH_MAX] __attribute__((aligned(FI_PAGE_SIZE)));
	struct fi_extent chunk;
	enum fi_step step = FI_STEP_MORE;
	enum fi_filled how;
	uint64_t len;

	if (!fi_gate_enter(&space->gate))
		return FI_STEP_RETRY;
	if (fi_space_on_hold(space)) {
		fi_gate_leave(&space->gate);
		return FI_STEP_RETRY;
	}
	if (space->state != FI_SPACE_LIVE || !pick(space, claim, chunk_of(pace), pace, &chunk)) {
		fi_gate_leave(&space->gate);
		return space->state == FI_SPACE_LIVE ? FI_STEP_IDLE : FI_STEP_END;
	}
	if (!ready(space, &chunk, room,
		   pace == FI_PACE_GENTLE ? FI_FETCH_GENTLE : FI_FETCH_STREAM)) {
		claim->at = chunk.addr;
		return FI_STEP_RETRY;
	}

	how = fi_fill(space, &chunk, &space->count->drained, &len);
	FI_PROBE(drain, space->id, space->pid, chunk.addr, len, how);
	switch (how) {
	case FI_FILLED:
	case FI_FILLED_POISON:
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
