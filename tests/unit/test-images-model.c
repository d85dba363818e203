/* tests/unit/test-images-model.c - random pagemaps and parent chains against a page-by-page model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model says for each page and level whether it is absent, zero, in that level's pages file or
 * in the parent; the images are written from it with entries cut at random and in the ways of all
 * generations of CRIU.  What the library says of each page must be what the model says.  A failure
 * names its seed.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/image-builder.h"

#define NR_SEEDS   400
#define MAX_LEVELS 6
#define MAX_PAGES  160
#define BASE	   UINT64_C(0x7f0000000000)
#define VPID	   77

enum place { ABSENT, ZERO, HERE, PARENT };

struct model {
	unsigned seed; /* of the generator, which moves it on */
	size_t nr_levels, nr_pages;
	enum place place[MAX_LEVELS][MAX_PAGES];
	uint64_t in_file[MAX_LEVELS][MAX_PAGES]; /* page number in the level's file, if HERE */
	uint64_t nr_in_file[MAX_LEVELS];
	bool lazy[MAX_PAGES];
	size_t vma[MAX_PAGES]; /* number of the VMA it is in; 0 for none */
	struct fi_vma vmas[MAX_PAGES + 1];
	size_t nr_vmas;
};

static unsigned pick(struct model *m, unsigned below)
{
	m->seed = m->seed * 1103515245 + 12345;
	return (m->seed >> 8) % below;
}

static uint64_t page_addr(size_t page)
{
	return BASE + page * FI_PAGE_SIZE;
}

static void make_vmas(struct model *m)
{
	size_t page = 0, len;
	struct fi_vma *vma;

	m->nr_vmas = 0;
	while (page < m->nr_pages) {
		len = 1 + pick(m, 24);
		if (len > m->nr_pages - page)
			len = m->nr_pages - page;
		if (pick(m, 4) > 0) {
			vma = &m->vmas[m->nr_vmas++];
			*vma = builder_anon(page_addr(page), page_addr(page + len));
			if (pick(m, 4) == 0)
				vma->flags &= ~UINT32_C(0x20); /* of a file: not lazy */
			else
				vma->lazy = true;
		}
		for (; len > 0; len--, page++)
			m->vma[page] = m->nr_vmas && m->vmas[m->nr_vmas - 1].end > page_addr(page)
					       ? m->nr_vmas
					       : 0;
	}
	if (m->nr_vmas == 0)
		m->vmas[m->nr_vmas++] =
			builder_anon(page_addr(m->nr_pages), page_addr(m->nr_pages + 1));
}

/* Some stretch of like pages, as programs have them. */
static enum place pick_place(struct model *m, enum place before, bool may_be_parent)
{
	if (pick(m, 3) > 0 && (before != PARENT || may_be_parent))
		return before;
	switch (pick(m, 6)) {
	case 0:
		return ABSENT;
	case 1:
		return ZERO;
	case 2:
	case 3:
		return HERE;
	default:
		return may_be_parent ? PARENT : HERE;
	}
}

static void make_model(struct model *m, unsigned seed)
{
	enum place before = ABSENT;
	size_t level, page;
	bool lazy = false;

	memset(m, 0, sizeof(*m));
	m->seed = seed;
	m->nr_levels = 1 + pick(m, MAX_LEVELS);
	m->nr_pages = 1 + pick(m, MAX_PAGES);
	make_vmas(m);
	for (level = m->nr_levels; level-- > 0;)
		for (page = 0; page < m->nr_pages; page++) {
			before = pick_place(m, before,
					    level + 1 < m->nr_levels &&
						    m->place[level + 1][page] != ABSENT);
			m->place[level][page] = level == 0 && m->vma[page] == 0 ? ABSENT : before;
			if (m->place[level][page] == HERE)
				m->in_file[level][page] = m->nr_in_file[level]++;
		}
	for (page = 0; page < m->nr_pages; page++) {
		if (pick(m, 5) == 0)
			lazy = !lazy;
		m->lazy[page] = lazy && m->vma[page] && m->vmas[m->vma[page] - 1].lazy &&
				(m->place[0][page] == HERE || m->place[0][page] == PARENT);
	}
}

