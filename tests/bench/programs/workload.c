/* tests/bench/programs/workload.c - the program that is dumped: what memory it has, what it does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     workload RUN_DIR area MIB | holes RUNS | tree PROCESSES PAGES_EACH
 *
 * Commands, in RUN_DIR/go: random COUNT KEY, walk, fraction PERCENT, idle, threads NR COUNT_EACH,
 * chain DEPTH, wide CHILDREN COUNT_EACH, storm CHILDREN; a tree takes touch and idle.  It lives on
 * after the result until it is killed.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

static const struct command {
	const char *name;
	unsigned nr_args;
	void (*run)(const struct area *area, const uint64_t *args);
} commands[] = {
	{ "random", 2, do_random }, { "walk", 0, do_walk },	  { "fraction", 1, do_fraction },
	{ "idle", 0, do_idle },	    { "threads", 2, do_threads }, { "chain", 1, do_chain },
	{ "wide", 2, do_wide },	    { "storm", 1, do_storm },
};

static void obey(const struct area *area, char **words, unsigned nr_words)
{
	uint64_t args[2] = { 0 };

	for (size_t i = 0; nr_words && i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *command = &commands[i];

		if (strcmp(words[0], command->name) != 0 || nr_words != 1 + command->nr_args)
			continue;
		for (unsigned arg = 0; arg < command->nr_args; arg++)
			args[arg] = number(words[1 + arg]);
		command->run(area, args);
		return;
	}
	fail("not a command");
}

int main(int argc, char **argv)
{
	struct area area;
	char *words[4];
	unsigned nr_words;

	if (argc == 5 && strcmp(argv[2], "tree") == 0) {
		tree_run(argv[1], (unsigned)number(argv[3]), number(argv[4]));
	} else if (argc == 4 && strcmp(argv[2], "area") == 0) {
		area = area_make(number(argv[3]) * MIB / PAGE_BYTES, 1);
		nr_words = await_command(argv[1], words, 4);
		obey(&area, words, nr_words);
	} else if (argc == 4 && strcmp(argv[2], "holes") == 0) {
		area = area_make_holes(number(argv[3]), 1);
		nr_words = await_command(argv[1], words, 4);
		obey(&area, words, nr_words);
	} else {
		(void)fprintf(stderr, "usage: workload RUN_DIR area MIB | holes RUNS | "
				      "tree PROCESSES PAGES_EACH\n");
		return 2;
	}
	for (;;)
		(void)pause();
}
