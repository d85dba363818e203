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
 */
#include "config.h"

#include "restore/session.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "common/clock.h"
#include "restore/lazysock.h"
#include "restore/names.h"
#include "restore/procevents.h"

enum phase { WAITING, RESTORING, RUNNING, FAILED, STOPPED };

struct session {
	const struct fi_session_config *config;
	struct fi_source *source;
	struct fi_engine *engine;
	struct fi_names *names;
	struct fi_procevents *procevents; /* NULL: not to be had */
	struct fi_lazysock criu;
	int epfd, sigfd;
	enum phase phase;
	uint64_t connected, restored; /* ns; 0: not yet */
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
	session->phase = FAILED;
	fi_engine_abandon(session->engine);
}

/* --- CRIU -------------------------------------------------------------------------------- */

static void on_connect(struct session *session)
{
	struct fi_error err = { "" };

	if (fi_lazysock_accept(session->config->listener, &session->criu, &err) < 0) {
		fi_log(FI_LOG_WARN, "%s, ignoring", err.text);
		return;
	}
	session->connected = fi_now_ns();
	session->phase = RESTORING;
	unwatch(session, session->config->listener);
	if (watch(session, session->criu.fd) < 0)
		restore_failed(session, "cannot watch CRIU's connection");
	fi_log(FI_LOG_INFO, "CRIU has connected");
}

/* A task that cannot be served must not run: nothing is registered with its userfaultfd yet, but
 * it would run on zeros. */
static void refuse(struct session *session, const struct fi_lazy_msg *msg, const char *why)
{
	if (msg->pid > 0)
		(void)kill(msg->pid, SIGKILL);
	restore_failed(session, why);
}

static void on_task(struct session *session, const struct fi_lazy_msg *msg)
{
	const struct fi_task_image *task = fi_image_find_task(session->config->image, msg->vpid);
	struct fi_space *space;
	char why[64];

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
	session->report->nr_tasks++;
	session->report->nr_lazy_pages += task->pagemap->nr_lazy_pages;
	fi_space_log(space, FI_LOG_INFO, "'%s' owes %" PRIu64 " pages", task->comm,
		     task->pagemap->nr_lazy_pages);
	if (fi_engine_add(session->engine, space) < 0)
		refuse(session, msg, "out of memory for a task");
}

static void on_finished(struct session *session)
{
	session->restored = fi_now_ns();
	session->phase = RUNNING;
	fi_log(FI_LOG_INFO, "the restore is finished, draining");
	fi_engine_restored(session->engine);
}

/* Takes every message that CRIU has sent. */
static void on_criu(struct session *session)
{
	while (session->phase == RESTORING) {
		struct fi_error err = { "" };
		struct fi_lazy_msg msg;
		int r = fi_lazysock_next(&session->criu, &msg, &err);

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
		case FI_LAZY_ZOMBIE:
			session->report->nr_zombies++;
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
	unwatch(session, session->criu.fd);
}

static void on_parent_exit(struct session *session)
{
	if (session->phase == RESTORING)
		on_criu(session); /* its last words may still be there */
	if (session->phase == WAITING || session->phase == RESTORING)
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
	if (session->phase == WAITING) {
		(void)fi_error_set(session->err, -ECANCELED, "stopped by signal %u",
				   info.ssi_signo);
		session->phase = STOPPED;
		return;
	}
	/* Law 1: to end now would leave tasks running on zeros. */
	fi_engine_totals(session->engine, &totals);
	fi_log(FI_LOG_MSG,
	       "faultin: signal %u: ending as soon as the %" PRIu64 " pages still owed are served",
	       info.ssi_signo, totals.nr_owed);
}

static void open_procevents(struct session *session)
{
	struct fi_error err = { "" };

	if (fi_procevents_open(&session->procevents, &err) == 0 &&
	    watch(session, fi_procevents_fd(session->procevents)) == 0)
		return;
	fi_log(FI_LOG_WARN, "no process events (%s): pids of forked children will be missing",
	       err.text[0] ? err.text : "cannot watch the socket");
	fi_names_unavailable(session->names);
}

static bool over(struct session *session)
{
	struct fi_engine_totals totals;

	if (session->phase == STOPPED)
		return true;
	if (session->phase != RUNNING && session->phase != FAILED)
		return false;
	fi_engine_totals(session->engine, &totals);
	/* An orphan's descriptor would be closed with the process (law 1): then there is no end. */
	return totals.nr_live == 0 && totals.nr_orphans == 0;
}

static void dispatch(struct session *session, int fd)
{
	if (fd == session->config->listener && session->phase == WAITING)
		on_connect(session);
	else if (fd == session->criu.fd && session->phase == RESTORING)
		on_criu(session);
	else if (fd == session->config->parent_pidfd)
		on_parent_exit(session);
	else if (fd == session->sigfd)
		on_signal(session);
	else if (fd == fi_engine_fd(session->engine))
		fi_engine_heard(session->engine);
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
	}
}

/* --- beginning and end ------------------------------------------------------------------- */

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

static int begin(struct session *session)
{
	const struct fi_engine_watcher watcher = { on_born, on_ended, session };
	int r;

	session->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (session->epfd < 0)
		return fi_error_set(session->err, -errno, "epoll: %s", strerror(errno));
	r = open_signals(session);
	if (r == 0)
		r = fi_source_new(session->config->image, &session->source);
	if (r == 0)
		r = fi_names_new(&session->names);
	if (r < 0)
		return fi_error_set(session->err, r, "cannot begin: %s", strerror(-r));
	r = fi_engine_new(&watcher, &session->engine, session->err);
	if (r < 0)
		return r;
	if (watch(session, session->config->listener) < 0 || watch(session, session->sigfd) < 0 ||
	    watch(session, fi_engine_fd(session->engine)) < 0 ||
	    (session->config->parent_pidfd >= 0 &&
	     watch(session, session->config->parent_pidfd) < 0))
		return fi_error_set(session->err, -errno, "epoll: %s", strerror(errno));
	open_procevents(session);
	return 0;
}

static int result(struct session *session)
{
	struct fi_report *report = session->report;

	fi_engine_totals(session->engine, &report->totals);
	report->total_ns = session->connected ? fi_now_ns() - session->connected : 0;
	report->restore_ns = session->restored ? session->restored - session->connected : 0;
	switch (session->phase) {
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
	fi_engine_free(session->engine);
	fi_procevents_close(session->procevents);
	fi_names_free(session->names);
	fi_source_free(session->source);
	fi_lazysock_done(&session->criu);
	fi_close(&session->sigfd);
	fi_close(&session->epfd);
}

int fi_session_run(const struct fi_session_config *config, struct fi_report *report,
		   struct fi_error *err)
{
	struct session session = {
		.config = config,
		.criu = { .fd = -EBADF },
		.epfd = -EBADF,
		.sigfd = -EBADF,
		.report = report,
		.err = err,
	};
	int r;

	*report = (struct fi_report){ .result = "failed" };
	r = begin(&session);
	if (r == 0) {
		loop(&session);
		r = result(&session);
	}
	end(&session);
	return r;
}
