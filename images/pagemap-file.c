/* images/pagemap-file.c - reading one pagemap file as it stands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An entry says where a range of pages is.  What CRIU has written over the years:
 *
 *   before flags   in_parent true: in the parent image; else in the pages file
 *   flags          PRESENT, PARENT, or neither (zeros), and LAZY beside the first two
 *   page count     a 32-bit field; since 4.2 a 64-bit one, with 0 in the old one
 *
 * LAZY without PRESENT is what a dump with --lazy-pages leaves: its pages went to a page server.
 *
 * Not here: whether the parent has the pages (resolve.c).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "images/parts.h"
#include "images/proto/pagemap.pb-c.h"
#include "images/record.h"

#define KNOWN_FLAGS (FI_PE_PARENT | FI_PE_LAZY | FI_PE_PRESENT)

/* A field we do not know may say that pages are packed, or elsewhere. */
static int refuse_unknown(const struct fi_records *rd, const ProtobufCMessage *msg,
			  struct fi_error *err)
{
	if (msg->n_unknown_fields == 0)
		return 0;
	return fi_records_error(rd, err, -EPROTONOSUPPORT, "unknown field %" PRIu32,
				msg->unknown_fields[0].tag);
}

static int read_flags(const struct fi_records *rd, const Fi__Pb__PagemapEntry *from, uint32_t *ret,
		      struct fi_error *err)
{
	uint32_t flags = from->has_flags ? from->flags : 0;

	if (from->has_in_parent && from->in_parent)
		flags |= FI_PE_PARENT;
	else if (!from->has_flags)
		flags = FI_PE_PRESENT;

	if (flags & ~KNOWN_FLAGS)
		return fi_records_error(rd, err, -EPROTONOSUPPORT,
					"unknown flags %#" PRIx32 " at %#" PRIx64,
					flags & ~KNOWN_FLAGS, from->vaddr);
	if ((flags & FI_PE_PRESENT) && (flags & FI_PE_PARENT))
		return fi_records_error(rd, err, -EBADMSG,
					"pages at %#" PRIx64
					" are said to be both here and in the parent",
					from->vaddr);
	if (flags == FI_PE_LAZY)
		return fi_records_error(rd, err, -EPROTONOSUPPORT,
					"pages at %#" PRIx64
					" were left at a page server (criu dump --lazy-pages), "
					"which is not supported",
					from->vaddr);
	*ret = flags;
	return 0;
}

static int read_nr_pages(const struct fi_records *rd, const Fi__Pb__PagemapEntry *from,
			 uint64_t *ret, struct fi_error *err)
{
	uint64_t nr = from->has_nr_pages_64 ? from->nr_pages_64 : from->nr_pages_32;

	if (from->has_nr_pages_64 && from->nr_pages_32 && from->nr_pages_32 != (uint32_t)nr)
		return fi_records_error(rd, err, -EBADMSG,
					"two page counts at %#" PRIx64 ": %" PRIu32 " and %" PRIu64,
					from->vaddr, from->nr_pages_32, nr);
	if (nr == 0)
		return fi_records_error(rd, err, -EBADMSG, "no pages at %#" PRIx64, from->vaddr);
	*ret = nr;
	return 0;
}

/* A varint of at most 64 bits. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 63 && *at < end; shift += 7) {
		const uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Where memory is in pieces there are millions of entries, and to unpack them takes longer than all else
 * that is done with them.  So those of the form that CRIU writes, fields in ascending order, are read
 * here; false: not of that form, or not valid. */
static bool read_plain(const uint8_t *at, size_t len, Fi__Pb__PagemapEntry *ret)
{
	const uint8_t *const end = at + len;
	uint64_t value[6] = { 0 };
	unsigned seen = 0;

	while (at < end) {
		const unsigned field = *at >> 3;

		if ((*at & 7) != 0 || field < 1 || field > 5 || seen >> field)
			return false;
		at++;
		if (!read_varint(&at, end, &value[field]))
			return false;
		seen |= 1U << field;
	}
	if ((seen & 6) != 6 || value[2] > UINT32_MAX || value[3] > 1 || value[4] > UINT32_MAX)
		return false;
	*ret = (Fi__Pb__PagemapEntry)FI__PB__PAGEMAP_ENTRY__INIT;
	ret->vaddr = value[1];
	ret->nr_pages_32 = (uint32_t)value[2];
	ret->has_in_parent = seen >> 3 & 1;
	ret->in_parent = value[3];
	ret->has_flags = seen >> 4 & 1;
	ret->flags = (uint32_t)value[4];
	ret->has_nr_pages_64 = seen >> 5 & 1;
	ret->nr_pages_64 = value[5];
	return true;
}

