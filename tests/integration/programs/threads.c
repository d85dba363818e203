/* tests/integration/programs/threads.c - threads that share one address space, and one engine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The threads exist at the dump and wait for "go" each for itself, so that they are restored at
 * once and none leads.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scenario.h"

#define NR_THREADS 8

static struct area area;
static pthread_t threads[NR_THREADS];
static pthread_barrier_t barrier;

static void start_threads(void *(*body)(void *))
{
	REQUIRE(pthread_barrier_init(&barrier, NULL, NR_THREADS) == 0);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
}

static void join_threads(void)
{
	for (unsigned i = 0; i < NR_THREADS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	check_area(&area);
}

static void *touch_random(void *arg)
{
	uint64_t random = 60 + (uintptr_t)arg;

	wait_for_go();
	for (unsigned i = 0; i < 20000; i++) {
		size_t nr = next_random(&random) % area.nr_pages;

		check_page(area.mem + nr * PAGE, area.seed, nr);
	}
	return NULL;
}

static void prepare_random(void)
{
	area = make_area(32 * MIB, 61);
	start_threads(touch_random);
}

/* All at the same page at the same time. */
static void *touch_same(void *arg)
{
	(void)arg;
	wait_for_go();
	for (size_t nr = 0; nr < area.nr_pages; nr += 5) {
		(void)pthread_barrier_wait(&barrier);
		check_page(area.mem + nr * PAGE, area.seed, nr);
	}
	return NULL;
}

static void prepare_same(void)
{
	area = make_area(16 * MIB, 62);
	start_threads(touch_same);
}

/* Half of the threads fork and look with the child's eyes; the others keep faulting. */
static void *touch_or_fork(void *arg)
{
	uint64_t random = 63 + (uintptr_t)arg;

	wait_for_go();
	for (unsigned i = 0; i < 200; i++) {
		size_t nr = next_random(&random) % (area.nr_pages - 8);

		if ((uintptr_t)arg % 2 == 0 && i % 10 == 0) {
			pid_t pid = start_child();

			check_pages(area.mem + nr * PAGE, area.seed, nr, 8);
			if (pid == 0)
				end_child();
			wait_child(pid);
		}
		check_pages(area.mem + nr * PAGE, area.seed, nr, 8);
	}
	return NULL;
}

static void prepare_fork(void)
{
	area = make_area(32 * MIB, 64);
	start_threads(touch_or_fork);
}

/* The churn: one thread discards, moves and forks while the others read.
 *
 * A model says what each chunk holds.  Its version is odd while the chunk is being changed; a
 * reader that saw the same even version before and after knows exactly what it must have read, else
 * every word must be the old one or zero.
 */
#define CHUNK_PAGES ((size_t)8)
#define CHUNK_LEN   (CHUNK_PAGES * PAGE)
#define CHURNS	    1500

struct chunk {
	atomic_uint version;
	atomic_bool zero;
};

static struct chunk *chunks;
static size_t nr_chunks;
static atomic_bool churn_over;

static uint8_t *chunk_mem(size_t i)
{
	return area.mem + i * CHUNK_LEN;
}

static void check_chunk_at(const uint8_t *mem, size_t i, bool zero)
{
	if (zero)
		check_zero(mem, CHUNK_PAGES);
	else
		check_pages(mem, area.seed, i * CHUNK_PAGES, CHUNK_PAGES);
}

