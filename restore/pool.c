/* restore/pool.c - see pool.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "restore/log.h"
#include "restore/pidfd.h"
#include "restore/uffd.h"

#define FETCH_PAGES (FI_FETCH_MAX >> FI_PAGE_SHIFT)

/* So many pages at a time are copied inside the gate: a reader may wait for them. */
#define PIECE_PAGES 16

/* How often the drain waits for a gate that is closed, before it leaves the pool alone for a moment. */
#define MAX_TRIES 4

/* Who cannot be served now faults again after this. */
#define LATER_NS 1000000

/* The lowest address that tasks use; a wake may start there (vm.mmap_min_addr is lower). */
#define LOWEST UINT64_C(0x10000)

static void count(_Atomic uint64_t *counter, uint64_t nr)
{
	atomic_fetch_add_explicit(counter, nr, memory_order_relaxed);
}

/* --- what is owed ------------------------------------------------------------------------------ */

static bool is_owed(const struct fi_pool *pool, uint64_t page)
{
	return page < pool->size && pool->owed[page / 64] >> page % 64 & 1;
}

static void owe_all(struct fi_pool *pool)
{
	const struct fi_pagemap *pm = pool->pagemap;

	for (size_t i = 0; i < pm->nr_runs; i++) {
		const uint64_t first = pm->runs[i].addr >> FI_PAGE_SHIFT;

		if (pm->runs[i].kind != FI_RUN_DATA)
			continue;
		for (uint64_t page = first; page < first + pm->runs[i].nr_pages; page++)
			pool->owed[page / 64] |= UINT64_C(1) << page % 64;
		pool->nr_owed += pm->runs[i].nr_pages;
	}
	pool->nr_pages = pool->nr_owed;
}

/* A stretch of owed pages with one source. */
struct stretch {
	uint64_t page, nr;
	unsigned file;
	const uint8_t *bytes;
};

/* The one at @page, which is owed, of at most @max pages. */
static struct stretch stretch_at(const struct fi_pool *pool, uint64_t page, uint64_t max)
{
	const struct fi_run *run = fi_pagemap_find(pool->pagemap, page << FI_PAGE_SHIFT);
	const uint64_t first = run->addr >> FI_PAGE_SHIFT;
	struct stretch ret = {
		.page = page,
		.file = run->file,
		.bytes = fi_source_bytes(pool->source, run, (page - first) << FI_PAGE_SHIFT),
	};

	while (ret.nr < max && page + ret.nr < first + run->nr_pages &&
	       is_owed(pool, page + ret.nr))
		ret.nr++;
	return ret;
}

/* The first owed page in [from, to), or @to. */
static uint64_t next_owed(const struct fi_pool *pool, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t word = pool->owed[from / 64] >> from % 64;

		if (word) {
			from += (uint64_t)__builtin_ctzll(word);
			return from < to ? from : to;
		}
		from = (from / 64 + 1) * 64;
	}
	return to;
}