/* One of the ways to write the same entry. */
static Fi__Pb__PagemapEntry make_entry(struct model *m, size_t page, size_t nr, enum place place,
				       bool lazy)
{
	Fi__Pb__PagemapEntry entry = builder_entry(page_addr(page), nr,
						   (place == HERE     ? PE_PRESENT
						    : place == PARENT ? PE_PARENT
								      : 0) |
							   (lazy ? PE_LAZY : 0));

	if (pick(m, 2)) {
		entry.nr_pages_32 = (uint32_t)nr;
		entry.has_nr_pages_64 = pick(m, 2);
	}
	if (place == PARENT && pick(m, 3) == 0) {
		entry.has_in_parent = true;
		entry.in_parent = true;
		entry.has_flags = lazy || pick(m, 2);
	} else if (place == HERE && !lazy && pick(m, 3) == 0) {
		entry.has_flags = false;
	}
	return entry;
}

static void write_level(struct model *m, const struct builder *b, size_t level)
{
	Fi__Pb__PagemapEntry entries[MAX_PAGES];
	size_t page = 0, nr = 0, len;

	while (page < m->nr_pages) {
		enum place place = m->place[level][page];
		bool lazy = level == 0 ? m->lazy[page] : place != ZERO && pick(m, 2);

		if (place == ABSENT) {
			page++;
			continue;
		}
		for (len = 1; page + len < m->nr_pages; len++)
			if (m->place[level][page + len] != place || pick(m, 6) == 0 ||
			    (level == 0 && m->lazy[page + len] != lazy))
				break;
		entries[nr++] = make_entry(m, page, len, place, lazy);
		page += len;
	}
	builder_inventory(b, b->version);
	builder_pagemap(b, VPID, 3, entries, nr);
	if (m->nr_in_file[level] > 0 || pick(m, 2))
		builder_pages(b, 3, m->nr_in_file[level], level + 1);
}

static void write_model(struct model *m, struct builder builders[MAX_LEVELS])
{
	const struct builder_task task = { VPID, 0, 1 };
	size_t level;

	builder_init(&builders[0]);
	builders[0].version = 1 + pick(m, 2);
	builder_pstree(&builders[0], &task, 1);
	builder_core(&builders[0], VPID, 1, "model");
	builder_mm(&builders[0], VPID, m->vmas, m->nr_vmas);
	write_level(m, &builders[0], 0);
	for (level = 1; level < m->nr_levels; level++) {
		builder_subdir(&builders[level - 1], "parent", &builders[level]);
		write_level(m, &builders[level], level);
	}
}

/* Where the model finds a page at last; *@ret_level is set if that is HERE. */
static enum place model_resolve(const struct model *m, size_t page, size_t *ret_level)
{
	size_t level = 0;

	while (m->place[level][page] == PARENT)
		level++;
	*ret_level = level;
	return m->place[level][page];
}

static const struct fi_run *linear_find(const struct fi_pagemap *pm, uint64_t addr)
{
	size_t i;

	for (i = 0; i < pm->nr_runs; i++)
		if (addr >= pm->runs[i].addr && addr < fi_run_end(&pm->runs[i]))
			return &pm->runs[i];
	return NULL;
}

static size_t linear_lower_bound(const struct fi_pagemap *pm, uint64_t addr)
{
	size_t i;

	for (i = 0; i < pm->nr_runs && fi_run_end(&pm->runs[i]) <= addr; i++)
		;
	return i;
}

