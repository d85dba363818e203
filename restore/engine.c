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
#include "restore/drain.h"

#define MAX_WORKERS 4

/* Steps that one space may take before the others of its worker get their turn. */
#define MAX_STEPS  16
#define MAX_CHUNKS 32

/* How long to wait before what was put off is tried again. */
#define RETRY_MIN_NS 20000
#define RETRY_MAX_NS 2000000

struct space_list {
	struct fi_space **at;
	size_t nr, room;
};

struct worker {
	struct fi_engine *engine;
	pthread_t thread;
	int epfd;
	int bell; /* eventfd: look at `called` */
	uint64_t now; /* taken before the step's read */
	struct space_list retry; /* the worker's own */
	struct space_list ended; /* the worker's own: released when no event can name them */
	pthread_mutex_t lock;
	struct space_list called; /* spaces to look at, each with a user; under lock */
};

struct fi_engine {
	struct fi_engine_watcher watcher;
	struct worker demand[MAX_WORKERS];
	pthread_t drain[MAX_WORKERS];
	unsigned nr_demand, nr_drain;
	int ended_fd;

	_Atomic bool restored, abandoned, stopping;
	_Atomic unsigned demand_active; /* workers that are answering something right now */

	pthread_mutex_t lock;
	pthread_cond_t work; /* for drain workers */
	/* Under lock: */
	struct space_list spaces; /* live; the list is a user of each */
	unsigned next_id;
	struct fi_engine_totals ended; /* sums over spaces that have ended */
};

static int list_add(struct space_list *list, struct fi_space *space)
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

