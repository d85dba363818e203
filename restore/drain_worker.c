/* restore/drain_worker.c - a thread of the drain lane: choose a space, take chunks of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <time.h>

#include "restore/drain.h"
#include "restore/fate.h"
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

/* When it has waited for as long as all that is owed takes in order, the rest is better had so: at worst
 * both together take twice as long as the better of the two would have.  Bytes a nanosecond. */
#define DISK_RATE 1

#define MAX_TRIES	8
#define RETRY_MIN_NS	20000
#define RETRY_MAX_NS	10000000
#define SOLE_CPU_NAP_NS 200000
#define RETRY_POOL_NS	500000

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

/* A thread that would come to it would be stuck there, too. */
static bool is_stuck(const struct fi_space *space, uint64_t now)
{
	uint64_t stepped = space->drain_stepped;

	return space->nr_drainers && now > stepped && now - stepped >= FI_RELIEF_NS;
}

/* How long the drain leaves @space alone: ns. */
static uint64_t left_alone(const struct fi_space *space, uint64_t now)
{
	uint64_t after = space->drain_after;

	if (after > now)
		return after - now;
	return is_stuck(space, now) ? RETRY_MAX_NS : 0;
}

/* The next space to drain, in turn; restored tasks' first.  NULL: none now, and *@wait_ns is how
 * long until one may be: a child that is old enough, or one where it was to be tried again (0: until
 * something is added).  Under the engine's lock. */
static struct fi_space *choose(struct fi_engine *engine, size_t *turn, uint64_t *wait_ns)
{
	struct fi_space_list *spaces = &engine->spaces;
	uint64_t now = fi_now_ns();
	struct fi_space *child = NULL;

