/* restore/engine.c - see engine.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>

#include "restore/demand.h"
#include "restore/room.h"
#include "restore/smaps.h"
#include "restore/workers.h"

/* One for each demand worker, and one for those that were relieved. */
_Static_assert(FI_MAX_WORKERS < FI_LATENCIES, "the ledger has room for what workers measure");

int fi_space_list_add(struct fi_space_list *list, struct fi_space *space)
{
	if (list->nr == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct fi_space **at = realloc(list->at, room * sizeof(at[0]));

		if (!at)
			return -ENOMEM;
		list->at = at;
		list->room = room;
	}
	list->at[list->nr++] = space;
	return 0;
}

bool fi_space_list_remove(struct fi_space_list *list, const struct fi_space *space)
{
	for (size_t i = 0; i < list->nr; i++) {
		if (list->at[i] != space)
			continue;
		memmove(&list->at[i], &list->at[i + 1], (list->nr - i - 1) * sizeof(list->at[0]));
		list->nr--;
		return true;
	}
	return false;
}

void fi_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

void fi_cond_wait_ns(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ns)
{
	uint64_t until = fi_now_ns() + ns;
	struct timespec ts = {
		.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000),
	};

	(void)pthread_cond_timedwait(cond, lock, &ts);
}

/* How long the end waits for threads that were relieved. */
#define BACK_NS UINT64_C(500000000)

static void wake_session(const struct fi_engine *engine)
{
	uint64_t one = 1;

	if (write(engine->ended_fd, &one, sizeof(one)) < 0)
		fi_log(FI_LOG_ERROR, "cannot wake the session: %s", strerror(errno));
}

void fi_engine_ended(struct fi_engine *engine, struct fi_space *space)
{
	engine->watcher.ended(engine->watcher.arg, space);
	(void)pthread_mutex_lock(&engine->lock);
	(void)fi_space_list_remove(&engine->spaces, space);
	fi_counters_add(&engine->record->ended, space->count);
	(void)pthread_mutex_unlock(&engine->lock);
	wake_session(engine);
}

void fi_engine_note_failed(struct fi_engine *engine)
{
	(void)pthread_mutex_lock(&engine->lock);
	engine->record->nr_failed++;
	(void)pthread_mutex_unlock(&engine->lock);
}

void fi_engine_note_forked(struct fi_engine *engine)
{
	(void)pthread_mutex_lock(&engine->lock);
	engine->record->nr_forked++;
	(void)pthread_mutex_unlock(&engine->lock);
}

void fi_engine_stillborn(void *arg, struct fi_space *parent, int uffd)
{
	(void)arg;
	fi_space_log(parent, FI_LOG_ERROR,
		     "out of memory for a forked child, its faults stay unanswered");
	fi_ledger_orphan(uffd);
}

bool fi_engine_wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	(void)arg;
	return parent->pid && fi_smaps_wipes(parent->pid, addr, end, ret);
}

bool fi_engine_alone(void *arg, struct fi_space *space)
{
	(void)arg;
	return space->pid && fi_smaps_alone(space->pid);
}

/* A worker has something to do, or is at it: what it has read it may have lost its CPU over. */
static bool busy(struct fi_demand_worker *worker)
{
	struct pollfd pfd = { .fd = worker->epfd, .events = POLLIN };

	return fi_post_is_in_step(&worker->post) || poll(&pfd, 1, 0) > 0;
}

/* Looks after workers that may starve (placement.h), and those that may be stuck (relief.h). */
static void *guard_thread(void *arg)
{
	struct fi_engine *engine = arg;

	fi_room_enter(&engine->room, FI_ROOM_GUARD);
	fi_priority_first();
	(void)pthread_mutex_lock(&engine->guard_lock);
	while (!engine->stopping) {
		uint64_t now = fi_now_ns(), look_ns = FI_PLACEMENT_LOOK_AWAY_NS;

		for (unsigned i = 0; i < engine->nr_demand; i++) {
			struct fi_demand_worker *worker = &engine->demand[i];

			fi_placement_guard(&worker->placement, busy(worker), now);
			fi_demand_relieve(worker, now);
			if (worker->placement.cpu >= 0)
				look_ns = FI_PLACEMENT_LOOK_NEAR_NS;
		}
		for (unsigned i = 0; i < engine->nr_drain; i++)
			fi_drain_relieve(&engine->drain[i], now);
		fi_room_make_way(engine);
		fi_cond_wait_ns(&engine->stop, &engine->guard_lock, look_ns);
	}
	(void)pthread_mutex_unlock(&engine->guard_lock);
	fi_room_leave(&engine->room, FI_ROOM_GUARD);
	return NULL;
}

