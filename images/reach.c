/* images/reach.c - see reach.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A mapping says which segment it shows, or, of a memory file, which file; files.img says which memory
 * file that is, memfd.img which segment that has, and fdinfo-ID.img which descriptors mean the file.
 */
#include "config.h"

#include "images/reach.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "images/chain.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (32 * 1024 * 1024)
#define IDS_MAX	   4096

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* An open memory file. */
struct file {
	uint32_t id;
	uint32_t flags; /* open(2)'s */
	uint64_t inode;
	const struct fi_segment *segment; /* NULL: none that may be written */
	uint64_t size;
};

/* A mapping of a segment. */
struct view {
	size_t segment, task; /* indices */
	bool sysv;
	bool writable;
	struct fi_window window;
};

struct finder {
	struct fi_image_dir dir;
	const struct fi_image *image;
	const struct fi_segments *segments;
	struct file *files; /* ascending by id */
	size_t nr_files, room_files;
	struct view *views;
	size_t nr_views, room_views;
};

static void finder_done(struct finder *f)
{
	free(f->files);
	free(f->views);
}

/* Room for one more element of @size bytes. */
static int make_room(void *array, size_t nr, size_t *room, size_t size, struct fi_error *err)
{
	void **at = array;
	void *grown;

	if (nr < *room)
		return 0;
	grown = reallocarray(*at, 2 * *room + 16, size);
	if (!grown)
		return fi_error_set(err, -ENOMEM, "no memory");
	*at = grown;
	*room = 2 * *room + 16;
	return 0;
}

/* --- memory files -------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
	const struct file *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

static const struct file *find_file(const struct finder *f, uint64_t id)
{
	const struct file key = { .id = (uint32_t)id };

	if (id > UINT32_MAX || f->nr_files == 0)
		return NULL;
	return bsearch(&key, f->files, f->nr_files, sizeof(key), compare_files);
}

static int read_files(struct finder *f, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	r = fi_records_open(&rd, &f->dir, "files.img", FI_MAGIC_FILES, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__file_entry__descriptor, RECORD_MAX, &msg, err)) >
	       0) {
		const Fi__Pb__FileEntry *entry = msg;

		if (!entry->memfd)
			continue;
		r = make_room(&f->files, f->nr_files, &f->room_files, sizeof(*f->files), err);
		if (r < 0)
			return r;
		f->files[f->nr_files++] = (struct file){ .id = entry->id,
							 .flags = entry->memfd->flags,
							 .inode = entry->memfd->inode_id };
	}
	if (f->nr_files > 0)
		qsort(f->files, f->nr_files, sizeof(*f->files), compare_files);
	return r;
}

static int read_inodes(struct finder *f, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	r = fi_records_open(&rd, &f->dir, "memfd.img", FI_MAGIC_MEMFD, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__memfd_inode__descriptor, RECORD_MAX, &msg, err)) >
	       0) {
		const Fi__Pb__MemfdInode *inode = msg;

		/* CRIU seals it before it can be filled here. */
		if ((inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) || inode->hugetlb_flag)
			continue;
		for (size_t i = 0; i < f->nr_files; i++) {
			if (f->files[i].inode != inode->inode_id)
				continue;
			f->files[i].segment = fi_segments_find(f->segments, inode->shmid);
			f->files[i].size = inode->size;
		}
	}
	return r;
}

/* --- mappings ------------------------------------------------------------------------------ */

/* The segment that @vma shows to all who share it, or NULL. */
static const struct fi_segment *segment_of(const struct finder *f, const struct fi_vma *vma)
{
	const struct file *file;

	if ((vma->flags & MAP_HUGETLB) ||
	    (vma->status &
	     (FI_VMA_ANON_PRIVATE | FI_VMA_FILE_PRIVATE | FI_VMA_AIORING | FI_VMA_SOCKET)))
		return NULL;
	if (vma->status & FI_VMA_MEMFD) {
		file = find_file(f, vma->shmid);
		return file ? file->segment : NULL;
	}
	if (vma->status & (FI_VMA_ANON_SHARED | FI_VMA_SYSVIPC))
		return fi_segments_find(f->segments, vma->shmid);
	return NULL;
}

