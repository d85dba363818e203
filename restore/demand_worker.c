/* restore/demand_worker.c - a thread of the demand lane: sleep, step, do what must be done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The worker is the reader of its spaces.  It also ends them, so that no other thread can meet a
 * closed descriptor: whoever finds a space through or gone calls its worker.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "restore/demand.h"
#include "restore/fate.h"
#include "restore/probes.h"
#include "restore/workers.h"

/* Steps that one space may take before the others of its worker get their turn. */
#define MAX_STEPS 64

/* How long to wait before what was put off is tried again. */
#define RETRY_MIN_NS 20000
#define RETRY_MAX_NS 10000000
#define HOLD_MAX_NS  2000000 /* on hold, for what other threads' events will say at once */

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

/* Asks the space's worker to look at it. */
void fi_demand_call(struct fi_space *space)
{
	struct fi_demand_worker *worker = space->worker;
	int r;

	(void)pthread_mutex_lock(&worker->lock);
	r = fi_space_list_add(&worker->called, fi_space_get(space));
	(void)pthread_mutex_unlock(&worker->lock);
	if (r < 0)
		fi_space_put(space);
	ring(worker->bell);
}

/* --- the trace ---------------------------------------------------------------------------- */

static enum fi_trace_answer trace_answer(const struct fi_answer *answer)
{
	switch (answer->how) {
	case FI_FILLED:
		return answer->bytes ? FI_TRACE_DATA : FI_TRACE_ZERO;
	case FI_FILLED_POISON:
		return FI_TRACE_POISON;
	case FI_FILLED_BEFORE:
		return FI_TRACE_PRESENT;
	case FI_FILLED_NOWHERE:
		return FI_TRACE_UNMAPPED;
	case FI_FILLED_LATER:
		return FI_TRACE_PARKED;
	default:
		return FI_TRACE_OVER;
	}
}

/* A thread that was relieved may put beside its successor. */
static void put(struct fi_demand_worker *worker, const struct fi_trace_record *record)
{
	(void)pthread_mutex_lock(&worker->trace_lock);
	fi_trace_put(worker->trace, record);
	(void)pthread_mutex_unlock(&worker->trace_lock);
}

static void on_answered(void *arg, const struct fi_space *space, const struct fi_answer *answer)
{
	struct fi_demand_worker *worker = arg;
	const struct fi_trace_record record = {
		.at = space->stepped,
		.space = space->id,
		.kind = FI_TRACE_FAULT,
		.answer = (uint8_t)trace_answer(answer),
		.again = answer->again,
		.file = (uint16_t)answer->file,
		.fault = {
			.addr = answer->addr,
			.took = fi_now_ns() - space->stepped,
			.nr_pages = (uint32_t)answer->nr_pages,
		},
	};

	put(worker, &record);
}

static void trace_fork(struct fi_demand_worker *worker, const struct fi_space *parent,
		       uint32_t child, uint64_t at)
{
	const struct fi_trace_record record = {
		.at = at,
		.space = parent->id,
		.kind = FI_TRACE_FORK,
		.fork = { .child = child },
	};

	put(worker, &record);
}

static void trace_end(struct fi_demand_worker *worker, const struct fi_space *space, uint32_t image)
{
	const struct fi_trace_record record = {
		.at = fi_now_ns(),
		.space = space->id,
		.kind = FI_TRACE_END,
		.end = {
			.demanded = space->count->demanded,
			.drained = space->count->drained,
			.dropped = space->count->dropped,
		},
		.image = image,
		.vpid = space->vpid,
		.pid = space->pid,
	};

	put(worker, &record);
}

/* --- the end of a space ------------------------------------------------------------------- */

