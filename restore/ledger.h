/* restore/ledger.h - what a session's engine must not forget when it dies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The root of the durable memory (restore/durable.h).  Every field may be found as it was before or
 * after any store, so each change is made complete where nobody looks and then shown by one store
 * with release order.
 *
 * A slot is the record of one space:
 *   FREE, TAKEN      no space.  TAKEN is being filled; after a death it is as good as FREE
 *   LIVE, FAILED     owns its descriptor
 *   CLOSING          owes nothing, or its address space is gone: the descriptor is being closed.  If
 *                    another record names the same number, it has been closed and is the other's
 * Its geometry is kept twice; `current` says which one counts.
 *
 * The inbox of a slot is where the kernel writes the messages of its userfaultfd.  A read(2) that
 * has taken a message off the queue finishes writing it even if its thread is being killed, so what
 * was read and not applied is there.  Message i has the serial number first + i; it counts as
 * applied when that is below the geometry's `applied`.  Faults and REMOVE may be met twice: the
 * first are woken, the second clears bits that are clear.
 */
#ifndef FI_RESTORE_LEDGER_H
#define FI_RESTORE_LEDGER_H

#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "restore/counters.h"
#include "restore/durable.h"
#include "restore/latency.h"
#include "restore/lazysock.h"
#include "restore/request.h"

#define FI_INBOX_ROOM  32
#define FI_LEDGER_ROOM 65536
#define FI_LATENCIES   8
#define FI_POOLS       FI_LAZYSOCK_POOLS
#define FI_WATCHES     (FI_LAZYSOCK_WATCHES + 256) /* some of children: pool.h */

/* Descriptors of a session beside those of its spaces and pages files.  One that nobody keeps is
 * closed when a new engine begins. */
enum fi_kept {
	FI_KEPT_IMAGES, /* the directory */
	FI_KEPT_FROZEN, /* images/frozen.h */
	FI_KEPT_LOG,
	FI_KEPT_STATUS,
	FI_KEPT_PARENT,
	FI_KEPT_LISTENER,
	FI_KEPT_CRIU, /* its connection */
	FI_KEPT_SAY,
	FI_KEPT_HEAR,	 /* pipes between a daemon and who has started it */
	FI_KEPT_MEMORY,	 /* the durable memory */
	FI_KEPT_SIGNALS, /* the keepers' */
	FI_KEPT_EVENTS,	 /* the engine's socket of process events */
	FI_KEPT_REPORT,	 /* a memfd: the summary */
	FI_KEPT_NULL,	 /* /dev/null */
	FI_KEPT_CONTROL, /* control.h's listener */
	FI_KEPT_RUNDIR,	 /* the directory that it is in */
	FI_KEPT_TRACE,
	FI_KEPT_TRACE_MEMORY, /* trace.h's */
	FI_KEPT_ASK,
	FI_KEPT_ASKED,	   /* the pipe to upgrade.h's starter */
	FI_KEPT_STORE,	   /* store.h's bell */
	FI_KEPT_NOTIFY,	   /* the socket to the service manager */
	FI_KEPT_LIFE,	   /* a pipe: its end is open as long as one of the session lives */
	FI_KEPT_LIFE_SEEN, /* the other end */
	FI_KEPT_POOLS,	   /* the engine's own userfaultfd, pool.h's */
	FI_KEPT_NR,
};

#define FI_MAX_ORPHANS 256

/* How somebody wants the drain to be (control.h).  Demand is served whatever it says. */
struct fi_policy {
	_Atomic uint32_t paused;
	_Atomic uint32_t full; /* as fast as can be, children like any other */
	_Atomic uint64_t rate; /* bytes a second; 0: no limit */
	uint32_t threads;      /* serve.c's, for good; 0: as many as there are CPUs, up to some */
};

/* What session.c knows.  The phase is its own. */
struct fi_session_record {
	_Atomic uint32_t phase;
	_Atomic uint32_t ready;		      /* the engine has said that it listens */
	_Atomic uint32_t reported;	      /* FI_KEPT_REPORT is complete */
	_Atomic uint64_t connected, restored; /* ns, monotonic; 0: not yet */
	uint64_t nr_tasks, nr_zombies, nr_lazy_pages;
	struct fi_counters ended;	       /* of all spaces that have ended */
	_Atomic uint64_t nr_forked, nr_failed; /* spaces there were */
	struct fi_latency
		latency[FI_LATENCIES]; /* engine.c's: of faults, each with one writer at a time */
	struct fi_lazysock criu;
	uint64_t socket_dev, socket_ino; /* lazysock.c's: the file that was bound */
	char control[32];		 /* control.c's: the name of its socket; empty: none */
	uint64_t control_ino;
	char outcome[24];      /* the report's result; empty: the session has not ended */
	char images_dir[4096]; /* serve.c's: its path, for people; may be anything */
	char container[FI_CONTAINER_MAX]; /* for people: whose restore it is; empty: not known */
	_Atomic int32_t restorer;	  /* CRIU's pid; 0: not known */
	struct fi_policy policy;
};

