/* images/resolve.c - from the pagemap files of a task, along the chain of parents, to runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entries come in ascending order at every level, so each level keeps a cursor that only moves
 * forward, as does the one over the VMAs: the whole is linear in the entries, VMAs and levels.
 * CRIU cuts entries by the size of its pipes (256 pages, usually); runs are joined again where
 * address, source and VMA go on.
 *
 * A level is opened when something first refers to it: an old parent that nothing needs is not
 * looked at.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "images/parts.h"

struct level {
	bool opened;
	struct fi_pagemap_file file;
	uint16_t pages; /* index of its pages file; unset when file.size is 0 */
	size_t cursor;	/* entries below end at or before what was asked last */
};

struct resolver {
	const struct fi_chain *chain;
	const struct fi_mm *mm;
	struct fi_pages_table *pages;
	const char *name;
	struct level levels[FI_CHAIN_MAX + 1];

	struct fi_run *runs;
	size_t nr, size;
	bool new_vma; /* the next run must not be joined to the one before it */
	struct fi_pagemap sums;
};

static void resolver_done(struct resolver *rs)
{
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(rs->levels); i++)
		fi_pagemap_file_done(&rs->levels[i].file);
	free(rs->runs);
}

/* Says what is wrong with entry @i of level @level. */
static int entry_error(const struct resolver *rs, size_t level, size_t i, struct fi_error *err,
		       int code, const char *what)
{
	const struct fi_pagemap_entry *entry = &rs->levels[level].file.entries[i];
	char full[FI_FILE_NAME_MAX];

	fi_image_file_name(&rs->chain->dirs[level], rs->name, full);
	return fi_error_set(err, code, "'%s' record %zu (%#" PRIx64 "-%#" PRIx64 ") %s", full,
			    i + 2, entry->addr, entry->end, what);
}

static int level_open(struct resolver *rs, size_t i, struct fi_error *err)
{
	const struct fi_image_dir *dir = &rs->chain->dirs[i];
	struct level *level = &rs->levels[i];
	int r;

	if (level->opened)
		return 0;
	r = fi_pagemap_file_read(dir, rs->name, &level->file, err);
	if (r < 0)
		return r;
	if (level->file.size > 0)
		r = fi_pages_add(rs->pages, dir, level->file.pages_id, rs->name, level->file.size,
				 &level->pages, err);
	else
		r = fi_pages_check_none(dir, level->file.pages_id, rs->name, err);
	level->opened = r == 0;
	return r;
}

/* True if @next goes on where @run ends, in address and in source. */
static bool joins(const struct fi_run *run, const struct fi_run *next)
{
	if (fi_run_end(run) != next->addr || run->kind != next->kind || run->lazy != next->lazy)
		return false;
	if (run->kind == FI_RUN_ZERO)
		return true;
	return run->file == next->file &&
	       run->file_off + (fi_run_end(run) - run->addr) == next->file_off;
}

/* Appends one run; NULL if there is no memory. */
static struct fi_run *append(struct resolver *rs, const struct fi_run *run)
{
	size_t more = rs->size ? rs->size * 2 : 64;
	void *grown;

	if (rs->nr == rs->size) {
		grown = reallocarray(rs->runs, more, sizeof(*rs->runs));
		if (!grown)
			return NULL;
		rs->runs = grown;
		rs->size = more;
	}
	rs->runs[rs->nr] = *run;
	return &rs->runs[rs->nr++];
}

/* Appends the pages [next.addr, @end): to the last run where they go on from it, else as new ones.
 */
static int push(struct resolver *rs, struct fi_run next, uint64_t end, struct fi_error *err)
{
	struct fi_run *last = rs->nr && !rs->new_vma ? &rs->runs[rs->nr - 1] : NULL;
	uint64_t left = (end - next.addr) >> FI_PAGE_SHIFT, room;

	rs->new_vma = false;
	rs->sums.nr_pages += left;
	while (left > 0) {
		room = last && joins(last, &next) ? UINT32_MAX - last->nr_pages : 0;
		if (room > 0) {
			next.nr_pages = (uint32_t)(left < room ? left : room);
			last->nr_pages += next.nr_pages;
		} else {
			next.nr_pages = (uint32_t)(left < UINT32_MAX ? left : UINT32_MAX);
			next.lazy_rank = rs->sums.nr_lazy_pages;
			last = append(rs, &next);
			if (!last)
				return fi_error_set(err, -ENOMEM, "no memory for %zu runs", rs->nr);
		}
		if (next.lazy)
			rs->sums.nr_lazy_pages += next.nr_pages;
		left -= next.nr_pages;
		next.addr += (uint64_t)next.nr_pages << FI_PAGE_SHIFT;
		if (next.kind == FI_RUN_DATA)
			next.file_off += (uint64_t)next.nr_pages << FI_PAGE_SHIFT;
	}
	return 0;
}

