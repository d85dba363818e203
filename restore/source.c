/* restore/source.c - see source.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; without it nothing is mapped ahead */
#endif

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on all architectures */
#endif

/* What fi_source_map_more does at once: some tens of microseconds, or one read of the disk. */
#define MORE (UINT64_C(1) << 20)

/* How far a stream is read ahead of. */
#define READ_AHEAD (UINT64_C(8) << 20)

/* A disk that takes no longer is as good as the page cache. */
#define DISK_NS	     30000
#define DISK_PAGE_NS 1000

/* When none of the reads of a file has returned for so long, and there are so many, it does not get
 * more of them, but what the page cache has is still there to be had. */
#define HANGS_NS    UINT64_C(20000000)
#define HANGS_READS 4

/* How long a read is polled for, which is some times what a fast disk takes; and how long none is, once that
 * was in vain: read-ahead may be refused, and then only a read that waits brings anything. */
#define POLL_NS	      UINT64_C(1000000)
#define POLL_AGAIN_NS UINT64_C(10000000)

struct mapped_file {
	int fd; /* the image's */
	const uint8_t *map;
	uint64_t size;
	_Atomic uint64_t mapped; /* bytes from the start on whose pages are mapped */
	_Atomic uint64_t ahead;	 /* the disk was told to read up to here */
	_Atomic bool waits;	 /* its file system knows only reads that wait */
	_Atomic unsigned reads;	 /* of the disk, under way */
	_Atomic uint64_t moved;	 /* when the first of them began or the last one returned, ns */
	_Atomic uint64_t polled; /* when a poll of it was last given up, ns */
};

struct fi_source {
	_Atomic uint64_t waited;
	_Atomic uint64_t needed; /* when the last task that waits began to; 0: it has its bytes */
	atomic_flag mapping;	 /* one thread at a time */
	size_t nr_files;
	struct mapped_file files[];
};

int fi_source_new(const struct fi_image *image, struct fi_source **ret)
{
	size_t nr = fi_image_nr_pages_files(image);
	struct fi_source *source = calloc(1, sizeof(*source) + nr * sizeof(source->files[0]));

	if (!source)
		return -ENOMEM;
	atomic_flag_clear(&source->mapping);
	source->nr_files = nr;
	for (size_t i = 0; i < nr; i++) {
		const struct fi_pages_file *pages = fi_image_pages_file(image, i);
		struct mapped_file *file = &source->files[i];

		file->fd = pages->fd;
		file->map = pages->map;
		file->size = pages->size;
		/* Whoever waits for a page waits for it alone, and the drain says itself what it is
		 * going to read. */
		(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
		(void)madvise((void *)(uintptr_t)file->map, file->size, MADV_RANDOM);
	}
	*ret = source;
	return 0;
}

void fi_source_free(struct fi_source *source)
{
	free(source);
}

const uint8_t *fi_source_bytes(const struct fi_source *source, const struct fi_run *run,
			       uint64_t off)
{
	return source->files[run->file].map + run->file_off + off;
}

bool fi_source_is_mapped(const struct fi_source *source, unsigned index, const uint8_t *bytes,
			 uint64_t len)
{
	const struct mapped_file *file = &source->files[index];

	return (uint64_t)(bytes - file->map) + len <=
	       atomic_load_explicit(&file->mapped, memory_order_relaxed);
}

/* Whether [off, off + len) is in the page cache.  Where the kernel cannot tell (before 6.5), it is
 * not. */
static bool resident(const struct mapped_file *file, uint64_t off, uint64_t len)
{
	struct {
		uint64_t off, len;
	} range = { off, len };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} stat;

	return syscall(SYS_cachestat, file->fd, &range, &stat, 0) == 0 &&
	       stat.cached >= len / FI_PAGE_SIZE;
}

