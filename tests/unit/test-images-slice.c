/* tests/unit/test-images-slice.c - a task's pages in two parts, and the part that is written anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is written is read again by the same readers, and compared with the original page by page.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "image-builder.h"
#include "images/proto/core.pb-c.h"
#include "images/slice.h"

#define CORE_MAGIC UINT32_C(0x55053847)

/* A core with everything that a thread's can point to. */
static void write_thread(const struct builder *b, uint32_t tid, uint64_t sp, uint64_t rseq)
{
	Fi__Pb__TaskCore tc = FI__PB__TASK_CORE__INIT;
	Fi__Pb__Rseq rseq_entry = FI__PB__RSEQ__INIT;
	Fi__Pb__ThreadCore thread = FI__PB__THREAD_CORE__INIT;
	Fi__Pb__RegsX86 regs = FI__PB__REGS_X86__INIT;
	Fi__Pb__ThreadInfoX86 info = FI__PB__THREAD_INFO_X86__INIT;
	Fi__Pb__Core core = FI__PB__CORE__INIT;
	struct builder_file file = { 0 };
	char name[32];

	tc.task_state = 1;
	tc.comm = (char *)"threads";
	rseq_entry.rseq_abi_pointer = rseq;
	rseq_entry.rseq_abi_size = 32;
	thread.rseq_entry = &rseq_entry;
	thread.has_futex_rla = thread.has_futex_rla_len = 1;
	thread.futex_rla = 0x11010;
	thread.futex_rla_len = 24;
	regs.has_sp = regs.has_fs_base = 1;
	regs.sp = sp;
	regs.fs_base = 0;
	info.has_clear_tid_addr = 1;
	info.clear_tid_addr = 0x11ffc;
	info.gpregs = &regs;
	core.tc = &tc;
	core.thread_core = &thread;
	core.thread_info = &info;
	(void)snprintf(name, sizeof(name), "core-%u.img", tid);
	builder_magic(b, &file, CORE_MAGIC);
	builder_record(&file, &core);
	builder_flush(b, &file, name);
}

struct fixture {
	struct builder image, parent;
	struct fi_image *open;
	struct fi_touched_list touched;
};

static void fixture_init(struct fixture *f)
{
	f->image.version = 2;
	f->parent.version = 2;
	builder_sample(&f->image, &f->parent);
	/* Of task 10: both have something in the page at 0x11000; the second one's rseq area is in
	 * two pages, of which one is in the parent image. */
	write_thread(&f->image, 10, 0x1f800, 0);
	write_thread(&f->image, 110, 0x20001, 0x14ff0);
	builder_core(&f->image, 12, 3, "stopped");
}

static void fixture_done(struct fixture *f)
{
	fi_touched_done(&f->touched);
	fi_image_free(f->open);
	builder_done(&f->parent);
	builder_done(&f->image);
}

static void open_all(struct fixture *f)
{
	struct fi_error err = { "" };

	f->open = builder_open(&f->image);
	assert_non_null(f->open);
	assert_int_equal(fi_touched_read(f->image.dirfd, f->open, &f->touched, &err), 0);
	fi_touched_tidy(&f->touched);
}

static void test_touched(void **state)
{
	static const struct fi_touched expected[] = {
		{ 10, 0x11000, 0x12000 },
		{ 10, 0x14000, 0x16000 },
		{ 10, 0x1f000, 0x21000 },
	};
	struct fixture f = { 0 };

	(void)state;
	fixture_init(&f);
	open_all(&f);
	assert_int_equal(f.touched.nr, FI_ARRAY_SIZE(expected));
	for (size_t i = 0; i < f.touched.nr; i++) {
		assert_int_equal(f.touched.at[i].vpid, expected[i].vpid);
		assert_int_equal(f.touched.at[i].start, expected[i].start);
		assert_int_equal(f.touched.at[i].end, expected[i].end);
	}
	fixture_done(&f);
}

static void test_missing_thread(void **state)
{
	struct fi_error err = { "" };
	struct fixture f = { 0 };

	(void)state;
	fixture_init(&f);
	open_all(&f);
	assert_int_equal(unlinkat(f.image.dirfd, "core-110.img", 0), 0);
	assert_int_equal(fi_touched_read(f.image.dirfd, f.open, &f.touched, &err), -ENOENT);
	assert_non_null(strstr(err.text, "core-110.img"));
	fixture_done(&f);
}

/* Whether the page at @addr is left out, by the words of the header. */
static bool is_left_out(const struct fixture *f, const struct fi_task_image *task, uint64_t addr)
{
	const struct fi_run *run = fi_pagemap_find(task->pagemap, addr);

	if (!run || !run->lazy)
		return false;
	for (size_t i = 0; i < f->touched.nr; i++)
		if (f->touched.at[i].vpid == task->vpid && f->touched.at[i].start <= addr &&
		    addr < f->touched.at[i].end)
			return false;
	return true;
}

