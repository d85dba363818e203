/* tests/unit/test-images-segments.c - shared memory of an image, and where tasks have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image-builder.h"
#include "images/frozen.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/reach.h"
#include "images/segments.h"

#define PAGES(n) ((uint64_t)(n) << FI_PAGE_SHIFT)

struct fixture {
	struct builder b;
	struct fi_image *image;
	struct fi_segments segments;
	struct fi_reaches reaches;
};

static void add_segment(const struct builder *b, uint32_t id, uint32_t pages_id,
			const Fi__Pb__PagemapEntry *entries, size_t nr)
{
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	struct builder_file file = { 0 };
	uint64_t pages = 0;
	char name[40];

	head.pages_id = pages_id;
	builder_magic(b, &file, FI_PAGEMAP_MAGIC);
	builder_record(&file, &head);
	for (size_t i = 0; i < nr; i++) {
		builder_record(&file, &entries[i]);
		if (entries[i].flags & PE_PRESENT)
			pages += entries[i].nr_pages_64;
	}
	(void)snprintf(name, sizeof(name), "pagemap-shmem-%u.img", id);
	builder_flush(b, &file, name);
	builder_pages(b, pages_id, pages, id);
}

/* Segment @id with @nr pages from its begin. */
static void add_simple(const struct builder *b, uint32_t id, uint64_t nr)
{
	const Fi__Pb__PagemapEntry entry = builder_entry(0, nr, PE_PRESENT);

	add_segment(b, id, 100 + id, &entry, 1);
}

static struct fi_vma view_of(uint32_t id, uint64_t start, uint64_t from, uint64_t nr)
{
	return (struct fi_vma){
		.start = start,
		.end = start + PAGES(nr),
		.pgoff = PAGES(from),
		.shmid = id,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_SHARED | MAP_ANONYMOUS,
		.status = FI_VMA_REGULAR | FI_VMA_ANON_SHARED,
	};
}

static struct fi_vma file_view_of(uint32_t file, uint64_t start, uint64_t nr)
{
	struct fi_vma vma = view_of(file, start, 0, nr);

	vma.flags = MAP_SHARED;
	vma.status = FI_VMA_REGULAR | FI_VMA_FILE_SHARED | FI_VMA_MEMFD;
	return vma;
}

/* Begins an image of @nr_tasks, 1 to @nr_tasks, without memory but what add_task gives them. */
static void begin(struct fixture *f, uint32_t nr_tasks)
{
	struct builder_task tasks[8] = { { 0 } };

	*f = (struct fixture){ .b = { .version = 2 } };
	builder_init(&f->b);
	builder_inventory(&f->b, 2);
	for (uint32_t i = 0; i < nr_tasks; i++) {
		tasks[i] = (struct builder_task){ i + 1, i, 1 };
		builder_core(&f->b, i + 1, 1, "shares");
		builder_pagemap(&f->b, i + 1, i + 1, NULL, 0);
		builder_pages(&f->b, i + 1, 0, 0);
	}
	builder_pstree(&f->b, tasks, nr_tasks);
}

static void find(struct fixture *f)
{
	struct fi_error err = { "" };

	f->image = builder_open(&f->b);
	assert_non_null(f->image);
	assert_int_equal(fi_segments_open(f->b.dirfd, &f->segments, &err), 0);
	assert_int_equal(fi_reaches_find(f->b.dirfd, f->image, &f->segments, &f->reaches, &err), 0);
	assert_int_equal(f->reaches.nr, f->segments.nr);
}

static void done(struct fixture *f)
{
	fi_reaches_done(&f->reaches);
	fi_segments_done(&f->segments);
	fi_image_free(f->image);
	builder_done(&f->b);
}

static const struct fi_reach *reach_of(const struct fixture *f, uint32_t id)
{
	const struct fi_segment *segment = fi_segments_find(&f->segments, id);

	assert_non_null(segment);
	return f->reaches.at[segment - f->segments.at];
}

/* --- segments ------------------------------------------------------------------------------ */

