/* images/inspect/diff.c - see diff.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Both pagemaps are walked together, ascending; a page of zeros without bytes equals one with.
 */
#include "images/inspect/diff.h"

#include <string.h>

#include "images/inspect/maps.h"

struct change {
	uint64_t same, changed, added, gone; /* pages */
};

struct side {
	const struct fi_checkpoint *cp;
	const struct fi_digests *digests;
	const struct fi_task_image *task;
};

/* Compares the pages of two runs in [@start, @end), which both have. */
static void compare_runs(const struct side *a, const struct fi_run *left, const struct side *b,
			 const struct fi_run *right, uint64_t start, uint64_t end,
			 struct change *change)
{
	uint64_t addr, same = 0, all = (end - start) >> FI_PAGE_SHIFT;

	if (left->kind == FI_RUN_ZERO && right->kind == FI_RUN_ZERO) {
		change->same += all;
		return;
	}
	for (addr = start; addr < end; addr += FI_PAGE_SIZE)
		same += fi_digest_of(a->digests, left, (addr - left->addr) >> FI_PAGE_SHIFT) ==
			fi_digest_of(b->digests, right, (addr - right->addr) >> FI_PAGE_SHIFT);
	change->same += same;
	change->changed += all - same;
}

/* Pages of both tasks in [@start, @end).  Either task may be missing. */
static struct change compare_range(const struct side *a, const struct side *b, uint64_t start,
				   uint64_t end)
{
	static const struct fi_pagemap none = { .runs = NULL };
	const struct fi_pagemap *ours = a->task ? a->task->pagemap : &none;
	const struct fi_pagemap *theirs = b->task ? b->task->pagemap : &none;
	struct change change = { .same = 0 };
	size_t i = fi_pagemap_lower_bound(ours, start), k = fi_pagemap_lower_bound(theirs, start);

	while (start < end) {
		const struct fi_run *left = i < ours->nr_runs ? &ours->runs[i] : NULL;
		const struct fi_run *right = k < theirs->nr_runs ? &theirs->runs[k] : NULL;
		uint64_t next = end;
		bool in_left, in_right;

		if (left && fi_run_end(left) <= start) {
			i++;
			continue;
		}
		if (right && fi_run_end(right) <= start) {
			k++;
			continue;
		}
		in_left = left && left->addr <= start;
		in_right = right && right->addr <= start;
		if (left && (in_left ? fi_run_end(left) : left->addr) < next)
			next = in_left ? fi_run_end(left) : left->addr;
		if (right && (in_right ? fi_run_end(right) : right->addr) < next)
			next = in_right ? fi_run_end(right) : right->addr;
		if (in_left && in_right)
			compare_runs(a, left, b, right, start, next, &change);
		else if (in_left)
			change.added += (next - start) >> FI_PAGE_SHIFT;
		else if (in_right)
			change.gone += (next - start) >> FI_PAGE_SHIFT;
		start = next;
	}
	return change;
}

static void add_change(struct fi_json *js, struct json_object *to, const struct change *change)
{
	fi_json_u64(js, to, "same", change->same);
	fi_json_u64(js, to, "changed", change->changed);
	fi_json_u64(js, to, "new", change->added);
	fi_json_u64(js, to, "gone", change->gone);
}

static void sum_change(struct change *sum, const struct change *more)
{
	sum->same += more->same;
	sum->changed += more->changed;
	sum->added += more->added;
	sum->gone += more->gone;
}

/* The mapping of @mm with the range and protection of @vma. */
static const struct fi_vma *find_twin(const struct fi_task_image *task, const struct fi_vma *vma)
{
	const struct fi_vma *twin = task ? fi_mm_find(task->mm, vma->start) : NULL;

	return twin && twin->start == vma->start && twin->end == vma->end &&
			       twin->prot == vma->prot && twin->flags == vma->flags
		       ? twin
		       : NULL;
}

static void add_map(const struct side *side, const struct fi_vma *vma, const char *state,
		    const struct change *change, struct fi_json *js, struct json_object *to)
{
	const size_t i = (size_t)(side->task - fi_image_task(side->cp->image, 0));
	struct json_object *entry = fi_json_object(js, to, NULL);

	fi_json_hex(js, entry, "start", vma->start);
	fi_json_hex(js, entry, "end", vma->end);
	fi_json_text(js, entry, "kind", fi_vma_kind(&side->cp->more[i], vma));
	fi_json_text(js, entry, "mapping", state);
	add_change(js, entry, change);
}

