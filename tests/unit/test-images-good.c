/* tests/unit/test-images-good.c - images of every kind that CRIU writes, read right.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "images/frozen.h"
#include "tests/unit/image-builder.h"

static uint64_t stamp_at(const struct fi_image *image, const struct fi_run *run, uint64_t addr)
{
	const struct fi_pages_file *file = fi_image_pages_file(image, run->file);
	uint64_t stamp;

	memcpy(&stamp, file->map + run->file_off + (addr - run->addr), sizeof(stamp));
	return stamp;
}

static void assert_run(const struct fi_run *run, uint64_t addr, uint32_t nr_pages,
		       enum fi_run_kind kind, bool lazy)
{
	assert_int_equal(run->addr, addr);
	assert_int_equal(run->nr_pages, nr_pages);
	assert_int_equal(run->kind, kind);
	assert_int_equal(run->lazy, lazy);
}

static void assert_sample(const struct fi_image *image)
{
	const struct fi_task_image *task;
	const struct fi_pagemap *pm;

	assert_image_holds(image);

	assert_int_equal(fi_image_inventory(image)->version, 2);
	assert_true(fi_image_inventory(image)->common_magic);
	assert_int_equal(fi_image_nr_tasks(image), 3);
	assert_null(fi_image_find_task(image, 13));
	assert_null(fi_image_find_task(image, 0));

	task = fi_image_find_task(image, 11);
	assert_true(task->zombie);
	assert_int_equal(task->ppid, 10);
	task = fi_image_find_task(image, 12);
	assert_false(task->zombie);
	assert_string_equal(task->comm, "a-name-of-more-");

	task = fi_image_task(image, 0);
	assert_int_equal(task->vpid, 10);
	assert_int_equal(task->nr_threads, 2);
	assert_string_equal(task->comm, "root-task");
	assert_int_equal(task->mm->nr_vmas, 7); /* the guard is not one */
	assert_true(task->mm->vmas[0].lazy && task->mm->vmas[1].lazy);
	assert_int_equal(task->mm->vmas[1].prot, PROT_READ);
	assert_int_equal(task->mm->vmas[1].madv, UINT64_C(1) << MADV_DONTFORK);
	assert_int_equal(task->mm->vmas[2].shmid, 3);
	assert_int_equal(task->mm->vmas[2].pgoff, 0x1000);
	assert_false(task->mm->vmas[2].lazy); /* file */
	assert_false(task->mm->vmas[3].lazy); /* shared */
	assert_false(task->mm->vmas[4].lazy); /* locked */
	assert_false(task->mm->vmas[5].lazy); /* vdso */
	assert_false(task->mm->vmas[6].lazy); /* vsyscall */

	pm = task->pagemap;
	assert_int_equal(pm->nr_runs, 8);
	assert_int_equal(pm->nr_pages, 15);
	assert_int_equal(pm->nr_lazy_pages, 10);
	assert_run(&pm->runs[0], 0x10000, 4, FI_RUN_DATA, true);
	assert_run(&pm->runs[1], 0x14000, 2, FI_RUN_DATA, true);
	assert_run(&pm->runs[2], 0x1e000, 2, FI_RUN_DATA, true);
	assert_run(&pm->runs[3], 0x20000, 2, FI_RUN_DATA, true);
	assert_run(&pm->runs[4], 0x23000, 1, FI_RUN_ZERO, false);
	assert_run(&pm->runs[5], 0x40000, 2, FI_RUN_DATA, false);
	assert_int_equal(stamp_at(image, &pm->runs[0], 0x13000), builder_stamp(1, 3));
	assert_int_equal(stamp_at(image, &pm->runs[1], 0x14000), builder_stamp(3, 1));
	assert_int_equal(stamp_at(image, &pm->runs[1], 0x15000), builder_stamp(3, 2));
	assert_int_equal(stamp_at(image, &pm->runs[3], 0x21000), builder_stamp(1, 7));
	assert_int_equal(stamp_at(image, &pm->runs[7], 0x70000), builder_stamp(1, 11));
	assert_string_equal(fi_image_pages_file(image, pm->runs[0].file)->name, "pages-1.img");
	assert_string_equal(fi_image_pages_file(image, pm->runs[1].file)->name,
			    "parent/pages-1.img");
}

