/* tests/integration/tools/reap.c - runs a test, or the demonstration, as the parent of everything that it
 * leaves behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     reap LOG COMMAND [ARG...]
 *
 * A restored tree and a daemon are orphans: their parent is whoever restored or started them, and
 * that one exits.  As a child subreaper this program inherits them, so that
 *  - they are reaped at once (an init that is slow at it keeps the pid taken, and the next restore
 *    of the same image fails with EEXIST);
 *  - their exit status is known: each orphan that ends adds "PID COMM exit CODE" or "PID COMM
 * signal NUMBER" to LOG, with one write(2);
 *  - those still alive can be told: they are the children of this process, whose pid COMMAND finds
 *    in $REAP_PID;
 *  - none survives: what is left when COMMAND ends is killed.
 *
 * Exits as COMMAND did (128 + N for signal N).  TERM and HUP are passed on to COMMAND; a terminal's
 * signals reach it without us.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t command_pid;

static void pass_on(int sig)
{
	if (command_pid > 0)
		(void)kill((pid_t)command_pid, sig);
}

/* The name of a child, which may be a zombie; it may hold spaces, which the log cannot. */
static void read_comm(pid_t pid, char *comm, size_t size)
{
	char path[64];
	ssize_t len = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, comm, size - 1);
		(void)close(fd);
	}
	comm[len > 0 ? len - 1 : 0] = '\0';
	for (char *p = comm; *p; p++)
		if (*p == ' ' || *p == '\n')
			*p = '_';
	if (!*comm)
		(void)snprintf(comm, size, "-");
}

static void log_end(int log_fd, const char *comm, const siginfo_t *info)
{
	char line[128];
	int len;

	len = snprintf(line, sizeof(line), "%d %s %s %d\n", info->si_pid, comm,
		       info->si_code == CLD_EXITED ? "exit" : "signal", info->si_status);
	if (write(log_fd, line, (size_t)len) != len)
		err(125, "cannot write the log");
}

/* Waits for one child and reaps it.  False when there is none. */
static bool reap_one(int log_fd, siginfo_t *info)
{
	char comm[32];

	memset(info, 0, sizeof(*info));
	while (waitid(P_ALL, 0, info, WEXITED | WNOWAIT) < 0) {
		if (errno == ECHILD)
			return false;
		if (errno != EINTR)
			err(125, "waitid");
	}
	read_comm(info->si_pid, comm, sizeof(comm));
	/* Reaped before it is logged: who reads of the end may use the pid again. */
	if (waitpid(info->si_pid, NULL, 0) < 0)
		err(125, "waitpid");
	if (info->si_pid != command_pid)
		log_end(log_fd, comm, info);
	return true;
}

/* Kills the children that are left; theirs become ours and are next. */
static void kill_rest(int log_fd)
{
	char path[64];
	siginfo_t info;
	FILE *children;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	do {
		children = fopen(path, "re");
		if (!children)
			err(125, "cannot open '%s'", path);
		while (fscanf(children, "%d", &pid) == 1)
			(void)kill(pid, SIGKILL);
		(void)fclose(children);
	} while (reap_one(log_fd, &info));
}

int main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, pass = { .sa_handler = pass_on };
	char own_pid[16];
	siginfo_t info;
	int log_fd;
	pid_t pid;

	if (argc < 3)
		errx(125, "usage: reap LOG COMMAND [ARG...]");

	log_fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		err(125, "cannot open '%s'", argv[1]);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		err(125, "cannot become a child subreaper");
	(void)snprintf(own_pid, sizeof(own_pid), "%d", getpid());
	if (setenv("REAP_PID", own_pid, 1) < 0)
		err(125, "setenv");

	(void)sigaction(SIGTERM, &pass, NULL);
	(void)sigaction(SIGHUP, &pass, NULL);

	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (pid == 0) {
		(void)execvp(argv[2], argv + 2);
		err(127, "cannot run '%s'", argv[2]);
	}
	command_pid = pid;
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGQUIT, &ignore, NULL);

	do {
		if (!reap_one(log_fd, &info))
			errx(125, "lost the command");
	} while (info.si_pid != pid);
	command_pid = 0;
	kill_rest(log_fd);

	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}
