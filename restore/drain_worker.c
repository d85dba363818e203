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

/* A pause this long since the space's last fault is the drain's.  Without one it takes short chunks,
 * and where CPUs are short it does so only this often. */
#define PAUSE_NS      UINT64_C(1000000)
#define POLITE_NAP_NS 200000

/* While a task waits for the disk again and again, with pauses shorter than this, the drain reads one
 * chunk this often: about a twentieth of what the disk gives. */
#define DISK_PAUSE_NS UINT64_C(3000000)
#define GENTLE_NAP_NS 2000000

#define RETRY_NS	20000
#define SOLE_CPU_NAP_NS 200000

/* How often a worker for which there is no CPU looks whether there is. */
#define SHARED_CPU_NAP_NS 1000000

/* A child that was forked while its parent owed shares none of those pages with it, so filling it
 * costs memory that the program never asked for, and most children are gone soon.  It is served on
 * demand, and drained only when no restored task owes anything and it has lived this long. */
#define CHILD_PATIENCE_NS UINT64_C(3000000000)
#define CHILD_LOOK_NS	  UINT64_C(100000000)

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
		if (space->parent == 0) {
			*turn = at + 1;
			return fi_space_get(space);
		}
		*wait_ns = CHILD_LOOK_NS;
		if (!child && now - space->since >= CHILD_PATIENCE_NS)
			child = space;
	}
	return child ? fi_space_get(child) : NULL;
}

static struct fi_space *wait_for_work(struct fi_engine *engine, size_t *turn)
{
	struct fi_space *space = NULL;
	uint64_t wait_ns = 0;

	(void)pthread_mutex_lock(&engine->lock);
	while (!engine->stopping) {
		if (engine->restored)
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

/* CPUs that a demand worker sits on are for it and the thread that it serves. */
static void demand_cpus(struct fi_engine *engine, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (unsigned i = 0; i < engine->nr_demand; i++) {
		int cpu = engine->demand[i].placement.cpu;

		if (cpu >= 0)
			CPU_SET(cpu, ret);
	}
}

/* Where this drain worker may run. */
struct room {
	unsigned index; /* of the worker among all drain workers */
	cpu_set_t everywhere, avoided;
	bool none;   /* nowhere beside demand */
	bool shared; /* a CPU of its own is not left for it */
};

static void room_init(struct room *room, unsigned index)
{
	*room = (struct room){ .index = index };
	if (sched_getaffinity(0, sizeof(room->everywhere), &room->everywhere) < 0)
		CPU_ZERO(&room->everywhere);
}

/* Makes way for demand; comes back when it has gone. */
static void make_way(struct fi_engine *engine, struct room *room)
{
	cpu_set_t demand, left;

	demand_cpus(engine, &demand);
	if (CPU_EQUAL(&demand, &room->avoided))
		return;
	CPU_XOR(&left, &room->everywhere, &demand);
	CPU_AND(&left, &left, &room->everywhere);
	room->none = CPU_COUNT(&left) == 0;
	room->shared = CPU_COUNT(&demand) > 0 && room->index >= (unsigned)CPU_COUNT(&left);
	room->avoided = demand;
	if (!room->none)
		(void)sched_setaffinity(0, sizeof(left), &left);
}

/* Waits where demand would suffer, and says how to go on. */
static enum fi_pace keep_pace(const struct fi_space *space)
{
	uint64_t now = fi_now_ns(), waited = fi_source_waited(space->source);

	if (waited && now - waited < DISK_PAUSE_NS) {
		nap(GENTLE_NAP_NS);
		return FI_PACE_GENTLE;
	}
	if (now - space->last_fault >= PAUSE_NS)
		return FI_PACE_FULL;
	if (now < space->polite_until)
		nap(POLITE_NAP_NS);
	return FI_PACE_SHORT;
}

void *fi_drain_thread(void *arg)
{
	struct fi_drain_worker *worker = arg;
	struct fi_engine *engine = worker->engine;
	struct fi_space *space;
	struct room room;
	size_t turn = 0;

	room_init(&room, worker->index);
	while ((space = wait_for_work(engine, &turn))) {
		enum fi_step step = FI_STEP_MORE;
		struct fi_claim claim = { 0 };

		for (int i = 0; i < MAX_CHUNKS && step == FI_STEP_MORE; i++) {
			make_way(engine, &room);
			/* Two drain workers on one CPU would take it from each other inside the
			 * gate; the first goes on even where there is no room at all. */
			if (room.shared && room.index > 0)
				break;
			if (room.none)
				nap(SOLE_CPU_NAP_NS);
			step = fi_drain_step(space, &claim, keep_pace(space));
		}
		if (fi_fate_calls(space, step))
			fi_demand_call(space);
		else if (step != FI_STEP_MORE)
			nap(RETRY_NS);
		else if (room.shared && room.index > 0)
			nap(SHARED_CPU_NAP_NS);
		fi_space_put(space);
	}
	return NULL;
}