/* Of the @tag'th pages file, page @nr. */
static void assert_page(const struct fi_segments *segments, const struct fi_segment *segment,
			uint64_t page, uint64_t tag, uint64_t nr)
{
	const struct fi_run *run = fi_pagemap_find(&segment->pagemap, PAGES(page));
	const uint64_t stamp = builder_stamp(tag, nr);

	assert_non_null(run);
	assert_int_equal(run->kind, FI_RUN_DATA);
	assert_memory_equal(segments->pages.files[run->file].map + run->file_off + PAGES(page) -
				    run->addr,
			    &stamp, sizeof(stamp));
}

static void assert_contents(const struct fi_segments *segments)
{
	const struct fi_segment *segment = fi_segments_find(segments, 7);

	assert_int_equal(segments->nr, 2);
	assert_null(fi_segments_find(segments, 8));
	assert_null(fi_segments_find(segments, UINT64_C(7) + UINT32_MAX + 1));
	assert_int_equal(segments->at[0].id, 7);
	assert_int_equal(segments->at[1].id, 4000000000U);
	assert_int_equal(segment->pagemap.nr_pages, 4);
	assert_page(segments, segment, 0, 7, 0);
	assert_page(segments, segment, 1, 7, 1);
	assert_page(segments, segment, 4, 9, 1); /* the parent's */
	assert_int_equal(fi_pagemap_find(&segment->pagemap, PAGES(6))->kind, FI_RUN_ZERO);
	assert_null(fi_pagemap_find(&segment->pagemap, PAGES(2)));
}

static void test_written(void **state)
{
	const Fi__Pb__PagemapEntry entries[] = {
		builder_entry(0, 2, PE_PRESENT),
		builder_entry(PAGES(4), 1, PE_PARENT),
		builder_entry(PAGES(6), 1, 0),
	};
	const Fi__Pb__PagemapEntry older = builder_entry(PAGES(3), 2, PE_PRESENT);
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	struct builder_file file = { 0 };
	struct builder parent, out = { .version = 2 }, none = { .version = 2 };
	struct fi_segments written = { 0 }, empty = { 0 };
	struct fi_error err = { "" };
	struct fixture f;

	(void)state;
	begin(&f, 1);
	builder_mm(&f.b, 1, &(struct fi_vma){ .start = PAGES(1), .end = PAGES(2), .status = 1 }, 1);
	builder_subdir(&f.b, "parent", &parent);
	builder_inventory(&parent, 2);
	add_segment(&f.b, 7, 20, entries, 3);
	add_segment(&f.b, 4000000000U, 21, entries, 1);
	head.pages_id = 20;
	builder_magic(&parent, &file, FI_PAGEMAP_MAGIC);
	builder_record(&file, &head);
	builder_record(&file, &older);
	builder_flush(&parent, &file, "pagemap-shmem-7.img");
	builder_pages(&parent, 20, 2, 9);
	builder_write(&f.b, "pagemap-shmem-x.img", "", 0); /* none of ours */
	find(&f);
	assert_contents(&f.segments);

	builder_init(&out);
	builder_inventory(&out, 2);
	builder_init(&none);
	builder_inventory(&none, 2);
	for (size_t i = 0; i < f.segments.nr; i++) {
		assert_int_equal(fi_segment_write(&f.segments, &f.segments.at[i], true, f.image,
						  f.b.dirfd, out.dirfd, &err),
				 0);
		assert_int_equal(fi_segment_write(&f.segments, &f.segments.at[i], false, f.image,
						  f.b.dirfd, none.dirfd, &err),
				 0);
	}
	assert_int_equal(fi_segments_open(out.dirfd, &written, &err), 0);
	assert_contents(&written);
	assert_int_equal(fi_segments_open(none.dirfd, &empty, &err), 0);
	assert_int_equal(empty.nr, 2);
	assert_int_equal(empty.at[0].pagemap.nr_runs, 0);

	fi_segments_done(&empty);
	fi_segments_done(&written);
	builder_done(&none);
	builder_done(&out);
	builder_done(&parent);
	done(&f);
}

static void test_malformed(void **state)
{
	struct fi_segments segments = { 0 };
	struct fi_error err = { "" };
	struct fixture f;

	(void)state;
	begin(&f, 1);
	add_simple(&f.b, 3, 2);
	builder_resize(&f.b, "pagemap-shmem-3.img", 5);
	assert_int_equal(fi_segments_open(f.b.dirfd, &segments, &err), -EBADMSG);
	fi_segments_done(&segments);
	done(&f);
}

