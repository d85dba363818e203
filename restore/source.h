/* restore/source.h - where page bytes come from: the mapped pages files of an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * UFFDIO_COPY takes its fast path only when the source page is mapped in the copier; an unmapped
 * one costs ten times as much.  A source therefore remembers which 64 KiB blocks of each file it
 * has populated.  That is a hint about speed and nothing else: the kernel may drop a page again,
 * and whether bytes can be read is what the copy says.  Safe from any thread.
 */
#ifndef FI_RESTORE_SOURCE_H
#define FI_RESTORE_SOURCE_H

#include <stdint.h>

#include "images/image.h"

struct fi_source; /* opaque */

/* @image must outlive the source.  Returns 0 or -ENOMEM; release with fi_source_free. */
int fi_source_new(const struct fi_image *image, struct fi_source **ret);
void fi_source_free(struct fi_source *source); /* NULL is fine */

/* Address in our memory of the bytes of a DATA run at @off bytes from the run's start. */
const uint8_t *fi_source_bytes(const struct fi_source *source, const struct fi_run *run,
			       uint64_t off);

/* Below, [bytes, bytes + len) starts in pages file @file; what lies beyond its end is left out. */

/* For a task that waits: maps these very bytes and no more, and notes when the disk had to be waited
 * for. */
void fi_source_need(struct fi_source *source, unsigned file, const uint8_t *bytes, uint64_t len);

/* When fi_source_need last had to wait for the disk: ns, monotonic; 0: never. */
uint64_t fi_source_waited(const struct fi_source *source);

/* For the drain: maps whole blocks where that was not done before; reads them from the disk, all at
 * once, where they are not in the page cache.  True when there was something to read. */
bool fi_source_populate(struct fi_source *source, unsigned file, const uint8_t *bytes,
			uint64_t len);

/* All of the bytes have been populated once. */
bool fi_source_is_populated(const struct fi_source *source, unsigned file, const uint8_t *bytes,
			    uint64_t len);

/* Starts reading the bytes from the disk and returns at once. */
void fi_source_read_ahead(struct fi_source *source, unsigned file, const uint8_t *bytes,
			  uint64_t len);

#endif
