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
#include "common/settings.h"
#include "restore/engine.h"
#include "restore/latency.h"
#include "restore/placement.h"
#include "restore/priority.h"
#include "restore/relief.h"
#include "restore/room.h"
#include "restore/share.h"
#include "restore/trace.h"
#include "restore/witness.h"

#define FI_MAX_WORKERS 4 /* of a lane, unless somebody says how many */
_Static_assert(FI_MAX_WORKERS <= FI_TRACE_RINGS, "each demand worker has a ring");

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

	/* The thread that is there may be stuck in a step, and then another takes its place (relief.h). */
	struct fi_post post;
	struct fi_space *stepping; /* the step's */
	bool unmanned;		   /* the guard's: no thread could be started */

	struct fi_latency *latency;  /* durable; the worker writes it */
	struct fi_trace_ring *trace; /* under trace_lock; NULL: none is wanted */
	pthread_mutex_t trace_lock;
	struct fi_witness witness; /* of its spaces, with a trace */

	/* The worker's own: */
	struct fi_space_list retry; /* to be stepped again soon */
	struct fi_space_list ended; /* released when no event can name them any more */

	pthread_mutex_t lock;
	struct fi_space_list called; /* spaces to look at, each with a user; under lock */
};

struct fi_drain_worker {
	struct fi_engine *engine;
	pthread_t thread;
	unsigned index;
	struct fi_post post;
	bool unmanned; /* the guard's */
	struct fi_courtesy courtesy;
};

struct fi_engine {
	struct fi_engine_watcher watcher;
	struct fi_demand_worker demand[FI_MAX_WORKERS];
	struct fi_drain_worker drain[FI_SETTINGS_THREADS];
	pthread_t guard;
	unsigned nr_demand, nr_drain;
	bool has_guard;
	int ended_fd;

	struct fi_pools *pools; /* NULL: none */
	_Atomic bool restored, abandoned, stopping;
	const struct fi_policy *policy; /* durable */

	pthread_mutex_t lock;
	pthread_cond_t work;	    /* for drain workers */
	pthread_mutex_t guard_lock; /* the guard takes no lock that a starving worker may hold */
	pthread_cond_t stop;

	/* Under lock: */
	struct fi_space_list spaces;	  /* live; the list is a user of each */
	struct fi_session_record *record; /* durable: sums over spaces that have ended */
	uint64_t drain_from;		  /* with a rate: when the next chunk may be taken, ns */
	struct fi_latency *late; /* durable: of faults that threads had when they were relieved */

	_Atomic unsigned nr_relieved; /* threads that were, and are still in their step */
	pthread_cond_t relieved_back; /* with lock */
	int share_fd;		      /* share.h */
	struct fi_room room;	      /* where threads may run */
};

int fi_space_list_add(struct fi_space_list *list, struct fi_space *space);
bool fi_space_list_remove(struct fi_space_list *list, const struct fi_space *space);

/* A condition that fi_cond_wait_ns can wait for, at most @ns from now. */
void fi_cond_init(pthread_cond_t *cond);
void fi_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ns);

/* Asks the space's worker to look at it: it may have ended.  Any thread. */
void fi_demand_call(struct fi_space *space);

/* @trace: may be NULL. */
int fi_demand_worker_init(struct fi_demand_worker *worker, struct fi_engine *engine,
			  struct fi_trace_ring *trace);
void fi_demand_worker_done(struct fi_demand_worker *worker);

/* The guard: a worker whose thread is stuck is given another one. */
void fi_demand_relieve(struct fi_demand_worker *worker, uint64_t now);
void fi_drain_relieve(struct fi_drain_worker *worker, uint64_t now);

/* Starts the thread of a worker, with all signals blocked: they are the session's.  Returns 0 or a
 * negative errno. */
int fi_engine_start(const struct fi_engine *engine, pthread_t *thread, void *(*run)(void *),
		    void *arg);

/* Relieves the thread at @post if it is stuck; it is one of nr_relieved from then on. */
bool fi_engine_relieve(struct fi_engine *engine, struct fi_post *post, uint64_t now);

/* The same in place of @thread, which was relieved: false when it has to be tried again. */
bool fi_engine_replace(struct fi_engine *engine, pthread_t *thread, void *(*run)(void *),
		       void *arg);

/* From a thread that was relieved, at its end; its last faults have taken @ns. */
void fi_engine_back(struct fi_engine *engine, uint64_t ns, uint64_t nr_faults);

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
