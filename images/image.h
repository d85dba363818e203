/* images/image.h - a CRIU checkpoint directory as checked, immutable, searchable tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An image is a directory that `criu dump` wrote, possibly with a "parent" link to the directory of
 * an earlier dump.  Opening it reads and checks everything that a lazy restore depends on:
 * inventory, process tree, each task's core, mm and pagemap, and the sizes of the pages files.
 * Images are untrusted input: malformed, truncated or contradictory ones give an error that names
 * file and record, never a crash.  Nothing here logs, exits, or knows userfaultfd.
 *
 * All pointers that are handed out belong to the image and live as long as it does.
 */
#ifndef FI_IMAGES_IMAGE_H
#define FI_IMAGES_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/mm.h"
#include "images/pagemap.h"
#include "images/pages.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fi_image; /* opaque */

/* One entry of the process tree. */
struct fi_task_image {
	uint32_t vpid; /* names the image files */
	uint32_t ppid; /* vpid of the parent; 0 for the root */
	uint32_t nr_threads;
	bool zombie;   /* dead at the dump: no memory, mm and pagemap are NULL */
	char comm[16]; /* terminated */
	const struct fi_mm *mm;
	const struct fi_pagemap *pagemap;
};

struct fi_inventory {
	uint32_t version;  /* CRIU's CRTOOLS_IMAGES_V1 (1) or V1_1 (2) */
	bool common_magic; /* files begin with the common magic before their own */
};

/* Opens the image in @dirfd, which stays the caller's.
 *
 * Returns 0 and sets *@ret (release with fi_image_free), or, leaving *@ret alone and saying in @err
 * (may be NULL) which file and record is at fault:
 *   -ENOENT           a file of the image is missing
 *   -EBADMSG          malformed, truncated or contradictory
 *   -EPROTONOSUPPORT  well formed as far as can be told, but of a kind that this version does not
 *                     serve: unknown flags, compression, pages left on a remote page server
 *   -ENOMEM, or what openat(2), fstat(2), read(2) or mmap(2) gave
 */
int fi_image_open(int dirfd, struct fi_image **ret, struct fi_error *err);

/* The same with the pages of memory that tasks share, for fi_image_segment. */
int fi_image_open_shared(int dirfd, struct fi_image **ret, struct fi_error *err);

void fi_image_free(struct fi_image *image); /* NULL is fine */

/* Which pages are lazy CRIU has marked at the dump, and it restores the others itself, as long as it sees
 * them.  For who decides what CRIU gets to see: makes every page with bytes lazy that is in a VMA which
 * can be.  Left out by CRIU are those in parent images and, where a thread's stack pointer is at the
 * beginning of a page (4.2.1), all.  Before anybody else has the image. */
void fi_image_ignore_marks(struct fi_image *image);

const struct fi_inventory *fi_image_inventory(const struct fi_image *image);

/* Tasks in the order of pstree.img: parents before their children. */
size_t fi_image_nr_tasks(const struct fi_image *image);
const struct fi_task_image *fi_image_task(const struct fi_image *image, size_t i);

/* Of all tasks; UINT64_MAX where that would not fit. */
uint64_t fi_image_nr_lazy_pages(const struct fi_image *image);

/* The task with this vpid, or NULL.  O(log n). */
const struct fi_task_image *fi_image_find_task(const struct fi_image *image, uint32_t vpid);

/* What there is of the shared segment with this id, by addresses that count from its begin; what is said of `lazy`
 * means nothing.  NULL: nothing, or it was not asked for. */
const struct fi_pagemap *fi_image_segment(const struct fi_image *image, uint32_t id);

/* Whether mappings that CRIU says are of memory file @id show shared anonymous memory, and then which segment:
 * such a file nobody has open.  False also when shared memory was not asked for. */
bool fi_image_is_anonymous(const struct fi_image *image, uint64_t id, uint32_t *segment);

/* Pages files, of this image and of its parents; a run's `file` is an index here. */
size_t fi_image_nr_pages_files(const struct fi_image *image);
const struct fi_pages_file *fi_image_pages_file(const struct fi_image *image, size_t i);

static inline void fi_image_freep(struct fi_image **image)
{
	fi_image_free(*image);
}
#define fi_auto_image fi_cleanup(fi_image_freep)

#ifdef __cplusplus
}
#endif
#endif
