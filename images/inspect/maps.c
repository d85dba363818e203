/* images/inspect/maps.c - see maps.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/inspect/maps.h"

#include <string.h>
#include <sys/mman.h>

void fi_counts_add(struct fi_counts *to, const struct fi_counts *more)
{
	to->pages += more->pages;
	to->lazy += more->lazy;
	to->eager += more->eager;
	to->data += more->data;
	to->zero += more->zero;
	to->parent += more->parent;
	to->shared += more->shared;
	to->runs += more->runs;
	if (more->largest > to->largest)
		to->largest = more->largest;
}

struct fi_counts fi_count_range(const struct fi_checkpoint *cp, const struct fi_pagemap *pm,
				uint64_t start, uint64_t end)
{
	struct fi_counts counts = { .pages = 0 };
	size_t i;

	for (i = fi_pagemap_lower_bound(pm, start); i < pm->nr_runs; i++) {
		const struct fi_run *run = &pm->runs[i];
		uint64_t from = run->addr > start ? run->addr : start;
		uint64_t to = fi_run_end(run) < end ? fi_run_end(run) : end;
		uint64_t pages;

		if (run->addr >= end)
			break;
		pages = (to - from) >> FI_PAGE_SHIFT;
		counts.pages += pages;
		*(run->lazy ? &counts.lazy : &counts.eager) += pages;
		if (run->kind == FI_RUN_ZERO)
			counts.zero += pages;
		else if (fi_checkpoint_pages_file(cp, run->file)->level > 0)
			counts.parent += pages;
		else
			counts.data += pages;
		counts.runs++;
		if (pages > counts.largest)
			counts.largest = pages;
	}
	return counts;
}

struct fi_counts fi_count_vma(const struct fi_checkpoint *cp, const struct fi_task_image *task,
			      const struct fi_vma *vma)
{
	struct fi_counts counts = fi_count_range(cp, task->pagemap, vma->start, vma->end);
	const struct fi_segment *shared;
	uint64_t len = vma->end - vma->start;

	shared = fi_checkpoint_shared(cp, vma);
	if (shared && vma->pgoff <= UINT64_MAX - len)
		counts.shared =
			fi_count_range(cp, &shared->pagemap, vma->pgoff, vma->pgoff + len).pages;
	return counts;
}

struct fi_counts fi_count_task(const struct fi_checkpoint *cp, const struct fi_task_image *task)
{
	struct fi_counts sum = { .pages = 0 }, one;
	size_t i;

	for (i = 0; task->mm && i < task->mm->nr_vmas; i++) {
		one = fi_count_vma(cp, task, &task->mm->vmas[i]);
		fi_counts_add(&sum, &one);
	}
	return sum;
}

static const struct {
	uint32_t status;
	const char *name;
} kinds[] = {
	{ FI_VMA_VSYSCALL, "vsyscall" },  { FI_VMA_VDSO, "vdso" },
	{ FI_VMA_VVAR, "vvar" },	  { FI_VMA_AIORING, "aio" },
	{ FI_VMA_SOCKET, "socket" },	  { FI_VMA_SYSVIPC, "sysv" },
	{ FI_VMA_MEMFD, "memfd" },	  { FI_VMA_SHADOW_STACK, "shadow-stack" },
	{ FI_VMA_HEAP, "heap" },	  { FI_VMA_STACK, "stack" },
	{ FI_VMA_FILE_PRIVATE, "file" },  { FI_VMA_FILE_SHARED, "file-shared" },
	{ FI_VMA_ANON_SHARED, "shared" }, { FI_VMA_ANON_PRIVATE, "anon" },
};

bool fi_is_vma_kind(const char *name)
{
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return true;
	return false;
}

const char *fi_vma_kind(const struct fi_task_more *more, const struct fi_vma *vma)
{
	size_t i;

	/* CRIU marks neither on every kernel; the mm says where they are. */
	if (vma->status & FI_VMA_ANON_PRIVATE) {
		if (vma->start <= more->start_stack && more->start_stack < vma->end)
			return "stack";
		if (vma->start < more->brk && more->start_brk < vma->end)
			return "heap";
	}
	for (i = 0; i < FI_ARRAY_SIZE(kinds); i++)
		if (vma->status & kinds[i].status)
			return kinds[i].name;
	return "other";
}

/* Of a mapping that CRIU never registers with userfaultfd. */
static const char *never_lazy(const struct fi_vma *vma, const struct fi_counts *counts)
{
	if (vma->status & (FI_VMA_VDSO | FI_VMA_VVAR | FI_VMA_VSYSCALL))
		return "the kernel provides it";
	if (vma->status & FI_VMA_AIORING)
		return "a ring that the kernel writes to";
	if (vma->status & FI_VMA_SOCKET)
		return "a socket's ring";
	if ((vma->status & FI_VMA_FILE_SHARED) && !(vma->status & FI_VMA_MEMFD))
		return "a file's own pages: not in the image";
	if (vma->flags & MAP_SHARED)
		return "shared memory comes before any task runs";
	if (vma->status & FI_VMA_FILE_PRIVATE)
		return counts->pages ? "changed pages of a file's mapping come at once"
				     : "not in the image: the file has it";
	if (vma->flags & MAP_LOCKED)
		return "locked in memory";
	if (vma->flags & MAP_HUGETLB)
		return "huge pages";
	return "not private anonymous memory";
}

const char *fi_vma_why(const struct fi_vma *vma, const struct fi_counts *counts)
{
	if (!vma->lazy)
		return never_lazy(vma, counts);
	if (counts->pages == 0)
		return "nothing of it was in memory";
	if (counts->eager == 0)
		return NULL;
	if (vma->status & FI_VMA_STACK)
		return "the dump keeps pages of stacks eager";
	if (counts->parent > 0)
		return "the dump marks no page as lazy that it left in a parent";
	return "the dump did not mark them as lazy (stacks, and what is in use at the restore)";
}
