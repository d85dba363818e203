/* tests/integration/programs/forks.c - processes that a restored task forks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * At the instant of the fork the child owns what the parent owned, whether or not the kernel had
 * been given it, and from then on neither sees what the other writes.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

static struct area area;

static void prepare_32m(void)
{
	area = make_area(32 * MIB, 11);
}

static void fork_both(void)
{
	pid_t pid = start_child();

	if (pid == 0) {
		check_area(&area);
		end_child();
	}
	for (size_t nr = area.nr_pages; nr-- > 0;)
		check_page(area.mem + nr * PAGE, area.seed, nr);
	wait_child(pid);
}

#define CHAIN_DEPTH 12

static void prepare_chain(void)
{
	area = make_area(256 * MIB, 12);
}

/* Each level meets memory that its ancestors have touched in other places, and looks at all of it
 * when its descendants are gone. */
static void fork_chain(void)
{
	for (unsigned level = 0; level < CHAIN_DEPTH; level++) {
		for (size_t nr = level; nr < area.nr_pages; nr += 64)
			check_page(area.mem + nr * PAGE, area.seed, nr);

		pid_t pid = start_child();

		if (pid > 0) {
			wait_child(pid);
			check_area(&area);
			if (level > 0)
				end_child();
			return;
		}
	}
	check_area(&area);
	end_child();
}

#define WIDE 32

static void fork_wide(void)
{
	for (unsigned child = 0; child < WIDE; child++) {
		if (start_child() > 0)
			continue;
		/* All pages, each child in an order of its own. */
		for (size_t i = 0; i < area.nr_pages; i++) {
			size_t nr = (i * (2 * child + 1) + child * 257) % area.nr_pages;

			check_page(area.mem + nr * PAGE, area.seed, nr);
		}
		end_child();
	}
	check_area(&area);
	wait_children(WIDE);
}

static void prepare_16m(void)
{
	area = make_area(16 * MIB, 13);
}

extern char **environ;

static void spawn_nothing(void)
{
	char name[] = "scenarios", verb[] = "--nothing", *argv[] = { name, verb, NULL };
	pid_t pid;

	REQUIRE(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0);
}

/* One short-lived child of kind @i, not waited for. */
static void start_brief(unsigned i)
{
	size_t nr = (size_t)i * 37 % area.nr_pages;
	pid_t pid;

	switch (i % 6) {
	case 0: /* gone before anybody can look at it */
		if (start_child() == 0)
			_exit(0);
		return;
	case 1: /* execs at once */
		if (start_child() == 0) {
			exec_nothing();
			_exit(1);
		}
		return;
	case 2: /* borrows the parent's memory */
		pid = vfork();
		REQUIRE(pid >= 0);
		if (pid == 0)
			_exit(0);
		return;
	case 3:
		spawn_nothing();
		return;
	case 4: /* reads a little */
		if (start_child() == 0) {
			check_page(area.mem + nr * PAGE, area.seed, nr);
			end_child();
		}
		return;
	default: /* leaves a child of its own behind for a moment */
		if (start_child() == 0) {
			pid = start_child();
			check_page(area.mem + nr * PAGE, area.seed, nr);
			if (pid > 0)
				wait_child(pid);
			end_child();
		}
	}
}

#define STORM	    480
#define STORM_LIVES 16

static void fork_storm(void)
{
	for (unsigned i = 0; i < STORM; i++) {
		start_brief(i);
		if (i >= STORM_LIVES)
			wait_children(1);
	}
	wait_children(STORM_LIVES);
	check_area(&area);
}

static void tell(int fd)
{
	REQUIRE(write(fd, "x", 1) == 1);
}

static void hear(int fd)
{
	char byte;

	REQUIRE(read(fd, &byte, 1) == 1);
}

#define PARENTS_SEED 14
#define CHILDS_SEED  15