/* Somebody is about to copy @page and what follows; put_back must follow.  False: it is not owed. */
static bool take(struct fi_pool *pool, uint64_t page, uint64_t max, struct stretch *ret)
{
	bool owed;

	(void)pthread_mutex_lock(&pool->lock);
	owed = is_owed(pool, page);
	if (owed) {
		*ret = stretch_at(pool, page, max);
		pool->nr_copying++;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return owed;
}

static bool take_next(struct fi_pool *pool, struct stretch *ret)
{
	uint64_t page;
	bool some;

	(void)pthread_mutex_lock(&pool->lock);
	page = next_owed(pool, pool->cursor, pool->size);
	if (page == pool->size)
		page = next_owed(pool, 0, pool->cursor);
	some = is_owed(pool, page);
	if (some) {
		*ret = stretch_at(pool, page, FETCH_PAGES);
		pool->cursor = page + ret->nr;
		pool->nr_copying++;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return some;
}

/* The first @nr pages of what was taken are there. */
static void put_back(struct fi_pool *pool, const struct stretch *taken, uint64_t nr,
		     _Atomic uint64_t *counter)
{
	uint64_t given = 0;

	(void)pthread_mutex_lock(&pool->lock);
	for (uint64_t page = taken->page; page < taken->page + nr; page++) {
		given += is_owed(pool, page);
		pool->owed[page / 64] &= ~(UINT64_C(1) << page % 64);
	}
	pool->nr_owed -= given;
	pool->nr_copying--;
	(void)pthread_mutex_unlock(&pool->lock);
	count(counter, given);
}

uint64_t fi_pool_nr_owed(struct fi_pool *pool)
{
	uint64_t nr;

	(void)pthread_mutex_lock(&pool->lock);
	nr = pool->nr_owed;
	(void)pthread_mutex_unlock(&pool->lock);
	return nr;
}

/* --- copying ----------------------------------------------------------------------------------- */

void fi_pool_doom(struct fi_pool *pool, const char *why)
{
	if (atomic_exchange(&pool->doomed, true))
		return;
	fi_log(FI_LOG_ERROR, "shared memory %" PRIu32 ": %s: its tasks are killed",
	       pool->record->segment, why);
	for (size_t i = 0; i < pool->nr_watches; i++)
		fi_pidfd_signal(pool->watches[i]->record->pidfd, SIGKILL);
}

static void shut(struct fi_watch *watch)
{
	watch->shut = true;
	if (!atomic_exchange(&watch->pool->hurried, true))
		fi_log(FI_LOG_DEBUG, "shared memory %" PRIu32 ": pid %d waits until it is whole",
		       watch->pool->record->segment, (int)watch->record->pid);
}

/* Copies as much as one VMA allows (mprotect has no event): *@done bytes, at least a page with 0. */
static int copy(int uffd, uint64_t addr, const uint8_t *bytes, uint64_t len, uint64_t *done)
{
	int r = fi_uffd_copy(uffd, addr, bytes, len, done);

	while (*done == 0 && len > FI_PAGE_SIZE && (r == -ENOENT || r == -EFAULT)) {
		len = r == -EFAULT ? FI_PAGE_SIZE : len / 2 & ~(FI_PAGE_SIZE - 1);
		r = fi_uffd_copy(uffd, addr, bytes, len, done);
	}
	if (r == -EEXIST)
		*done = FI_PAGE_SIZE;
	return *done ? 0 : r;
}

/* Through what @watch has.  -ENOENT: it has nothing there, or nothing can be done by it. */
static int copy_by(struct fi_watch *watch, const struct stretch *s, uint64_t *done)
{
	const uint64_t offset = s->page << FI_PAGE_SHIFT;
	uint64_t len = s->nr << FI_PAGE_SHIFT;
	const struct fi_window *window;
	int r;

	*done = 0;
	if (watch->shut || watch->dead)
		return -ENOENT;
	window = watch->sharer ? fi_sharer_window_of(watch->sharer, offset) : NULL;
	if (!window)
		return -ENOENT;
	if (len > window->to - offset)
		len = window->to - offset;
	r = copy(watch->record->uffd, window->addr + (offset - window->from), s->bytes, len, done);
	if (r == -ESRCH)
		watch->dead = true;
	if (r == -EAGAIN)
		shut(watch);
	return r == -ESRCH || r == -EAGAIN ? -ENOENT : r;
}

static bool is_watched(const struct fi_pool *pool)
{
	for (size_t i = 0; i < pool->nr_watches; i++)
		if (!pool->watches[i]->dead)
			return true;
	return false;
}

/* Copies what it can of @s, the first page in any case, or returns a negative errno.  *@nr is how many pages
 * are there.  @first: by which watch it is tried first; NULL: any.  For the reader, or inside the gate. */
static int give(struct fi_pool *pool, struct fi_watch *first, const struct stretch *s, uint64_t *nr)
{
	uint64_t done = 0;
	int r = first ? copy_by(first, s, &done) : -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < pool->nr_watches; i++)
		if (pool->watches[i] != first)
			r = copy_by(pool->watches[i], s, &done);
	if (r == -ENOENT && !is_watched(pool))
		return -ESRCH; /* nobody wants it */
	if (r == -ENOENT)
		r = copy(pool->uffd, (uintptr_t)pool->map + (s->page << FI_PAGE_SHIFT), s->bytes,
			 s->nr << FI_PAGE_SHIFT, &done);
	*nr = done >> FI_PAGE_SHIFT;
	if (r == -EFAULT)
		fi_pool_doom(pool, "the image cannot be read");
	else if (r < 0 && r != -ENOMEM && r != -EAGAIN)
		fi_pool_doom(pool, strerror(-r));
	return r;
}

/* The same for those who are not the reader, a piece.  What else is decided about the pool is looked at inside,
 * too.  -EBUSY: not now. */
static int give_piece(struct fi_pool *pool, const struct stretch *s, uint64_t *nr)
{
	struct stretch piece = *s;
	int r = -EBUSY;

	if (piece.nr > PIECE_PAGES)
		piece.nr = PIECE_PAGES;
	*nr = 0;
	for (int i = 0; r == -EBUSY && i < MAX_TRIES; i++) {
		if (fi_gate_enter(&pool->gate)) {
			r = pool->doomed ? -ECANCELED : give(pool, NULL, &piece, nr);
			fi_gate_leave(&pool->gate);
		} else {
			fi_gate_await(&pool->gate);
		}
	}
	return r;
}

/* Brings what was taken, with its bytes in @room: for whoever waits at @first, by the reader; NULL: for the
 * drain.  Returns how many pages are there now. */
static uint64_t bring(struct fi_pool *pool, struct fi_watch *first, struct stretch *taken,
		      enum fi_fetch why, uint8_t *room, _Atomic uint64_t *counter)
{
	struct stretch s = *taken;
	uint64_t nr = 0, all = 0;
	int r = 0;

	s.bytes = fi_source_fetch(pool->source, s.file, s.bytes, s.nr << FI_PAGE_SHIFT, room, why);
	while (s.bytes && r == 0 && s.nr > 0) {
		r = first ? give(pool, first, &s, &nr) : give_piece(pool, &s, &nr);
		s.page += nr;
		s.nr -= nr;
		s.bytes += nr << FI_PAGE_SHIFT;
		all += nr;
	}
	put_back(pool, taken, all, counter);
	return all;
}

uint64_t fi_pool_drain(struct fi_pool *pool)
{
	uint8_t room[FI_FETCH_MAX] __attribute__((aligned(FI_PAGE_SIZE)));
	struct stretch taken;

	if (pool->doomed || !take_next(pool, &taken))
		return 0;
	return bring(pool, NULL, &taken, FI_FETCH_STREAM, room, &pool->record->count.drained);
}

/* --- faults ------------------------------------------------------------------------------------ */

static void wake(struct fi_watch *watch, uint64_t addr)
{
	if (fi_uffd_wake(watch->record->uffd, addr, FI_PAGE_SIZE) == -ESRCH)
		watch->dead = true;
}

/* Who waits looks again, a little later. */
static void put_off(struct fi_watch *watch, uint64_t addr)
{
	const struct timespec pause = { .tv_nsec = LATER_NS };

	count(&watch->pool->record->count.parked, 1);
	(void)nanosleep(&pause, NULL);
	wake(watch, addr);
}

/* The image has nothing for it. */
static bool is_hole(const struct fi_pool *pool, uint64_t page)
{
	const struct fi_run *run = fi_pagemap_find(pool->pagemap, page << FI_PAGE_SHIFT);

	return !run || run->kind != FI_RUN_DATA;
}

static void give_zeros(struct fi_watch *watch, uint64_t addr)
{
	uint64_t done;
	int r = fi_uffd_zero(watch->record->uffd, addr, FI_PAGE_SIZE, &done);

	if (r == 0)
		count(&watch->pool->record->count.zeroed, 1);
	else if (r == -EAGAIN)
		shut(watch);
	else if (r == -ENOMEM)
		put_off(watch, addr);
	else
		wake(watch, addr);
}

static void serve(struct fi_watch *watch, uint64_t addr)
{
	uint8_t room[FI_FETCH_MAX] __attribute__((aligned(FI_PAGE_SIZE)));
	const struct fi_window *window = fi_sharer_window(watch->sharer, addr);
	struct fi_pool *pool = watch->pool;
	struct stretch taken;
	uint64_t page, want;

	count(&pool->record->count.faults, 1);
	if (!window) { /* a mapping has grown: no event tells of that */
		shut(watch);
		return;
	}
	page = (window->from + (addr - window->addr)) >> FI_PAGE_SHIFT;
	want = page == watch->stream_next ? watch->stream_pages : 1;
	if (take(pool, page, want, &taken)) {
		uint64_t nr = bring(pool, watch, &taken, FI_FETCH_NEEDED, room,
				    &pool->record->count.demanded);

		watch->stream_next = page + nr;
		watch->stream_pages = 2 * want < FETCH_PAGES ? 2 * want : FETCH_PAGES;
		if (nr)
			wake(watch, addr); /* it may have come by another way */
		else if (!pool->doomed)
			put_off(watch, addr);
	} else if (is_hole(pool, page)) {
		give_zeros(watch, addr);
	} else {
		wake(watch, addr);
	}
}

/* An event was read, behind the closed gate: see pool.h. */
static void misread(struct fi_watch *watch)
{
	struct fi_pool *pool = watch->pool;
	struct fi_watch_record *child;
	struct fi_watch *ignored;
	int uffd;

	shut(watch);
	switch (watch->record->msg.event) {
	case UFFD_EVENT_REMOVE:
		fi_pool_doom(pool, "it was discarded while it was on its way");
		break;
	case UFFD_EVENT_FORK:
		uffd = (int)watch->record->msg.arg.fork.ufd;
		if (fi_ledger_claims(uffd))
			break; /* by an engine before this one */
		child = fi_watch_take();
		if (!child) {
			fi_ledger_orphan(uffd);
			break;
		}
		child->uffd = uffd;
		child->pidfd = -EBADF;
		child->pool = watch->record->pool;
		child->sharer = FI_WATCH_CHILD;
		atomic_store_explicit(&child->state, FI_SLOT_LIVE, memory_order_release);
		/* Without memory for it it stays open for ever. */
		(void)fi_pool_watch(pool, child, NULL, &ignored);
		break;
	default:
		break;
	}
}

/* Reads one message, if a fault waits and no event.  Returns whether it has. */
static bool read_fault(struct fi_watch *watch)
{
	struct uffd_msg *msg = &watch->record->msg; /* durable, as a space's inbox */
	int r = fi_uffd_probe(watch->record->uffd, LOWEST);

	if (r == -ESRCH)
		watch->dead = true;
	if (r == -EAGAIN)
		shut(watch);
	if (watch->shut || watch->dead || !fi_uffd_fault_waits(watch->info))
		return false;
	memset(msg, 0, sizeof(*msg));
	if (fi_uffd_read(watch->record->uffd, msg, 1) != 1)
		return false;
	if (msg->event != UFFD_EVENT_PAGEFAULT)
		misread(watch);
	return msg->event == UFFD_EVENT_PAGEFAULT;
}

/* The gate is closed before the look, too: who drains might answer the fault that was seen, and the task go on
 * to an event. */
void fi_pool_hear(struct fi_watch *watch)
{
	struct fi_gate *gate = &watch->pool->gate;
	bool waits;

	if (watch->shut || watch->dead || watch->pool->doomed)
		return;
	(void)fi_gate_close(gate);
	waits = read_fault(watch);
	fi_gate_open(gate);
	if (waits)
		serve(watch, watch->record->msg.arg.pagefault.address & ~(FI_PAGE_SIZE - 1));
}

void fi_pool_recover(struct fi_watch *watch)
{
	int r = -EINVAL;

	if (watch->record->msg.event && watch->record->msg.event != UFFD_EVENT_PAGEFAULT)
		misread(watch);
	for (unsigned bits = 63; r == -EINVAL && bits >= 31; bits--)
		r = fi_uffd_wake(watch->record->uffd, LOWEST,
				 (UINT64_C(1) << bits) - FI_PAGE_SIZE - LOWEST);
}

/* --- beginning and end ------------------------------------------------------------------------- */

static int map(struct fi_pool *pool, int uffd)
{
	const uint64_t len = pool->size << FI_PAGE_SHIFT;
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, pool->record->file, 0);

	if (at == MAP_FAILED)
		return -errno;
	pool->map = at;
	pool->uffd = uffd;
	return fi_uffd_register(uffd, (uintptr_t)at, len);
}