static void sample_is_read_right(void **state)
{
	fi_auto_image struct fi_image *image = NULL;
	struct builder b, parent;

	builder_sample(&b, &parent);
	image = builder_open(&b);
	assert_sample(image);
	builder_done(&parent);
	builder_done(&b);
}

/* An image that was frozen is there for others when the one that was read is gone. */
static void frozen_and_thawed(void **state)
{
	size_t before = nr_open_fds();
	struct fi_image *image, *thawed = NULL;
	struct builder b, parent;
	struct fi_error err;
	int frozen;

	builder_sample(&b, &parent);
	image = builder_open(&b);
	frozen = fi_image_freeze(image, &err);
	assert_true(frozen >= 0);
	fi_image_free(image);
	builder_done(&parent);
	builder_done(&b);

	assert_int_equal(fi_image_thaw(frozen, &thawed, &err), 0);
	assert_sample(thawed);
	for (size_t i = 0; i < fi_image_nr_pages_files(thawed); i++)
		assert_true(fi_image_holds_fd(thawed, fi_image_pages_file(thawed, i)->fd));
	assert_false(fi_image_holds_fd(thawed, frozen));
	assert_int_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, frozen, 0) == MAP_FAILED, true);
	fi_image_free(thawed);
	(void)close(frozen);
	assert_int_equal(nr_open_fds(), before);
}

static void what_was_not_frozen_is_refused(void **state)
{
	struct fi_image *thawed = NULL;
	struct fi_error err;
	int fd = memfd_create("short", MFD_CLOEXEC);

	assert_int_equal(fi_image_thaw(fd, &thawed, &err), -EBADMSG);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(fi_image_thaw(fd, &thawed, &err), -EBADMSG);
	assert_null(thawed);
	(void)close(fd);
}

static void deleting_an_open_image_does_not_matter(void **state)
{
	fi_auto_image struct fi_image *image = NULL;
	struct builder b, parent;

	builder_sample(&b, &parent);
	image = builder_open(&b);
	builder_done(&parent);
	builder_done(&b);
	assert_image_holds(image);
	assert_int_equal(stamp_at(image, &fi_image_task(image, 0)->pagemap->runs[1], 0x15000),
			 builder_stamp(3, 2));
}

static void descriptors_are_given_back(void **state)
{
	size_t before = nr_open_fds();
	struct builder b, parent;

	builder_sample(&b, &parent);
	fi_image_free(builder_open(&b));
	builder_done(&parent);
	builder_done(&b);
	assert_int_equal(nr_open_fds(), before);
	fi_image_free(NULL);
}

/* A one-task image in the making: its inventory, tree and core are written. */
static void begin(struct builder *b, uint32_t version)
{
	const struct builder_task task = { 7, 0, 1 };

	builder_init(b);
	b->version = version;
	builder_inventory(b, version);
	builder_pstree(b, &task, 1);
	builder_core(b, 7, 1, "seven");
}

