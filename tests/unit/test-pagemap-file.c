/* tests/unit/test-pagemap-file.c - entries of a pagemap, valid and not, against protobuf-c's reading of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What looks as CRIU writes it is not read by protobuf-c.  Here each entry is, and what an entry says and
 * whether it is refused must be what follows from that.  A failure names its seed.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "images/pagemap-file.h"
#include "images/parts.h"
#include "images/proto/pagemap.pb-c.h"

#define NR_SEEDS   50000
#define ENTRY_ROOM 64

struct entry {
	uint8_t bytes[ENTRY_ROOM];
	size_t len;
};

static unsigned pick(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

static uint64_t pick_number(unsigned *seed)
{
	uint64_t high = pick(seed, 1U << 16), middle = pick(seed, 1U << 24);

	return (high << 48 | middle << 24 | pick(seed, 1U << 24)) >> pick(seed, 64);
}

/* What the entry is to be when the one before it ended at @least: 1 and *@ret, or an error. */
static int expected(const struct entry *entry, uint64_t least, struct fi_pagemap_entry *ret)
{
	Fi__Pb__PagemapEntry *msg = fi__pb__pagemap_entry__unpack(NULL, entry->len, entry->bytes);
	uint64_t nr, addr;
	uint32_t flags;
	int r = 1;

	if (!msg)
		return -EBADMSG;
	nr = msg->has_nr_pages_64 ? msg->nr_pages_64 : msg->nr_pages_32;
	addr = msg->vaddr;
	flags = msg->has_flags ? msg->flags : 0;
	if (msg->has_in_parent && msg->in_parent)
		flags |= FI_PE_PARENT;
	else if (!msg->has_flags)
		flags = FI_PE_PRESENT;

	if (msg->base.n_unknown_fields > 0 || flags > 7)
		r = -EPROTONOSUPPORT;
	else if ((flags & (FI_PE_PRESENT | FI_PE_PARENT)) == (FI_PE_PRESENT | FI_PE_PARENT))
		r = -EBADMSG;
	else if (flags == FI_PE_LAZY)
		r = -EPROTONOSUPPORT;
	else if ((msg->has_nr_pages_64 && msg->nr_pages_32 && msg->nr_pages_32 != (uint32_t)nr) ||
		 nr == 0)
		r = -EBADMSG;
	else if (addr % FI_PAGE_SIZE || nr >= (UINT64_MAX - addr) / FI_PAGE_SIZE || addr < least)
		r = -EBADMSG;
	*ret = (struct fi_pagemap_entry){ .addr = addr,
					  .end = addr + nr * FI_PAGE_SIZE,
					  .flags = flags };
	fi__pb__pagemap_entry__free_unpacked(msg, NULL);
	return r;
}

static void put(uint8_t **at, const void *data, size_t len)
{
	memcpy(*at, data, len);
	*at += len;
}

static void put_word(uint8_t **at, uint32_t word)
{
	put(at, &word, sizeof(word));
}

/* A file of a head and two entries, of which the first ends at @least, is read. */
static void check(const struct entry *entry, uint64_t least, unsigned seed)
{
	static const uint8_t head[] = { 0x08, 0x01 };
	uint8_t data[256], before[ENTRY_ROOM], *at = data;
	Fi__Pb__PagemapEntry first = FI__PB__PAGEMAP_ENTRY__INIT;
	struct fi_packed_file file = { .name = "pagemap-1.img", .data = data };
	const struct fi_packed packed = { .files = &file, .nr = 1 };
	const struct fi_image_dir dir = { .fd = -EBADF, .packed = &packed, .common_magic = true };
	fi_auto_pagemap_file struct fi_pagemap_file pagemap;
	struct fi_pagemap_entry wanted = { 0 }, found;
	struct fi_error err = { "" };
	int r, want = expected(entry, least, &wanted);
	size_t len;

	first.vaddr = least - FI_PAGE_SIZE;
	first.nr_pages_32 = 1;
	len = fi__pb__pagemap_entry__pack(&first, before);
	put_word(&at, FI_COMMON_MAGIC);
	put_word(&at, FI_PAGEMAP_MAGIC);
	put_word(&at, sizeof(head));
	put(&at, head, sizeof(head));
	put_word(&at, (uint32_t)len);
	put(&at, before, len);
	put_word(&at, (uint32_t)entry->len);
	put(&at, entry->bytes, entry->len);
	file.size = (uint64_t)(at - data);

	assert_int_equal(fi_pagemap_file_open(&pagemap, &dir, file.name, &err), 0);
	assert_int_equal(fi_pagemap_file_next(&pagemap, &found, &err), 1);
	r = fi_pagemap_file_next(&pagemap, &found, &err);
	if (r != want)
		fail_msg("seed %u: %d instead of %d: %s", seed, r, want, err.text);
	if (r < 0) {
		assert_non_null(strstr(err.text, "'pagemap-1.img' record 3 at byte"));
		return;
	}
	if (found.addr != wanted.addr || found.end != wanted.end || found.flags != wanted.flags)
		fail_msg("seed %u: %#" PRIx64 "-%#" PRIx64 " instead of %#" PRIx64 "-%#" PRIx64,
			 seed, found.addr, found.end, wanted.addr, wanted.end);
	assert_int_equal(found.file_off, FI_PAGE_SIZE); /* the first one's */
	assert_int_equal(pagemap.nr, 2);
	assert_int_equal(pagemap.end, found.end);
	assert_int_equal(pagemap.size,
			 FI_PAGE_SIZE + (found.flags & FI_PE_PRESENT ? found.end - found.addr : 0));
	assert_int_equal(fi_pagemap_file_next(&pagemap, &found, &err), 0);
}