	*wait_ns = 0;
	for (size_t i = 0; i < spaces->nr; i++) {
		size_t at = (*turn + i) % spaces->nr;
		struct fi_space *space = spaces->at[at];
		uint64_t left;

		if (space->state != FI_SPACE_LIVE || fi_space_nr_owed(space) == 0)
			continue;
		left = left_alone(space, now);
		if (left) {
			*wait_ns = *wait_ns && *wait_ns < left ? *wait_ns : left;
			continue;
		}
		if (space->parent == 0 || engine->policy->full ||
		    (streams(space) && fi_drain_is_behind(space) &&
		     now - space->last_fault < CHILD_STREAM_NS)) {
			*turn = at + 1;
			return fi_space_get(space);
		}
		*wait_ns = *wait_ns && *wait_ns < CHILD_LOOK_NS ? *wait_ns : CHILD_LOOK_NS;
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

/* What there is to drain: a space, or else a pool. */
struct work {
	struct fi_space *space; /* NULL: a pool */
	bool hurried;		/* one that somebody waits for, whatever the policy */
};

static bool pools_wait(const struct fi_engine *engine, bool any)
{
	return engine->pools && engine->restored && fi_pools_wait(engine->pools, any);
}

/* False: the engine stops. */
static bool wait_for_work(const struct fi_drain_worker *worker, size_t *turn, struct work *ret)
{
	struct fi_engine *engine = worker->engine;
	uint64_t wait_ns = 0;
	bool some = false;

	*ret = (struct work){ 0 };
	(void)pthread_mutex_lock(&engine->lock);
	while (!engine->stopping) {
		const bool may = may_drain(worker, &wait_ns) && engine->restored;

		ret->hurried = pools_wait(engine, false);
		if (may && !ret->hurried)
			ret->space = choose(engine, turn, &wait_ns);
		some = ret->hurried || ret->space || (may && pools_wait(engine, true));
		if (some)
			break;
		if (wait_ns)
			fi_cond_wait_ns(&engine->work, &engine->lock, wait_ns);
		else
			(void)pthread_cond_wait(&engine->work, &engine->lock);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return some;
}

static void nap(long ns)
{
	struct timespec ts = { .tv_nsec = ns };

	(void)nanosleep(&ts, NULL);
}

/* Two drain workers on one CPU would take it from each other inside the gate; the first goes on even
 * where there is no room at all. */
static bool crowded(const struct fi_drain_worker *worker)
{
	const struct fi_room *room = &worker->engine->room;

	return room->nr_avoided && worker->index && worker->index >= room->nr_left;
}

/* What one thread remembers from chunk to chunk. */
struct shift {
	struct fi_drain_worker *worker;
	struct fi_claim claim;
	unsigned claimed; /* id of the space that it is for */
	struct fi_share share;
	bool relieved; /* there is another in its place */
};

static void leave(struct shift *shift, uint64_t since)
{
	shift->relieved = !fi_post_leave(&shift->worker->post, since);
}

/* Returns the time by which the step is left. */
static uint64_t enter(struct shift *shift, struct fi_space *space)
{
	uint64_t now = fi_now_ns();

	space->drain_stepped = now;
	fi_post_enter(&shift->worker->post, now);
	return now;
}

/* Where CPUs are short, whoever is waited for comes first. */
static void share_cpus(struct shift *shift)
{
	uint64_t excess =
		fi_share_excess(&shift->share, shift->worker->engine->share_fd, fi_now_ns());

	if (excess)
		nap((long)excess);
}

static bool map_more(struct shift *shift, struct fi_space *space)
{
	uint64_t since = enter(shift, space);
	bool some = fi_source_map_more(space->source);

	leave(shift, since);
	return some && !shift->relieved;
}

/* Whether the disk is to be left to the space's task, which waits for it again and again. */
static bool leave_disk(struct fi_space *space, uint64_t now)
{
	uint64_t waited = fi_source_waited(space->source, now);

	return waited && now - waited < DISK_PAUSE_NS &&
	       now - space->burst_since < fi_space_nr_owed(space) * FI_PAGE_SIZE / DISK_RATE;
}

/* Waits where demand would suffer, or does meanwhile what it would not suffer from.  Returns how to go
 * on after @nr chunks. */
static enum fi_pace keep_pace(struct shift *shift, struct fi_space *space, unsigned nr)
{
	const struct fi_policy *policy = shift->worker->engine->policy;

	if (policy->full)
		return FI_PACE_FULL;
	for (;;) {
		uint64_t now = fi_now_ns();

		if (leave_disk(space, now)) {
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
		if (!map_more(shift, space)) {
			if (nr % BURST_CHUNKS == 0 && !shift->relieved)
				nap(BURST_NAP_NS);
			return FI_PACE_SHORT;
		}
	}
}

/* A step that finds the gate closed, or an event pending, comes a moment too early. */
static enum fi_step drain_step(struct shift *shift, struct fi_space *space, enum fi_pace pace)
{
	enum fi_step step = FI_STEP_RETRY;

	for (int i = 0; i < MAX_TRIES && step == FI_STEP_RETRY && !shift->relieved; i++) {
		uint64_t since;

		if (i > 0)
			fi_gate_await(&space->gate);
		since = enter(shift, space);
		step = fi_drain_step(space, &shift->claim, pace);
		leave(shift, since);
	}
	return step;
}

/* What cannot be given now, for an event or for want of memory or of a disk, is tried again later and
 * later, and other spaces meanwhile. */
static void put_off(struct fi_space *space, enum fi_step step, bool got_on)
{
	uint64_t pause = got_on ? 0 : space->drain_pause;

	if (step == FI_STEP_RETRY)
		pause = pause == 0		   ? RETRY_MIN_NS
			: 2 * pause < RETRY_MAX_NS ? 2 * pause
						   : RETRY_MAX_NS;
	space->drain_pause = pause;
	space->drain_after = fi_now_ns() + (pause ? pause : RETRY_MIN_NS);
}

/* Some chunks of @space. */
static void drain(struct shift *shift, struct fi_space *space)
{
	struct fi_drain_worker *worker = shift->worker;
	struct fi_engine *engine = worker->engine;
	uint64_t drained = space->count->drained;
	enum fi_step step = FI_STEP_MORE;

	/* Whoever goes on after each chunk goes on where it was. */
	if (space->id != shift->claimed || !is_held_back(engine->policy))
		shift->claim = (struct fi_claim){ 0 };
	shift->claimed = space->id;
	for (unsigned i = 0; i < MAX_CHUNKS && step == FI_STEP_MORE; i++) {
		enum fi_pace pace;

		fi_courtesy_set(&worker->courtesy, !engine->policy->full);
		if (crowded(worker))
			break;
		if (!engine->room.nr_left)
			nap(SOLE_CPU_NAP_NS);
		if (!engine->policy->full)
			share_cpus(shift);
		pace = keep_pace(shift, space, i);
		if (shift->relieved)
			break;
		step = drain_step(shift, space, pace);
		if (shift->relieved || is_held_back(engine->policy))
			break;
	}
	if (is_held_back(engine->policy))
		pay(engine, space->count->drained - drained);
	if (fi_fate_calls(space, step))
		fi_demand_call(space);
	else if (step != FI_STEP_MORE)
		put_off(space, step, space->count->drained != drained);
}

/* Until there is a CPU for this worker: if it waited for work meanwhile, the call that wakes one worker might
 * wake this one. */
static void stand_by(struct shift *shift)
{
	while (crowded(shift->worker) && !shift->worker->engine->stopping)
		nap(SHARED_CPU_NAP_NS);
}

/* Some chunks of pools. */
static void drain_pools(struct shift *shift, bool hurried)
{
	struct fi_drain_worker *worker = shift->worker;
	struct fi_engine *engine = worker->engine;
	const bool haste = hurried || engine->policy->full;

	for (unsigned i = 0; i < MAX_CHUNKS; i++) {
		uint64_t since, nr;

		fi_courtesy_set(&worker->courtesy, !haste);
		if (!haste)
			share_cpus(shift);
		since = fi_now_ns();
		fi_post_enter(&worker->post, since);
		nr = fi_pools_drain(engine->pools, !hurried);
		leave(shift, since);
		if (shift->relieved)
			break;
		if (!haste && is_held_back(engine->policy)) {
			pay(engine, nr);
			break;
		}
		if (nr == 0) { /* for want of memory or of a disk, or it is the end */
			nap(RETRY_POOL_NS);
			break;
		}
	}
}

/* False: the engine stops. */
static bool next_work(struct shift *shift, size_t *turn, struct work *ret)
{
	stand_by(shift);
	return wait_for_work(shift->worker, turn, ret);
}

void *fi_drain_thread(void *arg)
{
	struct shift shift = { .worker = arg };
	struct fi_engine *engine = shift.worker->engine;
	struct work work;
	size_t turn = 0;

	fi_post_take(&shift.worker->post);
	fi_room_enter(&engine->room, FI_ROOM_DRAIN + shift.worker->index);
	fi_courtesy_init(&shift.worker->courtesy);
	while (!shift.relieved && next_work(&shift, &turn, &work)) {
		struct fi_space *space = work.space;

		if (!space) {
			drain_pools(&shift, work.hurried);
			continue;
		}
		space->drain_stepped = fi_now_ns();
		space->nr_drainers++;
		drain(&shift, space);
		space->nr_drainers--;
		fi_space_put(space);
	}
	fi_room_leave(&engine->room, FI_ROOM_DRAIN + shift.worker->index);
	if (shift.relieved)
		fi_engine_back(engine, 0, 0);
	return NULL;
}

void fi_drain_relieve(struct fi_drain_worker *worker, uint64_t now)
{
	if (worker->unmanned || (fi_post_is_late(&worker->post, now) &&
				 fi_engine_relieve(worker->engine, &worker->post, now)))
		worker->unmanned = !fi_engine_replace(worker->engine, &worker->thread,
						      fi_drain_thread, worker);
}