/* Version 1 has no common magic, and images from before flags count in 32 bits. */
static void first_generation(void **state)
{
	const struct fi_vma vma = builder_anon(0x10000, 0x20000);
	Fi__Pb__PagemapEntry entries[3] = { FI__PB__PAGEMAP_ENTRY__INIT,
					    FI__PB__PAGEMAP_ENTRY__INIT,
					    FI__PB__PAGEMAP_ENTRY__INIT };
	fi_auto_image struct fi_image *image = NULL;
	const struct fi_pagemap *pm;
	struct builder b, parent;

	begin(&b, 1);
	builder_mm(&b, 7, &vma, 1);
	builder_subdir(&b, "parent", &parent); /* a directory will do in place of a link */
	entries[0].vaddr = 0x10000;
	entries[0].nr_pages_32 = 2;
	entries[1].vaddr = 0x12000;
	entries[1].nr_pages_32 = 1;
	entries[1].has_in_parent = true;
	entries[1].in_parent = true;
	entries[2].vaddr = 0x13000;
	entries[2].nr_pages_32 = 1;
	entries[2].has_in_parent = true;
	builder_pagemap(&b, 7, 5, entries, 3);
	builder_pages(&b, 5, 3, 5);
	/* No inventory here: CRIU did not always write one for a pre-dump. */
	entries[1].in_parent = false;
	builder_pagemap(&parent, 7, 9, &entries[1], 1);
	builder_pages(&parent, 9, 1, 9);

	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_inventory(image)->version, 1);
	assert_false(fi_image_inventory(image)->common_magic);
	pm = fi_image_task(image, 0)->pagemap;
	assert_int_equal(pm->nr_runs, 3);
	assert_int_equal(pm->nr_lazy_pages, 0);
	assert_int_equal(stamp_at(image, &pm->runs[0], 0x11000), builder_stamp(5, 1));
	assert_int_equal(stamp_at(image, &pm->runs[1], 0x12000), builder_stamp(9, 0));
	assert_int_equal(stamp_at(image, &pm->runs[2], 0x13000), builder_stamp(5, 2));
	builder_done(&parent);
	builder_done(&b);
}

/* A parent may be of another version than its child. */
static void parent_of_another_generation(void **state)
{
	fi_auto_image struct fi_image *image = NULL;
	const Fi__Pb__PagemapEntry entry = builder_entry(0x14000, 2, PE_PRESENT);
	struct builder b, parent;

	builder_sample(&b, &parent);
	parent.version = 1;
	builder_inventory(&parent, 1);
	builder_pagemap(&parent, 10, 4, &entry, 1);
	builder_pages(&parent, 4, 2, 4);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(stamp_at(image, &fi_image_task(image, 0)->pagemap->runs[1], 0x15000),
			 builder_stamp(4, 1));
	builder_done(&parent);
	builder_done(&b);
}

/* `criu pre-dump` leaves the version of its inventory at 0. */
static void parent_is_a_pre_dump(void **state)
{
	fi_auto_image struct fi_image *image = NULL;
	struct builder b, parent;

	builder_sample(&b, &parent);
	builder_inventory(&parent, 0);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(stamp_at(image, &fi_image_task(image, 0)->pagemap->runs[1], 0x15000),
			 builder_stamp(3, 2));
	builder_done(&parent);
	builder_done(&b);
}

static void pieces_of_one_range_are_joined(void **state)
{
	const struct fi_vma vmas[] = { builder_anon(0x10000, 0x20000),
				       builder_anon(0x20000, 0x30000) };
	const Fi__Pb__PagemapEntry entries[] = {
		builder_entry(0x10000, 2, PE_PRESENT | PE_LAZY),
		builder_entry(0x12000, 3, PE_PRESENT | PE_LAZY),
		builder_entry(0x15000, 1, PE_PRESENT),
		builder_entry(0x16000, 1, 0),
		builder_entry(0x17000, 2, 0),
		builder_entry(0x1f000, 1, PE_PRESENT | PE_LAZY),
		builder_entry(0x20000, 1, PE_PRESENT | PE_LAZY),
	};
	fi_auto_image struct fi_image *image = NULL;
	const struct fi_pagemap *pm;
	struct builder b;

	begin(&b, 2);
	builder_mm(&b, 7, vmas, 2);
	builder_pagemap(&b, 7, 1, entries, FI_ARRAY_SIZE(entries));
	builder_pages(&b, 1, 8, 1);
	image = builder_open(&b);
	assert_image_holds(image);
	pm = fi_image_task(image, 0)->pagemap;
	assert_int_equal(pm->nr_runs, 5);
	assert_run(&pm->runs[0], 0x10000, 5, FI_RUN_DATA, true);
	assert_run(&pm->runs[1], 0x15000, 1, FI_RUN_DATA, false);
	assert_run(&pm->runs[2], 0x16000, 3, FI_RUN_ZERO, false);
	assert_run(&pm->runs[3], 0x1f000, 1, FI_RUN_DATA, true);
	assert_run(&pm->runs[4], 0x20000, 1, FI_RUN_DATA, true);
	builder_done(&b);
}

