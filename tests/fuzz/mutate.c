/* tests/fuzz/mutate.c - changes to packs that leave them readable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Random changes to bytes seldom get behind a magic number and a record's size.  So a change is made
 * to one thing - a file, a record, a field of a protobuf message - and all sizes around it are
 * written anew.  What is built here lives in an arena that is forgotten at the next change; when it
 * is full, things are left as they are.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define DEPTH_MAX   6
#define FIELDS_MAX  512
#define RECORDS_MAX 512

struct bytes {
	const uint8_t *at;
	size_t len;
};

static uint8_t arena[1 << 20];
static size_t arena_used;
static unsigned seed;

static uint8_t *arena_take(size_t len)
{
	if (len > sizeof(arena) - arena_used)
		return NULL;
	arena_used += len;
	return arena + arena_used - len;
}

static unsigned below(unsigned n)
{
	return n ? (unsigned)rand_r(&seed) % n : 0;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

/* --- numbers ------------------------------------------------------------------------------------ */

/* Numbers met in this input: one that stands elsewhere is more telling than a random one. */
static uint64_t met[256];
static size_t nr_met;

static void meet(uint64_t value)
{
	if (nr_met < FI_ARRAY_SIZE(met))
		met[nr_met++] = value;
	else
		met[below(FI_ARRAY_SIZE(met))] = value;
}

static uint64_t other_number(uint64_t value)
{
	static const uint64_t telling[] = {
		0,
		1,
		2,
		3,
		4,
		5,
		6,
		7,
		0x7f,
		0x80,
		0xff,
		0x1000,
		0xffff,
		0x10000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0xfffffffffffff,
		0x7fffffffffffffff,
		0x8000000000000000,
		0xfffffffffffff000,
		0xffffffffffffffff,
	};

	switch (below(7)) {
	case 0:
		return telling[below(FI_ARRAY_SIZE(telling))];
	case 1:
		return nr_met ? met[below((unsigned)nr_met)] : value;
	case 2:
		return value + 1 + below(4);
	case 3:
		return value - 1 - below(4);
	case 4:
		return value + ((uint64_t)(below(16) + 1) << 12);
	case 5:
		return value - ((uint64_t)(below(16) + 1) << 12);
	default:
		return value ^ UINT64_C(1) << below(64);
	}
}

/* --- messages ----------------------------------------------------------------------------------- */

enum { VARINT = 0, FIXED64 = 1, TEXT = 2, FIXED32 = 5 };

struct field {
	uint32_t number;
	uint8_t type;
	uint64_t value;	   /* not of TEXT */
	struct bytes text; /* of TEXT */
};

