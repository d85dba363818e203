/* images/pagemap-writer.c - see pagemap-writer.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/pagemap-writer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/pagemap-file.h"
#include "images/proto/pagemap.pb-c.h"

/* CRIUs before 4.2 multiply the number of pages of an entry as an int. */
#define ENTRY_MAX_PAGES (UINT64_C(1) << 18)

/* An entry with its size in front. */
#define ENTRY_MAX_BYTES 64

static int failed(const struct fi_pagemap_writer *writer, int r, struct fi_error *err)
{
	return r < 0 ? fi_error_set(err, r, "cannot write a part of '%s': %s", writer->name,
				    strerror(-r))
		     : 0;
}

static int reserve(struct fi_pagemap_writer *writer, size_t more)
{
	size_t room = 2 * (writer->nr + more) + 4096;
	uint8_t *bytes;

	if (writer->room - writer->nr >= more)
		return 0;
	bytes = realloc(writer->bytes, room);
	if (!bytes)
		return -ENOMEM;
	writer->bytes = bytes;
	writer->room = room;
	return 0;
}

static int put_word(struct fi_pagemap_writer *writer, uint32_t word)
{
	int r = reserve(writer, sizeof(word));

	if (r < 0)
		return r;
	memcpy(writer->bytes + writer->nr, &word, sizeof(word));
	writer->nr += sizeof(word);
	return 0;
}

/* A record: its size, and the message, of at most ENTRY_MAX_BYTES. */
static int put_record(struct fi_pagemap_writer *writer, const ProtobufCMessage *msg)
{
	int r = put_word(writer, (uint32_t)protobuf_c_message_get_packed_size(msg));

	if (r == 0)
		r = reserve(writer, ENTRY_MAX_BYTES);
	if (r == 0)
		writer->nr += protobuf_c_message_pack(msg, writer->bytes + writer->nr);
	return r;
}

static int put_entries(struct fi_pagemap_writer *writer, const struct fi_run *run)
{
	Fi__Pb__PagemapEntry entry = FI__PB__PAGEMAP_ENTRY__INIT;
	uint64_t left = run->nr_pages;
	int r = 0;

	entry.vaddr = run->addr;
	entry.has_flags = 1;
	entry.flags = run->kind == FI_RUN_DATA ? FI_PE_PRESENT : 0;
	while (r == 0 && left > 0) {
		entry.nr_pages_32 = (uint32_t)(left < ENTRY_MAX_PAGES ? left : ENTRY_MAX_PAGES);
		r = put_record(writer, &entry.base);
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

/* A new file with owner and mode of the one of this name in the image. */
static int create_like(const struct fi_pagemap_writer *writer, const char *name)
{
	struct stat st;
	int fd;

	if (fstatat(writer->from, name, &st, 0) < 0) {
		if (errno != ENOENT)
			return -errno;
		st = (struct stat){ .st_mode = 0600, .st_uid = geteuid(), .st_gid = getegid() };
	}
	fd = openat(writer->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static int read_pages_id(const struct fi_pagemap_writer *writer,
			 const struct fi_inventory *inventory, uint32_t *ret, struct fi_error *err)
{
	const struct fi_image_dir dir = {
		.fd = writer->from,
		.version = inventory->version,
		.common_magic = inventory->common_magic,
	};
	fi_auto_pagemap_file struct fi_pagemap_file file;
	int r = fi_pagemap_file_open(&file, &dir, writer->name, err);

	if (r == 0)
		*ret = file.pages_id;
	return r;
}

int fi_pagemap_writer_begin(struct fi_pagemap_writer *writer, const struct fi_inventory *inventory,
			    int from, int to, const char *name, struct fi_error *err)
{
	Fi__Pb__PagemapHead head = FI__PB__PAGEMAP_HEAD__INIT;
	char pages_name[32];
	int r;

	*writer = (struct fi_pagemap_writer){ .from = from, .to = to, .pages = -EBADF };
	(void)snprintf(writer->name, sizeof(writer->name), "%s", name);
	r = read_pages_id(writer, inventory, &head.pages_id, err);
	if (r < 0)
		return r;
	(void)snprintf(pages_name, sizeof(pages_name), "pages-%" PRIu32 ".img", head.pages_id);
	if (inventory->common_magic)
		r = put_word(writer, FI_COMMON_MAGIC);
	if (r == 0)
		r = put_word(writer, FI_PAGEMAP_MAGIC);
	if (r == 0)
		r = put_record(writer, &head.base);
	if (r == 0)
		r = writer->pages = create_like(writer, pages_name);
	return failed(writer, r, err);
}

int fi_pagemap_writer_put(struct fi_pagemap_writer *writer, const struct fi_run *run,
			  const struct fi_pages_file *files, struct fi_error *err)
{
	int r = put_entries(writer, run);

	/* From the mapping: the kernel says EFAULT of what is not there any more. */
	if (r == 0 && run->kind == FI_RUN_DATA)
		r = write_all(writer->pages, files[run->file].map + run->file_off,
			      fi_run_end(run) - run->addr);
	return failed(writer, r, err);
}

int fi_pagemap_writer_end(struct fi_pagemap_writer *writer, struct fi_error *err)
{
	fi_auto_close int fd = create_like(writer, writer->name);
	int r = fd < 0 ? fd : write_all(fd, writer->bytes, writer->nr);

	return failed(writer, r, err);
}

void fi_pagemap_writer_done(struct fi_pagemap_writer *writer)
{
	fi_close(&writer->pages);
	free(writer->bytes);
}
