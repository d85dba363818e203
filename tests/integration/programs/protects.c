/* tests/integration/programs/protects.c - mprotect(2): VMAs split and no event tells of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "scenario.h"

static struct area area;

static void prepare(void)
{
	area = make_area(32 * MIB, 41);
}

static void protect(size_t first, size_t nr_pages, int prot)
{
	REQUIRE(mprotect(area.mem + first * PAGE, nr_pages * PAGE, prot) == 0);
}

/* Every other page of a half, and pieces of odd sizes in the other. */
static void protect_stripes(int prot)
{
	size_t half = area.nr_pages / 2, size = 1;

	for (size_t nr = 0; nr < half; nr += 2)
		protect(nr, 1, prot);
	for (size_t nr = half; nr + 2 * size < area.nr_pages; nr += 2 * size, size = size % 37 + 1)
		protect(nr, size, prot);
}

static void write_all(uint64_t seed)
{
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		fill_page(area.mem + nr * PAGE, seed, nr);
	check_pages(area.mem, seed, 0, area.nr_pages);
}

static void protect_read(void)
{
	protect_stripes(PROT_READ);
	check_area(&area);
	protect(0, area.nr_pages, PROT_READ | PROT_WRITE);
	check_area(&area);
	write_all(42);
}

/* Nobody can touch the pages while the drain goes over them. */
static void protect_none(void)
{
	protect_stripes(PROT_NONE);
	nap_ms(5);
	protect(0, area.nr_pages, PROT_NONE);
	nap_ms(5);
	protect(0, area.nr_pages, PROT_READ);
	check_area(&area);
	protect(0, area.nr_pages, PROT_READ | PROT_WRITE);
	write_all(43);
}

static void protect_and_fork(void)
{
	protect_stripes(PROT_READ);

	pid_t pid = start_child();

	if (pid == 0) {
		protect(0, area.nr_pages, PROT_READ | PROT_WRITE);
		check_area(&area);
		write_all(44);
		end_child();
	}
	check_area(&area);
	wait_child(pid);
	check_area(&area);
}

static sigjmp_buf jump;

static void on_segv(int sig)
{
	siglongjmp(jump, sig);
}

/* A write to owed memory that is read-only is the program's own fault, and stays one. */
static void protect_segv(void)
{
	struct sigaction act = { .sa_handler = on_segv, .sa_flags = SA_NODEFER };
	volatile size_t refused = 0;

	REQUIRE(sigaction(SIGSEGV, &act, NULL) == 0);
	protect_stripes(PROT_READ);
	for (volatile size_t nr = 0; nr < 64; nr++) {
		if (sigsetjmp(jump, 1)) {
			refused++;
			continue;
		}
		((volatile uint8_t *)area.mem)[nr * PAGE] = (uint8_t)pattern_word(area.seed, nr, 0);
	}
	if (refused != 32)
		fail("%zu of 64 writes were refused, expected 32", refused);
	check_area(&area);
}

/* --- vm.max_map_count ----------------------------------------------------------------------- */

#define MANY_MAPS ((size_t)1 << 17) /* twice what the kernel allows, unless it was told otherwise */

static void *never_written; /* watched, and nothing of it is in the image */

static void prepare_crowded(void)
{
	prepare();
	never_written = map_memory(8 * MIB);
}

/* Takes every mapping that this process may have.  Where it may have more than that, *@all is false. */
static void *take_all_maps(bool *all)
{
	uint8_t *mem = mmap(NULL, MANY_MAPS * PAGE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t nr = 1;

	REQUIRE(mem != MAP_FAILED);
	while (nr < MANY_MAPS && mprotect(mem + nr * PAGE, PAGE, PROT_READ) == 0)
		nr += 2;
	*all = nr < MANY_MAPS;
	REQUIRE(!*all || errno == ENOMEM);
	return mem;
}

static void protect_crowded(void)
{
	void *maps;
	bool all;

	protect_stripes(PROT_READ);
	maps = take_all_maps(&all);
	REQUIRE(!all || (munmap((uint8_t *)never_written + 3 * PAGE, PAGE) < 0 && errno == ENOMEM));
	check_zero(never_written, 4 * MIB / PAGE);
	check_area(&area);
	for (int i = 0; i < 50; i++) /* whatever ends meanwhile ends without a mapping to spare */
		nap_ms(4);
	check_area(&area);
	check_zero(never_written, 8 * MIB / PAGE);
	REQUIRE(munmap(maps, MANY_MAPS * PAGE) == 0);
	protect(0, area.nr_pages, PROT_READ | PROT_WRITE);
	write_all(44);
}

const struct scenario protect_scenarios[] = {
	{ "protect-read", prepare, protect_read },
	{ "protect-none", prepare, protect_none },
	{ "protect-fork", prepare, protect_and_fork },
	{ "protect-segv", prepare, protect_segv },
	{ "protect-crowded", prepare_crowded, protect_crowded },
	{ NULL, NULL, NULL },
};
