/* images/inspect/verify-refs.c - numbers in an image that stand for something else in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file with a finding of its own is not asked: half of it would give wrong answers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "images/inspect/maps.h"
#include "images/inspect/verify-parts.h"
#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/proto/inventory.pb-c.h"
#include "images/proto/mm.pb-c.h"
#include "images/proto/namespaces.pb-c.h"
#include "images/proto/pstree.pb-c.h"
#include "images/proto/records.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (128 * 1024 * 1024)
#define TASK_LOSS  "that task cannot be restored"
#define FILE_LOSS  "that file cannot be restored"

/* A set of numbers, each with one more beside it. */
struct numbers {
	struct number {
		uint64_t key, value;
	} * list;
	size_t nr, size;
	bool known; /* the file that says them was read, in whole */
};

struct references {
	struct fi_verifier *v;
	const struct fi_image_dir *dir;
	struct numbers files;  /* id, type */
	struct numbers pipes;  /* pipe_id */
	struct numbers inodes; /* of memfd.img: inode, shmid */
	struct numbers ttys;   /* of tty-info.img: id */
	struct numbers mounts; /* of the namespace that is being looked at: id */
	unsigned roots;	       /* of it: mounts without a parent */
	Fi__Pb__Ids root;      /* of CRIU itself at the dump */
	bool has_root;
};

static bool insert(struct fi_verifier *v, struct numbers *set, uint64_t key, uint64_t value)
{
	void *grown;

	if (set->nr == set->size) {
		size_t more = set->size ? set->size * 2 : 64;

		grown = reallocarray(set->list, more, sizeof(*set->list));
		if (!grown) {
			v->no_memory = true;
			return false;
		}
		set->list = grown;
		set->size = more;
	}
	set->list[set->nr++] = (struct number){ key, value };
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct number *left = a, *right = b;

	return left->key < right->key ? -1 : left->key > right->key;
}

static void sort(struct numbers *set)
{
	if (set->nr > 0)
		qsort(set->list, set->nr, sizeof(*set->list), compare_numbers);
	set->known = true;
}

static const struct number *find(const struct numbers *set, uint64_t key)
{
	const struct number wanted = { key, 0 };

	return set->nr ? bsearch(&wanted, set->list, set->nr, sizeof(*set->list), compare_numbers)
		       : NULL;
}

/* Reads every record of a file and hands it to @each.  False, quietly, if there is no such file or
 * it has a finding; it gets one here when it cannot be read. */
static bool for_each(struct references *refs, const char *name, uint32_t magic,
		     const ProtobufCMessageDescriptor *type,
		     void (*each)(struct references *refs, const char *name, uint64_t record,
				  const void *msg),
		     struct fi_error *err)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const struct fi_kind *kind = fi_kind_of(name);
	const void *msg;
	int r;

	if (fi_is_bad(refs->v, refs->dir, name))
		return false;
	r = fi_records_open(&rd, refs->dir, name, magic, err);
	if (r < 0) {
		refs->v->no_memory |= r == -ENOMEM;
		return false;
	}
	while ((r = fi_records_next(&rd, type, RECORD_MAX, &msg, err)) > 0) {
		each(refs, name, rd.nr, msg);
		if (kind && kind->tail && fi_records_skip(&rd, kind->tail(msg), err) < 0)
			break;
	}
	refs->v->no_memory |= r == -ENOMEM;
	return true;
}

static bool exists(const struct references *refs, const char *name)
{
	fi_auto_image_file struct fi_image_file file = { .fd = -EBADF };

	return fi_image_file_open(refs->dir, name, &file, NULL) == 0;
}

/* --- files.img and what hangs on it ------------------------------------------------------------- */

static void take_file(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__FileEntry *entry = msg;

	(void)insert(refs->v, &refs->files, entry->id, entry->type);
	if (entry->pipe)
		(void)insert(refs->v, &refs->pipes, entry->pipe->pipe_id, 0);
	if (entry->reg && entry->reg->id != entry->id)
		fi_found(refs->v, refs->dir, name, record, FILE_LOSS,
			 "file %" PRIu32 " calls itself %" PRIu32, entry->id, entry->reg->id);
}

static void want_segment(struct references *refs, const char *name, uint64_t record,
			 const char *what, uint64_t shmid)
{
	char pagemap[FI_PAGEMAP_NAME_MAX];

	(void)snprintf(pagemap, sizeof(pagemap), "pagemap-shmem-%" PRIu64 ".img", shmid);
	if (!exists(refs, pagemap))
		fi_found(refs->v, refs->dir, name, record,
			 "that shared memory is empty after the restore",
			 "%s shows shared memory of '%s', which is missing", what, pagemap);
}

