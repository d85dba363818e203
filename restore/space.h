/* restore/space.h - one address space that a userfaultfd watches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A space knows where the image's pages live in it (layout), which of them the kernel has not been
 * given (owed), and which faults wait for an event to be read first (parked).  What is done with
 * that is decided in three files: events.c (the kernel says that the space changed), demand.c (a
 * task waits for a page) and drain.c (nobody waits yet).  None of them has threads, clocks or
 * descriptors of its own; engine.c turns their steps into loops.
 *
 * Who may do what:
 *   reader   the one thread that reads the space's events (its demand worker).  It alone changes
 *            layout, displaced, its past and parked, and it alone retires the space.
 *   copiers  drain workers, inside the gate: they look at the layout and clear owed pages.
 *
 * Invariants (a page is a lazy rank of the image's pagemap):
 *   - An owed page is in at most one segment of layout or displaced, and in one of left if it is in
 *     neither; the kernel has nothing at its address, unless somebody else put it there (then a copy
 *     says EEXIST).
 *   - A page that is not owed has been given, or the task asked for zeros: a fault on it is
 *     answered with zeros.
 *   - owed only shrinks.
 *
 * What a new engine needs of a space is in its durable record (ledger.h).  owed is there at all
 * times; the rest is shown, whole, after each event.
 */
#ifndef FI_RESTORE_SPACE_H
#define FI_RESTORE_SPACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "images/image.h"
#include "restore/counters.h"
#include "restore/gate.h"
#include "restore/layout.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/owed.h"
#include "restore/source.h"

enum fi_space_state {
	FI_SPACE_LIVE,
	FI_SPACE_GONE,	 /* the kernel said ESRCH: exec or exit */
	FI_SPACE_FAILED, /* cannot be served with certainty: its task must not run on */
};

/* Where a space is whose reader was relieved (relief.h). */
enum fi_space_place {
	FI_SPACE_HERE,
	FI_SPACE_AWAY, /* in the hands of the thread that was relieved */
	FI_SPACE_BACK, /* given back, and not looked at yet */
};

/* What an event says of [start, end).  An UNMAP that trails behind a REMAP is none of its own. */
struct fi_change {
	uint64_t start, end;
	uint64_t to;			 /* REMAP only */
	bool moved, unmapped, discarded; /* REMAP, UNMAP, REMOVE */
	bool trailed; /* REMAP whose UNMAP of [start, end) has been read: nothing stayed there */
};

/* What was read since a space was last settled. */
struct fi_past {
	bool open;		 /* it is not settled */
	struct fi_layout before; /* the layout when it was */
	struct fi_change *changes;
	size_t nr_changes, room_changes;
};

struct fi_witness; /* restore/witness.h */

struct fi_space {
	int uffd;
	struct fi_slot *slot; /* its durable record; NULL once it is retired; under owed_lock for
				 who is not the reader */
	uint64_t applied;     /* messages; durable when they are shown (ledger.h) */
	unsigned id;	      /* counts up from 1 */
	unsigned parent;      /* id of the space that forked it; 0 for a restored task */

	/* Names for people, filled in when they are known (0: not known). */
	_Atomic uint32_t vpid;
	_Atomic pid_t pid;
	_Atomic int pidfd; /* owned; -EBADF: none */

	const struct fi_pagemap *pagemap; /* the image's, of the task it descends from */
	struct fi_source *source;	  /* the session's */

	struct fi_gate gate;
	struct fi_layout layout;
	struct fi_layout displaced; /* see events.c */
	bool landed;		    /* a segment's landing may be other than OLD */

	struct fi_past past;	 /* past.h, with the next five */
	struct fi_segment *left; /* owed, and without a place; may overlap */
	size_t nr_left, room_left;
	struct fi_space **newborns; /* children of this past */
	size_t nr_newborns, room_newborns;
	bool in_doubt;		    /* nothing may be copied before it is settled */
	struct fi_newborn *newborn; /* newborn.h; NULL: it is none */
	_Atomic bool was_quiet;	    /* since the last reading a copy has met no event */

	pthread_mutex_t owed_lock;
	struct fi_owed owed;

	bool starved; /* demand.c: an event cannot be read for want of descriptors or memory */
	_Atomic enum fi_space_state state;
	_Atomic uint64_t generation; /* events applied */

	uint64_t *parked; /* page addresses */
	size_t nr_parked, room_parked;

	/* demand.c: a stream is a task that walks on where the last fault's pages ended. */
	uint64_t stream_from, stream_next;
	_Atomic uint64_t stream_len; /* bytes to give at the next fault of the stream */

	pthread_mutex_t drain_lock; /* picking the next chunk */
	uint64_t drain_at;
	uint64_t kept_from, kept_to; /* addresses that the drain leaves to a stream */
	uint64_t kept_reach;	     /* how far behind them it keeps ahead of the stream: bytes */

