/* restore/session.c - see session.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One epoll loop over everything that is not a page: CRIU's socket, process events, signals, and
 * the engine's news.  Phases go one way:
 *   WAITING    nobody has connected
 *   RESTORING  CRIU hands over tasks; faults are served already
 *   RUNNING    CRIU has said "finished": the drain runs until nothing is owed
 *   FAILED     the restore failed: the tasks are killed, then let go
 * The session ends when there is no live space in RUNNING or FAILED.
 *
 * The phase and all else that has to be known again is in the ledger, so that the session of a new
 * engine goes on in the phase in which the old one has died.
 */
#include "config.h"

#include "restore/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/control.h"
#include "restore/custody.h"
#include "restore/keeper.h"
#include "restore/lazysock.h"
#include "restore/ledger.h"
#include "restore/names.h"
#include "restore/status.h"
#include "restore/takeover.h"
#include "restore/trace_writer.h"

enum phase { WAITING, RESTORING, RUNNING, FAILED, STOPPED };

struct session {
	const struct fi_session_config *config;
	struct fi_source *source;
	struct fi_engine *engine;
	struct fi_pools *pools; /* the engine's; NULL: none are wanted */
	struct fi_names *names;
	struct fi_procevents *procevents; /* NULL: not to be had */
	struct fi_control *control;	  /* NULL: the same */
	struct fi_trace *trace;		  /* NULL: none is wanted */
	struct fi_trace_writer *writer;	  /* of it; NULL: the same */
	struct fi_session_record *record;
	struct heritage {
		struct fi_space **at;
		size_t nr, room;
		bool lost; /* there was no memory for all */
	} heritage;	   /* from a dead engine, until it is served */
	int epfd, sigfd;
	struct fi_report *report;
	struct fi_error *err;
};

static int watch(struct session *session, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(session->epfd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void unwatch(struct session *session, int fd)
{
	(void)epoll_ctl(session->epfd, EPOLL_CTL_DEL, fd, NULL);
}

static void restore_failed(struct session *session, const char *why)
{
	(void)fi_error_set(session->err, -ECANCELED, "the restore failed: %s", why);
	fi_log(FI_LOG_ERROR, "the restore failed: %s", why);
	session->record->phase = FAILED;
	if (session->engine)
		fi_engine_abandon(session->engine);
}

/* --- CRIU -------------------------------------------------------------------------------- */

static void connected(struct session *session)
{
	fi_keep(FI_KEPT_CRIU, session->record->criu.fd);
	session->record->connected = fi_now_ns();
	session->record->phase = RESTORING;
	fi_ledger_ring();
	fi_log(FI_LOG_INFO, "CRIU has connected");
}

/* Whoever has started us may have told us already. */
static void note_restorer(struct session *session)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!session->record->restorer &&
	    getsockopt(session->record->criu.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		session->record->restorer = peer.pid;
}

static void on_connect(struct session *session)
{
	struct fi_error err = { "" };

	if (fi_lazysock_accept(session->config->listener, &session->record->criu, &err) < 0) {
		fi_log(FI_LOG_WARN, "%s, ignoring", err.text);
		return;
	}
	connected(session);
	note_restorer(session);
	unwatch(session, session->config->listener);
	if (watch(session, session->record->criu.fd) < 0)
		restore_failed(session, "cannot watch CRIU's connection");
}

/* A task that cannot be served must not run: nothing is registered with its userfaultfd yet, but
 * it would run on zeros. */
static void refuse(struct session *session, const struct fi_lazy_msg *msg, const char *why)
{
	if (msg->pid > 0)
		(void)kill(msg->pid, SIGKILL);
	restore_failed(session, why);
}

/* An engine has died between its record of the space and the word that it is through with the
 * message. */
static bool is_recorded(const struct fi_lazy_msg *msg)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		if (slot->state != FI_SLOT_FREE && slot->state != FI_SLOT_TAKEN &&
		    slot->parent == 0 && slot->image == msg->vpid && slot->uffd == msg->uffd)
			return true;
	}
	return false;
}

