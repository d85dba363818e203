/* restore/source.c - see source.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/source.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; without it the copy's slow path does the work */
#endif

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on all architectures */
#endif

#define BLOCK_SHIFT 16
#define BLOCK_SIZE  (UINT64_C(1) << BLOCK_SHIFT)
#define WORD_BITS   64

/* To map pages that are in the page cache takes less. */
#define DISK_NS 30000

struct mapped_file {
	int fd; /* the image's */
	const uint8_t *map;
	uint64_t size;
	_Atomic uint64_t *populated; /* a bit for each block */
};

struct fi_source {
	_Atomic uint64_t waited;
	size_t nr_files;
	struct mapped_file files[];
};

int fi_source_new(const struct fi_image *image, struct fi_source **ret)
{
	size_t nr = fi_image_nr_pages_files(image);
	struct fi_source *source = calloc(1, sizeof(*source) + nr * sizeof(source->files[0]));

	if (!source)
		return -ENOMEM;
	source->nr_files = nr;
	for (size_t i = 0; i < nr; i++) {
		const struct fi_pages_file *pages = fi_image_pages_file(image, i);
		struct mapped_file *file = &source->files[i];
		uint64_t words = (pages->size >> BLOCK_SHIFT) / WORD_BITS + 1;

		file->fd = pages->fd;
		file->map = pages->map;
		file->size = pages->size;
		/* A missing page brings no neighbours along: whoever waits for one waits for it alone,
		 * and the drain says itself what it is going to read. */
		(void)madvise((void *)(uintptr_t)file->map, file->size, MADV_RANDOM);
		file->populated = calloc(words, sizeof(file->populated[0]));
		if (!file->populated) {
			fi_source_free(source);
			return -ENOMEM;
		}
	}
	*ret = source;
	return 0;
}

void fi_source_free(struct fi_source *source)
{
	for (size_t i = 0; source && i < source->nr_files; i++)
		free((void *)source->files[i].populated);
	free(source);
}

const uint8_t *fi_source_bytes(const struct fi_source *source, const struct fi_run *run,
			       uint64_t off)
{
	return source->files[run->file].map + run->file_off + off;
}

/* The whole blocks of the file that hold [bytes, bytes + len): [*first, *end). */
static void blocks_of(const struct mapped_file *file, const uint8_t *bytes, uint64_t len,
		      uint64_t *first, uint64_t *end)
{
	uint64_t off = (uint64_t)(bytes - file->map);
	uint64_t stop = off + len < file->size ? off + len : file->size;

	*first = off >> BLOCK_SHIFT;
	*end = (stop + BLOCK_SIZE - 1) >> BLOCK_SHIFT;
}

static void advise(const struct mapped_file *file, uint64_t first, uint64_t end, int advice)
{
	uint64_t from = first << BLOCK_SHIFT, to = end << BLOCK_SHIFT;

	if (to > file->size)
		to = file->size;
	if (from < to)
		(void)madvise((void *)(uintptr_t)(file->map + from), to - from, advice);
}

static bool block_populated(const struct mapped_file *file, uint64_t block)
{
	return atomic_load_explicit(&file->populated[block / WORD_BITS], memory_order_relaxed) >>
		       block % WORD_BITS &
	       1;
}

/* Whether blocks [first, end) are in the page cache altogether.  Where the kernel cannot tell (before
 * 6.5), they are not. */
static bool resident(const struct mapped_file *file, uint64_t first, uint64_t end)
{
	struct {
		uint64_t off, len;
	} range = { first << BLOCK_SHIFT, (end - first) << BLOCK_SHIFT };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} stat;

	if (range.off + range.len > file->size)
		range.len = file->size - range.off;
	return syscall(SYS_cachestat, file->fd, &range, &stat, 0) == 0 &&
	       stat.cached >= range.len / FI_PAGE_SIZE;
}

void fi_source_need(struct fi_source *source, unsigned index, const uint8_t *bytes, uint64_t len)
{
	void *start = (void *)(uintptr_t)bytes;
	uint64_t before, after;

	if (fi_source_is_populated(source, index, bytes, len))
		return;
	before = fi_now_ns();
	if (len > FI_PAGE_SIZE)
		(void)madvise(start, len, MADV_WILLNEED);
	(void)madvise(start, len, MADV_POPULATE_READ);
	after = fi_now_ns();
	if (after - before > DISK_NS + len / FI_PAGE_SIZE * 1000)
		source->waited = after;
}

uint64_t fi_source_waited(const struct fi_source *source)
{
	return source->waited;
}

bool fi_source_populate(struct fi_source *source, unsigned index, const uint8_t *bytes,
			uint64_t len)
{
	struct mapped_file *file = &source->files[index];
	uint64_t block, end;
	bool read = false;

	blocks_of(file, bytes, len, &block, &end);
	while (block < end) {
		uint64_t first = block;

		if (block_populated(file, block)) {
			block++;
			continue;
		}
		while (block < end && !block_populated(file, block))
			block++;
		if (!resident(file, first, block)) {
			advise(file, first, block, MADV_WILLNEED);
			read = true;
		}
		advise(file, first, block, MADV_POPULATE_READ);
		/* Marked only now: who sees the mark copies inside a gate, where the disk is never
		 * waited for. */
		for (; first < block; first++)
			atomic_fetch_or_explicit(&file->populated[first / WORD_BITS],
						 UINT64_C(1) << first % WORD_BITS,
						 memory_order_relaxed);
	}
	return read;
}

bool fi_source_is_populated(const struct fi_source *source, unsigned index, const uint8_t *bytes,
			    uint64_t len)
{
	const struct mapped_file *file = &source->files[index];
	uint64_t block, end;

	for (blocks_of(file, bytes, len, &block, &end); block < end; block++)
		if (!block_populated(file, block))
			return false;
	return true;
}

void fi_source_read_ahead(struct fi_source *source, unsigned index, const uint8_t *bytes,
			  uint64_t len)
{
	struct mapped_file *file = &source->files[index];
	uint64_t first, end;

	blocks_of(file, bytes, len, &first, &end);
	advise(file, first, end, MADV_WILLNEED);
}
