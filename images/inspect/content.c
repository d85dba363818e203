/* images/inspect/content.c - see content.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Duplicates are found with a hash table of a bounded size.  What would not fit is counted in several
 * passes over the fingerprints, each for a part of them: exact, and bounded.
 */
#include "images/inspect/content.h"

#include <string.h>

#define SLOTS_MIN (UINT64_C(1) << 10)
#define SLOTS_MAX (UINT64_C(1) << 21)

struct slot {
	uint64_t digest; /* FI_DIGEST_ZERO: free */
	uint32_t owner;
};

/* Of one owner: a task, or a segment of shared memory. */
struct counts {
	uint64_t pages;	    /* with bytes or said to be zero */
	uint64_t zero;	    /* full of zeros */
	uint64_t duplicate; /* the same as one before it */
	uint64_t across;    /* of these: which was another owner's */
	uint64_t cow;	    /* the same as at this address in the parent task, and not zero */
};

struct counting {
	const struct fi_checkpoint *cp;
	const struct fi_digests *digests;
	struct slot *slots;
	uint64_t nr_slots; /* a power of two, twice as many as pages or SLOTS_MAX */
	uint64_t part, nr_parts;
	uint64_t used;	       /* slots, in this part */
	struct counts *counts; /* one an owner */
};

static size_t nr_owners(const struct fi_checkpoint *cp)
{
	return fi_image_nr_tasks(cp->image) + cp->shared.nr;
}

static const struct fi_pagemap *pagemap_of(const struct fi_checkpoint *cp, size_t owner)
{
	const size_t nr = fi_image_nr_tasks(cp->image);

	return owner < nr ? fi_image_task(cp->image, owner)->pagemap
			  : &cp->shared.at[owner - nr].pagemap;
}

/* Counts one page that is not zero. */
static void count_page(struct counting *c, uint64_t digest, uint32_t owner)
{
	uint64_t at = digest & (c->nr_slots - 1);

	while (c->slots[at].digest != FI_DIGEST_ZERO && c->slots[at].digest != digest)
		at = (at + 1) & (c->nr_slots - 1);
	if (c->slots[at].digest == FI_DIGEST_ZERO) {
		/* Half full when parts are equal.  Somebody may have made them unequal; then some
		 * duplicates are missed, but the search still ends. */
		if (c->used < c->nr_slots / 8 * 7) {
			c->slots[at] = (struct slot){ digest, owner };
			c->used++;
		}
		return;
	}
	c->counts[owner].duplicate++;
	if (c->slots[at].owner != owner)
		c->counts[owner].across++;
}

static void count_run(struct counting *c, const struct fi_run *run, uint32_t owner)
{
	struct counts *counts = &c->counts[owner];
	uint64_t i, digest;

	if (c->part == 0) {
		counts->pages += run->nr_pages;
		if (run->kind == FI_RUN_ZERO)
			counts->zero += run->nr_pages;
	}
	if (run->kind == FI_RUN_ZERO)
		return;
	for (i = 0; i < run->nr_pages; i++) {
		digest = fi_digest_of(c->digests, run, i);
		if (digest == FI_DIGEST_ZERO)
			counts->zero += c->part == 0;
		else if ((digest >> 32) % c->nr_parts == c->part)
			count_page(c, digest, owner);
	}
}

/* Pages that a child still has as its parent has them, by address. */
static uint64_t count_cow(const struct counting *c, const struct fi_task_image *task,
			  const struct fi_task_image *parent)
{
	const struct fi_pagemap *ours = task->pagemap, *theirs = parent->pagemap;
	uint64_t same = 0, start, end, addr, digest;
	size_t i = 0, k = 0;

	while (i < ours->nr_runs && k < theirs->nr_runs) {
		const struct fi_run *a = &ours->runs[i], *b = &theirs->runs[k];

		start = a->addr > b->addr ? a->addr : b->addr;
		end = fi_run_end(a) < fi_run_end(b) ? fi_run_end(a) : fi_run_end(b);
		if (a->kind == FI_RUN_ZERO || b->kind == FI_RUN_ZERO)
			end = start;
		for (addr = start; addr < end; addr += FI_PAGE_SIZE) {
			digest = fi_digest_of(c->digests, a, (addr - a->addr) >> FI_PAGE_SHIFT);
			same += digest != FI_DIGEST_ZERO &&
				digest == fi_digest_of(c->digests, b,
						       (addr - b->addr) >> FI_PAGE_SHIFT);
		}
		if (fi_run_end(a) <= fi_run_end(b))
			i++;
		else
			k++;
	}
	return same;
}