int fi_engine_start(const struct fi_engine *engine, pthread_t *thread, void *(*run)(void *),
		    void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int r;

	(void)pthread_attr_init(&attr);
	/* The guard, which starts some, may be kept off CPUs. */
	if (CPU_COUNT(&engine->room.everywhere))
		(void)pthread_attr_setaffinity_np(&attr, sizeof(engine->room.everywhere),
						  &engine->room.everywhere);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, &attr, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return -r;
}

bool fi_engine_relieve(struct fi_engine *engine, struct fi_post *post, uint64_t now)
{
	/* Counted before: it may be back at once. */
	if (atomic_fetch_add(&engine->nr_relieved, 1) < FI_RELIEF_MAX && fi_post_relieve(post, now))
		return true;
	atomic_fetch_sub(&engine->nr_relieved, 1);
	return false;
}

bool fi_engine_replace(struct fi_engine *engine, pthread_t *thread, void *(*run)(void *), void *arg)
{
	pthread_t next;

	if (fi_engine_start(engine, &next, run, arg) < 0)
		return false;
	(void)pthread_detach(*thread);
	*thread = next;
	return true;
}

void fi_engine_back(struct fi_engine *engine, uint64_t ns, uint64_t nr_faults)
{
	(void)pthread_mutex_lock(&engine->lock);
	if (nr_faults)
		fi_latency_add(engine->late, ns, nr_faults);
	engine->nr_relieved--;
	(void)pthread_cond_signal(&engine->relieved_back);
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
}

/* Waits for threads that were relieved.  False: some are still stuck. */
static bool all_back(struct fi_engine *engine)
{
	uint64_t until = fi_now_ns() + BACK_NS;
	bool all;

	(void)pthread_mutex_lock(&engine->lock);
	for (uint64_t now = 0; engine->nr_relieved && now < until; now = fi_now_ns())
		fi_cond_wait_ns(&engine->relieved_back, &engine->lock, BACK_NS / 10);
	all = engine->nr_relieved == 0;
	(void)pthread_mutex_unlock(&engine->lock);
	return all;
}

static unsigned nr_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > FI_MAX_WORKERS ? FI_MAX_WORKERS : (unsigned)cpus;
}

int fi_engine_new(const struct fi_engine_watcher *watcher, struct fi_trace *trace,
		  struct fi_engine **ret, struct fi_error *err)
{
	struct fi_engine *engine = calloc(1, sizeof(*engine));
	unsigned nr = nr_workers(), nr_drain = fi_ledger()->session.policy.threads;
	int r;

	if (!engine)
		return fi_error_set(err, -ENOMEM, "out of memory");
	engine->watcher = *watcher;
	engine->record = &fi_ledger()->session;
	engine->late = &engine->record->latency[FI_MAX_WORKERS];
	engine->policy = &fi_ledger()->session.policy;
	(void)pthread_mutex_init(&engine->lock, NULL);
	(void)pthread_mutex_init(&engine->guard_lock, NULL);
	fi_room_init(&engine->room);
	engine->share_fd = fi_share_open();
	fi_cond_init(&engine->relieved_back);
	fi_cond_init(&engine->work);
	fi_cond_init(&engine->stop);
	engine->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = engine->ended_fd < 0 ? -errno : 0;

	while (r == 0 && engine->nr_demand < nr) {
		struct fi_demand_worker *worker = &engine->demand[engine->nr_demand];

		r = fi_demand_worker_init(worker, engine,
					  trace ? &trace->rings[engine->nr_demand] : NULL);
		if (r == 0)
			r = fi_engine_start(engine, &worker->thread, fi_demand_thread, worker);
		if (r == 0)
			engine->nr_demand++;
		else
			fi_demand_worker_done(worker);
	}
	while (r == 0 && engine->nr_drain < (nr_drain ? nr_drain : nr)) {
		struct fi_drain_worker *worker = &engine->drain[engine->nr_drain];

		worker->engine = engine;
		worker->index = engine->nr_drain;
		r = fi_engine_start(engine, &worker->thread, fi_drain_thread, worker);
		if (r == 0)
			engine->nr_drain++;
	}
	if (r == 0)
		r = fi_engine_start(engine, &engine->guard, guard_thread, engine);
	engine->has_guard = r == 0;
	if (r < 0) {
		fi_engine_free(engine);
		return fi_error_set(err, r, "cannot start the workers");
	}
	*ret = engine;
	return 0;
}