/* Nothing but parent and zero pages: CRIU leaves the pages file out, or empty. */
static void no_pages_of_its_own(void **state)
{
	const struct fi_vma vma = builder_anon(0x10000, 0x20000);
	const Fi__Pb__PagemapEntry zero = builder_entry(0x10000, 2, 0);
	struct fi_image *image;
	struct builder b;

	begin(&b, 2);
	builder_mm(&b, 7, &vma, 1);
	builder_pagemap(&b, 7, 1, &zero, 1);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_nr_pages_files(image), 0);
	fi_image_free(image);

	builder_pages(&b, 1, 0, 1);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_nr_pages_files(image), 0);
	fi_image_free(image);

	builder_pagemap(&b, 7, 1, NULL, 0);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_task(image, 0)->pagemap->nr_runs, 0);
	assert_null(fi_pagemap_find(fi_image_task(image, 0)->pagemap, 0x10000));
	fi_image_free(image);
	builder_done(&b);
}

/* A run counts in 32 bits, an entry in 64. */
static void an_entry_of_32_tib(void **state)
{
	const uint64_t nr = (UINT64_C(1) << 33) + 5;
	const struct fi_vma vma = builder_anon(0x10000, 0x10000 + (nr << FI_PAGE_SHIFT));
	const Fi__Pb__PagemapEntry entry = builder_entry(0x10000, nr, 0);
	fi_auto_image struct fi_image *image = NULL;
	const struct fi_pagemap *pm;
	struct builder b;

	begin(&b, 2);
	builder_mm(&b, 7, &vma, 1);
	builder_pagemap(&b, 7, 1, &entry, 1);
	image = builder_open(&b);
	assert_image_holds(image);
	pm = fi_image_task(image, 0)->pagemap;
	assert_int_equal(pm->nr_runs, 3);
	assert_int_equal(pm->nr_pages, nr);
	assert_int_equal(fi_run_end(&pm->runs[2]), vma.end);
	builder_done(&b);
}

/* Nothing in the reader may be worse than n log n. */
static void a_million_runs(void **state)
{
	enum { NR = 1000000 };
	Fi__Pb__PagemapEntry *entries = calloc(NR, sizeof(*entries));
	const struct fi_vma vma = builder_anon(0x10000, 0x10000 + 2 * NR * FI_PAGE_SIZE);
	fi_auto_image struct fi_image *image = NULL;
	struct builder b;
	size_t i;

	assert_non_null(entries);
	for (i = 0; i < NR; i++)
		entries[i] = builder_entry(0x10000 + 2 * i * FI_PAGE_SIZE, 1,
					   PE_PRESENT | (i % 3 ? PE_LAZY : 0));
	begin(&b, 2);
	builder_mm(&b, 7, &vma, 1);
	builder_pagemap(&b, 7, 1, entries, NR);
	free(entries);
	/* All of the pages are a hole: 4 GB of stamps would be too much. */
	builder_pages(&b, 1, 0, 0);
	builder_resize(&b, "pages-1.img", NR * FI_PAGE_SIZE);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_task(image, 0)->pagemap->nr_runs, NR);
	builder_done(&b);
}

