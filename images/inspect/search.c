/* images/inspect/search.c - see search.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The pages files are searched as they stand, once; a table of all runs by file and offset says
 * whose memory a place is.
 */
#include "config.h"

#include "images/inspect/search.h"

#include <string.h>

#include "images/inspect/maps.h"
#include "images/inspect/stream.h"

/* Where a stretch of a pages file is in memory. */
struct place {
	size_t file;
	uint64_t off, len;
	size_t owner; /* a task, or behind them a segment */
	uint64_t addr;
};

struct search {
	const struct fi_checkpoint *cp;
	const struct fi_filter *filter;
	const uint8_t *pattern;
	size_t len;
	struct place *places;
	size_t nr_places, size;
	uint8_t *window; /* the end of the block before, then the block */
	size_t file;
	uint64_t tail_end; /* where in the file the kept end ends */
	size_t tail;	   /* its length */
	uint64_t hits;
	struct fi_json *js;
	struct json_object *list;
};

static int add_places(struct search *s, size_t owner, const struct fi_pagemap *pm)
{
	size_t i;
	void *grown;

	for (i = 0; pm && i < pm->nr_runs; i++) {
		const struct fi_run *run = &pm->runs[i];

		if (run->kind != FI_RUN_DATA)
			continue;
		if (s->nr_places == s->size) {
			size_t more = s->size ? s->size * 2 : 256;

			grown = reallocarray(s->places, more, sizeof(*s->places));
			if (!grown)
				return -ENOMEM;
			s->places = grown;
			s->size = more;
		}
		s->places[s->nr_places++] = (struct place){
			.file = run->file,
			.off = run->file_off,
			.len = (uint64_t)run->nr_pages << FI_PAGE_SHIFT,
			.owner = owner,
			.addr = run->addr,
		};
	}
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->file != right->file)
		return left->file < right->file ? -1 : 1;
	return left->off < right->off ? -1 : left->off > right->off;
}

/* The place that holds byte @off of @file, or NULL. */
static const struct place *find_place(const struct search *s, size_t file, uint64_t off)
{
	const struct place key = { .file = file, .off = off };
	size_t low = 0, high = s->nr_places, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (compare_places(&s->places[mid], &key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	low--;
	return s->places[low].file == file && off - s->places[low].off < s->places[low].len
		       ? &s->places[low]
		       : NULL;
}

/* True if [@off, @off + len) of the place's file is one stretch of memory. */
static bool is_contiguous(const struct search *s, const struct place *place, uint64_t off)
{
	const struct place *end = s->places + s->nr_places, *next;
	uint64_t left = s->len, room = place->len - (off - place->off);

	for (; left > room; place = next) {
		left -= room;
		next = place + 1;
		if (next == end || next->file != place->file || next->owner != place->owner ||
		    next->off != place->off + place->len || next->addr != place->addr + place->len)
			return false;
		room = next->len;
	}
	return true;
}

static void take_hit(struct search *s, uint64_t off)
{
	const struct place *place = find_place(s, s->file, off);
	const size_t nr_tasks = fi_image_nr_tasks(s->cp->image);
	const struct fi_task_image *task;
	const struct fi_vma *vma;
	struct json_object *entry;
	uint64_t addr;

	if (!place || !is_contiguous(s, place, off))
		return;
	addr = place->addr + (off - place->off);
	if (place->owner >= nr_tasks) {
		if (s->filter->pid || s->filter->kind || s->filter->end || s->filter->prot[0])
			return;
		if (s->hits++ >= FI_SEARCH_MAX)
			return;
		entry = fi_json_object(s->js, s->list, NULL);
		fi_json_u64(s->js, entry, "segment", s->cp->shared.at[place->owner - nr_tasks].id);
		fi_json_hex(s->js, entry, "address", addr);
		return;
	}
	task = fi_image_task(s->cp->image, place->owner);
	vma = fi_mm_find(task->mm, addr);
	if (!vma || !fi_filter_task(s->filter, task) ||
	    !fi_filter_vma(s->filter, &s->cp->more[place->owner], vma) ||
	    (s->filter->end && (addr < s->filter->start || addr >= s->filter->end)))
		return;
	if (s->hits++ >= FI_SEARCH_MAX)
		return;
	entry = fi_json_object(s->js, s->list, NULL);
	fi_json_u64(s->js, entry, "pid", task->vpid);
	fi_json_text(s->js, entry, "name", task->comm);
	fi_json_hex(s->js, entry, "address", addr);
	fi_json_text(s->js, entry, "kind", fi_vma_kind(&s->cp->more[place->owner], vma));
	fi_json_hex(s->js, entry, "mapping", vma->start);
}

static int take_block(size_t file, uint64_t off, const uint8_t *data, size_t len, void *arg)
{
	struct search *s = arg;
	const uint8_t *at, *found, *end;

	if (file != s->file || off != s->tail_end)
		s->tail = 0;
	s->file = file;
	memcpy(s->window + s->tail, data, len);
	end = s->window + s->tail + len;
	for (at = s->window; (found = memmem(at, (size_t)(end - at), s->pattern, s->len));
	     at = found + s->len)
		take_hit(s, off - s->tail + (uint64_t)(found - s->window));

	/* Kept is what may begin a hit that ends in the next block. */
	if (at < end - (s->len - 1) || (size_t)(end - s->window) < s->len)
		at = (size_t)(end - s->window) < s->len ? s->window : end - (s->len - 1);
	s->tail = (size_t)(end - at);
	memmove(s->window, at, s->tail);
	s->tail_end = off + len;
	return 0;
}

int fi_report_grep(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		   const uint8_t *pattern, size_t len, fi_progress *progress, void *arg,
		   struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct json_object *grep = fi_json_object(js, to, "grep");
	struct search s = { .cp = cp, .filter = filter, .pattern = pattern, .len = len, .js = js };
	const struct fi_stream stream = {
		.block = take_block, .arg = &s, .progress = progress, .progress_arg = arg
	};
	size_t i, nr = fi_image_nr_tasks(cp->image);
	int r = 0;

	fi_json_bytes(js, grep, "pattern", pattern, len);
	s.list = fi_json_array(js, grep, "hits");
	s.window = malloc(FI_STREAM_BLOCK + FI_PATTERN_MAX);
	for (i = 0; r == 0 && i < nr + cp->shared.nr; i++)
		r = add_places(&s, i,
			       i < nr ? fi_image_task(cp->image, i)->pagemap
				      : &cp->shared.at[i - nr].pagemap);
	if (r < 0 || !s.window)
		r = fi_error_set(err, -ENOMEM, "no memory to search");
	if (s.nr_places > 0)
		qsort(s.places, s.nr_places, sizeof(*s.places), compare_places);
	if (r == 0)
		r = fi_stream_pages(cp, &stream, err);
	fi_json_u64(js, grep, "total", s.hits);
	free(s.places);
	free(s.window);
	return r;
}
