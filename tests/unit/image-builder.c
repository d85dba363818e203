/* tests/unit/image-builder.c - see image-builder.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
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

#include "images/proto/core.pb-c.h"
#include "images/proto/inventory.pb-c.h"
#include "images/proto/mm.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "tests/unit/image-builder.h"

#define COMMON_MAGIC	UINT32_C(0x54564319)
#define INVENTORY_MAGIC UINT32_C(0x58313116)
#define PSTREE_MAGIC	UINT32_C(0x50273030)
#define CORE_MAGIC	UINT32_C(0x55053847)
#define MM_MAGIC	UINT32_C(0x57492820)
#define PAGEMAP_MAGIC	UINT32_C(0x56084025)

static void remove_all(int dirfd)
{
	DIR *dir = fdopendir(dup(dirfd));
	struct dirent *entry;
	struct stat st;
	int fd;

	assert_non_null(dir);
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		assert_return_code(fstatat(dirfd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW), errno);
		if (S_ISDIR(st.st_mode)) {
			fd = openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			assert_return_code(fd, errno);
			remove_all(fd);
			close(fd);
			assert_return_code(unlinkat(dirfd, entry->d_name, AT_REMOVEDIR), errno);
		} else {
			assert_return_code(unlinkat(dirfd, entry->d_name, 0), errno);
		}
	}
	closedir(dir);
}

void builder_init(struct builder *b)
{
	const char *tmp = getenv("TMPDIR");

	b->version = 2;
	assert_in_range(snprintf(b->path, sizeof(b->path), "%s/faultin-test-XXXXXX",
				 tmp && strlen(tmp) < 32 ? tmp : "/tmp"),
			1, sizeof(b->path) - 1);
	assert_non_null(mkdtemp(b->path));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(b->dirfd, errno);
}

void builder_done(struct builder *b)
{
	if (b->path[0]) {
		remove_all(b->dirfd);
		assert_return_code(rmdir(b->path), errno);
	}
	close(b->dirfd);
}

void builder_subdir(const struct builder *b, const char *name, struct builder *ret)
{
	*ret = (struct builder){ .version = b->version };
	assert_return_code(mkdirat(b->dirfd, name, 0700), errno);
	ret->dirfd = openat(b->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_return_code(ret->dirfd, errno);
}

void builder_write(const struct builder *b, const char *name, const void *data, size_t len)
{
	int fd = openat(b->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

void builder_resize(const struct builder *b, const char *name, uint64_t size)
{
	int fd = openat(b->dirfd, name, O_WRONLY | O_CLOEXEC);

	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	close(fd);
}

uint8_t *builder_read(const struct builder *b, const char *name, size_t *ret_len)
{
	int fd = openat(b->dirfd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *data;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	close(fd);
	*ret_len = (size_t)st.st_size;
	return data;
}

void builder_bytes(struct builder_file *file, const void *data, size_t len)
{
	if (file->size - file->len < len) {
		file->size = (file->size + len) * 2;
		file->data = realloc(file->data, file->size);
		assert_non_null(file->data);
	}
	memcpy(file->data + file->len, data, len);
	file->len += len;
}

void builder_magic(const struct builder *b, struct builder_file *file, uint32_t magic)
{
	const uint32_t common = COMMON_MAGIC;

	if (b->version != 1 && magic != INVENTORY_MAGIC)
		builder_bytes(file, &common, sizeof(common));
	builder_bytes(file, &magic, sizeof(magic));
}

void builder_record(struct builder_file *file, const void *msg)
{
	uint32_t len = (uint32_t)protobuf_c_message_get_packed_size(msg);
	uint8_t *packed = malloc(len + 1);

	assert_non_null(packed);
	(void)protobuf_c_message_pack(msg, packed);
	builder_bytes(file, &len, sizeof(len));
	builder_bytes(file, packed, len);
	free(packed);
}

void builder_flush(const struct builder *b, struct builder_file *file, const char *name)
{
	builder_write(b, name, file->data, file->len);
	free(file->data);
	*file = (struct builder_file){ 0 };
}

void builder_inventory(const struct builder *b, uint32_t version)
{
	Fi__Pb__Inventory inventory = FI__PB__INVENTORY__INIT;
	struct builder_file file = { 0 };

	inventory.img_version = version;
	builder_magic(b, &file, INVENTORY_MAGIC);
	builder_record(&file, &inventory);
	builder_flush(b, &file, "inventory.img");
}

void builder_pstree(const struct builder *b, const struct builder_task *tasks, size_t nr)
{
	struct builder_file file = { 0 };
	size_t i, k;

	builder_magic(b, &file, PSTREE_MAGIC);
	for (i = 0; i < nr; i++) {
		Fi__Pb__Pstree item = FI__PB__PSTREE__INIT;
		uint32_t threads[8];

		assert_in_range(tasks[i].nr_threads, 0, 8);
		for (k = 0; k < tasks[i].nr_threads; k++)
			threads[k] = tasks[i].pid + (uint32_t)k * 100;
		item.pid = tasks[i].pid;
		item.ppid = tasks[i].ppid;
		item.n_threads = tasks[i].nr_threads;
		item.threads = threads;
		builder_record(&file, &item);
	}
	builder_flush(b, &file, "pstree.img");
}

void builder_core(const struct builder *b, uint32_t vpid, uint32_t state, const char *comm)
{
	Fi__Pb__TaskCore tc = FI__PB__TASK_CORE__INIT;
	Fi__Pb__Core core = FI__PB__CORE__INIT;
	struct builder_file file = { 0 };
	char name[32];

	(void)snprintf(name, sizeof(name), "core-%" PRIu32 ".img", vpid);
	tc.task_state = state;
	tc.comm = (char *)comm;
	core.tc = &tc;
	builder_magic(b, &file, CORE_MAGIC);
	builder_record(&file, &core);
	builder_flush(b, &file, name);
}

void builder_mm(const struct builder *b, uint32_t vpid, const struct fi_vma *vmas, size_t nr)
{
	Fi__Pb__Vma *messages = calloc(nr + 1, sizeof(*messages));
	Fi__Pb__Vma **pointers = calloc(nr + 1, sizeof(*pointers));
	Fi__Pb__Mm mm = FI__PB__MM__INIT;
	struct builder_file file = { 0 };
	char name[32];
	size_t i;

	assert_non_null(messages);
	assert_non_null(pointers);
	for (i = 0; i < nr; i++) {
		pointers[i] = &messages[i];
		fi__pb__vma__init(&messages[i]);
		messages[i].start = vmas[i].start;
		messages[i].end = vmas[i].end;
		messages[i].pgoff = vmas[i].pgoff;
		messages[i].shmid = vmas[i].shmid;
		messages[i].prot = vmas[i].prot;
		messages[i].flags = vmas[i].flags;
		messages[i].status = vmas[i].status;
		messages[i].has_madv = vmas[i].madv != 0;
		messages[i].madv = vmas[i].madv;
	}
	mm.n_vmas = nr;
	mm.vmas = pointers;
	(void)snprintf(name, sizeof(name), "mm-%" PRIu32 ".img", vpid);
	builder_magic(b, &file, MM_MAGIC);
	builder_record(&file, &mm);
	builder_flush(b, &file, name);
	free(messages);
	free(pointers);
}

Fi__Pb__PagemapEntry builder_entry(uint64_t addr, uint64_t nr_pages, uint32_t flags)
{
	Fi__Pb__PagemapEntry entry = FI__PB__PAGEMAP_ENTRY__INIT;

	entry.vaddr = addr;
	entry.has_nr_pages_64 = true;
	entry.nr_pages_64 = nr_pages;
	entry.has_flags = true;
	entry.flags = flags;
	return entry;
}

void builder_pagemap(const struct builder *b, uint32_t vpid, uint32_t pages_id,
		     const Fi__Pb__PagemapEntry *entries, size_t nr)
{
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	struct builder_file file = { 0 };
	char name[32];
	size_t i;

	head.pages_id = pages_id;
	builder_magic(b, &file, PAGEMAP_MAGIC);
	builder_record(&file, &head);
	for (i = 0; i < nr; i++)
		builder_record(&file, &entries[i]);
	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", vpid);
	builder_flush(b, &file, name);
}

uint64_t builder_stamp(uint64_t tag, uint64_t page)
{
	return tag << 32 | page;
}

void builder_pages(const struct builder *b, uint32_t id, uint64_t nr_pages, uint64_t tag)
{
	uint64_t i, stamp;
	char name[32];
	int fd;

	(void)snprintf(name, sizeof(name), "pages-%" PRIu32 ".img", id);
	builder_write(b, name, "", 0);
	builder_resize(b, name, nr_pages * FI_PAGE_SIZE);
	fd = openat(b->dirfd, name, O_WRONLY | O_CLOEXEC);
	assert_return_code(fd, errno);
	for (i = 0; i < nr_pages; i++) {
		stamp = builder_stamp(tag, i);
		assert_int_equal(pwrite(fd, &stamp, sizeof(stamp), (off_t)(i * FI_PAGE_SIZE)),
				 sizeof(stamp));
	}
	close(fd);
}

struct fi_vma builder_anon(uint64_t start, uint64_t end)
{
	return (struct fi_vma){
		.start = start,
		.end = end,
		.prot = PROT_READ | PROT_WRITE,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS,
		.status = FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
	};
}

/*
 * Task 10:
 *
 *   0x10000 ------- anonymous ------- 0x20000 - anonymous, read only - 0x28000
 *     4 lazy  2 lazy, parent   2 lazy | 2 lazy        1 zero
 *
 *   0x40000 file 0x44000    0x50000 shared 0x52000    0x60000 locked 0x64000    vdso, vsyscall
 *     2 present                none                       1 present               1 present
 *
 *   parent: 4 pages from 0x13000, of which 0x14000 and 0x15000 are wanted
 */