static void check_page(const struct model *m, const struct fi_image *image, size_t page)
{
	const struct fi_pagemap *pm = fi_image_task(image, 0)->pagemap;
	uint64_t addr = page_addr(page), stamp;
	const struct fi_pages_file *file;
	const struct fi_run *run = fi_pagemap_find(pm, addr);
	enum place place;
	size_t level;

	assert_ptr_equal(run, linear_find(pm, addr));
	assert_ptr_equal(run, fi_pagemap_find(pm, addr + FI_PAGE_SIZE - 1));
	assert_int_equal(fi_pagemap_lower_bound(pm, addr), linear_lower_bound(pm, addr));

	place = model_resolve(m, page, &level);
	assert_int_equal(run != NULL, place != ABSENT);
	if (!run)
		return;
	assert_int_equal(run->lazy, m->lazy[page]);
	assert_int_equal(run->kind, place == ZERO ? FI_RUN_ZERO : FI_RUN_DATA);
	if (place == ZERO)
		return;
	file = fi_image_pages_file(image, run->file);
	memcpy(&stamp, file->map + run->file_off + (addr - run->addr), sizeof(stamp));
	assert_int_equal(stamp, builder_stamp(level + 1, m->in_file[level][page]));
}

/* Runs are as long as they can be: two neighbours differ, or a VMA ends between them. */
static void check_joined(const struct fi_image *image)
{
	const struct fi_task_image *task = fi_image_task(image, 0);
	const struct fi_run *run = task->pagemap->runs;
	size_t i;

	for (i = 1; i < task->pagemap->nr_runs; i++, run++) {
		if (fi_run_end(run) != run[1].addr ||
		    fi_mm_find(task->mm, run->addr) != fi_mm_find(task->mm, run[1].addr))
			continue;
		assert_true(run->kind != run[1].kind || run->lazy != run[1].lazy ||
			    (run->kind == FI_RUN_DATA &&
			     (run->file != run[1].file ||
			      run->file_off + run->nr_pages * FI_PAGE_SIZE != run[1].file_off)));
	}
}

static void check_ranks(const struct model *m, const struct fi_image *image)
{
	const struct fi_pagemap *pm = fi_image_task(image, 0)->pagemap;
	const struct fi_run *run;
	uint64_t rank = 0;
	size_t page;

	for (page = 0; page < m->nr_pages; page++) {
		if (!m->lazy[page])
			continue;
		run = fi_pagemap_find_rank(pm, rank);
		assert_ptr_equal(run, fi_pagemap_find(pm, page_addr(page)));
		assert_int_equal(run->addr + (rank - run->lazy_rank) * FI_PAGE_SIZE,
				 page_addr(page));
		rank++;
	}
	assert_int_equal(rank, pm->nr_lazy_pages);
}

static void check_vma_lookup(const struct model *m, const struct fi_image *image)
{
	const struct fi_mm *mm = fi_image_task(image, 0)->mm;
	const struct fi_vma *vma;
	size_t page;

	assert_int_equal(mm->nr_vmas, m->nr_vmas);
	for (page = 0; page < m->nr_pages; page++) {
		vma = fi_mm_find(mm, page_addr(page));
		assert_ptr_equal(vma, m->vma[page] ? &mm->vmas[m->vma[page] - 1] : NULL);
		if (vma)
			assert_int_equal(vma->lazy, m->vmas[m->vma[page] - 1].lazy);
	}
}

static unsigned last_seed;

static int say_last_seed(void **state)
{
	print_message("# last seed: %u\n", last_seed);
	return 0;
}

static void random_images_are_resolved_as_the_model_says(void **state)
{
	struct builder builders[MAX_LEVELS];
	struct fi_image *image;
	unsigned seed;
	size_t i;
	static struct model m;

	for (seed = 1; seed <= NR_SEEDS; seed++) {
		last_seed = seed;
		make_model(&m, seed);
		write_model(&m, builders);
		image = builder_open(&builders[0]);
		assert_image_holds(image);
		for (i = 0; i < m.nr_pages; i++)
			check_page(&m, image, i);
		check_joined(image);
		check_ranks(&m, image);
		check_vma_lookup(&m, image);
		fi_image_free(image);
		for (i = m.nr_levels; i-- > 0;)
			builder_done(&builders[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(random_images_are_resolved_as_the_model_says,
					  say_last_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
