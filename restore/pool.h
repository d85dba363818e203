/* restore/pool.h - shared anonymous memory that is still on its way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pool is one segment.  What each task has mapped of it is watched by a userfaultfd of its own (a
 * watch), and so is a mapping that we have ourselves.  All of them show the same pages: what is copied
 * into one is there for all.
 *
 * No event is read.  A fork, munmap, mremap or madvise of such memory waits for that, and has happened for
 * nobody until then: so where everything is mapped does not change, and nobody can have discarded what is
 * still to come.  When the pool is whole its userfaultfds are closed, which lets them go on.  Who waits so is a
 * reason for haste: the pool is hurried, and drained whatever the policy says.
 *
 * While an event of a watch waits, the kernel refuses copies by that watch.  Then others are used, and
 * at last our own mapping.  It is not used before since what is copied by a task's is charged to that
 * task's memory cgroup.
 *
 * There is a gap: a fault that was seen may be gone (a signal) when it is read, and an event that has
 * just come is read in its place.  The watch is shut, then: nothing is copied by it any more.  If it was REMOVE,
 * nobody can say what its pages are to hold: nothing is copied at all any more, and the tasks are killed.  So
 * that no copy is on its way that began before, a message is looked for and read behind a closed gate (gate.h), one for all
 * watches: a page that was discarded by one task could come by another's.  Nor can a copy answer the fault that was seen.
 *
 * Invariants:
 *   - A page that the image has is owed until the segment has it.
 *   - No copy is in flight while a message is read; none begins by a watch of which an event was read.
 *   - No copy is in flight, and none will be, when the first userfaultfd is closed (FI_POOL_WHOLE).
 *
 * Nothing here has threads or clocks (pools.h has).  fi_pool_hear and fi_pool_look are for one thread,
 * fi_pool_drain for any number.
 */
#ifndef FI_RESTORE_POOL_H
#define FI_RESTORE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/sharers.h"
#include "restore/gate.h"
#include "restore/ledger.h"
#include "restore/source.h"

struct fi_pool;

struct fi_watch {
	struct fi_pool *pool;
	struct fi_watch_record *record;
	const struct fi_sharer *sharer; /* NULL: a child, which waits until the pool is whole */
	int info;			/* its fdinfo; owned */
	_Atomic bool
		shut; /* an event waits, or was read: nothing is read or copied by it any more */
	_Atomic bool dead;		    /* its address space is gone */
	uint64_t stream_next, stream_pages; /* a task that walks on, in pages of the segment */
};

struct fi_pool {
	struct fi_pool_record *record;
	const struct fi_pagemap *pagemap;
	struct fi_source *source; /* the session's */
	int uffd;		  /* our own, of all pools */
	uint8_t *map;		  /* our mapping */
	uint64_t size;		  /* of it, in pages */

	struct fi_watch **watches; /* room for room_watches from the beginning */
	size_t room_watches;
	_Atomic size_t nr_watches;

	struct fi_gate gate; /* who hears is its reader */

	pthread_mutex_t lock; /* of the rest: */
	uint64_t *owed;	      /* a bit for each page */
	uint64_t nr_pages;    /* that there were */
	uint64_t nr_owed, cursor;
	unsigned nr_copying; /* who may be about to copy */
	_Atomic bool hurried, doomed;
};

/* The pool of @record, which is complete, with room for @room watches; all pages that the image has are owed.
 * Returns 0 or a negative errno. */
int fi_pool_new(struct fi_pool_record *record, const struct fi_pagemap *pagemap,
		struct fi_source *source, int uffd, size_t room, struct fi_pool **ret);

/* One more watch, whose record is complete.  @sharer: NULL for a child.  Returns 0 or a negative errno. */
int fi_pool_watch(struct fi_pool *pool, struct fi_watch_record *record,
		  const struct fi_sharer *sharer, struct fi_watch **ret);

/* The watch's userfaultfd is readable: answers one fault, if it is one. */
void fi_pool_hear(struct fi_watch *watch);

/* Of a dead engine: deals with what @watch may have read, and lets who waits ask again. */
void fi_pool_recover(struct fi_watch *watch);

/* Copies the next pages that are owed.  Returns how many that were; 0: there are none, or none can
 * be copied now. */
uint64_t fi_pool_drain(struct fi_pool *pool);

/* It cannot be served: its tasks are killed. */
void fi_pool_doom(struct fi_pool *pool, const char *why);

/* Nothing is owed to anybody from here on; before the first copy. */
void fi_pool_let_go(struct fi_pool *pool);

/* Looks who has gone.  True: nothing is owed to anybody any more. */
bool fi_pool_look(struct fi_pool *pool);

/* Closes what belongs to the record and frees both, once fi_pool_look has said so. */
void fi_pool_end(struct fi_pool *pool);

/* The same for the record of a pool that a dead engine was about to end. */
void fi_pool_end_record(struct fi_pool_record *record);

/* Frees the pool and leaves its record. */
void fi_pool_free(struct fi_pool *pool);

uint64_t fi_pool_nr_owed(struct fi_pool *pool);

#endif
