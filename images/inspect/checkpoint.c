/* images/inspect/checkpoint.c - see checkpoint.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files that an image may lack (an older CRIU's, a zombie's) are looked for and not missed.
 */
#include "config.h"

#include "images/inspect/checkpoint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "images/inspect/kinds.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/proto/mm.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (32 * 1024 * 1024)

const char *const fi_ns_names[FI_NS_NR] = { "pid", "net",  "ipc",    "uts",
					    "mnt", "user", "cgroup", "time" };

void fi_checkpoint_close(struct fi_checkpoint *cp)
{
	size_t i;

	for (i = 0; cp->more && i < fi_image_nr_tasks(cp->image); i++)
		free(cp->more[i].threads);
	free(cp->more);
	fi_segments_done(&cp->shared);
	for (i = 0; i < cp->nr_files; i++)
		free(cp->files[i].name);
	free(cp->files);
	fi_image_free(cp->image);
	fi_chain_close(&cp->chain);
	fi_archive_free(cp->archive);
	if (cp->fd != STDIN_FILENO)
		fi_close(&cp->fd);
	free(cp->name);
	*cp = (struct fi_checkpoint){ .fd = -EBADF };
}

/* An archive that was unpacked has its image one floor below. */
static bool is_above_image(int dir)
{
	return faccessat(dir, "inventory.img", F_OK, 0) < 0 && errno == ENOENT &&
	       faccessat(dir, "checkpoint/inventory.img", F_OK, 0) == 0;
}

int fi_checkpoint_open_place(const char *path, struct fi_checkpoint *cp, struct fi_image_dir *ret,
			     struct fi_error *err)
{
	struct stat st;
	int r;

	*cp = (struct fi_checkpoint){ .fd = -EBADF, .name = strdup(path) };
	if (!cp->name)
		return fi_error_set(err, -ENOMEM, "no memory");
	if (strcmp(path, "-") == 0)
		cp->fd = STDIN_FILENO;
	else
		cp->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (cp->fd < 0 || fstat(cp->fd, &st) < 0)
		return fi_error_set(err, -errno, "cannot open '%s'", path);

	*ret = (struct fi_image_dir){ .fd = -EBADF };
	if (S_ISDIR(st.st_mode)) {
		ret->fd = cp->fd;
		return is_above_image(cp->fd)
			       ? fi_error_set(err, -ENOENT,
					      "'%s' has no image, but its 'checkpoint' has one",
					      path)
			       : 0;
	}
	r = fi_archive_open(cp->fd, &cp->archive, err);
	if (r < 0)
		return fi_error_prefix(err, r, "'%s'", path);
	ret->packed = fi_archive_files(cp->archive);
	return fi_archive_find_image(cp->archive, ret->prefix, err);
}

size_t fi_checkpoint_nr_pages_files(const struct fi_checkpoint *cp)
{
	return fi_image_nr_pages_files(cp->image) + cp->shared.pages.nr;
}

const struct fi_pages_file *fi_checkpoint_pages_file(const struct fi_checkpoint *cp, size_t i)
{
	size_t nr = fi_image_nr_pages_files(cp->image);

	return i < nr ? fi_image_pages_file(cp->image, i) : &cp->shared.pages.files[i - nr];
}