/* The kernel gives 15 characters; a file could hold any number. */
static void long_names_are_cut(void **state)
{
	const struct fi_vma vma = builder_anon(0x10000, 0x20000);
	fi_auto_image struct fi_image *image = NULL;
	char name[20000];
	struct builder b;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	begin(&b, 2);
	builder_core(&b, 7, 1, name);
	builder_mm(&b, 7, &vma, 1);
	builder_pagemap(&b, 7, 1, NULL, 0);
	image = builder_open(&b);
	assert_string_equal(fi_image_task(image, 0)->comm, "nnnnnnnnnnnnnnn");
	builder_done(&b);
}

/* What CRIU's restorer registers with userfaultfd, and what it does not. */
static void which_vmas_are_lazy(void **state)
{
	static const struct {
		uint32_t flags, status;
		bool lazy;
	} kinds[] = {
		{ MAP_PRIVATE | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE, true },
		{ MAP_PRIVATE | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE | FI_VMA_HEAP,
		  true },
		{ MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
		  true },
		{ MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
		  true },
		{ MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
		  false },
		{ MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
		  false },
		{ MAP_PRIVATE | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE | FI_VMA_VDSO,
		  false },
		{ MAP_PRIVATE | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE | FI_VMA_VVAR,
		  false },
		{ MAP_PRIVATE | MAP_ANONYMOUS, FI_VMA_ANON_PRIVATE | FI_VMA_VSYSCALL, false },
		{ MAP_PRIVATE, FI_VMA_REGULAR | FI_VMA_FILE_PRIVATE, false },
		{ MAP_SHARED, FI_VMA_REGULAR | FI_VMA_FILE_SHARED, false },
		{ MAP_SHARED | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_SHARED, false },
		{ MAP_SHARED | MAP_ANONYMOUS, FI_VMA_REGULAR | FI_VMA_ANON_SHARED | FI_VMA_SYSVIPC,
		  false },
		{ MAP_SHARED, FI_VMA_AIORING, false },
	};
	struct fi_vma vmas[FI_ARRAY_SIZE(kinds)];
	fi_auto_image struct fi_image *image = NULL;
	struct builder b;
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(kinds); i++) {
		vmas[i] = builder_anon((i + 1) << 20, ((i + 1) << 20) + FI_PAGE_SIZE);
		vmas[i].flags = kinds[i].flags;
		vmas[i].status = kinds[i].status;
	}
	begin(&b, 2);
	builder_mm(&b, 7, vmas, FI_ARRAY_SIZE(vmas));
	builder_pagemap(&b, 7, 1, NULL, 0);
	image = builder_open(&b);
	assert_image_holds(image);
	for (i = 0; i < FI_ARRAY_SIZE(kinds); i++)
		if (fi_image_task(image, 0)->mm->vmas[i].lazy != kinds[i].lazy)
			fail_msg("VMA %zu", i);
	builder_done(&b);
}

#define PAGEMAP_MAGIC UINT32_C(0x56084025)