static void on_task(struct session *session, const struct fi_lazy_msg *msg)
{
	const struct fi_task_image *task = fi_image_find_task(session->config->image, msg->vpid);
	struct fi_space *space;
	char why[64];

	if (is_recorded(msg))
		return;

	if (!task || task->zombie) {
		(void)close(msg->uffd);
		(void)snprintf(why, sizeof(why), "vpid %" PRIu32 " is not in the image", msg->vpid);
		refuse(session, msg, why);
		return;
	}
	if (fi_space_new(msg->uffd, task, session->source, &space) < 0) {
		(void)close(msg->uffd);
		refuse(session, msg, "out of memory for a task");
		return;
	}
	fi_names_root(session->names, space, msg->pid);
	session->record->nr_tasks++;
	session->record->nr_lazy_pages += task->pagemap->nr_lazy_pages;
	fi_space_log(space, FI_LOG_INFO, "'%s' owes %" PRIu64 " pages", task->comm,
		     task->pagemap->nr_lazy_pages);
	if (fi_engine_add(session->engine, space) < 0)
		refuse(session, msg, "out of memory for a task");
}

/* What it has of shared memory is watched already, and must not be let go before the task is dead: a
 * descriptor that nobody takes stays open. */
static void on_shared(struct session *session, const struct fi_lazy_msg *msg)
{
	int r = -EINVAL;

	if (session->pools && msg->kind == FI_LAZY_FILE)
		r = fi_pools_file(session->pools, msg->vpid, msg->uffd);
	else if (session->pools)
		r = fi_pools_watch(session->pools, msg->vpid, msg->uffd, msg->pid);
	if (r < 0)
		refuse(session, msg, "shared memory cannot be served");
}

/* All that there is to serve is in the ledger.  An engine that takes over says it again: the one before
 * may have had no time.  False: nobody has heard it. */
static bool answer(struct session *session)
{
	char byte = 0;

	if (!session->config->answers || write(session->record->criu.fd, &byte, 1) == 1)
		return true;
	fi_log(FI_LOG_INFO, "nobody waits to hear that all is served: %s", strerror(errno));
	return false;
}

static void on_finished(struct session *session)
{
	session->record->restored = fi_now_ns();
	session->record->phase = RUNNING;
	fi_log(FI_LOG_INFO, "the restore is finished, draining");
	/* The plugin has waited too long, and has filled everything by now. */
	if (!answer(session) && session->pools)
		fi_pools_let_go(session->pools);
	fi_engine_restored(session->engine);
}

/* Takes every message that CRIU has sent. */
static void on_criu(struct session *session)
{
	while (session->record->phase == RESTORING) {
		struct fi_error err = { "" };
		struct fi_lazy_msg msg;
		int r = fi_lazysock_next(&session->record->criu, &msg, &err);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			restore_failed(session, err.text[0] ? err.text : strerror(-r));
			break;
		}
		switch (msg.kind) {
		case FI_LAZY_TASK:
			on_task(session, &msg);
			break;
		case FI_LAZY_FILE:
		case FI_LAZY_WATCH:
			on_shared(session, &msg);
			break;
		case FI_LAZY_ZOMBIE:
			session->record->nr_zombies++;
			fi_log(FI_LOG_DEBUG, "vpid %" PRIu32 " is a zombie", msg.vpid);
			break;
		case FI_LAZY_FINISHED:
			on_finished(session);
			break;
		case FI_LAZY_CLOSED:
			restore_failed(session,
				       "CRIU closed the connection before it was finished");
			break;
		}
	}
	unwatch(session, session->record->criu.fd);
}

static void on_parent_exit(struct session *session)
{
	if (session->record->phase == RESTORING)
		on_criu(session); /* its last words may still be there */
	if (session->record->phase == WAITING || session->record->phase == RESTORING)
		restore_failed(session, "CRIU has exited");
	unwatch(session, session->config->parent_pidfd);
}

/* --- the rest of the world --------------------------------------------------------------- */

static void on_procevents(struct session *session)
{
	struct fi_proc_event event;
	int r;

	while ((r = fi_procevents_next(session->procevents, &event)) == 0) {
		struct fi_space *space = fi_names_event(session->names, &event);

		if (event.kind == FI_PROC_LOST)
			fi_log(FI_LOG_WARN, "process events were lost: some children keep no name");
		if (!space)
			continue;
		fi_engine_look(session->engine, space);
		fi_space_put(space);
	}
	if (r == -EAGAIN)
		return;
	fi_log(FI_LOG_WARN, "process events: %s: names of children are missing from here on",
	       strerror(-r));
	unwatch(session, fi_procevents_fd(session->procevents));
	fi_names_unavailable(session->names);
}

