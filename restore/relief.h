/* restore/relief.h - a thread that waits too long is relieved by another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A step for a space may wait for a disk that has stopped to answer, or for memory, as long as these
 * like, and no call tells how long that will be.  Spaces share their threads, and one task's trouble
 * has to stay its own.  So a thread says when a step begins and when it ends; the engine's guard
 * looks at that, and gives what else the thread had to do to another one.  Who was relieved learns it
 * at the end of its step, touches nothing more that it shares with its successor, and ends.
 *
 * A post is where one thread stands at a time; it is all zeros at first.
 */
#ifndef FI_RESTORE_RELIEF_H
#define FI_RESTORE_RELIEF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A step that takes longer is stuck, unless its thread only waits for a CPU. */
#define FI_RELIEF_NS UINT64_C(20000000)

/* So many threads may be stuck at a time; further ones are not relieved. */
#define FI_RELIEF_MAX 256

struct fi_post {
	_Atomic uint64_t since; /* when the step began, ns, monotonic; 0: in none */
	_Atomic pid_t tid;
};

/* The thread: it stands here from now on. */
void fi_post_take(struct fi_post *post);

/* The thread: a step begins at @now, which is not 0; the one that began then is over.  False: it was
 * relieved meanwhile. */
static inline void fi_post_enter(struct fi_post *post, uint64_t now)
{
	atomic_store_explicit(&post->since, now, memory_order_release);
}

static inline bool fi_post_leave(struct fi_post *post, uint64_t since)
{
	return atomic_compare_exchange_strong_explicit(&post->since, &since, 0,
						       memory_order_acq_rel, memory_order_acquire);
}

/* The guard. */
static inline bool fi_post_is_in_step(const struct fi_post *post)
{
	return atomic_load_explicit(&post->since, memory_order_relaxed) != 0;
}

/* The guard: a first look, which costs nothing. */
static inline bool fi_post_is_late(const struct fi_post *post, uint64_t now)
{
	uint64_t since = atomic_load_explicit(&post->since, memory_order_acquire);

	return since && now > since && now - since >= FI_RELIEF_NS;
}

/* The guard: if the thread is stuck at @now, it is relieved, and the post is free for another one. */
bool fi_post_relieve(struct fi_post *post, uint64_t now);

#endif
