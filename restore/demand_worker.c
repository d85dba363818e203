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
#define RETRY_MAX_NS 2000000

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

static void on_answered(void *arg, const struct fi_space *space, const struct fi_answer *answer)
{
	struct fi_demand_worker *worker = arg;
	const struct fi_trace_record record = {
		.at = worker->now,
		.space = space->id,
		.kind = FI_TRACE_FAULT,
		.answer = (uint8_t)trace_answer(answer),
		.again = answer->again,
		.file = (uint16_t)answer->file,
		.fault = {
			.addr = answer->addr,
			.took = fi_now_ns() - worker->now,
			.nr_pages = (uint32_t)answer->nr_pages,
		},
	};

	fi_trace_put(worker->trace, &record);
}

static void trace_fork(struct fi_demand_worker *worker, const struct fi_space *parent,
		       uint32_t child)
{
	const struct fi_trace_record record = {
		.at = worker->now,
		.space = parent->id,
		.kind = FI_TRACE_FORK,
		.fork = { .child = child },
	};

	fi_trace_put(worker->trace, &record);
}

static void trace_end(struct fi_demand_worker *worker, const struct fi_space *space, uint32_t image)
{
	const struct fi_trace_record record = {
		.at = fi_now_ns(),
		.space = space->id,
		.kind = FI_TRACE_END,
		.end = {
			.demanded = space->count.demanded,
			.drained = space->count.drained,
			.dropped = space->count.dropped,
		},
		.image = image,
		.vpid = space->vpid,
		.pid = space->pid,
	};

	fi_trace_put(worker->trace, &record);
}

/* --- the end of a space ------------------------------------------------------------------- */

static void end_space(struct fi_demand_worker *worker, struct fi_space *space)
{
	struct fi_engine *engine = worker->engine;
	uint32_t image = space->slot->image;

	(void)epoll_ctl(worker->epfd, EPOLL_CTL_DEL, space->uffd, NULL);
	fi_space_retire(space);
	space->count.dropped += fi_space_nr_owed(space);
	fi_space_log(space, FI_LOG_INFO,
		     "%s: %" PRIu64 " faults, pages: %" PRIu64 " demanded, %" PRIu64
		     " drained, %" PRIu64 " zero, %" PRIu64 " dropped",
		     space->state == FI_SPACE_LIVE ? "complete" : "gone", space->count.faults,
		     space->count.demanded, space->count.drained, space->count.zeroed,
		     space->count.dropped);

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

static void on_born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	struct fi_demand_worker *worker = arg;
	struct fi_engine *engine = worker->engine;
	const unsigned child_id = child->id; /* once added, it may be gone */

	engine->watcher.born(engine->watcher.arg, parent, child, worker->now);
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
		trace_fork(worker, parent, child_id);
	fi_engine_note_forked(engine);
}

static struct fi_birth birth_of(struct fi_demand_worker *worker)
{
	return (struct fi_birth){ on_born, fi_engine_stillborn, fi_engine_wipes, fi_engine_alone,
				  worker };
}

static void meet(struct fi_demand_worker *worker, struct fi_space *space, enum fi_fate fate)
{
	if (fate == FI_FATE_END) {
		end_space(worker, space);
		return;
	}
	if (fate == FI_FATE_DOOM)
		doom(worker, space);
	(void)fi_space_list_remove(&worker->retry, space);
	if (fate != FI_FATE_WAIT && fi_space_list_add(&worker->retry, space) < 0)
		fi_demand_call(space);
}

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* One step, and what it means for where and when the others run. */
static enum fi_step step_once(struct fi_demand_worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = birth_of(worker);
	uint64_t faults = load(&space->count.faults);
	enum fi_step step;

	worker->now = fi_now_ns();
	step = fi_demand_step(space, &birth);
	faults = load(&space->count.faults) - faults;
	if (faults) {
		/* Each has waited until the last one of them was answered, at most. */
		fi_latency_add(&worker->latency, fi_now_ns() - worker->now, faults);
		if (worker->now - space->last_fault >= FI_BURST_PAUSE_NS)
			space->burst_since = worker->now;
		space->last_fault = worker->now;
		fi_drain_faulted(space);
		fi_placement_round(&worker->placement, space->pid, worker->now);
	}
	fi_placement_turn(&worker->placement);
	return step;
}

static void step_space(struct fi_demand_worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = birth_of(worker);
	enum fi_step step = FI_STEP_END;

	if (space->uffd < 0)
		return; /* it ended earlier in this round */

	for (int i = 0; i < MAX_STEPS && space->state == FI_SPACE_LIVE; i++) {
		step = step_once(worker, space);
		if (step != FI_STEP_MORE)
			break;
	}
	meet(worker, space, fi_fate_after(space, step, worker->engine->restored, &birth));
}

/* Somebody rang. */
static void look_at(struct fi_demand_worker *worker, struct fi_space *space)
{
	const struct fi_birth birth = birth_of(worker);
	struct fi_engine *engine = worker->engine;

	if (space->uffd >= 0)
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

static void retry_spaces(struct fi_demand_worker *worker)
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

void *fi_demand_thread(void *arg)
{
	struct fi_demand_worker *worker = arg;
	struct epoll_event events[64];
	long wait_ns = RETRY_MIN_NS;

	fi_placement_init(&worker->placement);
	while (!worker->engine->stopping) {
		int n;

		if (worker->retry.nr) {
			struct pollfd pfd = { .fd = worker->epfd, .events = POLLIN };
			struct timespec ts = { .tv_nsec = wait_ns };

			(void)ppoll(&pfd, 1, &ts, NULL);
			wait_ns = 2 * wait_ns < RETRY_MAX_NS ? 2 * wait_ns : RETRY_MAX_NS;
		}
		n = epoll_wait(worker->epfd, events, 64, worker->retry.nr ? 0 : -1);
		if (n > 0)
			wait_ns = RETRY_MIN_NS;
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				step_space(worker, events[i].data.ptr);
			else
				answer_calls(worker);
		}
		retry_spaces(worker);
		fi_placement_turn(&worker->placement);

		for (size_t i = 0; i < worker->ended.nr; i++)
			fi_space_put(worker->ended.at[i]);
		worker->ended.nr = 0;
	}
	return NULL;
}

int fi_demand_worker_init(struct fi_demand_worker *worker, struct fi_engine *engine,
			  struct fi_trace_ring *trace)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	worker->engine = engine;
	worker->placement.cpu = -1;
	worker->trace = trace;
	worker->witness = (struct fi_witness){ on_answered, worker };
	(void)pthread_mutex_init(&worker->lock, NULL);
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
}

void fi_demand_worker_ring(struct fi_demand_worker *worker)
{
	ring(worker->bell);
}
