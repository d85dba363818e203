/* restore/pools.c - see pools.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/pools.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "images/sharers.h"
#include "restore/log.h"
#include "restore/pidfd.h"
#include "restore/pool.h"
#include "restore/uffd.h"

/* How often it is looked who has gone: nobody tells of an exec. */
#define LOOK_MS 250

/* Beside its sharers a pool may have children that were born when they should not (pool.h). */
#define ROOM_CHILDREN 16

/* Where a pool is heard. */
struct post {
	struct fi_pools *pools;
	int epfd, bell; /* owned; -EBADF: there was no pool here yet */
	pthread_t thread;
	bool started;

	/* Under the lock: */
	struct fi_pool *pool; /* NULL: none, or none any more */
	unsigned nr_draining;
};

struct fi_pools {
	const struct fi_image *image;
	struct fi_source *source;
	struct fi_sharers sharers;
	struct fi_pools_watcher watcher;
	bool running; /* there is a watcher, and each pool has a thread */
	_Atomic bool stopping, restored, abandoned;

	pthread_mutex_t lock;
	pthread_cond_t drained;
	struct post posts[FI_POOLS]; /* by index of the record */
	size_t turn;
};

/* --- making them ------------------------------------------------------------------------------- */

int fi_pools_prepare(void)
{
	int before = fi_kept(FI_KEPT_POOLS), fd = fi_uffd_own();

	if (fd < 0)
		return fd;
	fi_keep(FI_KEPT_POOLS, fd);
	fi_close(&before); /* a dead engine's: of a memory that is gone */
	return 0;
}

static size_t nr_sharers(const struct fi_pools *pools, uint32_t segment)
{
	size_t nr = 0;

	for (size_t i = 0; i < pools->sharers.nr; i++)
		nr += pools->sharers.at[i].segment == segment;
	return nr;
}

static void held_up(void *arg)
{
	const struct fi_pools *pools = arg;

	pools->watcher.held_up(pools->watcher.arg);
}

static int open_post(struct post *post)
{
	struct epoll_event event = { .events = EPOLLIN };

	post->epfd = epoll_create1(EPOLL_CLOEXEC);
	post->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (post->epfd < 0 || post->bell < 0 ||
	    epoll_ctl(post->epfd, EPOLL_CTL_ADD, post->bell, &event) < 0)
		return -errno;
	return 0;
}

static void close_post(struct post *post)
{
	fi_close(&post->epfd);
	fi_close(&post->bell);
}

static void *run(void *arg);

/* Gives the post's pool its thread. */
static int start(struct post *post)
{
	sigset_t all, before;
	int r;

	/* Signals are the session's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&post->thread, NULL, run, post);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	post->started = r == 0;
	return -r;
}

/* The pool of a record that is complete. */
static int open_pool(struct fi_pools *pools, uint32_t index)
{
	struct fi_pool_record *record = &fi_ledger()->pools[index];
	const struct fi_pagemap *pm = fi_image_segment(pools->image, record->segment);
	struct post *post = &pools->posts[index];
	struct fi_pool *pool;
	int r;

	if (!pm || pm->nr_runs == 0)
		return -EINVAL;
	r = open_post(post);
	if (r == 0)
		r = fi_pool_new(record, pm, pools->source, fi_kept(FI_KEPT_POOLS),
				nr_sharers(pools, record->segment) + ROOM_CHILDREN, &pool);
	if (r < 0) {
		close_post(post);
		return r;
	}
	pool->gate.stuck = held_up;
	pool->gate.arg = pools;
	(void)pthread_mutex_lock(&pools->lock);
	post->pool = pool;
	(void)pthread_mutex_unlock(&pools->lock);
	r = pools->running ? start(post) : 0;
	if (r == 0)
		return 0;
	(void)pthread_mutex_lock(&pools->lock);
	post->pool = NULL;
	(void)pthread_mutex_unlock(&pools->lock);
	fi_pool_free(pool);
	close_post(post);
	return r;
}

static int open_watch(struct fi_pools *pools, struct fi_watch_record *record, struct fi_watch **ret)
{
	const bool child = record->sharer == FI_WATCH_CHILD;
	const struct post *post = &pools->posts[record->pool];
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	if (!child && record->sharer >= pools->sharers.nr)
		return -EINVAL;
	r = fi_pool_watch(post->pool, record, child ? NULL : &pools->sharers.at[record->sharer],
			  ret);
	event.data.ptr = r == 0 ? *ret : NULL;
	if (r == 0 && !child && epoll_ctl(post->epfd, EPOLL_CTL_ADD, record->uffd, &event) < 0)
		r = -errno;
	return r;
}

/* The index of the segment's record, or -ENOENT. */
static int find(uint32_t segment)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (int i = 0; i < FI_POOLS; i++)
		if (ledger->pools[i].state != FI_POOL_NONE && ledger->pools[i].segment == segment)
			return i;
	return -ENOENT;
}