void builder_sample(struct builder *b, struct builder *parent)
{
	const struct builder_task tasks[] = { { 10, 0, 2 }, { 11, 10, 1 }, { 12, 10, 1 } };
	struct fi_vma vmas[] = {
		builder_anon(0x10000, 0x20000),
		builder_anon(0x20000, 0x28000),
		builder_anon(0x40000, 0x44000),
		builder_anon(0x50000, 0x52000),
		builder_anon(0x60000, 0x64000),
		builder_anon(0x70000, 0x71000),
		builder_anon(0xffffffffff600000, 0xffffffffff601000),
		builder_anon(0x16000, 0x18000),
	};
	const Fi__Pb__PagemapEntry entries[] = {
		builder_entry(0x10000, 4, PE_PRESENT | PE_LAZY),
		builder_entry(0x14000, 2, PE_PARENT | PE_LAZY),
		builder_entry(0x1e000, 4, PE_PRESENT | PE_LAZY),
		builder_entry(0x23000, 1, 0),
		builder_entry(0x40000, 2, PE_PRESENT),
		builder_entry(0x60000, 1, PE_PRESENT),
		builder_entry(0x70000, 1, PE_PRESENT),
	};
	const Fi__Pb__PagemapEntry parent_entry = builder_entry(0x13000, 4, PE_PRESENT | PE_LAZY);
	const Fi__Pb__PagemapEntry entry_12 = builder_entry(0x30000, 3, PE_PRESENT | PE_LAZY);
	const struct fi_vma vma_12 = builder_anon(0x30000, 0x34000);

	vmas[1].prot = PROT_READ;
	vmas[1].madv = UINT64_C(1) << MADV_DONTFORK;
	vmas[2].flags = MAP_PRIVATE;
	vmas[2].status = FI_VMA_REGULAR | FI_VMA_FILE_PRIVATE;
	vmas[2].shmid = 3;
	vmas[2].pgoff = 0x1000;
	vmas[3].flags = MAP_SHARED | MAP_ANONYMOUS;
	vmas[3].status = FI_VMA_REGULAR | FI_VMA_ANON_SHARED;
	vmas[4].flags |= MAP_LOCKED;
	vmas[5].status |= FI_VMA_VDSO;
	vmas[6].status = FI_VMA_VSYSCALL | FI_VMA_ANON_PRIVATE;
	vmas[7] = (struct fi_vma){ .start = 0x16000, .end = 0x18000, .status = FI_VMA_GUARD };

	builder_init(b);
	builder_inventory(b, b->version);
	builder_pstree(b, tasks, FI_ARRAY_SIZE(tasks));
	builder_core(b, 10, 1, "root-task");
	builder_core(b, 11, 2, "zombie");
	builder_core(b, 12, 3, "a-name-of-more-than-15");
	builder_mm(b, 10, vmas, FI_ARRAY_SIZE(vmas));
	builder_mm(b, 12, &vma_12, 1);
	builder_pagemap(b, 10, 1, entries, FI_ARRAY_SIZE(entries));
	builder_pages(b, 1, 12, 1);
	builder_pagemap(b, 12, 2, &entry_12, 1);
	builder_pages(b, 2, 3, 2);

	builder_subdir(b, "previous", parent);
	builder_inventory(parent, b->version);
	builder_pagemap(parent, 10, 1, &parent_entry, 1);
	builder_pages(parent, 1, 4, 3);
	assert_return_code(symlinkat("previous", b->dirfd, "parent"), errno);
}

