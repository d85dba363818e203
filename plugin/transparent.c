/* plugin/transparent.c - see transparent.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/transparent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "images/slice.h"
#include "plugin/handover.h"
#include "plugin/host_log.h"
#include "plugin/lazy_shared.h"
#include "plugin/shared.h"
#include "plugin/task_memory.h"
#include "plugin/task_uffd.h"
#include "plugin/view.h"
#include "restore/uffd.h"

/* The engine has nothing to do but to make its tables. */
#define FINISH_TIMEOUT_MS 20000

/* A task of the image. */
struct task {
	struct fi_slice slice; /* of which the view has what is kept */
	bool sliced;
	pid_t pid; /* 0: not seen yet */
	int uffd;  /* until the engine is known to serve it */
};

static struct {
	bool on, broken;
	struct fi_image *image;
	struct fi_touched_list touched;
	struct fi_shared shared;
	struct fi_lazy_shared lazy_shared;
	struct task *tasks; /* by index in the image */
	size_t nr_tasks, nr_missing;
	const struct fi_transparent_engine *engine; /* NULL: none was started */
	bool waited;				    /* for it, with this result: */
	int engine_state;
	struct fi_error engine_error;
	int connection; /* with the engine; -EBADF: no task needs one */
	int device;	/* for fi_task_uffd */
} ours = { .connection = -EBADF, .device = -EBADF };

bool fi_transparent_on(void)
{
	return ours.on;
}

static void forget(void)
{
	for (size_t i = 0; i < ours.nr_tasks; i++)
		fi_close(&ours.tasks[i].uffd);
	if (ours.engine)
		ours.engine->forget();
	fi_close(&ours.connection);
	fi_close(&ours.device);
	free(ours.tasks);
	fi_touched_done(&ours.touched);
	fi_lazy_shared_done(&ours.lazy_shared);
	fi_shared_done(&ours.shared);
	fi_image_free(ours.image);
	ours.engine = NULL;
	ours.waited = false;
	ours.image = NULL;
	ours.tasks = NULL;
	ours.nr_tasks = ours.nr_missing = 0;
	ours.on = ours.broken = false;
}

/* --- what is to be lazy ---------------------------------------------------------------------- */

static int keep_kinds(const struct fi_task_image *task, unsigned kinds)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < task->mm->nr_vmas; i++) {
		const struct fi_vma *vma = &task->mm->vmas[i];
		unsigned kind = vma->status & FI_VMA_HEAP ? FI_KIND_HEAP : FI_KIND_ANON;

		if (vma->lazy && (kinds & kind))
			r = fi_touched_add(&ours.touched, task->vpid, vma->start,
					   vma->end - vma->start);
	}
	return r;
}

static int find_kept(int dirfd, const struct fi_settings *settings, struct fi_error *err)
{
	int r = fi_touched_read(dirfd, ours.image, &ours.touched, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < fi_image_nr_tasks(ours.image); i++) {
		const struct fi_task_image *task = fi_image_task(ours.image, i);

		if (task->zombie)
			continue;
		r = keep_kinds(task, settings->eager_kinds);
		for (size_t j = 0; r == 0 && j < settings->nr_eager; j++)
			r = fi_touched_add(&ours.touched, task->vpid, settings->eager[j].start,
					   settings->eager[j].end - settings->eager[j].start);
	}
	if (r < 0)
		return fi_error_set(err, r, "no memory");
	fi_touched_tidy(&ours.touched);
	return 0;
}

