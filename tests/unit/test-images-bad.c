/* tests/unit/test-images-bad.c - planted damage, and what is said of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each case spoils the sample image in one way.  The error must have the right number and name the
 * file and what is wrong with it; nothing may stay open.
 */
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

#include "tests/unit/image-builder.h"

/* What a case spoils. */
struct spoiled {
	struct builder image, parent;
};

struct bad_case {
	const char *name;
	void (*spoil)(struct spoiled *s);
	int code;
	const char *text; /* must be in the error */
};

static void replace_pagemap(struct spoiled *s, const Fi__Pb__PagemapEntry *entries, size_t nr,
			    uint64_t nr_pages)
{
	builder_pagemap(&s->image, 10, 1, entries, nr);
	builder_pages(&s->image, 1, nr_pages, 1);
}

static void one_entry(struct spoiled *s, Fi__Pb__PagemapEntry entry, uint64_t nr_pages)
{
	replace_pagemap(s, &entry, 1, nr_pages);
}

static void two_entries(struct spoiled *s, Fi__Pb__PagemapEntry first, Fi__Pb__PagemapEntry second)
{
	const Fi__Pb__PagemapEntry entries[] = { first, second };

	replace_pagemap(s, entries, 2, 2);
}

static void swap(const struct builder *b, const char *one, const char *other)
{
	assert_return_code(renameat(b->dirfd, one, b->dirfd, "swapped"), errno);
	assert_return_code(renameat(b->dirfd, other, b->dirfd, one), errno);
	assert_return_code(renameat(b->dirfd, "swapped", b->dirfd, other), errno);
}

