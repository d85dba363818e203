/* images/inspect/tracefile.h - a trace of faultin serve (faultin-trace(5)), read whole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A trace is as little to be trusted as an image.  One that was cut off in the middle of its last line is
 * read up to there.  Times are ns of the clock of the trace; pages are numbers of pages.
 */
#ifndef FI_INSPECT_TRACEFILE_H
#define FI_INSPECT_TRACEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum fi_traced {
	FI_TRACED_IMAGE,
	FI_TRACED_PARENT,
	FI_TRACED_ZERO,
	FI_TRACED_POISON,
	FI_TRACED_PRESENT,
	FI_TRACED_UNMAPPED,
	FI_TRACED_PARKED,
	FI_TRACED_OVER,
	FI_TRACED_NR,
};
extern const char *const fi_traced_names[FI_TRACED_NR];

struct fi_traced_fault {
	uint64_t page;	   /* address / 4096 */
	uint64_t at, took; /* ns */
	uint32_t nr_pages; /* that it was given */
	uint8_t answer;	   /* enum fi_traced */
	bool again;	   /* it was parked: no fault of its own */
};

struct fi_traced_space {
	uint32_t id, parent;  /* parent 0: a restored task */
	uint32_t image, vpid; /* 0: not known */
	int32_t pid;
	bool named;
	char comm[64];
	struct fi_traced_fault *faults; /* as in the file */
	size_t nr_faults, room;
	uint64_t nr_forks;
	uint64_t demanded, drained, dropped; /* pages, the last that was said */
};

struct fi_tracefile {
	struct fi_traced_space
		*spaces; /* index: id; 0 is nobody; one that nothing was said of has id 0 */
	size_t nr_spaces, room;
	uint64_t nr_engines, dropped;
	uint64_t begun, restored; /* ns; 0: not said */
	bool ended;
};

/* Reads @path.  Returns 0; -EBADMSG: no trace, or broken at a line said in @err; -EPROTONOSUPPORT: of a
 * later version; -E2BIG: more than this can hold; -ENOMEM, or what open(2) or read(2) gave.  Release with
 * fi_tracefile_close, also after a failure. */
int fi_tracefile_read(const char *path, struct fi_tracefile *trace, struct fi_error *err);
void fi_tracefile_close(struct fi_tracefile *trace);
#define fi_auto_tracefile fi_cleanup(fi_tracefile_close)

#endif
