/* images/inspect/trace.c - see trace.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses of a trace are those of the time of the fault, those of a checkpoint of the time of the dump:
 * what a task has moved or mapped since is counted as "elsewhere".
 */
#include "images/inspect/trace.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "images/inspect/maps.h"
#include "images/inspect/tracefile.h"

/* One mapping's share, or, at the end of the table, elsewhere's. */
struct tally {
	const struct fi_vma *vma; /* NULL: elsewhere */
	uint64_t faults, touched, given;
	uint64_t first, last; /* ns */
};

struct view {
	const struct fi_checkpoint *cp;
	const struct fi_filter *filter;
	const struct fi_tracefile *trace;
	struct fi_json *js;
	uint64_t start; /* ns: what times count from */
};

static uint64_t us_since(const struct view *view, uint64_t at)
{
	return at > view->start ? (at - view->start) / 1000 : 0;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Those that were touched come first, in the order of their first touch. */
static int by_first_touch(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	if (!x->faults != !y->faults)
		return x->faults ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

/* --- tallies ------------------------------------------------------------------------------------ */

static bool is_wanted(const struct view *view, const struct fi_task_more *more,
		      const struct fi_traced_fault *fault, const struct fi_vma *vma)
{
	uint64_t addr = fault->page << FI_PAGE_SHIFT;

	if (vma)
		return fi_filter_vma(view->filter, more, vma);
	return !view->filter->kind && !view->filter->prot[0] && !view->filter->prot[1] &&
	       !view->filter->prot[2] &&
	       (view->filter->end == 0 ||
		(addr >= view->filter->start && addr < view->filter->end));
}

static struct tally *tally_of(struct tally *tallies, const struct fi_mm *mm, uint64_t page)
{
	const struct fi_vma *vma = fi_mm_find(mm, page << FI_PAGE_SHIFT);

	return &tallies[vma ? (size_t)(vma - mm->vmas) : mm->nr_vmas];
}

/* Numbers of @pages (sorted) that differ, each for its mapping. */
static uint64_t count_touched(uint64_t *pages, size_t nr, const struct fi_mm *mm,
			      struct tally *tallies)
{
	uint64_t touched = 0;

	qsort(pages, nr, sizeof(pages[0]), by_number);
	for (size_t i = 0; i < nr; i++) {
		if (i > 0 && pages[i] == pages[i - 1])
			continue;
		tally_of(tallies, mm, pages[i])->touched++;
		touched++;
	}
	return touched;
}

static void add_latency(const struct view *view, struct json_object *to, uint64_t *took, size_t nr)
{
	struct json_object *json = fi_json_object(view->js, to, "latency_ns");

	qsort(took, nr, sizeof(took[0]), by_number);
	fi_json_u64(view->js, json, "p50", nr ? took[(nr - 1) / 2] : 0);
	fi_json_u64(view->js, json, "p99", nr ? took[(nr - 1) - (nr - 1) / 100] : 0);
	fi_json_u64(view->js, json, "max", nr ? took[nr - 1] : 0);
}

static void add_maps(const struct view *view, struct json_object *to,
		     const struct fi_task_image *task, const struct fi_task_more *more,
		     struct tally *tallies)
{
	struct json_object *maps = fi_json_array(view->js, to, "maps"), *map;
	struct fi_counts counts;

	qsort(tallies, task->mm->nr_vmas + 1, sizeof(tallies[0]), by_first_touch);
	for (size_t i = 0; i <= task->mm->nr_vmas; i++) {
		const struct tally *tally = &tallies[i];
		const struct fi_vma *vma = tally->vma;

		counts = (struct fi_counts){ .pages = 0 };
		if (vma && fi_filter_vma(view->filter, more, vma))
			counts = fi_count_vma(view->cp, task, vma);
		if (!tally->faults && !counts.lazy)
			continue;
		map = fi_json_object(view->js, maps, NULL);
		if (vma) {
			fi_json_hex(view->js, map, "start", vma->start);
			fi_json_hex(view->js, map, "end", vma->end);
		}
		fi_json_text(view->js, map, "kind", vma ? fi_vma_kind(more, vma) : "elsewhere");
		fi_json_u64(view->js, map, "lazy", counts.lazy);
		fi_json_u64(view->js, map, "faults", tally->faults);
		fi_json_u64(view->js, map, "touched", tally->touched);
		fi_json_u64(view->js, map, "given", tally->given);
		if (!tally->faults)
			continue;
		fi_json_u64(view->js, map, "first_us", us_since(view, tally->first));
		fi_json_u64(view->js, map, "last_us", us_since(view, tally->last));
	}
}

/* --- spaces ------------------------------------------------------------------------------------- */

/* What is put together in one pass over a space's faults. */
struct sums {
	struct tally *tallies;
	uint64_t *pages, *took; /* of those that are no repetition */
	size_t nr;
	uint64_t given, again, answers[FI_TRACED_NR];
	struct json_object *points; /* the report's */
	size_t nr_points;
};

static void add_point(const struct view *view, struct sums *sums,
		      const struct fi_traced_fault *fault)
{
	struct json_object *point;

	if (sums->nr_points == FI_TRACE_POINTS)
		return;
	sums->nr_points++;
	point = fi_json_array(view->js, sums->points, NULL);
	fi_json_u64(view->js, point, NULL, us_since(view, fault->at));
	fi_json_u64(view->js, point, NULL, fault->page);
	fi_json_u64(view->js, point, NULL, fault->nr_pages);
	fi_json_u64(view->js, point, NULL, fault->answer);
}

static void take_fault(const struct view *view, const struct fi_mm *mm,
		       const struct fi_task_more *more, const struct fi_traced_fault *fault,
		       struct sums *sums)
{
	struct tally *tally = tally_of(sums->tallies, mm, fault->page);

	if (!is_wanted(view, more, fault, tally->vma))
		return;
	/* Zeros are no pages of the image. */
	if (fault->answer <= FI_TRACED_PARENT) {
		tally->given += fault->nr_pages;
		sums->given += fault->nr_pages;
	}
	if (fault->again) {
		sums->again++;
		return;
	}
	if (!tally->faults || fault->at < tally->first)
		tally->first = fault->at;
	if (!tally->faults || fault->at > tally->last)
		tally->last = fault->at;
	tally->faults++;
	sums->pages[sums->nr] = fault->page;
	sums->took[sums->nr] = fault->took;
	sums->nr++;
	sums->answers[fault->answer]++;
	add_point(view, sums, fault);
}

static void add_identity(const struct view *view, struct json_object *json,
			 const struct fi_traced_space *space, const struct fi_task_image *task)
{
	fi_json_u64(view->js, json, "space", space->id);
	if (space->parent)
		fi_json_u64(view->js, json, "parent", space->parent);
	/* A child's own is not always known. */
	if (space->vpid || !space->parent)
		fi_json_u64(view->js, json, "pid", space->vpid ? space->vpid : task->vpid);
	fi_json_u64(view->js, json, "task", task->vpid);
	if (space->pid)
		fi_json_i64(view->js, json, "host_pid", space->pid);
	fi_json_text(view->js, json, "name", task->comm);
}

static int add_space(const struct view *view, struct json_object *to,
		     const struct fi_traced_space *space, const struct fi_task_image *task)
{
	const struct fi_task_more *more = &view->cp->more[task - fi_image_task(view->cp->image, 0)];
	fi_auto_free struct tally *tallies = calloc(task->mm->nr_vmas + 1, sizeof(*tallies));
	fi_auto_free uint64_t *pages = calloc(space->nr_faults + 1, sizeof(*pages));
	fi_auto_free uint64_t *took = calloc(space->nr_faults + 1, sizeof(*took));
	struct sums sums = { .tallies = tallies, .pages = pages, .took = took };
	struct json_object *json, *answers;
	uint64_t touched;

	if (!tallies || !pages || !took)
		return -ENOMEM;
	for (size_t i = 0; i < task->mm->nr_vmas; i++)
		tallies[i].vma = &task->mm->vmas[i];
	json = fi_json_object(view->js, to, NULL);
	add_identity(view, json, space, task);
	sums.points = fi_json_array(view->js, json, "points");
	for (size_t i = 0; i < space->nr_faults; i++)
		take_fault(view, task->mm, more, &space->faults[i], &sums);

	touched = count_touched(pages, sums.nr, task->mm, tallies);
	fi_json_u64(view->js, json, "faults", sums.nr);
	fi_json_u64(view->js, json, "again", sums.again);
	fi_json_u64(view->js, json, "forks", space->nr_forks);
	fi_json_u64(view->js, json, "lazy", task->pagemap->nr_lazy_pages);
	fi_json_u64(view->js, json, "touched", touched);
	fi_json_u64(view->js, json, "given", sums.given);
	fi_json_u64(view->js, json, "drained", space->drained);
	fi_json_u64(view->js, json, "dropped", space->dropped);
	answers = fi_json_object(view->js, json, "answers");
	for (size_t i = 0; i < FI_TRACED_NR; i++)
		if (sums.answers[i])
			fi_json_u64(view->js, answers, fi_traced_names[i], sums.answers[i]);
	add_latency(view, json, took, sums.nr);
	add_maps(view, json, task, more, tallies);
	return 0;
}

/* A child that was forked and is gone before it was named has no task of the image of its own: it is its
 * parent's.  NULL: not known. */
static const struct fi_task_image *task_of(const struct view *view,
					   const struct fi_traced_space *space)
{
	const struct fi_tracefile *trace = view->trace;

	for (size_t i = 0; i < trace->nr_spaces && !space->named && space->parent; i++)
		space = &trace->spaces[space->parent];
	return fi_image_find_task(view->cp->image, space->image);
}

static uint64_t first_time(const struct fi_tracefile *trace)
{
	uint64_t first = trace->begun;

	for (size_t i = 0; i < trace->nr_spaces; i++)
		for (size_t k = 0; k < trace->spaces[i].nr_faults; k++)
			if (!first || trace->spaces[i].faults[k].at < first)
				first = trace->spaces[i].faults[k].at;
	return first;
}

static int add_spaces(const struct view *view, struct json_object *to, struct fi_error *err)
{
	struct json_object *spaces = fi_json_array(view->js, to, "spaces");
	uint64_t faults = 0, strangers = 0, known = 0;
	int r = 0;

	for (size_t i = 1; r == 0 && i < view->trace->nr_spaces; i++) {
		const struct fi_traced_space *space = &view->trace->spaces[i];
		const struct fi_task_image *task = space->id ? task_of(view, space) : NULL;

		if (!space->id)
			continue;
		faults += space->nr_faults;
		if (!task || !task->mm) {
			strangers++;
			continue;
		}
		known++;
		if (fi_filter_task(view->filter, task))
			r = add_space(view, spaces, space, task);
	}
	if (r == 0 && strangers && !known)
		return fi_error_set(err, -EINVAL,
				    "the trace is of another checkpoint: it has none of its tasks");
	fi_json_u64(view->js, to, "faults", faults);
	if (strangers)
		fi_json_u64(view->js, to, "unknown_spaces", strangers);
	return r < 0 ? fi_error_set(err, r, "no memory for the trace") : 0;
}

int fi_report_trace(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		    const char *path, struct fi_json *js, struct json_object *to,
		    struct fi_error *err)
{
	fi_auto_tracefile struct fi_tracefile trace = { .spaces = NULL };
	struct view view = { .cp = cp, .filter = filter, .trace = &trace, .js = js };
	struct json_object *json;
	int r;

	r = fi_tracefile_read(path, &trace, err);
	if (r < 0)
		return r;
	view.start = first_time(&trace);
	json = fi_json_object(js, to, "trace");
	fi_json_text(js, json, "name", path);
	fi_json_u64(js, json, "engines", trace.nr_engines);
	fi_json_bool(js, json, "complete", trace.ended);
	fi_json_u64(js, json, "events_missing", trace.dropped);
	if (trace.restored)
		fi_json_u64(js, json, "restored_us", us_since(&view, trace.restored));
	return add_spaces(&view, json, err);
}