static void on_signal(struct session *session)
{
	struct signalfd_siginfo info;
	struct fi_engine_totals totals;

	if (read(session->sigfd, &info, sizeof(info)) != sizeof(info))
		return;
	if (session->record->phase == WAITING) {
		(void)fi_error_set(session->err, -ECANCELED, "stopped by signal %u",
				   info.ssi_signo);
		session->record->phase = STOPPED;
		return;
	}
	/* Law 1: to end now would leave tasks running on zeros. */
	fi_engine_totals(session->engine, &totals);
	fi_log(FI_LOG_MSG,
	       "faultin: signal %u: ending as soon as the %" PRIu64 " pages still owed are served",
	       info.ssi_signo, totals.nr_owed);
}

static void watch_procevents(struct session *session)
{
	if (!session->procevents || watch(session, fi_procevents_fd(session->procevents)) < 0)
		fi_names_unavailable(session->names);
}

/* --- who asks ------------------------------------------------------------------------------ */

static const char *state_name(const struct session *session)
{
	switch ((uint32_t)session->record->phase) {
	case WAITING:
		return "waiting";
	case RESTORING:
		return "restoring";
	case RUNNING:
		return "draining";
	default:
		return "failed";
	}
}

static struct json_object *on_status(void *arg)
{
	const struct session *session = arg;
	const struct fi_status status = {
		.image = session->config->image,
		.engine = session->engine,
		.state = state_name(session),
	};

	return fi_status_json(&status);
}

static void on_steer(void *arg, const struct fi_request *request)
{
	struct session *session = arg;
	struct fi_policy *policy = &session->record->policy;

	switch (request->command) {
	case FI_COMMAND_PAUSE:
		policy->full = 0;
		policy->paused = 1;
		fi_log(FI_LOG_INFO, "the drain is paused");
		break;
	case FI_COMMAND_RESUME:
		policy->paused = 0;
		fi_log(FI_LOG_INFO, "the drain goes on");
		break;
	case FI_COMMAND_RATE:
		policy->full = 0;
		policy->rate = request->rate;
		fi_log(FI_LOG_INFO, "the drain gives at most %" PRIu64 " bytes a second (0: any)",
		       request->rate);
		break;
	case FI_COMMAND_COMPLETE:
		policy->full = 1;
		policy->paused = 0;
		policy->rate = 0;
		fi_log(FI_LOG_INFO, "the drain is to be through as soon as can be");
		break;
	case FI_COMMAND_CONTAINER:
		memcpy(session->record->container, request->container,
		       sizeof(session->record->container));
		fi_log(FI_LOG_INFO, "this is container '%s'", request->container);
		break;
	case FI_COMMAND_UPGRADE:
		fi_ledger()->keeper.upgrade = 1; /* loop() sees it when we have answered */
		break;
	default:
		break;
	}
	fi_engine_steered(session->engine);
}

/* Nobody's restore depends on it. */
static void open_control(struct session *session)
{
	const struct fi_control_host host = { on_status, on_steer, session };
	int r;

	if (session->config->control < 0)
		return;
	r = fi_control_new(session->config->control, &host, &session->control);
	if (r == 0)
		r = watch(session, fi_control_fd(session->control));
	if (r < 0)
		fi_log(FI_LOG_WARN, "the control socket is not served: %s", strerror(-r));
}

/* Nobody's restore depends on it. */
static void open_trace(struct session *session)
{
	int r = fi_trace_open(&session->trace);

	if (r < 0)
		fi_log(FI_LOG_WARN, "there will be no trace: %s", strerror(-r));
}

static void start_trace(struct session *session)
{
	int r;

	if (!session->trace)
		return;
	r = fi_trace_writer_start(session->trace, session->engine, session->config->image,
				  &session->writer);
	if (r < 0)
		fi_log(FI_LOG_WARN, "the trace is not written: %s", strerror(-r));
}

static bool over(struct session *session)
{
	struct fi_engine_totals totals;

	if (session->record->phase == STOPPED)
		return true;
	if (session->record->phase != RUNNING && session->record->phase != FAILED)
		return false;
	fi_engine_totals(session->engine, &totals);
	/* An orphan's descriptor would be closed with the process (law 1): then there is no end. */
	return totals.nr_live == 0 && totals.nr_orphans == 0;
}

static void dispatch(struct session *session, int fd)
{
	if (fd == session->config->listener && session->record->phase == WAITING)
		on_connect(session);
	else if (fd == session->record->criu.fd && session->record->phase == RESTORING)
		on_criu(session);
	else if (fd == session->config->parent_pidfd)
		on_parent_exit(session);
	else if (fd == session->sigfd)
		on_signal(session);
	else if (fd == fi_engine_fd(session->engine))
		fi_engine_heard(session->engine);
	else if (session->control && fd == fi_control_fd(session->control))
		fi_control_serve(session->control);
	else if (session->procevents && fd == fi_procevents_fd(session->procevents))
		on_procevents(session);
}

