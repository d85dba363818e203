/* restore/workers.h - inside the engine: what its threads share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only engine.c, demand_worker.c and drain_worker.c include this.  Locks nest in the order
 * engine, worker; a space's locks are leaves.
 */
#ifndef FI_RESTORE_WORKERS_H
#define FI_RESTORE_WORKERS_H

#include <pthread.h>

#include "common/clock.h"
#include "restore/engine.h"
#include "restore/latency.h"
#include "restore/placement.h"
#include "restore/priority.h"

#define FI_MAX_WORKERS 4

/* Without a fault for this long, a task pauses; and for this long, the burst that it was in is over. */
#define FI_PAUSE_NS	  UINT64_C(1000000)
#define FI_BURST_PAUSE_NS UINT64_C(100000000)

struct fi_space_list {
	struct fi_space **at;
	size_t nr, room;
};

struct fi_demand_worker {
	struct fi_engine *engine;
	pthread_t thread;
	struct fi_placement placement;
	int epfd;
	int bell; /* eventfd: look at `called` */

	struct fi_latency latency; /* the worker writes it */

	/* The worker's own: */
	uint64_t now;		    /* taken before the step's read */
	struct fi_space_list retry; /* to be stepped again soon */
	struct fi_space_list ended; /* released when no event can name them any more */

	pthread_mutex_t lock;
	struct fi_space_list called; /* spaces to look at, each with a user; under lock */
};

struct fi_drain_worker {
	struct fi_engine *engine;
	pthread_t thread;
	unsigned index;
	struct fi_courtesy courtesy;
};

struct fi_engine {
	struct fi_engine_watcher watcher;
	struct fi_demand_worker demand[FI_MAX_WORKERS];
	struct fi_drain_worker drain[FI_MAX_WORKERS];
	pthread_t guard;
	unsigned nr_demand, nr_drain;
	bool has_guard;
	int ended_fd;

	_Atomic bool restored, abandoned, stopping;
	const struct fi_policy *policy; /* durable */

	pthread_mutex_t lock;
	pthread_cond_t work;	    /* for drain workers */
	pthread_mutex_t guard_lock; /* the guard takes no lock that a starving worker may hold */
	pthread_cond_t stop;

	/* Under lock: */
	struct fi_space_list spaces;	/* live; the list is a user of each */
	struct fi_engine_totals *ended; /* durable: sums over spaces that have ended */
	uint64_t drain_from;		/* with a rate: when the next chunk may be taken, ns */
};

int fi_space_list_add(struct fi_space_list *list, struct fi_space *space);
bool fi_space_list_remove(struct fi_space_list *list, const struct fi_space *space);

/* A condition that fi_cond_wait_ns can wait for, at most @ns from now. */
void fi_cond_init(pthread_cond_t *cond);
void fi_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ns);

/* Asks the space's worker to look at it: it may have ended.  Any thread. */
void fi_demand_call(struct fi_space *space);

int fi_demand_worker_init(struct fi_demand_worker *worker, struct fi_engine *engine);
void fi_demand_worker_done(struct fi_demand_worker *worker);

/* Has the worker's thread see `stopping`. */
void fi_demand_worker_ring(struct fi_demand_worker *worker);

/* A space has had faults: drain workers may have something to do for it. */
void fi_drain_faulted(struct fi_space *space);

/* A demand worker waits for a drain worker that is inside a gate; @engine is the argument. */
void fi_drain_hurry(void *engine);

/* Thread bodies; the argument is the worker. */
void *fi_demand_thread(void *arg);
void *fi_drain_thread(void *arg);

/* A space has ended: its counters join the sums, the session is told. */
void fi_engine_ended(struct fi_engine *engine, struct fi_space *space);

/* A space could not be served; a child was born. */
void fi_engine_note_failed(struct fi_engine *engine);
void fi_engine_note_forked(struct fi_engine *engine);

#endif
