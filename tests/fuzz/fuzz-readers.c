/* tests/fuzz/fuzz-readers.c - every reader of images/, on files in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a pack.  Each file goes to its own reader, whether or not the others are any good; then
 * all together are opened as an image.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/inspect/verify-parts.h"
#include "images/pagemap-file.h"
#include "images/parts.h"
#include "images/proto/pagemap.pb-c.h"
#include "tests/fuzz/fuzz.h"

/* The number in "STEM-NUMBER.img", if the name is of that kind. */
static bool is_of(const char *name, const char *stem, uint32_t *id)
{
	size_t len = strlen(stem);

	if (strncmp(name, stem, len) != 0 || name[len] != '-')
		return false;
	*id = (uint32_t)strtoul(name + len + 1, NULL, 10);
	return true;
}

static void check_mm(const struct fi_mm *mm)
{
	size_t i;

	for (i = 0; i < mm->nr_vmas; i++) {
		FUZZ_CHECK(mm->vmas[i].start < mm->vmas[i].end);
		FUZZ_CHECK(i == 0 || mm->vmas[i - 1].end <= mm->vmas[i].start);
		FUZZ_CHECK(fi_mm_find(mm, mm->vmas[i].start) == &mm->vmas[i]);
	}
}

static void check_pagemap(const struct fi_pagemap *pm)
{
	uint64_t pages = 0, lazy = 0;
	size_t i;

	for (i = 0; i < pm->nr_runs; i++) {
		const struct fi_run *run = &pm->runs[i];

		FUZZ_CHECK(run->nr_pages > 0 && run->addr % FI_PAGE_SIZE == 0);
		FUZZ_CHECK(i == 0 || fi_run_end(run - 1) <= run->addr);
		pages += run->nr_pages;
		if (!run->lazy)
			continue;
		lazy += run->nr_pages;
		if (lazy > UINT32_MAX)
			continue;
		FUZZ_CHECK(run->lazy_rank == lazy - run->nr_pages);
		FUZZ_CHECK(fi_pagemap_find_rank(pm, lazy - 1) == run);
	}
	FUZZ_CHECK(pm->nr_pages == pages && pm->nr_lazy_pages == lazy);
}

/* A pagemap with whatever mappings its task has, or with one that takes all. */
static void try_pagemap(const struct fi_chain *chain, const char *name, uint32_t vpid)
{
	const struct fi_vma all = { .start = 0,
				    .end = UINT64_MAX & ~(FI_PAGE_SIZE - 1),
				    .status = FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
				    .lazy = true };
	const struct fi_mm wide = { .vmas = &all, .nr_vmas = 1 };
	struct fi_pages_table pages = { .nr = 0 };
	struct fi_pagemap pm = { .runs = NULL };
	struct fi_mm mm = { .vmas = NULL };
	struct fi_error err = { "" };

	if (fi_pagemap_resolve(chain, name, &wide, &pages, &pm, &err) == 0) {
		check_pagemap(&pm);
		(void)fi_pages_check_owners(&pages, &err);
	}
	fi_pagemap_done(&pm);
	fi_pages_done(&pages);

	pm = (struct fi_pagemap){ .runs = NULL };
	if (fi_mm_read(&chain->dirs[0], vpid, &mm, &err) < 0)
		return;
	check_mm(&mm);
	if (fi_pagemap_resolve(chain, name, &mm, &pages, &pm, &err) == 0)
		check_pagemap(&pm);
	fi_pagemap_done(&pm);
	fi_pages_done(&pages);
	fi_mm_done(&mm);
}

static void try_pstree(const struct fi_image_dir *dir)
{
	const struct fi_task_image **index;
	struct fi_task_image *tasks;
	struct fi_error err = { "" };
	size_t nr, i;

	if (fi_pstree_read(dir, &tasks, &nr, &err) < 0)
		return;
	index = calloc(nr, sizeof(*index));
	if (index && fi_pstree_index(tasks, nr, index, &err) == 0)
		for (i = 0; i < nr; i++)
			FUZZ_CHECK(fi_pstree_find(index, nr, tasks[i].vpid) == &tasks[i]);
	free(index);
	free(tasks);
}

