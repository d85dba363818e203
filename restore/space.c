/* restore/space.c - see space.h: making, asking and ending a space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "restore/newborn.h"
#include "restore/store_entry.h"
#include "restore/uffd.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* Any address that the kernel accepts does: above vm.mmap_min_addr, below the end of user space. */
#define PROBED_PAGE UINT64_C(0x400000)

static struct fi_space *space_alloc(const struct fi_pagemap *pagemap, struct fi_source *source)
{
	struct fi_space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	space->uffd = -EBADF;
	space->pidfd = -EBADF;
	space->count = &space->own_count;
	space->stream_next = UINT64_MAX; /* 0 is an address like any other */
	space->pagemap = pagemap;
	space->source = source;
	space->users = 1;
	(void)pthread_mutex_init(&space->owed_lock, NULL);
	(void)pthread_mutex_init(&space->drain_lock, NULL);
	return space;
}

/* A record that nobody sees yet. */
static int take_slot(struct fi_space *space, uint32_t image)
{
	struct fi_slot *slot = fi_slot_take();

	if (!slot)
		return -ENOMEM;
	slot->id = space->id = ++fi_ledger()->last_id;
	slot->image = image;
	slot->pidfd = -EBADF;
	slot->pid = 0;
	slot->vpid = 0;
	space->slot = slot;
	space->count = &slot->count;
	return 0;
}

