/* plugin/lazy_shared.c - see lazy_shared.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/lazy_shared.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/handover.h"
#include "plugin/host_log.h"
#include "plugin/task_uffd.h"
#include "restore/lazysock.h"
#include "restore/uffd.h"

/* The engine has a bit for each page up to the last. */
#define MAX_SIZE (UINT64_C(1) << 43)

/* --- the plan ------------------------------------------------------------------------------------ */

static uint64_t end_of(const struct fi_pagemap *pm)
{
	return pm->nr_runs ? fi_run_end(&pm->runs[pm->nr_runs - 1]) : 0;
}

/* Why the segment cannot be lazy; NULL: it can.  *@nr is how many sharers it has. */
static const char *unfit(const struct fi_lazy_shared *ls, size_t i, size_t *nr)
{
	const struct fi_segment *segment = &ls->shared->segments.at[i];
	const struct fi_reach *reach = ls->shared->reaches.at[i];

	*nr = 0;
	if (reach->sysv || reach->nr_windows == 0)
		return "it can be reached in other ways than by mappings";
	if (end_of(&segment->pagemap) > MAX_SIZE)
		return "it is too large";
	for (size_t s = 0; s < ls->sharers.nr; s++) {
		if (ls->sharers.at[s].segment != segment->id)
			continue;
		if (ls->sharers.at[s].unfit)
			return ls->sharers.at[s].unfit;
		if (s >= FI_LAZYSOCK_SHARERS)
			return "too many processes have it";
		++*nr;
	}
	/* Of a memory file nothing is known here. */
	return *nr ? NULL : "it can be reached in other ways than by mappings";
}

static void choose(struct fi_lazy_shared *ls)
{
	struct fi_shared *shared = ls->shared;
	size_t nr_pools = 0, nr_watches = 0, nr;

	for (size_t i = 0; i < shared->reaches.nr; i++) {
		const struct fi_segment *segment = &shared->segments.at[i];
		const uint64_t bytes = segment->pagemap.nr_pages << FI_PAGE_SHIFT;
		const char *why;

		if (!shared->reaches.at[i])
			continue;
		why = unfit(ls, i, &nr);
		if (!why &&
		    (nr_pools == FI_LAZYSOCK_POOLS || nr_watches + nr > FI_LAZYSOCK_WATCHES))
			why = "there are too many";
		if (why) {
			fi_host_log(FI_LOG_INFO, "shared memory %" PRIu32 " is not lazy: %s",
				    segment->id, why);
			continue;
		}
		nr_pools++;
		nr_watches += nr;
		shared->lazy[i] = true;
		shared->bytes -= bytes;
		ls->bytes += bytes;
	}
}

int fi_lazy_shared_plan(const struct fi_image *image, struct fi_shared *shared,
			struct fi_lazy_shared *ret, struct fi_error *err)
{
	int r = fi_sharers_find(image, &ret->sharers);

	if (r < 0)
		return fi_error_set(err, r, "no memory");
	ret->shared = shared;
	ret->uffds = calloc(ret->sharers.nr + 1, sizeof(ret->uffds[0]));
	ret->pids = calloc(fi_image_nr_tasks(image), sizeof(ret->pids[0]));
	ret->failed = calloc(shared->reaches.nr + 1, sizeof(ret->failed[0]));
	shared->lazy = calloc(shared->reaches.nr + 1, sizeof(shared->lazy[0]));
	if (!ret->uffds || !ret->pids || !ret->failed || !shared->lazy)
		return fi_error_set(err, -ENOMEM, "no memory");
	for (size_t s = 0; s < ret->sharers.nr; s++)
		ret->uffds[s] = -EBADF;
	choose(ret);
	return 0;
}

/* --- watching ------------------------------------------------------------------------------------ */

/* The sharer's segment, if that is to be lazy, as an index; or SIZE_MAX. */
static size_t segment_of(const struct fi_lazy_shared *ls, const struct fi_sharer *sharer)
{
	const struct fi_segments *segments = &ls->shared->segments;
	const struct fi_segment *segment = fi_segments_find(segments, sharer->segment);
	const size_t i = segment ? (size_t)(segment - segments->at) : SIZE_MAX;

	return segment && ls->shared->lazy[i] && !ls->failed[i] ? i : SIZE_MAX;
}

static int each_window(const struct fi_sharer *sharer, int uffd,
		       int (*each)(int uffd, uint64_t start, uint64_t len))
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sharer->nr_windows; i++)
		r = each(uffd, sharer->windows[i].addr,
			 sharer->windows[i].to - sharer->windows[i].from);
	return r;
}

static void fail(struct fi_lazy_shared *ls, size_t i, const char *why)
{
	fi_host_log(FI_LOG_WARN, "shared memory %" PRIu32 " is not lazy: %s",
		    ls->shared->segments.at[i].id, why);
	ls->failed[i] = true;
}

