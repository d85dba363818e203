/* tests/integration/programs/survives.c - a program that does a bit of everything for a while.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It takes about as long as tests/faults needs to do harm to the engine meanwhile.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define ROUNDS	   60
#define BLOCK	   8 /* pages */
#define NEW_SEED   77
#define MOVED_ONTO ((uint8_t *)0x500000000000)

static struct area kept;      /* read only */
static struct area moved;     /* block n leaves for MOVED_ONTO in round n */
static struct area discarded; /* block n in round n */
static struct area written;   /* block n in round n */

static void prepare(void)
{
	kept = make_area(64 * MIB, 71);
	moved = make_area(ROUNDS * BLOCK * PAGE, 72);
	discarded = make_area(ROUNDS * BLOCK * PAGE, 73);
	written = make_area(ROUNDS * BLOCK * PAGE, 74);
}

/* Everything as it must be when @rounds are over, but of the large area only every @step-th page. */
static void look(size_t rounds, size_t step)
{
	size_t done = rounds * BLOCK, left = (ROUNDS - rounds) * BLOCK;

	for (size_t nr = rounds % step; nr < kept.nr_pages; nr += step)
		check_page(kept.mem + nr * PAGE, kept.seed, nr);
	check_pages(MOVED_ONTO, moved.seed, 0, done);
	check_pages(moved.mem + done * PAGE, moved.seed, done, left);
	check_zero(discarded.mem, done);
	check_pages(discarded.mem + done * PAGE, discarded.seed, done, left);
	check_pages(written.mem, NEW_SEED, 0, done);
	check_pages(written.mem + done * PAGE, written.seed, done, left);
}

static void change(size_t round)
{
	size_t first = round * BLOCK;

	REQUIRE(mremap(moved.mem + first * PAGE, BLOCK * PAGE, BLOCK * PAGE,
		       MREMAP_MAYMOVE | MREMAP_FIXED,
		       MOVED_ONTO + first * PAGE) == MOVED_ONTO + first * PAGE);
	REQUIRE(madvise(discarded.mem + first * PAGE, BLOCK * PAGE, MADV_DONTNEED) == 0);
	for (size_t nr = first; nr < first + BLOCK; nr++)
		fill_page(written.mem + nr * PAGE, NEW_SEED, nr);
}

static void child(size_t round)
{
	look(round, 97);
	if (round % 3 == 0) { /* its own changes are nobody else's */
		change(round);
		if (start_child() == 0) {
			look(round + 1, 89);
			end_child();
		}
		wait_children(1);
		look(round + 1, 101);
	}
	end_child();
}

static void survive(void)
{
	for (size_t round = 0; round < ROUNDS; round++) {
		if (start_child() == 0)
			child(round);
		if (round % 2)
			wait_children(2); /* else the parent changes beside its child */
		change(round);
		look(round + 1, 211);
		nap_ms(3);
	}
	look(ROUNDS, 1);
}

const struct scenario survival_scenarios[] = {
	{ "survive", prepare, survive },
	{ NULL, NULL, NULL },
};