static void on_pool_hurried(void *arg)
{
	struct fi_engine *engine = arg;

	(void)pthread_mutex_lock(&engine->lock);
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
}

static void on_pool_ended(void *arg)
{
	wake_session(arg);
}

int fi_engine_take_pools(struct fi_engine *engine, struct fi_pools *pools)
{
	const struct fi_pools_watcher watcher = { on_pool_hurried, on_pool_ended, fi_drain_hurry,
						  engine };

	(void)pthread_mutex_lock(&engine->lock);
	engine->pools = pools;
	(void)pthread_mutex_unlock(&engine->lock);
	return fi_pools_start(pools, &watcher);
}

int fi_engine_add(struct fi_engine *engine, struct fi_space *space)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = space };
	bool unfinished =
		fi_demand_unfinished(space); /* from epoll_ctl on it is its worker's to know */
	struct fi_demand_worker *worker;
	int r;

	/* From epoll_ctl on its worker may end and free the space; not before the lock is released,
	 * because to end it takes that, too. */
	(void)pthread_mutex_lock(&engine->lock);
	worker = &engine->demand[space->id % engine->nr_demand];
	space->worker = worker;
	space->witness = worker->trace ? &worker->witness : NULL;
	space->gate.stuck = fi_drain_hurry;
	space->gate.arg = engine;
	space->since = fi_now_ns();
	r = fi_space_list_add(&engine->spaces, space);
	if (r == 0 && epoll_ctl(worker->epfd, EPOLL_CTL_ADD, space->uffd, &event) < 0) {
		r = -errno;
		(void)fi_space_list_remove(&engine->spaces, space);
	}
	if (r < 0) {
		space->worker = NULL;
	} else {
		/* Where there is nothing to drain, nobody else would ever ask for a look. */
		if (engine->abandoned || space->state != FI_SPACE_LIVE || unfinished ||
		    (engine->restored && fi_space_nr_owed(space) == 0))
			fi_demand_call(space);
		(void)pthread_cond_broadcast(&engine->work);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	return r;
}

/* Has every worker look at every space of its own. */
static void call_all(struct fi_engine *engine)
{
	(void)pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->spaces.nr; i++)
		fi_demand_call(engine->spaces.at[i]);
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
}

void fi_engine_restored(struct fi_engine *engine)
{
	engine->restored = true;
	if (engine->pools)
		fi_pools_restored(engine->pools);
	call_all(engine);
}

void fi_engine_abandon(struct fi_engine *engine)
{
	engine->abandoned = true;
	if (engine->pools)
		fi_pools_abandon(engine->pools);
	call_all(engine);
}

void fi_engine_look(struct fi_engine *engine, struct fi_space *space)
{
	/* A child can be heard of before it is added.  That news may be lost: the next copy into the
	 * space will say what has become of it. */
	(void)pthread_mutex_lock(&engine->lock);
	if (space->worker)
		fi_demand_call(space);
	(void)pthread_mutex_unlock(&engine->lock);
}

int fi_engine_fd(const struct fi_engine *engine)
{
	return engine->ended_fd;
}

void fi_engine_heard(struct fi_engine *engine)
{
	uint64_t count;

	if (read(engine->ended_fd, &count, sizeof(count)) < 0)
		return; /* nothing new: fine */
}

void fi_engine_steered(struct fi_engine *engine)
{
	(void)pthread_mutex_lock(&engine->lock);
	engine->drain_from = 0;
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
}

static void look_into(struct fi_space *space, struct fi_space_status *ret)
{
	*ret = (struct fi_space_status){
		.id = space->id,
		.parent = space->parent,
		.vpid = space->vpid,
		.pid = space->pid,
		.failed = space->state == FI_SPACE_FAILED,
		.nr_lazy = space->pagemap->nr_lazy_pages,
	};
	(void)pthread_mutex_lock(&space->owed_lock);
	ret->image = space->slot ? space->slot->image : 0;
	ret->nr_owed = space->owed.count;
	(void)pthread_mutex_unlock(&space->owed_lock);
	fi_counters_add(&ret->count, space->count);
}