/* Processes of a session. */
enum fi_role {
	FI_ROLE_FIRST,
	FI_ROLE_SECOND, /* the keepers */
	FI_ROLE_ENGINE,
	FI_ROLE_STARTER,
	FI_ROLE_HEIR, /* upgrade.h's */
	FI_ROLE_NR,
};

/* What the keepers know (keeper.c). */
struct fi_keeper_record {
	int32_t pidfd[FI_ROLE_NR];   /* by role; negative: none.  The kernel itself sets them */
	_Atomic int32_t primary_pid; /* of the keeper that is responsible */
	_Atomic uint32_t
		generation;	  /* of keepers: one more when they hand over to another program */
	_Atomic uint32_t upgrade; /* somebody has asked for another program */
	_Atomic uint32_t upgrades, refused; /* how often one has taken over, and has not */
	_Atomic uint32_t left;		    /* all is over, and `code` the exit code of the whole */
	_Atomic uint32_t primary;	    /* which of the two keepers is responsible */
	_Atomic uint32_t ended; /* the engine has come to its end: nothing more is to be served */
	_Atomic int32_t code;	/* its exit code then */
	_Atomic uint32_t lives; /* engines there were */
	uint64_t deaths[5];	/* when the last ones died: ns, monotonic; a ring */
	uint64_t returns[3];	/* the same: when all had died */
};

/* What the service manager has been given (store.c). */
struct fi_store_record {
	_Atomic uint32_t asked; /* something has changed since it was told */
	_Atomic uint32_t nr;	/* entries; some may be counted twice */
	uint32_t has_files, said_ready, complained;
	uint32_t nr_orphans;
	int32_t kept[FI_KEPT_NR]; /* as the ledger's */
};

enum fi_slot_state {
	FI_SLOT_FREE,
	FI_SLOT_TAKEN,
	FI_SLOT_LIVE,
	FI_SLOT_FAILED,
	FI_SLOT_CLOSING,
};

/* restore/newborn.h.  Before and changes are its parent's if it is not grown up. */
enum fi_childhood {
	FI_GROWN_UP,
	FI_UNBORN, /* its parent keeps it, and the past is still the parent's alone */
	FI_NEWBORN,
};

/* Blocks of the durable heap, each with the slot as an owner. */
struct fi_geometry {
	uint32_t layout, displaced, before, changes, left, heard;
	uint32_t nr_changes, nr_left, nr_heard;
	uint32_t landed, open, in_doubt;
	uint32_t newborn; /* enum fi_childhood; with these: */
	uint32_t newborn_all;
	uint64_t newborn_at;
	uint64_t applied; /* messages, by serial number */
};

struct fi_inbox {
	_Atomic uint32_t reading;	     /* there may be messages in it that are not applied */
	uint64_t first;			     /* serial number of msgs[0] */
	struct uffd_msg msgs[FI_INBOX_ROOM]; /* none from the first whose event is 0 on */
};

struct fi_slot {
	_Atomic uint32_t state;	 /* enum fi_slot_state */
	_Atomic uint32_t doomed; /* FAILED, and counted as that */

	/* Set before the slot is LIVE and not changed: */
	int32_t uffd;
	uint32_t id;	  /* of the space; never given twice */
	uint32_t parent;  /* id; 0: a restored task */
	uint64_t birth;	  /* serial number of its FORK message in the parent */
	uint32_t image;	  /* vpid at the dump of the task that it descends from */
	uint32_t owed;	  /* block: the table of an owed set (restore/owed.h) */
	uint64_t nr_lazy; /* size of that set */

	/* What names.h says: */
	_Atomic uint32_t vpid;
	_Atomic int32_t pid;   /* 0: not known */
	_Atomic int32_t pidfd; /* negative: none */

	/* store.c's: ids of the spaces of which it has given the descriptor, the pidfd; 0: none. */
	_Atomic uint32_t stored, stored_task;

	struct fi_counters count;

