/* images/pagemap.c - looking things up in a pagemap; see pagemap.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/pagemap.h"

_Static_assert(sizeof(struct fi_run) == 24, "a run takes no more than it needs");

size_t fi_pagemap_lower_bound(const struct fi_pagemap *pm, uint64_t addr)
{
	size_t low = 0, high = pm->nr_runs, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (fi_run_end(&pm->runs[mid]) <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct fi_run *fi_pagemap_find(const struct fi_pagemap *pm, uint64_t addr)
{
	size_t i = fi_pagemap_lower_bound(pm, addr);

	return i < pm->nr_runs && pm->runs[i].addr <= addr ? &pm->runs[i] : NULL;
}

/* Lazy pages in the runs up to and including this one. */
static uint64_t rank_end(const struct fi_run *run)
{
	return (uint64_t)run->lazy_rank + (run->lazy ? run->nr_pages : 0);
}

const struct fi_run *fi_pagemap_find_rank(const struct fi_pagemap *pm, uint64_t rank)
{
	size_t low = 0, high = pm->nr_runs, mid;

	/* The first run where the count passes @rank is a lazy one: others do not change it. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (rank_end(&pm->runs[mid]) <= rank)
			low = mid + 1;
		else
			high = mid;
	}
	return low < pm->nr_runs ? &pm->runs[low] : NULL;
}
