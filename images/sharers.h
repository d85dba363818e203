/* images/sharers.h - which tasks have shared anonymous memory, and where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who watches such memory has to watch it wherever it is mapped, for writing or not.  Two who look at
 * the same image find the same sharers in the same order, so a number says which one is meant.
 */
#ifndef FI_IMAGES_SHARERS_H
#define FI_IMAGES_SHARERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "images/image.h"

/* Pages of a segment in a task's memory. */
struct fi_window {
	uint64_t addr; /* page aligned */
	uint64_t from; /* of the segment: [from, to), page aligned, not empty */
	uint64_t to;
};

/* All that one task has of one segment. */
struct fi_sharer {
	uint32_t segment;	   /* its id */
	size_t task;		   /* index in the image */
	struct fi_window *windows; /* ascending by `addr`; some pages may be in several */
	size_t nr_windows;	   /* at least 1 */
	const char *unfit;	   /* why it cannot be watched from the beginning; NULL: it can */
};

struct fi_sharers {
	struct fi_sharer *at; /* ascending by segment, then by task */
	size_t nr;
	struct fi_window *windows; /* of all */
};

/* Finds the sharers of all segments of @image, opened with fi_image_open_shared.  Returns 0 or -ENOMEM.  fi_sharers_done must follow,
 * also after a failure; *@ret is all zero before. */
int fi_sharers_find(const struct fi_image *image, struct fi_sharers *ret);

void fi_sharers_done(struct fi_sharers *sharers);

/* The window that has the page at @addr, or NULL. */
const struct fi_window *fi_sharer_window(const struct fi_sharer *sharer, uint64_t addr);

/* The first window that has the page at @offset of the segment, or NULL. */
const struct fi_window *fi_sharer_window_of(const struct fi_sharer *sharer, uint64_t offset);

#endif
