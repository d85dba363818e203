/* tests/unit/toy-image.h - an image of one task, made of C tables instead of files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every lazy or eager DATA page has bytes of its own in one pages file: each word of the page is
 * toy_word(its address at the dump).  Takes the place of images/image.c in a program.
 */
#ifndef FI_TESTS_TOY_IMAGE_H
#define FI_TESTS_TOY_IMAGE_H

#include "images/image.h"
#include "restore/source.h"

#define PAGE FI_PAGE_SIZE

struct toy {
	struct fi_task_image task;
	struct fi_mm mm;
	struct fi_pagemap pagemap;
	struct fi_pages_file pages;
	struct fi_vma *vmas;
	struct fi_run *runs;
	struct fi_source *source;
};

/* Of the runs, addr, nr_pages, kind and lazy are given; of the VMAs start, end, lazy and madv. */
struct toy *toy_new(const struct fi_vma *vmas, size_t nr_vmas, const struct fi_run *runs,
		    size_t nr_runs);
void toy_free(struct toy *toy);

/* One VMA [start, start + nr_pages), every page of it lazy data. */
struct toy *toy_simple(uint64_t start, uint64_t nr_pages);

uint64_t toy_word(uint64_t addr);
uint64_t toy_addr(uint64_t word); /* and back */

/* The address at the dump of the page whose bytes these are. */
uint64_t toy_origin(const struct toy *toy, const void *bytes);

/* Random numbers for tests: from $TEST_SEED, else ever new; the seed is printed. */
uint64_t toy_seed(const char *what);
uint64_t toy_random(uint64_t *state, uint64_t below);

#endif