static void take_memfd(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__MemfdInode *inode = msg;
	char what[40];

	(void)insert(refs->v, &refs->inodes, inode->inode_id, inode->shmid);
	(void)snprintf(what, sizeof(what), "memory file %" PRIu64, inode->inode_id);
	want_segment(refs, name, record, what, inode->shmid);
}

static void take_tty(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	(void)insert(refs->v, &refs->ttys, ((const Fi__Pb__TtyInfo *)msg)->id, 0);
}

static bool want_file(struct references *refs, const char *name, uint64_t record, const char *loss,
		      const char *what, uint64_t id)
{
	if (!refs->files.known || find(&refs->files, id))
		return true;
	fi_found(refs->v, refs->dir, name, record, loss,
		 "%s is file %" PRIu64 ", which is not in 'files.img'", what, id);
	return false;
}

static void check_file(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__FileEntry *entry = msg;

	if (entry->memfd && refs->inodes.known && !find(&refs->inodes, entry->memfd->inode_id))
		fi_found(refs->v, refs->dir, name, record, FILE_LOSS,
			 "file %" PRIu32 " is memory file %" PRIu32 ", which is not in 'memfd.img'",
			 entry->id, entry->memfd->inode_id);
	if (entry->tty && refs->ttys.known && !find(&refs->ttys, entry->tty->tty_info_id))
		fi_found(refs->v, refs->dir, name, record, FILE_LOSS,
			 "file %" PRIu32 " is terminal %" PRIu32 ", which is not in 'tty-info.img'",
			 entry->id, entry->tty->tty_info_id);
	if (entry->fifo && entry->fifo->has_regf_id)
		(void)want_file(refs, name, record, FILE_LOSS, "a named pipe",
				entry->fifo->regf_id);
}

static void check_remap(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Remap *remap = msg;
	char ghost[40];

	(void)want_file(refs, name, record, FILE_LOSS, "a deleted file", remap->orig_id);
	if (remap->has_remap_type && remap->remap_type != 1)
		return;
	(void)snprintf(ghost, sizeof(ghost), "ghost-file-%" PRIx32 ".img", remap->remap_id);
	if (!exists(refs, ghost))
		fi_found(refs->v, refs->dir, name, record, FILE_LOSS,
			 "the content of a deleted file should be in '%s', which is missing",
			 ghost);
}

static void check_pipe(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__PipeData *data = msg;

	if (refs->files.known && !find(&refs->pipes, data->pipe_id))
		fi_found(refs->v, refs->dir, name, record, "what was in that pipe is lost",
			 "pipe %" PRIu32 " is no file's", data->pipe_id);
}

static void check_files(struct references *refs)
{
	struct fi_error err = { "" };
	size_t i;

	if (for_each(refs, "memfd.img", FI_MAGIC_MEMFD, &fi__pb__memfd_inode__descriptor,
		     take_memfd, &err))
		sort(&refs->inodes);
	if (for_each(refs, "tty-info.img", FI_MAGIC_TTY_INFO, &fi__pb__tty_info__descriptor,
		     take_tty, &err))
		sort(&refs->ttys);
	if (!for_each(refs, "files.img", FI_MAGIC_FILES, &fi__pb__file_entry__descriptor, take_file,
		      &err)) {
		/* CRIUs before 3.0 had a file for each type; theirs are not followed. */
		if (!exists(refs, "files.img") && !exists(refs, "reg-files.img"))
			fi_found(refs->v, refs->dir, "files.img", 0, "nothing can be restored",
				 "is missing");
		return;
	}
	sort(&refs->files);
	sort(&refs->pipes);
	for (i = 1; i < refs->files.nr; i++)
		if (refs->files.list[i].key == refs->files.list[i - 1].key)
			fi_found(refs->v, refs->dir, "files.img", 0, FILE_LOSS,
				 "names file %" PRIu64 " twice", refs->files.list[i].key);
	(void)for_each(refs, "files.img", FI_MAGIC_FILES, &fi__pb__file_entry__descriptor,
		       check_file, &err);
	(void)for_each(refs, "remap-fpath.img", FI_MAGIC_REMAP, &fi__pb__remap__descriptor,
		       check_remap, &err);
	(void)for_each(refs, "pipes-data.img", FI_MAGIC_PIPES_DATA, &fi__pb__pipe_data__descriptor,
		       check_pipe, &err);
}

/* --- tasks -------------------------------------------------------------------------------------- */