static void append(const struct builder *b, const char *name, const void *bytes, size_t len)
{
	int fd = openat(b->dirfd, name, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void patch(const struct builder *b, const char *name, off_t at, const void *bytes,
		  size_t len)
{
	int fd = openat(b->dirfd, name, O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_int_equal(pwrite(fd, bytes, len, at), len);
	close(fd);
}

static void gone(const struct builder *b, const char *name)
{
	assert_return_code(unlinkat(b->dirfd, name, 0), errno);
}

static void one_vma(struct spoiled *s, uint64_t start, uint64_t end)
{
	const struct fi_vma vma = builder_anon(start, end);

	builder_mm(&s->image, 10, &vma, 1);
}

#define SPOIL(name, ...)                                                                           \
	static void name(struct spoiled *s)                                                        \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}

/* files */
SPOIL(no_inventory, gone(&s->image, "inventory.img"))
SPOIL(no_pstree, gone(&s->image, "pstree.img"))
SPOIL(no_core, gone(&s->image, "core-12.img"))
SPOIL(no_mm, gone(&s->image, "mm-12.img"))
SPOIL(no_pagemap, gone(&s->image, "pagemap-12.img"))
SPOIL(no_pages, gone(&s->image, "pages-2.img"))
SPOIL(no_parent_dir, gone(&s->image, "parent");
      assert_return_code(symlinkat("nowhere", s->image.dirfd, "parent"), errno))
SPOIL(no_parent_link, gone(&s->image, "parent"))
SPOIL(no_parent_pagemap, gone(&s->parent, "pagemap-10.img"))
SPOIL(no_parent_pages, gone(&s->parent, "pages-1.img"))
SPOIL(parent_is_a_file, gone(&s->image, "parent"); builder_write(&s->image, "parent", "x", 1))
SPOIL(parent_is_itself, gone(&s->image, "parent");
      assert_return_code(symlinkat(".", s->image.dirfd, "parent"), errno))
SPOIL(parent_loops, assert_return_code(symlinkat("..", s->parent.dirfd, "parent"), errno))
SPOIL(pstree_is_a_link,
      assert_return_code(renameat(s->image.dirfd, "pstree.img", s->image.dirfd, "real.img"), errno);
      assert_return_code(symlinkat("real.img", s->image.dirfd, "pstree.img"), errno))
SPOIL(pages_is_a_fifo, gone(&s->image, "pages-1.img");
      assert_return_code(mkfifoat(s->image.dirfd, "pages-1.img", 0600), errno))
SPOIL(mm_is_a_fifo, gone(&s->image, "mm-10.img");
      assert_return_code(mkfifoat(s->image.dirfd, "mm-10.img", 0600), errno))
SPOIL(core_is_a_directory, gone(&s->image, "core-10.img");
      assert_return_code(mkdirat(s->image.dirfd, "core-10.img", 0700), errno))

/* records */
SPOIL(empty_inventory, builder_resize(&s->image, "inventory.img", 0))
SPOIL(empty_pstree, builder_resize(&s->image, "pstree.img", 0))
SPOIL(pstree_of_no_task, builder_resize(&s->image, "pstree.img", 8))
SPOIL(mm_of_no_record, builder_resize(&s->image, "mm-10.img", 8))
SPOIL(pagemap_of_no_head, builder_resize(&s->image, "pagemap-10.img", 8))
SPOIL(zeros_for_mm, builder_resize(&s->image, "mm-10.img", 0);
      builder_resize(&s->image, "mm-10.img", UINT64_C(1) << 40))
SPOIL(wrong_common_magic, patch(&s->image, "mm-10.img", 0, "\x18", 1))
SPOIL(version_1_files, s->image.version = 1; builder_core(&s->image, 10, 1, "old"))
SPOIL(mm_for_core, swap(&s->image, "mm-10.img", "core-10.img"))
SPOIL(pagemap_for_mm, swap(&s->image, "mm-12.img", "pagemap-12.img"))
SPOIL(inventory_for_pstree, swap(&s->image, "inventory.img", "pstree.img"))
SPOIL(half_a_length, append(&s->image, "pagemap-10.img", "\x08\x00", 2))
SPOIL(record_beyond_the_end, append(&s->image, "pagemap-10.img",
				    "\x09\x00\x00\x00"
				    "12345678",
				    12))
SPOIL(record_of_4_gib, append(&s->image, "pstree.img",
			      "\xff\xff\xff\xff"
			      "12345678",
			      12))
SPOIL(huge_entry, char junk[5000] = { 0 }; uint32_t len = sizeof(junk);
      append(&s->image, "pagemap-10.img", &len, 4);
      append(&s->image, "pagemap-10.img", junk, sizeof(junk)))
SPOIL(empty_entry, append(&s->image, "pagemap-10.img", "\0\0\0\0", 4))
SPOIL(not_protobuf, append(&s->image, "pstree.img", "\x04\x00\x00\x00\xff\xff\xff\xff", 8))
SPOIL(two_inventories, append(&s->image, "inventory.img", "\x02\0\0\0\x08\x02", 6))
SPOIL(trailing_core, append(&s->image, "core-10.img", "x", 1))
SPOIL(gzip_mm, builder_write(&s->image, "mm-10.img", "\x1f\x8b\x08\x00", 4))
SPOIL(zstd_pagemap, builder_write(&s->image, "pagemap-10.img", "\x28\xb5\x2f\xfd....", 8))
SPOIL(lz4_core, builder_write(&s->image, "core-10.img", "\x04\x22\x4d\x18....", 8))
SPOIL(zstd_pages, builder_write(&s->image, "pages-1.img", "\x28\xb5\x2f\xfd....", 8))

/* inventory, tree, core */
SPOIL(version_3, builder_inventory(&s->image, 3))
SPOIL(top_is_a_pre_dump, builder_inventory(&s->image, 0))
SPOIL(version_huge, builder_inventory(&s->image, UINT32_MAX))
SPOIL(parent_version_3, builder_inventory(&s->parent, 3))
SPOIL(parent_inventory_broken, builder_resize(&s->parent, "inventory.img", 7))
SPOIL(pid_0, struct builder_task task = { .pid = 0 }; builder_pstree(&s->image, &task, 1))
SPOIL(pid_negative, struct builder_task task = { .pid = UINT32_MAX };
      builder_pstree(&s->image, &task, 1))
static void pid_twice(struct spoiled *s)
{
	const struct builder_task tasks[] = { { 10, 0, 1 }, { 12, 10, 1 }, { 12, 10, 1 } };

	builder_pstree(&s->image, tasks, 3);
}
static void two_roots(struct spoiled *s)
{
	const struct builder_task tasks[] = { { 10, 0, 1 }, { 12, 0, 1 } };

	builder_pstree(&s->image, tasks, 2);
}
static void child_before_parent(struct spoiled *s)
{
	const struct builder_task tasks[] = { { 12, 10, 1 }, { 10, 0, 1 } };

	builder_pstree(&s->image, tasks, 2);
}
static void own_parent(struct spoiled *s)
{
	const struct builder_task tasks[] = { { 10, 0, 1 }, { 12, 12, 1 } };

	builder_pstree(&s->image, tasks, 2);
}
SPOIL(core_of_a_thread, builder_resize(&s->image, "core-10.img", 8);
      append(&s->image, "core-10.img", "\0\0\0\0", 4))
SPOIL(state_99, builder_core(&s->image, 10, 99, "x"))

/* mm */
SPOIL(no_vmas, builder_mm(&s->image, 10, NULL, 0))
SPOIL(vma_empty, one_vma(s, 0x10000, 0x10000))
SPOIL(vma_backwards, one_vma(s, 0x20000, 0x10000))
SPOIL(vma_odd, one_vma(s, 0x10000, 0x10fff))
static void vmas_overlap(struct spoiled *s)
{
	const struct fi_vma vmas[] = { builder_anon(0x10000, 0x20000),
				       builder_anon(0x1f000, 0x30000) };

	builder_mm(&s->image, 10, vmas, 2);
}
static void vmas_unsorted(struct spoiled *s)
{
	const struct fi_vma vmas[] = { builder_anon(0x20000, 0x30000),
				       builder_anon(0x10000, 0x11000) };

	builder_mm(&s->image, 10, vmas, 2);
}

/* pagemap and pages */
SPOIL(pages_short, builder_resize(&s->image, "pages-1.img", 11 * FI_PAGE_SIZE))
SPOIL(pages_long, builder_resize(&s->image, "pages-1.img", 13 * FI_PAGE_SIZE))
SPOIL(pages_torn, builder_resize(&s->image, "pages-1.img", 12 * FI_PAGE_SIZE - 1))
SPOIL(pages_empty, builder_resize(&s->image, "pages-1.img", 0))
SPOIL(pages_not_wanted, replace_pagemap(s, NULL, 0, 1))
SPOIL(pages_swapped, swap(&s->image, "pages-1.img", "pages-2.img"))
SPOIL(parent_pages_short, builder_resize(&s->parent, "pages-1.img", FI_PAGE_SIZE))
SPOIL(pagemaps_swapped, swap(&s->image, "pagemap-10.img", "pagemap-12.img"))
static void pages_shared(struct spoiled *s)
{
	const Fi__Pb__PagemapEntry entry = builder_entry(0x30000, 3, PE_PRESENT);

	one_vma(s, 0x30000, 0x40000);
	builder_pagemap(&s->image, 10, 2, &entry, 1);
}
SPOIL(entries_overlap,
      two_entries(s, builder_entry(0x10000, 2, PE_PRESENT), builder_entry(0x11000, 1, PE_PRESENT)))
SPOIL(entries_unsorted,
      two_entries(s, builder_entry(0x12000, 1, PE_PRESENT), builder_entry(0x10000, 1, PE_PRESENT)))
SPOIL(entry_twice,
      two_entries(s, builder_entry(0x12000, 1, PE_PRESENT), builder_entry(0x12000, 1, PE_PRESENT)))
SPOIL(entry_odd, one_entry(s, builder_entry(0x10001, 1, PE_PRESENT), 1))
SPOIL(entry_of_none, one_entry(s, builder_entry(0x10000, 0, PE_PRESENT), 0))
SPOIL(entry_overflows, one_entry(s, builder_entry(0x10000, UINT64_C(1) << 52, PE_PRESENT), 1))
SPOIL(entry_to_the_top, one_entry(s, builder_entry(UINT64_C(0xfffffffffffff000), 1, PE_PRESENT), 1))
SPOIL(entry_huge, one_entry(s, builder_entry(0x10000, UINT64_MAX, PE_PRESENT), 1))
SPOIL(entry_32_tib, one_entry(s, builder_entry(0x10000, UINT64_C(1) << 33, PE_PRESENT), 1))
SPOIL(entry_below_vmas, one_entry(s, builder_entry(0x8000, 1, PE_PRESENT), 1))
SPOIL(entry_above_vmas, one_entry(s, builder_entry(0x7fff00000000, 1, PE_PRESENT), 1))
SPOIL(entry_over_a_gap, one_entry(s, builder_entry(0x27000, 2, PE_PRESENT), 2))
SPOIL(entry_shared, one_entry(s, builder_entry(0x50000, 1, PE_PRESENT), 1))
SPOIL(entry_vsyscall, one_entry(s, builder_entry(0xffffffffff600000, 1, PE_PRESENT), 1))
SPOIL(lazy_locked, one_entry(s, builder_entry(0x60000, 1, PE_PRESENT | PE_LAZY), 1))
SPOIL(lazy_file, one_entry(s, builder_entry(0x40000, 1, PE_PRESENT | PE_LAZY), 1))
SPOIL(lazy_vdso, one_entry(s, builder_entry(0x70000, 1, PE_PRESENT | PE_LAZY), 1))
SPOIL(lazy_dump, one_entry(s, builder_entry(0x10000, 1, PE_LAZY), 0))
SPOIL(flag_8, one_entry(s, builder_entry(0x10000, 1, PE_PRESENT | 8), 1))
SPOIL(flag_31, one_entry(s, builder_entry(0x10000, 1, UINT32_C(1) << 31), 0))
SPOIL(here_and_there, one_entry(s, builder_entry(0x10000, 1, PE_PRESENT | PE_PARENT), 1))
static void here_and_there_old(struct spoiled *s)
{
	Fi__Pb__PagemapEntry entry = builder_entry(0x10000, 1, PE_PRESENT);

	entry.has_in_parent = true;
	entry.in_parent = true;
	one_entry(s, entry, 1);
}
static void two_counts(struct spoiled *s)
{
	Fi__Pb__PagemapEntry entry = builder_entry(0x10000, 1, PE_PRESENT);

	entry.nr_pages_32 = 2;
	one_entry(s, entry, 1);
}
/* a record {vaddr, nr_pages_32 = 1, field 6 = 1} */
SPOIL(unknown_field, one_entry(s, builder_entry(0x10000, 1, PE_PRESENT), 1);
      append(&s->image, "pagemap-10.img", "\x08\0\0\0\x08\x80\xa0\x04\x10\x01\x30\x01", 12))
SPOIL(unknown_head_field, builder_resize(&s->image, "pagemap-10.img", 8);
      append(&s->image, "pagemap-10.img", "\x04\0\0\0\x08\x01\x10\x01", 8))
SPOIL(parent_hole_start, one_entry(s, builder_entry(0x12000, 2, PE_PARENT), 0))
SPOIL(parent_hole_end, one_entry(s, builder_entry(0x16000, 2, PE_PARENT), 0))
SPOIL(parent_hole_all, one_entry(s, builder_entry(0x18000, 2, PE_PARENT), 0))
static void parent_refers_up(struct spoiled *s)
{
	const Fi__Pb__PagemapEntry entry = builder_entry(0x13000, 4, PE_PARENT);

	builder_pagemap(&s->parent, 10, 1, &entry, 1);
	builder_resize(&s->parent, "pages-1.img", 0);
}
static void parent_lazy_dump(struct spoiled *s)
{
	const Fi__Pb__PagemapEntry entry = builder_entry(0x13000, 4, PE_LAZY);

	builder_pagemap(&s->parent, 10, 1, &entry, 1);
	builder_resize(&s->parent, "pages-1.img", 0);
}
static void chain_too_long(struct spoiled *s)
{
	int fd = dup(s->parent.dirfd), next, i;

	for (i = 0; i < 50; i++) {
		assert_return_code(mkdirat(fd, "parent", 0700), errno);
		next = openat(fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_return_code(next, errno);
		close(fd);
		fd = next;
	}
	close(fd);
}

static const struct bad_case cases[] = {
#define BAD(spoil, code, text)                                                                     \
	{                                                                                          \
#spoil, spoil, code, text                                                          \
	}
	BAD(no_inventory, -ENOENT, "'inventory.img' is missing"),
	BAD(no_pstree, -ENOENT, "'pstree.img' is missing"),
	BAD(no_core, -ENOENT, "'core-12.img' is missing"),
	BAD(no_mm, -ENOENT, "'mm-12.img' is missing"),
	BAD(no_pagemap, -ENOENT, "'pagemap-12.img' is missing"),
	BAD(no_pages, -ENOENT, "'pages-2.img' is missing"),
	BAD(no_parent_dir, -ENOENT, "'parent' leads to a directory that is missing"),
	BAD(no_parent_link, -EBADMSG,
	    "'pagemap-10.img' record 3 (0x14000-0x16000) refers to a parent image, but there is "
	    "none"),
	BAD(no_parent_pagemap, -ENOENT, "'parent/pagemap-10.img' is missing"),
	BAD(no_parent_pages, -ENOENT, "'parent/pages-1.img' is missing"),
	BAD(parent_is_a_file, -ENOTDIR, "cannot open the directory 'parent'"),
	BAD(parent_is_itself, -EBADMSG, "parent 1 is the same directory as parent 0"),
	BAD(parent_loops, -EBADMSG, "parent 2 is the same directory as parent 0"),
	BAD(pstree_is_a_link, -ELOOP, "'pstree.img' is a symbolic link"),
	BAD(pages_is_a_fifo, -EBADMSG, "'pages-1.img' is not a regular file"),
	BAD(mm_is_a_fifo, -EBADMSG, "'mm-10.img' is not a regular file"),
	BAD(core_is_a_directory, -EBADMSG, "'core-10.img' is not a regular file"),

	BAD(empty_inventory, -EBADMSG, "'inventory.img' is truncated: 0 bytes"),
	BAD(empty_pstree, -EBADMSG, "'pstree.img' is truncated: 0 bytes"),
	BAD(pstree_of_no_task, -EBADMSG, "'pstree.img' names no task"),
	BAD(mm_of_no_record, -EBADMSG, "'mm-10.img' is truncated: it holds no record"),
	BAD(pagemap_of_no_head, -EBADMSG, "'pagemap-10.img' is truncated: it has no head"),
	BAD(zeros_for_mm, -EBADMSG, "'mm-10.img' is not a CRIU image: magic 0 "),
	BAD(wrong_common_magic, -EBADMSG, "'mm-10.img' is not a CRIU image"),
	BAD(version_1_files, -EBADMSG, "'core-10.img' is not a CRIU image: magic 0x55053847"),
	BAD(mm_for_core, -EBADMSG, "'core-10.img' is of another kind: magic 0x57492820"),
	BAD(pagemap_for_mm, -EBADMSG, "'mm-12.img' is of another kind: magic 0x56084025"),
	BAD(inventory_for_pstree, -EBADMSG, "'inventory.img' is of another kind"),
	BAD(half_a_length, -EBADMSG, "'pagemap-10.img' record 9 at byte"),
	BAD(record_beyond_the_end, -EBADMSG, "truncated: 9 bytes wanted, 8 left"),
	BAD(record_of_4_gib, -EBADMSG, "'pstree.img' record 4 at byte"),
	BAD(huge_entry, -EBADMSG, "5000 bytes, more than the 4096 of any real one"),
	BAD(empty_entry, -EBADMSG, "not a valid PagemapEntry"),
	BAD(not_protobuf, -EBADMSG, "not a valid Pstree"),
	BAD(two_inventories, -EBADMSG, "6 bytes follow what should be the only record"),
	BAD(trailing_core, -EBADMSG, "1 bytes follow what should be the only record"),
	BAD(gzip_mm, -EPROTONOSUPPORT, "'mm-10.img' is compressed (gzip)"),
	BAD(zstd_pagemap, -EPROTONOSUPPORT, "'pagemap-10.img' is compressed (zstd)"),
	BAD(lz4_core, -EPROTONOSUPPORT, "'core-10.img' is compressed (lz4)"),
	BAD(zstd_pages, -EPROTONOSUPPORT, "'pages-1.img' is compressed (zstd)"),

	BAD(version_3, -EPROTONOSUPPORT, "image version 3 (compressed pages)"),
	BAD(top_is_a_pre_dump, -EPROTONOSUPPORT,
	    "'inventory.img' record 1 at byte 4: a pre-dump, which"),
	BAD(version_huge, -EPROTONOSUPPORT, "image version 4294967295 is not supported"),
	BAD(parent_version_3, -EPROTONOSUPPORT, "'parent/inventory.img' record 1 at byte 4"),
	BAD(parent_inventory_broken, -EBADMSG, "'parent/inventory.img' record 1 at byte 4"),
	BAD(pid_0, -EBADMSG, "'pstree.img' record 1 at byte 8: impossible pid 0"),
	BAD(pid_negative, -EBADMSG, "impossible pid 4294967295"),
	BAD(pid_twice, -EBADMSG, "'pstree.img' names task 12 twice"),
	BAD(two_roots, -EBADMSG, "'pstree.img' record 2: task 12 is a second root"),
	BAD(child_before_parent, -EBADMSG, "record 1: task 12 does not follow its parent 10"),
	BAD(own_parent, -EBADMSG, "record 2: task 12 does not follow its parent 12"),
	BAD(core_of_a_thread, -EBADMSG, "'core-10.img' record 1 at byte 8: not the core of"),
	BAD(state_99, -EBADMSG, "unknown task state 99"),

	BAD(no_vmas, -EPROTONOSUPPORT, "'mm-10.img' record 1 at byte 8: no VMAs"),
	BAD(vma_empty, -EBADMSG, "VMA 0 (0x10000-0x10000) is empty"),
	BAD(vma_backwards, -EBADMSG, "VMA 0 (0x20000-0x10000) is empty"),
	BAD(vma_odd, -EBADMSG, "VMA 0 (0x10000-0x10fff) is not page aligned"),
	BAD(vmas_overlap, -EBADMSG, "VMA 1 (0x1f000-0x30000) overlaps or precedes"),
	BAD(vmas_unsorted, -EBADMSG, "VMA 1 (0x10000-0x11000) overlaps or precedes"),

	BAD(pages_short, -EBADMSG, "'pages-1.img' has 45056 bytes, but 'pagemap-10.img'"),
	BAD(pages_long, -EBADMSG, "'pages-1.img' has 53248 bytes, but 'pagemap-10.img'"),
	BAD(pages_torn, -EBADMSG, "places 49152 in it"),
	BAD(pages_empty, -EBADMSG, "'pages-1.img' has 0 bytes"),
	BAD(pages_not_wanted, -EBADMSG, "places 0 in it"),
	BAD(pages_swapped, -EBADMSG, "'pages-1.img' has 12288 bytes"),
	BAD(parent_pages_short, -EBADMSG, "'parent/pages-1.img' has 4096 bytes"),
	BAD(pagemaps_swapped, -EBADMSG, "'pagemap-10.img' record 2"),
	BAD(pages_shared, -EBADMSG, "'pages-2.img' belongs to both"),
	BAD(entries_overlap, -EBADMSG, "record 3 at byte"),
	BAD(entries_unsorted, -EBADMSG, "0x10000 is below 0x13000, where the entry before it ends"),
	BAD(entry_twice, -EBADMSG, "0x12000 is below 0x13000"),
	BAD(entry_odd, -EBADMSG, "address 0x10001 is not page aligned"),
	BAD(entry_of_none, -EBADMSG, "no pages at 0x10000"),
	BAD(entry_overflows, -EBADMSG, "go beyond the address space"),
	BAD(entry_to_the_top, -EBADMSG, "go beyond the address space"),
	BAD(entry_huge, -EBADMSG, "18446744073709551615 pages at 0x10000 go beyond"),
	BAD(entry_32_tib, -EBADMSG, "places 35184372088832 in it"),
	BAD(entry_below_vmas, -EBADMSG, "record 2 (0x8000-0x9000) has pages outside every VMA"),
	BAD(entry_above_vmas, -EBADMSG, "has pages outside every VMA"),
	BAD(entry_over_a_gap, -EBADMSG, "(0x27000-0x29000) has pages outside every VMA"),
	BAD(entry_shared, -EBADMSG, "has pages in a VMA that is not private"),
	BAD(entry_vsyscall, -EBADMSG, "has pages in a VMA that is not private"),
	BAD(lazy_locked, -EBADMSG, "(0x60000-0x61000) is lazy, but in a VMA that cannot be"),
	BAD(lazy_file, -EBADMSG, "is lazy, but in a VMA that cannot be"),
	BAD(lazy_vdso, -EBADMSG, "is lazy, but in a VMA that cannot be"),
	BAD(lazy_dump, -EPROTONOSUPPORT,
	    "'pagemap-10.img' record 2 at byte 14: pages at 0x10000 were "
	    "left at a page server"),
	BAD(flag_8, -EPROTONOSUPPORT, "unknown flags 0x8 at 0x10000"),
	BAD(flag_31, -EPROTONOSUPPORT, "unknown flags 0x80000000"),
	BAD(here_and_there, -EBADMSG, "both here and in the parent"),
	BAD(here_and_there_old, -EBADMSG, "both here and in the parent"),
	BAD(two_counts, -EBADMSG, "two page counts at 0x10000: 2 and 1"),
	BAD(unknown_field, -EPROTONOSUPPORT, "record 3 at byte 28: unknown field 6"),
	BAD(unknown_head_field, -EPROTONOSUPPORT, "record 1 at byte 8: unknown field 2"),
	BAD(parent_hole_start, -EBADMSG, "refers to pages that the parent image does not have"),
	BAD(parent_hole_end, -EBADMSG, "refers to pages that the parent image does not have"),
	BAD(parent_hole_all, -EBADMSG, "(0x18000-0x1a000) refers to pages"),
	BAD(parent_refers_up, -EBADMSG,
	    "'parent/pagemap-10.img' record 2 (0x13000-0x17000) refers to "
	    "a parent image, but there is none"),
	BAD(parent_lazy_dump, -EPROTONOSUPPORT, "'parent/pagemap-10.img' record 2"),
	BAD(chain_too_long, -EPROTONOSUPPORT, "more than 40 parent images in a chain"),
#undef BAD
};

static void damage_is_named(void **state)
{
	const struct bad_case *bad = *state;
	struct fi_image *image = (struct fi_image *)(uintptr_t)1;
	struct fi_error err = { "" };
	struct spoiled s;
	size_t before;
	int r;

	builder_sample(&s.image, &s.parent);
	bad->spoil(&s);
	before = nr_open_fds();
	r = fi_image_open(s.image.dirfd, &image, &err);
	if (r != bad->code || !strstr(err.text, bad->text))
		fail_msg("%d '%s' instead of %d '%s'", r, err.text, bad->code, bad->text);
	assert_ptr_equal(image, (void *)(uintptr_t)1);
	assert_int_equal(nr_open_fds(), before);
	/* Nobody has to listen. */
	assert_int_equal(fi_image_open(s.image.dirfd, &image, NULL), bad->code);
	builder_done(&s.parent);
	builder_done(&s.image);
}

int main(void)
{
	struct CMUnitTest tests[FI_ARRAY_SIZE(cases)];
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(cases); i++)
		tests[i] = (struct CMUnitTest){
			.name = cases[i].name,
			.test_func = damage_is_named,
			.initial_state = (void *)&cases[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
