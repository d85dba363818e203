/* tests/bench/programs/pidns.c - runs a restore where its pids are free: in a pid namespace.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     pidns FILE COMMAND [ARG...]
 *
 * COMMAND runs as a child of the namespace's first process, which sees a /proc of its own.  When
 * COMMAND ends, "STATUS NS" is in FILE: its exit status, and when that was by CLOCK_MONOTONIC.  The
 * namespace lives until all that COMMAND left behind has ended, or until this program is killed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* By renaming: who sees the file sees all of it. */
static void tell(const char *file, int status)
{
	char temporary[512];
	struct timespec ts;
	int fd;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", file) >= sizeof(temporary))
		errx(125, "'%s' is too long", file);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 ||
	    dprintf(fd, "%d %lld\n", status, (long long)ts.tv_sec * 1000000000 + ts.tv_nsec) < 0 ||
	    close(fd) < 0 || rename(temporary, file) < 0)
		err(125, "cannot write '%s'", file);
}

static void be_init(const char *file, char **argv)
{
	pid_t command, pid;
	int status;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		err(125, "prctl");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		err(125, "cannot mount /proc");
	command = fork();
	if (command < 0)
		err(125, "fork");
	if (command == 0) {
		(void)execvp(argv[0], argv);
		err(127, "cannot run '%s'", argv[0]);
	}
	while ((pid = wait(&status)) > 0)
		if (pid == command)
			tell(file,
			     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status;

	if (argc < 3)
		errx(125, "usage: pidns FILE COMMAND [ARG...]");
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		err(125, "cannot make a pid namespace");
	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (pid == 0) {
		be_init(argv[1], argv + 2);
		return 0;
	}
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1;
}