/* What a page holds when the parent (even pages) and the child (odd ones) have written. */
static void check_halves(uint64_t even_seed, uint64_t odd_seed)
{
	for (size_t nr = 0; nr < area.nr_pages; nr++)
		check_page(area.mem + nr * PAGE, nr % 2 ? odd_seed : even_seed, nr);
}

static void fork_write(void)
{
	int to_child[2], to_parent[2];
	pid_t pid;

	REQUIRE(pipe(to_child) == 0 && pipe(to_parent) == 0);
	pid = start_child();
	if (pid == 0) {
		(void)close(to_child[1]);
		(void)close(to_parent[0]);
		hear(to_child[0]); /* the parent has written half of its pages, half of them */
		check_halves(area.seed, area.seed);
		for (size_t nr = 1; nr < area.nr_pages; nr += 2)
			fill_page(area.mem + nr * PAGE, CHILDS_SEED, nr);
		tell(to_parent[1]);
		check_halves(area.seed, CHILDS_SEED);
		end_child();
	}
	(void)close(to_child[0]);
	(void)close(to_parent[1]);
	for (size_t nr = 0; nr < area.nr_pages; nr += 4)
		fill_page(area.mem + nr * PAGE, PARENTS_SEED, nr);
	tell(to_child[1]);
	for (size_t nr = 2; nr < area.nr_pages; nr += 4)
		fill_page(area.mem + nr * PAGE, PARENTS_SEED, nr);
	hear(to_parent[0]);
	check_halves(PARENTS_SEED, area.seed);
	wait_child(pid);
}

/* One word of each page is written on both sides at once: the rest of the page must still come. */
static void fork_write_words(void)
{
	pid_t pid = start_child();
	uint64_t mark = pid ? 0x706172656e74 : 0x6368696c64;

	for (size_t nr = 0; nr < area.nr_pages; nr++)
		((volatile uint64_t *)(area.mem + nr * PAGE))[nr % 512] = mark;
	for (size_t nr = 0; nr < area.nr_pages; nr++) {
		uint64_t *page = (uint64_t *)(area.mem + nr * PAGE);

		if (page[nr % 512] != mark)
			fail("page %zu: the mark reads %#llx", nr,
			     (unsigned long long)page[nr % 512]);
		page[nr % 512] = pattern_word(area.seed, nr, nr % 512);
		check_page(page, area.seed, nr);
	}
	if (pid == 0)
		end_child();
	wait_child(pid);
}

/* Three generations that hold still until the file "again" is there, so that they can be dumped a second
 * time; each has changed a page of its own by then. */
static void fork_and_hold(void)
{
	char forked[4096], again[4096];
	pid_t pid[2] = { 0 };
	unsigned self = 0;
	FILE *file;

	(void)snprintf(forked, sizeof(forked), "%s/forked", run_dir());
	(void)snprintf(again, sizeof(again), "%s/again", run_dir());
	while (self < 2 && (pid[self] = start_child()) == 0)
		self++;
	fill_page(area.mem + self * PAGE, 500 + self, self);

	file = fopen(forked, "a");
	REQUIRE(file && fprintf(file, "%d\n", getpid()) > 0 && fclose(file) == 0);
	while (access(again, F_OK) < 0)
		nap_ms(1);

	for (unsigned i = 0; i < 3; i++)
		check_page(area.mem + i * PAGE, i == self ? 500 + i : area.seed, i);
	check_pages(area.mem + 3 * PAGE, area.seed, 3, area.nr_pages - 3);
	if (self < 2)
		wait_child(pid[self]);
	if (self > 0)
		end_child();
}

const struct scenario fork_scenarios[] = {
	{ "fork-both", prepare_32m, fork_both },
	{ "fork-chain", prepare_chain, fork_chain },
	{ "fork-wide", prepare_32m, fork_wide },
	{ "fork-storm", prepare_16m, fork_storm },
	{ "fork-write", prepare_16m, fork_write },
	{ "fork-write-words", prepare_16m, fork_write_words },
	{ "fork-and-hold", prepare_32m, fork_and_hold },
	{ NULL, NULL, NULL },
};