static void loop(struct session *session)
{
	struct epoll_event events[16];

	while (!over(session)) {
		int n = epoll_wait(session->epfd, events, 16, -1);

		for (int i = 0; i < n; i++)
			dispatch(session, events[i].data.fd);
		/* The keeper does the rest.  This is no other death than any: at any instruction. */
		if (fi_ledger()->keeper.upgrade)
			_exit(0);
	}
}

/* --- news from the engine ------------------------------------------------------------------ */

static void on_born(void *arg, struct fi_space *parent, struct fi_space *child, uint64_t before)
{
	struct session *session = arg;

	fi_names_born(session->names, parent, child, before);
}

static void on_ended(void *arg, struct fi_space *space)
{
	struct session *session = arg;

	fi_names_ended(session->names, space);
}

static int open_signals(struct session *session)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	session->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->sigfd < 0 ? -errno : 0;
}

/* --- after another engine ------------------------------------------------------------------ */

static const struct fi_task_image *find_task(void *arg, uint32_t vpid)
{
	struct session *session = arg;

	return fi_image_find_task(session->config->image, vpid);
}

static void on_found(void *arg, struct fi_space *space)
{
	struct heritage *heritage = &((struct session *)arg)->heritage;

	if (heritage->nr == heritage->room) {
		size_t room = 2 * heritage->room + 16;
		struct fi_space **at = realloc(heritage->at, room * sizeof(at[0]));

		heritage->lost = heritage->lost || !at;
		if (!at)
			return;
		heritage->at = at;
		heritage->room = room;
	}
	heritage->at[heritage->nr++] = space;
}

/* Takes over what there is, and closes what nobody knows, before anything else is opened. */
static int inherit(struct session *session)
{
	const struct fi_heir heir = {
		.task = find_task,
		.source = session->source,
		.birth = {
			.stillborn = fi_engine_stillborn,
			.wipes = fi_engine_wipes,
			.alone = fi_engine_alone,
		},
		.found = on_found,
		.arg = session,
	};
	int r = fi_takeover(&heir), unknown;

	fi_ledger_ring(); /* some may have been closed */
	if (r < 0 || fi_ledger()->keeper.lives < 2)
		return r;
	if (session->heritage.lost)
		return -ENOMEM;
	unknown = fi_custody_sweep(session->config->image);
	fi_log(FI_LOG_WARN, "engine %u goes on with %d address spaces", fi_ledger()->keeper.lives,
	       r);
	if (unknown > 0)
		restore_failed(session, "a child may have been lost with an engine that died");
	return unknown < 0 ? unknown : 0;
}

/* CRIU's connection, if an engine had it. */
static int resume_criu(struct session *session)
{
	struct fi_session_record *record = session->record;
	int fd = fi_kept(FI_KEPT_CRIU), r = 0;

	if (fd < 0) {
		record->criu.fd = -EBADF;
		return 0;
	}
	if (record->phase == WAITING) {
		r = fi_lazysock_welcome(fd, &record->criu, session->err);
		if (r == 0)
			connected(session);
	}
	fi_lazysock_resume(&record->criu);
	return r;
}

/* What was inherited is served from here on. */
static int serve_heritage(struct session *session)
{
	int r = 0;

	if (session->record->phase == FAILED)
		fi_engine_abandon(session->engine);
	if (session->record->phase == RUNNING) {
		(void)answer(session);
		fi_engine_restored(session->engine);
	}
	for (size_t i = 0; r == 0 && i < session->heritage.nr; i++) {
		struct fi_space *space = session->heritage.at[i];

		fi_names_again(session->names, space);
		r = fi_engine_add(session->engine, space);
		if (r == 0)
			fi_engine_look(session->engine, space);
	}
	free(session->heritage.at);
	session->heritage = (struct heritage){ 0 };
	if (r == 0 && session->record->phase == RESTORING)
		on_criu(session);
	return r;
}

/* --- beginning and end ------------------------------------------------------------------- */

