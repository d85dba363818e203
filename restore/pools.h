/* restore/pools.h - the pools of a session: their threads, and what others do with them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each pool has a thread, which hears its faults and ends it when it is whole: one that waits for a disk
 * keeps only its own.  The engine's drain workers drain them.  All functions are safe from any thread but where it is said.
 */
#ifndef FI_RESTORE_POOLS_H
#define FI_RESTORE_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "images/image.h"
#include "restore/counters.h"
#include "restore/source.h"

struct fi_pools; /* opaque */

/* Told from a thread of theirs; must not wait long. */
struct fi_pools_watcher {
	void (*hurried)(void *arg); /* somebody waits until a pool is whole */
	void (*ended)(void *arg);
	void (*held_up)(void *arg); /* it waits for somebody who drains */
	void *arg;
};

struct fi_pool_status {
	uint32_t segment;
	bool failed;
	uint64_t nr_lazy, nr_owed; /* pages */
	struct fi_counters count;
};

/* Of the process, before it gives up rights: the userfaultfd for our own mappings, which the ledger keeps. */
int fi_pools_prepare(void);

/* @image has the segments (fi_image_open_shared); it and @source must outlive the pools.  What a dead engine has left in the
 * ledger is taken over.  Returns 0 or a negative errno. */
int fi_pools_new(const struct fi_image *image, struct fi_source *source, struct fi_pools **ret);

/* Starts the threads, those of later pools when they come.  Returns 0 or a negative errno. */
int fi_pools_start(struct fi_pools *pools, const struct fi_pools_watcher *watcher);

/* Session: the segment of sharer number @sharer is to be a pool, and @file is its file; a userfaultfd for what
 * that sharer has of it.  Each takes the descriptor on success only; again with the same one it does nothing.
 * Returns 0, -EINVAL: there is no such thing, or no more room; or another negative errno. */
int fi_pools_file(struct fi_pools *pools, uint32_t sharer, int file);
int fi_pools_watch(struct fi_pools *pools, uint32_t sharer, int uffd, pid_t pid);

/* Before the restore is finished: somebody else has filled them, and nothing is watched any more. */
void fi_pools_let_go(struct fi_pools *pools);

/* The restore is finished: pools may end; or it has failed: their tasks are killed. */
void fi_pools_restored(struct fi_pools *pools);
void fi_pools_abandon(struct fi_pools *pools);

/* Whether there is something to drain: in a hurry, or, with @any, at all. */
bool fi_pools_wait(struct fi_pools *pools, bool any);

/* Drains one chunk of such a pool.  Returns how many pages that were; 0: nothing can be done now. */
uint64_t fi_pools_drain(struct fi_pools *pools, bool any);

/* What there is to be seen of them, of at most @room; returns how many are in @at. */
size_t fi_pools_status(struct fi_pools *pools, struct fi_pool_status *at, size_t room);

/* Stops the threads; no pool may be left, or the process is about to end. */
void fi_pools_free(struct fi_pools *pools);

#endif