/* One entry, two lazy pages at 0x10000, in all the ways in which a protobuf message may say so. */
static void entries_of_other_forms(void **state)
{
	static const struct {
		uint32_t len;
		uint8_t bytes[20];
	} forms[] = {
		{ 8, { 0x08, 0x80, 0x80, 0x04, 0x10, 2, 0x20, 6 } },
		{ 8, { 0x20, 6, 0x10, 2, 0x08, 0x80, 0x80, 0x04 } },
		{ 9, { 0x08, 0x80, 0x80, 0x04, 0x10, 0x82, 0, 0x20, 6 } }, /* longer than need be */
		{ 10,
		  { 0x08, 0x80, 0x80, 0x04, 0x10, 7, 0x10, 2, 0x20, 6 } }, /* the last one counts */
		{ 10, { 0x08, 0x80, 0x80, 0x04, 0x10, 0, 0x20, 6, 0x28, 2 } },
		{ 10, { 0x08, 0x80, 0x80, 0x04, 0x10, 2, 0x18, 0, 0x20, 6 } },
		{ 9, { 0x88, 0, 0x80, 0x80, 0x04, 0x10, 2, 0x20, 6 } }, /* of a tag, too */
		/* what is beyond 32 bits of a field of 32 is cut off */
		{ 12, { 0x08, 0x80, 0x80, 0x04, 0x10, 0x82, 0x80, 0x80, 0x80, 0x10, 0x20, 6 } },
	};
	const struct fi_vma vma = builder_anon(0x10000, 0x20000);
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;

	for (size_t i = 0; i < FI_ARRAY_SIZE(forms); i++) {
		fi_auto_image struct fi_image *image = NULL;
		struct builder_file file = { 0 };
		const struct fi_pagemap *pm;
		struct builder b;

		begin(&b, 2);
		builder_mm(&b, 7, &vma, 1);
		head.pages_id = 1;
		builder_magic(&b, &file, PAGEMAP_MAGIC);
		builder_record(&file, &head);
		builder_bytes(&file, &forms[i].len, sizeof(forms[i].len));
		builder_bytes(&file, forms[i].bytes, forms[i].len);
		builder_flush(&b, &file, "pagemap-7.img");
		builder_pages(&b, 1, 2, 1);
		image = builder_open(&b);
		pm = fi_image_task(image, 0)->pagemap;
		assert_int_equal(pm->nr_runs, 1);
		assert_int_equal(pm->runs[0].addr, 0x10000);
		assert_int_equal(pm->runs[0].nr_pages, 2);
		assert_int_equal(pm->nr_lazy_pages, 2);
		builder_done(&b);
	}
}

/* Bytes are lazy then wherever the map allows; zeros as they are marked. */
static void marks_are_ignored(void **state)
{
	const Fi__Pb__PagemapEntry entries[] = {
		builder_entry(0x10000, 2, PE_PRESENT),
		builder_entry(0x12000, 3, PE_PRESENT | PE_LAZY),
		builder_entry(0x16000, 4, 0),
		builder_entry(0x20000, 5, PE_PRESENT), /* locked */
		builder_entry(0x30000, 6, PE_PRESENT),
		builder_entry(0x40000, 7, PE_PRESENT), /* a shadow stack */
	};
	struct fi_vma vmas[] = {
		builder_anon(0x10000, 0x20000),
		builder_anon(0x20000, 0x30000),
		builder_anon(0x30000, 0x40000),
		builder_anon(0x40000, 0x50000),
	};
	static const struct {
		bool lazy;
		uint64_t rank;
	} then[] = {
		{ true, 0 }, { true, 2 }, { false, 0 }, { false, 0 }, { true, 5 }, { false, 0 }
	};
	fi_auto_image struct fi_image *image = NULL;
	const struct fi_pagemap *pm;
	struct builder b;

	vmas[1].flags |= MAP_LOCKED;
	vmas[3].status |= FI_VMA_SHADOW_STACK;
	begin(&b, 2);
	builder_mm(&b, 7, vmas, FI_ARRAY_SIZE(vmas));
	builder_pagemap(&b, 7, 1, entries, FI_ARRAY_SIZE(entries));
	builder_pages(&b, 1, 23, 1);
	image = builder_open(&b);
	pm = fi_image_task(image, 0)->pagemap;
	assert_int_equal(pm->nr_lazy_pages, 3);
	fi_image_ignore_marks(image);
	assert_image_holds(image);
	assert_int_equal(pm->nr_runs, FI_ARRAY_SIZE(then));
	for (size_t i = 0; i < FI_ARRAY_SIZE(then); i++) {
		assert_int_equal(pm->runs[i].lazy, then[i].lazy);
		if (then[i].lazy)
			assert_int_equal(pm->runs[i].lazy_rank, then[i].rank);
	}
	assert_int_equal(pm->nr_lazy_pages, 11);
	assert_ptr_equal(fi_pagemap_find_rank(pm, 10), &pm->runs[4]);
	builder_done(&b);
}

