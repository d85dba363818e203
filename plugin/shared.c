/* plugin/shared.c - see shared.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fast way is UFFDIO_COPY: the kernel takes a new page, copies and shows it, and several threads
 * can do so in one segment.  It takes a userfaultfd of the task's for a moment.  What the task has open,
 * and segments of System V, it maps for it meanwhile.  Where that cannot be had, the bytes are written.
 */
#include "config.h"

#include "plugin/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/host_log.h"
#include "plugin/task_call.h"
#include "plugin/task_memory.h"
#include "plugin/task_uffd.h"
#include "restore/uffd.h"

/* A segment with less is done by CRIU before a task could be asked for a userfaultfd. */
#define WORTH_PAGES 256

/* --- what is to be done -------------------------------------------------------------------- */

int fi_shared_plan(int dirfd, const struct fi_image *image, struct fi_shared *ret,
		   struct fi_error *err)
{
	int r = fi_segments_open(dirfd, &ret->segments, err);

	if (r == 0)
		r = fi_reaches_find(dirfd, image, &ret->segments, &ret->reaches, err);
	for (size_t i = 0; r == 0 && i < ret->reaches.nr; i++) {
		const uint64_t pages = ret->segments.at[i].pagemap.nr_pages;

		if (pages < WORTH_PAGES)
			fi_reaches_drop(&ret->reaches, i);
		if (ret->reaches.at[i])
			ret->bytes += pages << FI_PAGE_SHIFT;
	}
	return r;
}

int fi_shared_write(const struct fi_shared *shared, const struct fi_image *image, int dirfd, int to,
		    bool parent, struct fi_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < shared->segments.nr; i++) {
		const bool ours = shared->reaches.at[i];

		if (ours || parent)
			r = fi_segment_write(&shared->segments, &shared->segments.at[i], !ours,
					     image, dirfd, to, err);
	}
	return r;
}

void fi_shared_done(struct fi_shared *shared)
{
	fi_reaches_done(&shared->reaches);
	fi_segments_done(&shared->segments);
	free(shared->lazy);
	shared->lazy = NULL;
	shared->bytes = 0;
}

/* --- filling ------------------------------------------------------------------------------- */

/* One segment in the task through which it is filled. */
struct filling {
	const struct fi_segments *segments;
	const struct fi_segment *segment;
	const struct fi_reach *reach;
	pid_t pid;
	int uffd;    /* the task's; -EBADF: none can be had */
	bool intact; /* the task is as it was */
};

/* Adds the bytes of what is in the window. */
static int add_pieces(const struct filling *f, const struct fi_window *window,
		      struct fi_pieces *pieces)
{
	const struct fi_pagemap *pm = &f->segment->pagemap;
	int r = 0;

	for (size_t i = fi_pagemap_lower_bound(pm, window->from);
	     r == 0 && i < pm->nr_runs && pm->runs[i].addr < window->to; i++) {
		const struct fi_run *run = &pm->runs[i];
		uint64_t start = run->addr, end = fi_run_end(run);

		if (run->kind != FI_RUN_DATA)
			continue;
		if (start < window->from)
			start = window->from;
		if (end > window->to)
			end = window->to;
		r = fi_pieces_add(pieces, (struct fi_piece){
						  .addr = window->addr + (start - window->from),
						  .len = end - start,
						  .bytes = f->segments->pages.files[run->file].map +
							   run->file_off + (start - run->addr),
					  });
	}
	return r;
}

static int pieces_of(const struct filling *f, const struct fi_window *windows, size_t nr,
		     struct fi_pieces *ret, struct fi_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = add_pieces(f, &windows[i], ret);
	return r < 0 ? fi_error_set(err, r, "no memory") : 0;
}

/* Copies into the windows.  After a failure the task may have no userfaultfd any more. */
static int copy(struct filling *f, const struct fi_window *windows, size_t nr, struct fi_error *err)
{
	fi_cleanup(fi_pieces_done) struct fi_pieces pieces = { 0 };
	int r = pieces_of(f, windows, nr, &pieces, err), undone = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < nr; i++)
		r = fi_uffd_register(f->uffd, windows[i].addr, windows[i].to - windows[i].from);
	if (r < 0)
		(void)fi_error_set(err, r, "UFFDIO_REGISTER: %s", strerror(-r));
	else
		r = fi_pieces_copy(f->pid, f->uffd, &pieces, err);
	for (size_t i = 0; r == 0 && undone == 0 && i < nr; i++)
		undone = fi_uffd_unregister(f->uffd, windows[i].addr,
					    windows[i].to - windows[i].from);
	if (r < 0 || undone < 0)
		fi_close(&f->uffd); /* nothing is watched any more then */
	return r;
}

/* Through a mapping of the file, descriptor @fd there, that the task has for the moment. */
static int copy_into(struct filling *f, struct fi_task_call *tc, int fd, uint64_t size,
		     struct fi_error *err)
{
	const int64_t addr = fi_task_call(tc, SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED,
					  (uint64_t)fd, 0);
	const struct fi_window window = { (uint64_t)addr, 0, size };
	int r;

	if (addr < 0)
		return fi_error_set(err, (int)addr, "it cannot map its file: %s",
				    strerror((int)-addr));
	r = copy(f, &window, 1, err);
	if (fi_task_call(tc, SYS_munmap, (uint64_t)addr, size, 0, 0, 0, 0) < 0)
		tc->broken = true;
	return r;
}

