/* images/chain.h - the directory of an image and those of its parents, and opening files in them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal to images/.  The "parent" entry of a directory is the one link that is followed.
 */
#ifndef FI_IMAGES_CHAIN_H
#define FI_IMAGES_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/packed.h"

/* Deeper chains are refused: CRIU knows no bound, but every page lookup at dump and restore walks
 * the chain, so nobody builds long ones. */
#define FI_CHAIN_MAX 40

/* Room for FI_CHAIN_MAX times "parent/", and for the longest file name of an image. */
#define FI_FILE_NAME_MAX (FI_CHAIN_MAX * 7 + 40)

/* Longest name of a directory inside an archive, its "/" at the end included. */
#define FI_PREFIX_MAX 256

struct fi_image_dir {
	int fd;				/* -EBADF: the files are packed */
	const struct fi_packed *packed; /* borrowed; NULL: they are in the directory fd */
	char prefix[FI_PREFIX_MAX];	/* packed: what their names begin with */
	unsigned level;			/* 0: the image itself, 1: its parent, ... */
	uint32_t version;		/* img_version of its inventory */
	bool common_magic;		/* its files begin with the common magic */
};

/* A file that was opened: by its descriptor, or, of an archive, in memory.  With neither, it is a
 * bulky file of an archive, of which only the size is at hand. */
struct fi_image_file {
	int fd;		     /* -EBADF: none */
	const uint8_t *data; /* borrowed from the archive */
	uint64_t size;
};

struct fi_chain {
	struct fi_image_dir dirs[FI_CHAIN_MAX + 1];
	size_t nr; /* at least 1 once opened */
};

/* Opens the chain that begins in @first, of which only the place is looked at, and reads each
 * directory's inventory.  dirs[0] borrows its descriptor; the others are closed by fi_chain_close,
 * which accepts a chain that failed to open. */
int fi_chain_open(struct fi_chain *chain, const struct fi_image_dir *first, struct fi_error *err);
void fi_chain_close(struct fi_chain *chain);

#define fi_auto_chain fi_cleanup(fi_chain_close)

/* Writes how errors call the file @name of @dir: "parent/" for each level, then the name. */
void fi_image_file_name(const struct fi_image_dir *dir, const char *name,
			char ret[FI_FILE_NAME_MAX]);

/* Opens a regular file for reading and says its size.  Its descriptor is CLOEXEC and the caller's;
 * links are not followed, and nothing that could block (a fifo) is waited for. */
int fi_image_file_open(const struct fi_image_dir *dir, const char *name, struct fi_image_file *ret,
		       struct fi_error *err);

static inline void fi_image_file_close(struct fi_image_file *file)
{
	fi_close(&file->fd);
}
#define fi_auto_image_file fi_cleanup(fi_image_file_close)

/* Calls @each with the name and size of every regular file of the directory, in any order, until it
 * returns other than 0.  Returns that, 0, or a negative errno. */
int fi_image_dir_list(const struct fi_image_dir *dir,
		      int (*each)(const char *name, uint64_t size, void *arg), void *arg,
		      struct fi_error *err);

/* The name of the compression format whose magic number @head begins with, or NULL. */
const char *fi_compression_name(const uint8_t head[4]);

#endif