static void check_fdinfo(struct references *refs, const char *name, uint64_t record,
			 const void *msg)
{
	const Fi__Pb__Fdinfo *info = msg;
	const struct number *file;
	char what[40];

	(void)snprintf(what, sizeof(what), "descriptor %" PRIu32, info->fd);
	if (!want_file(refs, name, record, FILE_LOSS, what, info->id) || !refs->files.known)
		return;
	file = find(&refs->files, info->id);
	if (file->value != info->type)
		fi_found(refs->v, refs->dir, name, record, FILE_LOSS,
			 "%s is of type %s, but file %" PRIu32 " of type %s", what,
			 fi_file_type_name(info->type), info->id,
			 fi_file_type_name((uint32_t)file->value));
}

static void check_ids(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Ids *ids = msg;
	const struct {
		uint32_t id, root;
		const char *stem;
	} spaces[] = {
		{ ids->mnt_ns_id, refs->root.mnt_ns_id, "mountpoints" },
		{ ids->uts_ns_id, refs->root.uts_ns_id, "utsns" },
		{ ids->ipc_ns_id, refs->root.ipc_ns_id, "ipcns-var" },
	};
	struct fi_error err = { "" };
	char other[40];
	size_t i;

	(void)snprintf(other, sizeof(other), "fdinfo-%" PRIu32 ".img", ids->files_id);
	if (!exists(refs, other))
		fi_found(refs->v, refs->dir, name, record, TASK_LOSS,
			 "its descriptors should be in '%s', which is missing", other);
	else if (!fi_is_bad(refs->v, refs->dir, other))
		(void)for_each(refs, other, FI_MAGIC_FDINFO, &fi__pb__fdinfo__descriptor,
			       check_fdinfo, &err);
	for (i = 0; refs->has_root && i < FI_ARRAY_SIZE(spaces); i++) {
		if (!spaces[i].id || !spaces[i].root || spaces[i].id == spaces[i].root)
			continue; /* not recorded, or the host's */
		(void)snprintf(other, sizeof(other), "%s-%" PRIu32 ".img", spaces[i].stem,
			       spaces[i].id);
		if (!exists(refs, other))
			fi_found(refs->v, refs->dir, name, record, TASK_LOSS,
				 "its namespace should be in '%s', which is missing", other);
	}
}

static void check_fs(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Fs *fs = msg;

	(void)want_file(refs, name, record, TASK_LOSS, "the working directory", fs->cwd_id);
	(void)want_file(refs, name, record, TASK_LOSS, "the root directory", fs->root_id);
}

static void check_vma(struct references *refs, const char *name, uint64_t record,
		      const Fi__Pb__Vma *vma)
{
	char what[80];

	if (vma->status & FI_VMA_GUARD)
		return;
	(void)snprintf(what, sizeof(what), "mapping %#" PRIx64 "-%#" PRIx64, vma->start, vma->end);
	if (vma->status & (FI_VMA_FILE_PRIVATE | FI_VMA_FILE_SHARED | FI_VMA_MEMFD))
		(void)want_file(refs, name, record, TASK_LOSS, what, vma->shmid);
	else if ((vma->status & FI_VMA_ANON_SHARED) && !(vma->status & FI_VMA_SYSVIPC))
		want_segment(refs, name, record, what, vma->shmid);
}

static void check_mm(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Mm *mm = msg;
	size_t i;

	if (mm->has_exe_file_id)
		(void)want_file(refs, name, record, TASK_LOSS, "the program", mm->exe_file_id);
	for (i = 0; i < mm->n_vmas; i++)
		check_vma(refs, name, record, mm->vmas[i]);
}

/* A thread's core; that of the leader was looked at before. */
static void check_thread(struct references *refs, uint64_t record, uint32_t pid, uint32_t tid)
{
	char name[40];

	(void)snprintf(name, sizeof(name), "core-%" PRIu32 ".img", tid);
	if (tid != pid && !exists(refs, name))
		fi_found(refs->v, refs->dir, "pstree.img", record, TASK_LOSS,
			 "thread %" PRIu32 " of task %" PRIu32
			 " should be in '%s', which is missing",
			 tid, pid, name);
}

