/* images/inspect/maps.h - what a checkpoint holds of a task's memory, and why it is lazy or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All numbers are pages of 4 KiB.
 */
#ifndef FI_INSPECT_MAPS_H
#define FI_INSPECT_MAPS_H

#include "images/inspect/checkpoint.h"

/* Each page of `pages` is in one of lazy and eager, and in one of data, zero and parent. */
struct fi_counts {
	uint64_t pages;	  /* in the image: resident at the dump and not just a file's */
	uint64_t lazy;	  /* a lazy restore brings them later */
	uint64_t eager;	  /* CRIU brings them before the task runs */
	uint64_t data;	  /* bytes in this image */
	uint64_t zero;	  /* said to be zero, without bytes */
	uint64_t parent;  /* bytes in a parent image */
	uint64_t shared;  /* in shared memory segments, not in `pages` */
	uint64_t runs;	  /* stretches of one source */
	uint64_t largest; /* pages in the largest of them */
};

void fi_counts_add(struct fi_counts *to, const struct fi_counts *more);

/* Counts the runs of @pm in [@start, @end). */
struct fi_counts fi_count_range(const struct fi_checkpoint *cp, const struct fi_pagemap *pm,
				uint64_t start, uint64_t end);

/* The same for a mapping, with the shared memory that it shows. */
struct fi_counts fi_count_vma(const struct fi_checkpoint *cp, const struct fi_task_image *task,
			      const struct fi_vma *vma);

/* Of all mappings of a task. */
struct fi_counts fi_count_task(const struct fi_checkpoint *cp, const struct fi_task_image *task);

/* "heap", "stack", "anon", "file", ... */
const char *fi_vma_kind(const struct fi_task_more *more, const struct fi_vma *vma);

/* True if there is such a kind. */
bool fi_is_vma_kind(const char *name);

/* Why pages of the mapping are not lazy, as a clause; NULL if all there are, are. */
const char *fi_vma_why(const struct fi_vma *vma, const struct fi_counts *counts);

#endif
