/* restore/source.h - where page bytes come from: the pages files of an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UFFDIO_COPY takes its fast path only when the source page is mapped in the copier; an unmapped
 * one costs ten times as much.  To read a page into memory that is mapped and warm takes about as
 * long as to map it, and leaves no page tables behind.  So bytes are read just before they are
 * copied; only while the drain must wait for demand it maps the files instead, from the start on:
 * that saves demand the reading.  Safe from any thread.
 */
#ifndef FI_RESTORE_SOURCE_H
#define FI_RESTORE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "images/image.h"

/* The most that is fetched at once, bytes: it stays in a CPU's own cache until it is copied. */
#define FI_FETCH_MAX (64 * FI_PAGE_SIZE)

struct fi_source; /* opaque */

/* @image must outlive the source.  Returns 0 or -ENOMEM; release with fi_source_free. */
int fi_source_new(const struct fi_image *image, struct fi_source **ret);
void fi_source_free(struct fi_source *source); /* NULL is fine */

/* Address in our memory of the bytes of a DATA run at @off bytes from the run's start. */
const uint8_t *fi_source_bytes(const struct fi_source *source, const struct fi_run *run,
			       uint64_t off);

enum fi_fetch {
	FI_FETCH_NEEDED, /* a task waits: it is noted when the disk had to be waited for */
	FI_FETCH_POLL,	 /* the same, and this thread's CPU is nobody else's: it may look instead of
			    sleeping, since a CPU that sleeps takes as long to wake as a fast disk to read */
	FI_FETCH_STREAM, /* what follows will be wanted soon: the disk reads ahead */
	FI_FETCH_GENTLE, /* a task waits for the disk: these bytes and no others */
};

/* Where a copy may take @len bytes from at once: @bytes (an address in pages file @file) where the
 * file is mapped so far, else @room, into which they were read: page aligned, FI_FETCH_MAX bytes.
 * What cannot be read is returned as @bytes: the copy will say so.
 * NULL: not now, because the file's disk does not answer, and they are not in the page cache. */
const uint8_t *fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
			       uint64_t len, uint8_t *room, enum fi_fetch why);

/* The file is mapped there: nothing would have to be read. */
bool fi_source_is_mapped(const struct fi_source *source, unsigned file, const uint8_t *bytes,
			 uint64_t len);

/* Maps some more of the files, reading them from the disk where need be.  False when all are mapped,
 * when they cannot be, or when another thread is at it. */
bool fi_source_map_more(struct fi_source *source);

/* When a task last had to wait for the disk: ns, monotonic, at most @now; 0: never. */
uint64_t fi_source_waited(const struct fi_source *source, uint64_t now);

#endif