static void check_item(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Pstree *item = msg;
	bool leads = item->n_threads == 0;
	struct numbers tids = { .nr = 0 };
	size_t i;

	/* Of a zombie CRIU 4.2.1 writes any number. */
	if (record <= refs->v->nr_tasks && refs->v->tasks[record - 1].zombie)
		return;
	for (i = 0; i < item->n_threads; i++) {
		leads |= item->threads[i] == item->pid;
		check_thread(refs, record, item->pid, item->threads[i]);
		(void)insert(refs->v, &tids, item->threads[i], 0);
	}
	sort(&tids);
	for (i = 1; i < tids.nr; i++)
		if (tids.list[i].key == tids.list[i - 1].key)
			fi_found(refs->v, refs->dir, name, record, TASK_LOSS,
				 "names thread %" PRIu64 " twice", tids.list[i].key);
	free(tids.list);
	if (!leads)
		fi_found(refs->v, refs->dir, name, record, TASK_LOSS,
			 "task %" PRIu32 " is not among its own threads", item->pid);
}

static void check_task(struct references *refs, const struct fi_task_image *task)
{
	static const struct {
		const char *stem;
		uint32_t magic;
		const ProtobufCMessageDescriptor *type;
		void (*each)(struct references *refs, const char *name, uint64_t record,
			     const void *msg);
		bool needed;
	} parts[] = {
		{ "ids", FI_MAGIC_IDS, &fi__pb__ids__descriptor, check_ids, false },
		{ "fs", FI_MAGIC_FS, &fi__pb__fs__descriptor, check_fs, true },
		{ "mm", FI_MAGIC_MM, &fi__pb__mm__descriptor, check_mm, false },
	};
	struct fi_error err = { "" };
	char name[40];
	size_t i;

	if (task->zombie)
		return;
	for (i = 0; i < FI_ARRAY_SIZE(parts); i++) {
		(void)snprintf(name, sizeof(name), "%s-%" PRIu32 ".img", parts[i].stem, task->vpid);
		if (for_each(refs, name, parts[i].magic, parts[i].type, parts[i].each, &err))
			continue;
		if (parts[i].needed && !exists(refs, name))
			fi_found(refs->v, refs->dir, name, 0, TASK_LOSS, "is missing");
	}
}

/* --- namespaces --------------------------------------------------------------------------------- */

static void take_root(struct references *refs)
{
	struct fi_image_dir plain = *refs->dir;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Inventory *inventory;
	struct fi_error err = { "" };
	const void *msg;
	int r;

	plain.common_magic = false;
	r = fi_records_read_only(&rd, &plain, "inventory.img", fi_kind_of("inventory.img")->magic,
				 &fi__pb__inventory__descriptor, RECORD_MAX, &msg, &err);
	refs->v->no_memory |= r == -ENOMEM;
	if (r < 0)
		return;
	inventory = msg;
	if (!inventory->root_ids)
		return;
	refs->root = *inventory->root_ids;
	refs->has_root = true;
}

static void take_mount(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	(void)insert(refs->v, &refs->mounts, ((const Fi__Pb__Mount *)msg)->mnt_id, 0);
}

/* A mount hangs on another one, but for the root of the namespace, of which there is one. */
static void check_mount(struct references *refs, const char *name, uint64_t record, const void *msg)
{
	const Fi__Pb__Mount *mount = msg;

	if (!find(&refs->mounts, mount->parent_mnt_id) && refs->roots++ > 0)
		fi_found(refs->v, refs->dir, name, record, "that namespace cannot be restored",
			 "the parent of mount %" PRIu32 ", %" PRIu32 ", is missing", mount->mnt_id,
			 mount->parent_mnt_id);
}

static int check_mounts(const char *name, uint64_t size, void *arg)
{
	struct references *refs = arg;
	struct fi_error err = { "" };

	if (strncmp(name, "mountpoints-", 12) != 0)
		return 0;
	refs->mounts.nr = 0;
	refs->roots = 0;
	if (!for_each(refs, name, FI_MAGIC_MNTS, &fi__pb__mount__descriptor, take_mount, &err))
		return 0;
	sort(&refs->mounts);
	(void)for_each(refs, name, FI_MAGIC_MNTS, &fi__pb__mount__descriptor, check_mount, &err);
	return 0;
}

void fi_verify_references(struct fi_verifier *v)
{
	struct references refs = { .v = v, .dir = &v->cp.chain.dirs[0] };
	struct fi_error err = { "" };
	size_t i;

	take_root(&refs);
	check_files(&refs);
	(void)for_each(&refs, "pstree.img", FI_MAGIC_PSTREE, &fi__pb__pstree__descriptor,
		       check_item, &err);
	for (i = 0; i < v->nr_tasks; i++)
		check_task(&refs, &v->tasks[i]);
	(void)fi_image_dir_list(refs.dir, check_mounts, &refs, &err);
	free(refs.mounts.list);
	free(refs.files.list);
	free(refs.pipes.list);
	free(refs.inodes.list);
	free(refs.ttys.list);
}
