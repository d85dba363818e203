/* images/pagemap-file.h - one pagemap-VPID.img, or pagemap-shmem-ID.img, entry after entry.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal to images/.  The file as it stands: its parent is not looked at.  There may be millions of
 * entries, so they are checked and handed on one by one, and nothing of them is kept here.  What is said of
 * errors in parts.h holds for each function.
 */
#ifndef FI_IMAGES_PAGEMAP_FILE_H
#define FI_IMAGES_PAGEMAP_FILE_H

#include "images/record.h"

#define FI_PE_PARENT  UINT32_C(1) /* the pages are in the parent image */
#define FI_PE_LAZY    UINT32_C(2) /* a lazy restore leaves them to the userfaultfd */
#define FI_PE_PRESENT UINT32_C(4) /* the pages are in this image's pages file */

struct fi_pagemap_entry {
	uint64_t addr;	   /* page aligned, not below the end of the entry before it */
	uint64_t end;	   /* page aligned, above addr */
	uint64_t file_off; /* where the pages are if FI_PE_PRESENT is set */
	uint32_t flags;	   /* FI_PE_PRESENT or FI_PE_PARENT or none of the two (zeros) */
};

struct fi_pagemap_file {
	struct fi_records rd;
	uint32_t pages_id;
	/* Of the entries so far: */
	uint64_t nr;
	uint64_t size; /* bytes in the pages file: sum over those with FI_PE_PRESENT */
	uint64_t end;  /* of the last one */
};

/* Opens @name and reads its head.  Whether or not it succeeds, fi_pagemap_file_close must follow.  @file
 * must stay where it is. */
int fi_pagemap_file_open(struct fi_pagemap_file *file, const struct fi_image_dir *dir,
			 const char *name, struct fi_error *err);

/* Reads one entry.  Returns 1; 0 at the end of the file, with *@ret as it was; or an error. */
int fi_pagemap_file_next(struct fi_pagemap_file *file, struct fi_pagemap_entry *ret,
			 struct fi_error *err);

/* Reads and checks the rest, for who wants nothing but the sums.  Returns 0 or an error. */
int fi_pagemap_file_rest(struct fi_pagemap_file *file, struct fi_error *err);

void fi_pagemap_file_close(struct fi_pagemap_file *file);

#define fi_auto_pagemap_file fi_cleanup(fi_pagemap_file_close)

#endif
