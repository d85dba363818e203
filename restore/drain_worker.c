/* restore/drain_worker.c - a thread of the drain lane: choose a space, take chunks of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <time.h>

#include "restore/drain.h"
#include "restore/fate.h"
#include "restore/room.h"
#include "restore/workers.h"

/* Chunks of one space before the next one gets its turn: some claims. */
#define MAX_CHUNKS 64

/* What a task touches in so much of a burst is likely to be what it needs to begin with, and to have
 * it soon is what lazy restores are for: until then pages files are mapped ahead, which disturbs
 * nobody, and when that is done the drain takes some short chunks and sleeps.  A longer burst is better
 * served by a drain that goes on, in short chunks: each page that it gives is a fault less.
 * The naps are long because each wake-up of a CPU may move the task to it (doc/placement.md). */
#define BURST_NS     UINT64_C(250000000)
#define BURST_CHUNKS 16
#define BURST_NAP_NS 5000000

/* A stream that brings so many pages along is one. */
#define STREAM_PAGES 8

/* While a task waits for the disk again and again, with pauses shorter than this, the drain reads one
 * chunk this often: a disk that is asked for a lot at once makes a single page wait for milliseconds. */
#define DISK_PAUSE_NS UINT64_C(3000000)
#define GENTLE_NAP_NS 20000000

#define MAX_TRIES	8
#define RETRY_NS	20000
#define SOLE_CPU_NAP_NS 200000

/* How often a worker for which there is no CPU looks whether there is. */
#define SHARED_CPU_NAP_NS 5000000

/* A child that was forked while its parent owed shares none of those pages with it, so filling it
 * costs memory that the program never asked for, and most children are gone soon.  It is served on
 * demand, and drained only when no restored task owes anything and it has lived this long.  But one
 * that reads its memory in order is helped: it wants what comes next. */
#define CHILD_PATIENCE_NS UINT64_C(3000000000)
#define CHILD_STREAM_NS	  UINT64_C(20000000)
#define CHILD_LOOK_NS	  UINT64_C(100000000)

static bool streams(const struct fi_space *space)
{
	return space->stream_len >= STREAM_PAGES * FI_PAGE_SIZE;
}

static bool is_young(const struct fi_space *space, uint64_t now)
{
	return space->parent && now - space->since < CHILD_PATIENCE_NS;
}

/* Below so many bytes a second, small chunks make a smooth drain. */
#define SMOOTH_RATE (UINT64_C(4) << 20)

/* The next space to drain, in turn; restored tasks' first.  NULL: none now, and *@wait_ns is how
 * long until a child may have become old enough (0: until something is added).  Under the engine's
 * lock. */
static struct fi_space *choose(struct fi_engine *engine, size_t *turn, uint64_t *wait_ns)
{
	struct fi_space_list *spaces = &engine->spaces;
	uint64_t now = fi_now_ns();
	struct fi_space *child = NULL;

	*wait_ns = 0;
	for (size_t i = 0; i < spaces->nr; i++) {
		size_t at = (*turn + i) % spaces->nr;
		struct fi_space *space = spaces->at[at];

		if (space->state != FI_SPACE_LIVE || fi_space_nr_owed(space) == 0)
			continue;
		if (space->parent == 0 || engine->policy->full ||
		    (streams(space) && fi_drain_is_behind(space) &&
		     now - space->last_fault < CHILD_STREAM_NS)) {
			*turn = at + 1;
			return fi_space_get(space);
		}
		*wait_ns = CHILD_LOOK_NS;
		if (!child && !is_young(space, now))
			child = space;
	}
	return child ? fi_space_get(child) : NULL;
}

void fi_drain_faulted(struct fi_space *space)
{
	const struct fi_demand_worker *worker = space->worker;

	if (space->parent && streams(space) && fi_drain_is_behind(space))
		(void)pthread_cond_signal(&worker->engine->work);
}

void fi_drain_hurry(void *arg)
{
	struct fi_engine *engine = arg;

	for (unsigned i = 0; i < engine->nr_drain; i++)
		fi_courtesy_hurry(&engine->drain[i].courtesy);
}

/* Whether the policy lets this worker take a chunk; if not, *@wait_ns is how long until it may (0:
 * until the policy is another).  With a rate there is one worker, so that what it drains can be
 * measured.  Under the engine's lock. */
static bool may_drain(const struct fi_drain_worker *worker, uint64_t *wait_ns)
{
	const struct fi_engine *engine = worker->engine;
	const struct fi_policy *policy = engine->policy;
	uint64_t now;

	*wait_ns = 0;
	if (policy->full)
		return true;
	if (policy->paused || (policy->rate && worker->index))
		return false;
	if (!policy->rate)
		return true;
	now = fi_now_ns();
	*wait_ns = engine->drain_from > now ? engine->drain_from - now : 0;
	return *wait_ns == 0;
}