/* The next entry, in @room or in the arena of @rd; as fi_records_next. */
static int next_entry(struct fi_records *rd, Fi__Pb__PagemapEntry *room,
		      const Fi__Pb__PagemapEntry **ret, struct fi_error *err)
{
	const uint8_t *packed;
	const void *msg;
	size_t len;
	int r;

	r = fi_records_next_packed(rd, FI_PAGEMAP_RECORD_MAX, &packed, &len, err);
	if (r <= 0)
		return r;
	if (read_plain(packed, len, room)) {
		*ret = room;
		return 1;
	}
	r = fi_records_unpack(rd, &fi__pb__pagemap_entry__descriptor, packed, len, &msg, err);
	*ret = r < 0 ? NULL : msg;
	return r < 0 ? r : 1;
}

/* Makes *@ret of @from; @end is where the entry before it ended. */
static int read_entry(const struct fi_records *rd, const Fi__Pb__PagemapEntry *from, uint64_t end,
		      struct fi_pagemap_entry *ret, struct fi_error *err)
{
	uint64_t nr = 0;
	int r;

	r = refuse_unknown(rd, &from->base, err);
	if (r < 0)
		return r;
	r = read_flags(rd, from, &ret->flags, err);
	if (r < 0)
		return r;
	r = read_nr_pages(rd, from, &nr, err);
	if (r < 0)
		return r;

	if (from->vaddr & (FI_PAGE_SIZE - 1))
		return fi_records_error(rd, err, -EBADMSG,
					"address %#" PRIx64 " is not page aligned", from->vaddr);
	if (nr >= (UINT64_MAX - from->vaddr) >> FI_PAGE_SHIFT)
		return fi_records_error(rd, err, -EBADMSG,
					"%" PRIu64 " pages at %#" PRIx64
					" go beyond the address space",
					nr, from->vaddr);
	if (from->vaddr < end)
		return fi_records_error(rd, err, -EBADMSG,
					"%#" PRIx64 " is below %#" PRIx64
					", where the entry before it ends",
					from->vaddr, end);
	ret->addr = from->vaddr;
	ret->end = from->vaddr + (nr << FI_PAGE_SHIFT);
	return 0;
}

/* Makes room for one more entry.  The first guess is by the size of the file, but no hostile file
 * makes us believe in more than a million entries before it has shown them. */
static int grow(struct fi_pagemap_file *file, size_t *size, uint64_t file_size)
{
	uint64_t guess = file_size / 18 + 16;
	size_t more;
	void *grown;

	if (file->nr < *size)
		return 0;
	if (*size)
		more = *size * 2;
	else
		more = guess < 1024 * 1024 ? (size_t)guess : 1024 * 1024;
	grown = reallocarray(file->entries, more, sizeof(*file->entries));
	if (!grown)
		return -ENOMEM;
	file->entries = grown;
	*size = more;
	return 0;
}

void fi_pagemap_file_done(struct fi_pagemap_file *file)
{
	free(file->entries);
	*file = (struct fi_pagemap_file){ 0 };
}

int fi_pagemap_file_read(const struct fi_image_dir *dir, const char *name,
			 struct fi_pagemap_file *ret, struct fi_error *err)
{
	fi_cleanup(fi_pagemap_file_done) struct fi_pagemap_file file = { 0 };
	fi_auto_records struct fi_records rd;
	const Fi__Pb__PagemapEntry *packed;
	const Fi__Pb__PagemapHead *head;
	struct fi_pagemap_entry *entry;
	Fi__Pb__PagemapEntry room;
	const void *msg;
	uint64_t end = 0;
	size_t size = 0;
	int r;

	r = fi_records_open(&rd, dir, name, FI_PAGEMAP_MAGIC, err);
	if (r < 0)
		return r;

	r = fi_records_next(&rd, &fi__pb__pagemap_head__descriptor, FI_PAGEMAP_RECORD_MAX, &msg,
			    err);
	if (r < 0)
		return r;
	if (r == 0)
		return fi_error_set(err, -EBADMSG, "'%s' is truncated: it has no head", rd.name);
	head = msg;
	r = refuse_unknown(&rd, &head->base, err);
	if (r < 0)
		return r;
	file.pages_id = head->pages_id;

	while ((r = next_entry(&rd, &room, &packed, err)) > 0) {
		if (grow(&file, &size, rd.size) < 0)
			return fi_records_error(&rd, err, -ENOMEM, "no memory");
		entry = &file.entries[file.nr];
		r = read_entry(&rd, packed, end, entry, err);
		if (r < 0)
			return r;
		end = entry->end;
		entry->file_off = file.size;
		if (entry->flags & FI_PE_PRESENT)
			file.size += entry->end - entry->addr;
		file.nr++;
	}
	if (r < 0)
		return r;

	*ret = file;
	file = (struct fi_pagemap_file){ 0 };
	return 0;
}
