/* restore/fill.h - giving pages to the kernel, and every answer that it can have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both lanes use it: the demand lane by the space's reader, the drain lane inside the gate.
 */
#ifndef FI_RESTORE_FILL_H
#define FI_RESTORE_FILL_H

#include "restore/space.h"

enum fi_filled {
	FI_FILLED,	   /* from the extent's start, *@len bytes; whoever waited is awake */
	FI_FILLED_POISON,  /* the same, but the bytes cannot be read: a touch raises SIGBUS */
	FI_FILLED_BEFORE,  /* the first page is there already; who waits for it must be woken */
	FI_FILLED_NOWHERE, /* nothing watched is at the first page; who waits must be woken */
	FI_FILLED_LATER,   /* an event must be read first, or memory is short */
	FI_FILLED_END,	   /* the space's state is no longer LIVE */
};

/* Fills as much of @extent as one VMA and one answer allow: bytes, zeros, or poison where the bytes
 * cannot be read.  Settles what was owed of it, adding pages that were given to @counter.
 * *@len is the bytes dealt with: at least a page with the first four answers. */
enum fi_filled fi_fill(struct fi_space *space, const struct fi_extent *extent,
		       _Atomic uint64_t *counter, uint64_t *len);

/* Notes that the space is gone (-ESRCH) or, with a line in the log, that it cannot be served. */
void fi_fill_fail(struct fi_space *space, int r, const char *doing, uint64_t addr);

#endif