static void end_space(struct fi_demand_worker *worker, struct fi_space *space)
{
	struct fi_engine *engine = worker->engine;
	uint32_t image = space->slot->image;

	(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
	fi_space_retire(space);
	space->count->dropped += fi_space_nr_owed(space);
	fi_space_log(space, FI_LOG_INFO,
		     "%s: %" PRIu64 " faults, pages: %" PRIu64 " demanded, %" PRIu64
		     " drained, %" PRIu64 " zero, %" PRIu64 " dropped",
		     space->state == FI_SPACE_LIVE ? "complete" : "gone", space->count->faults,
		     space->count->demanded, space->count->drained, space->count->zeroed,
		     space->count->dropped);

	(void)fi_space_list_remove(&worker->retry, space);
	if (worker->trace)
		trace_end(worker, space, image);
	fi_engine_ended(engine, space);
	if (fi_space_list_add(&worker->ended, space) < 0)
		fi_log(FI_LOG_WARN, "out of memory, leaking the record of space %u", space->id);
}

/* A space that cannot be served: its task is killed, and only when it is gone is anything closed.
 * Called again and again until then, because its pid may become known later. */
static void doom(struct fi_demand_worker *worker, struct fi_space *space)
{
	int pidfd = space->pidfd;

	if (!space->doomed) {
		space->doomed = true;
		(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
		if (!atomic_exchange(&space->slot->doomed, 1))
			fi_engine_note_failed(worker->engine);
		if (pidfd < 0)
			fi_space_log(space, FI_LOG_ERROR,
				     "not served any more, and its pid is not known: it waits for "
				     "ever at its next fault; kill it");
	}
	if (!space->killed && pidfd >= 0 &&
	    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0) {
		space->killed = true;
		fi_space_log(space, FI_LOG_ERROR,
			     "killed, so that it does not run on wrong memory");
	}
}

/* It may have been read of some steps ago (newborn.h). */
static void on_born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	struct fi_demand_worker *worker = arg;
	struct fi_engine *engine = worker->engine;
	const unsigned child_id = child->id; /* once added, it may be gone */
	const uint64_t before = child->stepped;

	engine->watcher.born(engine->watcher.arg, parent, child, before);
	if (fi_engine_add(engine, child) < 0) {
		/* Its descriptor must stay open for ever: the child waits instead of reading
		 * zeros. */
		fi_space_log(child, FI_LOG_ERROR, "out of memory, its faults stay unanswered");
		engine->watcher.ended(engine->watcher.arg, child);
		fi_ledger_orphan(child->uffd);
		return;
	}
	FI_PROBE(fork, parent->id, parent->pid, child_id);
	if (worker->trace)
		trace_fork(worker, parent, child_id, before);
	fi_engine_note_forked(engine);
}

static struct fi_birth birth_of(struct fi_demand_worker *worker)
{
	return (struct fi_birth){ on_born, fi_engine_stillborn, fi_engine_wipes, fi_engine_alone,
				  worker };
}

static void meet(struct fi_demand_worker *worker, struct fi_space *space, enum fi_fate fate)
{
	uint64_t most = fi_space_on_hold(space) ? HOLD_MAX_NS : RETRY_MAX_NS;

	if (fate == FI_FATE_END) {
		end_space(worker, space);
		return;
	}
	if (fate == FI_FATE_DOOM)
		doom(worker, space);
	(void)fi_space_list_remove(&worker->retry, space);
	if (fate == FI_FATE_WAIT) {
		space->retry_ns = 0;
		return;
	}
	/* Each space has a pause of its own: what one waits for is not tried again for each fault of
	 * another. */
	if (space->retry_ns == 0)
		space->retry_ns = RETRY_MIN_NS;
	else if (2 * space->retry_ns < most)
		space->retry_ns *= 2;
	else
		space->retry_ns = most;
	space->retry_at = fi_now_ns() + space->retry_ns;
	if (fi_space_list_add(&worker->retry, space) < 0)
		fi_demand_call(space);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* From a thread that was relieved. */
static void give_back(struct fi_demand_worker *worker, struct fi_space *space, uint64_t nr_faults)
{
	uint64_t now = fi_now_ns(), ns = now - space->stepped;

	(void)fi_space_get(space);
	fi_space_log(space, FI_LOG_INFO, "goes on after %" PRIu64 " ms", ns / 1000000);
	if (nr_faults)
		space->last_fault = now;
	(void)pthread_mutex_lock(&worker->lock);
	space->place = FI_SPACE_BACK;
	(void)pthread_mutex_unlock(&worker->lock);
	fi_demand_call(space);
	fi_space_put(space);
	fi_engine_back(worker->engine, ns, nr_faults);
}

/* One step, and what it means for where and when the others run.  False: this thread was relieved
 * meanwhile, and has no part in the worker any more. */
static bool step_once(struct fi_demand_worker *worker, struct fi_space *space, enum fi_step *ret)
{
	const struct fi_birth birth = birth_of(worker);
	uint64_t faults = load(&space->count->faults), now = fi_now_ns();

	space->stepped = now;
	space->polls = fi_placement_yields(&worker->placement);
	worker->stepping = space;
	fi_post_enter(&worker->post, now);
	*ret = fi_demand_step(space, &birth);
	faults = load(&space->count->faults) - faults;
	if (!fi_post_leave(&worker->post, now)) {
		give_back(worker, space, faults);
		return false;
	}
	if (faults) {
		/* Each has waited until the last one of them was answered, at most. */
		fi_latency_add(worker->latency, fi_now_ns() - now, faults);
		if (now - space->last_fault >= FI_BURST_PAUSE_NS)
			space->burst_since = now;
		space->last_fault = now;
		fi_drain_faulted(space);
		fi_placement_round(&worker->placement, space->pid, now);
	}
	fi_placement_turn(&worker->placement);
	return true;
}

/* Whether the space is for this thread to step: it has not ended earlier in this round, and nobody
 * who was relieved has it. */
static bool is_here(struct fi_demand_worker *worker, struct fi_space *space)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = space };

	if (space->place == FI_SPACE_AWAY || space->uffd < 0)
		return false;
	if (space->place == FI_SPACE_BACK) {
		space->place = FI_SPACE_HERE;
		if (epoll_ctl(worker->epfd, EPOLL_CTL_ADD, space->uffd, &event) < 0) {
			fi_space_log(space, FI_LOG_ERROR, "cannot be watched: %s", strerror(errno));
			space->state = FI_SPACE_FAILED;
		}
	}
	return true;
}