struct fi_image *builder_open(const struct builder *b)
{
	struct fi_error err = { "" };
	struct fi_image *image = NULL;
	int r = fi_image_open(b->dirfd, &image, &err);

	if (r < 0)
		fail_msg("%s: %s", err.text, strerror(-r));
	return image;
}

static void assert_vmas_hold(const struct fi_mm *mm)
{
	const struct fi_vma *vma;
	size_t i;

	for (i = 0; i < mm->nr_vmas; i++) {
		vma = &mm->vmas[i];
		assert_true(vma->start < vma->end);
		assert_int_equal((vma->start | vma->end) & (FI_PAGE_SIZE - 1), 0);
		assert_true(i == 0 || vma[-1].end <= vma->start);
		assert_ptr_equal(fi_mm_find(mm, vma->start), vma);
		assert_ptr_equal(fi_mm_find(mm, vma->end - 1), vma);
		assert_ptr_not_equal(fi_mm_find(mm, vma->end), vma);
		if (i == 0 || vma[-1].end < vma->start)
			assert_null(fi_mm_find(mm, vma->start - 1));
	}
}

static void assert_run_holds(const struct fi_image *image, const struct fi_task_image *task,
			     const struct fi_run *run)
{
	const struct fi_vma *vma = fi_mm_find(task->mm, run->addr);
	uint64_t len = (uint64_t)run->nr_pages << FI_PAGE_SHIFT;
	const struct fi_pages_file *file;

	assert_true(run->nr_pages > 0);
	assert_int_equal(run->addr & (FI_PAGE_SIZE - 1), 0);
	assert_true(fi_run_end(run) > run->addr);
	assert_non_null(vma);
	assert_true(fi_run_end(run) <= vma->end);
	assert_true(!run->lazy || vma->lazy);
	assert_true(run->kind == FI_RUN_DATA || run->kind == FI_RUN_ZERO);
	if (run->kind == FI_RUN_DATA) {
		assert_true(run->file < fi_image_nr_pages_files(image));
		file = fi_image_pages_file(image, run->file);
		assert_int_equal(run->file_off & (FI_PAGE_SIZE - 1), 0);
		assert_true(run->file_off <= file->size && len <= file->size - run->file_off);
	}
}