int fi_pool_new(struct fi_pool_record *record, const struct fi_pagemap *pagemap,
		struct fi_source *source, int uffd, size_t room, struct fi_pool **ret)
{
	struct fi_pool *pool = calloc(1, sizeof(*pool));
	int r = -ENOMEM;

	if (!pool)
		return -ENOMEM;
	(void)pthread_mutex_init(&pool->lock, NULL);
	pool->record = record;
	pool->pagemap = pagemap;
	pool->source = source;
	pool->size = fi_run_end(&pagemap->runs[pagemap->nr_runs - 1]) >> FI_PAGE_SHIFT;
	pool->owed = calloc(pool->size / 64 + 1, sizeof(pool->owed[0]));
	pool->watches = calloc(room, sizeof(pool->watches[0]));
	pool->room_watches = room;
	if (pool->owed && pool->watches)
		r = map(pool, uffd);
	if (r < 0) {
		fi_pool_free(pool);
		return r;
	}
	owe_all(pool);
	*ret = pool;
	return 0;
}

int fi_pool_watch(struct fi_pool *pool, struct fi_watch_record *record,
		  const struct fi_sharer *sharer, struct fi_watch **ret)
{
	struct fi_watch *watch;
	char path[64];

	if (pool->nr_watches == pool->room_watches)
		return -ENOSPC;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", record->uffd);
	*watch = (struct fi_watch){
		.pool = pool,
		.record = record,
		.sharer = sharer,
		.info = open(path, O_RDONLY | O_CLOEXEC),
		.shut = !sharer,
		.stream_pages = 1,
	};
	if (watch->info < 0) {
		free(watch);
		return -errno;
	}
	pool->watches[pool->nr_watches] = watch;
	pool->nr_watches++;
	*ret = watch;
	return 0;
}

