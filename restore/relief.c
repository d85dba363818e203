/* restore/relief.c - see relief.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A step is named by the time at which it began.  The next one at the same post begins later, so a
 * thread that was relieved finds a time that is not its own.
 */
#include "config.h"

#include "restore/relief.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "restore/runnable.h"

void fi_post_take(struct fi_post *post)
{
	post->tid = (pid_t)syscall(SYS_gettid);
}

bool fi_post_relieve(struct fi_post *post, uint64_t now)
{
	uint64_t since = atomic_load_explicit(&post->since, memory_order_acquire);

	/* On a busy machine a thread may wait for a CPU as long: another one would get none either. */
	if (!fi_post_is_late(post, now) || fi_thread_wants_cpu(post->tid))
		return false;
	return atomic_compare_exchange_strong_explicit(&post->since, &since, 0,
						       memory_order_acq_rel, memory_order_acquire);
}
