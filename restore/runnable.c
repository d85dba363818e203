/* restore/runnable.c - see runnable.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/runnable.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

bool fi_thread_wants_cpu(pid_t tid)
{
	char path[64], line[256];
	fi_auto_close int fd = -EBADF;
	const char *at;
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (len <= 0)
		return false;
	line[len] = '\0';
	at = strrchr(line, ')'); /* the name may hold anything */
	return at && at[1] == ' ' && at[2] == 'R';
}
