/* restore/pidfd.c - see pidfd.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
