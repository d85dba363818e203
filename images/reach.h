/* images/reach.h - where restored tasks have shared memory, so that it can be filled there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A segment (segments.h) can be filled through a task that has all its pages mapped for writing, or a
 * memory file that is open for reading and writing.  None is looked for where the kernel would let
 * nobody write (sealed memory files), in huge pages, for segments that have no bytes, and for those
 * that are not mapped by anybody and are no files.
 */
#ifndef FI_IMAGES_REACH_H
#define FI_IMAGES_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/image.h"
#include "images/segments.h"
#include "images/sharers.h"

struct fi_reach {
	size_t task; /* index in the image */
	struct fi_window
		*windows;  /* ascending by `from`, disjoint, with every page of the segment */
	size_t nr_windows; /* 0: through a file */
	uint32_t fd;	   /* its number in the task */
	uint64_t size;	   /* of the file in bytes */
	bool sysv;	   /* the segment is one of System V's */
};

struct fi_reaches {
	struct fi_reach **at; /* one for each segment; NULL: none */
	size_t nr;
};

/* Finds a way to each segment of the image in @dirfd.  Returns 0 or a negative errno as fi_image_open.
 * fi_reaches_done must follow, also after a failure; *@ret is all zero before. */
int fi_reaches_find(int dirfd, const struct fi_image *image, const struct fi_segments *segments,
		    struct fi_reaches *ret, struct fi_error *err);

/* Forgets the way to segment number @i, if there is one. */
void fi_reaches_drop(struct fi_reaches *reaches, size_t i);

void fi_reaches_done(struct fi_reaches *reaches);

#endif
