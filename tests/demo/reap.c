/* tests/demo/reap.c - runs a command as the parent of everything that it leaves behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   reap COMMAND [ARG...]
 *
 * A restored tree and the engine are orphans.  As a child subreaper this program inherits them and
 * reaps them at once: an init that is slow at it would keep the pid taken, and the same image could
 * not be restored again.  What is left when COMMAND ends, however it ends, is killed: all of it was
 * started by COMMAND.  Exits as COMMAND did (128 + N for signal N).
 */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t command;

static void pass_on(int sig)
{
	if (command > 0)
		(void)kill((pid_t)command, sig);
}

/* The children that are left; theirs become ours and are next. */
static void kill_rest(void)
{
	char path[64];
	FILE *children;
	int pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	do {
		children = fopen(path, "re");
		while (children && fscanf(children, "%d", &pid) == 1)
			(void)kill(pid, SIGKILL);
		if (children)
			(void)fclose(children);
	} while (wait(NULL) > 0 || errno == EINTR);
}

int main(int argc, char **argv)
{
	/* Those of a terminal reach COMMAND without us. */
	struct sigaction ignore = { .sa_handler = SIG_IGN }, pass = { .sa_handler = pass_on };
	int status = 0;
	pid_t pid, ended;

	if (argc < 2)
		errx(125, "usage: reap COMMAND [ARG...]");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		err(125, "cannot become a child subreaper");
	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (pid == 0) {
		(void)execvp(argv[1], argv + 1);
		err(127, "cannot run '%s'", argv[1]);
	}
	command = pid;
	(void)sigaction(SIGINT, &ignore, NULL);
	(void)sigaction(SIGQUIT, &ignore, NULL);
	(void)sigaction(SIGTERM, &pass, NULL);
	(void)sigaction(SIGHUP, &pass, NULL);

	do
		ended = wait(&status);
	while (ended != pid && (ended > 0 || errno == EINTR));
	command = 0;
	kill_rest();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
