/* images/slice.c - see slice.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/slice.h"

#include <inttypes.h>
#include <stdio.h>

#include "images/pagemap-writer.h"

struct fi_slice fi_slice_of(const struct fi_task_image *task, const struct fi_touched_list *touched)
{
	struct fi_slice slice = { .task = task };

	for (size_t i = 0; i < touched->nr; i++) {
		if (touched->at[i].vpid != task->vpid)
			continue;
		if (slice.nr_touched++ == 0)
			slice.touched = &touched->at[i];
	}
	return slice;
}

/* Whether the cursor's address is touched, and where the answer changes next. */
static bool is_touched(const struct fi_slice *slice, struct fi_slice_cursor *cursor,
		       uint64_t *until)
{
	const struct fi_touched *touched;

	while (cursor->touched < slice->nr_touched &&
	       slice->touched[cursor->touched].end <= cursor->addr)
		cursor->touched++;
	*until = UINT64_MAX;
	if (cursor->touched == slice->nr_touched)
		return false;
	touched = &slice->touched[cursor->touched];
	*until = touched->start <= cursor->addr ? touched->end : touched->start;
	return touched->start <= cursor->addr;
}

bool fi_slice_next(const struct fi_slice *slice, struct fi_slice_cursor *cursor, struct fi_run *ret)
{
	const struct fi_pagemap *pm = slice->task->pagemap;
	uint64_t skip, end, until = UINT64_MAX;

	if (cursor->run == pm->nr_runs)
		return false;
	*ret = pm->runs[cursor->run];
	end = fi_run_end(ret);
	skip = cursor->addr > ret->addr ? cursor->addr - ret->addr : 0;
	ret->addr += skip;
	if (ret->kind == FI_RUN_DATA)
		ret->file_off += skip;
	cursor->addr = ret->addr;
	if (ret->lazy)
		ret->lazy = !is_touched(slice, cursor, &until);
	if (until < end)
		end = until;
	else
		cursor->run++;
	ret->nr_pages = (uint32_t)((end - ret->addr) >> FI_PAGE_SHIFT);
	cursor->addr = end;
	return true;
}

void fi_slice_skip(const struct fi_slice *slice, struct fi_slice_cursor *cursor, uint64_t addr)
{
	cursor->run = fi_pagemap_lower_bound(slice->task->pagemap, addr);
	cursor->addr = addr;
}

/* Lazy pages in [@start, @end). */
static uint64_t lazy_within(const struct fi_pagemap *pm, uint64_t start, uint64_t end)
{
	uint64_t nr = 0;

	for (size_t i = fi_pagemap_lower_bound(pm, start); i < pm->nr_runs; i++) {
		const struct fi_run *run = &pm->runs[i];
		uint64_t from = run->addr > start ? run->addr : start;
		uint64_t to = fi_run_end(run) < end ? fi_run_end(run) : end;

		if (run->addr >= end)
			break;
		if (run->lazy)
			nr += (to - from) >> FI_PAGE_SHIFT;
	}
	return nr;
}

void fi_slice_count(const struct fi_slice *slice, uint64_t *kept, uint64_t *left_out)
{
	const struct fi_pagemap *pm = slice->task->pagemap;

	*left_out = pm->nr_lazy_pages;
	for (size_t i = 0; i < slice->nr_touched; i++)
		*left_out -= lazy_within(pm, slice->touched[i].start, slice->touched[i].end);
	*kept = pm->nr_pages - *left_out;
}

/* Passes over runs that are left out as a whole. */
static void skip_left_out(const struct fi_slice *slice, struct fi_slice_cursor *cursor)
{
	const struct fi_pagemap *pm = slice->task->pagemap;
	uint64_t until;

	if (is_touched(slice, cursor, &until))
		return;
	while (cursor->run < pm->nr_runs && pm->runs[cursor->run].lazy &&
	       fi_run_end(&pm->runs[cursor->run]) <= until)
		cursor->addr = fi_run_end(&pm->runs[cursor->run++]);
}

int fi_slice_write(const struct fi_slice *slice, const struct fi_image *image, int dirfd, int to,
		   struct fi_error *err)
{
	fi_cleanup(fi_pagemap_writer_done) struct fi_pagemap_writer writer;
	struct fi_slice_cursor cursor = FI_SLICE_START;
	char name[FI_PAGEMAP_NAME_MAX];
	struct fi_run run;
	int r;

	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", slice->task->vpid);
	r = fi_pagemap_writer_begin(&writer, &image->inventory, dirfd, to, name, err);
	while (r == 0) {
		skip_left_out(slice, &cursor);
		if (!fi_slice_next(slice, &cursor, &run))
			break;
		if (!run.lazy)
			r = fi_pagemap_writer_put(&writer, &run, image->pages.files, err);
	}
	return r == 0 ? fi_pagemap_writer_end(&writer, err) : r;
}
