/* restore/keeper.c - see keeper.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Processes know each other by pidfds, whose numbers are in the ledger.  The kernel stores the number
 * of a new one there itself, before the new process runs, so that no death comes between.  A pidfd
 * becomes readable when every thread of its process is gone: no reader of a userfaultfd is left by
 * then.
 */
#include "config.h"

#include "restore/keeper.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/control.h"
#include "restore/lazysock.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/pidfd.h"
#include "restore/store.h"
#include "restore/upgrade.h"

struct keeper {
	struct fi_ledger *ledger;
	const struct fi_keeper_job *job;
	enum fi_role self; /* FIRST or SECOND */
	uint32_t generation;
	bool original; /* the session's first process */
	bool stopped;  /* there is no engine by our own doing */
	int sigfd;
	int oom_score_adj; /* what was found, for engines */
	bool guarded;	   /* from the OOM killer */
};

/* --- processes ---------------------------------------------------------------------------- */

/* A process in @role that is like a forked child, but shares our descriptors.  Returns 0 in it, and
 * here 1 or a negative errno. */
static int start(struct keeper *k, enum fi_role role)
{
	int32_t *pidfd = &k->ledger->keeper.pidfd[role];
	int old = *pidfd;
	int *tid = NULL;
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	long r;

	*pidfd = -EBADF;
	fi_close(&old);
	/* The C library keeps the thread's number where it has asked the kernel to clear it. */
	if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uintptr_t)tid;
	}
	r = syscall(SYS_clone3, &args, sizeof(args));
	return r < 0 ? -errno : r > 0;
}

static void set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

/* --- protection --------------------------------------------------------------------------- */

static bool write_oom(int value)
{
	fi_auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", value);

	return fd >= 0 && write(fd, text, (size_t)len) == len;
}

static void guard(struct keeper *k)
{
	fi_auto_close int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return;
	k->oom_score_adj = (int)strtol(text, NULL, 10);
	k->guarded = write_oom(-1000); /* CAP_SYS_RESOURCE */
}

/* --- the reader and the engine -------------------------------------------------------------- */

/* In the process of one of them. */
static void become(struct keeper *k, const char *name)
{
	set_name(name);
	/* A terminal's signals reach us through the keeper, and once. */
	(void)setpgid(0, 0);
	(void)signal(SIGTTOU, SIG_IGN);
	if (k->guarded)
		(void)write_oom(k->oom_score_adj);
}

static int be_engine(struct keeper *k)
{
	int code;

	become(k, "faultin-engine");
	/* The kernel writes messages there even for a thread that is being killed, but brings no page
	 * back for it. */
	(void)mlock2(k->ledger, sizeof(*k->ledger), MLOCK_ONFAULT);
	code = k->job->engine(k->job->arg);
	fi_keeper_ended(code);
	return code;
}

/* Notes that something has happened.  Returns how many of the last @room times are recent. */
static unsigned note(uint64_t *times, size_t room)
{
	uint64_t now = fi_now_ns();
	unsigned nr = 0;

	memmove(&times[1], &times[0], (room - 1) * sizeof(times[0]));
	times[0] = now;
	for (size_t i = 0; i < room; i++)
		nr += times[i] && now - times[i] < FI_KEEPER_WINDOW_NS;
	return nr;
}

/* The first is replaced at once. */
static void back_off(unsigned deaths)
{
	struct timespec ts = { .tv_nsec = 1000000L << 3 * (deaths > 3 ? 3 : deaths) };

	if (deaths > 1)
		(void)nanosleep(&ts, NULL);
}

/* --- the end of a session that cannot be continued ----------------------------------------- */

/* Whether every task is known; those that are, are killed. */
static bool kill_tasks(const struct fi_ledger *ledger)
{
	bool all = ledger->nr_orphans == 0 && fi_lazysock_holds(&ledger->session.criu) < 0;

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		if (!fi_slot_has_space(slot))
			continue;
		all = all && slot->pidfd >= 0;
		fi_pidfd_signal(slot->pidfd, SIGKILL);
		for (int m = 0; slot->inbox.reading && m < FI_INBOX_ROOM; m++)
			if (slot->inbox.msgs[m].event == UFFD_EVENT_FORK)
				all = false;
	}
	for (uint32_t i = 0; i < ledger->nr_watches; i++) {
		const struct fi_watch_record *watch = &ledger->watches[i];

		if (watch->state != FI_SLOT_LIVE)
			continue;
		all = all && watch->pidfd >= 0 && watch->msg.event != UFFD_EVENT_FORK;
		fi_pidfd_signal(watch->pidfd, SIGKILL);
	}
	return all;
}

