/* restore/durable.h - memory that outlives the engine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One mapping holds all that a new engine needs when the old one has been killed at any
 * instruction: a root of fixed size (restore/ledger.h) and a heap of blocks.  Under a keeper it is
 * a memfd that all processes of a session share; without one (tests) it is made on first use and
 * is this process's own.  There is one a process.
 *
 * What makes it survive:
 *   - Nothing in it is a pointer: blocks are named by references.  0 is none.
 *   - A block that somebody else can see is complete before its reference is stored, and is not
 *     written to any more while it has more than one owner.
 *   - Which blocks are free is not recorded.  It follows from what the root refers to: a new engine
 *     forgets all owners, counts them anew and frees the rest.
 *
 * Allocation and owners are safe from any thread; the functions of the recovery are for one thread
 * while there is no other.
 */
#ifndef FI_RESTORE_DURABLE_H
#define FI_RESTORE_DURABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Address space of the whole: it takes memory only as far as it is used. */
#define FI_DURABLE_SIZE (UINT64_C(4) << 30)

/* Room for the root, in bytes.  It is all zeros when the memory is new. */
#define FI_DURABLE_ROOT (UINT64_C(128) << 20)

/* Makes the memory as a memfd and maps it.  Returns the descriptor, the caller's, or what
 * memfd_create(2), ftruncate(2) or mmap(2) gave. */
int fi_durable_create(void);

/* Maps what another process has created: in place of a create.  Returns 0 or a negative errno. */
int fi_durable_open(int fd);

void *fi_durable_root(void);

/* A block of at least @size bytes with one owner and any content, aligned to 16; NULL when there is
 * no room. */
void *fi_durable_alloc(size_t size);

/* One more owner; one less, and the last one frees the block.  NULL is fine. */
void fi_durable_share(const void *block);
void fi_durable_release(const void *block);

/* The block has no owner beside the caller. */
bool fi_durable_sole(const void *block);

uint32_t fi_durable_ref(const void *block); /* NULL: 0 */
void *fi_durable_at(uint32_t ref);	    /* 0: NULL */

/* Recovery: forget, then share every block that is still referred to, then sweep. */
void fi_durable_forget(void);
void fi_durable_sweep(void);

/* For tests: as if it were new.  No block may be in use. */
void fi_durable_reset(void);

/* Bytes of the heap that were ever in use at the same time, as allocated; where the heap begins. */
uint64_t fi_durable_used(void);
void *fi_durable_heap(void);

#endif