/* Under the lock. */
static void drop_all(struct fi_pool *pool)
{
	count(&pool->record->count.dropped, pool->nr_owed);
	memset(pool->owed, 0, (pool->size / 64 + 1) * sizeof(pool->owed[0]));
	pool->nr_owed = 0;
}

void fi_pool_let_go(struct fi_pool *pool)
{
	(void)pthread_mutex_lock(&pool->lock);
	drop_all(pool);
	(void)pthread_mutex_unlock(&pool->lock);
}

bool fi_pool_look(struct fi_pool *pool)
{
	bool alive = false, whole;

	for (size_t i = 0; i < pool->nr_watches; i++) {
		struct fi_watch *watch = pool->watches[i];

		if (!watch->dead && fi_uffd_probe(watch->record->uffd, LOWEST) == -ESRCH)
			watch->dead = true;
		alive = alive || !watch->dead;
	}
	(void)pthread_mutex_lock(&pool->lock);
	whole = pool->nr_copying == 0 && (!alive || (pool->nr_owed == 0 && !pool->doomed));
	if (whole)
		drop_all(pool);
	(void)pthread_mutex_unlock(&pool->lock);
	return whole;
}

void fi_pool_end_record(struct fi_pool_record *record)
{
	struct fi_ledger *ledger = fi_ledger();
	const uint32_t index = (uint32_t)(record - ledger->pools);
	int file = record->file;

	atomic_store_explicit(&record->state, FI_POOL_WHOLE, memory_order_release);
	for (uint32_t i = 0; i < ledger->nr_watches; i++) {
		struct fi_watch_record *watch = &ledger->watches[i];
		int pidfd = watch->pidfd;

		if (watch->pool != index ||
		    (watch->state != FI_SLOT_LIVE && watch->state != FI_SLOT_CLOSING))
			continue;
		watch->pidfd = -EBADF;
		fi_close(&pidfd);
		/* One that was being closed may be another's by now. */
		if (watch->state == FI_SLOT_LIVE) {
			watch->state = FI_SLOT_CLOSING;
			fi_uffd_close(watch->uffd);
		} else if (fi_uffd_is(watch->uffd) && !fi_ledger_claims(watch->uffd)) {
			fi_uffd_close(watch->uffd);
		}
		watch->state = FI_SLOT_FREE;
	}
	record->state = FI_POOL_NONE;
	fi_close(&file);
}

void fi_pool_end(struct fi_pool *pool)
{
	fi_log(FI_LOG_DEBUG, "shared memory %" PRIu32 " is whole", pool->record->segment);
	for (size_t i = 0; i < pool->nr_watches; i++)
		fi_close(&pool->watches[i]->info);
	fi_pool_end_record(pool->record);
	fi_pool_free(pool);
}

void fi_pool_free(struct fi_pool *pool)
{
	for (size_t i = 0; i < pool->nr_watches; i++) {
		fi_close(&pool->watches[i]->info);
		free(pool->watches[i]);
	}
	if (pool->map)
		(void)munmap(pool->map, pool->size << FI_PAGE_SHIFT);
	(void)pthread_mutex_destroy(&pool->lock);
	free(pool->watches);
	free(pool->owed);
	free(pool);
}