static bool list_remove(struct space_list *list, const struct fi_space *space)
{
	for (size_t i = 0; i < list->nr; i++) {
		if (list->at[i] != space)
			continue;
		memmove(&list->at[i], &list->at[i + 1],
			(list->nr - i - 1) * sizeof(list->at[0]));
		list->nr--;
		return true;
	}
	return false;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void ring(int eventfd)
{
	uint64_t one = 1;

	if (write(eventfd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fi_log(FI_LOG_ERROR, "cannot wake a worker: %s", strerror(errno));
}

static void unring(int eventfd)
{
	uint64_t count;

	if (read(eventfd, &count, sizeof(count)) < 0)
		return; /* nobody rang: fine */
}

static void add_counters(struct fi_counters *sum, const struct fi_counters *more)
{
#define ADD(field) sum->field += more->field
	ADD(faults);
	ADD(forks);
	ADD(remaps);
	ADD(removes);
	ADD(unmaps);
	ADD(demanded);
	ADD(drained);
	ADD(zeroed);
	ADD(dropped);
	ADD(poisoned);
	ADD(parked);
#undef ADD
}

/* Asks the space's worker to look at it. */
static void call(struct fi_space *space)
{
	struct worker *worker = space->worker;
	int r;

	(void)pthread_mutex_lock(&worker->lock);
	r = list_add(&worker->called, fi_space_get(space));
	(void)pthread_mutex_unlock(&worker->lock);
	if (r < 0)
		fi_space_put(space);
	ring(worker->bell);
}

/* --- the end of a space ------------------------------------------------------------------- */

static void end_space(struct worker *worker, struct fi_space *space)
{
	struct fi_engine *engine = worker->engine;
	uint64_t left = fi_space_nr_owed(space);

	(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
	fi_space_retire(space);
	space->count.dropped += left;
	fi_space_log(space, FI_LOG_INFO,
		     "%s: %" PRIu64 " faults, pages: %" PRIu64 " demanded, %" PRIu64
		     " drained, %" PRIu64 " zero, %" PRIu64 " dropped",
		     space->state == FI_SPACE_LIVE ? "complete" : "gone", space->count.faults,
		     space->count.demanded, space->count.drained, space->count.zeroed,
		     space->count.dropped);

	(void)list_remove(&worker->retry, space);
	engine->watcher.ended(engine->watcher.arg, space);
	(void)pthread_mutex_lock(&engine->lock);
	(void)list_remove(&engine->spaces, space);
	add_counters(&engine->ended.count, &space->count);
	(void)pthread_mutex_unlock(&engine->lock);
	ring(engine->ended_fd);
	if (list_add(&worker->ended, space) < 0)
		fi_log(FI_LOG_WARN, "out of memory, leaking the record of space %u", space->id);
}

/* A space that cannot be served: its task is killed, and only when it is gone is anything closed. */
static void doom(struct worker *worker, struct fi_space *space)
{
	struct fi_engine *engine = worker->engine;
	int pidfd = space->pidfd;

	space->state = FI_SPACE_FAILED;
	(void)pthread_mutex_lock(&engine->lock);
	engine->ended.nr_failed++;
	(void)pthread_mutex_unlock(&engine->lock);

	if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0)
		fi_space_log(space, FI_LOG_ERROR, "killed, so that it does not run on wrong memory");
	else if (pidfd < 0)
		fi_space_log(space, FI_LOG_ERROR,
			     "not served any more, and its pid is not known: it waits for ever at "
			     "its next fault; kill it");
	(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
}

/* --- demand ------------------------------------------------------------------------------- */

static void on_born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	struct worker *worker = arg;
	struct fi_engine *engine = worker->engine;

	engine->watcher.born(engine->watcher.arg, parent, child, worker->now);
	if (fi_engine_add(engine, child) < 0) {
		/* Its descriptor must stay open for ever: the child waits instead of reading
		 * zeros. */
		fi_space_log(child, FI_LOG_ERROR, "out of memory, its faults stay unanswered");
		engine->watcher.ended(engine->watcher.arg, child);
	}
}

static void on_stillborn(void *arg, struct fi_space *parent, int uffd)
{
	struct worker *worker = arg;

	(void)uffd; /* stays open: the child waits instead of reading zeros */
	fi_space_log(parent, FI_LOG_ERROR,
		     "out of memory for a forked child, its faults stay unanswered");
	(void)pthread_mutex_lock(&worker->engine->lock);
	worker->engine->ended.nr_failed++;
	(void)pthread_mutex_unlock(&worker->engine->lock);
}

/* Whether a space has come to its end, or must be looked at again soon. */
static void conclude(struct worker *worker, struct fi_space *space, enum fi_step step)
{
	struct fi_engine *engine = worker->engine;
	bool retry = step == FI_STEP_RETRY;

	switch (space->state) {
	case FI_SPACE_GONE:
		end_space(worker, space);
		return;
	case FI_SPACE_FAILED:
		retry = true;
		break;
	case FI_SPACE_LIVE:
		if (!engine->restored || space->nr_parked || fi_space_nr_owed(space) > 0)
			break;
		/* An UNMAP that was read may have settled the last pages while the FORK of another
		 * thread, which came before it, is still to be read: its child owes them. */
		retry = fi_space_probe(space) == -EAGAIN;
		if (!retry) {
			end_space(worker, space);
			return;
		}
		break;
	}

	(void)list_remove(&worker->retry, space);
	if (retry && list_add(&worker->retry, space) < 0)
		call(space);
}

static void step_space(struct worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = { on_born, on_stillborn, worker };
	enum fi_step step = FI_STEP_END;

	if (space->uffd < 0)
		return; /* it ended earlier in this round */

	worker->now = now_ns();
	for (int i = 0; i < MAX_STEPS && space->state == FI_SPACE_LIVE; i++) {
		step = fi_demand_step(space, &birth);
		if (step != FI_STEP_MORE)
			break;
	}
	if (space->state == FI_SPACE_FAILED)
		doom(worker, space);
	conclude(worker, space, step);
}

/* Somebody rang: the task may have gone, the drain may be through, the restore may have failed. */
static void look_at(struct worker *worker, struct fi_space *space)
{
	if (space->uffd < 0)
		return;
	if (worker->engine->abandoned && space->state == FI_SPACE_LIVE)
		doom(worker, space);
	if (fi_space_probe(space) == -ESRCH)
		space->state = FI_SPACE_GONE;
	conclude(worker, space, FI_STEP_IDLE);
}

static void answer_calls(struct worker *worker)
{
	struct space_list called;

	unring(worker->bell);
	(void)pthread_mutex_lock(&worker->lock);
	called = worker->called;
	worker->called = (struct space_list){ 0 };
	(void)pthread_mutex_unlock(&worker->lock);

	for (size_t i = 0; i < called.nr; i++) {
		look_at(worker, called.at[i]);
		fi_space_put(called.at[i]);
	}
	free(called.at);
}

static void retry_spaces(struct worker *worker)
{
	/* Each is taken out or moved to the end, so one pass is `nr` times the first. */
	for (size_t nr = worker->retry.nr; nr > 0 && worker->retry.nr > 0; nr--) {
		struct fi_space *space = worker->retry.at[0];

		if (space->state == FI_SPACE_FAILED)
			look_at(worker, space);
		else
			step_space(worker, space);
	}
}

static void *demand_thread(void *arg)
{
	struct worker *worker = arg;
	struct fi_engine *engine = worker->engine;
	struct epoll_event events[64];
	long wait_ns = RETRY_MIN_NS;

	while (!engine->stopping) {
		int n;

		if (worker->retry.nr) {
			struct pollfd pfd = { .fd = worker->epfd, .events = POLLIN };
			struct timespec ts = { .tv_nsec = wait_ns };

			(void)ppoll(&pfd, 1, &ts, NULL);
			wait_ns = 2 * wait_ns < RETRY_MAX_NS ? 2 * wait_ns : RETRY_MAX_NS;
		}
		n = epoll_wait(worker->epfd, events, 64, worker->retry.nr ? 0 : -1);
		atomic_fetch_add_explicit(&engine->demand_active, 1, memory_order_relaxed);
		if (n > 0)
			wait_ns = RETRY_MIN_NS;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				step_space(worker, events[i].data.ptr);
			else
				answer_calls(worker);
		}
		retry_spaces(worker);
		atomic_fetch_sub_explicit(&engine->demand_active, 1, memory_order_relaxed);

		for (size_t i = 0; i < worker->ended.nr; i++)
			fi_space_put(worker->ended.at[i]);
		worker->ended.nr = 0;
	}
	return NULL;
}

/* --- drain -------------------------------------------------------------------------------- */

/* The next space that owes, in turn; restored tasks' first.  Under the engine's lock. */
static struct fi_space *choose(struct fi_engine *engine, size_t *turn)
{
	for (int children = 0; children < 2; children++) {
		for (size_t i = 0; i < engine->spaces.nr; i++) {
			size_t at = (*turn + i) % engine->spaces.nr;
			struct fi_space *space = engine->spaces.at[at];

			if ((space->parent != 0) != (children != 0) ||
			    space->state != FI_SPACE_LIVE || fi_space_nr_owed(space) == 0)
				continue;
			*turn = at + 1;
			return fi_space_get(space);
		}
	}
	return NULL;
}

static struct fi_space *wait_for_work(struct fi_engine *engine, size_t *turn)
{
	struct fi_space *space = NULL;

	(void)pthread_mutex_lock(&engine->lock);
	while (!engine->stopping) {
		if (engine->restored)
			space = choose(engine, turn);
		if (space)
			break;
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

static void *drain_thread(void *arg)
{
	struct fi_engine *engine = arg;
	struct fi_space *space;
	size_t turn = 0;

	while ((space = wait_for_work(engine, &turn))) {
		enum fi_step step = FI_STEP_MORE;

		for (int i = 0; i < MAX_CHUNKS && step == FI_STEP_MORE; i++) {
			if (engine->demand_active)
				(void)sched_yield();
			step = fi_drain_step(space);
		}
		if (step == FI_STEP_END || fi_space_nr_owed(space) == 0)
			call(space);
		else if (step != FI_STEP_MORE)
			nap(RETRY_MIN_NS);
		fi_space_put(space);
	}
	return NULL;
}

/* --- the whole ---------------------------------------------------------------------------- */

static int worker_init(struct worker *worker, struct fi_engine *engine)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	worker->engine = engine;
	(void)pthread_mutex_init(&worker->lock, NULL);
	worker->epfd = epoll_create1(EPOLL_CLOEXEC);
	worker->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->epfd < 0 || worker->bell < 0 ||
	    epoll_ctl(worker->epfd, EPOLL_CTL_ADD, worker->bell, &event) < 0)
		return -errno;
	return 0;
}

static void worker_done(struct worker *worker)
{
	fi_close(&worker->epfd);
	fi_close(&worker->bell);
	for (size_t i = 0; i < worker->called.nr; i++)
		fi_space_put(worker->called.at[i]);
	free(worker->called.at);
	free(worker->retry.at);
	free(worker->ended.at);
	(void)pthread_mutex_destroy(&worker->lock);
}

/* Signals are the session's: workers have them all blocked. */
static int start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static unsigned nr_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > MAX_WORKERS ? MAX_WORKERS : (unsigned)cpus;
}

int fi_engine_new(const struct fi_engine_watcher *watcher, struct fi_engine **ret,
		  struct fi_error *err)
{
	struct fi_engine *engine = calloc(1, sizeof(*engine));
	unsigned nr = nr_workers();
	int r;

	if (!engine)
		return fi_error_set(err, -ENOMEM, "out of memory");
	engine->watcher = *watcher;
	(void)pthread_mutex_init(&engine->lock, NULL);
	(void)pthread_cond_init(&engine->work, NULL);
	engine->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = engine->ended_fd < 0 ? -errno : 0;

	while (r == 0 && engine->nr_demand < nr) {
		struct worker *worker = &engine->demand[engine->nr_demand];

		r = worker_init(worker, engine);
		if (r == 0)
			r = start(&worker->thread, demand_thread, worker);
		if (r == 0)
			engine->nr_demand++;
		else
			worker_done(worker);
	}
	while (r == 0 && engine->nr_drain < nr) {
		r = start(&engine->drain[engine->nr_drain], drain_thread, engine);
		if (r == 0)
			engine->nr_drain++;
	}
	if (r < 0) {
		fi_engine_free(engine);
		return fi_error_set(err, r, "cannot start the workers");
	}
	*ret = engine;
	return 0;
}

int fi_engine_add(struct fi_engine *engine, struct fi_space *space)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = space };
	struct worker *worker;
	int r;

	(void)pthread_mutex_lock(&engine->lock);
	r = list_add(&engine->spaces, space);
	space->id = ++engine->next_id;
	if (space->parent)
		engine->ended.nr_forked++;
	worker = &engine->demand[space->id % engine->nr_demand];
	space->worker = worker;
	(void)pthread_mutex_unlock(&engine->lock);
	if (r < 0)
		return r;

	if (epoll_ctl(worker->epfd, EPOLL_CTL_ADD, space->uffd, &event) < 0) {
		r = -errno;
		(void)pthread_mutex_lock(&engine->lock);
		(void)list_remove(&engine->spaces, space);
		(void)pthread_mutex_unlock(&engine->lock);
		return r;
	}
	(void)pthread_cond_broadcast(&engine->work);
	return 0;
}