/* As one of the generations of CRIU writes it, mostly. */
static struct entry write_entry(unsigned *seed, uint64_t least)
{
	static const uint32_t flags[] = { 0, 1, 3, 4, 6 };
	Fi__Pb__PagemapEntry msg = FI__PB__PAGEMAP_ENTRY__INIT;
	struct entry entry = { .len = 0 };
	uint64_t nr = pick_number(seed) >> 40;

	msg.vaddr = least + (pick(seed, 2) ? pick_number(seed) : pick(seed, 1U << 20)) *
				    (pick(seed, 16) ? FI_PAGE_SIZE : 1);
	if (pick(seed, 32) == 0)
		nr = pick_number(seed);
	if (pick(seed, 3)) {
		msg.has_nr_pages_64 = 1;
		msg.nr_pages_64 = nr;
	}
	if (!msg.has_nr_pages_64 || pick(seed, 16) == 0)
		msg.nr_pages_32 = (uint32_t)nr;
	if (pick(seed, 8)) {
		msg.has_flags = 1;
		msg.flags = pick(seed, 16) ? flags[pick(seed, 5)] : (uint32_t)pick_number(seed);
	}
	if (pick(seed, 8) == 0) {
		msg.has_in_parent = 1;
		msg.in_parent = pick(seed, 2) != 0;
	}
	entry.len = fi__pb__pagemap_entry__pack(&msg, entry.bytes);
	return entry;
}

/* Bytes changed, cut off, doubled, appended, or fields in another order. */
static void spoil(struct entry *entry, unsigned *seed)
{
	uint8_t turned[ENTRY_ROOM];
	size_t at = pick(seed, (unsigned)entry->len);

	switch (pick(seed, 6)) {
	case 0:
		entry->bytes[at] ^= (uint8_t)(1U << pick(seed, 8));
		break;
	case 1:
		entry->bytes[at] = (uint8_t)pick(seed, 256);
		break;
	case 2:
		entry->len = at;
		break;
	case 3: /* of more bytes than it needs */
		memmove(entry->bytes + at + 1, entry->bytes + at, entry->len - at);
		entry->len++;
		entry->bytes[at] |= 0x80;
		break;
	case 4:
		entry->bytes[entry->len++] = (uint8_t)(8 * pick(seed, 8) + pick(seed, 2));
		entry->bytes[entry->len++] = (uint8_t)pick(seed, 256);
		break;
	default:
		memcpy(turned, entry->bytes + at, entry->len - at);
		memcpy(turned + entry->len - at, entry->bytes, at);
		memcpy(entry->bytes, turned, entry->len);
		break;
	}
}

static void test_as_written(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NR_SEEDS; i++) {
		unsigned seed = i;
		uint64_t least = FI_PAGE_SIZE * (1 + (pick_number(&seed) >> 20));
		struct entry entry = write_entry(&seed, least);

		check(&entry, least, i);
	}
}

static void test_spoilt(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NR_SEEDS; i++) {
		unsigned seed = i;
		uint64_t least = FI_PAGE_SIZE * (1 + (pick_number(&seed) >> 20));
		struct entry entry = write_entry(&seed, least);

		for (unsigned times = 1 + pick(&seed, 3); times > 0 && entry.len > 0; times--)
			spoil(&entry, &seed);
		check(&entry, pick(&seed, 8) ? FI_PAGE_SIZE : least, i);
	}
}

/* Each length of an address and of a count, at the end of the file and not. */
static void test_lengths(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 64; bits++) {
		Fi__Pb__PagemapEntry msg = FI__PB__PAGEMAP_ENTRY__INIT;
		struct entry entry;

		msg.vaddr = UINT64_C(1) << bits;
		msg.has_flags = 1;
		msg.flags = FI_PE_PRESENT;
		msg.nr_pages_32 = 1;
		entry.len = fi__pb__pagemap_entry__pack(&msg, entry.bytes);
		check(&entry, FI_PAGE_SIZE, bits);
		msg.vaddr = FI_PAGE_SIZE;
		msg.nr_pages_32 = 0;
		msg.has_nr_pages_64 = 1;
		msg.nr_pages_64 = UINT64_C(1) << bits;
		entry.len = fi__pb__pagemap_entry__pack(&msg, entry.bytes);
		check(&entry, FI_PAGE_SIZE, bits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_written),
		cmocka_unit_test(test_spoilt),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