static bool has_parent(int dirfd)
{
	struct stat st;

	return fstatat(dirfd, "parent", &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A task keeps its own files where to write them anew would be more work than it saves; but not when
 * some of its pages are in a parent image, since the view has none. */
static int make_slices(int dirfd, const struct fi_settings *settings, struct fi_slice *slices,
		       struct fi_error *err)
{
	const bool parent = has_parent(dirfd);
	uint64_t lazy = 0, all;
	size_t nr = 0;

	for (size_t i = 0; i < ours.nr_tasks; i++) {
		const struct fi_task_image *image = fi_image_task(ours.image, i);
		struct task *task = &ours.tasks[i];
		uint64_t kept, left_out;

		task->uffd = -EBADF;
		if (image->zombie)
			continue;
		ours.nr_missing++;
		task->slice = fi_slice_of(image, &ours.touched);
		fi_slice_count(&task->slice, &kept, &left_out);
		task->sliced = parent || left_out > kept;
		if (!task->sliced)
			continue;
		lazy += left_out << FI_PAGE_SHIFT;
		slices[nr++] = task->slice;
	}
	all = lazy + ours.shared.bytes + ours.lazy_shared.bytes;
	if (all == 0)
		return fi_error_set(err, -ENODATA, "there is nothing that could be lazy");
	if (all < settings->minimum_size)
		return fi_error_set(err, -ENODATA,
				    "%" PRIu64 " bytes could be lazy, minimum-size is %" PRIu64,
				    all, settings->minimum_size);
	fi_host_log(FI_LOG_INFO,
		    "leaving out %" PRIu64 " MiB of %zu tasks, filling %" PRIu64
		    " MiB of shared memory",
		    lazy >> 20, nr, ours.shared.bytes >> 20);
	if (ours.lazy_shared.bytes)
		fi_host_log(FI_LOG_INFO, "leaving out %" PRIu64 " MiB of shared memory",
			    ours.lazy_shared.bytes >> 20);
	return (int)nr;
}

/* --- begin ----------------------------------------------------------------------------------- */

static int tell_zombies(void)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ours.nr_tasks; i++) {
		const struct fi_task_image *task = fi_image_task(ours.image, i);

		if (task->zombie)
			r = fi_handover_zombie(ours.connection, task->vpid);
	}
	return r;
}

/* CRIU's number refers to the view from here on. */
static int show(int view, int images_dirfd)
{
	int flags = fcntl(images_dirfd, F_GETFD);

	if (flags < 0)
		return -errno;
	return dup3(view, images_dirfd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 ? -errno : 0;
}

static int begin(int images_dirfd, const struct fi_settings *settings,
		 const struct fi_transparent_engine *engine, struct fi_error *err)
{
	fi_auto_close int engines = -EBADF, view = -EBADF;
	fi_auto_free struct fi_slice *slices = NULL;
	int r, nr;

	r = settings->lazy_shared ? fi_image_open_shared(images_dirfd, &ours.image, err)
				  : fi_image_open(images_dirfd, &ours.image, err);
	if (r == 0)
		fi_image_ignore_marks(ours.image);
	if (r == 0)
		r = find_kept(images_dirfd, settings, err);
	if (r == 0)
		r = fi_shared_plan(images_dirfd, ours.image, &ours.shared, err);
	if (r == 0 && settings->lazy_shared && !(settings->eager_kinds & FI_KIND_SHARED))
		r = fi_lazy_shared_plan(ours.image, &ours.shared, &ours.lazy_shared, err);
	if (r < 0)
		return r;
	ours.nr_tasks = fi_image_nr_tasks(ours.image);
	ours.tasks = calloc(ours.nr_tasks, sizeof(ours.tasks[0]));
	slices = calloc(ours.nr_tasks, sizeof(slices[0]));
	if (!ours.tasks || !slices) {
		ours.nr_tasks = 0;
		return fi_error_set(err, -ENOMEM, "no memory");
	}
	nr = make_slices(images_dirfd, settings, slices, err);
	if (nr < 0)
		return nr;
	view = fi_view_open(images_dirfd, ours.image, slices, (size_t)nr, &ours.shared, err);
	if (view < 0)
		return fi_error_prefix(err, view, "cannot make a view of the image");
	if (nr > 0 || ours.lazy_shared.bytes) {
		r = fi_handover_open(&ours.connection, &engines);
		if (r < 0)
			return fi_error_set(err, r, "no connection to an engine: %s", strerror(-r));
		r = engine->start(images_dirfd, engines, &ours.device, err);
		if (r < 0)
			return r;
		ours.engine = engine;
		r = tell_zombies();
		if (r < 0)
			return fi_error_set(err, r, "the engine has gone: %s", strerror(-r));
	} else {
		ours.device = open(FI_TASK_UFFD_DEVICE, O_RDWR | O_CLOEXEC);
		if (ours.device < 0)
			ours.device = -errno; /* runc's containers: shared memory is written */
	}
	r = show(view, images_dirfd);
	return r < 0 ? fi_error_set(err, r, "cannot show the view to CRIU: %s", strerror(-r)) : 0;
}

int fi_transparent_begin(int images_dirfd, const struct fi_settings *settings,
			 const struct fi_transparent_engine *engine, struct fi_error *err)
{
	int r = begin(images_dirfd, settings, engine, err);

	if (r < 0)
		forget(); /* an engine that there is loses its connection, and ends */
	else
		ours.on = true;
	return r < 0 ? r : 0;
}

/* --- a task ---------------------------------------------------------------------------------- */

/* What CRIU calls it: its pid in its own namespace, which is the last of the line.  A kernel without
 * namespaces has no such line. */
static uint32_t vpid_of(pid_t pid)
{
	unsigned long vpid = (unsigned long)pid;
	char path[64], line[512];
	FILE *status;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		const char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) == 0 && last)
			vpid = strtoul(last, NULL, 10);
	}
	if (status)
		(void)fclose(status);
	return (uint32_t)vpid;
}

