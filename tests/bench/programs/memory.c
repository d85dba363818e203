/* tests/bench/programs/memory.c - memory that knows what it must hold, and orders of its pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Word w of page nr is base(seed, nr) + w * STEP: a page of another place, of another time or of
 * zeros is wrong in every word.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "workload.h"

#define STEP UINT64_C(0x9e3779b97f4a7c15)

/* Runs with holes: run r is in pages 4r to 4r + 3 of the mapping. */
#define STRIDE 4u

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t page_base(const struct area *area, uint64_t nr)
{
	return mix(area->seed * STEP + nr + 1) | 1;
}

void *fresh(size_t bytes, bool shared)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (mem == MAP_FAILED)
		fail("cannot map %zu bytes", bytes);
	return mem;
}

static unsigned char *map_sparse(uint64_t nr_pages)
{
	unsigned char *mem = mmap(NULL, nr_pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		fail("cannot map %llu pages", (unsigned long long)nr_pages);
	/* Huge pages would fill the holes, and make one restore's memory unlike another's. */
	(void)madvise(mem, nr_pages * PAGE_BYTES, MADV_NOHUGEPAGE);
	return mem;
}

static void fill(const struct area *area)
{
	for (uint64_t nr = 0; nr < area->nr_pages; nr++) {
		uint64_t *word = (uint64_t *)(void *)area_page(area, nr);
		uint64_t base = page_base(area, nr);

		for (size_t i = 0; i < WORDS; i++)
			word[i] = base + i * STEP;
	}
}

struct area area_make(uint64_t nr_pages, uint64_t seed)
{
	struct area area = { .mem = map_sparse(nr_pages), .nr_pages = nr_pages, .seed = seed };

	fill(&area);
	return area;
}

/* Ten runs in a row have 13 pages: eight of 1 page, then one of 2, then one of 3. */
#define GROUP_RUNS  10u
#define GROUP_PAGES 13u

struct area area_make_holes(uint64_t nr_runs, uint64_t seed)
{
	struct area area = {
		.mem = map_sparse(nr_runs * STRIDE),
		.nr_pages = nr_runs / GROUP_RUNS * GROUP_PAGES,
		.seed = seed,
		.holes = true,
	};

	fill(&area);
	return area;
}

unsigned char *area_page(const struct area *area, uint64_t nr)
{
	uint64_t run, in_run, rest;

	if (!area->holes)
		return area->mem + nr * PAGE_BYTES;
	rest = nr % GROUP_PAGES;
	run = rest < 8 ? rest : rest < 10 ? 8 : 9;
	in_run = rest < 8 ? 0 : rest < 10 ? rest - 8 : rest - 10;
	run += nr / GROUP_PAGES * GROUP_RUNS;
	return area->mem + (run * STRIDE + in_run) * PAGE_BYTES;
}

bool area_touch(const struct area *area, uint64_t nr, uint64_t salt)
{
	size_t word = mix(nr ^ salt) % WORDS;
	const volatile uint64_t *mem = (const volatile uint64_t *)(void *)area_page(area, nr);

	return mem[word] == page_base(area, nr) + word * STEP;
}

uint64_t area_verify(const struct area *area, uint64_t first, uint64_t nr_pages)
{
	uint64_t nr_wrong = 0;

	for (uint64_t nr = first; nr < first + nr_pages; nr++) {
		const uint64_t *word = (const uint64_t *)(void *)area_page(area, nr);
		uint64_t base = page_base(area, nr), wrong = 0;

		for (size_t i = 0; i < WORDS; i++)
			wrong |= word[i] ^ (base + i * STEP);
		nr_wrong += wrong != 0;
	}
	return nr_wrong;
}

uint64_t area_verify_all(const struct area *area)
{
	return area_verify(area, 0, area->nr_pages);
}

/* A Feistel network over the next even power of two, walked until it is in range again. */
struct order order_make(uint64_t nr, uint64_t key)
{
	struct order order = { .nr = nr, .key = mix(key + STEP), .half_bits = 1 };

	while ((UINT64_C(1) << (2 * order.half_bits)) < nr)
		order.half_bits++;
	return order;
}

uint64_t order_next(struct order *order)
{
	uint64_t mask = (UINT64_C(1) << order->half_bits) - 1, x = order->at;

	order->at = (order->at + 1) % order->nr;
	do {
		uint64_t left = x >> order->half_bits, right = x & mask;

		for (unsigned round = 0; round < 4; round++) {
			uint64_t next =
				left ^ (mix(order->key + right + (uint64_t)round * STEP) & mask);

			left = right;
			right = next;
		}
		x = left << order->half_bits | right;
	} while (x >= order->nr);
	return x;
}