static void wait_for_end(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
}

static void wait_for_tasks(const struct fi_ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->nr_slots; i++)
		if (fi_slot_has_space(&ledger->slots[i]))
			wait_for_end(ledger->slots[i].pidfd);
	for (uint32_t i = 0; i < ledger->nr_watches; i++)
		if (ledger->watches[i].state == FI_SLOT_LIVE)
			wait_for_end(ledger->watches[i].pidfd);
}

static int give_up(struct keeper *k, const char *why)
{
	fi_log(FI_LOG_ERROR, "%s: the session cannot be continued, its tasks are killed", why);
	fi_control_end(); /* who waits for the session need not wait any longer */
	if (!kill_tasks(k->ledger)) {
		fi_log(FI_LOG_ERROR,
		       "not every task is known: nothing is closed, those left wait for ever at "
		       "their next fault; kill them, then process %d",
		       (int)getpid());
		for (;;)
			(void)pause();
	}
	wait_for_tasks(k->ledger);
	fi_keeper_ended(1);
	return 1;
}

/* --- the keepers --------------------------------------------------------------------------- */

enum next { GO_ON, CHILD, STOP };

/* An engine is there, or one is started.  @code is set with CHILD (we are it) and STOP. */
static enum next look_after_engine(struct keeper *k, int *code)
{
	struct fi_keeper_record *record = &k->ledger->keeper;
	int pidfd = record->pidfd[FI_ROLE_ENGINE], status, r;
	unsigned deaths;

	if (fi_pidfd_alive(pidfd)) {
		struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

		if (poll(&pfd, 1, 0) <= 0)
			return GO_ON;
	}
	status = pidfd >= 0 ? fi_pidfd_reap(pidfd) : -1;
	if (record->ended) {
		*code = record->code;
		/* What only a sanitizer knows at the very end counts, too. */
		if (*code == 0 && status > 0)
			*code = status >> 8;
		return STOP;
	}
	if (record->lives && !k->stopped) {
		deaths = note(record->deaths, FI_ARRAY_SIZE(record->deaths));
		if (status > 0 && status < 0x7f)
			fi_log(FI_LOG_ERROR, "engine %u has died of signal %d", record->lives,
			       status);
		else
			fi_log(FI_LOG_ERROR, "engine %u has died", record->lives);
		if (!k->ledger->session.ready) {
			*code = 1; /* nobody depends on it yet */
			return STOP;
		}
		if (deaths >= FI_KEEPER_DEATHS) {
			*code = give_up(k, "engines die again and again");
			return STOP;
		}
		back_off(deaths);
	}
	k->stopped = false;
	record->lives++;
	r = start(k, FI_ROLE_ENGINE);
	if (r == 0) {
		*code = be_engine(k);
		return CHILD;
	}
	if (r < 0) {
		fi_log(FI_LOG_ERROR, "cannot start an engine: %s", strerror(-r));
		if (!k->ledger->session.ready) {
			*code = 1;
			return STOP;
		}
	}
	return GO_ON;
}

static int be_second(struct keeper *k);

static enum next look_after_second(struct keeper *k, int *code)
{
	struct fi_keeper_record *record = &k->ledger->keeper;
	unsigned other = !k->self;
	struct pollfd pfd = { .fd = record->pidfd[other], .events = POLLIN };
	int r;

	if (fi_pidfd_alive(record->pidfd[other]) && poll(&pfd, 1, 0) <= 0)
		return GO_ON;
	if (record->pidfd[other] >= 0)
		(void)fi_pidfd_reap(record->pidfd[other]);
	r = start(k, other);
	if (r == 0) {
		k->self = other;
		*code = be_second(k);
		return CHILD;
	}
	if (r < 0)
		fi_log(FI_LOG_WARN, "cannot start a second keeper: %s", strerror(-r));
	return GO_ON;
}