static void test_parts(void **state)
{
	uint64_t kept, left_out, pages = 0, at = 0;
	struct fixture f = { 0 };
	struct fi_slice_cursor cursor = FI_SLICE_START;
	struct fi_slice slice;
	struct fi_run run, same;

	(void)state;
	fixture_init(&f);
	open_all(&f);
	slice = fi_slice_of(fi_image_find_task(f.open, 10), &f.touched);
	for (; fi_slice_next(&slice, &cursor, &run); at = fi_run_end(&run)) {
		struct fi_slice_cursor other = FI_SLICE_START;

		assert_true(run.addr >= at);
		fi_slice_skip(&slice, &other, at);
		assert_true(fi_slice_next(&slice, &other, &same));
		assert_int_equal(other.run, cursor.run);
		assert_int_equal(other.addr, cursor.addr);
		assert_int_equal(same.addr, run.addr);
		assert_int_equal(same.nr_pages, run.nr_pages);
		assert_true(run.nr_pages > 0);
		for (uint64_t a = run.addr; a < fi_run_end(&run); a += FI_PAGE_SIZE) {
			const struct fi_run *whole = fi_pagemap_find(slice.task->pagemap, a);

			assert_non_null(whole);
			assert_int_equal(run.lazy, is_left_out(&f, slice.task, a));
			assert_int_equal(run.kind, whole->kind);
			if (run.kind == FI_RUN_DATA) {
				assert_int_equal(run.file, whole->file);
				assert_int_equal(run.file_off + (a - run.addr),
						 whole->file_off + (a - whole->addr));
			}
			pages++;
		}
	}
	assert_int_equal(pages, slice.task->pagemap->nr_pages);
	fi_slice_count(&slice, &kept, &left_out);
	assert_int_equal(kept + left_out, pages);
	/* lazy: 0x10000-0x16000 and 0x1e000-0x22000, without 0x11000, 0x14000, 0x15000, 0x1f000 and
	 * 0x20000 */
	assert_int_equal(left_out, 5);

	slice = fi_slice_of(fi_image_find_task(f.open, 12), &f.touched);
	fi_slice_count(&slice, &kept, &left_out);
	assert_int_equal(kept, 0);
	assert_int_equal(left_out, 3);
	fixture_done(&f);
}

/* Files of @from that are not in @to. */
static void copy_rest(const struct builder *from, const struct builder *to)
{
	DIR *dir = fdopendir(openat(from->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len;
		uint8_t *data;

		if (!strstr(entry->d_name, ".img") ||
		    faccessat(to->dirfd, entry->d_name, F_OK, 0) == 0)
			continue;
		data = builder_read(from, entry->d_name, &len);
		builder_write(to, entry->d_name, data, len);
		free(data);
	}
	(void)closedir(dir);
}

static const uint8_t *bytes_at(const struct fi_image *image, const struct fi_run *run,
			       uint64_t addr)
{
	return fi_image_pages_file(image, run->file)->map + run->file_off + (addr - run->addr);
}

static void assert_same_but_left_out(const struct fixture *f, const struct fi_image *written,
				     uint32_t vpid)
{
	const struct fi_task_image *before = fi_image_find_task(f->open, vpid);
	const struct fi_task_image *after = fi_image_find_task(written, vpid);
	uint64_t nr = 0;

	for (size_t i = 0; i < before->pagemap->nr_runs; i++) {
		const struct fi_run *run = &before->pagemap->runs[i];

		for (uint64_t a = run->addr; a < fi_run_end(run); a += FI_PAGE_SIZE) {
			const struct fi_run *now = fi_pagemap_find(after->pagemap, a);

			assert_int_equal(now == NULL, is_left_out(f, before, a));
			if (!now)
				continue;
			nr++;
			assert_false(now->lazy);
			assert_int_equal(now->kind, run->kind);
			if (run->kind == FI_RUN_DATA)
				assert_memory_equal(bytes_at(written, now, a),
						    bytes_at(f->open, run, a), FI_PAGE_SIZE);
		}
	}
	assert_int_equal(after->pagemap->nr_pages, nr);
}

/* With and without the common magic number; the parent image is not needed any more. */
static void test_written(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= 2; version++) {
		struct builder out = { .version = version };
		struct fi_error err = { "" };
		struct fixture f = { 0 };
		struct fi_image *written;

		f.image.version = f.parent.version = version;
		builder_sample(&f.image, &f.parent);
		write_thread(&f.image, 10, 0x1f800, 0);
		write_thread(&f.image, 110, 0x20001, 0x14ff0);
		open_all(&f);
		builder_init(&out);
		for (uint32_t vpid = 10; vpid <= 12; vpid += 2) {
			const struct fi_slice slice =
				fi_slice_of(fi_image_find_task(f.open, vpid), &f.touched);

			assert_int_equal(
				fi_slice_write(&slice, f.open, f.image.dirfd, out.dirfd, &err), 0);
		}
		copy_rest(&f.image, &out);
		written = builder_open(&out);
		assert_non_null(written);
		assert_image_holds(written);
		assert_same_but_left_out(&f, written, 10);
		assert_same_but_left_out(&f, written, 12);
		fi_image_free(written);
		builder_done(&out);
		fixture_done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touched),
		cmocka_unit_test(test_missing_thread),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests_name("images/slice", tests, NULL, NULL);
}
