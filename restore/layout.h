/* restore/layout.h - where the image's pages now live in a space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A layout is a sorted array of disjoint segments; each says that the addresses [start, end) hold
 * what was at [origin, origin + (end - start)) at the dump.  It starts as one segment for each lazy
 * VMA and changes only with mremap and munmap, so it stays small however fragmented the image is:
 * which pages in a segment have bytes is the pagemap's knowledge, which are still owed is the owed
 * set's.
 *
 * Addresses are bytes, page aligned.  Copies share their array until one of them changes (fork is
 * O(1)).  Not locked: the gate orders changes and looks; sharing itself is safe across threads.
 */
#ifndef FI_RESTORE_LAYOUT_H
#define FI_RESTORE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How sure it is that content is still where a REMAP has put it (events.c). */
enum fi_landing {
	FI_LANDING_OLD,	     /* every event of before has been read */
	FI_LANDING_NEW,	     /* an UNMAP of before may still come */
	FI_LANDING_EXCUSED,  /* an UNMAP has come that is likely to have been of before */
	FI_LANDING_DISPUTED, /* an UNMAP has come that may have been of before */
};

struct fi_segment {
	uint64_t start, end; /* start < end */
	uint64_t origin;     /* address of start's page at the dump */
	bool wipe_on_fork;   /* MADV_WIPEONFORK: a child sees zeros here */
	enum fi_landing landing;
};

struct fi_layout {
	struct fi_segments *shared; /* NULL: empty */
};

#define FI_LAYOUT_EMPTY ((struct fi_layout){ NULL })

size_t fi_layout_count(const struct fi_layout *layout);
const struct fi_segment *fi_layout_segment(const struct fi_layout *layout, size_t i);

/* The first segment that ends after @addr; fi_layout_count() if none.  O(log n). */
size_t fi_layout_lower_bound(const struct fi_layout *layout, uint64_t addr);

/* Adds a segment whose range must be free.  Returns 0 or -ENOMEM (nothing changed). */
int fi_layout_add(struct fi_layout *layout, const struct fi_segment *segment);

/* Takes [start, end) out of @layout.  What was there is added to @ret at the same addresses, which
 * must be free there; with @ret NULL it is forgotten.  Returns 0 or -ENOMEM (@layout unchanged). */
int fi_layout_cut(struct fi_layout *layout, uint64_t start, uint64_t end, struct fi_layout *ret);

/* Sets a segment's landing.  Returns 0 or -ENOMEM (nothing changed). */
int fi_layout_land(struct fi_layout *layout, size_t i, enum fi_landing landing);

/* Makes *@copy what @layout is now.  O(1), cannot fail. */
void fi_layout_share(const struct fi_layout *layout, struct fi_layout *copy);

void fi_layout_clear(struct fi_layout *layout);

/* The array as a block of the durable heap (0: empty), and the layout that it is.  Neither adds an
 * owner. */
uint32_t fi_layout_ref(const struct fi_layout *layout);
struct fi_layout fi_layout_at(uint32_t ref);

#endif
