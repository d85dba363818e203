/* restore/engine.h - the threads: loops over the steps of all spaces of a session.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Demand workers each own some spaces (they are their spaces' readers) and sleep on their
 * descriptors; drain workers take chunks from any space that owes, those of restored tasks before
 * those of children.  A space ends, and its descriptor is closed, only when the restore is finished
 * and it owes nothing, or when it is gone (law 1).
 *
 * All functions are safe from any thread.
 */
#ifndef FI_RESTORE_ENGINE_H
#define FI_RESTORE_ENGINE_H

#include "common/error.h"
#include "restore/latency.h"
#include "restore/pools.h"
#include "restore/space.h"
#include "restore/trace.h"

struct fi_engine; /* opaque */

/* Told from the demand workers; must not wait long, nor call the engine. */
struct fi_engine_watcher {
	/* A child was born to @parent.  @before: CLOCK_MONOTONIC, ns, earlier than the reading of
	 * its event, and so than the kernel's process event for the fork. */
	void (*born)(void *arg, struct fi_space *parent, struct fi_space *child, uint64_t before);
	void (*ended)(void *arg, struct fi_space *space);
	void *arg;
};

struct fi_engine_totals {
	struct fi_counters count; /* of all spaces, ended or not */
	uint64_t nr_live;	  /* spaces not ended */
	uint64_t nr_owed;	  /* pages still owed by them */
	uint64_t nr_forked;	  /* child spaces there were */
	uint64_t nr_failed;	  /* spaces that could not be served */
	uint64_t nr_orphans;	  /* children for whom there was no memory: nobody serves them, and
				     their descriptors must stay open, so the process must not end */
};

/* A live space, or, with parent, image, vpid and pid 0, a pool. */
struct fi_space_status {
	uint32_t segment;    /* 0, or the pool's */
	unsigned id, parent; /* of the space; parent 0: a restored task */
	uint32_t image; /* vpid at the dump of the task that it descends from; 0: it is ending */
	uint32_t vpid;	/* 0: not known */
	pid_t pid;	/* 0: not known */
	bool failed;
	uint64_t nr_lazy, nr_owed; /* pages: what that task was owed at first, what this one is */
	struct fi_counters count;
};

/* @trace: of which it is the putting side from here on; NULL: none is wanted. */
int fi_engine_new(const struct fi_engine_watcher *watcher, struct fi_trace *trace,
		  struct fi_engine **ret, struct fi_error *err);

/* Before the restore is finished: the engine drains @pools, from here on its own, and counts them with its
 * spaces.  Returns 0 or a negative errno. */
int fi_engine_take_pools(struct fi_engine *engine, struct fi_pools *pools);

/* What the engine, or who takes over from one, does for struct fi_birth (events.h); @arg is unused. */
void fi_engine_stillborn(void *arg, struct fi_space *parent, int uffd);
bool fi_engine_wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret);
bool fi_engine_alone(void *arg, struct fi_space *space);

/* Hands a space (its one user) over and starts serving it. */
int fi_engine_add(struct fi_engine *engine, struct fi_space *space);

/* The restore is finished: the drain begins, and spaces may end. */
void fi_engine_restored(struct fi_engine *engine);

/* The restore has failed: no task may run on.  Every space's task is killed, then its space ends. */
void fi_engine_abandon(struct fi_engine *engine);

/* Something happened to the space's task (exec, exit), or to its engine: look what is to be done. */
void fi_engine_look(struct fi_engine *engine, struct fi_space *space);

/* Readable when a space has ended since the last fi_engine_heard. */
int fi_engine_fd(const struct fi_engine *engine);
void fi_engine_heard(struct fi_engine *engine);

/* The drain's policy in the ledger has changed. */
void fi_engine_steered(struct fi_engine *engine);

/* What there is to be seen of the live spaces, at most @room of them, restored tasks before children.
 * Returns how many are in @at. */
size_t fi_engine_spaces(struct fi_engine *engine, struct fi_space_status *at, size_t room);

/* Adds the latencies of the faults that the engines of this session have answered: from before the read of the fault's
 * message to when all that were read with it were answered, or parked. */
void fi_engine_latency(const struct fi_engine *engine, struct fi_latency *sum);

void fi_engine_totals(struct fi_engine *engine, struct fi_engine_totals *ret);

/* Stops the threads.  Only when no space is live: a live one would lose its server.  False: one of
 * them is stuck (relief.h), and nothing that it may use can be freed: neither the engine nor the
 * spaces' source, before the process ends. */
bool fi_engine_free(struct fi_engine *engine);

#endif