static int watch_all(struct session *session)
{
	const struct fi_session_config *config = session->config;
	enum phase phase = session->record->phase;
	int r = 0;

	if (phase == WAITING)
		r = watch(session, config->listener);
	else if (phase == RESTORING)
		r = watch(session, session->record->criu.fd);
	if (r == 0)
		r = watch(session, session->sigfd);
	if (r == 0)
		r = watch(session, fi_engine_fd(session->engine));
	if (r == 0 && config->parent_pidfd >= 0)
		r = watch(session, config->parent_pidfd);
	return r < 0 ? fi_error_set(session->err, r, "epoll: %s", strerror(-r)) : 0;
}

static int open_pools(struct session *session)
{
	int r;

	if (!session->config->shared)
		return 0;
	r = fi_pools_new(session->config->image, session->source, &session->pools);
	if (r == 0)
		r = fi_engine_take_pools(session->engine, session->pools);
	return r < 0 ? fi_error_set(session->err, r, "shared memory: %s", strerror(-r)) : 0;
}

static int begin(struct session *session)
{
	const struct fi_engine_watcher watcher = { on_born, on_ended, session };
	int r;

	r = fi_source_new(session->config->image, &session->source);
	if (r == 0)
		r = inherit(session);
	if (r == 0)
		r = fi_names_new(&session->names);
	if (r < 0)
		return fi_error_set(session->err, r, "cannot begin: %s", strerror(-r));
	session->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (session->epfd < 0)
		return fi_error_set(session->err, -errno, "epoll: %s", strerror(errno));
	r = open_signals(session);
	open_trace(session);
	if (r == 0)
		r = fi_engine_new(&watcher, session->trace, &session->engine, session->err);
	if (r == 0)
		r = open_pools(session);
	if (r == 0)
		r = resume_criu(session);
	if (r == 0)
		r = watch_all(session);
	if (r < 0)
		return r;
	watch_procevents(session);
	open_control(session);
	start_trace(session);
	return serve_heritage(session);
}

static int result(struct session *session)
{
	struct fi_report *report = session->report;

	fi_log(FI_LOG_INFO, "durable memory: %" PRIu64 " KiB, records of %u spaces at once",
	       fi_durable_used() / 1024, fi_ledger()->nr_slots);
	fi_engine_totals(session->engine, &report->totals);
	report->nr_tasks = session->record->nr_tasks;
	report->nr_zombies = session->record->nr_zombies;
	report->nr_lazy_pages = session->record->nr_lazy_pages;
	report->nr_engines = fi_ledger()->keeper.lives;
	report->total_ns =
		session->record->connected ? fi_now_ns() - session->record->connected : 0;
	report->restore_ns = session->record->restored
				     ? session->record->restored - session->record->connected
				     : 0;
	switch ((uint32_t)session->record->phase) {
	case RUNNING:
		report->result = report->totals.nr_failed ? "failed" : "complete";
		return report->totals.nr_failed
			       ? fi_error_set(session->err, -EIO,
					      "%" PRIu64 " address spaces could not be served",
					      report->totals.nr_failed)
			       : 0;
	case STOPPED:
		report->result = "stopped";
		return -ECANCELED;
	default:
		report->result = "restore-failed";
		return -ECANCELED;
	}
}

static void end(struct session *session)
{
	fi_control_free(session->control);
	fi_trace_writer_finish(session->writer);
	if (fi_engine_free(session->engine)) {
		fi_names_free(session->names);
		fi_source_free(session->source);
	}
	fi_procevents_close(session->procevents);
	fi_lazysock_done(&session->record->criu);
	fi_close(&session->sigfd);
	fi_close(&session->epfd);
}

int fi_session_run(const struct fi_session_config *config, struct fi_report *report,
		   struct fi_error *err)
{
	struct session session = {
		.config = config,
		.procevents = config->procevents,
		.record = &fi_ledger()->session,
		.epfd = -EBADF,
		.sigfd = -EBADF,
		.report = report,
		.err = err,
	};
	int r;

	*report = (struct fi_report){ .result = "failed" };
	r = begin(&session);
	if (r < 0 && fi_ledger()->keeper.lives > 1) {
		/* There may be spaces.  The next engine may have more luck. */
		fi_log(FI_LOG_ERROR, "cannot take over: %s",
		       err->text[0] ? err->text : strerror(-r));
		_exit(1);
	}
	if (r == 0) {
		loop(&session);
		r = result(&session);
		(void)snprintf(session.record->outcome, sizeof(session.record->outcome), "%s",
			       report->result);
		fi_keeper_ended(r < 0 ? 1 : 0);
	}
	end(&session);
	return r;
}