/* A process at a raised vm.max_map_count, with an entry that crosses all of its VMAs. */
static void many_vmas(void **state)
{
	enum { NR = 100000 };
	const Fi__Pb__PagemapEntry entry = builder_entry(0x10000, NR, PE_PRESENT | PE_LAZY);
	struct fi_vma *vmas = calloc(NR, sizeof(*vmas));
	fi_auto_image struct fi_image *image = NULL;
	struct builder b;
	uint64_t i;

	assert_non_null(vmas);
	for (i = 0; i < NR; i++)
		vmas[i] = builder_anon(0x10000 + i * FI_PAGE_SIZE, 0x11000 + i * FI_PAGE_SIZE);
	begin(&b, 2);
	builder_mm(&b, 7, vmas, NR);
	free(vmas);
	builder_pagemap(&b, 7, 1, &entry, 1);
	builder_pages(&b, 1, 0, 0);
	builder_resize(&b, "pages-1.img", NR * FI_PAGE_SIZE);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_task(image, 0)->pagemap->nr_runs, NR);
	builder_done(&b);
}

/* Tasks whose vpids are in no order, as after pid numbers wrapped. */
static void many_tasks(void **state)
{
	enum { NR = 500 };
	const struct fi_vma vma = builder_anon(0x10000, 0x20000);
	const Fi__Pb__PagemapEntry entry = builder_entry(0x11000, 1, PE_PRESENT | PE_LAZY);
	struct builder_task tasks[NR];
	fi_auto_image struct fi_image *image = NULL;
	const struct fi_task_image *task;
	struct builder b;
	uint32_t i;

	builder_init(&b);
	builder_inventory(&b, 2);
	for (i = 0; i < NR; i++) {
		tasks[i] = (struct builder_task){ .pid = 1 + i * 7919 % 32768,
						  .ppid = i ? tasks[i / 2].pid : 0,
						  .nr_threads = 1 };
		if (i % 5 == 4) {
			builder_core(&b, tasks[i].pid, 2, "z");
			continue;
		}
		builder_core(&b, tasks[i].pid, 1, "t");
		builder_mm(&b, tasks[i].pid, &vma, 1);
		builder_pagemap(&b, tasks[i].pid, i + 1, &entry, 1);
		builder_pages(&b, i + 1, 1, tasks[i].pid);
	}
	builder_pstree(&b, tasks, NR);
	image = builder_open(&b);
	assert_image_holds(image);
	assert_int_equal(fi_image_nr_tasks(image), NR);
	for (i = 0; i < NR; i++) {
		task = fi_image_find_task(image, tasks[i].pid);
		assert_ptr_equal(task, fi_image_task(image, i));
		assert_int_equal(task->zombie, i % 5 == 4);
		if (!task->zombie)
			assert_int_equal(stamp_at(image, task->pagemap->runs, 0x11000),
					 builder_stamp(tasks[i].pid, 0));
	}
	builder_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample_is_read_right),
		cmocka_unit_test(frozen_and_thawed),
		cmocka_unit_test(what_was_not_frozen_is_refused),
		cmocka_unit_test(deleting_an_open_image_does_not_matter),
		cmocka_unit_test(descriptors_are_given_back),
		cmocka_unit_test(first_generation),
		cmocka_unit_test(parent_of_another_generation),
		cmocka_unit_test(parent_is_a_pre_dump),
		cmocka_unit_test(pieces_of_one_range_are_joined),
		cmocka_unit_test(no_pages_of_its_own),
		cmocka_unit_test(an_entry_of_32_tib),
		cmocka_unit_test(a_million_runs),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(which_vmas_are_lazy),
		cmocka_unit_test(entries_of_other_forms),
		cmocka_unit_test(marks_are_ignored),
		cmocka_unit_test(many_vmas),
		cmocka_unit_test(many_tasks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
