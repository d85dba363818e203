/* plugin/task_memory.c - see task_memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/task_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/pages.h"
#include "restore/uffd.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define CHUNK	    (UINT64_C(4) << 20)
#define MAX_THREADS 16

/* Bits of an entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)

int fi_pieces_add(struct fi_pieces *pieces, struct fi_piece piece)
{
	struct fi_piece *at;
	size_t room;

	if (pieces->nr == pieces->room) {
		room = 2 * pieces->room + 64;
		at = reallocarray(pieces->at, room, sizeof(*at));
		if (!at)
			return -ENOMEM;
		pieces->at = at;
		pieces->room = room;
	}
	pieces->at[pieces->nr++] = piece;
	return 0;
}

void fi_pieces_done(struct fi_pieces *pieces)
{
	free(pieces->at);
	*pieces = (struct fi_pieces){ 0 };
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Entries of pagemap that were read at once: most pieces are small, and lie close together. */
struct window {
	int fd;
	uint64_t first, nr; /* pages */
	uint64_t entries[4096];
};

#define WINDOW_MAX FI_ARRAY_SIZE(((struct window *)0)->entries)

/* How many pages from @page on, which is in piece @i, reach to the end of the last piece that is within
 * reach. */
static uint64_t worth_reading(const struct fi_pieces *pieces, size_t i, uint64_t page)
{
	uint64_t nr = 0, end;

	for (; i < pieces->nr; i++) {
		end = (pieces->at[i].addr + pieces->at[i].len) >> FI_PAGE_SHIFT;
		if (end > page + WINDOW_MAX)
			return nr ? nr : WINDOW_MAX;
		if (end <= page + nr)
			break; /* not in ascending order */
		nr = end - page;
	}
	return nr;
}

/* Has the window hold @page of piece @i. */
static int look_at(struct window *window, const struct fi_pieces *pieces, size_t i, uint64_t page)
{
	uint64_t nr;
	ssize_t n;

	if (page >= window->first && page < window->first + window->nr)
		return 0;
	nr = worth_reading(pieces, i, page);
	n = pread(window->fd, window->entries, nr * sizeof(window->entries[0]),
		  (off_t)(page * sizeof(window->entries[0])));
	if (n < (ssize_t)sizeof(window->entries[0]))
		return n < 0 ? -errno : -EIO;
	window->first = page;
	window->nr = (uint64_t)n / sizeof(window->entries[0]);
	return 0;
}

/* Adds the stretches of piece @i that are present. */
static int add_present(struct window *window, const struct fi_pieces *pieces, size_t i,
		       struct fi_pieces *ret)
{
	const struct fi_piece *piece = &pieces->at[i];
	const uint64_t first = piece->addr >> FI_PAGE_SHIFT, nr = piece->len >> FI_PAGE_SHIFT;
	uint64_t from = 0; /* of a stretch that is present up to where we are */
	int r = 0;

	for (uint64_t at = 0; r == 0 && at <= nr; at++) {
		bool present = false;

		if (at < nr) {
			r = look_at(window, pieces, i, first + at);
			present = r == 0 && window->entries[first + at - window->first] &
						    (ENTRY_PRESENT | ENTRY_SWAPPED);
		}
		if (present || r < 0)
			continue;
		if (at > from)
			r = fi_pieces_add(ret,
					  (struct fi_piece){
						  .addr = piece->addr + (from << FI_PAGE_SHIFT),
						  .len = (at - from) << FI_PAGE_SHIFT,
						  .bytes = piece->bytes + (from << FI_PAGE_SHIFT),
					  });
		from = at + 1;
	}
	return r;
}

int fi_pieces_present(pid_t pid, const struct fi_pieces *pieces, struct fi_pieces *ret,
		      struct fi_error *err)
{
	fi_auto_close int fd = open_proc(pid, "pagemap", O_RDONLY);
	struct window window = { .fd = fd };
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < pieces->nr; i++)
		r = add_present(&window, pieces, i, ret);
	return r < 0 ? fi_error_set(err, r, "what it has in memory already cannot be told: %s",
				    strerror(-r))
		     : 0;
}

/* --- writing ------------------------------------------------------------------------------- */

struct job {
	const struct fi_pieces *pieces;
	int (*put)(const struct job *job, struct fi_piece piece);
	int file; /* that is written to, at the pieces' addresses */
	int uffd; /* with put_missing */
	pthread_mutex_t lock;
	size_t next;	 /* piece */
	uint64_t offset; /* in it */
	_Atomic int failed;
};