static int look_at_task(struct finder *f, size_t task, struct fi_error *err)
{
	const struct fi_mm *mm = fi_image_task(f->image, task)->mm;

	for (size_t i = 0; mm && i < mm->nr_vmas; i++) {
		const struct fi_vma *vma = &mm->vmas[i];
		const struct fi_segment *segment = segment_of(f, vma);
		const uint64_t len = vma->end - vma->start;
		int r;

		if (!segment || (vma->pgoff & (FI_PAGE_SIZE - 1)) || vma->pgoff > UINT64_MAX - len)
			continue;
		r = make_room(&f->views, f->nr_views, &f->room_views, sizeof(*f->views), err);
		if (r < 0)
			return r;
		f->views[f->nr_views++] = (struct view){
			.segment = (size_t)(segment - f->segments->at),
			.task = task,
			.sysv = vma->status & FI_VMA_SYSVIPC,
			.writable = vma->prot & PROT_WRITE,
			.window = { vma->start, vma->pgoff, vma->pgoff + len },
		};
	}
	return 0;
}

static int compare_views(const void *a, const void *b)
{
	const struct view *left = a, *right = b;

	if (left->segment != right->segment)
		return left->segment < right->segment ? -1 : 1;
	if (left->task != right->task)
		return left->task < right->task ? -1 : 1;
	if (left->window.from != right->window.from)
		return left->window.from < right->window.from ? -1 : 1;
	return 0;
}

/* How many pages of @pm are in the window. */
static uint64_t count_pages(const struct fi_pagemap *pm, const struct fi_window *window)
{
	uint64_t nr = 0;

	for (size_t i = fi_pagemap_lower_bound(pm, window->from);
	     i < pm->nr_runs && pm->runs[i].addr < window->to; i++) {
		const uint64_t run_end = fi_run_end(&pm->runs[i]);
		uint64_t start = pm->runs[i].addr,
			 end = run_end < window->to ? run_end : window->to;

		if (start < window->from)
			start = window->from;
		nr += (end - start) >> FI_PAGE_SHIFT;
	}
	return nr;
}

/* Makes windows of the @nr views of one segment in one task.  Returns 1 if they have all its pages. */
static int make_windows(const struct fi_segment *segment, const struct view *views, size_t nr,
			struct fi_reach **ret, struct fi_error *err)
{
	struct fi_reach *reach = calloc(1, sizeof(*reach));
	uint64_t covered = 0, pages = 0;

	if (reach)
		reach->windows = calloc(nr, sizeof(*reach->windows));
	if (!reach || !reach->windows) {
		free(reach);
		return fi_error_set(err, -ENOMEM, "no memory");
	}
	reach->task = views->task;
	reach->sysv = views->sysv;
	for (size_t i = 0; i < nr; i++) {
		struct fi_window window = views[i].window;

		if (!views[i].writable || window.to <= covered)
			continue;
		if (window.from < covered) {
			window.addr += covered - window.from;
			window.from = covered;
		}
		covered = window.to;
		pages += count_pages(&segment->pagemap, &window);
		reach->windows[reach->nr_windows++] = window;
	}
	if (pages < segment->pagemap.nr_pages) {
		free(reach->windows);
		free(reach);
		return 0;
	}
	*ret = reach;
	return 1;
}

/* Whether two segments seem to have one number: nobody knows whose its pages are. */
static bool is_disputed(const struct finder *f, const struct view *views, size_t nr)
{
	for (size_t i = 1; i < nr; i++)
		if (views[i].sysv != views->sysv)
			return true;
	for (size_t i = 0; views->sysv && i < f->nr_files; i++)
		if (f->files[i].segment == &f->segments->at[views->segment])
			return true;
	return false;
}

/* The @nr views of one segment: of the first task that has all of it. */
static int try_views(struct finder *f, const struct view *views, size_t nr, struct fi_reach **ret,
		     struct fi_error *err)
{
	const struct fi_segment *segment = &f->segments->at[views->segment];
	int r = 0;

	if (is_disputed(f, views, nr)) {
		for (size_t i = 0; i < f->nr_files; i++)
			if (f->files[i].segment == segment)
				f->files[i].segment = NULL;
		return 0;
	}
	for (size_t i = 0, end; r == 0 && i < nr; i = end) {
		for (end = i; end < nr && views[end].task == views[i].task; end++)
			;
		r = make_windows(segment, &views[i], end - i, ret, err);
	}
	return r < 0 ? r : 0;
}

/* --- descriptors --------------------------------------------------------------------------- */