static struct task *find_task(uint32_t vpid)
{
	for (size_t i = 0; i < ours.nr_tasks; i++)
		if (fi_image_task(ours.image, i)->vpid == vpid)
			return &ours.tasks[i];
	return NULL;
}

/* Where the bytes of all that was left out are. */
static int left_out(const struct task *task, struct fi_pieces *ret)
{
	struct fi_slice_cursor cursor = FI_SLICE_START;
	struct fi_run run;
	int r = 0;

	while (r == 0 && fi_slice_next(&task->slice, &cursor, &run)) {
		if (!run.lazy || run.kind != FI_RUN_DATA)
			continue;
		r = fi_pieces_add(ret,
				  (struct fi_piece){
					  .addr = run.addr,
					  .len = fi_run_end(&run) - run.addr,
					  .bytes = fi_image_pages_file(ours.image, run.file)->map +
						   run.file_off,
				  });
	}
	return r;
}

/* Does @each for every VMA with pages that were left out. */
static int each_watched(const struct task *task,
			int (*each)(int uffd, uint64_t start, uint64_t len), int uffd)
{
	const struct fi_mm *mm = task->slice.task->mm;
	struct fi_slice_cursor cursor = FI_SLICE_START;
	struct fi_run run;
	int r = 0;

	while (r == 0 && fi_slice_next(&task->slice, &cursor, &run)) {
		const struct fi_vma *vma = run.lazy ? fi_mm_find(mm, run.addr) : NULL;

		if (!vma)
			continue;
		r = each(uffd, vma->start, vma->end - vma->start);
		fi_slice_skip(&task->slice, &cursor, vma->end);
	}
	return r;
}

/* Restores it as CRIU would have. */
static int fill(const struct task *task, struct fi_error *err)
{
	fi_cleanup(fi_pieces_done) struct fi_pieces pieces = { 0 };
	int r = left_out(task, &pieces);

	if (r < 0)
		return fi_error_set(err, r, "no memory");
	return fi_pieces_write(task->pid, &pieces, err);
}

/* Pages that somebody has touched before they could be watched hold zeros. */
static int mend(const struct task *task, struct fi_error *err)
{
	fi_cleanup(fi_pieces_done) struct fi_pieces all = { 0 }, present = { 0 };
	int r = left_out(task, &all);

	if (r < 0)
		return fi_error_set(err, r, "no memory");
	r = fi_pieces_present(task->pid, &all, &present, err);
	if (r < 0 || present.nr == 0)
		return r;
	return fi_pieces_write(task->pid, &present, err);
}

/* Nothing is watched any more, by the engine neither. */
static int unwatch(struct task *task, struct fi_error *err)
{
	int r = each_watched(task, fi_uffd_unregister, task->uffd);

	fi_close(&task->uffd);
	return r < 0 ? fi_error_set(err, r, "UFFDIO_UNREGISTER: %s", strerror(-r)) : 0;
}

/* Whether the engine is ready.  It had time since begin: what can be done without it is done before. */
static int await_engine(struct fi_error *err)
{
	if (!ours.waited) {
		ours.waited = true;
		ours.engine_state = ours.engine->wait(&ours.engine_error);
		if (ours.engine_state < 0)
			fi_host_log(FI_LOG_WARN, "restoring eagerly: %s", ours.engine_error.text);
	}
	if (ours.engine_state < 0)
		*err = ours.engine_error;
	return ours.engine_state;
}

/* Gives the engine the task.  @intact: it can still be filled. */
static int hand_over(struct task *task, bool *intact, struct fi_error *err)
{
	struct fi_error more = { "" };
	int r;

	task->uffd = fi_task_uffd(task->pid, ours.device, intact, err);
	if (task->uffd < 0)
		return task->uffd;
	r = each_watched(task, fi_uffd_register, task->uffd);
	if (r < 0)
		(void)fi_error_set(err, r, "UFFDIO_REGISTER: %s", strerror(-r));
	if (r == 0)
		r = mend(task, err);
	if (r == 0)
		r = await_engine(err);
	if (r == 0) {
		r = fi_handover_task(ours.connection, task->slice.task->vpid, task->pid,
				     task->uffd);
		if (r < 0)
			(void)fi_error_set(err, r, "the engine has gone: %s", strerror(-r));
	}
	if (r < 0 && unwatch(task, &more) < 0) {
		*intact = false;
		*err = more;
	}
	return r;
}

