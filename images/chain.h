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

/* Deeper chains are refused: CRIU knows no bound, but every page lookup at dump and restore walks
 * the chain, so nobody builds long ones. */
#define FI_CHAIN_MAX 40

/* Room for FI_CHAIN_MAX times "parent/", and for the longest file name of an image. */
#define FI_FILE_NAME_MAX (FI_CHAIN_MAX * 7 + 40)

struct fi_image_dir {
	int fd;
	unsigned level;	   /* 0: the image itself, 1: its parent, ... */
	uint32_t version;  /* img_version of its inventory */
	bool common_magic; /* its files begin with the common magic */
};

struct fi_chain {
	struct fi_image_dir dirs[FI_CHAIN_MAX + 1];
	size_t nr; /* at least 1 once opened */
};

/* Opens the chain that begins in @dirfd and reads each directory's inventory.  dirs[0] borrows
 * @dirfd; the others are closed by fi_chain_close, which accepts a chain that failed to open. */
int fi_chain_open(struct fi_chain *chain, int dirfd, struct fi_error *err);
void fi_chain_close(struct fi_chain *chain);

#define fi_auto_chain fi_cleanup(fi_chain_close)

/* Writes how errors call the file @name of @dir: "parent/" for each level, then the name. */
void fi_image_file_name(const struct fi_image_dir *dir, const char *name,
			char ret[FI_FILE_NAME_MAX]);

/* Opens a regular file for reading and says its size.  It is CLOEXEC; links are not followed, and
 * nothing that could block (a fifo) is waited for. */
int fi_image_file_open(const struct fi_image_dir *dir, const char *name, int *ret_fd,
		       uint64_t *ret_size, struct fi_error *err);

/* The name of the compression format whose magic number @head begins with, or NULL. */
const char *fi_compression_name(const uint8_t head[4]);

#endif