static void hand_on_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->sigfd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR2)
			k->ledger->keeper.upgrade = 1;
		else
			fi_pidfd_signal(k->ledger->keeper.pidfd[FI_ROLE_ENGINE],
					(int)info.ssi_signo);
	}
}

static void stop(struct keeper *k, enum fi_role role)
{
	int32_t *pidfd = &k->ledger->keeper.pidfd[role];

	fi_pidfd_kill(*pidfd);
	fi_close(pidfd);
}

static enum next refuse_upgrade(struct keeper *k, const char *why)
{
	fi_log(FI_LOG_ERROR, "no other program takes over: %s", why);
	k->ledger->keeper.refused++;
	return GO_ON;
}

/* @code is set with CHILD: the session is another process's. */
static enum next upgrade(struct keeper *k, int *code)
{
	struct fi_keeper_record *record = &k->ledger->keeper;
	int r;

	record->upgrade = 0;
	if (!k->ledger->session.ready || record->ended)
		return refuse_upgrade(k, "the session begins or ends");
	if (k->self != FI_ROLE_FIRST || !fi_upgrade_possible())
		return refuse_upgrade(k, "the process that could start it is gone");
	fi_log(FI_LOG_WARN, "another program is to take over");
	stop(k, FI_ROLE_ENGINE);
	k->stopped = true;
	if (record->ended)
		return GO_ON; /* it was quicker */
	r = fi_upgrade_hand_over();
	k->generation = record->generation;
	if (r < 0)
		record->primary_pid = getpid();
	if (r < 0)
		return refuse_upgrade(k, r == -EBADMSG ? "it did not start, or is not like this one"
						       : strerror(-r));
	*code = k->original ? fi_upgrade_follow(k->sigfd) : 0;
	return CHILD;
}

/* The other keeper, and who would start an heir. */
static void end_others(struct keeper *k)
{
	const int32_t *pidfd = k->ledger->keeper.pidfd;

	if (pidfd[!k->self] >= 0) {
		fi_pidfd_signal(pidfd[!k->self], SIGKILL);
		(void)fi_pidfd_reap(pidfd[!k->self]);
	}
	fi_pidfd_kill(pidfd[FI_ROLE_STARTER]);
}

static int be_primary(struct keeper *k)
{
	struct fi_keeper_record *record = &k->ledger->keeper;
	int code = 1;

	record->primary = k->self;
	record->primary_pid = getpid();
	for (;;) {
		enum next next = record->upgrade ? upgrade(k, &code) : GO_ON;

		if (next == GO_ON)
			next = look_after_second(k, &code);
		if (next == GO_ON)
			fi_upgrade_settled();
		if (next == GO_ON)
			next = look_after_engine(k, &code);
		if (next == CHILD)
			return code;
		if (next == STOP)
			break;

		struct pollfd pfds[] = {
			{ .fd = record->pidfd[FI_ROLE_ENGINE], .events = POLLIN },
			{ .fd = record->pidfd[!k->self], .events = POLLIN },
			{ .fd = k->sigfd, .events = POLLIN },
		};

		/* With a time limit when a process could not be started. */
		(void)poll(pfds, FI_ARRAY_SIZE(pfds), pfds[0].fd < 0 || pfds[1].fd < 0 ? 1000 : -1);
		if (pfds[2].revents)
			hand_on_signals(k);
	}
	if (k->job->finish) {
		int failed = k->job->finish(k->job->arg);

		code = code ? code : failed;
	}
	end_others(k);
	fi_store_end();
	record->code = code;
	record->left = 1;
	return code;
}

static int be_second(struct keeper *k)
{
	struct fi_keeper_record *record = &k->ledger->keeper;
	struct pollfd pfds[] = {
		{ .fd = record->pidfd[!k->self], .events = POLLIN },
		{ .fd = fi_store_fd(), .events = POLLIN },
	};

	k->original = false;
	set_name("faultin-keeper");
	(void)setsid(); /* who kills a group or a session does not get all of us */
	do {
		pfds[0].revents = 0;
		fi_store_update();
		(void)poll(pfds, FI_ARRAY_SIZE(pfds), -1);
	} while (!pfds[0].revents);
	if (record->generation != k->generation)
		return 0; /* the session is another program's */
	if (!k->ledger->session.ready && !record->ended) {
		fi_pidfd_signal(record->pidfd[FI_ROLE_ENGINE], SIGKILL);
		return 1;
	}
	fi_log(FI_LOG_WARN, "the first keeper has died, process %d takes its place", (int)getpid());
	return be_primary(k);
}