static int serve_or_fill(struct task *task)
{
	const uint32_t vpid = task->slice.task->vpid;
	struct fi_error err = { "" };
	bool intact = true;
	int r = hand_over(task, &intact, &err);

	if (r == 0)
		return 0;
	if (intact) {
		fi_host_log(FI_LOG_WARN, "vpid %" PRIu32 " pid %d is restored eagerly: %s", vpid,
			    (int)task->pid, err.text);
		r = fill(task, &err);
	}
	if (r < 0)
		fi_host_log(FI_LOG_ERROR, "vpid %" PRIu32 " pid %d cannot be restored: %s", vpid,
			    (int)task->pid, err.text);
	return r;
}

/* What it shares with others: filled, if that is reached through this one, or watched. */
static int share(const struct task *task)
{
	struct fi_error err = { "" };
	int r = fi_shared_fill(&ours.shared, (size_t)(task - ours.tasks), task->pid, ours.device,
			       &err);

	if (r == 0)
		r = fi_lazy_shared_watch(&ours.lazy_shared, (size_t)(task - ours.tasks), task->pid,
					 ours.device, &err);
	if (r < 0)
		fi_host_log(FI_LOG_ERROR, "shared memory of pid %d cannot be restored: %s",
			    (int)task->pid, err.text);
	return r;
}

/* The engine has all tasks and says so; or it does not, and everything is filled. */
static int finish(void)
{
	struct fi_error err = { "" };
	int r;

	if (ours.connection < 0)
		return 0;
	r = await_engine(&err);
	if (r == 0) {
		fi_lazy_shared_hand_over(&ours.lazy_shared, ours.connection);
		r = fi_handover_finish(ours.connection, FINISH_TIMEOUT_MS);
		if (r < 0)
			fi_host_log(FI_LOG_WARN,
				    "the engine does not answer (%s): restoring eagerly",
				    strerror(-r));
	}
	for (size_t i = 0; i < ours.nr_tasks; i++) {
		struct task *task = &ours.tasks[i];
		int done = 0;

		if (task->uffd < 0)
			continue;
		if (r == 0) {
			fi_close(&task->uffd);
			continue;
		}
		done = unwatch(task, &err);
		if (done == 0)
			done = fill(task, &err);
		if (done < 0) {
			fi_host_log(FI_LOG_ERROR, "pid %d cannot be restored: %s", (int)task->pid,
				    err.text);
			return done;
		}
	}
	r = fi_lazy_shared_finish(&ours.lazy_shared, r == 0, &err);
	if (r < 0)
		fi_host_log(FI_LOG_ERROR, "shared memory cannot be restored: %s", err.text);
	return r;
}

/* CRIU is about to let the tasks go, whatever it is told. */
static void kill_tasks(void)
{
	for (size_t i = 0; i < ours.nr_tasks; i++)
		if (ours.tasks[i].pid > 0)
			(void)kill(ours.tasks[i].pid, SIGKILL);
}

int fi_transparent_task(pid_t pid)
{
	const uint32_t vpid = vpid_of(pid);
	struct task *task = find_task(vpid);
	int r = 0;

	if (!task || task->pid) {
		fi_host_log(FI_LOG_ERROR, "pid %d (vpid %" PRIu32 ") is not expected: killing it",
			    (int)pid, vpid);
		(void)kill(pid, SIGKILL);
		return -EINVAL;
	}
	task->pid = pid;
	ours.nr_missing--;
	if (ours.broken)
		r = -ECANCELED;
	else
		r = share(task);
	if (r == 0 && task->sliced)
		r = serve_or_fill(task);
	if (r == 0 && ours.nr_missing == 0)
		r = finish();
	if (r < 0) {
		ours.broken = true;
		kill_tasks();
	}
	if (ours.nr_missing == 0)
		forget();
	return r;
}

void fi_transparent_end(int ret)
{
	if (ours.on && ret == 0) {
		fi_host_log(
			FI_LOG_ERROR,
			"CRIU has let tasks go that have no memory: killing those that are known");
		kill_tasks();
	}
	forget();
}
