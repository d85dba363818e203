/* images/pagemap-writer.h - a pagemap file and its pages file, written anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal to images/.  The offsets of a pages file are not written down anywhere: they add up over
 * the entries of the pagemap.  So to leave entries out is to write both files anew.  They are called
 * as in the image that they are made from.  What is said of errors holds for each function: 0, or a
 * negative errno, said in @err with the pagemap's name.
 */
#ifndef FI_IMAGES_PAGEMAP_WRITER_H
#define FI_IMAGES_PAGEMAP_WRITER_H

#include "images/image.h"
#include "images/parts.h"

struct fi_pagemap_writer {
	char name[FI_PAGEMAP_NAME_MAX];
	int from, to; /* directories, borrowed */
	int pages;
	uint8_t *bytes; /* of the pagemap so far */
	size_t nr, room;
};

/* Begins with the pagemap file @name of the image in @from, whose inventory is @inventory; the new
 * files will be in the directory @to, which has none of these names.  fi_pagemap_writer_done must
 * follow, also after a failure. */
int fi_pagemap_writer_begin(struct fi_pagemap_writer *writer, const struct fi_inventory *inventory,
			    int from, int to, const char *name, struct fi_error *err);

/* Adds a run, which lies above those before it, with its bytes; @files are what `file` refers to. */
int fi_pagemap_writer_put(struct fi_pagemap_writer *writer, const struct fi_run *run,
			  const struct fi_pages_file *files, struct fi_error *err);

/* Writes the pagemap: both files are whole. */
int fi_pagemap_writer_end(struct fi_pagemap_writer *writer, struct fi_error *err);

void fi_pagemap_writer_done(struct fi_pagemap_writer *writer);

#endif