static void settle(const struct keeper *k)
{
	if (k->job->settle)
		k->job->settle(k->job->arg);
	set_name("faultin-keeper");
}

/* Waits for the reader, whose disk may be slow.  @code is set with STOP. */
static enum next hear_reader(struct keeper *k, int *code)
{
	int *pidfd = &k->ledger->keeper.pidfd[FI_ROLE_ENGINE], status;
	struct pollfd pfds[] = {
		{ .fd = *pidfd, .events = POLLIN },
		{ .fd = k->sigfd, .events = POLLIN },
	};
	struct signalfd_siginfo info;
	int stopped = 0;

	while (!pfds[0].revents) {
		(void)poll(pfds, FI_ARRAY_SIZE(pfds), -1);
		/* There is nothing yet that another program could take over. */
		if (!pfds[1].revents || read(k->sigfd, &info, sizeof(info)) != sizeof(info) ||
		    info.ssi_signo == SIGUSR2)
			continue;
		stopped = (int)info.ssi_signo;
		fi_pidfd_signal(*pidfd, SIGKILL);
	}
	status = fi_pidfd_reap(*pidfd);
	fi_close(pidfd);
	if (status == 0 && !stopped)
		return GO_ON;
	if (stopped)
		fi_log(FI_LOG_ERROR, "stopped by signal %d", stopped);
	else if (status > 0 && status < 0x7f)
		fi_log(FI_LOG_ERROR, "the reader of the image has died of signal %d", status);
	*code = status > 0xff ? status >> 8 : 1;
	return STOP;
}

/* Has the image read, and meanwhile makes what else there has to be: a restore waits for all of it.
 * @code is set with CHILD (we are one of them) and STOP. */
static enum next read_first(struct keeper *k, int *code)
{
	enum next next;
	int r = start(k, FI_ROLE_ENGINE);

	if (r == 0) {
		become(k, "faultin-reader");
		*code = k->job->read(k->job->arg);
		return CHILD;
	}
	if (r < 0) {
		fi_log(FI_LOG_ERROR, "cannot start a reader: %s", strerror(-r));
		*code = 1;
		return STOP;
	}
	settle(k);
	next = look_after_second(k, code);
	if (next == GO_ON)
		next = hear_reader(k, code);
	if (next == STOP)
		end_others(k);
	return next;
}

int fi_keeper_run(const struct fi_keeper_job *job, struct fi_error *err)
{
	struct keeper k = {
		.ledger = fi_ledger(),
		.job = job,
		.self = FI_ROLE_FIRST,
		.original = !job->heir,
		.stopped = job->heir || job->returned,
		.generation = fi_ledger()->keeper.generation,
	};
	struct fi_keeper_record *record = &k.ledger->keeper;
	sigset_t set;
	enum next next = GO_ON;
	int code;

	for (enum fi_role role = 0; role < FI_ROLE_NR; role++)
		record->pidfd[role] = -EBADF; /* a taken over table has them: custody.h */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	k.sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	record->pidfd[FI_ROLE_FIRST] = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (k.sigfd < 0 || record->pidfd[FI_ROLE_FIRST] < 0)
		return fi_error_set(err, -errno, "cannot keep a session: %s", strerror(errno));
	fi_keep(FI_KEPT_SIGNALS, k.sigfd);
	guard(&k);
	if (job->read && !k.stopped)
		next = read_first(&k, &code);
	else
		settle(&k);
	if (job->returned &&
	    note(record->returns, FI_ARRAY_SIZE(record->returns)) == FI_KEEPER_RETURNS &&
	    !record->ended)
		(void)give_up(&k, "all of them die again and again");
	if (next == STOP)
		fi_control_end();
	return next == GO_ON ? be_primary(&k) : code;
}

void fi_keeper_ready(void)
{
	fi_ledger()->session.ready = 1;
	fi_ledger_ring();
}

void fi_keeper_ended(int code)
{
	struct fi_keeper_record *record = &fi_ledger()->keeper;

	if (record->ended)
		return;
	record->code = code;
	record->ended = 1;
}