int fi_pools_file(struct fi_pools *pools, uint32_t sharer, int file)
{
	struct fi_pool_record *record = NULL;
	uint32_t i = 0;
	int r;

	if (sharer >= pools->sharers.nr)
		return -EINVAL;
	r = find(pools->sharers.at[sharer].segment);
	if (r >= 0)
		return fi_ledger()->pools[r].file == file ? 0 : -EINVAL;
	while (i < FI_POOLS && fi_ledger()->pools[i].state != FI_POOL_NONE)
		i++;
	if (i == FI_POOLS)
		return -EINVAL;
	record = &fi_ledger()->pools[i];
	*record = (struct fi_pool_record){ .segment = pools->sharers.at[sharer].segment,
					   .file = file };
	r = open_pool(pools, i);
	if (r < 0)
		return r;
	atomic_store_explicit(&record->state, FI_POOL_LIVE, memory_order_release);
	fi_ledger()->session.nr_lazy_pages += fi_pool_nr_owed(pools->posts[i].pool);
	return 0;
}

/* An engine has died before it could say that it has this one. */
static bool is_recorded(uint32_t sharer, int uffd)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_watches; i++)
		if (ledger->watches[i].state == FI_SLOT_LIVE &&
		    ledger->watches[i].sharer == sharer && ledger->watches[i].uffd == uffd)
			return true;
	return false;
}

int fi_pools_watch(struct fi_pools *pools, uint32_t sharer, int uffd, pid_t pid)
{
	struct fi_watch_record *record;
	struct fi_watch *watch;
	int pool, r;

	if (sharer >= pools->sharers.nr || pid <= 0)
		return -EINVAL;
	if (is_recorded(sharer, uffd))
		return 0;
	pool = find(pools->sharers.at[sharer].segment);
	record = pool >= 0 ? fi_watch_take() : NULL;
	if (!record)
		return -EINVAL;
	record->uffd = uffd;
	record->pid = pid;
	record->pidfd = fi_pidfd_open(pid);
	record->pool = (uint32_t)pool;
	record->sharer = sharer;
	atomic_store_explicit(&record->state, FI_SLOT_LIVE, memory_order_release);
	r = open_watch(pools, record, &watch);
	if (r == 0)
		return 0;
	fi_pidfd_signal(record->pidfd, SIGKILL);
	return r;
}

/* --- after another engine ------------------------------------------------------------------------ */

static int inherit_watch(struct fi_pools *pools, struct fi_watch_record *record)
{
	struct fi_watch *watch;
	int r = open_watch(pools, record, &watch);

	if (r == 0 && watch->sharer)
		fi_pool_recover(watch);
	return r;
}

static int inherit(struct fi_pools *pools)
{
	struct fi_ledger *ledger = fi_ledger();
	int r = 0;

	for (uint32_t i = 0; i < ledger->nr_watches; i++)
		if (ledger->watches[i].state == FI_SLOT_TAKEN)
			ledger->watches[i].state = FI_SLOT_FREE;
	for (uint32_t i = 0; r == 0 && i < FI_POOLS; i++) {
		if (ledger->pools[i].state == FI_POOL_WHOLE)
			fi_pool_end_record(&ledger->pools[i]);
		else if (ledger->pools[i].state == FI_POOL_LIVE)
			r = open_pool(pools, i);
	}
	for (uint32_t i = 0, nr = ledger->nr_watches; r == 0 && i < nr; i++)
		if (ledger->watches[i].state == FI_SLOT_LIVE)
			r = inherit_watch(pools, &ledger->watches[i]);
	return r;
}

