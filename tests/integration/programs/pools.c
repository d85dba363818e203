/* tests/integration/programs/pools.c - what becomes of shared anonymous memory while it is on its way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A parent and a sibling that is its child share one area.  They tell each other of their steps in a
 * page that is too small a segment to be lazy.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

#define LEN (8 * MIB)
#define NR  (LEN / PAGE)

static struct area area, other;
static atomic_uint *steps;
static pid_t sibling;

static void *map_shared(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

static void make_shared(uint64_t seed)
{
	steps = map_shared(PAGE);
	atomic_store(steps, 0);
	area = (struct area){ .mem = map_shared(LEN), .nr_pages = NR, .seed = seed };
	for (size_t i = 0; i < NR; i++)
		fill_page(area.mem + i * PAGE, seed, i);
}

static void await_step(unsigned step)
{
	while (atomic_load(steps) < step)
		nap_ms(1);
}

static void next_step(void)
{
	atomic_fetch_add(steps, 1);
}

/* The sibling does @run after the restore. */
static void start_sibling(void (*run)(void))
{
	sibling = start_child();
	if (sibling != 0)
		return;
	wait_for_go();
	run();
	end_child();
}

static void check_some(size_t first, size_t nr)
{
	check_pages(area.mem + first * PAGE, area.seed, first, nr);
}

/* --- a fork ---------------------------------------------------------------------------------- */

static void prepare_forks(void)
{
	make_shared(201);
}

static void run_forks(void)
{
	pid_t child;

	check_some(100, 3);
	child = start_child();
	if (child == 0) {
		pid_t grandchild = start_child();

		check_area(&area);
		if (grandchild == 0)
			end_child();
		wait_child(grandchild);
		for (size_t i = 0; i < 16; i++)
			fill_page(area.mem + i * PAGE, area.seed + 1, i);
		end_child();
	}
	check_some(NR / 2, NR / 2);
	wait_child(child);
	check_pages(area.mem, area.seed + 1, 0, 16);
	check_some(16, NR - 16);
}

/* --- what is discarded ----------------------------------------------------------------------- */

static void check_discarded(void)
{
	check_zero(area.mem, NR / 4);
	check_some(NR / 4, NR / 2);
	check_zero(area.mem + 3 * LEN / 4, NR / 4);
}

/* Reads what nobody discards while the parent discards, and discards something itself. */
static void discard_too(void)
{
	for (size_t i = NR / 4; i < 3 * NR / 4; i += 7)
		check_some(i, 1);
	REQUIRE(madvise(area.mem + 3 * LEN / 4, LEN / 4, MADV_REMOVE) == 0);
	next_step();
	await_step(2);
	check_discarded();
}

static void prepare_removes(void)
{
	make_shared(202);
	start_sibling(discard_too);
}

static void run_removes(void)
{
	/* Of its page table only: the bytes stay. */
	REQUIRE(madvise(area.mem + LEN / 4, LEN / 4, MADV_DONTNEED) == 0);
	REQUIRE(madvise(area.mem, LEN / 4, MADV_REMOVE) == 0);
	next_step();
	await_step(2);
	check_discarded();
	wait_child(sibling);
}

/* --- what moves ------------------------------------------------------------------------------ */

/* It had the first half only; there may be room behind that, or not. */
static void grow(void)
{
	uint8_t *mem = mremap(area.mem, LEN / 2, LEN, MREMAP_MAYMOVE);

	REQUIRE(mem != MAP_FAILED);
	check_pages(mem, area.seed, 0, NR);
}

static void prepare_moves(void)
{
	make_shared(203);
	sibling = start_child();
	if (sibling != 0)
		return;
	REQUIRE(munmap(area.mem + LEN / 2, LEN / 2) == 0);
	wait_for_go();
	grow();
	end_child();
}

static void run_moves(void)
{
	uint8_t *there = map_memory(LEN / 4), *twice;

	/* A duplicate: the event has no length. */
	twice = mremap(area.mem + LEN / 4, 0, LEN / 2, MREMAP_MAYMOVE);
	REQUIRE(twice != MAP_FAILED);
	REQUIRE(mremap(area.mem, LEN / 4, LEN / 4, MREMAP_MAYMOVE | MREMAP_FIXED, there) == there);
	REQUIRE(munmap(area.mem + LEN / 4, LEN / 4) == 0);
	check_pages(there, area.seed, 0, NR / 4);
	check_pages(twice, area.seed, NR / 4, NR / 2);
	check_some(NR / 2, NR / 2);
	wait_child(sibling);
}

