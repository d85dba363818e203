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
#include <stdlib.h>
#include <sys/mman.h>

#include "images/chain.h"
#include "images/memory_files.h"

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
	struct fi_memory_files files;
	struct view *views;
	size_t nr_views, room_views;
};

static void finder_done(struct finder *f)
{
	fi_memory_files_done(&f->files);
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

/* The segment that the file shows and that may be written, or NULL. */
static const struct fi_segment *segment_in(const struct finder *f,
					   const struct fi_memory_file *file)
{
	return file && file->usable ? fi_segments_find(f->segments, file->segment) : NULL;
}

/* --- mappings ------------------------------------------------------------------------------ */

/* The segment that @vma shows to all who share it, or NULL. */
static const struct fi_segment *segment_of(const struct finder *f, const struct fi_vma *vma)
{
	if ((vma->flags & MAP_HUGETLB) ||
	    (vma->status &
	     (FI_VMA_ANON_PRIVATE | FI_VMA_FILE_PRIVATE | FI_VMA_AIORING | FI_VMA_SOCKET)))
		return NULL;
	if (vma->status & FI_VMA_MEMFD)
		return segment_in(f, fi_memory_files_find(&f->files, vma->shmid));
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
	for (size_t i = 0; views->sysv && i < f->files.nr; i++)
		if (segment_in(f, &f->files.at[i]) == &f->segments->at[views->segment])
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
		for (size_t i = 0; i < f->files.nr; i++)
			if (segment_in(f, &f->files.at[i]) == segment)
				f->files.at[i].usable = false;
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

struct search {
	const struct finder *f;
	size_t task;
	struct fi_reaches *reaches;
};

/* A segment that has no way yet can be reached by descriptor @fd. */
static int take_file(void *arg, uint32_t fd, uint32_t id)
{
	const struct search *search = arg;
	const struct finder *f = search->f;
	const struct fi_memory_file *file = fi_memory_files_find(&f->files, id);
	const struct fi_segment *segment = segment_in(f, file);
	struct fi_reach **at = segment ? &search->reaches->at[segment - f->segments->at] : NULL;

	if (!segment || *at || (file->flags & O_ACCMODE) != O_RDWR ||
	    segment->pagemap.nr_runs == 0 || file->size > INT64_MAX)
		return 0;
	*at = calloc(1, sizeof(**at));
	if (!*at)
		return -ENOMEM;
	**at = (struct fi_reach){ .task = search->task, .fd = fd, .size = file->size };
	return 0;
}

static int look_at_descriptors(const struct finder *f, size_t task, struct fi_reaches *ret,
			       struct fi_error *err)
{
	struct search search = { f, task, ret };

	return fi_descriptors_read(&f->dir, fi_image_task(f->image, task)->vpid, take_file, &search,
				   err);
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
	r = fi_memory_files_read(&f.dir, &f.files, err);
	if (r == 0)
		r = find_windows(&f, ret, err);
	for (size_t i = 0; r == 0 && f.files.nr > 0 && i < fi_image_nr_tasks(image); i++)
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
