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

/* Whether @addr is touched, and where the answer changes next. */
static bool is_touched(const struct fi_slice *slice, uint64_t addr, uint64_t *until)
{
	size_t low = 0, high = slice->nr_touched, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (slice->touched[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == slice->nr_touched) {
		*until = UINT64_MAX;
		return false;
	}
	if (slice->touched[low].start <= addr) {
		*until = slice->touched[low].end;
		return true;
	}
	*until = slice->touched[low].start;
	return false;
}

bool fi_slice_next(const struct fi_slice *slice, uint64_t addr, struct fi_run *ret)
{
	const struct fi_pagemap *pm = slice->task->pagemap;
	const size_t i = fi_pagemap_lower_bound(pm, addr);
	uint64_t skip, end, until = UINT64_MAX;

	if (i == pm->nr_runs)
		return false;
	*ret = pm->runs[i];
	end = fi_run_end(ret);
	skip = addr > ret->addr ? addr - ret->addr : 0;
	ret->addr += skip;
	if (ret->kind == FI_RUN_DATA)
		ret->file_off += skip;
	if (ret->lazy)
		ret->lazy = !is_touched(slice, ret->addr, &until);
	if (until < end)
		end = until;
	ret->nr_pages = (uint32_t)((end - ret->addr) >> FI_PAGE_SHIFT);
	return true;
}

void fi_slice_count(const struct fi_slice *slice, uint64_t *kept, uint64_t *left_out)
{
	struct fi_run run;

	*kept = *left_out = 0;
	for (uint64_t at = 0; fi_slice_next(slice, at, &run); at = fi_run_end(&run))
		*(run.lazy ? left_out : kept) += run.nr_pages;
}

int fi_slice_write(const struct fi_slice *slice, const struct fi_image *image, int dirfd, int to,
		   struct fi_error *err)
{
	fi_cleanup(fi_pagemap_writer_done) struct fi_pagemap_writer writer;
	char name[FI_PAGEMAP_NAME_MAX];
	struct fi_run run;
	int r;

	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", slice->task->vpid);
	r = fi_pagemap_writer_begin(&writer, &image->inventory, dirfd, to, name, err);
	for (uint64_t at = 0; r == 0 && fi_slice_next(slice, at, &run); at = fi_run_end(&run))
		if (!run.lazy)
			r = fi_pagemap_writer_put(&writer, &run, image->pages.files, err);
	return r == 0 ? fi_pagemap_writer_end(&writer, err) : r;
}