/* The kernel lets nobody watch a mapping that shmat(2) has made, but another one of the same file. */
static int open_segment(const struct filling *f)
{
	const struct fi_window *window = f->reach->windows;
	char path[96];
	int fd;

	if (f->reach->nr_windows != 1 || window->from != 0)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)f->pid,
		       window->addr, window->addr + window->to);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int copy_into_segment(struct filling *f, struct fi_task_call *tc, struct fi_error *err)
{
	fi_auto_close int ours = open_segment(f);
	int there, r;

	if (ours < 0)
		return fi_error_set(err, ours, "its segment cannot be opened: %s", strerror(-ours));
	there = fi_task_call_give(tc, ours, err);
	if (there < 0)
		return there;
	r = copy_into(f, tc, there, f->reach->windows->to, err);
	fi_task_call_close(tc, there);
	return r;
}

/* What the task has not mapped, or not in a way that will do. */
static int copy_elsewhere(struct filling *f, struct fi_error *err)
{
	const uint64_t size = (f->reach->size + FI_PAGE_SIZE - 1) & ~(FI_PAGE_SIZE - 1);
	struct fi_task_call tc;
	int r = fi_task_call_begin(f->pid, &tc, err);

	if (r < 0)
		return r;
	r = f->reach->sysv ? copy_into_segment(f, &tc, err)
			   : copy_into(f, &tc, (int)f->reach->fd, size, err);
	f->intact = fi_task_call_end(&tc);
	return f->intact ? r : fi_error_set(err, -EIO, "its registers cannot be put back");
}

/* Not beyond its end, which would move. */
static int write_into_file(const struct filling *f, struct fi_error *err)
{
	const struct fi_window window = { 0, 0, f->reach->size };
	fi_cleanup(fi_pieces_done) struct fi_pieces pieces = { 0 };
	fi_auto_close int fd = -EBADF;
	char path[64];
	int r = pieces_of(f, &window, 1, &pieces, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%" PRIu32, (int)f->pid, f->reach->fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fi_error_set(err, -errno, "cannot open its memory file: %s",
				    strerror(errno));
	return fi_pieces_write_file(fd, &pieces, err);
}

static int write_into_windows(const struct filling *f, struct fi_error *err)
{
	fi_cleanup(fi_pieces_done) struct fi_pieces pieces = { 0 };
	int r = pieces_of(f, f->reach->windows, f->reach->nr_windows, &pieces, err);

	return r < 0 ? r : fi_pieces_write(f->pid, &pieces, err);
}

/* A file that CRIU was given (--inherit-fd), and has not made, has its contents. */
static bool is_made_by_criu(const struct filling *f)
{
	struct stat st;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%" PRIu32, (int)f->pid, f->reach->fd);
	if (stat(path, &st) < 0)
		return true; /* whatever it is, it cannot be left empty */
	return st.st_blocks == 0 && (uint64_t)st.st_size == f->reach->size;
}

static int fill(struct filling *f, struct fi_error *err)
{
	const bool file = f->reach->nr_windows == 0;
	struct fi_error why = { "" };
	int r = -EBADF;

	if (file && !is_made_by_criu(f)) {
		fi_host_log(FI_LOG_WARN, "pid %d has contents in descriptor %" PRIu32 " already",
			    (int)f->pid, f->reach->fd);
		return 0;
	}
	if (f->uffd >= 0) {
		r = file || f->reach->sysv ? copy_elsewhere(f, &why)
					   : copy(f, f->reach->windows, f->reach->nr_windows, &why);
		if (!f->intact) {
			*err = why;
			return r;
		}
		if (r < 0)
			fi_host_log(FI_LOG_WARN, "shared memory of pid %d: %s", (int)f->pid,
				    why.text);
	}
	if (r < 0)
		r = file ? write_into_file(f, err) : write_into_windows(f, err);
	return r;
}

/* The way to segment number @i, if it leads through this task. */
static const struct fi_reach *reach_of(const struct fi_shared *shared, size_t i, size_t task)
{
	const struct fi_reach *reach = shared->reaches.at[i];

	if (shared->lazy && shared->lazy[i])
		return NULL;
	return reach && reach->task == task ? reach : NULL;
}

static bool has_any(const struct fi_shared *shared, size_t task)
{
	for (size_t i = 0; i < shared->reaches.nr; i++)
		if (reach_of(shared, i, task))
			return true;
	return false;
}

int fi_shared_fill(const struct fi_shared *shared, size_t task, pid_t pid, int device,
		   struct fi_error *err)
{
	struct filling f = {
		.segments = &shared->segments, .pid = pid, .uffd = -EBADF, .intact = true
	};
	struct fi_error why = { "" };
	int r = 0;

	if (!has_any(shared, task))
		return 0;
	f.uffd = fi_task_uffd(pid, device, &f.intact, &why);
	if (f.uffd < 0)
		fi_host_log(FI_LOG_INFO, "shared memory of pid %d is written: %s", (int)pid,
			    why.text);
	if (!f.intact) {
		*err = why;
		return -EIO;
	}
	for (size_t i = 0; r == 0 && i < shared->reaches.nr; i++) {
		f.segment = &shared->segments.at[i];
		f.reach = reach_of(shared, i, task);
		if (f.reach)
			r = fill(&f, err);
	}
	fi_close(&f.uffd);
	return r;
}

int fi_shared_write_into(const struct fi_shared *shared, size_t i, pid_t pid, struct fi_error *err)
{
	const struct filling f = {
		.segments = &shared->segments,
		.segment = &shared->segments.at[i],
		.reach = shared->reaches.at[i],
		.pid = pid,
		.uffd = -EBADF,
	};

	return write_into_windows(&f, err);
}
