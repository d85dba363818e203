/* restore/owed.h - which lazy pages the kernel has not been given yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A set of lazy ranks (images/pagemap.h), as a bitmap in chunks of 4 KiB, each of which stands for
 * 128 MiB of memory.  Copies share chunks until one of them changes; an empty chunk takes no
 * memory.  Table and chunks are in the durable heap, and at each instant what they say is true: a
 * page is taken out after the kernel has been given it.  Ranges are [rank, rank + nr) and must lie inside the set's size.  Not locked: the owner
 * of a set orders its calls; sharing itself is safe across threads.
 */
#ifndef FI_RESTORE_OWED_H
#define FI_RESTORE_OWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A session's sets together: 8 TiB of memory, 256 MiB of chunks.  Pages of zeros cost an image nothing, so
 * it may claim as many as there are addresses. */
#define FI_OWED_MAX (UINT64_C(1) << 31)

struct fi_owed {
	uint32_t *chunks; /* durable: references; 0: nothing owed in it */
	size_t nr_chunks;
	uint64_t size;	/* ranks are [0, size) */
	uint64_t count; /* ranks in the set */
};

/* The set of all ranks in [0, size).  Returns 0 or -ENOMEM. */
int fi_owed_init(struct fi_owed *owed, uint64_t size);

/* Makes *@copy what @owed is now.  Costs a pointer for each 128 MiB.  Returns 0 or -ENOMEM. */
int fi_owed_share(const struct fi_owed *owed, struct fi_owed *copy);

void fi_owed_free(struct fi_owed *owed);

/* Recovery: the set whose table is this durable block; adds owners to the table and its chunks. */
void fi_owed_adopt(struct fi_owed *owed, uint32_t *chunks, uint64_t size);

bool fi_owed_test(const struct fi_owed *owed, uint64_t rank);

/* How many of the next @nr ranks, from @rank on without a gap, are like @rank: all owed, or all
 * not.  At least 1 (when @nr is). */
uint64_t fi_owed_alike(const struct fi_owed *owed, uint64_t rank, uint64_t nr);

/* The first owed rank in [rank, rank + nr), or rank + nr. */
uint64_t fi_owed_next(const struct fi_owed *owed, uint64_t rank, uint64_t nr);

/* Takes ranks out.  *@ret is how many of them were owed.  Returns 0 or -ENOMEM (a shared chunk
 * could not be copied; what came before it is out, and counted). */
int fi_owed_clear(struct fi_owed *owed, uint64_t rank, uint64_t nr, uint64_t *ret);

#endif
