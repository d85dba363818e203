/* images/memory_files.h - memory files (memfd_create(2)) that tasks of an image have mapped or open.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU writes down shared anonymous memory as a memory file, too, where the kernel shows both on the same
 * device.  It has the name that the kernel gives such memory, and nobody has it open.
 *
 * Internal to images/.  Readers return 0 or a negative errno as fi_image_open does, said in @err.
 */
#ifndef FI_IMAGES_MEMORY_FILES_H
#define FI_IMAGES_MEMORY_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/image.h"
#include "images/parts.h"

struct fi_memory_file {
	uint32_t id;	/* what mappings and descriptors call it; several may mean one inode */
	uint32_t flags; /* open(2)'s */
	uint64_t inode;
	uint64_t size;
	uint32_t segment; /* what it shows (segments.h) */
	bool usable;	  /* it shows that, has no huge pages, and may be written to */
	bool nameless;	  /* its name is that of shared anonymous memory */
};

struct fi_memory_files {
	struct fi_memory_file *at; /* ascending by id */
	size_t nr, room;
};

/* fi_memory_files_done must follow, also after a failure; *@ret is all zero before. */
int fi_memory_files_read(const struct fi_image_dir *dir, struct fi_memory_files *ret,
			 struct fi_error *err);
void fi_memory_files_done(struct fi_memory_files *files);

/* The one with this id, or NULL.  O(log n). */
struct fi_memory_file *fi_memory_files_find(const struct fi_memory_files *files, uint64_t id);

/* Calls @each with each descriptor of the task and the id of what it is, until that fails. */
int fi_descriptors_read(const struct fi_image_dir *dir, uint32_t vpid,
			int (*each)(void *arg, uint32_t fd, uint32_t id), void *arg,
			struct fi_error *err);

#endif