/* --- mappings ------------------------------------------------------------------------------ */

static void test_mapped(void **state)
{
	struct fi_vma first[] = {
		view_of(3, PAGES(16), 0, 4), /* 3: some of it */
		view_of(4, PAGES(32), 0, 4), /* 4: all, but not to be written */
		view_of(5, PAGES(48), 2, 2), /* 5: in two pieces that overlap, out of order */
		view_of(5, PAGES(64), 0, 3),  view_of(6, PAGES(80), 0, 2), /* 6: some is nowhere */
		view_of(8, PAGES(96), 0, 4),				   /* 8: huge pages */
		view_of(9, PAGES(112), 0, 4),				   /* 9: two kinds */
	};
	struct fi_vma second[] = {
		view_of(3, PAGES(16), 0, 4),
		view_of(3, PAGES(20), 4, 4),
		view_of(4, PAGES(32), 0, 4),
		view_of(9, PAGES(48), 0, 4),
	};
	const struct fi_reach *reach;
	struct fixture f;

	(void)state;
	first[1].prot = PROT_READ;
	first[5].flags |= MAP_HUGETLB;
	first[6].status |= FI_VMA_SYSVIPC;
	begin(&f, 2);
	builder_mm(&f.b, 1, first, FI_ARRAY_SIZE(first));
	builder_mm(&f.b, 2, second, FI_ARRAY_SIZE(second));
	add_simple(&f.b, 3, 8);
	for (uint32_t id = 4; id <= 9; id++)
		add_simple(&f.b, id, 4);
	find(&f);

	reach = reach_of(&f, 3);
	assert_non_null(reach);
	assert_int_equal(reach->task, 1);
	assert_int_equal(reach->nr_windows, 2);
	assert_int_equal(reach->windows[1].addr, PAGES(20));
	assert_int_equal(reach->windows[1].from, PAGES(4));
	assert_int_equal(reach->windows[1].to, PAGES(8));
	assert_int_equal(reach_of(&f, 4)->task, 1);
	reach = reach_of(&f, 5);
	assert_int_equal(reach->task, 0);
	assert_int_equal(reach->nr_windows, 2);
	assert_int_equal(reach->windows[0].addr, PAGES(64));
	assert_int_equal(reach->windows[0].to, PAGES(3));
	assert_int_equal(reach->windows[1].addr, PAGES(49));
	assert_int_equal(reach->windows[1].from, PAGES(3));
	assert_false(reach->sysv);
	for (uint32_t id = 6; id <= 9; id++)
		assert_null(reach_of(&f, id));
	fi_reaches_drop(&f.reaches, 0);
	fi_reaches_drop(&f.reaches, 0);
	assert_null(reach_of(&f, 3));
	done(&f);
}

static void test_sysv(void **state)
{
	struct fi_vma vma = view_of(3, PAGES(16), 0, 4);
	struct fixture f;

	(void)state;
	vma.status |= FI_VMA_SYSVIPC;
	begin(&f, 1);
	builder_mm(&f.b, 1, &vma, 1);
	add_simple(&f.b, 3, 4);
	find(&f);
	assert_non_null(reach_of(&f, 3));
	assert_true(reach_of(&f, 3)->sysv);
	done(&f);
}

/* --- memory files -------------------------------------------------------------------------- */

struct memory_file {
	uint32_t file, flags, segment, seals, huge;
	uint64_t size;
	uint32_t fd; /* in task 2; 0: it has none */
	const char *name;
};