int fi_lazy_shared_watch(struct fi_lazy_shared *ls, size_t task, pid_t pid, int device,
			 struct fi_error *err)
{
	if (ls->bytes == 0)
		return 0;
	ls->pids[task] = pid;
	for (size_t s = 0; s < ls->sharers.nr; s++) {
		const struct fi_sharer *sharer = &ls->sharers.at[s];
		const size_t i = segment_of(ls, sharer);
		struct fi_error why = { "" };
		bool intact = true;
		int r;

		if (sharer->task != task || i == SIZE_MAX)
			continue;
		ls->uffds[s] = fi_task_uffd(pid, device, &intact, &why);
		if (!intact) {
			*err = why;
			return -EIO;
		}
		r = ls->uffds[s];
		if (r >= 0) {
			r = each_window(sharer, ls->uffds[s], fi_uffd_register);
			if (r < 0)
				(void)fi_error_set(&why, r, "UFFDIO_REGISTER: %s", strerror(-r));
		}
		if (r < 0)
			fail(ls, i, why.text);
	}
	return 0;
}

/* --- to the engine ------------------------------------------------------------------------------- */

/* The segment's file, by a mapping that the task of this sharer has. */
static int open_file(const struct fi_lazy_shared *ls, const struct fi_sharer *sharer)
{
	const struct fi_window *window = sharer->windows;
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
		       (int)ls->pids[sharer->task], window->addr,
		       window->addr + (window->to - window->from));
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Names it, and all who have it.  @first is the number of the first of its sharers. */
static void hand_over(struct fi_lazy_shared *ls, int connection, size_t first, size_t i)
{
	fi_auto_close int file = open_file(ls, &ls->sharers.at[first]);
	int r;

	if (file < 0) {
		fail(ls, i, strerror(-file));
		return;
	}
	/* Somebody has touched it before it could be watched. */
	if (lseek(file, 0, SEEK_DATA) >= 0 || errno != ENXIO) {
		fail(ls, i, "it has contents already");
		return;
	}
	r = fi_handover_file(connection, (uint32_t)first, file);
	for (size_t s = first; r == 0 && s < ls->sharers.nr; s++) {
		const struct fi_sharer *sharer = &ls->sharers.at[s];

		if (sharer->segment == ls->sharers.at[first].segment)
			r = fi_handover_watch(connection, (uint32_t)s, ls->pids[sharer->task],
					      ls->uffds[s]);
	}
	/* The engine will not answer, and everything is filled. */
	if (r < 0)
		fi_host_log(FI_LOG_WARN, "the engine has gone: %s", strerror(-r));
}

void fi_lazy_shared_hand_over(struct fi_lazy_shared *ls, int connection)
{
	for (size_t s = 0; ls->bytes && s < ls->sharers.nr; s++) {
		const struct fi_sharer *sharer = &ls->sharers.at[s];
		const size_t i = segment_of(ls, sharer);

		if (i != SIZE_MAX && (s == 0 || ls->sharers.at[s - 1].segment != sharer->segment))
			hand_over(ls, connection, s, i);
	}
}

/* --- the end ------------------------------------------------------------------------------------- */

/* What was never handed over ends with our descriptor in any case; of the rest the engine may have a copy. */
static int unwatch(struct fi_lazy_shared *ls, size_t i, struct fi_error *err)
{
	int failed = 0;

	for (size_t s = 0; s < ls->sharers.nr; s++) {
		const struct fi_sharer *sharer = &ls->sharers.at[s];
		int r;

		if (sharer->segment != ls->shared->segments.at[i].id || ls->uffds[s] < 0)
			continue;
		r = each_window(sharer, ls->uffds[s], fi_uffd_unregister);
		fi_close(&ls->uffds[s]);
		if (r < 0 && !ls->failed[i])
			failed = r;
	}
	return failed < 0 ? fi_error_set(err, failed, "UFFDIO_UNREGISTER: %s", strerror(-failed))
			  : 0;
}

int fi_lazy_shared_finish(struct fi_lazy_shared *ls, bool served, struct fi_error *err)
{
	const struct fi_shared *shared = ls->shared;
	int r = 0;

	for (size_t i = 0; ls->bytes && r == 0 && i < shared->reaches.nr; i++) {
		if (!shared->lazy[i] || (served && !ls->failed[i]))
			continue;
		r = unwatch(ls, i, err);
		if (r == 0)
			r = fi_shared_write_into(shared, i, ls->pids[shared->reaches.at[i]->task],
						 err);
	}
	return r;
}

void fi_lazy_shared_done(struct fi_lazy_shared *ls)
{
	for (size_t s = 0; ls->uffds && s < ls->sharers.nr; s++)
		fi_close(&ls->uffds[s]);
	free(ls->uffds);
	free(ls->pids);
	free(ls->failed);
	fi_sharers_done(&ls->sharers);
	*ls = (struct fi_lazy_shared){ 0 };
}