int fi_pools_new(const struct fi_image *image, struct fi_source *source, struct fi_pools **ret)
{
	struct fi_pools *pools = calloc(1, sizeof(*pools));
	int r;

	if (!pools)
		return -ENOMEM;
	pools->image = image;
	pools->source = source;
	(void)pthread_mutex_init(&pools->lock, NULL);
	(void)pthread_cond_init(&pools->drained, NULL);
	for (uint32_t i = 0; i < FI_POOLS; i++)
		pools->posts[i] = (struct post){ .pools = pools, .epfd = -EBADF, .bell = -EBADF };
	r = fi_sharers_find(image, &pools->sharers);
	if (r == 0)
		r = inherit(pools);
	if (r < 0) {
		fi_pools_free(pools);
		return r;
	}
	*ret = pools;
	return 0;
}

/* --- the threads --------------------------------------------------------------------------------- */

static void ring(const struct post *post)
{
	uint64_t one = 1;

	if (write(post->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fi_log(FI_LOG_ERROR, "cannot wake a thread of shared memory: %s", strerror(errno));
}

static void ring_all(const struct fi_pools *pools)
{
	for (uint32_t i = 0; i < FI_POOLS; i++)
		if (pools->posts[i].started)
			ring(&pools->posts[i]);
}

static void unring(const struct post *post)
{
	uint64_t nr;

	if (read(post->bell, &nr, sizeof(nr)) < 0)
		return; /* nobody rang: fine */
}

/* Returns whether there may be something to look at. */
static bool hear(const struct post *post, struct fi_watch *watch)
{
	const struct fi_pools_watcher *watcher = &post->pools->watcher;

	fi_pool_hear(watch);
	if (watch->shut || watch->dead || watch->pool->doomed)
		(void)epoll_ctl(post->epfd, EPOLL_CTL_DEL, watch->record->uffd, NULL);
	if (watch->shut)
		watcher->hurried(watcher->arg);
	return watch->dead || fi_pool_nr_owed(watch->pool) == 0;
}

/* Takes the pool out, if it has come to its end. */
static struct fi_pool *take_over(struct post *post)
{
	struct fi_session_record *session = &fi_ledger()->session;
	struct fi_pools *pools = post->pools;
	struct fi_pool *pool = post->pool;

	if (!(pools->restored || pools->abandoned))
		return NULL;
	if (pools->abandoned)
		fi_pool_doom(pool, "the restore has failed");
	if (!fi_pool_look(pool))
		return NULL;
	/* From here on what it has done is counted there. */
	(void)pthread_mutex_lock(&pools->lock);
	while (post->nr_draining)
		(void)pthread_cond_wait(&pools->drained, &pools->lock);
	if (pool->doomed)
		session->nr_failed++;
	fi_counters_add(&session->ended, &pool->record->count);
	post->pool = NULL;
	(void)pthread_mutex_unlock(&pools->lock);
	/* Somebody may have copies of the descriptors (upgrade.h). */
	for (size_t w = 0; w < pool->nr_watches; w++)
		(void)epoll_ctl(post->epfd, EPOLL_CTL_DEL, pool->watches[w]->record->uffd, NULL);
	return pool;
}

/* Returns whether the pool has ended. */
static bool look(struct post *post)
{
	const struct fi_pools_watcher *watcher = &post->pools->watcher;
	struct fi_pool *pool = take_over(post);

	if (!pool)
		return false;
	fi_pool_end(pool);
	watcher->ended(watcher->arg);
	return true;
}

static void *run(void *arg)
{
	struct post *post = arg;
	struct epoll_event events[16];
	uint64_t looked = 0;
	bool ended = false, called = true;

	while (!ended && !post->pools->stopping) {
		int n = epoll_wait(post->epfd, events, (int)FI_ARRAY_SIZE(events), LOOK_MS);

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr) {
				unring(post);
				called = true;
			} else if (hear(post, events[i].data.ptr)) {
				called = true;
			}
		}
		if (!called && fi_now_ns() - looked < LOOK_MS * UINT64_C(1000000))
			continue;
		ended = look(post);
		looked = fi_now_ns();
		called = false;
	}
	return NULL;
}