/* The policy wants a look after each chunk. */
static bool is_held_back(const struct fi_policy *policy)
{
	return !policy->full && (policy->paused || policy->rate);
}

/* The one worker of a drain with a rate has given @nr_pages. */
static void pay(struct fi_engine *engine, uint64_t nr_pages)
{
	uint64_t rate = engine->policy->rate;

	(void)pthread_mutex_lock(&engine->lock);
	if (rate)
		engine->drain_from = fi_now_ns() + nr_pages * FI_PAGE_SIZE * 1000000000 / rate;
	(void)pthread_mutex_unlock(&engine->lock);
}

static struct fi_space *wait_for_work(const struct fi_drain_worker *worker, size_t *turn)
{
	struct fi_engine *engine = worker->engine;
	struct fi_space *space = NULL;
	uint64_t wait_ns = 0;

	(void)pthread_mutex_lock(&engine->lock);
	while (!engine->stopping) {
		if (may_drain(worker, &wait_ns) && engine->restored)
			space = choose(engine, turn, &wait_ns);
		if (space)
			break;
		if (wait_ns)
			fi_cond_wait_ns(&engine->work, &engine->lock, wait_ns);
		else
			(void)pthread_cond_wait(&engine->work, &engine->lock);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return space;
}

static void nap(long ns)
{
	struct timespec ts = { .tv_nsec = ns };

	(void)nanosleep(&ts, NULL);
}

/* Two drain workers on one CPU would take it from each other inside the gate; the first goes on even
 * where there is no room at all. */
static bool crowded(const struct fi_drain_worker *worker, const struct fi_room *room)
{
	return room->nr_avoided && worker->index && worker->index >= room->nr_left;
}

/* Waits where demand would suffer, or does meanwhile what it would not suffer from.  Returns how to go
 * on after @nr chunks. */
static enum fi_pace keep_pace(const struct fi_space *space, unsigned nr,
			      const struct fi_policy *policy)
{
	if (policy->full)
		return FI_PACE_FULL;
	for (;;) {
		uint64_t now = fi_now_ns(), waited = fi_source_waited(space->source, now);

		if (waited && now - waited < DISK_PAUSE_NS) {
			nap(GENTLE_NAP_NS);
			return FI_PACE_GENTLE;
		}
		if (is_young(space, now))
			return FI_PACE_AHEAD;
		if (policy->rate && policy->rate < SMOOTH_RATE)
			return FI_PACE_SHORT;
		if (now - space->last_fault >= FI_PAUSE_NS)
			return FI_PACE_FULL;
		if (streams(space))
			return FI_PACE_STREAM;
		if (now - space->burst_since >= BURST_NS)
			return FI_PACE_SHORT;
		if (!fi_source_map_more(space->source)) {
			if (nr % BURST_CHUNKS == 0)
				nap(BURST_NAP_NS);
			return FI_PACE_SHORT;
		}
	}
}

/* A step that finds the gate closed, or an event pending, comes a moment too early. */
static enum fi_step drain_step(struct fi_space *space, struct fi_claim *claim, enum fi_pace pace)
{
	enum fi_step step = fi_drain_step(space, claim, pace);

	for (int i = 1; i < MAX_TRIES && step == FI_STEP_RETRY; i++) {
		fi_gate_await(&space->gate);
		step = fi_drain_step(space, claim, pace);
	}
	return step;
}

void *fi_drain_thread(void *arg)
{
	struct fi_drain_worker *worker = arg;
	struct fi_engine *engine = worker->engine;
	struct fi_space *space;
	struct fi_claim claim = { 0 };
	unsigned claimed = 0; /* id of the space that it is for */
	struct fi_room room;
	size_t turn = 0;

	fi_room_init(&room);
	fi_courtesy_init(&worker->courtesy);
	while ((space = wait_for_work(worker, &turn))) {
		uint64_t drained = space->count.drained;
		enum fi_step step = FI_STEP_MORE;

		/* Whoever goes on after each chunk goes on where it was. */
		if (space->id != claimed || !is_held_back(engine->policy))
			claim = (struct fi_claim){ 0 };
		claimed = space->id;
		for (unsigned i = 0; i < MAX_CHUNKS && step == FI_STEP_MORE; i++) {
			fi_room_make_way(&room, engine);
			fi_courtesy_set(&worker->courtesy, !engine->policy->full);
			if (crowded(worker, &room))
				break;
			if (!room.nr_left)
				nap(SOLE_CPU_NAP_NS);
			step = drain_step(space, &claim, keep_pace(space, i, engine->policy));
			if (is_held_back(engine->policy))
				break;
		}
		if (is_held_back(engine->policy))
			pay(engine, space->count.drained - drained);
		if (fi_fate_calls(space, step))
			fi_demand_call(space);
		else if (step != FI_STEP_MORE)
			nap(RETRY_NS);
		else if (crowded(worker, &room))
			nap(SHARED_CPU_NAP_NS);
		fi_space_put(space);
	}
	return NULL;
}
