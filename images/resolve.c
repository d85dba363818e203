/* images/resolve.c - from the pagemap files of a task, along the chain of parents, to runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Entries come in ascending order at every level, so each level is read forward as far as it is asked
 * for, as are the VMAs: the whole is linear in the entries, VMAs and levels, and nothing is kept but the
 * runs.
 * CRIU cuts entries by the size of its pipes (256 pages, usually); runs are joined again where
 * address, source and VMA go on.
 *
 * A level is opened when something first refers to it: an old parent that nothing needs is not
 * looked at.  What is opened is read, and checked, to its end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "images/pagemap-file.h"
#include "images/parts.h"

struct level {
	bool opened, ended;
	bool has_pages; /* `pages` is the index of its pages file */
	uint16_t pages;
	uint64_t pages_size; /* of that file; 0: not opened yet */
	struct fi_pagemap_file file;
	struct fi_pagemap_entry entry; /* the last that was read */
};

struct resolver {
	const struct fi_chain *chain;
	const struct fi_mm *mm;
	struct fi_pages_table *pages;
	const char *name;
	struct level levels[FI_CHAIN_MAX + 1];

	struct fi_run *runs;
	size_t nr, size;
	bool new_vma; /* there is no run in the VMA yet that the next one could be joined to */
	struct fi_pagemap sums;
};

static void resolver_done(struct resolver *rs)
{
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(rs->levels); i++)
		if (rs->levels[i].opened)
			fi_pagemap_file_close(&rs->levels[i].file);
	free(rs->runs);
}

/* Which record of its file a level's entry is. */
static uint64_t record_of(const struct level *level)
{
	return level->file.nr + 1; /* the head is the first */
}

/* Says what is wrong with the entry of level @at. */
static int entry_error(const struct resolver *rs, size_t at, struct fi_error *err, int code,
		       const char *what)
{
	const struct level *level = &rs->levels[at];
	char full[FI_FILE_NAME_MAX];

	fi_image_file_name(&rs->chain->dirs[at], rs->name, full);
	return fi_error_set(err, code, "'%s' record %" PRIu64 " (%#" PRIx64 "-%#" PRIx64 ") %s",
			    full, record_of(level), level->entry.addr, level->entry.end, what);
}

static int level_end(struct resolver *rs, struct level *level, const struct fi_image_dir *dir,
		     struct fi_error *err)
{
	level->ended = true;
	if (level->has_pages)
		return fi_pages_check_size(rs->pages, level->pages, level->file.size, err);
	return fi_pages_check_none(dir, level->file.pages_id, rs->name, err);
}

/* For an entry that has pages beyond what is known to be there. */
static int open_pages(struct resolver *rs, struct level *level, const struct fi_image_dir *dir,
		      struct fi_error *err)
{
	int r = 0;

	if (!level->has_pages)
		r = fi_pages_add(rs->pages, dir, level->file.pages_id, rs->name, &level->pages,
				 err);
	if (r < 0)
		return r;
	level->has_pages = true;
	level->pages_size = rs->pages->files[level->pages].size;
	if (level->file.size <= level->pages_size)
		return 0;
	return fi_pages_check_size(rs->pages, level->pages, level->file.size, err);
}

/* Reads a level's next entry.  Returns 1; 0 when it has ended; or an error. */
static inline int level_next(struct resolver *rs, size_t at, struct fi_error *err)
{
	const struct fi_image_dir *dir = &rs->chain->dirs[at];
	struct level *level = &rs->levels[at];
	int r = fi_pagemap_file_next(&level->file, &level->entry, err);

	if (r > 0 && level->file.size <= level->pages_size)
		return r;
	if (r <= 0)
		return r < 0 ? r : level_end(rs, level, dir, err);
	r = open_pages(rs, level, dir, err);
	return r < 0 ? r : 1;
}