static int layout_of(const struct fi_mm *mm, struct fi_layout *layout)
{
	for (size_t i = 0; i < mm->nr_vmas; i++) {
		const struct fi_vma *vma = &mm->vmas[i];
		struct fi_segment segment = {
			.start = vma->start,
			.end = vma->end,
			.origin = vma->start,
			.wipe_on_fork = vma->madv >> MADV_WIPEONFORK & 1,
		};
		int r = vma->lazy ? fi_layout_add(layout, &segment) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int fi_space_new(int uffd, const struct fi_task_image *task, struct fi_source *source,
		 struct fi_space **ret)
{
	struct fi_space *space = space_alloc(task->pagemap, source);
	int r;

	if (!space)
		return -ENOMEM;
	space->vpid = task->vpid;
	r = take_slot(space, task->vpid);
	if (r == 0)
		r = layout_of(task->mm, &space->layout);
	if (r == 0)
		r = fi_owed_init(&space->owed, task->pagemap->nr_lazy_pages);
	if (r == 0) {
		space->uffd = uffd;
		r = fi_space_show(space);
	}
	if (r < 0) {
		fi_space_put(space);
		return r;
	}
	*ret = space;
	return 0;
}

int fi_space_fork(struct fi_space *parent, int uffd, struct fi_space **ret)
{
	struct fi_space *child = space_alloc(parent->pagemap, parent->source);
	int r;

	if (!child)
		return -ENOMEM;
	child->parent = parent->id;
	child->stepped = parent->stepped;
	fi_layout_share(&parent->layout, &child->layout);
	r = take_slot(child, parent->slot->image);
	if (r == 0) {
		child->slot->birth = parent->applied;
		(void)pthread_mutex_lock(&parent->owed_lock);
		r = fi_owed_share(&parent->owed, &child->owed);
		(void)pthread_mutex_unlock(&parent->owed_lock);
	}
	if (r < 0) {
		fi_space_put(child);
		return r;
	}
	child->uffd = uffd;
	*ret = child;
	return 0;
}

/* An array as a block of its own, which the caller owns. */
static int block_of(const void *array, size_t size, uint32_t *ret)
{
	void *block;

	*ret = 0;
	if (size == 0)
		return 0;
	block = fi_durable_alloc(size);
	if (!block)
		return -ENOMEM;
	memcpy(block, array, size);
	*ret = fi_durable_ref(block);
	return 0;
}

int fi_space_show(struct fi_space *space)
{
	struct fi_slot *slot = space->slot;
	const struct fi_newborn *newborn = space->newborn;
	const struct fi_past *past = newborn ? &newborn->past : &space->past;
	struct fi_geometry geometry = {
		.layout = fi_layout_ref(&space->layout),
		.displaced = fi_layout_ref(&space->displaced),
		.before = fi_layout_ref(&past->before),
		.nr_changes = (uint32_t)past->nr_changes,
		.nr_left = (uint32_t)space->nr_left,
		.nr_heard = newborn ? (uint32_t)newborn->nr_heard : 0,
		.landed = space->landed,
		.open = space->past.open,
		.in_doubt = space->in_doubt,
		.newborn = !newborn	    ? FI_GROWN_UP
			   : newborn->begun ? FI_NEWBORN
					    : FI_UNBORN,
		.newborn_at = newborn ? newborn->at : 0,
		.newborn_all = newborn && newborn->all,
		.applied = space->applied,
	};
	int r = block_of(past->changes, past->nr_changes * sizeof(past->changes[0]),
			 &geometry.changes);

	if (r == 0)
		r = block_of(space->left, space->nr_left * sizeof(space->left[0]), &geometry.left);
	if (r == 0 && newborn)
		r = block_of(newborn->heard, newborn->nr_heard * sizeof(newborn->heard[0]),
			     &geometry.heard);
	if (r == 0)
		fi_slot_show(slot, &geometry);
	/* They are the slot's. */
	fi_durable_release(fi_durable_at(geometry.changes));
	fi_durable_release(fi_durable_at(geometry.left));
	fi_durable_release(fi_durable_at(geometry.heard));
	if (r < 0)
		return r;
	if (slot->state != FI_SLOT_TAKEN)
		return 0;
	slot->uffd = space->uffd;
	slot->parent = space->parent;
	slot->owed = fi_durable_ref(space->owed.chunks);
	slot->nr_lazy = space->owed.size;
	fi_store_give_space(slot, space->uffd);
	slot->state = FI_SLOT_LIVE;
	fi_ledger_ring();
	return 0;
}

void fi_space_show_names(struct fi_space *space)
{
	(void)pthread_mutex_lock(&space->owed_lock);
	if (space->slot) {
		space->slot->vpid = space->vpid;
		space->slot->pid = space->pid;
		space->slot->pidfd = space->pidfd;
	}
	(void)pthread_mutex_unlock(&space->owed_lock);
	fi_ledger_ring();
}

void fi_space_show_failed(struct fi_space *space)
{
	if (space->state == FI_SPACE_FAILED && space->slot)
		space->slot->state = FI_SLOT_FAILED;
}

static int array_of(uint32_t block, size_t size, void *ret)
{
	void **at = ret;

	*at = NULL;
	if (size == 0)
		return 0;
	*at = malloc(size);
	if (!*at)
		return -ENOMEM;
	memcpy(*at, fi_durable_at(block), size);
	return 0;
}

/* What was open: the space's, or its parent's if it is a newborn. */
static int adopt_past(struct fi_space *space, const struct fi_geometry *geometry)
{
	const struct fi_layout before = fi_layout_at(geometry->before);
	struct fi_past *past = &space->past;
	int r = 0;

	if (geometry->newborn != FI_GROWN_UP) {
		space->newborn = calloc(1, sizeof(*space->newborn));
		if (!space->newborn)
			return -ENOMEM;
		past = &space->newborn->past;
		space->newborn->begun = geometry->newborn == FI_NEWBORN;
		space->newborn->at = geometry->newborn_at;
		space->newborn->all = geometry->newborn_all;
		space->newborn->nr_heard = geometry->nr_heard;
		r = array_of(geometry->heard, geometry->nr_heard * sizeof(struct uffd_msg),
			     &space->newborn->heard);
	}
	past->nr_changes = past->room_changes = geometry->nr_changes;
	space->nr_left = space->room_left = geometry->nr_left;
	if (r == 0)
		r = array_of(geometry->changes, past->nr_changes * sizeof(past->changes[0]),
			     &past->changes);
	if (r == 0)
		r = array_of(geometry->left, space->nr_left * sizeof(space->left[0]), &space->left);
	space->past.open = geometry->open;
	space->in_doubt = geometry->in_doubt;
	fi_layout_share(&before, &past->before);
	return r;
}

int fi_space_adopt(struct fi_slot *slot, const struct fi_task_image *task, struct fi_source *source,
		   struct fi_space **ret)
{
	const struct fi_geometry *geometry = &slot->geometry[slot->current];
	const struct fi_layout layout = fi_layout_at(geometry->layout),
			       displaced = fi_layout_at(geometry->displaced);
	struct fi_space *space = space_alloc(task->pagemap, source);

	if (!space)
		return -ENOMEM;
	if (adopt_past(space, geometry) < 0) {
		fi_space_put(space);
		return -ENOMEM;
	}
	fi_slot_own(slot);
	space->slot = slot;
	space->count = &slot->count;
	space->uffd = slot->uffd;
	space->id = slot->id;
	space->parent = slot->parent;
	space->vpid = slot->vpid;
	space->pid = slot->pid;
	space->pidfd = slot->pidfd;
	space->applied = geometry->applied;
	space->landed = geometry->landed;
	fi_layout_share(&layout, &space->layout);
	fi_layout_share(&displaced, &space->displaced);
	fi_owed_adopt(&space->owed, fi_durable_at(slot->owed), slot->nr_lazy);
	if (slot->state == FI_SLOT_FAILED)
		space->state = FI_SPACE_FAILED;
	*ret = space;
	return 0;
}

struct fi_space *fi_space_get(struct fi_space *space)
{
	atomic_fetch_add_explicit(&space->users, 1, memory_order_relaxed);
	return space;
}

void fi_space_put(struct fi_space *space)
{
	size_t nr_heard;
	int pidfd;

	if (atomic_fetch_sub_explicit(&space->users, 1, memory_order_acq_rel) != 1)
		return;
	pidfd = space->pidfd;
	fi_close(&pidfd);
	if (space->newborn)
		free(fi_newborn_end(space, &nr_heard));
	for (size_t i = 0; i < space->nr_newborns; i++)
		fi_space_put(space->newborns[i]);
	fi_layout_clear(&space->layout);
	fi_layout_clear(&space->displaced);
	fi_layout_clear(&space->past.before);
	if (space->slot && space->slot->state == FI_SLOT_TAKEN) {
		fi_slot_free(space->slot);
		space->slot = NULL;
	}
	/* A record that is still there means that the descriptor is open: it goes on owing. */
	if (!space->slot)
		fi_owed_free(&space->owed);
	(void)pthread_mutex_destroy(&space->owed_lock);
	(void)pthread_mutex_destroy(&space->drain_lock);
	free(space->past.changes);
	free(space->left);
	free(space->newborns);
	free(space->parked);
	free(space);
}

uint64_t fi_space_nr_owed(struct fi_space *space)
{
	uint64_t count;

	(void)pthread_mutex_lock(&space->owed_lock);
	count = space->owed.count;
	(void)pthread_mutex_unlock(&space->owed_lock);
	return count;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* fi_space_look inside one segment: @origin is where @addr's page was at the dump. */
static struct fi_extent look_at_origin(struct fi_space *space, uint64_t addr, uint64_t origin,
				       uint64_t max_len)
{
	const struct fi_pagemap *pagemap = space->pagemap;
	size_t i = fi_pagemap_lower_bound(pagemap, origin);
	struct fi_extent extent = { .addr = addr, .len = max_len };
	const struct fi_run *run;
	uint64_t into, nr;

	if (i == pagemap->nr_runs)
		return extent;
	run = &pagemap->runs[i];
	if (run->addr > origin) {
		extent.len = min_u64(max_len, run->addr - origin);
		return extent;
	}

	into = origin - run->addr;
	extent.len = min_u64(max_len, fi_run_end(run) - origin);
	if (!run->lazy)
		return extent;

	extent.rank = run->lazy_rank + (into >> FI_PAGE_SHIFT);
	(void)pthread_mutex_lock(&space->owed_lock);
	extent.owed = fi_owed_test(&space->owed, extent.rank);
	nr = fi_owed_alike(&space->owed, extent.rank, extent.len >> FI_PAGE_SHIFT);
	(void)pthread_mutex_unlock(&space->owed_lock);
	extent.len = nr << FI_PAGE_SHIFT;
	if (extent.owed && run->kind == FI_RUN_DATA) {
		extent.bytes = fi_source_bytes(space->source, run, into);
		extent.file = run->file;
	}
	return extent;
}

struct fi_extent fi_space_look(struct fi_space *space, uint64_t addr, uint64_t max_len)
{
	size_t i = fi_layout_lower_bound(&space->layout, addr);
	const struct fi_segment *segment;

	if (i == fi_layout_count(&space->layout))
		return (struct fi_extent){ .addr = addr, .len = max_len };
	segment = fi_layout_segment(&space->layout, i);
	if (segment->start > addr)
		return (struct fi_extent){ .addr = addr,
					   .len = min_u64(max_len, segment->start - addr) };
	return look_at_origin(space, addr, segment->origin + (addr - segment->start),
			      min_u64(max_len, segment->end - addr));
}

bool fi_space_next_owed(struct fi_space *space, uint64_t addr, uint64_t max_len,
			struct fi_extent *ret)
{
	size_t nr = fi_layout_count(&space->layout);

	for (size_t i = fi_layout_lower_bound(&space->layout, addr); i < nr; i++) {
		const struct fi_segment *segment = fi_layout_segment(&space->layout, i);

		if (addr < segment->start)
			addr = segment->start;
		while (addr < segment->end) {
			uint64_t origin = segment->origin + (addr - segment->start);
			uint64_t left = segment->end - addr;

			*ret = look_at_origin(space, addr, origin, min_u64(left, max_len));
			if (ret->owed)
				return true;
			addr += look_at_origin(space, addr, origin, left).len;
		}
	}
	return false;
}

int fi_space_settle(struct fi_space *space, uint64_t rank, uint64_t nr_pages,
		    _Atomic uint64_t *counter)
{
	uint64_t cleared;
	int r;

	(void)pthread_mutex_lock(&space->owed_lock);
	r = fi_owed_clear(&space->owed, rank, nr_pages, &cleared);
	(void)pthread_mutex_unlock(&space->owed_lock);
	atomic_fetch_add_explicit(counter, cleared, memory_order_relaxed);
	return r;
}

int fi_space_drop(struct fi_space *space, const struct fi_layout *layout, uint64_t start,
		  uint64_t end)
{
	const struct fi_pagemap *pagemap = space->pagemap;

	for (size_t i = fi_layout_lower_bound(layout, start); i < fi_layout_count(layout); i++) {
		const struct fi_segment *segment = fi_layout_segment(layout, i);
		uint64_t from, to;

		if (segment->start >= end)
			break;
		from = segment->origin + (start > segment->start ? start - segment->start : 0);
		to = segment->origin + (min_u64(end, segment->end) - segment->start);

		for (size_t j = fi_pagemap_lower_bound(pagemap, from);
		     j < pagemap->nr_runs && pagemap->runs[j].addr < to; j++) {
			const struct fi_run *run = &pagemap->runs[j];
			uint64_t first = from > run->addr ? from - run->addr : 0;
			uint64_t last = min_u64(to, fi_run_end(run)) - run->addr;
			int r;

			if (!run->lazy)
				continue;
			r = fi_space_settle(space, run->lazy_rank + (first >> FI_PAGE_SHIFT),
					    (last - first) >> FI_PAGE_SHIFT,
					    &space->count->dropped);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int fi_space_probe(struct fi_space *space)
{
	int r = fi_uffd_probe(space->uffd, PROBED_PAGE);

	return r == -ENOENT ? 0 : r;
}

int fi_space_probe_at(struct fi_space *space, uint64_t addr)
{
	int r = fi_uffd_probe(space->uffd, addr);

	/* One ENOENT may be a change whose event we have yet to read; see uffd.h. */
	return r == -ENOENT ? fi_uffd_probe(space->uffd, addr) : r;
}

void fi_space_retire(struct fi_space *space)
{
	struct fi_slot *slot = space->slot;

	(void)fi_gate_close(&space->gate); /* and it stays closed: no copier gets in any more */
	slot->state = FI_SLOT_CLOSING;

	/* Closing the last descriptor unregisters everything.  Should somebody else still hold a
	 * copy of it, a fault would wait for ever, so the ranges are unregistered first; a range
	 * that cannot be (ENOMEM: a VMA to split at vm.max_map_count) is left to the close. */
	for (size_t i = 0; space->state == FI_SPACE_LIVE && i < fi_layout_count(&space->layout);
	     i++) {
		const struct fi_segment *segment = fi_layout_segment(&space->layout, i);
		int r = fi_uffd_unregister(space->uffd, segment->start,
					   segment->end - segment->start);

		if (r < 0)
			fi_space_log(space, FI_LOG_DEBUG,
				     "cannot unregister %" PRIx64 "-%" PRIx64
				     ": %s, closing does it",
				     segment->start, segment->end, strerror(-r));
	}
	fi_uffd_close(space->uffd);
	space->uffd = -EBADF;
	(void)pthread_mutex_lock(&space->owed_lock);
	space->slot = NULL;
	(void)pthread_mutex_unlock(&space->owed_lock);
	fi_counters_add(&space->own_count, &slot->count);
	space->count = &space->own_count;
	fi_slot_free(slot);
	fi_ledger_ring();
}

void fi_space_log(struct fi_space *space, enum fi_log_level level, const char *fmt, ...)
{
	uint32_t vpid = space->vpid;
	pid_t pid = space->pid;
	char text[512], names[64];
	va_list ap;

	if (!fi_log_wanted(level))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (vpid && pid)
		(void)snprintf(names, sizeof(names), "vpid %u pid %d", vpid, (int)pid);
	else if (vpid)
		(void)snprintf(names, sizeof(names), "vpid %u pid ?", vpid);
	else
		(void)snprintf(names, sizeof(names), "vpid ? pid ? (forked by space %u)",
			       space->parent);
	fi_log(level, "space %u: %s: %s", space->id, names, text);
}
