/* restore/priority.c - see priority.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/priority.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GIVES_WAY 19

bool fi_priority_may_return(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	struct rlimit limit;

	if (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur >= 20) /* nice 0 */
		return true;
	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & (1u << CAP_SYS_NICE)) != 0;
}

void fi_priority_first(void)
{
	const struct sched_param param = { .sched_priority = 1 }; /* the lowest there is */

	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

void fi_courtesy_init(struct fi_courtesy *courtesy)
{
	/* It may take another thread's place. */
	courtesy->hurried = false;
	courtesy->gives_way = false;
	courtesy->normal = getpriority(PRIO_PROCESS, 0);
	if (fi_priority_may_return())
		courtesy->tid = (pid_t)syscall(SYS_gettid);
}

void fi_courtesy_set(struct fi_courtesy *courtesy, bool give_way)
{
	pid_t tid = courtesy->tid;

	if (!tid)
		return;
	if (!atomic_exchange(&courtesy->hurried, false) && courtesy->gives_way == give_way)
		return;
	courtesy->gives_way = give_way;
	(void)setpriority(PRIO_PROCESS, (id_t)tid, give_way ? GIVES_WAY : courtesy->normal);
}

void fi_courtesy_hurry(struct fi_courtesy *courtesy)
{
	pid_t tid = courtesy->tid;

	/* Marked last: a thread that sees the mark undoes what has been done. */
	if (tid && setpriority(PRIO_PROCESS, (id_t)tid, courtesy->normal) == 0)
		courtesy->hurried = true;
}