/* Goes on to the first entry that ends after @addr; none if the level has ended. */
static int level_seek(struct resolver *rs, size_t at, uint64_t addr, struct fi_error *err)
{
	struct level *level = &rs->levels[at];
	int r = 1;

	if (!level->opened) {
		level->opened = true;
		r = fi_pagemap_file_open(&level->file, &rs->chain->dirs[at], rs->name, err);
	}
	while (r >= 0 && !level->ended && level->entry.end <= addr)
		r = level_next(rs, at, err);
	return r < 0 ? r : 0;
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

/* Makes room for one more run. */
static int grow(struct resolver *rs)
{
	size_t more = rs->size ? rs->size * 2 : 64;
	void *grown = reallocarray(rs->runs, more, sizeof(*rs->runs));

	if (!grown)
		return -ENOMEM;
	rs->runs = grown;
	rs->size = more;
	return 0;
}

static inline void count(struct resolver *rs, uint32_t nr_pages, bool lazy)
{
	rs->sums.nr_pages += nr_pages;
	if (lazy)
		rs->sums.nr_lazy_pages += nr_pages;
}

/* Appends @nr_pages from run->addr on, which go on from no run, as a new one. */
static inline int append(struct resolver *rs, const struct fi_run *run, uint32_t nr_pages,
			 struct fi_error *err)
{
	struct fi_run *to;

	if (rs->nr == rs->size && grow(rs) < 0)
		return fi_error_set(err, -ENOMEM, "no memory for %zu runs", rs->nr);
	to = &rs->runs[rs->nr++];
	*to = *run;
	to->nr_pages = nr_pages;
	to->lazy_rank = (uint32_t)rs->sums.nr_lazy_pages;
	count(rs, nr_pages, run->lazy);
	rs->new_vma = false;
	return 0;
}

/* Appends @left pages from run.addr on: to the last run where they go on from it, and as as many as it takes. */
static int push_parts(struct resolver *rs, struct fi_run run, uint64_t left, struct fi_error *err)
{
	while (left > 0) {
		struct fi_run *last = rs->new_vma ? NULL : &rs->runs[rs->nr - 1];
		uint32_t room = last && joins(last, &run) ? UINT32_MAX - last->nr_pages : 0;
		uint32_t nr = (uint32_t)(left < UINT32_MAX ? left : UINT32_MAX);
		int r = 0;

		if (room > 0) {
			nr = nr < room ? nr : room;
			last->nr_pages += nr;
			count(rs, nr, run.lazy);
		} else {
			r = append(rs, &run, nr, err);
		}
		if (r < 0)
			return r;
		left -= nr;
		run.addr += (uint64_t)nr << FI_PAGE_SHIFT;
		if (run.kind == FI_RUN_DATA)
			run.file_off += (uint64_t)nr << FI_PAGE_SHIFT;
	}
	return 0;
}

/* Appends the pages [run->addr, @end). */
static inline int push(struct resolver *rs, const struct fi_run *run, uint64_t end,
		       struct fi_error *err)
{
	const uint64_t nr = (end - run->addr) >> FI_PAGE_SHIFT;

	if (nr > UINT32_MAX || (!rs->new_vma && joins(&rs->runs[rs->nr - 1], run)))
		return push_parts(rs, *run, nr, err);
	return append(rs, run, (uint32_t)nr, err);
}

/* Appends [@start, @end), which lies in the entry of level @at and is not in its parent. */
static inline int push_own(struct resolver *rs, size_t at, uint64_t start, uint64_t end, bool lazy,
			   struct fi_error *err)
{
	const struct level *level = &rs->levels[at];
	struct fi_run run = { .addr = start, .kind = FI_RUN_ZERO, .lazy = lazy };

	if (level->entry.flags & FI_PE_PRESENT) {
		run.kind = FI_RUN_DATA;
		run.file = level->pages;
		run.file_off = level->entry.file_off + (start - level->entry.addr);
	}
	return push(rs, &run, end, err);
}

static int resolve_above(struct resolver *rs, size_t at, uint64_t start, uint64_t end, bool lazy,
			 struct fi_error *err);

/* Appends [@start, @end), which lies in the entry of level @at, wherever it is, and in one VMA. */
static inline int resolve(struct resolver *rs, size_t at, uint64_t start, uint64_t end, bool lazy,
			  struct fi_error *err)
{
	if (rs->levels[at].entry.flags & FI_PE_PARENT)
		return resolve_above(rs, at, start, end, lazy, err);
	return push_own(rs, at, start, end, lazy, err);
}

/* The same where it is in the parent. */
static int resolve_above(struct resolver *rs, size_t at, uint64_t start, uint64_t end, bool lazy,
			 struct fi_error *err)
{
	const struct level *up = &rs->levels[at + 1];
	int r;

	if (at + 1 == rs->chain->nr)
		return entry_error(rs, at, err, -EBADMSG,
				   "refers to a parent image, but there is none");
	while (start < end) {
		const bool opened = up->opened;
		uint64_t stop;

		r = level_seek(rs, at + 1, start, err);
		if (r == -ENOENT && !opened)
			return fi_error_prefix(err, r, "'%s' record %" PRIu64 ", level %zu",
					       rs->name, record_of(&rs->levels[at]), at);
		if (r < 0)
			return r;
		if (up->ended || up->entry.addr > start)
			return entry_error(rs, at, err, -EBADMSG,
					   "refers to pages that the parent image does not have");
		stop = up->entry.end < end ? up->entry.end : end;
		r = resolve(rs, at + 1, start, stop, lazy, err);
		if (r < 0)
			return r;
		start = stop;
	}
	return 0;
}

/* Whether the image's own entry may have pages in @vma. */
static inline int check_vma(const struct resolver *rs, const struct fi_vma *vma,
			    struct fi_error *err)
{
	if (rs->new_vma && !fi_vma_is_private(vma))
		return entry_error(rs, 0, err, -EBADMSG, "has pages in a VMA that is not private");
	if ((rs->levels[0].entry.flags & FI_PE_LAZY) && !vma->lazy)
		return entry_error(rs, 0, err, -EBADMSG, "is lazy, but in a VMA that cannot be");
	return 0;
}

/* Cuts the entries of the image itself at the VMAs. */
static int resolve_all(struct resolver *rs, struct fi_error *err)
{
	const struct fi_vma *vma = rs->mm->vmas, *end = vma + rs->mm->nr_vmas;
	struct level *level = &rs->levels[0];
	const struct fi_pagemap_entry *entry = &level->entry;
	uint64_t start, stop;
	int r;

	level->opened = true;
	r = fi_pagemap_file_open(&level->file, &rs->chain->dirs[0], rs->name, err);
	if (r < 0)
		return r;
	rs->new_vma = true;
	while ((r = level_next(rs, 0, err)) > 0) {
		for (start = entry->addr; start < entry->end; start = stop) {
			for (; vma < end && vma->end <= start; vma++)
				rs->new_vma = true;
			if (vma == end || vma->start > start)
				return entry_error(rs, 0, err, -EBADMSG,
						   "has pages outside every VMA");
			r = check_vma(rs, vma, err);
			if (r < 0)
				return r;
			stop = vma->end < entry->end ? vma->end : entry->end;
			r = resolve(rs, 0, start, stop, entry->flags & FI_PE_LAZY, err);
			if (r < 0)
				return r;
		}
	}
	return r;
}

/* What was opened is to be right to its end. */
static int finish_parents(struct resolver *rs, struct fi_error *err)
{
	int r = 0;

	for (size_t i = 1; r >= 0 && i < rs->chain->nr && rs->levels[i].opened; i++)
		while (r >= 0 && !rs->levels[i].ended)
			r = level_next(rs, i, err);
	return r < 0 ? r : 0;
}

int fi_pagemap_resolve(const struct fi_chain *chain, const char *name, const struct fi_mm *mm,
		       struct fi_pages_table *pages, struct fi_pagemap *ret, struct fi_error *err)
{
	fi_cleanup(resolver_done) struct resolver rs = {
		.chain = chain, .mm = mm, .pages = pages, .name = name
	};
	struct fi_run *fitted;
	int r;

	r = resolve_all(&rs, err);
	if (r == 0)
		r = finish_parents(&rs, err);
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
		run->lazy_rank = (uint32_t)pm->nr_lazy_pages;
		if (run->lazy)
			pm->nr_lazy_pages += run->nr_pages;
	}
}

void fi_pagemap_done(struct fi_pagemap *pm)
{
	free((void *)pm->runs);
	*pm = (struct fi_pagemap){ 0 };
}