/* --- writing --------------------------------------------------------------------------------- */

static void write_every_other(size_t first)
{
	for (size_t i = first; i < NR; i += 2)
		fill_page(area.mem + i * PAGE, area.seed + 1, i);
	next_step();
	await_step(2);
	check_pages(area.mem, area.seed + 1, 0, NR);
}

static void write_odd(void)
{
	write_every_other(1);
}

static void prepare_writes(void)
{
	make_shared(204);
	start_sibling(write_odd);
}

static void run_writes(void)
{
	write_every_other(0);
	wait_child(sibling);
}

/* --- a hole, rights, and an end -------------------------------------------------------------- */

#define HOLE_FROM (NR / 4)
#define HOLE_NR	  (NR / 4)

static void read_only(void)
{
	check_some(0, HOLE_FROM);
	check_zero(area.mem + (HOLE_FROM + 1) * PAGE, HOLE_NR - 1);
	await_step(1);
	check_page(area.mem + HOLE_FROM * PAGE, area.seed + 1, HOLE_FROM);
	REQUIRE(kill(getpid(), SIGKILL) == 0);
}

static void prepare_holes(void)
{
	make_shared(205);
	REQUIRE(madvise(area.mem + HOLE_FROM * PAGE, HOLE_NR * PAGE, MADV_REMOVE) == 0);
	sibling = start_child();
	if (sibling != 0)
		return;
	REQUIRE(mprotect(area.mem, LEN, PROT_READ) == 0);
	wait_for_go();
	read_only();
}

static void run_holes(void)
{
	int status;

	/* Of one mapping three; no event tells of it. */
	REQUIRE(mprotect(area.mem + LEN / 2, LEN / 4, PROT_READ) == 0);
	fill_page(area.mem + HOLE_FROM * PAGE, area.seed + 1, HOLE_FROM);
	next_step();
	REQUIRE(waitpid(sibling, &status, 0) == sibling && WIFSIGNALED(status));
	check_some(0, HOLE_FROM);
	check_zero(area.mem + (HOLE_FROM + 1) * PAGE, HOLE_NR - 1);
	check_some(HOLE_FROM + HOLE_NR, NR - HOLE_FROM - HOLE_NR);
}

/* --- two segments ---------------------------------------------------------------------------- */

/* The parent's turn comes when somebody says so: the sibling's may not be over. */
static void read_area(void)
{
	check_area(&area);
}

static void prepare_two(void)
{
	make_shared(207);
	other = (struct area){ .mem = map_shared(LEN / 2), .nr_pages = NR / 2, .seed = 208 };
	for (size_t i = 0; i < other.nr_pages; i++)
		fill_page(other.mem + i * PAGE, other.seed, i);
	start_sibling(read_area);
}

static void run_two(void)
{
	wait_for_file("next");
	check_area(&other);
	say("other", other.nr_pages);
	wait_child(sibling);
	check_area(&area);
}

/* --- one that cannot be lazy ----------------------------------------------------------------- */

static uint8_t *private;

/* Somebody has a private mapping, too, in which nothing can be watched as it is in shared ones. */
static void prepare_private(void)
{
	char path[96];
	int fd;

	make_shared(206);
	(void)snprintf(path, sizeof(path), "/proc/self/map_files/%" PRIxPTR "-%" PRIxPTR,
		       (uintptr_t)area.mem, (uintptr_t)area.mem + LEN);
	fd = open(path, O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
	private = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	REQUIRE(private != MAP_FAILED);
	(void)close(fd);
	fill_page(private, area.seed + 1, 0);
}

static void run_private(void)
{
	check_page(private, area.seed + 1, 0);
	check_pages(private + PAGE, area.seed, 1, NR - 1);
	check_area(&area);
}

const struct scenario pool_scenarios[] = {
	{ "pool-forks", prepare_forks, run_forks },
	{ "pool-removes", prepare_removes, run_removes },
	{ "pool-moves", prepare_moves, run_moves },
	{ "pool-writes", prepare_writes, run_writes },
	{ "pool-holes", prepare_holes, run_holes },
	{ "pool-two", prepare_two, run_two },
	{ "pool-private", prepare_private, run_private },
	{ NULL, NULL, NULL },
};
