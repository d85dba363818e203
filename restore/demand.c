/* restore/demand.c - see demand.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Law 2: events are read and applied behind the closed gate.  The faults of the batch are answered
 * after all its events, by the layout that these left: the reader is the only one that reads this
 * space, so no event is read while it copies, and drain copies may go on beside it.
 *
 * Law 3: each fault ends in one of four ways: filled (which wakes), woken because the page is
 * there or cannot be, parked because an event must be read first or memory is short, or the space
 * is over.
 */
#include "config.h"

#include "restore/demand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "restore/drain.h"
#include "restore/fill.h"
#include "restore/probes.h"
#include "restore/uffd.h"
#include "restore/witness.h"

/* A stream goes on where everything up to here beyond its last pages is filled: by the drain. */
#define STREAM_REACH (UINT64_C(32) << 20)

/* The drain keeps so far ahead of a stream: it fills what comes then, and the stream's own faults
 * what comes first.  Side by side they would wait for each other at every chunk. */
#define STREAM_LEAD (UINT64_C(2) << 20)

/* In a child it goes no further than half of what the stream has been through: the most that it may fill in
 * vain.  With less than this it would have nothing to do while the task reads what it has filled. */
#define AHEAD_MIN (UINT64_C(4) << 20)
#define AHEAD_MAX (UINT64_C(16) << 20)

/* A fault of a stream brings along twice what the last one did, up to here: each costs a wait at the gate
 * and a change of threads, and its pages less than a millisecond. */
#define STREAM_MAX (UINT64_C(1) << 20)

