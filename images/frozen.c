/* images/frozen.c - see frozen.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Layout: a header, then arrays, each at a multiple of 8 bytes.  Tables are named by the index of
 * their first element.
 */
#include "config.h"

#include "images/frozen.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "images/parts.h"
#include "images/segments.h"

#define MAGIC UINT64_C(0x66726f7a656e3033)

struct head {
	uint64_t magic, size;
	uint64_t tasks, files, segments, anonymous, vmas, runs; /* byte offsets */
	uint64_t nr_tasks, nr_files, nr_segments, nr_anonymous;
	struct fi_inventory inventory;
};

struct frozen_task {
	struct fi_task_image task; /* its pointers mean nothing */
	uint64_t first_vma, nr_vmas, first_run, nr_runs, nr_pages, nr_lazy_pages;
};

struct frozen_segment {
	uint64_t id, first_run, nr_runs, nr_pages;
};

struct frozen_file {
	uint64_t size;
	int32_t fd;
	char name[FI_FILE_NAME_MAX];
};

static uint64_t room(struct head *head, uint64_t nr, uint64_t size)
{
	uint64_t at = head->size;

	head->size += (nr * size + 7) & ~UINT64_C(7);
	return at;
}

static struct head measure(const struct fi_image *image)
{
	struct head head = {
		.magic = MAGIC,
		.size = (sizeof(head) + 7) & ~UINT64_C(7),
		.nr_tasks = fi_image_nr_tasks(image),
		.nr_files = fi_image_nr_pages_files(image),
		.nr_segments = image->nr_segments,
		.nr_anonymous = image->nr_anonymous,
		.inventory = *fi_image_inventory(image),
	};
	uint64_t nr_vmas = 0, nr_runs = 0;

	for (size_t i = 0; i < head.nr_tasks; i++) {
		const struct fi_task_image *task = fi_image_task(image, i);

		if (task->zombie)
			continue;
		nr_vmas += task->mm->nr_vmas;
		nr_runs += task->pagemap->nr_runs;
	}
	for (size_t i = 0; i < head.nr_segments; i++)
		nr_runs += image->segments[i].pagemap.nr_runs;
	head.tasks = room(&head, head.nr_tasks, sizeof(struct frozen_task));
	head.files = room(&head, head.nr_files, sizeof(struct frozen_file));
	head.segments = room(&head, head.nr_segments, sizeof(struct frozen_segment));
	head.anonymous = room(&head, head.nr_anonymous, sizeof(struct fi_anonymous));
	head.vmas = room(&head, nr_vmas, sizeof(struct fi_vma));
	head.runs = room(&head, nr_runs, sizeof(struct fi_run));
	return head;
}

/* Appends a table to the runs that are in the file already, of which there are *@nr.  To write is faster than to
 * touch a mapping, page after page, and there may be millions. */
static int write_runs(int fd, const struct head *head, uint64_t *nr, const struct fi_pagemap *pm)
{
	const uint8_t *from = (const uint8_t *)pm->runs;
	uint64_t left = pm->nr_runs * sizeof(pm->runs[0]);
	uint64_t at = head->runs + *nr * sizeof(pm->runs[0]);

	while (left > 0) {
		ssize_t n = pwrite(fd, from, left, (off_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			at += (uint64_t)n;
			left -= (uint64_t)n;
		}
	}
	*nr += pm->nr_runs;
	return 0;
}

/* *@nr_runs: how many there are before and behind. */
static int write_tasks(const struct fi_image *image, const struct head *head, uint8_t *base, int fd,
		       uint64_t *nr_runs)
{
	struct frozen_task *to = (void *)(base + head->tasks);
	struct fi_vma *vmas = (void *)(base + head->vmas);
	uint64_t nr_vmas = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < head->nr_tasks; i++) {
		const struct fi_task_image *task = fi_image_task(image, i);

		to[i] = (struct frozen_task){ .task = *task };
		if (task->zombie)
			continue;
		to[i].first_vma = nr_vmas;
		to[i].nr_vmas = task->mm->nr_vmas;
		to[i].first_run = *nr_runs;
		to[i].nr_runs = task->pagemap->nr_runs;
		to[i].nr_pages = task->pagemap->nr_pages;
		to[i].nr_lazy_pages = task->pagemap->nr_lazy_pages;
		if (to[i].nr_vmas)
			memcpy(&vmas[nr_vmas], task->mm->vmas, to[i].nr_vmas * sizeof(vmas[0]));
		nr_vmas += to[i].nr_vmas;
		r = write_runs(fd, head, nr_runs, task->pagemap);
	}
	return r;
}