static bool read_all(int fd, uint8_t *room, uint64_t len, uint64_t off)
{
	while (len > 0) {
		ssize_t n = pread(fd, room, len, (off_t)off);

		if (n <= 0)
			return false;
		room += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return true;
}

/* Reads [off, off + len) if the page cache has it; else *@done is how much of its start was there.  How
 * long a read takes would not tell where its bytes came from: the thread may have lost its CPU. */
static bool read_cached(struct mapped_file *file, uint8_t *room, uint64_t len, uint64_t off,
			uint64_t *done)
{
	const struct iovec iov = { room, len };
	ssize_t n = -1;

	if (!file->waits) {
		n = preadv2(file->fd, &iov, 1, (off_t)off, RWF_NOWAIT);
		file->waits = n < 0 && errno != EAGAIN;
	}
	*done = n < 0 ? 0 : (uint64_t)n;
	return *done == len ||
	       (file->waits && resident(file, off, len) && read_all(file->fd, room, len, off));
}

/* Has the disk read what follows [.., off), unless it was told to already. */
static void read_ahead(struct mapped_file *file, uint64_t off)
{
	uint64_t ahead = file->ahead;

	if (off + READ_AHEAD / 2 <= ahead && ahead <= off + 2 * READ_AHEAD)
		return;
	file->ahead = off + READ_AHEAD;
	(void)posix_fadvise(file->fd, (off_t)off, (off_t)READ_AHEAD, POSIX_FADV_WILLNEED);
}

static bool hangs(const struct mapped_file *file, uint64_t now)
{
	uint64_t moved = file->moved;

	return file->reads >= HANGS_READS && now > moved && now - moved > HANGS_NS;
}

/* Has the disk read, and looks until it has.  False: not soon enough, or not at all. */
static bool read_polled(struct mapped_file *file, uint8_t *room, uint64_t len, uint64_t off,
			uint64_t now)
{
	uint64_t done;

	if (file->waits || (file->polled && now < file->polled + POLL_AGAIN_NS) ||
	    posix_fadvise(file->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED) != 0)
		return false;
	do {
		if (read_cached(file, room, len, off, &done))
			return true;
		room += done;
		off += done;
		len -= done;
	} while (fi_now_ns() < now + POLL_NS);
	file->polled = now + POLL_NS;
	return false;
}

/* read_all, and how the file does is noted. */
static bool read_noted(struct mapped_file *file, uint8_t *room, uint64_t len, uint64_t off,
		       bool poll, uint64_t now, uint64_t *after)
{
	bool all;

	if (file->reads == 0)
		file->moved = now;
	atomic_fetch_add_explicit(&file->reads, 1, memory_order_relaxed);
	all = (poll && read_polled(file, room, len, off, now)) ||
	      read_all(file->fd, room, len, off);
	*after = fi_now_ns();
	file->moved = *after;
	atomic_fetch_sub_explicit(&file->reads, 1, memory_order_relaxed);
	return all;
}

const uint8_t *fi_source_fetch(struct fi_source *source, unsigned index, const uint8_t *bytes,
			       uint64_t len, uint8_t *room, enum fi_fetch why)
{
	struct mapped_file *file = &source->files[index];
	uint64_t off = (uint64_t)(bytes - file->map), before, after, cached;
	const bool needed = why == FI_FETCH_NEEDED || why == FI_FETCH_POLL;
	bool readable;

	if (fi_source_is_mapped(source, index, bytes, len))
		return bytes;
	if (read_cached(file, room, len, off, &cached))
		return room;
	before = fi_now_ns();
	if (hangs(file, before))
		return NULL;
	if (needed)
		source->needed = before;
	readable = read_noted(file, room + cached, len - cached, off + cached, why == FI_FETCH_POLL,
			      before, &after);
	if (needed)
		source->needed = 0;
	if (after - before > DISK_NS + len / FI_PAGE_SIZE * DISK_PAGE_NS) {
		if (needed)
			source->waited = after;
		else if (why == FI_FETCH_STREAM)
			read_ahead(file, off + len);
	}
	return readable ? room : bytes;
}

uint64_t fi_source_waited(const struct fi_source *source, uint64_t now)
{
	uint64_t needed = source->needed;
	bool waits = needed && now > needed && now - needed > DISK_NS;

	/* To spare a disk that does not answer is of no use. */
	return waits && now - needed < HANGS_NS ? now : source->waited;
}

static bool map_more_of(struct mapped_file *file)
{
	uint64_t off = file->mapped, left = file->size - off, len = left < MORE ? left : MORE;

	if (len == 0)
		return false;
	if (!resident(file, off, len)) /* in one go: a fault at a time reads a page at a time */
		(void)posix_fadvise(file->fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
	if (madvise((void *)(uintptr_t)(file->map + off), len, MADV_POPULATE_READ) < 0)
		return false;
	file->mapped = off + len;
	return true;
}

bool fi_source_map_more(struct fi_source *source)
{
	bool some = false;

	if (atomic_flag_test_and_set(&source->mapping))
		return false;
	for (size_t i = 0; i < source->nr_files && !some; i++)
		some = map_more_of(&source->files[i]);
	atomic_flag_clear(&source->mapping);
	return some;
}