static bool read_varint(struct bytes *from, uint64_t *ret)
{
	unsigned shift;

	*ret = 0;
	for (shift = 0; shift < 70 && from->len > 0; shift += 7) {
		uint8_t byte = *from->at++;

		from->len--;
		if (shift < 64)
			*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static bool read_fixed(struct bytes *from, size_t len, uint64_t *ret)
{
	*ret = 0;
	if (from->len < len)
		return false;
	memcpy(ret, from->at, len);
	from->at += len;
	from->len -= len;
	return true;
}

static bool read_field(struct bytes *from, struct field *ret)
{
	uint64_t tag, len;

	if (!read_varint(from, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return false;
	*ret = (struct field){ .number = (uint32_t)(tag >> 3), .type = tag & 7 };
	switch (ret->type) {
	case VARINT:
		return read_varint(from, &ret->value);
	case FIXED64:
		return read_fixed(from, 8, &ret->value);
	case FIXED32:
		return read_fixed(from, 4, &ret->value);
	case TEXT:
		if (!read_varint(from, &len) || len > from->len)
			return false;
		ret->text = (struct bytes){ from->at, (size_t)len };
		from->at += len;
		from->len -= (size_t)len;
		return true;
	default:
		return false;
	}
}

/* The fields of a message; 0 if it is none, or has none. */
static size_t read_message(struct bytes from, struct field fields[FIELDS_MAX])
{
	size_t nr = 0;

	while (from.len > 0 && nr < FIELDS_MAX)
		if (!read_field(&from, &fields[nr++]))
			return 0;
	return from.len ? 0 : nr;
}

static size_t write_varint(uint8_t *to, uint64_t value)
{
	size_t len = 0;

	for (; value > 0x7f; value >>= 7)
		to[len++] = (uint8_t)(value | 0x80);
	to[len++] = (uint8_t)value;
	return len;
}

static struct bytes write_message(const struct field *fields, size_t nr, struct bytes before)
{
	size_t room = 0, len = 0, i;
	uint8_t *to;

	for (i = 0; i < nr; i++)
		room += 20 + fields[i].text.len;
	to = arena_take(room);
	if (!to)
		return before;
	for (i = 0; i < nr; i++) {
		const struct field *field = &fields[i];

		len += write_varint(to + len, (uint64_t)field->number << 3 | field->type);
		if (field->type == VARINT) {
			len += write_varint(to + len, field->value);
		} else if (field->type == TEXT) {
			len += write_varint(to + len, field->text.len);
			if (field->text.len)
				memcpy(to + len, field->text.at, field->text.len);
			len += field->text.len;
		} else {
			memcpy(to + len, &field->value, field->type == FIXED64 ? 8 : 4);
			len += field->type == FIXED64 ? 8 : 4;
		}
	}
	return (struct bytes){ to, len };
}

/* libFuzzer's own changes, which know its dictionary and what comparisons wanted. */
static struct bytes mutate_bytes(struct bytes from)
{
	size_t room = from.len + 64;
	uint8_t *to = arena_take(room);

	if (!to)
		return from;
	if (from.len)
		memcpy(to, from.at, from.len);
	return (struct bytes){ to, LLVMFuzzerMutate(to, from.len, room) };
}

static struct bytes mutate_message(struct bytes from, unsigned depth);

static void mutate_field(struct field *field, unsigned depth)
{
	struct field inner[FIELDS_MAX];

	if (one_in(16))
		field->number = 1 + below(48);
	else if (field->type != TEXT)
		field->value = other_number(field->value);
	else if (depth < DEPTH_MAX && read_message(field->text, inner) > 0 && !one_in(8))
		field->text = mutate_message(field->text, depth + 1);
	else
		field->text = mutate_bytes(field->text);
}

static struct field new_field(void)
{
	static const uint8_t types[] = { VARINT, VARINT, TEXT, FIXED32, FIXED64 };

	return (struct field){ .number = 1 + below(24),
			       .type = types[below(FI_ARRAY_SIZE(types))],
			       .value = other_number(0) };
}

static struct bytes mutate_message(struct bytes from, unsigned depth)
{
	struct field fields[FIELDS_MAX];
	size_t nr = read_message(from, fields), i, k;

	if (from.len > 0 && nr == 0)
		return mutate_bytes(from);
	for (i = 0; i < nr; i++)
		if (fields[i].type == VARINT)
			meet(fields[i].value);
	i = below((unsigned)nr);
	k = below((unsigned)nr);
	switch (nr == 0 ? 0 : below(16)) {
	case 0:
		if (nr < FIELDS_MAX)
			fields[nr++] = new_field();
		break;
	case 1:
		fields[i] = fields[--nr];
		break;
	case 2:
		if (nr < FIELDS_MAX)
			fields[nr++] = fields[i];
		break;
	case 3:
		fields[i] = fields[k];
		break;
	default:
		mutate_field(&fields[i], depth);
		break;
	}
	return write_message(fields, nr, from);
}

/* --- records ------------------------------------------------------------------------------------ */

struct records {
	struct bytes head; /* magic numbers */
	struct bytes record[RECORDS_MAX];
	size_t nr;
	struct bytes rest; /* what is none */
};

static void read_records(struct bytes from, struct records *ret)
{
	uint32_t word = 0, len;
	size_t head;

	if (from.len >= 4)
		memcpy(&word, from.at, 4);
	head = word == 0x54564319 || word == 0x55105940 ? 8 : 4;
	head = head < from.len ? head : from.len;
	ret->head = (struct bytes){ from.at, head };
	ret->nr = 0;
	from.at += head;
	from.len -= head;
	while (from.len >= 4 && ret->nr < RECORDS_MAX) {
		memcpy(&len, from.at, 4);
		if (len > from.len - 4)
			break;
		ret->record[ret->nr++] = (struct bytes){ from.at + 4, len };
		from.at += 4 + len;
		from.len -= 4 + len;
	}
	ret->rest = from;
}

static struct bytes write_records(const struct records *records, struct bytes before)
{
	size_t room = records->head.len + records->rest.len, at = 0, i;
	uint8_t *to;

	for (i = 0; i < records->nr; i++)
		room += 4 + records->record[i].len;
	to = arena_take(room);
	if (!to)
		return before;
	if (records->head.len)
		memcpy(to, records->head.at, records->head.len);
	at += records->head.len;
	for (i = 0; i < records->nr; i++) {
		uint32_t len = (uint32_t)records->record[i].len;

		memcpy(to + at, &len, 4);
		if (len)
			memcpy(to + at + 4, records->record[i].at, len);
		at += 4 + len;
	}
	if (records->rest.len)
		memcpy(to + at, records->rest.at, records->rest.len);
	return (struct bytes){ to, at + records->rest.len };
}

static struct bytes mutate_records(struct bytes from)
{
	static struct records records;
	struct bytes record;
	size_t i, k;

	read_records(from, &records);
	i = below((unsigned)records.nr);
	k = below((unsigned)records.nr);
	switch (records.nr == 0 ? 0 : below(24)) {
	case 0:
		if (records.nr < RECORDS_MAX)
			records.record[records.nr++] = (struct bytes){ from.at, 0 };
		break;
	case 1:
		memmove(&records.record[i], &records.record[i + 1],
			(records.nr - i - 1) * sizeof(record));
		records.nr--;
		break;
	case 2:
		if (records.nr < RECORDS_MAX)
			records.record[records.nr++] = records.record[i];
		break;
	case 3:
		record = records.record[i];
		records.record[i] = records.record[k];
		records.record[k] = record;
		break;
	case 4:
		records.record[i] = mutate_bytes(records.record[i]);
		break;
	default:
		records.record[i] = mutate_message(records.record[i], 0);
		break;
	}
	return write_records(&records, from);
}

/* --- files -------------------------------------------------------------------------------------- */

static void rename_file(struct pack_file *file)
{
	static const char *const names[] = {
		"inventory.img",
		"pstree.img",
		"core-10.img",
		"core-11.img",
		"core-12.img",
		"core-110.img",
		"mm-10.img",
		"mm-12.img",
		"pagemap-10.img",
		"pagemap-12.img",
		"pages-1.img",
		"pages-2.img",
		"pages-3.img",
		"ids-10.img",
		"ids-12.img",
		"fs-10.img",
		"files.img",
		"fdinfo-1.img",
		"memfd.img",
		"remap-fpath.img",
		"pagemap-shmem-9.img",
		"pagemap-shmem-1.img",
		"pipes-data.img",
		"fifo-data.img",
		"sk-queues.img",
		"tcp-stream-5.img",
		"bpfmap-data.img",
		"ghost-file-1.img",
		"tty-info.img",
		"tty-data.img",
		"mountpoints-5.img",
		"utsns-6.img",
		"netdev-7.img",
		"stats-dump",
		"dump.log",
		"config.dump",
		"spec.dump",
		"parent",
		"previous/parent",
		"previous/pages-1.img",
		"previous/inventory.img",
		"previous/pagemap-10.img",
		"older/pages-1.img",
		"older/inventory.img",
		"older/pagemap-10.img",
		"older/parent",
	};

	(void)snprintf(file->name, sizeof(file->name), "%s", names[below(FI_ARRAY_SIZE(names))]);
}

static void mutate_file(struct pack_file *file)
{
	struct bytes data = { file->data, file->len };

	if (file->kind == 'F' && !one_in(16))
		data = mutate_records(data);
	else
		data = mutate_bytes(data);
	if (file->kind == 'P' && one_in(4))
		file->size = (uint32_t)other_number(file->size);
	file->data = data.at;
	file->len = data.len;
	if (file->kind != 'P' || file->size < file->len)
		file->size = (uint32_t)file->len;
}

static void mutate_pack(struct pack *pack)
{
	struct pack_file file;
	size_t i = below((unsigned)pack->nr);

	switch (pack->nr == 0 ? 0 : below(32)) {
	case 0:
		pack->options ^= (uint8_t)(1 << below(8));
		break;
	case 1:
		pack->files[i] = pack->files[--pack->nr];
		break;
	case 2:
		if (pack->nr == PACK_FILES)
			break;
		file = pack->files[i];
		rename_file(&file);
		pack->files[pack->nr++] = file;
		break;
	case 3:
		rename_file(&pack->files[i]);
		break;
	case 4:
		pack->files[i].kind = "FPL"[below(3)];
		break;
	case 5: /* as it was in what is compared with */
		if (pack->nr == PACK_FILES || strlen(pack->files[i].name) > PACK_NAME - 2)
			break;
		file = pack->files[i];
		file.name[0] = '~';
		memcpy(file.name + 1, pack->files[i].name, PACK_NAME - 1);
		pack->files[pack->nr++] = file;
		mutate_file(&pack->files[pack->nr - 1]);
		break;
	default:
		mutate_file(&pack->files[i]);
		break;
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int with)
{
	static uint8_t before[1 << 20];
	static struct pack pack;
	unsigned i;

	seed = with;
	if (size > sizeof(before) || one_in(64))
		return LLVMFuzzerMutate(data, size, max);
	memcpy(before, data, size);
	arena_used = 0;
	nr_met = 0;
	pack_read(&pack, before, size);
	/* Numbers of other files are met, too. */
	for (i = 0; i < 4 && pack.nr > 0; i++) {
		const struct pack_file *file = &pack.files[below((unsigned)pack.nr)];

		if (file->kind == 'F')
			(void)mutate_records((struct bytes){ file->data, file->len });
	}
	for (i = 0; i == 0 || (i < 6 && one_in(2)); i++)
		mutate_pack(&pack);
	return pack_write(&pack, data, max);
}

/* Files of one, with some of the other in their place or beside them. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data, size_t size, const uint8_t *other,
				 size_t other_size, uint8_t *out, size_t max, unsigned int with)
{
	static struct pack ours, theirs;
	struct pack_file *file;
	size_t i;

	seed = with;
	pack_read(&ours, data, size);
	pack_read(&theirs, other, other_size);
	for (i = 0; i < theirs.nr; i++) {
		if (!one_in(3))
			continue;
		file = (struct pack_file *)pack_find(&ours, theirs.files[i].name);
		if (!file && ours.nr < PACK_FILES)
			file = &ours.files[ours.nr++];
		if (file)
			*file = theirs.files[i];
	}
	return pack_write(&ours, out, max);
}