/* Appends [@start, @end), which lies in entry @i of level @at and in one VMA. */
static int resolve(struct resolver *rs, size_t at, size_t i, uint64_t start, uint64_t end,
		   bool lazy, struct fi_error *err)
{
	const struct fi_pagemap_entry *entry = &rs->levels[at].file.entries[i];
	struct fi_run run = { .addr = start, .kind = FI_RUN_ZERO, .lazy = lazy };
	const struct fi_pagemap_entry *there;
	struct level *up;
	int r;

	if (entry->flags & FI_PE_PRESENT) {
		run.kind = FI_RUN_DATA;
		run.file = rs->levels[at].pages;
		run.file_off = entry->file_off + (start - entry->addr);
		return push(rs, run, end, err);
	}
	if (!(entry->flags & FI_PE_PARENT))
		return push(rs, run, end, err);

	if (at + 1 == rs->chain->nr)
		return entry_error(rs, at, i, err, -EBADMSG,
				   "refers to a parent image, but there is none");
	up = &rs->levels[at + 1];
	r = level_open(rs, at + 1, err);
	if (r == -ENOENT)
		return fi_error_prefix(err, r, "'%s' record %zu, level %zu", rs->name, i + 2, at);
	if (r < 0)
		return r;

	while (up->cursor < up->file.nr && up->file.entries[up->cursor].end <= start)
		up->cursor++;
	while (start < end) {
		uint64_t stop;

		there = up->cursor < up->file.nr ? &up->file.entries[up->cursor] : NULL;
		if (!there || there->addr > start)
			return entry_error(rs, at, i, err, -EBADMSG,
					   "refers to pages that the parent image does not have");
		stop = there->end < end ? there->end : end;
		r = resolve(rs, at + 1, up->cursor, start, stop, lazy, err);
		if (r < 0)
			return r;
		if (stop == there->end)
			up->cursor++;
		start = stop;
	}
	return 0;
}

/* Cuts the entries of the image itself at the VMAs. */
static int resolve_all(struct resolver *rs, struct fi_error *err)
{
	const struct fi_pagemap_file *file = &rs->levels[0].file;
	const struct fi_vma *vma = rs->mm->vmas, *end = vma + rs->mm->nr_vmas;
	const struct fi_pagemap_entry *entry;
	uint64_t start, stop;
	size_t i;
	int r;

	for (i = 0; i < file->nr; i++) {
		entry = &file->entries[i];
		for (start = entry->addr; start < entry->end; start = stop) {
			for (; vma < end && vma->end <= start; vma++)
				rs->new_vma = true;
			if (vma == end || vma->start > start)
				return entry_error(rs, 0, i, err, -EBADMSG,
						   "has pages outside every VMA");
			if (!fi_vma_is_private(vma))
				return entry_error(rs, 0, i, err, -EBADMSG,
						   "has pages in a VMA that is not private");
			if ((entry->flags & FI_PE_LAZY) && !vma->lazy)
				return entry_error(rs, 0, i, err, -EBADMSG,
						   "is lazy, but in a VMA that cannot be");
			stop = vma->end < entry->end ? vma->end : entry->end;
			r = resolve(rs, 0, i, start, stop, entry->flags & FI_PE_LAZY, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int fi_pagemap_resolve(const struct fi_chain *chain, const char *name, const struct fi_mm *mm,
		       struct fi_pages_table *pages, struct fi_pagemap *ret, struct fi_error *err)
{
	fi_cleanup(resolver_done) struct resolver rs = {
		.chain = chain, .mm = mm, .pages = pages, .name = name
	};
	struct fi_run *fitted;
	int r;

	r = level_open(&rs, 0, err);
	if (r < 0)
		return r;
	r = resolve_all(&rs, err);
	if (r < 0)
		return r;

	if (rs.nr > 0) {
		fitted = reallocarray(rs.runs, rs.nr, sizeof(*rs.runs));
		if (fitted)
			rs.runs = fitted;
	}
	*ret = rs.sums;
	ret->nr_runs = rs.nr;
	ret->runs = FI_TAKE(rs.runs);
	return 0;
}

/* Zeros stay as they are: an image may claim any number of them. */
void fi_pagemap_ignore_marks(struct fi_pagemap *pm, const struct fi_mm *mm)
{
	struct fi_run *runs = (struct fi_run *)pm->runs;
	const struct fi_vma *vma = mm->vmas;

	pm->nr_lazy_pages = 0;
	for (size_t i = 0; i < pm->nr_runs; i++) {
		struct fi_run *run = &runs[i];

		while (vma->end <= run->addr) /* each run is in one VMA */
			vma++;
		if (run->kind == FI_RUN_DATA && vma->lazy && !(vma->status & FI_VMA_SHADOW_STACK))
			run->lazy = true;
		run->lazy_rank = pm->nr_lazy_pages;
		if (run->lazy)
			pm->nr_lazy_pages += run->nr_pages;
	}
}

void fi_pagemap_done(struct fi_pagemap *pm)
{
	free((void *)pm->runs);
	*pm = (struct fi_pagemap){ 0 };
}