static void add_files(const struct builder *b, const struct memory_file *files, size_t nr)
{
	struct builder_file all = { 0 }, inodes = { 0 }, fds = { 0 }, ids = { 0 };
	Fi__Pb__Ids id = FI__PB__IDS__INIT;

	builder_magic(b, &all, FI_MAGIC_FILES);
	builder_magic(b, &inodes, FI_MAGIC_MEMFD);
	builder_magic(b, &fds, FI_MAGIC_FDINFO);
	for (size_t i = 0; i < nr; i++) {
		Fi__Pb__FileEntry entry = FI__PB__FILE_ENTRY__INIT;
		Fi__Pb__MemfdFile memfd = FI__PB__MEMFD_FILE__INIT;
		Fi__Pb__MemfdInode inode = FI__PB__MEMFD_INODE__INIT;
		Fi__Pb__Fdinfo info = FI__PB__FDINFO__INIT;

		memfd.id = entry.id = info.id = files[i].file;
		memfd.flags = files[i].flags;
		memfd.inode_id = (uint32_t)i + 1;
		entry.memfd = &memfd;
		builder_record(&all, &entry);
		inode.name = (char *)(uintptr_t)files[i].name;
		inode.size = files[i].size;
		inode.shmid = files[i].segment;
		inode.has_seals = 1;
		inode.seals = files[i].seals;
		inode.has_hugetlb_flag = files[i].huge != 0;
		inode.hugetlb_flag = files[i].huge;
		inode.inode_id = i + 1;
		builder_record(&inodes, &inode);
		info.fd = files[i].fd;
		if (info.fd)
			builder_record(&fds, &info);
	}
	builder_flush(b, &all, "files.img");
	builder_flush(b, &inodes, "memfd.img");
	builder_flush(b, &fds, "fdinfo-5.img");
	id.files_id = 5;
	builder_magic(b, &ids, FI_MAGIC_IDS);
	builder_record(&ids, &id);
	builder_flush(b, &ids, "ids-2.img");
}

static void test_files(void **state)
{
	static const struct memory_file files[] = {
		{ 40, O_RDWR, 3, 1, 0, 16000, 7, "memory" },		  /* open */
		{ 41, O_RDWR, 4, 1, 0, 16384, 8, "memory" },		  /* and mapped */
		{ 42, O_RDONLY, 5, 1, 0, 16384, 9, "memory" },		  /* only for reading */
		{ 43, O_RDWR, 6, F_SEAL_WRITE, 0, 16384, 10, "memory" },  /* sealed */
		{ 44, O_RDWR, 8, 1, 4 | 21U << 26, 16384, 11, "memory" }, /* in huge pages */
		{ 45, O_RDWR, 9, 1, 0, 16384, 12, "memory" }, /* somebody else's number */
	};
	struct fi_vma first[] = { file_view_of(41, PAGES(16), 4), view_of(9, PAGES(32), 0, 4) };
	const struct fi_reach *reach;
	struct fixture f;

	(void)state;
	first[1].status |= FI_VMA_SYSVIPC;
	begin(&f, 2);
	builder_mm(&f.b, 1, first, 2);
	builder_mm(&f.b, 2, &(struct fi_vma){ .start = PAGES(1), .end = PAGES(2), .status = 1 }, 1);
	add_files(&f.b, files, FI_ARRAY_SIZE(files));
	for (uint32_t id = 3; id <= 9; id++)
		add_simple(&f.b, id, 4);
	find(&f);

	reach = reach_of(&f, 3);
	assert_non_null(reach);
	assert_int_equal(reach->task, 1);
	assert_int_equal(reach->nr_windows, 0);
	assert_int_equal(reach->fd, 7);
	assert_int_equal(reach->size, 16000);
	reach = reach_of(&f, 4);
	assert_int_equal(reach->task, 0);
	assert_int_equal(reach->nr_windows, 1);
	assert_int_equal(reach->windows[0].addr, PAGES(16));
	for (uint32_t id = 5; id <= 9; id++)
		assert_null(reach_of(&f, id));
	done(&f);
}

/* --- sharers --------------------------------------------------------------------------------- */