	/* Its record's; its own before it has one, and once it is retired. */
	struct fi_counters *_Atomic count;
	struct fi_counters own_count;
	const struct fi_witness *witness; /* the engine's, as its reader is; NULL: nobody */
	void *worker; /* the engine's: its reader; under the engine's lock until it is added */
	_Atomic enum fi_space_place place; /* the engine's */
	/* Its worker's: when the last step began, ns; of one that is not born yet, its parent's step that
	 * has read of it. */
	uint64_t stepped;
	bool polls;				   /* its worker's: whether it may (source.h) */
	uint64_t retry_at;			   /* its worker's: when to try again */
	_Atomic uint64_t retry_ns;		   /* its worker's: the pause before that */
	_Atomic uint64_t drain_after, drain_pause; /* the same for the drain */
	_Atomic unsigned nr_drainers;		   /* threads of the drain that have it */
	_Atomic uint64_t drain_stepped;		   /* when the last step of one began, ns */
	uint64_t since;		      /* the engine's: when it was added, ns, monotonic */
	_Atomic uint64_t last_fault;  /* the engine's: ns */
	_Atomic uint64_t burst_since; /* the engine's: the first fault after a long pause, ns */
	bool doomed, killed;	      /* its worker's */
	_Atomic unsigned users;
};

/* Nothing may be copied: it is not known what is where.  Reader, or inside the gate. */
static inline bool fi_space_on_hold(const struct fi_space *space)
{
	return space->in_doubt || space->newborn;
}

/* A stretch of pages with one answer. */
struct fi_extent {
	uint64_t addr, len;   /* bytes; len at least a page */
	uint64_t rank;	      /* of the first page; owed only */
	const uint8_t *bytes; /* NULL: the answer is zeros */
	unsigned file;	      /* bytes only: which pages file */
	bool owed;
};

/* The space of a restored task, owing every lazy page.  Takes @uffd on success only.
 * Returns 0, or -ENOMEM.  A space starts with one user. */
int fi_space_new(int uffd, const struct fi_task_image *task, struct fi_source *source,
		 struct fi_space **ret);

/* The space of a child that @parent forked, owing what the parent owes at this moment, with the
 * parent's layout: call it for the FORK message, behind the parent's closed gate and before the next
 * message is applied.  Takes @uffd on
 * success only.  Returns 0 or -ENOMEM. */
int fi_space_fork(struct fi_space *parent, int uffd, struct fi_space **ret);

/* Makes the space's geometry, as it is now, durable, and `applied` with it; for a child that has no
 * record yet, the whole space, which owns its descriptor from here on.  Reader only, behind the
 * closed gate.  Returns 0 or -ENOMEM. */
int fi_space_show(struct fi_space *space);

/* The same for its names, and for its state when that is FAILED. */
void fi_space_show_names(struct fi_space *space);
void fi_space_show_failed(struct fi_space *space);

/* Recovery: the space of a record that is LIVE or FAILED.  Returns 0 or -ENOMEM. */
int fi_space_adopt(struct fi_slot *slot, const struct fi_task_image *task, struct fi_source *source,
		   struct fi_space **ret);

/* Users keep a space's memory; its descriptor and its record go with fi_space_retire. */
struct fi_space *fi_space_get(struct fi_space *space);
void fi_space_put(struct fi_space *space);

uint64_t fi_space_nr_owed(struct fi_space *space);

/* What a fault at @addr is to be answered with, and for how many bytes on the answer is the same;
 * at most @max_len (a multiple of the page size, not 0).  Reader, or inside the gate. */
struct fi_extent fi_space_look(struct fi_space *space, uint64_t addr, uint64_t max_len);

/* The first owed stretch at or after page @addr, at most @max_len long; false if there is none.
 * Reader, or inside the gate. */
bool fi_space_next_owed(struct fi_space *space, uint64_t addr, uint64_t max_len,
			struct fi_extent *ret);

/* The kernel has these pages now, or nobody can ask for them any more: takes them out of owed, and
 * adds how many were owed to @counter.  Returns 0 or -ENOMEM. */
int fi_space_settle(struct fi_space *space, uint64_t rank, uint64_t nr_pages,
		    _Atomic uint64_t *counter);

/* The same for every owed page in an address range of a layout (the space's own, or displaced). */
int fi_space_drop(struct fi_space *space, const struct fi_layout *layout, uint64_t start,
		  uint64_t end);

/* Asks, without changing anything, whether an event waits to be read (as far as this space's
 * copies are concerned).  -EAGAIN: yes; 0: no; -ESRCH: the space is gone. */
int fi_space_probe(struct fi_space *space);

/* The same, and -ENOENT: no, and nothing watched is at @addr.  Reader only. */
int fi_space_probe_at(struct fi_space *space, uint64_t addr);

/* The end of a space that owes nothing or is gone: every range is unregistered, the descriptor
 * closed, the gate shut for good.  Reader only. */
void fi_space_retire(struct fi_space *space);

/* Log lines with vpid and pid in front. */
void fi_space_log(struct fi_space *space, enum fi_log_level level, const char *fmt, ...)
	fi_printf(3, 4);

#endif
