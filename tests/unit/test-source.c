/* tests/unit/test-source.c - where page bytes come from, and which of them are mapped already.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "restore/source.h"
#include "tests/unit/toy-image.h"

#define BASE  UINT64_C(0x10000000)
#define BLOCK 16 /* pages */

static bool populated(struct toy *toy, uint64_t page, uint64_t nr)
{
	return fi_source_is_populated(toy->source, 0, toy->pages.map + page * PAGE, nr * PAGE);
}

static void populate(struct toy *toy, uint64_t page, uint64_t nr)
{
	fi_source_populate(toy->source, 0, toy->pages.map + page * PAGE, nr * PAGE);
}

static void bytes_are_where_the_run_says(void **state)
{
	const struct fi_vma vma = { .start = BASE, .end = BASE + 100 * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = BASE + 3 * PAGE, .nr_pages = 5, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = BASE + 50 * PAGE, .nr_pages = 5, .kind = FI_RUN_DATA, .lazy = true },
	};
	struct toy *toy = toy_new(&vma, 1, runs, 2);
	const uint8_t *bytes = fi_source_bytes(toy->source, &toy->runs[1], 2 * PAGE);

	assert_int_equal(bytes - toy->pages.map, 7 * PAGE);
	assert_int_equal(*(const uint64_t *)(const void *)bytes, toy_word(BASE + 52 * PAGE));
	toy_free(toy);
}

static void blocks_are_remembered(void **state)
{
	struct toy *toy = toy_simple(BASE, 10 * BLOCK);

	assert_false(populated(toy, 0, 1));
	populate(toy, BLOCK + 3, 1);
	assert_true(populated(toy, BLOCK, BLOCK)); /* the whole block came along */
	assert_false(populated(toy, BLOCK - 1, 2));
	assert_false(populated(toy, 2 * BLOCK - 1, 2));
	populate(toy, 0, 10 * BLOCK); /* around what is there */
	assert_true(populated(toy, 0, 10 * BLOCK));
	toy_free(toy);
}

static void against_an_array(void **state)
{
	uint64_t rnd = toy_seed("source");

	for (int round = 0; round < 20; round++) {
		/* Around 64 blocks, a word of bits; the last block is often a part only. */
		uint64_t pages = 1 + toy_random(&rnd, 130 * BLOCK);
		struct toy *toy = toy_simple(BASE, pages);
		bool model[140] = { false };

		for (int i = 0; i < 200; i++) {
			uint64_t page = toy_random(&rnd, pages);
			uint64_t nr = 1 + toy_random(&rnd, toy_random(&rnd, 2) ? 3 : 300);
			uint64_t end = page + nr < pages ? page + nr : pages;
			bool want = true;

			for (uint64_t b = page / BLOCK; b * BLOCK < end; b++)
				want &= model[b];
			assert_int_equal(populated(toy, page, nr), want);
			if (toy_random(&rnd, 3))
				continue;
			populate(toy, page, nr); /* beyond the end: left out */
			for (uint64_t b = page / BLOCK; b * BLOCK < end; b++)
				model[b] = true;
		}
		toy_free(toy);
	}
}

static void ends_of_files(void **state)
{
	static const uint64_t sizes[] = { 1, BLOCK - 1, BLOCK, BLOCK + 1, 64 * BLOCK };

	for (size_t i = 0; i < 5; i++) {
		struct toy *toy = toy_simple(BASE, sizes[i]);

		populate(toy, sizes[i] - 1, 512);
		assert_true(populated(toy, sizes[i] - 1, 1));
		assert_true(populated(toy, sizes[i] - 1, 1000));
		fi_source_read_ahead(toy->source, 0, toy->pages.map + 2048 * PAGE, 512 * PAGE);
		fi_source_read_ahead(toy->source, 0, toy->pages.map, 4096 * PAGE);
		populate(toy, sizes[i] + 100, 512);
		toy_free(toy);
	}
}

static void populating_maps_the_pages(void **state)
{
	struct toy *toy = toy_simple(BASE, 4 * BLOCK);
	unsigned char in[4 * BLOCK];

	/* As a fresh mapping of the file: read nowhere yet. */
	assert_int_equal(munmap((void *)(uintptr_t)toy->pages.map, toy->pages.size), 0);
	assert_ptr_equal(mmap((void *)(uintptr_t)toy->pages.map, toy->pages.size, PROT_READ,
			      MAP_SHARED | MAP_FIXED, toy->pages.fd, 0),
			 toy->pages.map);
	populate(toy, BLOCK, BLOCK);
	assert_int_equal(mincore((void *)(uintptr_t)toy->pages.map, toy->pages.size, in), 0);
	for (int i = BLOCK; i < 2 * BLOCK; i++)
		assert_true(in[i] & 1);
	toy_free(toy);
}

/* Whether bytes can be read is what the copy says: populating them is never a crash. */
static void a_file_truncated_behind_our_back(void **state)
{
	struct toy *toy = toy_simple(BASE, 4 * BLOCK);

	assert_int_equal(ftruncate(toy->pages.fd, (off_t)PAGE), 0);
	populate(toy, 0, 4 * BLOCK);
	fi_source_read_ahead(toy->source, 0, toy->pages.map, 4 * BLOCK * PAGE);
	toy_free(toy);
}

static void an_empty_file(void **state)
{
	struct toy *toy = toy_new(NULL, 0, NULL, 0);

	assert_null(toy->pages.map);
	toy_free(toy);
	fi_source_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_where_the_run_says),
		cmocka_unit_test(blocks_are_remembered),
		cmocka_unit_test(against_an_array),
		cmocka_unit_test(ends_of_files),
		cmocka_unit_test(populating_maps_the_pages),
		cmocka_unit_test(a_file_truncated_behind_our_back),
		cmocka_unit_test(an_empty_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
