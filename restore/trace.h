/* restore/trace.h - what happened to each fault, on its way from those who know to a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each demand worker has a ring of records in memory that was made before; one thread, of no lane, takes
 * them out and writes (trace_writer.h).  Who puts never waits: a record for which there is no room is
 * counted instead.
 *
 * The rings are in a memfd that outlives the engine, and how far the file is written is there as well:
 * a new engine cuts off what its predecessor had half written, and goes on with the record after the last
 * whole one.  So each record is in the file once, whenever an engine was killed.
 */
#ifndef FI_RESTORE_TRACE_H
#define FI_RESTORE_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define FI_TRACE_ROOM  32768 /* records of a ring; a power of two */
#define FI_TRACE_RINGS 4

enum fi_trace_kind {
	FI_TRACE_FAULT, /* a fault, or, again, one that was parked */
	FI_TRACE_FORK,	/* a child was born to the space */
	FI_TRACE_END,	/* of the space */
};

/* How a fault was answered. */
enum fi_trace_answer {
	FI_TRACE_DATA,	   /* with bytes of a pages file */
	FI_TRACE_ZERO,	   /* with zeros */
	FI_TRACE_POISON,   /* by poison: the bytes cannot be read */
	FI_TRACE_PRESENT,  /* the page was there already: woken */
	FI_TRACE_UNMAPPED, /* nothing is there any more: woken */
	FI_TRACE_PARKED,   /* an event has to be read first, or memory is short: it comes again */
	FI_TRACE_OVER,	   /* the space is over */
};

struct fi_trace_record {
	uint64_t at;	/* ns, monotonic; FAULT: before its message was read */
	uint32_t space; /* id */
	uint8_t kind;
	uint8_t answer; /* FAULT */
	bool again;	/* FAULT: it was parked before */
	uint16_t file;	/* FAULT with DATA: which pages file */
	union {
		struct {
			uint64_t addr;
			uint64_t took; /* ns, to when it was answered */
			uint32_t nr_pages;
		} fault;
		struct {
			uint32_t child; /* id */
		} fork;
		struct {
			uint64_t demanded, drained, dropped; /* pages */
		} end;
	};
	uint32_t image, vpid; /* END: as in struct fi_space_status */
	int32_t pid;
};

/* One thread puts, one takes; both sides' figures only grow. */
struct fi_trace_ring {
	_Alignas(64) _Atomic uint64_t head; /* records put */
	_Atomic uint64_t dropped;	    /* records for which there was no room */
	_Alignas(64) _Atomic uint64_t tail; /* records taken */
	_Alignas(64) struct fi_trace_record records[FI_TRACE_ROOM];
};

/* What the file holds. */
struct fi_trace_written {
	uint64_t size; /* bytes */
	uint64_t taken[FI_TRACE_RINGS];
	bool connected, restored; /* it says when */
};

/* The memory that outlives the engine. */
struct fi_trace {
	/* Twice: `current` says which one counts. */
	struct fi_trace_written written[2];
	_Atomic uint32_t current;
	struct fi_trace_ring rings[FI_TRACE_RINGS];
};

/* Makes the file, as fi_workfile_log does, and the memory, and keeps both (ledger.h).  Returns 0, or a
 * negative errno said in @err; -EINVAL: the file is not a regular one. */
int fi_trace_create(const char *path, struct fi_error *err);

/* In an engine: *@ret is the trace of the session, for as long as the process lives; NULL: none is
 * wanted.  Its memory is there in full.  Returns 0; -EPROTO: it was made by a program that has another
 * layout of it; or another negative errno. */
int fi_trace_open(struct fi_trace **ret);

/* The putting thread only. */
static inline void fi_trace_put(struct fi_trace_ring *ring, const struct fi_trace_record *record)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) >= FI_TRACE_ROOM) {
		uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

		atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
		return;
	}
	ring->records[head % FI_TRACE_ROOM] = *record;
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* The taking thread only: shows how much the file holds from now on, and makes room for as much. */
void fi_trace_show_written(struct fi_trace *trace, const struct fi_trace_written *written);

static inline const struct fi_trace_written *fi_trace_what_is_written(const struct fi_trace *trace)
{
	return &trace->written[atomic_load_explicit(&trace->current, memory_order_acquire)];
}

#endif