/* After the spaces. */
static size_t look_at_pools(const struct fi_engine *engine, struct fi_space_status *at, size_t room)
{
	struct fi_pool_status pools[FI_POOLS];
	size_t nr = engine->pools ? fi_pools_status(engine->pools, pools, FI_POOLS) : 0;

	nr = nr < room ? nr : room;
	for (size_t i = 0; i < nr; i++)
		at[i] = (struct fi_space_status){
			.segment = pools[i].segment,
			.failed = pools[i].failed,
			.nr_lazy = pools[i].nr_lazy,
			.nr_owed = pools[i].nr_owed,
			.count = pools[i].count,
		};
	return nr;
}

size_t fi_engine_spaces(struct fi_engine *engine, struct fi_space_status *at, size_t room)
{
	size_t nr = 0;

	(void)pthread_mutex_lock(&engine->lock);
	for (int children = 0; children <= 1; children++)
		for (size_t i = 0; i < engine->spaces.nr && nr < room; i++)
			if ((engine->spaces.at[i]->parent != 0) == children)
				look_into(engine->spaces.at[i], &at[nr++]);
	(void)pthread_mutex_unlock(&engine->lock);
	nr += look_at_pools(engine, &at[nr], room - nr);
	return nr;
}

void fi_engine_latency(const struct fi_engine *engine, struct fi_latency *sum)
{
	for (size_t i = 0; i < FI_ARRAY_SIZE(engine->record->latency); i++)
		fi_latency_sum(sum, &engine->record->latency[i]);
}

static void count_pools(const struct fi_engine *engine, struct fi_engine_totals *sum)
{
	struct fi_pool_status pools[FI_POOLS];
	size_t nr = engine->pools ? fi_pools_status(engine->pools, pools, FI_POOLS) : 0;

	sum->nr_live += nr;
	for (size_t i = 0; i < nr; i++) {
		sum->nr_owed += pools[i].nr_owed;
		fi_counters_add(&sum->count, &pools[i].count);
	}
}

void fi_engine_totals(struct fi_engine *engine, struct fi_engine_totals *ret)
{
	(void)pthread_mutex_lock(&engine->lock);
	*ret = (struct fi_engine_totals){
		.nr_live = engine->spaces.nr,
		.nr_forked = engine->record->nr_forked,
		.nr_failed = engine->record->nr_failed,
		.nr_orphans = fi_ledger()->nr_orphans,
	};
	ret->nr_failed += ret->nr_orphans;
	fi_counters_add(&ret->count, &engine->record->ended);
	for (size_t i = 0; i < engine->spaces.nr; i++) {
		fi_counters_add(&ret->count, engine->spaces.at[i]->count);
		ret->nr_owed += fi_space_nr_owed(engine->spaces.at[i]);
	}
	(void)pthread_mutex_unlock(&engine->lock);
	count_pools(engine, ret);
}

bool fi_engine_free(struct fi_engine *engine)
{
	if (!engine)
		return true;
	(void)pthread_mutex_lock(&engine->lock);
	engine->stopping = true;
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
	(void)pthread_mutex_lock(&engine->guard_lock);
	(void)pthread_cond_broadcast(&engine->stop);
	(void)pthread_mutex_unlock(&engine->guard_lock);
	if (engine->has_guard)
		(void)pthread_join(engine->guard, NULL);
	for (unsigned i = 0; i < engine->nr_drain; i++)
		if (!engine->drain[i].unmanned)
			(void)pthread_join(engine->drain[i].thread, NULL);
	for (unsigned i = 0; i < engine->nr_demand; i++) {
		fi_demand_worker_ring(&engine->demand[i]);
		if (!engine->demand[i].unmanned)
			(void)pthread_join(engine->demand[i].thread, NULL);
	}
	if (!all_back(engine))
		return false;
	fi_pools_free(engine->pools);
	for (unsigned i = 0; i < engine->nr_demand; i++)
		fi_demand_worker_done(&engine->demand[i]);
	fi_close(&engine->ended_fd);
	free(engine->spaces.at);
	(void)pthread_cond_destroy(&engine->relieved_back);
	(void)pthread_cond_destroy(&engine->stop);
	(void)pthread_cond_destroy(&engine->work);
	(void)pthread_mutex_destroy(&engine->guard_lock);
	fi_room_done(&engine->room);
	fi_close(&engine->share_fd);
	(void)pthread_mutex_destroy(&engine->lock);
	free(engine);
	return true;
}