	_Atomic uint32_t current;
	struct fi_geometry geometry[2];
	struct fi_inbox inbox;
};

/* A pool (pool.h): a segment of shared memory, and those who watch it. */
enum fi_pool_state {
	FI_POOL_NONE,
	FI_POOL_LIVE, /* pages may be missing */
	FI_POOL_WHOLE, /* none is: its descriptors are being closed, and nothing may be filled any more */
};

struct fi_pool_record {
	_Atomic uint32_t state; /* enum fi_pool_state */
	uint32_t segment;	/* its id; with state: */
	int32_t file;		/* its file; owned */
	struct fi_counters count;
};

#define FI_WATCH_CHILD UINT32_MAX /* as the number of a sharer */

struct fi_watch_record {
	_Atomic uint32_t state; /* enum fi_slot_state, but for FAILED */
	int32_t uffd;		/* as a slot's */
	_Atomic int32_t pidfd;	/* negative: none */
	int32_t pid;
	uint32_t pool;	     /* index of its record */
	uint32_t sharer;     /* images/sharers.h; or FI_WATCH_CHILD: of a process that was forked */
	struct uffd_msg msg; /* what was read last; all zeros: nothing */
};

/* What another program must have in common with ours to use the memory.  FI_LEDGER_LAYOUT counts changes of
 * what is in it that change no size. */
#define FI_LEDGER_LAYOUT 1

struct fi_stamp {
	uint32_t magic, layout;
	uint64_t ledger_size, slot_size, session_size, durable_size;
};

struct fi_ledger {
	struct fi_stamp stamp;
	_Atomic int32_t kept[FI_KEPT_NR]; /* descriptor + 1; 0: none */
	struct fi_keeper_record keeper;
	struct fi_store_record store;
	struct fi_session_record session;
	_Atomic uint32_t nr_orphans;	 /* children for whom there was no memory */
	int32_t orphans[FI_MAX_ORPHANS]; /* their descriptors, as far as there is room */
	struct fi_pool_record pools[FI_POOLS];
	_Atomic uint32_t nr_watches; /* records beyond were never used */
	struct fi_watch_record watches[FI_WATCHES];
	_Atomic uint32_t last_id;
	_Atomic uint32_t nr_slots; /* those beyond were never used */
	struct fi_slot slots[FI_LEDGER_ROOM];
};

_Static_assert(sizeof(struct fi_ledger) <= FI_DURABLE_ROOT, "the ledger fits in the root");

static inline struct fi_ledger *fi_ledger(void)
{
	return fi_durable_root();
}

/* It owns its descriptor. */
static inline bool fi_slot_has_space(const struct fi_slot *slot)
{
	return slot->state == FI_SLOT_LIVE || slot->state == FI_SLOT_FAILED;
}

static inline void fi_keep(enum fi_kept what, int fd)
{
	fi_ledger()->kept[what] = fd < 0 ? 0 : fd + 1;
}

/* -EBADF: none. */
static inline int fi_kept(enum fi_kept what)
{
	int fd = fi_ledger()->kept[what];

	return fd > 0 ? fd - 1 : -EBADF;
}

/* A new memory becomes one of this program; whether it is. */
void fi_ledger_stamp(void);
bool fi_ledger_is_ours(void);

/* It names other descriptors than before: who gives them to a store (store.h) is woken.  Any thread. */
void fi_ledger_ring(void);

/* Notes an orphan's descriptor, which stays open for ever. */
void fi_ledger_orphan(int uffd);

/* A FREE slot, made TAKEN; NULL if there is none.  Any thread. */
struct fi_slot *fi_slot_take(void);

/* The same for a watch, whose fields are all zeros but for that. */
struct fi_watch_record *fi_watch_take(void);

/* Whether some space, or some watch, owns this userfaultfd. */
bool fi_ledger_claims(int uffd);

/* The slot names no descriptor any more: FREE, its blocks released. */
void fi_slot_free(struct fi_slot *slot);

/* Shows @geometry, whose blocks get the slot as an owner, in place of what was current. */
void fi_slot_show(struct fi_slot *slot, const struct fi_geometry *geometry);

/* Recovery: the slot is an owner of what it refers to; it is FREE, and owned nothing. */
void fi_slot_own(struct fi_slot *slot);
void fi_slot_abandon(struct fi_slot *slot);

/* Empties the inbox, and has its pages ready for the kernel to write to: it cannot wait for them on
 * behalf of a thread that is being killed. */
void fi_inbox_clear(struct fi_inbox *inbox);

#endif