/* Reads one word of a page twice over the versions: cheap, so that the race is often met. */
static void read_chunk(size_t i, uint64_t at)
{
	struct chunk *chunk = &chunks[i];
	size_t nr = at % CHUNK_PAGES;
	unsigned word = (unsigned)(at >> 8) % (PAGE / sizeof(uint64_t));
	const volatile uint64_t *page = (const volatile uint64_t *)(chunk_mem(i) + nr * PAGE);
	unsigned before = atomic_load(&chunk->version);
	bool zero = atomic_load(&chunk->zero);
	uint64_t got = page[word], expected;

	expected = pattern_word(area.seed, i * CHUNK_PAGES + nr, word);
	atomic_thread_fence(memory_order_acquire);
	if (before % 2 == 0 && atomic_load(&chunk->version) == before) {
		if (got != (zero ? 0 : expected))
			fail("chunk %zu page %zu word %u at version %u: expected %#llx, got %#llx",
			     i, nr, word, before, (unsigned long long)(zero ? 0 : expected),
			     (unsigned long long)got);
	} else if (got != 0 && got != expected) {
		fail("chunk %zu page %zu word %u in a change: got %#llx", i, nr, word,
		     (unsigned long long)got);
	}
}

static void *read_churned(void *arg)
{
	uint64_t random = 65 + (uintptr_t)arg;

	wait_for_go();
	while (!atomic_load(&churn_over)) {
		uint64_t at = next_random(&random);

		read_chunk(at % nr_chunks, at >> 20);
	}
	return NULL;
}

static void begin_change(size_t i)
{
	atomic_fetch_add(&chunks[i].version, 1);
}

static void end_change(size_t i, bool zero)
{
	atomic_store(&chunks[i].zero, zero);
	atomic_fetch_add(&chunks[i].version, 1);
}

/* Moves the chunk away, leaving zeros, looks at what went, and mostly moves it back. */
static void churn_move(size_t i, bool back)
{
	bool zero = atomic_load(&chunks[i].zero);
	uint8_t *away;

	begin_change(i);
	away = mremap(chunk_mem(i), CHUNK_LEN, CHUNK_LEN, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	REQUIRE(away != MAP_FAILED);
	end_change(i, true);
	if (!back) {
		check_chunk_at(away, i, zero);
		REQUIRE(munmap(away, CHUNK_LEN) == 0);
		return;
	}
	begin_change(i);
	REQUIRE(mremap(away, CHUNK_LEN, CHUNK_LEN, MREMAP_MAYMOVE | MREMAP_FIXED, chunk_mem(i)) ==
		chunk_mem(i));
	end_change(i, zero);
}

static void churn_discard(size_t i)
{
	begin_change(i);
	REQUIRE(madvise(chunk_mem(i), CHUNK_LEN, MADV_DONTNEED) == 0);
	end_change(i, true);
}

/* Only the one who changes things forks, so the child knows exactly what it must see. */
static void churn_fork(uint64_t random)
{
	pid_t pid = start_child();

	if (pid == 0) {
		for (unsigned j = 0; j < 40; j++) {
			size_t i = next_random(&random) % nr_chunks;

			check_chunk_at(chunk_mem(i), i, atomic_load(&chunks[i].zero));
		}
		end_child();
	}
	wait_child(pid);
}

static void churn(void)
{
	uint64_t random = 66;

	for (unsigned round = 0; round < CHURNS; round++) {
		uint64_t what = next_random(&random);
		size_t i = (what >> 8) % nr_chunks;

		if (what % 64 == 0)
			churn_fork(what | 1);
		else if (what % 4 == 0)
			churn_discard(i);
		else
			churn_move(i, what % 8 != 1);
	}
	for (size_t i = 0; i < nr_chunks; i++)
		check_chunk_at(chunk_mem(i), i, atomic_load(&chunks[i].zero));
	atomic_store(&churn_over, true);
	for (unsigned i = 0; i < NR_THREADS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void prepare_churn(void)
{
	area = make_area(16 * MIB, 67);
	nr_chunks = area.nr_pages / CHUNK_PAGES;
	chunks = map_memory(nr_chunks * sizeof(*chunks));
	start_threads(read_churned);
}

const struct scenario thread_scenarios[] = {
	{ "threads-random", prepare_random, join_threads },
	{ "threads-same", prepare_same, join_threads },
	{ "threads-fork", prepare_fork, join_threads },
	{ "threads-churn", prepare_churn, churn },
	{ NULL, NULL, NULL },
};
