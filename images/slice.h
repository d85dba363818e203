/* images/slice.h - a task's pages in two parts: what a restore wants at once, and what it leaves out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Left out are the lazy runs of the pagemap, but not the pages that are touched before the task runs
 * (touched.h).  What is not left out can be written as pagemap and pages files of its own, from which
 * CRIU restores the task without its lazy memory.
 */
#ifndef FI_IMAGES_SLICE_H
#define FI_IMAGES_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/image.h"
#include "images/touched.h"

struct fi_slice {
	const struct fi_task_image *task; /* no zombie */
	const struct fi_touched *touched; /* the task's, nr_touched of them */
	size_t nr_touched;
};

/* The slice of @task, whose places are somewhere in @touched, a tidy list.  It refers to both. */
struct fi_slice fi_slice_of(const struct fi_task_image *task,
			    const struct fi_touched_list *touched);

/* A place in a slice, which is gone through in ascending order: there may be millions of runs. */
struct fi_slice_cursor {
	size_t run;	/* the first that ends after addr */
	size_t touched; /* those before it end at or before addr */
	uint64_t addr;
};

#define FI_SLICE_START ((struct fi_slice_cursor){ 0, 0, 0 })

/* The next pages that are together in memory, in their source and in their part: *@ret is the run cut
 * to them, with `lazy` set when they are left out (lazy_rank means nothing); @cursor is behind them.
 * Returns false when there are none. */
bool fi_slice_next(const struct fi_slice *slice, struct fi_slice_cursor *cursor,
		   struct fi_run *ret);

/* Goes to @addr, which is not behind @cursor.  O(log n). */
void fi_slice_skip(const struct fi_slice *slice, struct fi_slice_cursor *cursor, uint64_t addr);

/* How many pages there are in each part. */
void fi_slice_count(const struct fi_slice *slice, uint64_t *kept, uint64_t *left_out);

/* Writes pagemap-VPID.img and the pages file that belongs to it into @to, an empty directory, with
 * what is kept; where they have the names that they have in @dirfd, the image's directory.  Pages of
 * parent images become pages of this one.  Returns 0 or a negative errno, said in @err. */
int fi_slice_write(const struct fi_slice *slice, const struct fi_image *image, int dirfd, int to,
		   struct fi_error *err);

#endif
