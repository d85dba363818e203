/* restore/relief.c - see relief.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A step is named by the time at which it began.  The next one at the same post begins later, so a
 * thread that was relieved finds a time that is not its own.
 */
#include "config.h"

#include "restore/relief.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

void fi_post_take(struct fi_post *post)
{
	post->tid = (pid_t)syscall(SYS_gettid);
}

/* On a busy machine a thread may want a CPU for as long: another one would get none either. */
static bool wants_cpu(pid_t tid)
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

bool fi_post_relieve(struct fi_post *post, uint64_t now)
{
	uint64_t since = atomic_load_explicit(&post->since, memory_order_acquire);

	if (!fi_post_is_late(post, now) || wants_cpu(post->tid))
		return false;
	return atomic_compare_exchange_strong_explicit(&post->since, &since, 0,
						       memory_order_acq_rel, memory_order_acquire);
}