/* Pages of their mapping @vma where we map nothing; what lies under a mapping of ours was counted
 * with that. */
static uint64_t gone_pages(const struct side *a, const struct side *b, const struct fi_vma *vma)
{
	const struct side none = { .task = NULL };
	uint64_t at = vma->start, gone = 0;
	const struct fi_vma *ours;
	size_t i;

	for (i = 0; a->task && i < a->task->mm->nr_vmas && at < vma->end; i++) {
		ours = &a->task->mm->vmas[i];
		if (ours->end <= at)
			continue;
		if (ours->start >= vma->end)
			break;
		if (ours->start > at)
			gone += compare_range(&none, b, at, ours->start).gone;
		at = ours->end;
	}
	return at < vma->end ? gone + compare_range(&none, b, at, vma->end).gone : gone;
}

/* A task of ours, theirs, or both. */
static void add_task(const struct side *a, const struct side *b, const struct fi_filter *filter,
		     struct change *sum, struct fi_json *js, struct json_object *to)
{
	const struct fi_task_image *task = a->task ? a->task : b->task;
	struct json_object *entry = fi_json_object(js, to, NULL), *maps;
	struct change all = { .same = 0 }, change;
	const struct fi_vma *vma;
	size_t i;

	fi_json_u64(js, entry, "pid", task->vpid);
	fi_json_text(js, entry, "name", task->comm);
	fi_json_text(js, entry, "task", !b->task ? "new" : !a->task ? "gone" : "kept");
	maps = fi_json_array(js, entry, "maps");
	for (i = 0; a->task && i < a->task->mm->nr_vmas; i++) {
		vma = &a->task->mm->vmas[i];
		if (!fi_filter_vma(filter, &a->cp->more[a->task - fi_image_task(a->cp->image, 0)],
				   vma))
			continue;
		change = compare_range(a, b, vma->start, vma->end);
		sum_change(&all, &change);
		if (!find_twin(b->task, vma))
			add_map(a, vma, "new", &change, js, maps);
		else if (change.changed || change.added || change.gone)
			add_map(a, vma, "kept", &change, js, maps);
	}
	for (i = 0; b->task && i < b->task->mm->nr_vmas; i++) {
		vma = &b->task->mm->vmas[i];
		if (find_twin(a->task, vma) ||
		    !fi_filter_vma(filter, &b->cp->more[b->task - fi_image_task(b->cp->image, 0)],
				   vma))
			continue;
		change = compare_range(&(struct side){ .task = NULL }, b, vma->start, vma->end);
		add_map(b, vma, "gone", &change, js, maps);
		all.gone += gone_pages(a, b, vma);
	}
	add_change(js, entry, &all);
	sum_change(sum, &all);
}

void fi_report_diff(const struct fi_checkpoint *cp, const struct fi_digests *digests,
		    const struct fi_checkpoint *other, const struct fi_digests *others,
		    const struct fi_filter *filter, struct fi_json *js, struct json_object *to)
{
	struct json_object *diff = fi_json_object(js, to, "diff"), *list;
	struct side a = { cp, digests, NULL }, b = { other, others, NULL };
	struct change sum = { .same = 0 };
	const struct fi_task_image *task;
	size_t i;

	fi_json_text(js, diff, "other", other->name);
	list = fi_json_array(js, diff, "tasks");
	for (i = 0; i < fi_image_nr_tasks(cp->image); i++) {
		task = fi_image_task(cp->image, i);
		a.task = task->zombie ? NULL : task;
		b.task = fi_image_find_task(other->image, task->vpid);
		if (b.task && b.task->zombie)
			b.task = NULL;
		if (a.task && fi_filter_task(filter, task))
			add_task(&a, &b, filter, &sum, js, list);
	}
	a.task = NULL;
	for (i = 0; i < fi_image_nr_tasks(other->image); i++) {
		b.task = fi_image_task(other->image, i);
		task = fi_image_find_task(cp->image, b.task->vpid);
		if ((!task || task->zombie) && !b.task->zombie && fi_filter_task(filter, b.task))
			add_task(&a, &b, filter, &sum, js, list);
	}
	add_change(js, diff, &sum);
}
