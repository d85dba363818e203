/* tests/fuzz/pack.h - an image as one string of bytes, and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   u8 options, then for each file:
 *   u8 kind       'F' a file: @len bytes of data
 *                 'P' the same, lengthened with zeros to `size`: pages do not fill the input
 *                 'L' a symbolic link to @len bytes
 *   u8 name length, name
 *   u32 len, ('P': u32 size,) data
 *
 * Numbers are in the byte order of the machine.  Reading ends where the bytes make no sense any more:
 * every string is a pack.
 */
#ifndef FI_TESTS_FUZZ_PACK_H
#define FI_TESTS_FUZZ_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/packed.h"

#define PACK_FILES 64
#define PACK_NAME  48
#define PACK_SIZE  UINT32_C(0x100000) /* no file is longer */

enum {
	PACK_FIT = 1,	  /* make pages files as long as their pagemaps say */
	PACK_ARCHIVE = 2, /* show it as an archive in place of a directory */
	PACK_MORE = 4,	  /* the bits from here on are the target's own */
};

struct pack_file {
	char kind;
	char name[PACK_NAME];
	const uint8_t *data; /* @len bytes, not owned */
	size_t len;
	uint32_t size; /* at least @len */
};

struct pack {
	uint8_t options;
	struct pack_file files[PACK_FILES];
	size_t nr;
};

/* The files point into @data. */
void pack_read(struct pack *pack, const uint8_t *data, size_t size);

/* Returns the length; files that do not fit into @max bytes are left out. */
size_t pack_write(const struct pack *pack, uint8_t *to, size_t max);

/* The last file of this name, or NULL. */
const struct pack_file *pack_find(const struct pack *pack, const char *name);

/* PACK_FIT: where a pagemap can be read, its pages file gets the size that it wants; one that is
 * missing is made. */
void pack_fit(struct pack *pack);

/* The pack as archive.h keeps one.  Release with pack_free_table. */
struct fi_packed pack_table(const struct pack *pack);
void pack_free_table(struct fi_packed *table);

/* Writes the files into the directory @dirfd.  Links and names that would lead out of it, or deeper
 * than one directory, are left out. */
void pack_unpack(const struct pack *pack, int dirfd);

/* Writes a tar; returns a descriptor of a file that has no name. */
int pack_tar(const struct pack *pack);

/* A directory for pack_unpack, emptied and filled anew by each call, removed at the exit.  Returns its
 * path, or that of an archive with PACK_ARCHIVE; it is good until the next call. */
const char *pack_show(const struct pack *pack);

/* An archive like that, with every file "~NAME" of the pack in the place of NAME: something to compare
 * with. */
const char *pack_show_other(const struct pack *pack);

#endif
