/* images/segments.h - memory that tasks share: what an image has of each segment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A segment is shared anonymous memory, a memory file (memfd_create(2)), or one of System V's.  Its
 * pages are in pagemap-shmem-ID.img and the pages file that belongs to it, apart from the tasks'.
 * Checked and immutable once read.
 */
#ifndef FI_IMAGES_SEGMENTS_H
#define FI_IMAGES_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/image.h"
#include "images/parts.h"

struct fi_segment {
	uint32_t id;
	/* Addresses count from the segment's begin; `file` is an index for the segments' own pages
	 * files; what `lazy` says means nothing. */
	struct fi_pagemap pagemap;
};

struct fi_segments {
	struct fi_segment *at; /* ascending by id */
	size_t nr;
	struct fi_pages_table pages;
};

/* Reads all there are.  Returns 0, or a negative errno as fi_image_open.  fi_segments_done must
 * follow, also after a failure; *@ret is all zero before. */
int fi_segments_read(const struct fi_chain *chain, struct fi_segments *ret, struct fi_error *err);

/* The same with their pages files in @pages, where `file` is an index then. */
int fi_segments_read_into(const struct fi_chain *chain, struct fi_pages_table *pages,
			  struct fi_segments *ret, struct fi_error *err);

/* The same of the image in @dirfd. */
int fi_segments_open(int dirfd, struct fi_segments *ret, struct fi_error *err);

void fi_segments_done(struct fi_segments *segments);

/* The one with this id, or NULL.  O(log n). */
const struct fi_segment *fi_segments_find(const struct fi_segments *segments, uint64_t id);

/* Writes pagemap-shmem-ID.img and its pages file into the directory @to, as fi_slice_write does: with
 * all pages, those of parent images among them, or with none. */
int fi_segment_write(const struct fi_segments *segments, const struct fi_segment *segment,
		     bool with_pages, const struct fi_image *image, int dirfd, int to,
		     struct fi_error *err);

#endif