static void assert_sharers(const struct fi_image *image)
{
	struct fi_sharers sharers = { 0 };
	const struct fi_window *window;

	assert_int_equal(fi_sharers_find(image, &sharers), 0);
	assert_int_equal(sharers.nr, 6);
	assert_int_equal(sharers.at[0].segment, 3);
	assert_int_equal(sharers.at[0].task, 0);
	assert_int_equal(sharers.at[0].nr_windows, 2);
	assert_non_null(strstr(sharers.at[0].unfit, "out of place"));
	assert_int_equal(sharers.at[1].segment, 3);
	assert_int_equal(sharers.at[1].task, 1);
	assert_int_equal(sharers.at[1].nr_windows, 2);
	assert_null(sharers.at[1].unfit);
	assert_int_equal(sharers.at[2].segment, 5);
	assert_non_null(strstr(sharers.at[2].unfit, "locked"));
	assert_int_equal(sharers.at[3].segment, 6);
	assert_non_null(strstr(sharers.at[3].unfit, "private"));
	assert_int_equal(sharers.at[4].segment, 7);
	assert_non_null(strstr(sharers.at[4].unfit, "System V"));
	assert_int_equal(sharers.at[5].segment, 8);
	assert_non_null(strstr(sharers.at[5].unfit, "huge"));

	/* Pages 0 to 4 at 64, and 2 to 6 at 16. */
	assert_null(fi_sharer_window(&sharers.at[0], PAGES(15)));
	assert_int_equal(fi_sharer_window(&sharers.at[0], PAGES(16))->from, PAGES(2));
	assert_null(fi_sharer_window(&sharers.at[0], PAGES(20)));
	assert_int_equal(fi_sharer_window(&sharers.at[0], PAGES(67) + 1)->from, 0);
	window = fi_sharer_window_of(&sharers.at[0], PAGES(1));
	assert_int_equal(window->addr, PAGES(64));
	window = fi_sharer_window_of(&sharers.at[0], PAGES(5));
	assert_int_equal(window->addr, PAGES(16));
	assert_null(fi_sharer_window_of(&sharers.at[0], PAGES(6)));
	fi_sharers_done(&sharers);
}

static void test_sharers(void **state)
{
	static const struct memory_file files[] = {
		{ 40, O_RDWR, 3, 1, 0, 32768, 0, "/dev/zero" }, /* shared anonymous memory */
		{ 41, O_RDWR, 4, 1, 0, 16384, 7, "/dev/zero" }, /* a file with its name */
		{ 42, O_RDWR, 6, 1, 0, 16384, 0, "/dev/zero" }, /* also mapped privately */
		{ 43, O_RDWR, 9, 1, 0, 16384, 0, "memory" },	/* a file of which nobody is left */
	};
	struct fi_vma first[] = {
		file_view_of(40, PAGES(16), 4), file_view_of(40, PAGES(64), 4),
		file_view_of(41, PAGES(80), 4), view_of(5, PAGES(96), 0, 4),
		view_of(7, PAGES(112), 0, 4),	file_view_of(43, PAGES(128), 4),
		view_of(8, PAGES(144), 0, 4),
	};
	struct fi_vma second[] = { file_view_of(40, PAGES(16), 2), file_view_of(40, PAGES(20), 4),
				   file_view_of(42, PAGES(32), 4) };
	const struct fi_pagemap *pm;
	struct fi_error err = { "" };
	struct fi_image *image = NULL, *thawed = NULL;
	struct fixture f;
	int frozen;

	(void)state;
	first[0].pgoff = PAGES(2);
	first[3].flags |= MAP_LOCKED;
	first[4].status |= FI_VMA_SYSVIPC;
	first[6].flags |= MAP_HUGETLB;
	second[1].pgoff = PAGES(4);
	second[2].status = FI_VMA_REGULAR | FI_VMA_FILE_PRIVATE | FI_VMA_MEMFD;
	begin(&f, 2);
	builder_mm(&f.b, 1, first, FI_ARRAY_SIZE(first));
	builder_mm(&f.b, 2, second, FI_ARRAY_SIZE(second));
	add_files(&f.b, files, FI_ARRAY_SIZE(files));
	for (uint32_t id = 3; id <= 9; id++)
		add_simple(&f.b, id, 4);
	assert_int_equal(fi_image_open_shared(f.b.dirfd, &image, &err), 0);
	assert_sharers(image);
	frozen = fi_image_freeze(image, &err);
	assert_true(frozen >= 0);
	fi_image_free(image);
	assert_int_equal(fi_image_thaw(frozen, &thawed, &err), 0);
	(void)close(frozen);
	assert_sharers(thawed);
	pm = fi_image_segment(thawed, 4);
	assert_non_null(pm);
	assert_int_equal(pm->nr_pages, 4);
	assert_int_equal(fi_image_pages_file(thawed, pm->runs[0].file)->size, PAGES(4));
	assert_null(fi_image_segment(thawed, 10));
	fi_image_free(thawed);
	f.image = NULL;
	builder_done(&f.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_mapped),	cmocka_unit_test(test_sysv),
		cmocka_unit_test(test_files),	cmocka_unit_test(test_sharers),
	};

	return cmocka_run_group_tests_name("images/segments", tests, NULL, NULL);
}
