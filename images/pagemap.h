/* images/pagemap.h - pagemap-VPID.img: where each page of a task is, with the parent chain
 * resolved.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pagemap is a flat array of runs, sorted by address, disjoint, each inside one VMA of the task's
 * mm and with one source.  An address in no run was not dumped: the page is zero or belongs to a
 * file.  Immutable once read; safe from any thread.
 */
#ifndef FI_IMAGES_PAGEMAP_H
#define FI_IMAGES_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/pages.h"

enum fi_run_kind {
	FI_RUN_DATA, /* bytes in a pages file, of this image or of one up the parent chain */
	FI_RUN_ZERO, /* the image says: these pages are zero */
};

/* An image may have millions: what is here takes time and memory for each of them. */
struct fi_run {
	uint64_t addr;			   /* page aligned address at the dump */
	uint64_t file_off : FI_PAGES_BITS; /* byte offset of the first page; FI_RUN_DATA only */
	uint64_t file : 16;		   /* index for fi_image_pages_file(); FI_RUN_DATA only */
	uint8_t kind : 1;		   /* enum fi_run_kind */
	bool lazy : 1;	   /* CRIU leaves these pages to whoever holds the userfaultfd */
	uint32_t nr_pages; /* at least 1; longer entries become several runs */
	/* Lazy pages in all runs before this one.  Meaningful when lazy, where the pagemap has no more than
	 * UINT32_MAX of them. */
	uint32_t lazy_rank;
};

struct fi_pagemap {
	const struct fi_run *runs;
	size_t nr_runs;
	uint64_t nr_pages;	/* in all runs */
	uint64_t nr_lazy_pages; /* in lazy runs; lazy ranks are [0, nr_lazy_pages) */
};

static inline uint64_t fi_run_end(const struct fi_run *run)
{
	return run->addr + ((uint64_t)run->nr_pages << FI_PAGE_SHIFT);
}

/* The first run that ends after @addr (so it holds @addr or starts after it); nr_runs if none.
 * O(log n). */
size_t fi_pagemap_lower_bound(const struct fi_pagemap *pm, uint64_t addr);

/* The run that holds @addr, or NULL.  O(log n). */
const struct fi_run *fi_pagemap_find(const struct fi_pagemap *pm, uint64_t addr);

/* The lazy run that holds lazy page number @rank, or NULL when @rank >= nr_lazy_pages.  O(log n).  For pagemaps
 * whose ranks are meaningful. */
const struct fi_run *fi_pagemap_find_rank(const struct fi_pagemap *pm, uint64_t rank);

#endif