/* Their runs come behind those of the tasks. */
static int write_segments(const struct fi_image *image, const struct head *head, uint8_t *base,
			  int fd, uint64_t *nr_runs)
{
	struct frozen_segment *to = (void *)(base + head->segments);
	int r = 0;

	for (size_t i = 0; r == 0 && i < head->nr_segments; i++) {
		const struct fi_segment *from = &image->segments[i];

		to[i] = (struct frozen_segment){
			.id = from->id,
			.first_run = *nr_runs,
			.nr_runs = from->pagemap.nr_runs,
			.nr_pages = from->pagemap.nr_pages,
		};
		r = write_runs(fd, head, nr_runs, &from->pagemap);
	}
	return r;
}

static void write_files(struct fi_image *image, const struct head *head, uint8_t *base)
{
	struct frozen_file *to = (void *)(base + head->files);

	for (size_t i = 0; i < head->nr_files; i++) {
		const struct fi_pages_file *file = fi_image_pages_file(image, i);

		to[i].size = file->size;
		to[i].fd = fi_take_fd(&image->pages.files[i].fd);
		(void)snprintf(to[i].name, sizeof(to[i].name), "%s", file->name);
	}
}

int fi_image_freeze(struct fi_image *image, struct fi_error *err)
{
	struct head head = measure(image);
	fi_auto_close int fd = memfd_create("faultin-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t nr_runs = 0;
	uint8_t *base;
	int r;

	if (fd < 0 || ftruncate(fd, (off_t)head.size) < 0)
		return fi_error_set(err, -errno, "no memory for an image's tables: %s",
				    strerror(errno));
	base = mmap(NULL, head.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return fi_error_set(err, -errno, "no memory for an image's tables: %s",
				    strerror(errno));
	memcpy(base, &head, sizeof(head));
	if (head.nr_anonymous)
		memcpy(base + head.anonymous, image->anonymous,
		       head.nr_anonymous * sizeof(image->anonymous[0]));
	r = write_tasks(image, &head, base, fd, &nr_runs);
	if (r == 0)
		r = write_segments(image, &head, base, fd, &nr_runs);
	if (r == 0)
		write_files(image, &head, base);
	(void)munmap(base, head.size);
	if (r < 0)
		return fi_error_set(err, r, "no memory for an image's tables: %s", strerror(-r));
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fi_take_fd(&fd);
}

static int not_frozen(struct fi_error *err)
{
	return fi_error_set(err, -EBADMSG, "not an image that was frozen by this version");
}

/* Maps a frozen image.  Returns NULL when it is none. */
static const struct head *map_frozen(int fd, struct fi_error *err, int *r)
{
	const struct head *head;
	struct stat st;

	*r = 0;
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < sizeof(*head)) {
		*r = not_frozen(err);
		return NULL;
	}
	head = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED) {
		*r = fi_error_set(err, -errno, "cannot map an image's tables: %s", strerror(errno));
		return NULL;
	}
	if (head->magic == MAGIC && head->size == (uint64_t)st.st_size)
		return head;
	(void)munmap((void *)(uintptr_t)head, (size_t)st.st_size);
	*r = not_frozen(err);
	return NULL;
}

static int thaw_tasks(struct fi_image *image, const struct head *head)
{
	const uint8_t *base = (const uint8_t *)head;
	const struct frozen_task *from = (const void *)(base + head->tasks);
	const struct fi_vma *vmas = (const void *)(base + head->vmas);
	const struct fi_run *runs = (const void *)(base + head->runs);

	image->nr_tasks = head->nr_tasks;
	image->tasks = calloc(head->nr_tasks, sizeof(*image->tasks));
	image->memory = calloc(head->nr_tasks, sizeof(*image->memory));
	image->by_vpid = calloc(head->nr_tasks, sizeof(*image->by_vpid));
	if (!image->tasks || !image->memory || !image->by_vpid)
		return -ENOMEM;
	for (size_t i = 0; i < head->nr_tasks; i++) {
		struct fi_task_image *task = &image->tasks[i];
		struct fi_image_memory *memory = &image->memory[i];

		*task = from[i].task;
		if (task->zombie)
			continue;
		memory->mm.vmas = &vmas[from[i].first_vma];
		memory->mm.nr_vmas = from[i].nr_vmas;
		memory->pagemap.runs = &runs[from[i].first_run];
		memory->pagemap.nr_runs = from[i].nr_runs;
		memory->pagemap.nr_pages = from[i].nr_pages;
		memory->pagemap.nr_lazy_pages = from[i].nr_lazy_pages;
		task->mm = &memory->mm;
		task->pagemap = &memory->pagemap;
	}
	return fi_pstree_index(image->tasks, image->nr_tasks, image->by_vpid, NULL);
}

