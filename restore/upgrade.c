/* restore/upgrade.c - see upgrade.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two pipes, of bytes:
 *   READY    up     the heir has looked at everything and changed nothing
 *   GO       down   it is the session's primary keeper from here on
 *   SETTLED  up     it has a second keeper
 *
 * What counts is one store before GO, that of the next generation.  If the keeper dies before it, the second
 * keeper has the session, and the heir ends; if after it, the heir has the session, and the second keeper
 * ends.  If the heir dies after it, the keeper takes the session back, unless there is a second keeper of
 * the heir's, whose pidfd the kernel puts into the ledger before it runs.
 */
#include "config.h"

#include "restore/upgrade.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/pidfd.h"

#define READY	'r'
#define GO	'g'
#define SETTLED 's'

#define HEIR_OPTION "--heir="

#define LOOK_MS 5

/* How long the successor of a keeper that has died may take to show itself. */
#define SUCCESSION_MS 5000

struct pipes {
	int up[2], down[2];
};

/* The heir's, and not of those that it starts. */
static int to_keeper = -EBADF, from_keeper = -EBADF;
static pid_t heir_pid;
static uint32_t found_generation;

/* --- the starter --------------------------------------------------------------------------------- */

static char program[4096];

static int find_program(void)
{
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len < 0)
		return -errno;
	program[len] = '\0';
	return 0;
}

/* Nobody else may have written it. */
static int open_program(void)
{
	fi_auto_close int fd = open(program, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return -EPERM;
	return fi_take_fd(&fd);
}

/* Every descriptor but the keeper's ends survives the exec. */
static int keep_descriptors(const struct pipes *pipes, int executed)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." are 0 */

		if (fd > STDERR_FILENO && fd != dirfd(dir) && fd != executed &&
		    fd != pipes->up[0] && fd != pipes->down[1])
			(void)fcntl(fd, F_SETFD, 0);
	}
	(void)closedir(dir);
	return 0;
}

static _Noreturn void become_heir(const struct pipes *pipes, char **argv, size_t argc)
{
	char words[64];
	char **heir_argv = calloc(argc + 3, sizeof(char *));
	int fd = open_program(), r = fd < 0 ? fd : 0;

	if (r == 0)
		r = heir_argv ? keep_descriptors(pipes, fd) : -ENOMEM;
	if (r == 0) {
		(void)snprintf(words, sizeof(words), HEIR_OPTION "%d,%d,%d",
			       fi_kept(FI_KEPT_MEMORY), pipes->up[1], pipes->down[0]);
		heir_argv[0] = program;
		heir_argv[1] = argv[0];
		heir_argv[2] = words;
		for (size_t i = 1, nr = 3; i < argc; i++)
			if (strncmp(argv[i], HEIR_OPTION, strlen(HEIR_OPTION)) != 0)
				heir_argv[nr++] = argv[i]; /* an heir may have an heir */
		(void)syscall(SYS_execveat, fd, "", heir_argv, environ, AT_EMPTY_PATH);
		r = -errno;
	}
	fi_log(FI_LOG_ERROR, "cannot start '%s': %s", program, strerror(-r));
	_exit(127);
}

/* With a copy of the table, as it is now. */
static void start_heir(const struct pipes *pipes, char **argv, size_t argc)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uintptr_t)&fi_ledger()->keeper.pidfd[FI_ROLE_HEIR],
		.exit_signal = SIGCHLD,
	};

	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		become_heir(pipes, argv, argc);
	/* Nobody is to wait for one that there is not. */
	if (pid < 0 && write(pipes->up[1], "", 1) != 1)
		fi_log(FI_LOG_DEBUG, "nobody hears the starter");
}

static _Noreturn void be_starter(pid_t keeper, char **argv)
{
	struct pipes pipes;
	size_t argc = 0;

	(void)prctl(PR_SET_NAME, "faultin-starter");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setsid();
	while (argv[argc])
		argc++;
	while (getppid() == keeper)
		if (read(fi_kept(FI_KEPT_ASKED), &pipes, sizeof(pipes)) == sizeof(pipes))
			start_heir(&pipes, argv, argc);
	_exit(0);
}

