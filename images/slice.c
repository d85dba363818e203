/* images/slice.c - see slice.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The offsets of a pages file are not written down anywhere: they add up over the entries of the
 * pagemap.  So to leave entries out is to write both files anew.
 */
#include "images/slice.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/parts.h"
#include "images/proto/pagemap.pb-c.h"
#include "images/record.h"

/* CRIUs before 4.2 multiply the number of pages of an entry as an int. */
#define ENTRY_MAX_PAGES (UINT64_C(1) << 18)

/* An entry with its size in front. */
#define ENTRY_MAX_BYTES 64

struct fi_slice fi_slice_of(const struct fi_task_image *task, const struct fi_touched_list *touched)
{
	struct fi_slice slice = { .task = task };

	for (size_t i = 0; i < touched->nr; i++) {
		if (touched->at[i].vpid != task->vpid)
			continue;
		if (slice.nr_touched++ == 0)
			slice.touched = &touched->at[i];
	}
	return slice;
}

/* Whether @addr is touched, and where the answer changes next. */
static bool is_touched(const struct fi_slice *slice, uint64_t addr, uint64_t *until)
{
	size_t low = 0, high = slice->nr_touched, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (slice->touched[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == slice->nr_touched) {
		*until = UINT64_MAX;
		return false;
	}
	if (slice->touched[low].start <= addr) {
		*until = slice->touched[low].end;
		return true;
	}
	*until = slice->touched[low].start;
	return false;
}

bool fi_slice_next(const struct fi_slice *slice, uint64_t addr, struct fi_run *ret)
{
	const struct fi_pagemap *pm = slice->task->pagemap;
	const size_t i = fi_pagemap_lower_bound(pm, addr);
	uint64_t skip, end, until = UINT64_MAX;

	if (i == pm->nr_runs)
		return false;
	*ret = pm->runs[i];
	end = fi_run_end(ret);
	skip = addr > ret->addr ? addr - ret->addr : 0;
	ret->addr += skip;
	if (ret->kind == FI_RUN_DATA)
		ret->file_off += skip;
	if (ret->lazy)
		ret->lazy = !is_touched(slice, ret->addr, &until);
	if (until < end)
		end = until;
	ret->nr_pages = (uint32_t)((end - ret->addr) >> FI_PAGE_SHIFT);
	return true;
}

void fi_slice_count(const struct fi_slice *slice, uint64_t *kept, uint64_t *left_out)
{
	struct fi_run run;

	*kept = *left_out = 0;
	for (uint64_t at = 0; fi_slice_next(slice, at, &run); at = fi_run_end(&run))
		*(run.lazy ? left_out : kept) += run.nr_pages;
}

/* --- writing ------------------------------------------------------------------------------- */

struct bytes {
	uint8_t *at;
	size_t nr, room;
};

static void bytes_done(struct bytes *bytes)
{
	free(bytes->at);
}

static int reserve(struct bytes *bytes, size_t more)
{
	size_t room = 2 * (bytes->nr + more) + 4096;
	uint8_t *at;

	if (bytes->room - bytes->nr >= more)
		return 0;
	at = realloc(bytes->at, room);
	if (!at)
		return -ENOMEM;
	bytes->at = at;
	bytes->room = room;
	return 0;
}

static int put_word(struct bytes *bytes, uint32_t word)
{
	int r = reserve(bytes, sizeof(word));

	if (r < 0)
		return r;
	memcpy(bytes->at + bytes->nr, &word, sizeof(word));
	bytes->nr += sizeof(word);
	return 0;
}

/* A record: its size, and the message, of at most ENTRY_MAX_BYTES. */
static int put_record(struct bytes *bytes, const ProtobufCMessage *msg)
{
	int r = put_word(bytes, (uint32_t)protobuf_c_message_get_packed_size(msg));

	if (r == 0)
		r = reserve(bytes, ENTRY_MAX_BYTES);
	if (r == 0)
		bytes->nr += protobuf_c_message_pack(msg, bytes->at + bytes->nr);
	return r;
}

static int put_run(struct bytes *bytes, const struct fi_run *run)
{
	Fi__Pb__PagemapEntry entry = FI__PB__PAGEMAP_ENTRY__INIT;
	uint64_t left = run->nr_pages;
	int r = 0;

	entry.vaddr = run->addr;
	entry.has_flags = 1;
	entry.flags = run->kind == FI_RUN_DATA ? FI_PE_PRESENT : 0;
	while (r == 0 && left > 0) {
		entry.nr_pages_32 = (uint32_t)(left < ENTRY_MAX_PAGES ? left : ENTRY_MAX_PAGES);
		r = put_record(bytes, &entry.base);
		entry.vaddr += (uint64_t)entry.nr_pages_32 << FI_PAGE_SHIFT;
		left -= entry.nr_pages_32;
	}
	return r;
}

static int write_all(int fd, const uint8_t *from, uint64_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, from, len < SSIZE_MAX ? (size_t)len : SSIZE_MAX);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			from += n;
			len -= (uint64_t)n;
		}
	}
	return 0;
}