/* False: this thread was relieved. */
static bool step_space(struct fi_demand_worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = birth_of(worker);
	enum fi_step step = FI_STEP_END;

	if (!is_here(worker, space))
		return true;

	for (int i = 0; i < MAX_STEPS && space->state == FI_SPACE_LIVE; i++) {
		if (!step_once(worker, space, &step))
			return false;
		if (step != FI_STEP_MORE)
			break;
		space->retry_ns = 0;
	}
	meet(worker, space, fi_fate_after(space, step, worker->engine->restored, &birth));
	return true;
}

/* Somebody rang. */
static void look_at(struct fi_demand_worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = birth_of(worker);
	struct fi_engine *engine = worker->engine;

	if (is_here(worker, space))
		meet(worker, space,
		     fi_fate_called(space, engine->restored, engine->abandoned, &birth));
}

static void answer_calls(struct fi_demand_worker *worker)
{
	struct fi_space_list called;

	unring(worker->bell);
	(void)pthread_mutex_lock(&worker->lock);
	called = worker->called;
	worker->called = (struct fi_space_list){ 0 };
	(void)pthread_mutex_unlock(&worker->lock);

	for (size_t i = 0; i < called.nr; i++) {
		look_at(worker, called.at[i]);
		fi_space_put(called.at[i]);
	}
	free(called.at);
}

/* The spaces whose time has come.  False: this thread was relieved. */
static bool retry_spaces(struct fi_demand_worker *worker)
{
	uint64_t now = worker->retry.nr ? fi_now_ns() : 0;

	/* A space that is tried is taken out or moved to the end. */
	for (size_t nr = worker->retry.nr, i = 0; nr > 0 && i < worker->retry.nr; nr--) {
		struct fi_space *space = worker->retry.at[i];

		if (space->place == FI_SPACE_AWAY)
			(void)fi_space_list_remove(&worker->retry, space);
		else if (space->retry_at > now)
			i++;
		else if (space->state == FI_SPACE_FAILED)
			look_at(worker, space);
		else if (!step_space(worker, space))
			return false;
	}
	return true;
}