/* What is not read by protobuf-c must be what protobuf-c reads. */
static void compare_entry(const struct fi_pagemap_file *file, const struct fi_pagemap_entry *entry)
{
	const uint8_t *record = file->rd.buf + file->rd.start; /* all of the file is in memory */
	Fi__Pb__PagemapEntry *msg;
	uint32_t len;
	uint64_t nr;

	memcpy(&len, record, sizeof(len));
	msg = fi__pb__pagemap_entry__unpack(NULL, len, record + sizeof(len));
	FUZZ_CHECK(msg && msg->base.n_unknown_fields == 0);
	nr = msg->has_nr_pages_64 ? msg->nr_pages_64 : msg->nr_pages_32;
	FUZZ_CHECK(entry->addr == msg->vaddr && entry->end == entry->addr + nr * FI_PAGE_SIZE);
	FUZZ_CHECK(entry->flags == msg->flags || msg->has_in_parent || !msg->has_flags);
	fi__pb__pagemap_entry__free_unpacked(msg, NULL);
}

static void try_entries(const struct fi_image_dir *dir, const char *name)
{
	fi_auto_pagemap_file struct fi_pagemap_file file;
	struct fi_pagemap_entry entry;
	struct fi_error err = { "" };

	if (fi_pagemap_file_open(&file, dir, name, &err) < 0)
		return;
	while (fi_pagemap_file_next(&file, &entry, &err) > 0)
		compare_entry(&file, &entry);
}

static void try_file(const struct fi_chain *chain, const char *name)
{
	const struct fi_image_dir *dir = &chain->dirs[0];
	struct fi_task_image task = { .vpid = 0 };
	struct fi_error err = { "" };
	struct fi_mm mm = { .vmas = NULL };

	if (strcmp(name, "pstree.img") == 0)
		try_pstree(dir);
	if (is_of(name, "core", &task.vpid))
		(void)fi_core_read(dir, &task, &err);
	if (is_of(name, "mm", &task.vpid) && fi_mm_read(dir, task.vpid, &mm, &err) == 0) {
		check_mm(&mm);
		fi_mm_done(&mm);
	}
	if (is_of(name, "pagemap", &task.vpid)) {
		try_entries(dir, name);
		try_pagemap(chain, name, task.vpid);
	}
}

/* Every record of every file, of the kinds that only `verify` reads, too. */
static void try_records(const struct fi_image_dir *dir)
{
	fi_auto_verdict struct fi_verdict verdict = { .findings = NULL };
	struct fi_verifier v = { .verdict = &verdict };

	fi_verify_files(&v, dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack pack;
	struct fi_image_dir dir = { .fd = -EBADF };
	struct fi_image *image = NULL;
	struct fi_error err = { "" };
	struct fi_packed table;
	struct fi_chain chain;
	size_t i;

	pack_read(&pack, data, size);
	if (pack.options & PACK_FIT)
		pack_fit(&pack);
	table = pack_table(&pack);
	dir.packed = &table;

	chain.nr = 0;
	if (fi_chain_open(&chain, &dir, &err) == 0 &&
	    fi_image_read(&chain, true, &image, &err) == 0)
		for (i = 0; i < fi_image_nr_tasks(image); i++)
			if (fi_image_task(image, i)->pagemap)
				check_pagemap(fi_image_task(image, i)->pagemap);
	fi_image_free(image);
	if (chain.nr == 0) {
		chain.dirs[0] = dir;
		chain.nr = 1;
	}
	/* Whatever the inventory says. */
	chain.dirs[0].common_magic = !(pack.options & PACK_MORE);
	try_records(&chain.dirs[0]);
	for (i = 0; i < table.nr; i++)
		try_file(&chain, table.files[i].name);
	fi_chain_close(&chain);
	pack_free_table(&table);
	return 0;
}