/* Cuts the next chunk off.  Returns false when there is none. */
static bool take(struct job *job, struct fi_piece *ret)
{
	bool some;

	(void)pthread_mutex_lock(&job->lock);
	some = job->next < job->pieces->nr && !job->failed;
	if (some) {
		const struct fi_piece *piece = &job->pieces->at[job->next];
		uint64_t left = piece->len - job->offset;

		*ret = (struct fi_piece){
			.addr = piece->addr + job->offset,
			.len = left < CHUNK ? left : CHUNK,
			.bytes = piece->bytes + job->offset,
		};
		job->offset += ret->len;
		if (job->offset == piece->len) {
			job->next++;
			job->offset = 0;
		}
	}
	(void)pthread_mutex_unlock(&job->lock);
	return some;
}

static void advance(struct fi_piece *piece, uint64_t len)
{
	piece->addr += len;
	piece->bytes += len;
	piece->len -= len;
}

static int put(const struct job *job, struct fi_piece piece)
{
	while (piece.len > 0) {
		ssize_t n = pwrite(job->file, piece.bytes, piece.len, (off_t)piece.addr);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		advance(&piece, (uint64_t)n);
	}
	return 0;
}

/* Pages that are there already are overwritten: it was not the program that has touched them. */
static int put_missing(const struct job *job, struct fi_piece piece)
{
	while (piece.len > 0) {
		struct fi_piece page = { piece.addr, FI_PAGE_SIZE, piece.bytes };
		uint64_t done;
		int r = fi_uffd_copy(job->uffd, piece.addr, piece.bytes, piece.len, &done);

		if (r == -EEXIST) {
			r = put(job, page);
			done = FI_PAGE_SIZE;
		}
		if (r < 0 && (r != -EAGAIN || done == 0))
			return r;
		advance(&piece, done);
	}
	return 0;
}

static void *work(void *arg)
{
	struct job *job = arg;
	struct fi_piece piece;

	while (take(job, &piece)) {
		int r;

		/* What has to be faulted in first, the kernel copies in a much slower way. */
		(void)madvise((void *)piece.bytes, piece.len, MADV_POPULATE_READ);
		r = job->put(job, piece);

		if (r < 0)
			job->failed = r;
	}
	return NULL;
}

static unsigned nr_helpers(const struct fi_pieces *pieces)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t chunks = 0;

	for (size_t i = 0; i < pieces->nr; i++)
		chunks += (pieces->at[i].len + CHUNK - 1) / CHUNK;
	if (chunks < 2 || cpus < 2)
		return 0;
	if (cpus > MAX_THREADS)
		cpus = MAX_THREADS;
	return (unsigned)(chunks < (uint64_t)cpus ? chunks : (uint64_t)cpus) - 1;
}

/* Puts all pieces, by this thread and as many others.  Returns 0, or the last error. */
static int put_all(struct job *job, unsigned wanted)
{
	pthread_t helpers[MAX_THREADS];
	unsigned nr = 0;
	sigset_t all, before;

	job->next = 0;
	job->offset = 0;
	job->failed = 0;
	(void)pthread_mutex_init(&job->lock, NULL);
	/* CRIU's handlers are for its own thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (nr < wanted && pthread_create(&helpers[nr], NULL, work, job) == 0)
		nr++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)work(job);
	for (unsigned i = 0; i < nr; i++)
		(void)pthread_join(helpers[i], NULL);
	(void)pthread_mutex_destroy(&job->lock);
	return job->failed;
}

int fi_pieces_write(pid_t pid, const struct fi_pieces *pieces, struct fi_error *err)
{
	fi_auto_close int mem = open_proc(pid, "mem", O_RDWR);
	struct job job = { .pieces = pieces, .put = put, .file = mem };
	const unsigned helpers = nr_helpers(pieces);
	int r;

	if (mem < 0)
		return fi_error_set(err, mem, "cannot open its memory: %s", strerror(-mem));
	r = put_all(&job, helpers);
	/* A kernel may let only the thread that traces the task write where the task itself may not
	 * (proc_mem.force_override=ptrace). */
	if (r < 0 && helpers > 0)
		r = put_all(&job, 0);
	return r < 0 ? fi_error_set(err, r, "cannot write its memory: %s", strerror(-r)) : 0;
}

int fi_pieces_copy(pid_t pid, int uffd, const struct fi_pieces *pieces, struct fi_error *err)
{
	fi_auto_close int mem = open_proc(pid, "mem", O_RDWR);
	struct job job = { .pieces = pieces, .put = put_missing, .file = mem, .uffd = uffd };
	int r = mem < 0 ? mem : put_all(&job, nr_helpers(pieces));

	return r < 0 ? fi_error_set(err, r, "cannot copy into its memory: %s", strerror(-r)) : 0;
}

int fi_pieces_write_file(int fd, const struct fi_pieces *pieces, struct fi_error *err)
{
	struct job job = { .pieces = pieces, .put = put, .file = fd };
	int r = put_all(&job, 0); /* the kernel lets one at a time write to a file */

	return r < 0 ? fi_error_set(err, r, "cannot write to a file of its: %s", strerror(-r)) : 0;
}