int fi_upgrade_prepare(char **argv, struct fi_error *err)
{
	int32_t *pidfd = &fi_ledger()->keeper.pidfd[FI_ROLE_STARTER];
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_PIDFD,
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t self = getpid();
	int ask[2], r = find_program();
	long pid;

	*pidfd = -EBADF;
	if (r == 0 && pipe2(ask, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return fi_error_set(err, r, "%s", strerror(-r));
	fi_keep(FI_KEPT_ASKED, ask[0]);
	fi_keep(FI_KEPT_ASK, ask[1]);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		be_starter(self, argv);
	return pid < 0 ? fi_error_set(err, -errno, "%s", strerror(errno)) : 0;
}

/* --- the keeper ---------------------------------------------------------------------------------- */

bool fi_upgrade_possible(void)
{
	return !fi_pidfd_ended(fi_ledger()->keeper.pidfd[FI_ROLE_STARTER]);
}

static void close_pipes(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		fi_close(&pipes->up[i]);
		fi_close(&pipes->down[i]);
	}
}

/* Waits until the heir says @byte.  @heir: its pidfd, or where one will be when there is one. */
static int hear(int fd, const int32_t *heir, char byte)
{
	uint64_t start = fi_now_ns();
	char said = 0;

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		bool ended = *heir >= 0 ? fi_pidfd_ended(*heir) : !fi_upgrade_possible();

		if (poll(&pfd, 1, LOOK_MS) > 0)
			return read(fd, &said, 1) == 1 && said == byte ? 0 : -EBADMSG;
		if (ended)
			return -EBADMSG;
		if (fi_now_ns() - start > FI_UPGRADE_PATIENCE_MS * UINT64_C(1000000))
			return -ETIMEDOUT;
	}
}

static void end_heir(int heir)
{
	struct pollfd pfd = { .fd = heir, .events = POLLIN };

	fi_pidfd_signal(heir, SIGKILL);
	while (!fi_pidfd_ended(heir))
		(void)poll(&pfd, 1, -1);
}

/* The heir changes the ledger from GO on. */
static int let_go(const struct pipes *pipes, int32_t heir, int32_t second)
{
	struct fi_keeper_record *record = &fi_ledger()->keeper;
	char byte = GO;
	int r = 0;

	record->pidfd[FI_ROLE_SECOND] = -EBADF;
	record->generation++;
	if (write(pipes->down[1], &byte, 1) != 1)
		r = -errno;
	fi_pidfd_kill(second);
	if (r == 0)
		r = hear(pipes->up[0], &heir, SETTLED);
	if (r < 0)
		end_heir(heir);
	return record->pidfd[FI_ROLE_SECOND] >= 0 ? 0 : r;
}

static int try_heir(const struct pipes *pipes, int32_t *heir)
{
	int r;

	if (write(fi_kept(FI_KEPT_ASK), pipes, sizeof(*pipes)) != sizeof(*pipes))
		return -EPIPE;
	r = hear(pipes->up[0], heir, READY);
	if (r == 0)
		return 0;
	end_heir(*heir);
	return r;
}

int fi_upgrade_hand_over(void)
{
	struct fi_ledger *ledger = fi_ledger();
	struct fi_keeper_record *record = &ledger->keeper;
	struct pipes pipes = { { -EBADF, -EBADF }, { -EBADF, -EBADF } };
	int32_t mine[FI_ROLE_NR], kept[FI_KEPT_NR];
	int r = 0;

	fi_close(&record->pidfd[FI_ROLE_HEIR]);
	if (pipe2(pipes.up, O_CLOEXEC) < 0 || pipe2(pipes.down, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0)
		r = try_heir(&pipes, &record->pidfd[FI_ROLE_HEIR]);
	if (r == 0) {
		memcpy(mine, record->pidfd, sizeof(mine));
		for (int i = 0; i < FI_KEPT_NR; i++)
			kept[i] = ledger->kept[i];
		r = let_go(&pipes, mine[FI_ROLE_HEIR], mine[FI_ROLE_SECOND]);
		if (r == 0) {
			fi_pidfd_kill(mine[FI_ROLE_STARTER]);
		} else {
			fi_close(&mine[FI_ROLE_SECOND]);
			memcpy(record->pidfd, mine, sizeof(mine));
			for (int i = 0; i < FI_KEPT_NR; i++)
				ledger->kept[i] = kept[i];
		}
	}
	close_pipes(&pipes);
	return r;
}

/* --- afterwards ---------------------------------------------------------------------------------- */

/* A connection that nobody serves any more must not stay open here. */
static void close_all_but(int sigfd)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (fd > STDERR_FILENO && fd != dirfd(dir) && fd != sigfd)
			(void)close(fd);
	}
	if (dir)
		(void)closedir(dir);
}

