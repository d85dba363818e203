/* plugin/child.c - see child.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/child.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"

#define MAX_FDS 8

int64_t fi_child_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

pid_t fi_child_fork(void)
{
	return fi_child_fork_into(-EBADF);
}

/* CLONE_INTO_CGROUP, and clone3's arguments with it: newer than the headers may be. */
#define INTO_CGROUP UINT64_C(0x200000000)

static pid_t born_in(int cgroup)
{
	const uint64_t args[11] = { [0] = INTO_CGROUP, [10] = (uint64_t)cgroup };

	return cgroup < 0 ? -1 : (pid_t)syscall(SYS_clone3, args, sizeof(args));
}

pid_t fi_child_fork_into(int cgroup)
{
	sigset_t all, saved;
	pid_t pid;

	/* No handler of CRIU's may run in a child. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &saved);
	pid = born_in(cgroup);
	/* With all arguments 0 their order, which differs between architectures, does not matter. */
	if (pid < 0)
		pid = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
	if (pid == 0)
		return 0;
	if (pid < 0)
		pid = -errno;
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	return pid;
}

/* Ends a child with a sentence about the call that failed. */
static void __attribute__((noreturn)) give_up(const char *what)
{
	(void)dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(127);
}

static void close_from(int first)
{
	const struct dirent *entry;
	DIR *dir;
	int fd;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned int)first, ~0u, 0u) == 0)
		return;
#endif
	dir = opendir("/proc/self/fd");
	if (!dir)
		give_up("/proc/self/fd");
	while ((entry = readdir(dir))) {
		fd = (int)strtol(entry->d_name, NULL, 10); /* "." and ".." are 0 */
		if (fd >= first && fd != dirfd(dir))
			(void)close(fd);
	}
	(void)closedir(dir);
}

static void reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &act, NULL); /* some cannot be set */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void fi_child_exec(const char *program, const char *const *argv, const int *fds, int nr)
{
	int high[MAX_FDS];

	/* Out of the way first: any of them may have any of the numbers that are to be set. */
	for (int i = 0; i < nr; i++) {
		high[i] = fcntl(fds[i], F_DUPFD, nr);
		if (high[i] < 0)
			give_up("fcntl");
	}
	for (int i = 0; i < nr; i++)
		if (dup2(high[i], i) < 0)
			give_up("dup2");
	close_from(nr);
	reset_signals();
	(void)execve(program, (char *const *)argv, environ);
	give_up(program);
}

/* --- one that is waited for ------------------------------------------------------------------ */

struct lines {
	char text[512]; /* a line that has begun; one that is longer comes in parts */
	size_t len;
	void (*say)(const char *line);
};

static void end_line(struct lines *lines)
{
	lines->text[lines->len] = '\0';
	if (lines->len > 0)
		lines->say(lines->text);
	lines->len = 0;
}

/* Takes what has been written.  Returns whether there may be more. */
static bool hear(int fd, struct lines *lines)
{
	char bytes[512];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n' || lines->len == sizeof(lines->text) - 1)
			end_line(lines);
		if (bytes[i] != '\n')
			lines->text[lines->len++] = bytes[i];
	}
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until it closes its end.  Returns 0, -ETIMEDOUT, or what poll(2) gave. */
static int hear_out(int fd, int silence_ms, struct lines *lines)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t deadline = fi_child_now_ms() + silence_ms, left;

	for (;;) {
		left = deadline - fi_child_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		pfd.revents = 0;
		if (poll(&pfd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		if (!pfd.revents)
			continue;
		if (!hear(fd, lines))
			break;
		deadline = fi_child_now_ms() + silence_ms;
	}
	end_line(lines);
	return 0;
}

static int code_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Who executes gets an exit signal again (SIGCHLD): so CRIU's child is this one, which does not.  It ends
 * as its own child does, which goes with it when it is killed. */
static void __attribute__((noreturn))
become_middle(const char *program, const char *const *argv, const int *fds, int nr)
{
	pid_t pid = fi_child_fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fi_child_exec(program, argv, fds, nr);
	}
	_exit(pid < 0 ? 127 : code_of(pid));
}

int fi_child_run(const char *program, const char *const *argv, int silence_ms,
		 void (*say)(const char *line))
{
	fi_auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	fi_auto_close int ours = -EBADF, its = -EBADF;
	struct lines lines = { .say = say };
	int words[2], code, r;
	pid_t pid;

	if (null < 0 || pipe2(words, O_CLOEXEC) < 0)
		return -errno;
	ours = words[0];
	its = words[1];
	pid = fi_child_fork();
	if (pid == 0)
		become_middle(program, argv, (const int[]){ null, null, its }, 3);
	if (pid < 0)
		return pid;
	fi_close(&its);
	r = hear_out(ours, silence_ms, &lines);
	if (r < 0)
		(void)kill(pid, SIGKILL); /* nobody else waits for it: the pid is its own */
	code = code_of(pid);
	return r < 0 ? r : code;
}
