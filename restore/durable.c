/* restore/durable.c - see durable.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The heap grows at its end and never shrinks.  Each block begins with a header that says how long
 * it is, so that a recovery can walk them all; sizes come in four steps for each power of two.  Free
 * blocks are in lists of this process's own.
 */
#include "config.h"

#include "restore/durable.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE	  FI_DURABLE_SIZE
#define UNIT	  UINT64_C(16)
#define MIN_BLOCK UINT64_C(64)

#define NR_CLASSES 160

struct head {
	_Atomic uint64_t end; /* of the heap: offset; 0: the heap is empty */
};

struct block {
	_Atomic uint32_t owners;
	uint32_t class;
	uint32_t next_free; /* ours alone, while the block is free */
	uint32_t pad;
};

_Static_assert(sizeof(struct block) == UNIT, "a block's bytes are aligned");

#define HEAP_START (4096 + FI_DURABLE_ROOT)

static uint8_t *base;
static pthread_once_t mapped_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t free_lists[NR_CLASSES]; /* under lock */

static int map(int fd)
{
	int flags = MAP_NORESERVE | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	/* The next engine waits until the last one's core is written. */
	(void)madvise(at, SIZE, MADV_DONTDUMP);
	base = at;
	return 0;
}

int fi_durable_open(int fd)
{
	return map(fd);
}

int fi_durable_create(void)
{
	int fd = memfd_create("faultin", MFD_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = ftruncate(fd, SIZE) < 0 ? -errno : map(fd);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return fd;
}

/* Without a keeper. */
static void map_own(void)
{
	if (!base && map(-1) < 0)
		abort();
}

static uint8_t *memory(void)
{
	if (!base)
		(void)pthread_once(&mapped_once, map_own);
	return base;
}

static struct head *head(void)
{
	return (struct head *)(void *)memory();
}

void *fi_durable_root(void)
{
	return memory() + 4096;
}

static struct block *block_at(uint64_t off)
{
	return (struct block *)(void *)(memory() + off);
}

static struct block *block_of(const void *bytes)
{
	return (struct block *)(uintptr_t)bytes - 1;
}

/* The class of blocks that hold @size bytes, headers included. */
static unsigned class_of(uint64_t size)
{
	unsigned log;
	uint64_t quarter;

	if (size <= MIN_BLOCK)
		return 0;
	log = 63 - (unsigned)__builtin_clzll(size - 1);
	quarter = UINT64_C(1) << (log - 2);
	return 4 * (log - 6) + (unsigned)((size - (UINT64_C(1) << log) + quarter - 1) / quarter);
}

static uint64_t class_size(unsigned class)
{
	unsigned log = 6 + class / 4;

	return (UINT64_C(1) << log) + class % 4 * (UINT64_C(1) << (log - 2));
}

static uint64_t heap_end(void)
{
	uint64_t end = atomic_load_explicit(&head()->end, memory_order_acquire);

	return end ? end : HEAP_START;
}

/* Under the lock.  A death between the two stores leaves the end where it was. */
static struct block *grow(unsigned class)
{
	uint64_t end = heap_end(), size = class_size(class);
	struct block *block;

	if (SIZE - end < size)
		return NULL;
	block = block_at(end);
	block->class = class;
	atomic_store_explicit(&head()->end, end + size, memory_order_release);
	return block;
}

void *fi_durable_alloc(size_t size)
{
	unsigned class;
	struct block *block;

	if (size > SIZE / 2)
		return NULL;
	class = class_of(size + sizeof(*block));
	(void)memory();
	(void)pthread_mutex_lock(&lock);
	if (free_lists[class]) {
		block = block_of(fi_durable_at(free_lists[class]));
		free_lists[class] = block->next_free;
	} else {
		block = grow(class);
	}
	(void)pthread_mutex_unlock(&lock);
	if (!block)
		return NULL;
	atomic_store_explicit(&block->owners, 1, memory_order_relaxed);
	return block + 1;
}

void fi_durable_share(const void *bytes)
{
	if (bytes)
		atomic_fetch_add_explicit(&block_of(bytes)->owners, 1, memory_order_relaxed);
}

/* Under the lock. */
static void put_free(struct block *block)
{
	block->next_free = free_lists[block->class];
	free_lists[block->class] = fi_durable_ref(block + 1);
}

void fi_durable_release(const void *bytes)
{
	if (!bytes ||
	    atomic_fetch_sub_explicit(&block_of(bytes)->owners, 1, memory_order_acq_rel) != 1)
		return;
	(void)pthread_mutex_lock(&lock);
	put_free(block_of(bytes));
	(void)pthread_mutex_unlock(&lock);
}

bool fi_durable_sole(const void *bytes)
{
	return atomic_load_explicit(&block_of(bytes)->owners, memory_order_acquire) == 1;
}

uint32_t fi_durable_ref(const void *bytes)
{
	return bytes ? (uint32_t)((uint64_t)((const uint8_t *)bytes - memory()) / UNIT) : 0;
}

void *fi_durable_at(uint32_t ref)
{
	return ref ? memory() + ref * UNIT : NULL;
}

static void drop_free_lists(void)
{
	for (unsigned i = 0; i < NR_CLASSES; i++)
		free_lists[i] = 0;
}

void fi_durable_forget(void)
{
	uint64_t end = heap_end();

	drop_free_lists();
	for (uint64_t off = HEAP_START; off < end; off += class_size(block_at(off)->class))
		atomic_store_explicit(&block_at(off)->owners, 0, memory_order_relaxed);
}

void fi_durable_sweep(void)
{
	uint64_t end = heap_end();

	drop_free_lists();
	for (uint64_t off = HEAP_START; off < end; off += class_size(block_at(off)->class))
		if (block_at(off)->owners == 0)
			put_free(block_at(off));
}

void fi_durable_reset(void)
{
	drop_free_lists();
	/* Private memory is new again then; a shared one keeps what it has. */
	(void)madvise(memory(), SIZE, MADV_DONTNEED);
}

uint64_t fi_durable_used(void)
{
	return heap_end() - HEAP_START;
}

void *fi_durable_heap(void)
{
	return memory() + HEAP_START;
}