/* Until the process has ended. */
static void watch(int pidfd, int sigfd)
{
	while (!fi_pidfd_ended(pidfd)) {
		struct signalfd_siginfo info;
		struct pollfd pfds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = sigfd, .events = POLLIN },
		};

		(void)poll(pfds, 2, -1);
		while (pfds[1].revents && read(sigfd, &info, sizeof(info)) == sizeof(info))
			fi_pidfd_signal(pidfd, (int)info.ssi_signo);
	}
}

int fi_upgrade_follow(int sigfd)
{
	const struct fi_keeper_record *record = &fi_ledger()->keeper;
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	uint64_t alone_since = fi_now_ns();

	close_all_but(sigfd);
	while (fi_now_ns() - alone_since < SUCCESSION_MS * UINT64_C(1000000)) {
		pid_t primary = record->primary_pid;
		fi_auto_close int pidfd = fi_pidfd_open(primary);

		/* Another's by now, if it is not the primary's any more. */
		if (pidfd >= 0 && primary == record->primary_pid) {
			watch(pidfd, sigfd);
			alone_since = fi_now_ns();
		}
		if (record->left)
			return record->code;
		(void)nanosleep(&pause, NULL);
	}
	return 1;
}

/* --- the heir ------------------------------------------------------------------------------------ */

/* Three descriptors with commas between them. */
static int parse_descriptors(const char *words, int ret[3])
{
	for (int i = 0; i < 3; i++) {
		char *end;
		long value = strtol(words, &end, 10);

		if (end == words || *end != (i < 2 ? ',' : '\0') || value < 0 || value > INT_MAX)
			return -EINVAL;
		ret[i] = (int)value;
		words = end + 1;
	}
	return 0;
}

int fi_upgrade_inherit(const char *words, struct fi_error *err)
{
	int fds[3], r;

	if (parse_descriptors(words, fds) < 0)
		return fi_error_set(err, -EINVAL, "--heir: '%s'", words);
	to_keeper = fds[1];
	from_keeper = fds[2];
	r = fi_durable_open(fds[0]);
	if (r < 0)
		return fi_error_set(err, r, "cannot map the session's memory: %s", strerror(-r));
	if (!fi_ledger_is_ours())
		return fi_error_set(err, -EPROTONOSUPPORT,
				    "this program keeps its sessions in another way");
	found_generation = fi_ledger()->keeper.generation;
	return 0;
}

int fi_upgrade_claim(void)
{
	const struct fi_keeper_record *record = &fi_ledger()->keeper;
	struct pollfd pfds[] = {
		{ .fd = from_keeper, .events = POLLIN },
		{ .fd = record->pidfd[FI_ROLE_FIRST], .events = POLLIN },
	};
	char byte = READY;

	if (write(to_keeper, &byte, 1) != 1)
		return -ECANCELED;
	while (poll(pfds, FI_ARRAY_SIZE(pfds), -1) < 0 && errno == EINTR)
		;
	/* By the keeper's word, or its last deed. */
	if (record->generation == found_generation)
		return -ECANCELED;
	heir_pid = getpid();
	return 0;
}

void fi_upgrade_settled(void)
{
	char byte = SETTLED;

	if (heir_pid != getpid())
		return;
	heir_pid = 0;
	fi_ledger()->keeper.upgrades++;
	if (write(to_keeper, &byte, 1) != 1)
		fi_log(FI_LOG_DEBUG, "there is no keeper left to hear of it");
	fi_close(&to_keeper);
	fi_close(&from_keeper);
}