static int count_all(struct counting *c, struct fi_error *err)
{
	const size_t nr = nr_owners(c->cp), nr_tasks = fi_image_nr_tasks(c->cp->image);
	const struct fi_task_image *task, *parent;
	const struct fi_pagemap *pm;
	size_t i, k;

	c->slots = malloc(c->nr_slots * sizeof(*c->slots));
	if (!c->slots)
		return fi_error_set(err, -ENOMEM, "no memory to count duplicates");
	for (c->part = 0; c->part < c->nr_parts; c->part++) {
		memset(c->slots, 0, c->nr_slots * sizeof(*c->slots));
		c->used = 0;
		for (i = 0; i < nr; i++) {
			pm = pagemap_of(c->cp, i);
			for (k = 0; pm && k < pm->nr_runs; k++)
				count_run(c, &pm->runs[k], (uint32_t)i);
		}
	}
	for (i = 0; i < nr_tasks; i++) {
		task = fi_image_task(c->cp->image, i);
		parent = task->ppid ? fi_image_find_task(c->cp->image, task->ppid) : NULL;
		if (task->pagemap && parent && parent->pagemap)
			c->counts[i].cow = count_cow(c, task, parent);
	}
	return 0;
}

static void add_counts(struct fi_json *js, struct json_object *to, const struct counts *counts)
{
	fi_json_u64(js, to, "pages", counts->pages);
	fi_json_u64(js, to, "zero", counts->zero);
	fi_json_u64(js, to, "duplicate", counts->duplicate);
	fi_json_u64(js, to, "across_tasks", counts->across);
	fi_json_u64(js, to, "same_as_parent", counts->cow);
}

static void add_report(const struct counting *c, struct fi_json *js, struct json_object *to)
{
	const struct fi_digests *digests = c->digests;
	const size_t nr = nr_owners(c->cp), nr_tasks = fi_image_nr_tasks(c->cp->image);
	struct json_object *pages = fi_json_object(js, to, "pages"), *list, *entry;
	struct counts sum = { .pages = 0 };
	uint64_t distinct;
	double ratio;
	size_t i;

	list = fi_json_array(js, pages, "tasks");
	for (i = 0; i < nr; i++) {
		sum.pages += c->counts[i].pages;
		sum.zero += c->counts[i].zero;
		sum.duplicate += c->counts[i].duplicate;
		sum.across += c->counts[i].across;
		sum.cow += c->counts[i].cow;
		entry = fi_json_object(js, list, NULL);
		if (i < nr_tasks) {
			fi_json_u64(js, entry, "pid", fi_image_task(c->cp->image, i)->vpid);
			fi_json_text(js, entry, "name", fi_image_task(c->cp->image, i)->comm);
		} else {
			fi_json_u64(js, entry, "segment", c->cp->shared.at[i - nr_tasks].id);
		}
		add_counts(js, entry, &c->counts[i]);
	}
	add_counts(js, pages, &sum);
	distinct = sum.pages - sum.zero - sum.duplicate;
	fi_json_u64(js, pages, "distinct", distinct);
	ratio = digests->sample_in ? (double)digests->sample_out / (double)digests->sample_in : 1;
	entry = fi_json_object(js, pages, "compression");
	fi_json_text(js, entry, "method", "zstd level 1, stretches of 64 KiB without zero pages");
	fi_json_u64(js, entry, "sampled_bytes", digests->sample_in);
	fi_json_real(js, entry, "ratio", ratio);
	entry = fi_json_object(js, pages, "bytes");
	fi_json_u64(js, entry, "all", sum.pages << FI_PAGE_SHIFT);
	fi_json_u64(js, entry, "without_zero", (sum.pages - sum.zero) << FI_PAGE_SHIFT);
	fi_json_u64(js, entry, "distinct", distinct << FI_PAGE_SHIFT);
	fi_json_u64(js, entry, "distinct_compressed",
		    (uint64_t)((double)(distinct << FI_PAGE_SHIFT) * ratio));
	entry = fi_json_object(js, pages, "reading");
	fi_json_u64(js, entry, "bytes", digests->bytes);
	fi_json_u64(js, entry, "us", digests->ns / 1000);
	fi_json_u64(js, entry, "threads", digests->threads);
}

/* Pages with bytes, of which there are no more than files have; zeros may be claimed without end. */
static uint64_t nr_data_pages(const struct fi_pagemap *pm)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; pm && i < pm->nr_runs; i++)
		if (pm->runs[i].kind == FI_RUN_DATA)
			pages += pm->runs[i].nr_pages;
	return pages;
}

int fi_report_content(const struct fi_checkpoint *cp, const struct fi_digests *digests,
		      struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct counting c = { .cp = cp, .digests = digests };
	uint64_t pages = 0;
	size_t i;
	int r;

	c.counts = calloc(nr_owners(cp) + 1, sizeof(*c.counts));
	if (!c.counts)
		return fi_error_set(err, -ENOMEM, "no memory to count pages");
	for (i = 0; i < nr_owners(cp); i++)
		pages += nr_data_pages(pagemap_of(cp, i));
	for (c.nr_slots = SLOTS_MIN; c.nr_slots < SLOTS_MAX && c.nr_slots / 2 < pages;)
		c.nr_slots *= 2;
	c.nr_parts = pages / (c.nr_slots / 2) + 1;
	r = count_all(&c, err);
	if (r == 0)
		add_report(&c, js, to);
	free(c.slots);
	free(c.counts);
	return r;
}