/* Which fdinfo file is the task's; 0: that cannot be told. */
static int read_files_id(const struct finder *f, uint32_t vpid, uint32_t *ret, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Ids *ids;
	const void *msg;
	char name[32];
	int r;

	*ret = 0;
	(void)snprintf(name, sizeof(name), "ids-%" PRIu32 ".img", vpid);
	r = fi_records_read_only(&rd, &f->dir, name, FI_MAGIC_IDS, &fi__pb__ids__descriptor,
				 IDS_MAX, &msg, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	ids = msg;
	*ret = ids->files_id;
	return 0;
}

/* A segment that has no way yet can be reached by @file, descriptor @fd of @task. */
static int take_file(const struct finder *f, const struct file *file, size_t task, uint32_t fd,
		     struct fi_reaches *ret, struct fi_error *err)
{
	const struct fi_segment *segment = file->segment;
	const struct fi_pagemap *pm = segment ? &segment->pagemap : NULL;
	struct fi_reach **at = segment ? &ret->at[segment - f->segments->at] : NULL;

	if (!segment || *at || (file->flags & O_ACCMODE) != O_RDWR || pm->nr_runs == 0 ||
	    file->size > INT64_MAX)
		return 0;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return fi_error_set(err, -ENOMEM, "no memory");
	**at = (struct fi_reach){ .task = task, .fd = fd, .size = file->size };
	return 0;
}

static int look_at_descriptors(const struct finder *f, size_t task, struct fi_reaches *ret,
			       struct fi_error *err)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const struct file *file;
	const void *msg;
	char name[32];
	uint32_t id;
	int r;

	r = read_files_id(f, fi_image_task(f->image, task)->vpid, &id, err);
	if (r < 0 || id == 0)
		return r;
	(void)snprintf(name, sizeof(name), "fdinfo-%" PRIu32 ".img", id);
	r = fi_records_open(&rd, &f->dir, name, FI_MAGIC_FDINFO, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__fdinfo__descriptor, RECORD_MAX, &msg, err)) > 0) {
		const Fi__Pb__Fdinfo *info = msg;

		file = find_file(f, info->id);
		r = file ? take_file(f, file, task, info->fd, ret, err) : 0;
		if (r < 0)
			return r;
	}
	return r;
}

/* --- all of it ----------------------------------------------------------------------------- */

static int find_windows(struct finder *f, struct fi_reaches *ret, struct fi_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_image_nr_tasks(f->image); i++)
		r = look_at_task(f, i, err);
	if (f->nr_views > 0)
		qsort(f->views, f->nr_views, sizeof(*f->views), compare_views);
	for (size_t i = 0, end; r == 0 && i < f->nr_views; i = end) {
		const size_t segment = f->views[i].segment;

		for (end = i; end < f->nr_views && f->views[end].segment == segment; end++)
			;
		if (f->segments->at[segment].pagemap.nr_runs > 0)
			r = try_views(f, &f->views[i], end - i, &ret->at[segment], err);
	}
	return r;
}

int fi_reaches_find(int dirfd, const struct fi_image *image, const struct fi_segments *segments,
		    struct fi_reaches *ret, struct fi_error *err)
{
	fi_cleanup(finder_done) struct finder f = {
		.dir = { .fd = dirfd,
			 .version = fi_image_inventory(image)->version,
			 .common_magic = fi_image_inventory(image)->common_magic },
		.image = image,
		.segments = segments,
	};
	int r;

	if (segments->nr == 0)
		return 0;
	ret->at = calloc(segments->nr, sizeof(*ret->at));
	if (!ret->at)
		return fi_error_set(err, -ENOMEM, "no memory");
	ret->nr = segments->nr;
	r = read_files(&f, err);
	if (r == 0)
		r = read_inodes(&f, err);
	if (r == 0)
		r = find_windows(&f, ret, err);
	for (size_t i = 0; r == 0 && f.nr_files > 0 && i < fi_image_nr_tasks(image); i++)
		if (!fi_image_task(image, i)->zombie)
			r = look_at_descriptors(&f, i, ret, err);
	return r;
}

void fi_reaches_drop(struct fi_reaches *reaches, size_t i)
{
	if (!reaches->at[i])
		return;
	free(reaches->at[i]->windows);
	free(reaches->at[i]);
	reaches->at[i] = NULL;
}

void fi_reaches_done(struct fi_reaches *reaches)
{
	for (size_t i = 0; i < reaches->nr; i++)
		fi_reaches_drop(reaches, i);
	free(reaches->at);
	*reaches = (struct fi_reaches){ 0 };
}