static void assert_pagemap_holds(const struct fi_image *image, const struct fi_task_image *task)
{
	const struct fi_pagemap *pm = task->pagemap;
	uint64_t pages = 0, lazy = 0;
	const struct fi_run *run;
	size_t i;

	for (i = 0; i < pm->nr_runs; i++) {
		run = &pm->runs[i];
		assert_run_holds(image, task, run);
		assert_true(i == 0 || fi_run_end(run - 1) <= run->addr);
		assert_ptr_equal(fi_pagemap_find(pm, run->addr), run);
		assert_ptr_equal(fi_pagemap_find(pm, fi_run_end(run) - 1), run);
		assert_int_equal(fi_pagemap_lower_bound(pm, fi_run_end(run)), i + 1);
		if (run->lazy) {
			assert_int_equal(run->lazy_rank, lazy);
			assert_ptr_equal(fi_pagemap_find_rank(pm, lazy), run);
			lazy += run->nr_pages;
			assert_ptr_equal(fi_pagemap_find_rank(pm, lazy - 1), run);
		}
		pages += run->nr_pages;
	}
	assert_int_equal(pm->nr_pages, pages);
	assert_int_equal(pm->nr_lazy_pages, lazy);
	assert_null(fi_pagemap_find_rank(pm, lazy));
	assert_null(fi_pagemap_find_rank(pm, UINT64_MAX));
}

void assert_image_holds(const struct fi_image *image)
{
	const struct fi_task_image *task, *parent;
	const struct fi_pages_file *file;
	size_t i;

	assert_true(fi_image_nr_tasks(image) > 0);
	for (i = 0; i < fi_image_nr_pages_files(image); i++) {
		file = fi_image_pages_file(image, i);
		assert_non_null(file->name);
		assert_non_null(file->map);
		assert_true(file->size > 0 && file->size % FI_PAGE_SIZE == 0);
		assert_return_code(fcntl(file->fd, F_GETFD), errno);
		assert_int_equal(fcntl(file->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	for (i = 0; i < fi_image_nr_tasks(image); i++) {
		task = fi_image_task(image, i);
		assert_ptr_equal(fi_image_find_task(image, task->vpid), task);
		assert_non_null(memchr(task->comm, '\0', sizeof(task->comm)));
		if (task->ppid) {
			parent = fi_image_find_task(image, task->ppid);
			assert_true(parent && parent < task);
		}
		assert_true(task->zombie == !task->mm && task->zombie == !task->pagemap);
		if (task->zombie)
			continue;
		assert_vmas_hold(task->mm);
		assert_pagemap_holds(image, task);
	}
}

size_t nr_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}
