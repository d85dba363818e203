/* tests/integration/programs/moves.c - mremap(2): owed pages follow their memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "scenario.h"

static struct area area, other;

static void prepare(void)
{
	area = make_area(16 * MIB, 21);
	other = make_area(16 * MIB, 22);
}

static void *move_to(void *from, size_t len, void *to)
{
	void *mem = mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);

	REQUIRE(mem == to);
	return mem;
}

/* A free place of @len bytes. */
static uint8_t *find_place(size_t len)
{
	uint8_t *place = map_memory(len);

	REQUIRE(munmap(place, len) == 0);
	return place;
}

static void move_whole(void)
{
	size_t len = area.nr_pages * PAGE;
	uint8_t *old = area.mem;

	area.mem = move_to(old, len, find_place(len));
	check_zero(map_memory_at(old, len), area.nr_pages);
	check_area(&area);
	check_area(&other);
}

static void move_over(void)
{
	area.mem = move_to(area.mem, area.nr_pages * PAGE, other.mem);
	check_area(&area);
}

/* The middle third changes its place; what was around it stays. */
static void move_middle(void)
{
	size_t third = area.nr_pages / 3, len = third * PAGE;
	uint8_t *middle = area.mem + len, *place = find_place(len);

	(void)move_to(middle, len, place);
	check_zero(map_memory_at(middle, len), third);
	check_pages(area.mem, area.seed, 0, third);
	check_pages(place, area.seed, third, third);
	check_pages(area.mem + 2 * len, area.seed, 2 * third, area.nr_pages - 2 * third);
}

static void grow(void)
{
	size_t len = area.nr_pages * PAGE;
	uint8_t *mem = mremap(area.mem, len, 2 * len, MREMAP_MAYMOVE);

	REQUIRE(mem != MAP_FAILED);
	check_zero(mem + len, area.nr_pages);
	check_pages(mem, area.seed, 0, area.nr_pages);
	area.mem = mem;

	/* Once more, with the new half written and the move certain. */
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		fill_page(mem + len + nr * PAGE, 23, nr);
	mem = mremap(mem, 2 * len, 3 * len, MREMAP_MAYMOVE | MREMAP_FIXED, find_place(3 * len));
	REQUIRE(mem != MAP_FAILED);
	check_pages(mem, area.seed, 0, area.nr_pages);
	check_pages(mem + len, 23, 0, area.nr_pages);
	check_zero(mem + 2 * len, area.nr_pages);
	check_area(&other);
}

static void shrink(void)
{
	size_t half = area.nr_pages / 2, len = half * PAGE;

	REQUIRE(mremap(area.mem, 2 * len, len, 0) == area.mem);
	check_zero(map_memory_at(area.mem + len, len), half);
	check_pages(area.mem, area.seed, 0, half);

	/* Shrinks and moves in one call. */
	uint8_t *place = find_place(len);

	REQUIRE(mremap(other.mem, 2 * len, len, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
	check_zero(map_memory_at(other.mem, 2 * len), 2 * half);
	check_pages(place, other.seed, 0, half);
}

/* The old place stays mapped and is zero from then on. */
static void move_dontunmap(void)
{
	size_t len = area.nr_pages * PAGE;
	uint8_t *mem = mremap(area.mem, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	REQUIRE(mem != MAP_FAILED);
	for (size_t nr = 0; nr < area.nr_pages; nr += 2)
		check_zero(area.mem + nr * PAGE, 1);
	check_pages(mem, area.seed, 0, area.nr_pages);
	check_zero(area.mem, area.nr_pages);
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		fill_page(area.mem + nr * PAGE, 24, nr);
	check_pages(mem, area.seed, 0, area.nr_pages);
	check_pages(area.mem, 24, 0, area.nr_pages);
}

#define PING_PONGS 60

static void ping_pong(void)
{
	size_t len = area.nr_pages * PAGE;
	uint8_t *here = area.mem, *there = find_place(len);
	uint64_t random = 25;

	for (unsigned i = 0; i < PING_PONGS; i++) {
		uint8_t *from = here;

		here = move_to(from, len, there);
		there = from;
		for (unsigned j = 0; j < 8; j++) {
			size_t nr = next_random(&random) % area.nr_pages;

			check_page(here + nr * PAGE, area.seed, nr);
		}
	}
	check_pages(here, area.seed, 0, area.nr_pages);
	check_area(&other);
}

#define PIECE ((size_t)16)

/* Two areas trade their pieces through a third place, then all is forked. */
static void trade(void)
{
	size_t len = PIECE * PAGE;
	uint8_t *place = find_place(len);

	for (size_t nr = 0; nr < area.nr_pages; nr += 2 * PIECE) {
		(void)move_to(area.mem + nr * PAGE, len, place);
		(void)move_to(other.mem + nr * PAGE, len, area.mem + nr * PAGE);
		(void)move_to(place, len, other.mem + nr * PAGE);
	}

	pid_t pid = start_child();

	for (size_t nr = 0; nr < area.nr_pages; nr += PIECE) {
		bool traded = nr / PIECE % 2 == 0;

		check_pages(area.mem + nr * PAGE, traded ? other.seed : area.seed, nr, PIECE);
		check_pages(other.mem + nr * PAGE, traded ? area.seed : other.seed, nr, PIECE);
	}
	if (pid == 0)
		end_child();
	wait_child(pid);
}

const struct scenario move_scenarios[] = {
	{ "move-whole", prepare, move_whole },
	{ "move-over", prepare, move_over },
	{ "move-middle", prepare, move_middle },
	{ "move-grow", prepare, grow },
	{ "move-shrink", prepare, shrink },
	{ "move-dontunmap", prepare, move_dontunmap },
	{ "move-ping-pong", prepare, ping_pong },
	{ "move-trade", prepare, trade },
	{ NULL, NULL, NULL },
};