static int thaw_segments(struct fi_image *image, const struct head *head)
{
	const uint8_t *base = (const uint8_t *)head;
	const struct frozen_segment *from = (const void *)(base + head->segments);
	const struct fi_run *runs = (const void *)(base + head->runs);

	image->anonymous = calloc(head->nr_anonymous + 1, sizeof(image->anonymous[0]));
	if (!image->anonymous)
		return -ENOMEM;
	memcpy(image->anonymous, base + head->anonymous,
	       head->nr_anonymous * sizeof(image->anonymous[0]));
	image->nr_anonymous = head->nr_anonymous;
	if (head->nr_segments == 0)
		return 0;
	image->segments = calloc(head->nr_segments, sizeof(image->segments[0]));
	if (!image->segments)
		return -ENOMEM;
	image->nr_segments = head->nr_segments;
	for (size_t i = 0; i < head->nr_segments; i++)
		image->segments[i] = (struct fi_segment){
			.id = (uint32_t)from[i].id,
			.pagemap = { .runs = &runs[from[i].first_run],
				     .nr_runs = from[i].nr_runs,
				     .nr_pages = from[i].nr_pages },
		};
	return 0;
}

static int thaw_files(struct fi_image *image, const struct head *head)
{
	const struct frozen_file *from = (const void *)((const uint8_t *)head + head->files);
	struct fi_pages_table *table = &image->pages;

	table->files = calloc(head->nr_files ? head->nr_files : 1, sizeof(table->files[0]));
	if (!table->files)
		return -ENOMEM;
	for (; table->nr < head->nr_files; table->nr++) {
		struct fi_pages_file *file = &table->files[table->nr];
		void *map = mmap(NULL, from[table->nr].size, PROT_READ, MAP_SHARED,
				 from[table->nr].fd, 0);

		if (map == MAP_FAILED)
			return -errno;
		*file = (struct fi_pages_file){
			.name = strdup(from[table->nr].name),
			.map = map,
			.size = from[table->nr].size,
			.fd = from[table->nr].fd,
		};
	}
	return 0;
}

int fi_image_thaw(int frozen, struct fi_image **ret, struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	const struct head *head;
	int r;

	head = map_frozen(frozen, err, &r);
	if (!head)
		return r;
	image = calloc(1, sizeof(*image));
	if (!image) {
		(void)munmap((void *)(uintptr_t)head, head->size);
		return fi_error_set(err, -ENOMEM, "no memory for an image");
	}
	image->frozen = (void *)(uintptr_t)head;
	image->frozen_size = head->size;
	image->inventory = head->inventory;
	r = thaw_tasks(image, head);
	if (r == 0)
		r = thaw_segments(image, head);
	if (r == 0)
		r = thaw_files(image, head);
	if (r < 0)
		return fi_error_set(err, r, "cannot map an image's pages: %s", strerror(-r));
	*ret = FI_TAKE(image);
	return 0;
}

int fi_image_frozen_files(int frozen, int (*each)(void *arg, int fd), void *arg)
{
	const struct head *head;
	const struct frozen_file *files;
	int r;

	head = map_frozen(frozen, NULL, &r);
	if (!head)
		return r;
	files = (const void *)((const uint8_t *)head + head->files);
	if (head->files % 8 || head->files > head->size ||
	    head->nr_files > (head->size - head->files) / sizeof(files[0]))
		r = -EBADMSG;
	for (uint64_t i = 0; r >= 0 && i < head->nr_files; i++)
		r = each(arg, files[i].fd);
	(void)munmap((void *)(uintptr_t)head, head->size);
	return r < 0 ? r : 0;
}

bool fi_image_holds_fd(const struct fi_image *image, int fd)
{
	for (size_t i = 0; i < image->pages.nr; i++)
		if (image->pages.files[i].fd == fd)
			return true;
	return false;
}
