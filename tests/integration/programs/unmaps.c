/* tests/integration/programs/unmaps.c - munmap(2): what is gone is never copied back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "scenario.h"

static struct area area;

static void prepare(void)
{
	area = make_area(32 * MIB, 31);
}

#define PIECE ((size_t)48)

static bool is_cut(size_t nr)
{
	return nr / PIECE % 3 == 1;
}

static void unmap_pieces(void)
{
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (is_cut(nr))
			REQUIRE(munmap(area.mem + nr * PAGE, PIECE * PAGE) == 0);
}

static void check_rest(void)
{
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (!is_cut(nr))
			check_pages(area.mem + nr * PAGE, area.seed, nr, PIECE);
}

static void unmap_parts(void)
{
	unmap_pieces();
	check_rest();
}

/* New memory where the old was is zero and stays what is written to it. */
static void unmap_reuse(void)
{
	unmap_pieces();
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (is_cut(nr))
			(void)map_memory_at(area.mem + nr * PAGE, PIECE * PAGE);
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE) {
		if (!is_cut(nr))
			continue;
		check_zero(area.mem + nr * PAGE, PIECE);
		fill_page(area.mem + nr * PAGE, 32, nr);
	}
	check_rest();
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (is_cut(nr)) {
			check_page(area.mem + nr * PAGE, 32, nr);
			check_zero(area.mem + (nr + 1) * PAGE, PIECE - 1);
		}
}

/* The same with mmap(MAP_FIXED), which unmaps what is in its way. */
static void unmap_by_mmap(void)
{
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (is_cut(nr))
			REQUIRE(mmap(area.mem + nr * PAGE, PIECE * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	for (size_t nr = 0; nr + PIECE <= area.nr_pages; nr += PIECE)
		if (is_cut(nr))
			check_zero(area.mem + nr * PAGE, PIECE);
	check_rest();
}

/* Lengths beyond INT_MAX and UINT32_MAX: one page in STRIDE is filled, so that the image is small
 * and the event is not. */
#define STRIDE	 ((size_t)64)
#define KEPT	 (64 * MIB)
#define HUGE_LEN ((size_t)2560 * MIB)
#define VAST_LEN ((size_t)4608 * MIB)

static size_t big_len;
static uint8_t *big;

static void prepare_big(size_t len)
{
	big_len = len;
	big = map_memory(KEPT + len + KEPT);
	REQUIRE(madvise(big, KEPT + len + KEPT, MADV_NOHUGEPAGE) == 0);
	for (size_t nr = 0; nr < (KEPT + len + KEPT) / PAGE; nr += STRIDE)
		fill_page(big + nr * PAGE, 33, nr);
	prepare();
}

static void prepare_huge(void)
{
	prepare_big(HUGE_LEN);
}

static void prepare_vast(void)
{
	prepare_big(VAST_LEN);
}

static void check_stripes(size_t first, size_t nr_pages)
{
	for (size_t nr = first; nr < first + nr_pages; nr += STRIDE) {
		check_page(big + nr * PAGE, 33, nr);
		check_zero(big + (nr + 1) * PAGE, 1);
		check_zero(big + (nr + STRIDE - 1) * PAGE, 1);
	}
}

static void unmap_big(void)
{
	size_t kept = KEPT / PAGE;

	REQUIRE(munmap(big + KEPT, big_len) == 0);
	check_stripes(0, kept);
	check_stripes(kept + big_len / PAGE, kept);

	uint8_t *again = map_memory_at(big + KEPT, big_len);

	for (size_t nr = 0; nr < big_len / PAGE; nr += STRIDE)
		check_zero(again + nr * PAGE, 1);
	check_area(&area);
}

/* As much discarded instead of unmapped, and as much moved. */
static void discard_big(void)
{
	size_t kept = KEPT / PAGE;

	REQUIRE(madvise(big + KEPT, big_len, MADV_DONTNEED) == 0);
	for (size_t nr = kept; nr < kept + big_len / PAGE; nr += STRIDE)
		check_zero(big + nr * PAGE, 1);
	check_stripes(0, kept);
	check_stripes(kept + big_len / PAGE, kept);
	check_area(&area);
}

static void move_big(void)
{
	size_t kept = KEPT / PAGE;
	uint8_t *place = map_memory(big_len);
	size_t nr = kept;

	REQUIRE(mremap(big + KEPT, big_len, big_len, MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
		place);
	for (; nr < kept + big_len / PAGE; nr += STRIDE) {
		check_page(place + (nr - kept) * PAGE, 33, nr);
		check_zero(place + (nr - kept + 1) * PAGE, 1);
	}
	check_stripes(0, kept);
	check_stripes(kept + big_len / PAGE, kept);
	check_area(&area);
}

const struct scenario unmap_scenarios[] = {
	{ "unmap-parts", prepare, unmap_parts },     { "unmap-reuse", prepare, unmap_reuse },
	{ "unmap-by-mmap", prepare, unmap_by_mmap }, { "unmap-2.5g", prepare_huge, unmap_big },
	{ "unmap-4.5g", prepare_vast, unmap_big },   { "discard-2.5g", prepare_huge, discard_big },
	{ "move-4.5g", prepare_vast, move_big },     { NULL, NULL, NULL },
};
