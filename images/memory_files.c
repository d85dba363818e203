/* images/memory_files.c - see memory_files.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "images/memory_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/proto/core.pb-c.h"
#include "images/proto/files.pb-c.h"
#include "images/record.h"

#define RECORD_MAX (32 * 1024 * 1024)
#define IDS_MAX	   4096

/* What the kernel calls a mapping that is shared and anonymous. */
#define NAMELESS "/dev/zero"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static int compare(const void *a, const void *b)
{
	const struct fi_memory_file *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

static int add(struct fi_memory_files *files, struct fi_memory_file file, struct fi_error *err)
{
	if (files->nr == files->room) {
		const size_t room = 2 * files->room + 16;
		void *at = reallocarray(files->at, room, sizeof(files->at[0]));

		if (!at)
			return fi_error_set(err, -ENOMEM, "no memory");
		files->at = at;
		files->room = room;
	}
	files->at[files->nr++] = file;
	return 0;
}

static int read_files(const struct fi_image_dir *dir, struct fi_memory_files *files,
		      struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const void *msg;
	int r;

	r = fi_records_open(&rd, dir, "files.img", FI_MAGIC_FILES, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__file_entry__descriptor, RECORD_MAX, &msg, err)) >
	       0) {
		const Fi__Pb__FileEntry *entry = msg;

		if (!entry->memfd)
			continue;
		r = add(files,
			(struct fi_memory_file){ .id = entry->id,
						 .flags = entry->memfd->flags,
						 .inode = entry->memfd->inode_id },
			err);
		if (r < 0)
			return r;
	}
	if (files->nr > 0)
		qsort(files->at, files->nr, sizeof(files->at[0]), compare);
	return r;
}

static void take_inode(struct fi_memory_files *files, const Fi__Pb__MemfdInode *inode)
{
	for (size_t i = 0; i < files->nr; i++) {
		struct fi_memory_file *file = &files->at[i];

		if (file->inode != inode->inode_id)
			continue;
		file->segment = inode->shmid;
		file->size = inode->size;
		file->nameless = strcmp(inode->name, NAMELESS) == 0;
		/* CRIU seals it before it can be filled here. */
		file->usable = !(inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) &&
			       !inode->hugetlb_flag;
	}
}

int fi_memory_files_read(const struct fi_image_dir *dir, struct fi_memory_files *ret,
			 struct fi_error *err)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const void *msg;
	int r;

	r = read_files(dir, ret, err);
	if (r < 0)
		return r;
	r = fi_records_open(&rd, dir, "memfd.img", FI_MAGIC_MEMFD, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__memfd_inode__descriptor, RECORD_MAX, &msg, err)) >
	       0)
		take_inode(ret, msg);
	return r;
}

void fi_memory_files_done(struct fi_memory_files *files)
{
	free(files->at);
	*files = (struct fi_memory_files){ 0 };
}

struct fi_memory_file *fi_memory_files_find(const struct fi_memory_files *files, uint64_t id)
{
	const struct fi_memory_file key = { .id = (uint32_t)id };

	if (id > UINT32_MAX || files->nr == 0)
		return NULL;
	return bsearch(&key, files->at, files->nr, sizeof(key), compare);
}

/* Which fdinfo file is the task's; 0: that cannot be told. */
static int read_files_id(const struct fi_image_dir *dir, uint32_t vpid, uint32_t *ret,
			 struct fi_error *err)
{
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Ids *ids;
	const void *msg;
	char name[32];
	int r;

	*ret = 0;
	(void)snprintf(name, sizeof(name), "ids-%" PRIu32 ".img", vpid);
	r = fi_records_read_only(&rd, dir, name, FI_MAGIC_IDS, &fi__pb__ids__descriptor, IDS_MAX,
				 &msg, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	ids = msg;
	*ret = ids->files_id;
	return 0;
}

int fi_descriptors_read(const struct fi_image_dir *dir, uint32_t vpid,
			int (*each)(void *arg, uint32_t fd, uint32_t id), void *arg,
			struct fi_error *err)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const void *msg;
	char name[32];
	uint32_t id;
	int r;

	r = read_files_id(dir, vpid, &id, err);
	if (r < 0 || id == 0)
		return r;
	(void)snprintf(name, sizeof(name), "fdinfo-%" PRIu32 ".img", id);
	r = fi_records_open(&rd, dir, name, FI_MAGIC_FDINFO, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((r = fi_records_next(&rd, &fi__pb__fdinfo__descriptor, RECORD_MAX, &msg, err)) > 0) {
		const Fi__Pb__Fdinfo *info = msg;

		r = each(arg, info->fd, info->id);
		if (r < 0)
			return fi_error_set(err, r, "no memory");
	}
	return r;
}
