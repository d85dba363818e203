/* restore/pidfd.c - see pidfd.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

bool fi_pidfd_alive(int pidfd)
{
	return pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

bool fi_pidfd_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return !fi_pidfd_alive(pidfd) || poll(&pfd, 1, 0) > 0;
}

void fi_pidfd_signal(int pidfd, int sig)
{
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int fi_pidfd_reap(int pidfd)
{
	siginfo_t info = { 0 };
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	while (fi_pidfd_alive(pidfd) && poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		return -1;
	return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
}

void fi_pidfd_kill(int pidfd)
{
	if (pidfd < 0)
		return;
	fi_pidfd_signal(pidfd, SIGKILL);
	(void)fi_pidfd_reap(pidfd);
}

int fi_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

pid_t fi_pidfd_pid(int pidfd)
{
	static const char key[] = "Pid:";
	char text[512], path[64], *at;
	fi_auto_close int fd = -EBADF;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, key);
	return at ? (pid_t)strtol(at + strlen(key), NULL, 10) : 0;
}
