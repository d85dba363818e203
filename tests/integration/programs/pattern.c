/* tests/integration/programs/pattern.c - memory that knows what it must hold.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A page's content follows from its area's seed and its number in the area, never from its
 * address, so that it can be checked wherever it was moved.  Word w of a page is base + w * step,
 * with a base that two pages share by accident only: cheap enough to look at every word.
 */
#include <string.h>

#include "scenario.h"

#define WORDS (PAGE / sizeof(uint64_t))
#define STEP  UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t page_base(uint64_t seed, uint64_t nr)
{
	return mix(mix(seed + STEP) + nr * STEP + 1);
}

uint64_t pattern_word(uint64_t seed, uint64_t nr, unsigned word)
{
	return page_base(seed, nr) + word * STEP;
}

void fill_page(void *page, uint64_t seed, uint64_t nr)
{
	uint64_t *word = page, base = page_base(seed, nr);

	for (size_t i = 0; i < WORDS; i++)
		word[i] = base + i * STEP;
}

static _Noreturn void tell_wrong(const uint64_t *word, uint64_t expected, uint64_t nr)
{
	uint64_t got = *word;

	fail("wrong word at %p (page %llu of its area): expected %#llx, got %#llx",
	     (const void *)word, (unsigned long long)nr, (unsigned long long)expected,
	     (unsigned long long)got);
}

void check_page(const void *page, uint64_t seed, uint64_t nr)
{
	const uint64_t *word = page;
	uint64_t base = page_base(seed, nr), wrong = 0;

	for (size_t i = 0; i < WORDS; i++)
		wrong |= word[i] ^ (base + i * STEP);
	if (!wrong)
		return;
	for (size_t i = 0; i < WORDS; i++)
		if (word[i] != base + i * STEP)
			tell_wrong(word + i, base + i * STEP, nr);
	fail("page %llu at %p was wrong and is right now", (unsigned long long)nr, page);
}

void check_pages(const void *mem, uint64_t seed, uint64_t first, size_t nr_pages)
{
	const uint8_t *page = mem;

	for (size_t i = 0; i < nr_pages; i++)
		check_page(page + i * PAGE, seed, first + i);
}

void check_area(const struct area *area)
{
	check_pages(area->mem, area->seed, 0, area->nr_pages);
}

struct area make_area(size_t len, uint64_t seed)
{
	struct area area = { .mem = map_memory(len), .nr_pages = len / PAGE, .seed = seed };

	for (size_t i = 0; i < area.nr_pages; i++)
		fill_page(area.mem + i * PAGE, seed, i);
	return area;
}

bool page_is_zero(const void *page)
{
	const uint64_t *word = page;
	uint64_t any = 0;

	for (size_t i = 0; i < WORDS; i++)
		any |= word[i];
	return any == 0;
}

void check_zero(const void *mem, size_t nr_pages)
{
	const uint8_t *page = mem;

	for (size_t nr = 0; nr < nr_pages; nr++, page += PAGE) {
		const uint64_t *word = (const uint64_t *)page;

		if (page_is_zero(page))
			continue;
		for (size_t i = 0; i < WORDS; i++)
			if (word[i])
				tell_wrong(word + i, 0, nr);
		fail("page %zu at %p was not zero and is now", nr, (const void *)page);
	}
}

void check_pattern_or_zero(const void *page, uint64_t seed, uint64_t nr)
{
	const volatile uint64_t *word = page;
	uint64_t base = page_base(seed, nr);

	for (size_t i = 0; i < WORDS; i++) {
		uint64_t got = word[i];

		if (got && got != base + i * STEP)
			fail("word at %p (page %llu) is neither %#llx nor 0: %#llx",
			     (const void *)(word + i), (unsigned long long)nr,
			     (unsigned long long)(base + i * STEP), (unsigned long long)got);
	}
}

uint64_t next_random(uint64_t *state)
{
	*state += STEP;
	return mix(*state);
}