static void bump(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void wake(struct fi_space *space, uint64_t addr)
{
	int r = fi_uffd_wake(space->uffd, addr, FI_PAGE_SIZE);

	if (r < 0)
		fi_fill_fail(space, r, "cannot wake who waits", addr);
}

static void park(struct fi_space *space, uint64_t addr)
{
	FI_PROBE(park, space->id, space->pid, addr);
	bump(&space->count->parked);
	if (space->nr_parked == space->room_parked) {
		size_t room = space->room_parked ? 2 * space->room_parked : 16;
		uint64_t *parked = realloc(space->parked, room * sizeof(parked[0]));

		if (!parked) {
			wake(space, addr); /* it faults again: the kernel does the parking */
			return;
		}
		space->parked = parked;
		space->room_parked = room;
	}
	space->parked[space->nr_parked++] = addr;
}

/* The task has walked on from where the last fault's pages ended. */
static bool in_stream(struct fi_space *space, uint64_t addr)
{
	struct fi_extent next;

	if (addr < space->stream_next || addr - space->stream_next >= STREAM_REACH)
		return false;
	return addr == space->stream_next ||
	       !fi_space_next_owed(space, space->stream_next, FI_PAGE_SIZE, &next) ||
	       next.addr >= addr;
}

static uint64_t ahead_of(uint64_t stream)
{
	uint64_t half = stream / 2 & ~(FI_PAGE_SIZE - 1);

	if (half < AHEAD_MIN)
		return AHEAD_MIN;
	return half < AHEAD_MAX ? half : AHEAD_MAX;
}

static void tell(const struct fi_space *space, const struct fi_extent *extent, uint64_t len,
		 enum fi_filled how, bool again)
{
	const struct fi_answer answer = {
		.addr = extent->addr,
		.nr_pages = how == FI_FILLED ? len >> FI_PAGE_SHIFT : 0,
		.how = how,
		.again = again,
		.bytes = extent->bytes,
		.file = extent->file,
	};

	space->witness->answered(space->witness->arg, space, &answer);
}

static uint64_t at_once(uint64_t len)
{
	return len < FI_FETCH_MAX ? len : FI_FETCH_MAX;
}

/* False: the bytes are not to be had now. */
static bool fetch(struct fi_space *space, struct fi_extent *extent, uint8_t *room)
{
	if (!extent->bytes)
		return true; /* zeros */
	extent->bytes = fi_source_fetch(space->source, extent->file, extent->bytes, extent->len,
					room, space->polls ? FI_FETCH_POLL : FI_FETCH_NEEDED);
	return extent->bytes != NULL;
}

/* Fills what is owed from @addr on, in stretches that begin before @end.  It is done before the fault's own
 * pages, which wake: a thread that is woken takes the CPU from who would go on filling for it.  Returns
 * how many bytes that were. */
static uint64_t fill_ahead(struct fi_space *space, uint64_t addr, uint64_t end, uint8_t *room)
{
	struct fi_extent extent;
	enum fi_filled how = FI_FILLED;
	uint64_t len, all = 0;

	while (how == FI_FILLED && addr < end &&
	       fi_space_next_owed(space, addr, at_once(end - addr), &extent) && extent.addr < end &&
	       fetch(space, &extent, room)) {
		how = fi_fill(space, &extent, &space->count->demanded, &len);
		addr = extent.addr + len;
		all += how == FI_FILLED ? len : 0;
	}
	return all;
}

/* @again: it was parked. */
static void serve(struct fi_space *space, uint64_t addr, bool again)
{
	bool goes_on = in_stream(space, addr);
	uint64_t want = goes_on ? space->stream_len : FI_PAGE_SIZE;
	struct fi_extent extent = fi_space_look(space, addr, at_once(want));
	uint8_t room[FI_FETCH_MAX] __attribute__((aligned(FI_PAGE_SIZE)));
	enum fi_filled how;
	uint64_t len = FI_PAGE_SIZE, ahead = 0;

	if (fi_space_on_hold(space)) {
		park(space, addr);
		if (space->witness)
			tell(space, &extent, FI_PAGE_SIZE, FI_FILLED_LATER, again);
		return;
	}
	if (want > FI_FETCH_MAX)
		ahead = fill_ahead(space, addr + extent.len, addr + want, room);
	if (fetch(space, &extent, room))
		how = fi_fill(space, &extent, &space->count->demanded, &len);
	else
		how = FI_FILLED_LATER;
	FI_PROBE(copy, space->id, space->pid, addr, len, how);
	switch (how) {
	case FI_FILLED:
	case FI_FILLED_POISON:
		if (want > FI_PAGE_SIZE)
			fi_drain_keep_off(space, addr, addr + len + STREAM_LEAD,
					  ahead_of(addr - space->stream_from));
		else if (!goes_on)
			space->stream_from = addr;
		space->stream_next = addr + len;
		space->stream_len = want < STREAM_MAX ? 2 * want : STREAM_MAX;
		break;
	case FI_FILLED_BEFORE:
	case FI_FILLED_NOWHERE:
		wake(space, addr);
		break;
	case FI_FILLED_LATER:
		park(space, addr);
		break;
	case FI_FILLED_END:
		break;
	}
	if (space->witness)
		tell(space, &extent, len + ahead, how, again);
}

static void serve_parked(struct fi_space *space)
{
	size_t nr = space->nr_parked;

	/* What has to be parked again goes to the end. */
	for (size_t i = 0; i < nr && space->state == FI_SPACE_LIVE; i++)
		serve(space, space->parked[i], true);
	space->nr_parked -= nr;
	if (nr)
		memmove(space->parked, space->parked + nr,
			space->nr_parked * sizeof(space->parked[0]));
}

/* A FORK message wants a descriptor for the child, and the forking task waits while there is none:
 * other children will end and leave theirs. */
static bool starved(struct fi_space *space, int r)
{
	bool before = space->starved;

	space->starved = r == -EMFILE || r == -ENFILE || r == -ENOMEM;
	if (space->starved && !before)
		fi_space_log(space, FI_LOG_WARN,
			     "has forked, and waits until the child can be served: %s",
			     strerror(-r));
	return space->starved;
}

/* Has the kernel write straight into the durable inbox: a read that is killed finishes what it has
 * begun, and nothing of it may be lost. */
static int read_inbox(struct fi_space *space)
{
	struct fi_inbox *inbox = &space->slot->inbox;

	for (int i = 0; i < FI_INBOX_ROOM && inbox->msgs[i].event; i++)
		inbox->msgs[i].event = 0;
	inbox->first = space->applied;
	atomic_store_explicit(&inbox->reading, 1, memory_order_release);
	return fi_uffd_read(space->uffd, inbox->msgs, FI_INBOX_ROOM);
}

/* Applies messages [from, nr) of the inbox.  What cannot be applied any more may still be children:
 * their descriptors must not be lost. */
static int apply(struct fi_space *space, int from, int nr, const struct fi_birth *birth)
{
	const struct uffd_msg *msgs = space->slot->inbox.msgs;
	int r = 0;

	for (int i = from; i < nr; i++) {
		if (r == 0)
			r = fi_event_apply(space, &msgs[i], birth);
		else if (msgs[i].event == UFFD_EVENT_FORK)
			birth->stillborn(birth->arg, space, (int)msgs[i].arg.fork.ufd);
	}
	return r;
}

/* Decides what was left open, if whatever was read so far is all that there was to read. */
static int settle(struct fi_space *space, const struct fi_birth *birth)
{
	int r;

	if (space->newborn)
		return fi_events_grow_up(space, birth);
	if (!fi_events_unsettled(space))
		return 0;
	r = space->was_quiet ? 0 : fi_space_probe(space);
	return r == 0 ? fi_events_settled(space, birth) : r;
}

/* Reads one batch and applies its events.  The faults among them are in @faults; *@nr_faults are
 * theirs.  Returns how many messages there were. */
static int read_batch(struct fi_space *space, uint64_t *faults, int *nr_faults,
		      const struct fi_birth *birth)
{
	const struct fi_inbox *inbox = &space->slot->inbox;
	int n = -EAGAIN, r;

	*nr_faults = 0;
	if (fi_gate_close(&space->gate))
		bump(&space->count->stalled);
	/* Before as well as after: the fewer changes are in the air, the less is in doubt. */
	r = settle(space, birth);
	if (r == 0 || r == -EAGAIN) {
		n = read_inbox(space);
		r = n > 0 ? apply(space, 0, n, birth) : 0;
	}
	if (r == 0 && n > 0) {
		space->was_quiet = false;
		r = settle(space, birth);
		if (r == -EAGAIN)
			r = 0;
	}
	fi_gate_open(&space->gate);

	if (r < 0)
		fi_fill_fail(space, r, "cannot apply an event", 0);
	if (!starved(space, n) && n < 0 && n != -EAGAIN)
		fi_fill_fail(space, n, "cannot read events", 0);
	fi_space_show_failed(space);
	for (int i = 0; i < n; i++)
		if (inbox->msgs[i].event == UFFD_EVENT_PAGEFAULT)
			faults[(*nr_faults)++] =
				inbox->msgs[i].arg.pagefault.address & ~(FI_PAGE_SIZE - 1);
	atomic_store_explicit(&space->slot->inbox.reading, 0, memory_order_release);
	return n < 0 ? 0 : n;
}

bool fi_demand_unfinished(const struct fi_space *space)
{
	return space->nr_parked || space->starved || fi_events_unsettled(space);
}

enum fi_step fi_demand_step(struct fi_space *space, const struct fi_birth *birth)
{
	uint64_t faults[FI_INBOX_ROOM];
	int n, nr_faults;

	n = read_batch(space, faults, &nr_faults, birth);
	serve_parked(space);
	for (int i = 0; i < nr_faults && space->state == FI_SPACE_LIVE; i++) {
		bump(&space->count->faults);
		FI_PROBE(fault, space->id, space->pid, faults[i]);
		serve(space, faults[i], false);
	}

	if (space->state != FI_SPACE_LIVE) {
		fi_events_lost(space, birth);
		return FI_STEP_END;
	}
	if (n > 0)
		return FI_STEP_MORE;
	return fi_demand_unfinished(space) ? FI_STEP_RETRY : FI_STEP_IDLE;
}
