/* images/packed.h - files of an image that are in no directory: a table of names, as an archive has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who fills the table owns it; here it is only read.
 */
#ifndef FI_IMAGES_PACKED_H
#define FI_IMAGES_PACKED_H

#include <stddef.h>
#include <stdint.h>

struct fi_packed_file {
	const char *name;    /* whole, without "./" or "/" before it */
	const char *link;    /* where a symbolic link leads; NULL: a regular file */
	const uint8_t *data; /* @size bytes; NULL: too bulky to be kept */
	uint64_t size;
	size_t order; /* its place in the archive, from 0 */
};

struct fi_packed {
	const struct fi_packed_file *files; /* ascending by name, no name twice */
	size_t nr;
};

/* The file of this name, or NULL.  O(log n). */
const struct fi_packed_file *fi_packed_find(const struct fi_packed *packed, const char *name);

/* The first file whose name is not below @prefix; nr if none.  O(log n). */
size_t fi_packed_lower_bound(const struct fi_packed *packed, const char *prefix);

#endif