/* Has every worker look at every space of its own. */
static void call_all(struct fi_engine *engine)
{
	(void)pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < engine->spaces.nr; i++)
		call(engine->spaces.at[i]);
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
}

void fi_engine_restored(struct fi_engine *engine)
{
	engine->restored = true;
	call_all(engine);
}

void fi_engine_abandon(struct fi_engine *engine)
{
	engine->abandoned = true;
	call_all(engine);
}

void fi_engine_look(struct fi_engine *engine, struct fi_space *space)
{
	(void)engine;
	call(space);
}

int fi_engine_fd(const struct fi_engine *engine)
{
	return engine->ended_fd;
}

void fi_engine_heard(struct fi_engine *engine)
{
	unring(engine->ended_fd);
}

void fi_engine_totals(struct fi_engine *engine, struct fi_engine_totals *ret)
{
	(void)pthread_mutex_lock(&engine->lock);
	*ret = engine->ended;
	ret->nr_live = engine->spaces.nr;
	ret->nr_owed = 0;
	for (size_t i = 0; i < engine->spaces.nr; i++) {
		add_counters(&ret->count, &engine->spaces.at[i]->count);
		ret->nr_owed += fi_space_nr_owed(engine->spaces.at[i]);
	}
	(void)pthread_mutex_unlock(&engine->lock);
}

void fi_engine_free(struct fi_engine *engine)
{
	if (!engine)
		return;
	(void)pthread_mutex_lock(&engine->lock);
	engine->stopping = true;
	(void)pthread_cond_broadcast(&engine->work);
	(void)pthread_mutex_unlock(&engine->lock);
	for (unsigned i = 0; i < engine->nr_drain; i++)
		(void)pthread_join(engine->drain[i], NULL);
	for (unsigned i = 0; i < engine->nr_demand; i++) {
		ring(engine->demand[i].bell);
		(void)pthread_join(engine->demand[i].thread, NULL);
		worker_done(&engine->demand[i]);
	}
	fi_close(&engine->ended_fd);
	free(engine->spaces.at);
	(void)pthread_cond_destroy(&engine->work);
	(void)pthread_mutex_destroy(&engine->lock);
	free(engine);
}