/* A new file with owner and mode of the one of this name in @dirfd. */
static int create_like(int dirfd, int to, const char *name)
{
	struct stat st;
	int fd;

	if (fstatat(dirfd, name, &st, 0) < 0) {
		if (errno != ENOENT)
			return -errno;
		st = (struct stat){ .st_mode = 0600, .st_uid = geteuid(), .st_gid = getegid() };
	}
	fd = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static int read_pages_id(const struct fi_image *image, int dirfd, const char *name, uint32_t *ret,
			 struct fi_error *err)
{
	const struct fi_image_dir dir = {
		.fd = dirfd,
		.version = image->inventory.version,
		.common_magic = image->inventory.common_magic,
	};
	fi_auto_records struct fi_records rd;
	const Fi__Pb__PagemapHead *head;
	const void *msg;
	int r;

	r = fi_records_open(&rd, &dir, name, FI_PAGEMAP_MAGIC, err);
	if (r < 0)
		return r;
	r = fi_records_next(&rd, &fi__pb__pagemap_head__descriptor, FI_PAGEMAP_RECORD_MAX, &msg,
			    err);
	if (r <= 0)
		return r < 0 ? r : fi_error_set(err, -EBADMSG, "'%s' has no head", name);
	head = msg;
	*ret = head->pages_id;
	return 0;
}

static int write_pages(const struct fi_slice *slice, const struct fi_image *image, int fd,
		       struct bytes *pagemap)
{
	struct fi_run run;
	int r = 0;

	for (uint64_t at = 0; r == 0 && fi_slice_next(slice, at, &run); at = fi_run_end(&run)) {
		if (run.lazy)
			continue;
		r = put_run(pagemap, &run);
		/* From the mapping: the kernel says EFAULT of what is not there any more. */
		if (r == 0 && run.kind == FI_RUN_DATA)
			r = write_all(fd, image->pages.files[run.file].map + run.file_off,
				      fi_run_end(&run) - run.addr);
	}
	return r;
}

int fi_slice_write(const struct fi_slice *slice, const struct fi_image *image, int dirfd, int to,
		   struct fi_error *err)
{
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	fi_cleanup(bytes_done) struct bytes pagemap = { 0 };
	fi_auto_close int pages_fd = -EBADF, pagemap_fd = -EBADF;
	char name[FI_PAGEMAP_NAME_MAX], pages_name[32];
	int r = 0;

	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", slice->task->vpid);
	r = read_pages_id(image, dirfd, name, &head.pages_id, err);
	if (r < 0)
		return r;
	(void)snprintf(pages_name, sizeof(pages_name), "pages-%" PRIu32 ".img", head.pages_id);

	if (image->inventory.common_magic)
		r = put_word(&pagemap, FI_COMMON_MAGIC);
	if (r == 0)
		r = put_word(&pagemap, FI_PAGEMAP_MAGIC);
	if (r == 0)
		r = put_record(&pagemap, &head.base);
	if (r == 0)
		r = pages_fd = create_like(dirfd, to, pages_name);
	if (r >= 0)
		r = write_pages(slice, image, pages_fd, &pagemap);
	if (r == 0)
		r = pagemap_fd = create_like(dirfd, to, name);
	if (r >= 0)
		r = write_all(pagemap_fd, pagemap.at, pagemap.nr);
	return r < 0 ? fi_error_set(err, r, "cannot write a part of '%s': %s", name, strerror(-r))
		     : 0;
}

/* --- shared memory ------------------------------------------------------------------------- */

struct shared {
	const struct fi_image_dir *dir;
	struct fi_error *err;
};

/* 1: this is a pagemap of shared memory, and refers to a parent. */
static int look_at_shared(const char *name, uint64_t size, void *arg)
{
	static const char prefix[] = "pagemap-shmem-";
	const struct shared *shared = arg;
	struct fi_pagemap_file file;
	int r;

	(void)size;
	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return 0;
	r = fi_pagemap_file_read(shared->dir, name, &file, shared->err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < file.nr; i++)
		r = (file.entries[i].flags & FI_PE_PARENT) ? 1 : 0;
	fi_pagemap_file_done(&file);
	return r;
}

int fi_slice_shared_in_parent(int dirfd, struct fi_error *err)
{
	struct fi_image_dir dir = { .fd = dirfd };
	struct shared shared = { &dir, err };
	int r = fi_inventory_read(&dir, err);

	return r < 0 ? r : fi_image_dir_list(&dir, look_at_shared, &shared, err);
}
