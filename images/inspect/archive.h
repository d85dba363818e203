/* images/inspect/archive.h - a checkpoint in a tar archive, read in place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A .tar, packed by gzip, zstd, xz, bzip2, lz4 or not at all, as podman, Kubernetes and people make
 * them.  Nothing is unpacked to disk: opening it reads it once, keeps the small files in memory and
 * remembers the names and sizes of the others; the bytes of these pass by in a further reading.
 * Archives are untrusted input.
 */
#ifndef FI_INSPECT_ARCHIVE_H
#define FI_INSPECT_ARCHIVE_H

#include <stdbool.h>

#include "common/error.h"
#include "images/chain.h"

struct fi_archive;

/* Opens the archive in @fd, which stays the caller's and must stay open; its offset is moved.
 *
 * Returns 0 and sets *@ret (release with fi_archive_free), or, saying in @err:
 *   -EBADMSG  no archive of a kind that we know, or a damaged one
 *   -EFBIG    its small files are not small: more than 256 MiB in all
 *   -ENOMEM, or what read(2) gave. */
int fi_archive_open(int fd, struct fi_archive **ret, struct fi_error *err);
void fi_archive_free(struct fi_archive *archive); /* NULL is fine */

/* Its files, small and bulky; they live as long as the archive. */
const struct fi_packed *fi_archive_files(const struct fi_archive *archive);

/* Finds the image in the archive: writes the name of its directory, with a "/" at the end or empty.
 * -ENOENT if there is none, or more than one that is nobody's parent. */
int fi_archive_find_image(const struct fi_archive *archive, char ret[FI_PREFIX_MAX],
			  struct fi_error *err);

/* How the bytes of files pass by: those of one file in ascending order, in blocks of 1 MiB (the last
 * may be shorter). */
struct fi_archive_reader {
	bool (*wants)(const struct fi_packed_file *file, void *arg);
	/* Not 0: the reading ends, and fi_archive_read returns it. */
	int (*block)(const struct fi_packed_file *file, uint64_t off, const uint8_t *data,
		     size_t len, void *arg);
	void *arg;
};

/* Reads the archive anew.  -ESPIPE if it came through a pipe, whose bytes are gone. */
int fi_archive_read(const struct fi_archive *archive, const struct fi_archive_reader *reader,
		    struct fi_error *err);

static inline void fi_archive_freep(struct fi_archive **archive)
{
	fi_archive_free(*archive);
}
#define fi_auto_archive fi_cleanup(fi_archive_freep)

#endif