/* Sleeps until there is something to do.  Returns what epoll_wait(2) does. */
static int wait_for_events(struct fi_demand_worker *worker, struct epoll_event *events, int room)
{
	struct pollfd pfd = { .fd = worker->epfd, .events = POLLIN };
	uint64_t now, next = UINT64_MAX;
	struct timespec ts;

	if (!worker->retry.nr)
		return epoll_wait(worker->epfd, events, room, -1);
	for (size_t i = 0; i < worker->retry.nr; i++)
		if (worker->retry.at[i]->retry_at < next)
			next = worker->retry.at[i]->retry_at;
	now = fi_now_ns();
	ts = (struct timespec){ .tv_nsec = next > now ? (long)(next - now) : 0 };
	(void)ppoll(&pfd, 1, &ts, NULL);
	return epoll_wait(worker->epfd, events, room, 0);
}

void *fi_demand_thread(void *arg)
{
	struct fi_demand_worker *worker = arg;
	struct epoll_event events[64];

	fi_post_take(&worker->post);
	fi_placement_init(&worker->placement);
	while (!worker->engine->stopping) {
		int n = wait_for_events(worker, events, 64);

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				answer_calls(worker);
			else if (!step_space(worker, events[i].data.ptr))
				return NULL;
		}
		if (!retry_spaces(worker))
			return NULL;
		fi_placement_turn(&worker->placement);

		for (size_t i = 0; i < worker->ended.nr; i++)
			fi_space_put(worker->ended.at[i]);
		worker->ended.nr = 0;
	}
	return NULL;
}

/* The thread may be back at once, and must find its space away before it gives it back: that is what the
 * lock is for.  Who holds it may need the guard to go on, so the guard does not wait for it. */
static bool relieve(struct fi_demand_worker *worker, uint64_t now)
{
	bool relieved;

	if (!fi_post_is_late(&worker->post, now) || pthread_mutex_trylock(&worker->lock) != 0)
		return false;
	relieved = fi_engine_relieve(worker->engine, &worker->post, now);
	if (relieved) {
		struct fi_space *space = worker->stepping;

		(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
		space->place = FI_SPACE_AWAY;
		fi_space_log(space, FI_LOG_INFO,
			     "waits for the disk or for memory, others go on without it");
		fi_placement_relieve(&worker->placement);
	}
	(void)pthread_mutex_unlock(&worker->lock);
	return relieved;
}

void fi_demand_relieve(struct fi_demand_worker *worker, uint64_t now)
{
	if (worker->unmanned || relieve(worker, now))
		worker->unmanned = !fi_engine_replace(worker->engine, &worker->thread,
						      fi_demand_thread, worker);
}

static bool is_room(void *arg)
{
	return fi_share_is_room(((const struct fi_engine *)arg)->share_fd);
}

static void on_moved(void *arg)
{
	fi_room_make_way(arg);
}

int fi_demand_worker_init(struct fi_demand_worker *worker, struct fi_engine *engine,
			  struct fi_trace_ring *trace)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	worker->engine = engine;
	worker->placement.cpu = -1;
	worker->placement.moved = on_moved;
	worker->placement.is_room = is_room;
	worker->placement.arg = engine;
	worker->trace = trace;
	worker->latency = &engine->record->latency[worker - engine->demand];
	worker->witness = (struct fi_witness){ on_answered, worker };
	(void)pthread_mutex_init(&worker->lock, NULL);
	(void)pthread_mutex_init(&worker->trace_lock, NULL);
	worker->epfd = epoll_create1(EPOLL_CLOEXEC);
	worker->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->epfd < 0 || worker->bell < 0 ||
	    epoll_ctl(worker->epfd, EPOLL_CTL_ADD, worker->bell, &event) < 0)
		return -errno;
	return 0;
}

void fi_demand_worker_done(struct fi_demand_worker *worker)
{
	fi_close(&worker->epfd);
	fi_close(&worker->bell);
	for (size_t i = 0; i < worker->called.nr; i++)
		fi_space_put(worker->called.at[i]);
	free(worker->called.at);
	free(worker->retry.at);
	free(worker->ended.at);
	(void)pthread_mutex_destroy(&worker->lock);
	(void)pthread_mutex_destroy(&worker->trace_lock);
}

void fi_demand_worker_ring(struct fi_demand_worker *worker)
{
	ring(worker->bell);
}
