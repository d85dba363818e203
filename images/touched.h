/* images/touched.h - memory that kernel and CRIU touch before a restored task runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each thread has some places that others than itself read or write: its rseq area, the head of its
 * robust list, the word to be cleared at its end, and what its stack and thread pointers point to.
 * Who leaves memory out of a restore does not leave these pages out.
 */
#ifndef FI_IMAGES_TOUCHED_H
#define FI_IMAGES_TOUCHED_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/image.h"

struct fi_touched {
	uint32_t vpid;	     /* of the task, not of its thread */
	uint64_t start, end; /* page aligned, start < end; need not be mapped */
};

struct fi_touched_list {
	struct fi_touched *at;
	size_t nr, room;
};

/* Adds the pages of @len bytes at @addr; none for NULL or no bytes.  0 or -ENOMEM. */
int fi_touched_add(struct fi_touched_list *list, uint32_t vpid, uint64_t addr, uint64_t len);

/* Adds those of all tasks of @image, which is in @dirfd, but zombies: their threads are in no image.
 * Returns 0 or a negative errno as fi_image_open. */
int fi_touched_read(int dirfd, const struct fi_image *image, struct fi_touched_list *list,
		    struct fi_error *err);

/* Sorts them by vpid, then by start, and joins those of a task that overlap or go on. */
void fi_touched_tidy(struct fi_touched_list *list);

void fi_touched_done(struct fi_touched_list *list);

#endif
