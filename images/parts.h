/* images/parts.h - the readers of the single files of an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal to images/: image.c puts the parts together.  Every reader returns 0 or a negative errno
 * as fi_image_open does, saying in @err which file and record is at fault, and leaves its outputs
 * alone when it fails.
 */
#ifndef FI_IMAGES_PARTS_H
#define FI_IMAGES_PARTS_H

#include "images/chain.h"
#include "images/image.h"

/* Magic numbers, and the largest records that are believed. */
#define FI_CORE_MAGIC	 UINT32_C(0x55053847)
#define FI_CORE_MAX	 (32 * 1024 * 1024) /* pending signals make the only large core */
#define FI_MAGIC_FDINFO	 UINT32_C(0x56213732)
#define FI_MAGIC_FILES	 UINT32_C(0x56303138)
#define FI_MAGIC_IDS	 UINT32_C(0x54432030)
#define FI_MAGIC_MEMFD	 UINT32_C(0x48453499)
#define FI_PSTREE_MAGIC	 UINT32_C(0x50273030)
#define FI_PSTREE_MAX	 (32 * 1024 * 1024) /* all threads of a task, 5 bytes each */
#define FI_PAGEMAP_MAGIC UINT32_C(0x56084025)
#define FI_PAGEMAP_RECORD_MAX                                                                      \
	4096 /* real ones have 32; the rest is for unknown fields, which get an
				      error of their own */

/* inventory.img: fills @dir's version and common_magic.  A pre-dump, which only a parent may be,
 * does not say its version: they stay as they are. */
int fi_inventory_read(struct fi_image_dir *dir, struct fi_error *err);

/* fi_image_open for a chain that is open, and stays the caller's; with @shared, fi_image_open_shared. */
int fi_image_read(const struct fi_chain *chain, bool shared, struct fi_image **ret,
		  struct fi_error *err);

/* pstree.img: an array of *@ret_nr (at least 1) tasks with vpid, ppid and nr_threads set, the rest
 * zero.  Free it with free(3). */
int fi_pstree_read(const struct fi_image_dir *dir, struct fi_task_image **ret, size_t *ret_nr,
		   struct fi_error *err);

/* Fills @by_vpid, room for @nr, with pointers to @tasks in ascending order of vpid, and checks that
 * vpids differ, that the first task is the only root, and that tasks follow their parents. */
int fi_pstree_index(const struct fi_task_image *tasks, size_t nr,
		    const struct fi_task_image **by_vpid, struct fi_error *err);

/* The task with this vpid, or NULL.  O(log n). */
const struct fi_task_image *fi_pstree_find(const struct fi_task_image *const *by_vpid, size_t nr,
					   uint32_t vpid);

/* core-VPID.img of @task: fills zombie and comm. */
int fi_core_read(const struct fi_image_dir *dir, struct fi_task_image *task, struct fi_error *err);

/* mm-VPID.img.  Release with fi_mm_done. */
int fi_mm_read(const struct fi_image_dir *dir, uint32_t vpid, struct fi_mm *ret,
	       struct fi_error *err);
void fi_mm_done(struct fi_mm *mm);

/* True if CRIU dumps the pages of this VMA into the task's own pagemap. */
bool fi_vma_is_private(const struct fi_vma *vma);

/* Room for the name of a pagemap file. */
#define FI_PAGEMAP_NAME_MAX 40

/* pages-N.img files, each added once. */
struct fi_pages_table {
	struct fi_pages_entry {
		unsigned level;
		uint32_t id;
		char owner[FI_PAGEMAP_NAME_MAX];
	} * entries;
	struct fi_pages_file *files;
	size_t nr, size;
};

/* Opens and maps pages-@id.img of @dir, in which the pagemap file @owner has pages, and sets *@ret to its
 * index.  fi_pages_check_size must follow, when all of @owner has been read, before it is used. */
int fi_pages_add(struct fi_pages_table *table, const struct fi_image_dir *dir, uint32_t id,
		 const char *owner, uint16_t *ret, struct fi_error *err);

/* Checks that the file has the @size that its owner says, before check_owners. */
int fi_pages_check_size(const struct fi_pages_table *table, uint16_t index, uint64_t size,
			struct fi_error *err);

/* Both for a size of 0: CRIU leaves the file out or empty. */
int fi_pages_check_none(const struct fi_image_dir *dir, uint32_t id, const char *owner,
			struct fi_error *err);

/* Checks that no file belongs to two tasks, once all are added.  Sorts `entries`, which are of no
 * further use. */
int fi_pages_check_owners(struct fi_pages_table *table, struct fi_error *err);
void fi_pages_done(struct fi_pages_table *table);

/* What a task's entry points to. */
struct fi_image_memory {
	struct fi_mm mm;
	struct fi_pagemap pagemap;
};

struct fi_segment;

/* A memory file that nobody has open (memory_files.h). */
struct fi_anonymous {
	uint32_t id, segment;
};

struct fi_image {
	struct fi_inventory inventory;
	struct fi_task_image *tasks;
	struct fi_image_memory *memory; /* one a task */
	const struct fi_task_image **by_vpid;
	size_t nr_tasks;
	struct fi_pages_table pages;
	struct fi_segment
		*segments; /* segments.h; ascending by id, their pages files are in `pages` */
	size_t nr_segments;
	struct fi_anonymous *anonymous; /* ascending by id */
	size_t nr_anonymous;
	void *frozen; /* a mapping that the tables in `memory` belong to (frozen.h), or NULL */
	size_t frozen_size;
};

/* The pagemap file @name, resolved through the chain and split at the VMAs of @mm.  The pages files
 * it needs are added to @pages.  Release with fi_pagemap_done. */
int fi_pagemap_resolve(const struct fi_chain *chain, const char *name, const struct fi_mm *mm,
		       struct fi_pages_table *pages, struct fi_pagemap *ret, struct fi_error *err);
void fi_pagemap_done(struct fi_pagemap *pm);

/* fi_image_ignore_marks for one task, whose pagemap was resolved with this @mm. */
void fi_pagemap_ignore_marks(struct fi_pagemap *pm, const struct fi_mm *mm);

#endif
