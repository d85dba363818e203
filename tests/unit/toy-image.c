/* tests/unit/toy-image.c - see toy-image.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/toy-image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void oops(const char *what)
{
	perror(what);
	abort();
}

#define FACTOR UINT64_C(0x9e3779b97f4a7c15)

uint64_t toy_word(uint64_t addr)
{
	return addr * FACTOR | 1;
}

uint64_t toy_addr(uint64_t word)
{
	uint64_t inverse = FACTOR; /* of an odd number modulo 2^64, by Newton's iteration */

	for (int i = 0; i < 6; i++)
		inverse *= 2 - FACTOR * inverse;
	return (word & ~UINT64_C(1)) * inverse;
}

/* What restore/source.c asks of images/image.c: the image is the toy. */
size_t fi_image_nr_pages_files(const struct fi_image *image)
{
	return 1;
}

const struct fi_pages_file *fi_image_pages_file(const struct fi_image *image, size_t i)
{
	return &((const struct toy *)(const void *)image)->pages;
}

/* And restore/pools.c: the toy has no tasks. */
size_t fi_image_nr_tasks(const struct fi_image *image)
{
	return 0;
}

const struct fi_task_image *fi_image_task(const struct fi_image *image, size_t i)
{
	return NULL;
}

const struct fi_pagemap *fi_image_segment(const struct fi_image *image, uint32_t id)
{
	return NULL;
}

bool fi_image_is_anonymous(const struct fi_image *image, uint64_t id, uint32_t *segment)
{
	return false;
}

static void make_bytes(struct toy *toy)
{
	uint64_t *words = NULL;

	if (toy->pages.size) {
		/* A sparse file: pages nobody asks for cost nothing. */
		toy->pages.fd = memfd_create("toy-pages", MFD_CLOEXEC);
		if (toy->pages.fd < 0 || ftruncate(toy->pages.fd, (off_t)toy->pages.size) < 0)
			oops("memfd");
		words = mmap(NULL, toy->pages.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     toy->pages.fd, 0);
		if (words == MAP_FAILED)
			oops("mmap");
	}
	toy->pages.map = (const uint8_t *)words;
	/* Huge images are for their addresses only. */
	for (size_t i = 0; i < toy->pagemap.nr_runs && toy->pages.size <= UINT64_C(1) << 26; i++) {
		const struct fi_run *run = &toy->runs[i];

		for (uint64_t page = 0; run->kind == FI_RUN_DATA && page < run->nr_pages; page++)
			for (uint64_t w = 0; w < PAGE / 8; w++)
				words[(run->file_off + page * PAGE) / 8 + w] =
					toy_word(run->addr + page * PAGE);
	}
}

struct toy *toy_new(const struct fi_vma *vmas, size_t nr_vmas, const struct fi_run *runs,
		    size_t nr_runs)
{
	struct toy *toy = calloc(1, sizeof(*toy));

	if (!toy)
		oops("calloc");
	toy->vmas = calloc(nr_vmas + 1, sizeof(*vmas));
	toy->runs = calloc(nr_runs + 1, sizeof(*runs));
	if (!toy->vmas || !toy->runs)
		oops("calloc");
	if (nr_vmas)
		memcpy(toy->vmas, vmas, nr_vmas * sizeof(*vmas));
	toy->mm = (struct fi_mm){ toy->vmas, nr_vmas };
	for (size_t i = 0; i < nr_runs; i++) {
		struct fi_run *run = &toy->runs[i];

		*run = runs[i];
		run->lazy_rank = toy->pagemap.nr_lazy_pages;
		toy->pagemap.nr_pages += run->nr_pages;
		if (run->lazy)
			toy->pagemap.nr_lazy_pages += run->nr_pages;
		if (run->kind == FI_RUN_DATA) {
			run->file_off = toy->pages.size;
			toy->pages.size += run->nr_pages * PAGE;
		}
	}
	toy->pagemap.runs = toy->runs;
	toy->pagemap.nr_runs = nr_runs;
	toy->pages.name = "toy";
	toy->pages.fd = -1;
	make_bytes(toy);
	toy->task = (struct fi_task_image){
		.vpid = 7, .nr_threads = 1, .comm = "toy", .mm = &toy->mm, .pagemap = &toy->pagemap
	};
	if (fi_source_new((const struct fi_image *)(const void *)toy, &toy->source) < 0)
		oops("fi_source_new");
	return toy;
}

void toy_free(struct toy *toy)
{
	fi_source_free(toy->source);
	if (toy->pages.size) {
		(void)munmap((void *)(uintptr_t)toy->pages.map, toy->pages.size);
		(void)close(toy->pages.fd);
	}
	free(toy->vmas);
	free(toy->runs);
	free(toy);
}

struct toy *toy_simple(uint64_t start, uint64_t nr_pages)
{
	const struct fi_vma vma = { .start = start, .end = start + nr_pages * PAGE, .lazy = true };
	const struct fi_run run = {
		.addr = start, .nr_pages = (uint32_t)nr_pages, .kind = FI_RUN_DATA, .lazy = true
	};

	return toy_new(&vma, 1, &run, 1);
}

uint64_t toy_origin(const struct toy *toy, const void *bytes)
{
	uint64_t off = (uint64_t)((const uint8_t *)bytes - toy->pages.map);

	for (size_t i = 0; i < toy->pagemap.nr_runs; i++) {
		const struct fi_run *run = &toy->runs[i];

		if (run->kind == FI_RUN_DATA && off >= run->file_off &&
		    off - run->file_off < run->nr_pages * PAGE)
			return run->addr + (off - run->file_off);
	}
	abort();
}

uint64_t toy_seed(const char *what)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0)
		     : (uint64_t)now.tv_sec * 1000003 ^ (uint64_t)now.tv_nsec;
	printf("# %s: TEST_SEED=%" PRIu64 "\n", what, seed);
	return seed;
}

uint64_t toy_random(uint64_t *state, uint64_t below)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return below ? z % below : 0;
}
