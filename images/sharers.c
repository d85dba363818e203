/* images/sharers.c - see sharers.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "images/sharers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A mapping. */
struct view {
	uint32_t segment;
	size_t task;
	struct fi_window window;
	const char *unfit;
};

struct views {
	struct view *at;
	size_t nr, room;
};

static void views_done(struct views *views)
{
	free(views->at);
}

static int add(struct views *views, struct view view)
{
	if (views->nr == views->room) {
		const size_t room = 2 * views->room + 16;
		struct view *at = reallocarray(views->at, room, sizeof(*at));

		if (!at)
			return -ENOMEM;
		views->at = at;
		views->room = room;
	}
	views->at[views->nr++] = view;
	return 0;
}

/* Segments of System V count among them: one number may seem to mean both. */
static bool is_view(const struct fi_image *image, const struct fi_vma *vma, uint32_t *segment)
{
	if (vma->status & (FI_VMA_ANON_PRIVATE | FI_VMA_AIORING | FI_VMA_SOCKET))
		return false;
	if (vma->status & FI_VMA_MEMFD)
		return fi_image_is_anonymous(image, vma->shmid, segment);
	*segment = (uint32_t)vma->shmid;
	return vma->status & (FI_VMA_ANON_SHARED | FI_VMA_SYSVIPC) && vma->shmid <= UINT32_MAX;
}

static const char *unfit(const struct fi_vma *vma)
{
	if (vma->status & FI_VMA_FILE_PRIVATE)
		return "somebody has a private mapping of it";
	if (vma->status & FI_VMA_SYSVIPC)
		return "it is a segment of System V";
	if (vma->flags & MAP_HUGETLB)
		return "it has huge pages";
	if (vma->flags & MAP_LOCKED)
		return "some of it is locked";
	if (vma->pgoff & (FI_PAGE_SIZE - 1) || vma->pgoff > UINT64_MAX - (vma->end - vma->start))
		return "a mapping of it makes no sense";
	return NULL;
}

static int look_at(const struct fi_image *image, size_t task, struct views *views)
{
	const struct fi_mm *mm = fi_image_task(image, task)->mm;
	int r = 0;

	for (size_t i = 0; r == 0 && mm && i < mm->nr_vmas; i++) {
		const struct fi_vma *vma = &mm->vmas[i];
		uint32_t segment;

		if (!is_view(image, vma, &segment))
			continue;
		r = add(views, (struct view){
				       .segment = segment,
				       .task = task,
				       .window = { vma->start, vma->pgoff,
						   vma->pgoff + (vma->end - vma->start) },
				       .unfit = unfit(vma),
			       });
	}
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct view *left = a, *right = b;

	if (left->segment != right->segment)
		return left->segment < right->segment ? -1 : 1;
	if (left->task != right->task)
		return left->task < right->task ? -1 : 1;
	if (left->window.addr != right->window.addr)
		return left->window.addr < right->window.addr ? -1 : 1;
	return 0;
}

static bool is_next(const struct fi_sharer *sharer, const struct view *view)
{
	return sharer->segment != view->segment || sharer->task != view->task;
}

/* The parts of a segment that @sharer has lie as they do in the segment: what grows into another's place,
 * after that has gone, shows there what the other did. */
static bool is_in_place(const struct fi_sharer *sharer, const struct fi_window *window)
{
	return window->addr - window->from == sharer->windows[0].addr - sharer->windows[0].from;
}

int fi_sharers_find(const struct fi_image *image, struct fi_sharers *ret)
{
	fi_cleanup(views_done) struct views views = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < fi_image_nr_tasks(image); i++)
		r = look_at(image, i, &views);
	if (r < 0 || views.nr == 0)
		return r;
	qsort(views.at, views.nr, sizeof(views.at[0]), compare);
	ret->at = calloc(views.nr, sizeof(ret->at[0]));
	ret->windows = calloc(views.nr, sizeof(ret->windows[0]));
	if (!ret->at || !ret->windows)
		return -ENOMEM;
	for (size_t i = 0; i < views.nr; i++) {
		const struct view *view = &views.at[i];
		struct fi_sharer *sharer;

		if (ret->nr == 0 || is_next(&ret->at[ret->nr - 1], view))
			ret->at[ret->nr++] = (struct fi_sharer){
				.segment = view->segment,
				.task = view->task,
				.windows = &ret->windows[i],
			};
		sharer = &ret->at[ret->nr - 1];
		ret->windows[i] = view->window;
		sharer->nr_windows++;
		if (view->unfit)
			sharer->unfit = view->unfit;
		else if (!is_in_place(sharer, &view->window) && !sharer->unfit)
			sharer->unfit = "somebody has parts of it out of place";
	}
	return 0;
}

void fi_sharers_done(struct fi_sharers *sharers)
{
	free(sharers->at);
	free(sharers->windows);
	*sharers = (struct fi_sharers){ 0 };
}

const struct fi_window *fi_sharer_window(const struct fi_sharer *sharer, uint64_t addr)
{
	for (size_t i = 0; i < sharer->nr_windows; i++) {
		const struct fi_window *window = &sharer->windows[i];

		if (addr >= window->addr && addr - window->addr < window->to - window->from)
			return window;
	}
	return NULL;
}

const struct fi_window *fi_sharer_window_of(const struct fi_sharer *sharer, uint64_t offset)
{
	for (size_t i = 0; i < sharer->nr_windows; i++)
		if (offset >= sharer->windows[i].from && offset < sharer->windows[i].to)
			return &sharer->windows[i];
	return NULL;
}