int fi_pools_start(struct fi_pools *pools, const struct fi_pools_watcher *watcher)
{
	int r = 0;

	pools->watcher = *watcher;
	pools->running = true;
	for (uint32_t i = 0; r == 0 && i < FI_POOLS; i++)
		if (pools->posts[i].pool)
			r = start(&pools->posts[i]);
	return r;
}

void fi_pools_free(struct fi_pools *pools)
{
	if (!pools)
		return;
	pools->stopping = true;
	ring_all(pools);
	for (uint32_t i = 0; i < FI_POOLS; i++) {
		struct post *post = &pools->posts[i];

		if (post->started)
			(void)pthread_join(post->thread, NULL);
		if (post->pool)
			fi_pool_free(post->pool);
		close_post(post);
	}
	fi_sharers_done(&pools->sharers);
	(void)pthread_cond_destroy(&pools->drained);
	(void)pthread_mutex_destroy(&pools->lock);
	free(pools);
}

void fi_pools_let_go(struct fi_pools *pools)
{
	(void)pthread_mutex_lock(&pools->lock);
	for (uint32_t i = 0; i < FI_POOLS; i++)
		if (pools->posts[i].pool)
			fi_pool_let_go(pools->posts[i].pool);
	(void)pthread_mutex_unlock(&pools->lock);
}

void fi_pools_restored(struct fi_pools *pools)
{
	pools->restored = true;
	ring_all(pools);
}

void fi_pools_abandon(struct fi_pools *pools)
{
	pools->abandoned = true;
	ring_all(pools);
}

/* --- the drain ----------------------------------------------------------------------------------- */

static bool wants(struct fi_pool *pool, bool any)
{
	return pool && (any || pool->hurried) && !pool->doomed && fi_pool_nr_owed(pool) > 0;
}

/* Under the lock; the index, or negative. */
static int choose(struct fi_pools *pools, bool any)
{
	for (int hurried = 1; hurried >= !any; hurried--) {
		for (size_t i = 0; i < FI_POOLS; i++) {
			const size_t at = (pools->turn + i) % FI_POOLS;

			if (wants(pools->posts[at].pool, !hurried))
				return (int)at;
		}
	}
	return -1;
}

bool fi_pools_wait(struct fi_pools *pools, bool any)
{
	bool some;

	(void)pthread_mutex_lock(&pools->lock);
	some = choose(pools, any) >= 0;
	(void)pthread_mutex_unlock(&pools->lock);
	return some;
}

uint64_t fi_pools_drain(struct fi_pools *pools, bool any)
{
	struct fi_pool *pool = NULL;
	uint64_t nr = 0;
	bool whole;
	int i;

	(void)pthread_mutex_lock(&pools->lock);
	i = choose(pools, any);
	if (i >= 0) {
		pool = pools->posts[i].pool;
		pools->posts[i].nr_draining++;
	}
	(void)pthread_mutex_unlock(&pools->lock);
	if (!pool)
		return 0;
	nr = fi_pool_drain(pool);
	whole = fi_pool_nr_owed(pool) == 0;
	(void)pthread_mutex_lock(&pools->lock);
	pools->posts[i].nr_draining--;
	(void)pthread_cond_broadcast(&pools->drained);
	(void)pthread_mutex_unlock(&pools->lock);
	if (whole)
		ring(&pools->posts[i]);
	return nr;
}

size_t fi_pools_status(struct fi_pools *pools, struct fi_pool_status *at, size_t room)
{
	size_t nr = 0;

	(void)pthread_mutex_lock(&pools->lock);
	for (uint32_t i = 0; i < FI_POOLS && nr < room; i++) {
		struct fi_pool *pool = pools->posts[i].pool;

		if (!pool)
			continue;
		at[nr] = (struct fi_pool_status){
			.segment = pool->record->segment,
			.failed = pool->doomed,
			.nr_lazy = pool->nr_pages,
			.nr_owed = fi_pool_nr_owed(pool),
		};
		fi_counters_add(&at[nr].count, &pool->record->count);
		nr++;
	}
	(void)pthread_mutex_unlock(&pools->lock);
	return nr;
}
