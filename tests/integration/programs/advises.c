/* tests/integration/programs/advises.c - madvise(2): discarding, and what children inherit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * WIPEONFORK and DONTFORK raise no event, before the dump or after the restore, and yet decide what
 * a child may see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "scenario.h"

static struct area area, other;

#define PIECE ((size_t)24)

static bool is_picked(size_t nr)
{
	return nr / PIECE % 2 == 1;
}

static void prepare(void)
{
	area = make_area(PIECE * 340 * PAGE, 51);
	other = make_area(8 * MIB, 52);
}

static void advise_pieces(int advice)
{
	for (size_t nr = 0; nr < area.nr_pages; nr += PIECE)
		if (is_picked(nr))
			REQUIRE(madvise(area.mem + nr * PAGE, PIECE * PAGE, advice) == 0);
}

static void discard(void)
{
	advise_pieces(MADV_DONTNEED);
	for (size_t nr = 0; nr < area.nr_pages; nr++) {
		if (is_picked(nr))
			check_zero(area.mem + nr * PAGE, 1);
		else
			check_page(area.mem + nr * PAGE, area.seed, nr);
	}
	/* What is written afterwards stays, and all can be discarded again. */
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		fill_page(area.mem + nr * PAGE, 53, nr);
	nap_ms(5);
	check_pages(area.mem, 53, 0, area.nr_pages);
	REQUIRE(madvise(area.mem, area.nr_pages * PAGE, MADV_DONTNEED) == 0);
	check_zero(area.mem, area.nr_pages);
	check_area(&other);
}

/* Discarded page by page while it is drained, with no time in between. */
static void discard_and_look(void)
{
	for (size_t nr = area.nr_pages; nr-- > 0;) {
		REQUIRE(madvise(area.mem + nr * PAGE, PAGE, MADV_DONTNEED) == 0);
		check_zero(area.mem + nr * PAGE, 1);
	}
	nap_ms(5);
	check_zero(area.mem, area.nr_pages);
	check_area(&other);
}

/* A page that may be freed is old or zero, and whole, until it is written. */
static void let_free(void)
{
	advise_pieces(MADV_FREE);
	for (size_t nr = 0; nr < area.nr_pages; nr++) {
		uint8_t *page = area.mem + nr * PAGE;

		if (!is_picked(nr) || !page_is_zero(page))
			check_page(page, area.seed, nr);
		if (is_picked(nr))
			fill_page(page, 54, nr);
	}
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		check_page(area.mem + nr * PAGE, is_picked(nr) ? 54 : area.seed, nr);
	check_area(&other);
}

/* The kernel touches the pages. */
static void populate(void)
{
	REQUIRE(madvise(area.mem, area.nr_pages * PAGE, MADV_POPULATE_READ) == 0);
	REQUIRE(madvise(other.mem, other.nr_pages * PAGE, MADV_POPULATE_WRITE) == 0);
	check_area(&area);
	check_area(&other);
}

static void prepare_wipe(void)
{
	prepare();
	REQUIRE(madvise(other.mem, other.nr_pages * PAGE, MADV_WIPEONFORK) == 0);
}

static void check_wiped(void)
{
	for (size_t nr = 0; nr < area.nr_pages; nr++) {
		if (is_picked(nr))
			check_zero(area.mem + nr * PAGE, 1);
		else
			check_page(area.mem + nr * PAGE, area.seed, nr);
	}
	check_zero(other.mem, other.nr_pages);
}

/* Wiped since before the dump: `other`.  (To have `area` wiped from now on, while it is owed, is
 * something that no userfaultfd handler can hear of: README, limits.) */
static void wipe_on_fork(void)
{
	pid_t pid = start_child();

	if (pid == 0) {
		pid_t grandchild = start_child();

		check_area(&area);
		check_zero(other.mem, other.nr_pages);
		if (grandchild == 0)
			end_child();
		wait_child(grandchild);
		end_child();
	}
	check_area(&area);
	check_area(&other);
	wait_child(pid);

	/* Kept again from now on. */
	REQUIRE(madvise(other.mem, other.nr_pages * PAGE, MADV_KEEPONFORK) == 0);
	pid = start_child();
	check_area(&area);
	check_area(&other);
	if (pid == 0)
		end_child();
	wait_child(pid);
}

/* Kept again before the first fork, while everything is owed. */
static void keep_on_fork(void)
{
	REQUIRE(madvise(other.mem, other.nr_pages * PAGE, MADV_KEEPONFORK) == 0);

	pid_t pid = start_child();

	check_area(&other);
	check_area(&area);
	if (pid == 0)
		end_child();
	wait_child(pid);
}

static void prepare_dontfork(void)
{
	prepare();
	REQUIRE(madvise(other.mem, other.nr_pages * PAGE, MADV_DONTFORK) == 0);
}

/* What is not forked is free in the child, who may put memory of its own there. */
static void dont_fork(void)
{
	pid_t pid;

	advise_pieces(MADV_DONTFORK);
	pid = start_child();
	if (pid == 0) {
		for (size_t nr = 0; nr < area.nr_pages; nr += PIECE)
			if (is_picked(nr))
				(void)map_memory_at(area.mem + nr * PAGE, PIECE * PAGE);
		(void)map_memory_at(other.mem, other.nr_pages * PAGE);
		nap_ms(5);
		check_wiped();
		end_child();
	}
	check_area(&area);
	check_area(&other);
	wait_child(pid);
}

/* MADV_REMOVE is for shared memory, which is not lazy, beside memory that is. */
static uint8_t *shared;

static void prepare_remove(void)
{
	prepare();
	shared = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED);
	for (size_t nr = 0; nr < 4 * MIB / PAGE; nr++)
		fill_page(shared + nr * PAGE, 55, nr);
}

static void remove_shared(void)
{
	size_t half = 2 * MIB / PAGE;

	REQUIRE(madvise(shared, 2 * MIB, MADV_REMOVE) == 0);
	check_zero(shared, half);
	check_pages(shared + 2 * MIB, 55, half, half);
	REQUIRE(madvise(area.mem, PAGE, MADV_REMOVE) < 0 && errno == EINVAL);
	check_area(&area);
	check_area(&other);
}

const struct scenario advise_scenarios[] = {
	{ "discard", prepare, discard },
	{ "discard-and-look", prepare, discard_and_look },
	{ "let-free", prepare, let_free },
	{ "populate", prepare, populate },
	{ "wipe-on-fork", prepare_wipe, wipe_on_fork },
	{ "keep-on-fork", prepare_wipe, keep_on_fork },
	{ "dont-fork", prepare_dontfork, dont_fork },
	{ "remove-shared", prepare_remove, remove_shared },
	{ NULL, NULL, NULL },
};