const struct fi_file *fi_checkpoint_file(const struct fi_checkpoint *cp, uint32_t id)
{
	size_t low = 0, high = cp->nr_files, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (cp->files[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < cp->nr_files && cp->files[low].id == id ? &cp->files[low] : NULL;
}

const struct fi_segment *fi_checkpoint_shared(const struct fi_checkpoint *cp,
					      const struct fi_vma *vma)
{
	const struct fi_file *file;
	uint64_t shmid = vma->shmid;

	if (!(vma->status & (FI_VMA_ANON_SHARED | FI_VMA_SYSVIPC | FI_VMA_MEMFD)) ||
	    (vma->status & (FI_VMA_ANON_PRIVATE | FI_VMA_FILE_PRIVATE)))
		return NULL;
	if (vma->status & FI_VMA_MEMFD) {
		file = shmid <= UINT32_MAX ? fi_checkpoint_file(cp, (uint32_t)shmid) : NULL;
		if (!file)
			return NULL;
		shmid = file->shmid;
	}
	return fi_segments_find(&cp->shared, shmid);
}

/* Room for one more element of @size bytes in @array. */
static int make_room(void *array, size_t nr, size_t size, struct fi_error *err)
{
	void **at = array;
	void *grown;

	if (nr & (nr - 1))
		return 0; /* grown at each power of two */
	grown = reallocarray(*at, nr ? nr * 2 : 1, size);
	if (!grown)
		return fi_error_set(err, -ENOMEM, "no memory");
	*at = grown;
	return 0;
}

/* --- shared memory ------------------------------------------------------------------------------ */

static int read_shared(struct fi_checkpoint *cp, struct fi_error *err)
{
	const size_t nr = fi_image_nr_pages_files(cp->image);
	int r = fi_segments_read(&cp->chain, &cp->shared, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cp->shared.nr; i++) {
		struct fi_pagemap *pm = &cp->shared.at[i].pagemap;

		for (size_t k = 0; k < pm->nr_runs; k++)
			((struct fi_run *)pm->runs)[k].file += (uint16_t)nr;
	}
	if (nr + cp->shared.pages.nr > UINT16_MAX)
		return fi_error_set(err, -EPROTONOSUPPORT, "more than %d pages files", UINT16_MAX);
	return 0;
}

/* --- files -------------------------------------------------------------------------------------- */

const char *fi_file_type_name(uint32_t type)
{
	static const char *const names[] = {
		"undefined", "regular", "pipe",	    "fifo",    "inet",	"unix",	    "eventfd",
		"epoll",     "inotify", "signalfd", "packet",  "tty",	"fanotify", "netlink",
		"namespace", "tun",	"external", "timerfd", "memfd", "bpf-map",
	};

	return type < FI_ARRAY_SIZE(names) ? names[type] : "other";
}

/* What a file is called where one line has to do. */
static char *file_name(const Fi__Pb__FileEntry *entry)
{
	char *text = NULL;
	int r;

	if (entry->reg)
		return strdup(entry->reg->name);
	if (entry->pipe)
		r = asprintf(&text, "pipe:[%" PRIu32 "]", entry->pipe->pipe_id);
	else if (entry->usk)
		r = asprintf(&text, "unix:[%" PRIu32 "]", entry->usk->ino);
	else if (entry->isk)
		r = asprintf(&text, "inet:[%" PRIu32 "]", entry->isk->ino);
	else if (entry->memfd)
		r = asprintf(&text, "memfd:[%" PRIu32 "]", entry->memfd->inode_id);
	else
		r = asprintf(&text, "%s", fi_file_type_name(entry->type));
	return r < 0 ? NULL : text;
}

static int compare_ids(const void *a, const void *b)
{
	const struct fi_file *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

static int read_files(struct fi_checkpoint *cp, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__FileEntry *entry;
	const void *msg;
	int r;

	r = fi_records_open(&rd, &cp->chain.dirs[0], "files.img", FI_MAGIC_FILES, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	while ((r = fi_records_next(&rd, &fi__pb__file_entry__descriptor, RECORD_MAX, &msg, err)) >
	       0) {
		entry = msg;
		r = make_room(&cp->files, cp->nr_files, sizeof(*cp->files), err);
		if (r < 0)
			return r;
		cp->files[cp->nr_files] =
			(struct fi_file){ .id = entry->id,
					  .type = entry->type,
					  .inode = entry->memfd ? entry->memfd->inode_id : 0,
					  .name = file_name(entry) };
		if (!cp->files[cp->nr_files].name)
			return fi_error_set(err, -ENOMEM, "no memory");
		cp->nr_files++;
	}
	if (cp->nr_files > 0)
		qsort(cp->files, cp->nr_files, sizeof(*cp->files), compare_ids);
	return r;
}

/* Names and segments of memory files. */
static int read_memfds(struct fi_checkpoint *cp, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__MemfdInode *inode;
	const void *msg;
	char *name;
	size_t i;
	int r;

	r = fi_records_open(&rd, &cp->chain.dirs[0], "memfd.img", FI_MAGIC_MEMFD, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__memfd_inode__descriptor, RECORD_MAX, &msg, err)) >
	       0) {
		inode = msg;
		for (i = 0; i < cp->nr_files; i++) {
			if (!cp->files[i].inode || cp->files[i].inode != inode->inode_id)
				continue;
			if (asprintf(&name, "memfd:%s", inode->name) < 0)
				return fi_error_set(err, -ENOMEM, "no memory");
			free(cp->files[i].name);
			cp->files[i].name = name;
			cp->files[i].shmid = inode->shmid;
		}
	}
	return r;
}

/* --- tasks -------------------------------------------------------------------------------------- */

/* Reads the only record of STEM-ID.img.  As fi_records_read_only. */
static int read_one(const struct fi_checkpoint *cp, struct fi_records *rd, const char *stem,
		    uint32_t id, uint32_t magic, const ProtobufCMessageDescriptor *type,
		    const void **ret, struct fi_error *err)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s-%" PRIu32 ".img", stem, id);
	return fi_records_read_only(rd, &cp->chain.dirs[0], name, magic, type, RECORD_MAX * 4, ret,
				    err);
}

static void take_ids(struct fi_task_more *more, const Fi__Pb__Ids *ids)
{
	const uint32_t ns[FI_NS_NR] = {
		ids->pid_ns_id, ids->net_ns_id,	 ids->ipc_ns_id,    ids->uts_ns_id,
		ids->mnt_ns_id, ids->user_ns_id, ids->cgroup_ns_id, ids->time_ns_id,
	};

	more->files_id = ids->files_id;
	memcpy(more->ns, ns, sizeof(ns));
}

static int read_core(const struct fi_checkpoint *cp, struct fi_task_more *more,
		     struct fi_thread *thread, bool leader, struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Core *core;
	const void *msg;
	int r;

	r = read_one(cp, &rd, "core", thread->tid, FI_MAGIC_CORE, &fi__pb__core__descriptor, &msg,
		     err);
	if (r < 0)
		return r;
	core = msg;
	if (core->thread_core && core->thread_core->comm)
		(void)snprintf(thread->comm, sizeof(thread->comm), "%s", core->thread_core->comm);
	else if (core->tc)
		(void)snprintf(thread->comm, sizeof(thread->comm), "%s", core->tc->comm);
	if (!leader)
		return 0;
	if (core->tc)
		more->state = core->tc->task_state;
	if (core->ids)
		take_ids(more, core->ids);
	if (core->thread_core && core->thread_core->creds) {
		more->has_creds = true;
		more->uid = core->thread_core->creds->uid;
		more->gid = core->thread_core->creds->gid;
	}
	return 0;
}

static int read_ids(const struct fi_checkpoint *cp, uint32_t vpid, struct fi_task_more *more,
		    struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	r = read_one(cp, &rd, "ids", vpid, FI_MAGIC_IDS, &fi__pb__ids__descriptor, &msg, err);
	if (r == 0)
		take_ids(more, msg);
	return r == -ENOENT ? 0 : r;
}

static int read_fs(const struct fi_checkpoint *cp, uint32_t vpid, struct fi_task_more *more,
		   struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Fs *fs;
	const void *msg;
	int r;

	r = read_one(cp, &rd, "fs", vpid, FI_MAGIC_FS, &fi__pb__fs__descriptor, &msg, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	fs = msg;
	more->cwd_id = fs->cwd_id;
	more->root_id = fs->root_id;
	return 0;
}

static int read_mm(const struct fi_checkpoint *cp, uint32_t vpid, struct fi_task_more *more,
		   struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Mm *mm;
	const void *msg;
	int r;

	r = read_one(cp, &rd, "mm", vpid, FI_MAGIC_MM, &fi__pb__mm__descriptor, &msg, err);
	if (r < 0)
		return r;
	mm = msg;
	more->exe_id = mm->exe_file_id;
	more->start_stack = mm->start_stack;
	more->start_brk = mm->start_brk;
	more->brk = mm->brk;
	more->arg_start = mm->arg_start;
	more->arg_end = mm->arg_end;
	more->env_start = mm->env_start;
	more->env_end = mm->env_end;
	return 0;
}

static int read_more(const struct fi_checkpoint *cp, const struct fi_task_image *task,
		     struct fi_task_more *more, struct fi_error *err)
{
	size_t i;
	int r;

	if (task->zombie && more->nr_threads > 0) {
		/* CRIU 4.2.1 writes any number as the thread of a zombie. */
		more->nr_threads = 1;
		more->threads[0].tid = task->vpid;
	}
	for (i = 0; i < more->nr_threads; i++) {
		r = read_core(cp, more, &more->threads[i], more->threads[i].tid == task->vpid, err);
		if (r < 0)
			return r;
	}
	r = read_ids(cp, task->vpid, more, err);
	if (r == 0 && !task->zombie)
		r = read_fs(cp, task->vpid, more, err);
	if (r == 0 && !task->zombie)
		r = read_mm(cp, task->vpid, more, err);
	return r;
}

/* The threads of one record of pstree.img. */
static int take_item(struct fi_task_more *more, const Fi__Pb__Pstree *item, struct fi_error *err)
{
	size_t i;

	more->pgid = item->pgid;
	more->sid = item->sid;
	more->threads = calloc(item->n_threads + 1, sizeof(*more->threads));
	if (!more->threads)
		return fi_error_set(err, -ENOMEM, "no memory for %zu threads", item->n_threads);
	for (i = 0; i < item->n_threads; i++)
		more->threads[i].tid = item->threads[i];
	more->nr_threads = item->n_threads;
	return 0;
}

static int read_tasks(struct fi_checkpoint *cp, struct fi_error *err)
{
	size_t nr = fi_image_nr_tasks(cp->image), i = 0;
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	cp->more = calloc(nr, sizeof(*cp->more));
	r = fi_records_open(&rd, &cp->chain.dirs[0], "pstree.img", FI_MAGIC_PSTREE, err);
	if (r == 0 && !cp->more)
		return fi_error_set(err, -ENOMEM, "no memory for %zu tasks", nr);
	while (r == 0 && i < nr) {
		r = fi_records_next(&rd, &fi__pb__pstree__descriptor, RECORD_MAX, &msg, err);
		if (r <= 0)
			return r < 0 ? r : fi_error_set(err, -EBADMSG, "'pstree.img' shrank");
		r = take_item(&cp->more[i], msg, err);
		i++;
	}
	for (i = 0; r == 0 && i < nr; i++)
		r = read_more(cp, fi_image_task(cp->image, i), &cp->more[i], err);
	return r;
}

int fi_checkpoint_open(const char *path, struct fi_checkpoint *cp, struct fi_error *err)
{
	struct fi_image_dir first;
	int r;

	r = fi_checkpoint_open_place(path, cp, &first, err);
	if (r < 0)
		return r;
	r = fi_chain_open(&cp->chain, &first, err);
	if (r == 0)
		r = fi_image_read(&cp->chain, false, &cp->image, err);
	if (r == 0)
		r = read_tasks(cp, err);
	if (r == 0)
		r = read_shared(cp, err);
	if (r == 0)
		r = read_files(cp, err);
	if (r == 0)
		r = read_memfds(cp, err);
	return r < 0 ? fi_error_prefix(err, r, "'%s'", path) : 0;
}
