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
#include "images/pagemap-file.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "images/parts.h"
#include "images/proto/pagemap.pb-c.h"

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

/* A varint of two to eight bytes, of which eight can be read: all at once, since addresses have seven. */
static inline bool read_long_varint(const uint8_t **at, uint64_t *ret)
{
	const uint64_t more = UINT64_C(0x8080808080808080);
	uint64_t v, last;

	memcpy(&v, *at, sizeof(v));
	v = le64toh(v);
	last = ~v & more;
	if (last == 0)
		return false;
	last &= -last; /* of the first byte that no other follows */
	*at += (__builtin_ctzll(last) >> 3) + 1;
	v &= (last - 1) & ~more;
	/* Seven bits of each byte become 14 of each two, 28 of each four, and 56. */
	v = (v & UINT64_C(0x007f007f007f007f)) | (v & UINT64_C(0x7f007f007f007f00)) >> 1;
	v = (v & UINT64_C(0x00003fff00003fff)) | (v & UINT64_C(0x3fff00003fff0000)) >> 2;
	*ret = (v & UINT64_C(0x000000000fffffff)) | (v & UINT64_C(0x0fffffff00000000)) >> 4;
	return true;
}

static inline bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	if (*at < end && !(**at & 0x80)) {
		*ret = *(*at)++;
		return true;
	}
	if (end - *at >= 8)
		return read_long_varint(at, ret);
	for (unsigned shift = 0; *at < end; shift += 7) {
		const uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* A field of a varint, if that is what comes next. */
static inline bool read_field(unsigned number, const uint8_t **at, const uint8_t *end,
			      uint64_t *ret)
{
	if (*at == end || **at != number << 3)
		return false;
	++*at;
	return read_varint(at, end, ret);
}

/* An entry whose flags are not to be refused. */
static inline bool are_plain(uint64_t flags)
{
	const unsigned plain = 1U << 0 | 1U << FI_PE_PRESENT | 1U << (FI_PE_PRESENT | FI_PE_LAZY) |
			       1U << FI_PE_PARENT | 1U << (FI_PE_PARENT | FI_PE_LAZY);

	return flags <= KNOWN_FLAGS && (plain >> flags & 1);
}

/* Where memory is in pieces there are millions of entries, and to have each unpacked takes longer than
 * all else that is done with them.  So those that look as CRIU writes them since it writes flags, and
 * with which nothing is wrong, are read here; false: whatever else it is. */
static bool read_plain(const uint8_t *at, size_t len, uint64_t least, struct fi_pagemap_entry *ret)
{
	const uint8_t *const end = at + len;
	uint64_t addr, nr, flags;

	if (!read_field(1, &at, end, &addr) || !read_field(2, &at, end, &nr) ||
	    !read_field(4, &at, end, &flags))
		return false;
	if (nr > UINT32_MAX || (nr == 0 && !read_field(5, &at, end, &nr)))
		return false;
	if (at != end || nr == 0 || !are_plain(flags) || addr & (FI_PAGE_SIZE - 1) ||
	    addr < least || nr >= (UINT64_MAX - addr) >> FI_PAGE_SHIFT)
		return false;
	ret->addr = addr;
	ret->end = addr + (nr << FI_PAGE_SHIFT);
	ret->flags = (uint32_t)flags;
	return true;
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

/* What is not plain, or not valid. */
static int read_packed(struct fi_pagemap_file *file, const uint8_t *packed, size_t len,
		       struct fi_pagemap_entry *ret, struct fi_error *err)
{
	const void *msg;
	int r = fi_records_unpack(&file->rd, &fi__pb__pagemap_entry__descriptor, packed, len, &msg,
				  err);

	return r < 0 ? r : read_entry(&file->rd, msg, file->end, ret, err);
}

int fi_pagemap_file_next(struct fi_pagemap_file *file, struct fi_pagemap_entry *ret,
			 struct fi_error *err)
{
	const uint8_t *packed;
	size_t len;
	int r = fi_records_next_packed(&file->rd, FI_PAGEMAP_RECORD_MAX, &packed, &len, err);

	if (r <= 0)
		return r;
	if (!read_plain(packed, len, file->end, ret)) {
		r = read_packed(file, packed, len, ret, err);
		if (r < 0)
			return r;
	}
	ret->file_off = file->size;
	if (ret->flags & FI_PE_PRESENT)
		file->size += ret->end - ret->addr;
	file->end = ret->end;
	file->nr++;
	return 1;
}

int fi_pagemap_file_rest(struct fi_pagemap_file *file, struct fi_error *err)
{
	struct fi_pagemap_entry entry;
	int r;

	do
		r = fi_pagemap_file_next(file, &entry, err);
	while (r > 0);
	return r;
}

int fi_pagemap_file_open(struct fi_pagemap_file *file, const struct fi_image_dir *dir,
			 const char *name, struct fi_error *err)
{
	const Fi__Pb__PagemapHead *head;
	const void *msg;
	int r;

	file->nr = file->size = file->end = 0;
	r = fi_records_open(&file->rd, dir, name, FI_PAGEMAP_MAGIC, err);
	if (r < 0)
		return r;
	r = fi_records_next(&file->rd, &fi__pb__pagemap_head__descriptor, FI_PAGEMAP_RECORD_MAX,
			    &msg, err);
	if (r < 0)
		return r;
	if (r == 0)
		return fi_error_set(err, -EBADMSG, "'%s' is truncated: it has no head",
				    file->rd.name);
	head = msg;
	file->pages_id = head->pages_id;
	return refuse_unknown(&file->rd, &head->base, err);
}

void fi_pagemap_file_close(struct fi_pagemap_file *file)
{
	fi_records_close(&file->rd);
}
