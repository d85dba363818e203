/* images/record.c - see record.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file is read forward through a window that grows to its largest record, not mapped: a file
 * that shrinks meanwhile is then an error instead of a SIGBUS.  A file that is in memory already is
 * the window itself.
 *
 * Messages are built in an arena.  A pagemap can have a million records, each of a few small
 * allocations; and protobuf-c answers NULL both for "malformed" and for "no memory", which only the
 * allocator can tell apart.
 *
 * Not here: what the messages mean.
 */
#include "images/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WINDOW	       (64 * 1024)
#define ARENA_BLOCK    4096
#define ARENA_ALIGN(n) (((n) + 15) & ~(size_t)15)

struct fi_arena_block {
	struct fi_arena_block *next;
	size_t size;
	_Alignas(16) uint8_t data[];
};

static void *arena_alloc(void *data, size_t size)
{
	struct fi_records *rd = data;
	struct fi_arena_block *block = rd->blocks;
	size_t room;

	if (size > SIZE_MAX / 4)
		goto fail;

	size = ARENA_ALIGN(size);
	if (!block || block->size - rd->block_used < size) {
		room = block ? block->size * 2 : ARENA_BLOCK;
		if (room < size)
			room = size;
		block = malloc(sizeof(*block) + room);
		if (!block)
			goto fail;
		block->next = rd->blocks;
		block->size = room;
		rd->blocks = block;
		rd->block_used = 0;
	}
	rd->block_used += size;
	return block->data + rd->block_used - size;

fail:
	rd->out_of_memory = true;
	return NULL;
}

/* Memory comes back when the arena is reset. */
static void arena_free(void *data, void *ptr)
{
	(void)data;
	(void)ptr;
}

/* Forgets all messages; keeps the newest block, which is the largest, for the next ones. */
static void arena_reset(struct fi_records *rd)
{
	struct fi_arena_block *block, *next;

	if (!rd->blocks)
		return;

	for (block = rd->blocks->next; block; block = next) {
		next = block->next;
		free(block);
	}
	rd->blocks->next = NULL;
	rd->block_used = 0;
}

void fi_records_close(struct fi_records *rd)
{
	fi_close(&rd->fd);
	if (!rd->borrowed)
		free(rd->buf);
	rd->buf = NULL;
	arena_reset(rd);
	free(rd->blocks);
	rd->blocks = NULL;
}

int fi_records_error(const struct fi_records *rd, struct fi_error *err, int code, const char *fmt,
		     ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return fi_error_set(err, code, "'%s' record %" PRIu64 " at byte %" PRIu64 ": %s", rd->name,
			    rd->nr, rd->start, what);
}

/* Makes the next @len bytes of the file, which are there by its size, stand at buf + buf_pos. */
static int window_fill(struct fi_records *rd, size_t len, struct fi_error *err)
{
	size_t have = rd->buf_len - rd->buf_pos;
	ssize_t got;
	void *buf;

	if (have >= len)
		return 0;

	if (have)
		memmove(rd->buf, rd->buf + rd->buf_pos, have);
	rd->buf_pos = 0;
	rd->buf_len = have;
	if (rd->buf_size < len || !rd->buf) {
		size_t size = len > WINDOW ? len : WINDOW;

		buf = realloc(rd->buf, size);
		if (!buf)
			return fi_error_set(err, -ENOMEM, "'%s': no memory for %zu bytes", rd->name,
					    size);
		rd->buf = buf;
		rd->buf_size = size;
	}

	while (rd->buf_len < len) {
		got = read(rd->fd, rd->buf + rd->buf_len, rd->buf_size - rd->buf_len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fi_error_set(err, -errno, "cannot read '%s'", rd->name);
		if (got == 0)
			return fi_error_set(err, -EBADMSG, "'%s' shrank while it was read",
					    rd->name);
		rd->buf_len += (size_t)got;
	}
	return 0;
}

/* Takes a u32 off the window, which window_fill has filled. */
static uint32_t window_u32(struct fi_records *rd)
{
	uint32_t value;

	memcpy(&value, rd->buf + rd->buf_pos, sizeof(value));
	rd->buf_pos += sizeof(value);
	return value;
}

static int check_magic(struct fi_records *rd, uint32_t first, uint32_t magic, struct fi_error *err)
{
	uint64_t len = first ? 8 : 4;
	uint8_t head[4] = { 0 };
	const char *packed;
	uint32_t found;
	int r;

	r = window_fill(rd, rd->size < len ? (size_t)rd->size : (size_t)len, err);
	if (r < 0)
		return r;

	if (rd->size >= sizeof(head)) {
		memcpy(head, rd->buf + rd->buf_pos, sizeof(head));
		packed = fi_compression_name(head);
		if (packed)
			return fi_error_set(err, -EPROTONOSUPPORT,
					    "'%s' is compressed (%s), which is not supported",
					    rd->name, packed);
	}
	if (rd->size < len)
		return fi_error_set(err, -EBADMSG,
				    "'%s' is truncated: %" PRIu64 " bytes, no room for its magic",
				    rd->name, rd->size);

	if (first) {
		found = window_u32(rd);
		if (found != first)
			return fi_error_set(err, -EBADMSG,
					    "'%s' is not a CRIU image: magic %#" PRIx32
					    " instead of %#" PRIx32,
					    rd->name, found, first);
	}
	found = window_u32(rd);
	if (found != magic)
		return fi_error_set(err, -EBADMSG,
				    "'%s' is of another kind: magic %#" PRIx32
				    " instead of %#" PRIx32,
				    rd->name, found, magic);
	rd->next = len;
	return 0;
}

int fi_records_open_as(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
		       uint32_t first, uint32_t magic, struct fi_error *err)
{
	struct fi_image_file file;
	int r;

	*rd = (struct fi_records){
		.fd = -EBADF,
		.allocator = { .alloc = arena_alloc, .free = arena_free, .allocator_data = rd },
	};
	fi_image_file_name(dir, name, rd->name);
	r = fi_image_file_open(dir, name, &file, err);
	if (r < 0)
		return r;
	rd->fd = file.fd;
	rd->size = file.size;
	if (file.fd < 0) {
		if (!file.data)
			return fi_error_set(err, -EFBIG,
					    "'%s' is too large to be read in an archive", rd->name);
		rd->buf = (uint8_t *)file.data;
		rd->buf_len = (size_t)file.size;
		rd->borrowed = true;
	}
	return check_magic(rd, first, magic, err);
}

int fi_records_open(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
		    uint32_t magic, struct fi_error *err)
{
	return fi_records_open_as(rd, dir, name, dir->common_magic ? FI_COMMON_MAGIC : 0, magic,
				  err);
}

/* As fi_records_next_packed, for what is not in the window as a whole, or not in order. */
static int next_far(struct fi_records *rd, size_t max, const uint8_t **ret, size_t *ret_len,
		    struct fi_error *err)
{
	uint64_t left = rd->size - rd->next;
	uint32_t len;
	int r;

	if (left == 0)
		return 0;

	rd->nr++;
	rd->start = rd->next;
	if (left < sizeof(len))
		return fi_records_error(rd, err, -EBADMSG, "truncated: %" PRIu64 " bytes left",
					left);
	r = window_fill(rd, sizeof(len), err);
	if (r < 0)
		return r;
	len = window_u32(rd);
	left -= sizeof(len);
	if (len > left)
		return fi_records_error(rd, err, -EBADMSG,
					"truncated: %" PRIu32 " bytes wanted, %" PRIu64 " left",
					len, left);
	if (len > max)
		return fi_records_error(rd, err, -EBADMSG,
					"%" PRIu32 " bytes, more than the %zu of any real one", len,
					max);
	r = window_fill(rd, len, err);
	if (r < 0)
		return r;

	*ret = rd->buf + rd->buf_pos;
	*ret_len = len;
	rd->buf_pos += len;
	rd->next += sizeof(len) + len;
	return 1;
}

int fi_records_next_packed(struct fi_records *rd, size_t max, const uint8_t **ret, size_t *ret_len,
			   struct fi_error *err)
{
	const uint64_t have = rd->buf_len - rd->buf_pos, left = rd->size - rd->next;
	uint32_t len;

	if (have < sizeof(len) || left < sizeof(len))
		return next_far(rd, max, ret, ret_len, err);
	memcpy(&len, rd->buf + rd->buf_pos, sizeof(len));
	if (len > max || len > have - sizeof(len) || len > left - sizeof(len))
		return next_far(rd, max, ret, ret_len, err);
	rd->nr++;
	rd->start = rd->next;
	*ret = rd->buf + rd->buf_pos + sizeof(len);
	*ret_len = len;
	rd->buf_pos += sizeof(len) + len;
	rd->next += sizeof(len) + len;
	return 1;
}

int fi_records_unpack(struct fi_records *rd, const ProtobufCMessageDescriptor *type,
		      const uint8_t *packed, size_t len, const void **ret, struct fi_error *err)
{
	const ProtobufCMessage *msg;

	arena_reset(rd);
	msg = protobuf_c_message_unpack(type, &rd->allocator, len, packed);
	if (!msg && rd->out_of_memory)
		return fi_records_error(rd, err, -ENOMEM, "no memory");
	if (!msg)
		return fi_records_error(rd, err, -EBADMSG, "not a valid %s", type->short_name);
	*ret = msg;
	return 0;
}

int fi_records_next(struct fi_records *rd, const ProtobufCMessageDescriptor *type, size_t max,
		    const void **ret, struct fi_error *err)
{
	const uint8_t *packed;
	size_t len;
	int r = fi_records_next_packed(rd, max, &packed, &len, err);

	if (r <= 0)
		return r;
	r = fi_records_unpack(rd, type, packed, len, ret, err);
	return r < 0 ? r : 1;
}

int fi_records_skip(struct fi_records *rd, uint64_t len, struct fi_error *err)
{
	const uint64_t left = rd->size - rd->next;

	if (len > left)
		return fi_records_error(rd, err, -EBADMSG,
					"truncated: %" PRIu64 " bytes follow, %" PRIu64 " left",
					len, left);
	rd->next += len;
	if (len <= rd->buf_len - rd->buf_pos) {
		rd->buf_pos += (size_t)len;
		return 0;
	}
	rd->buf_pos = rd->buf_len = 0;
	if (lseek(rd->fd, (off_t)rd->next, SEEK_SET) < 0)
		return fi_error_set(err, -errno, "cannot seek in '%s'", rd->name);
	return 0;
}

int fi_records_read_only(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
			 uint32_t magic, const ProtobufCMessageDescriptor *type, size_t max,
			 const void **ret, struct fi_error *err)
{
	int r;

	r = fi_records_open(rd, dir, name, magic, err);
	if (r < 0)
		return r;
	r = fi_records_next(rd, type, max, ret, err);
	if (r < 0)
		return r;
	if (r == 0)
		return fi_error_set(err, -EBADMSG, "'%s' is truncated: it holds no record",
				    rd->name);
	if (rd->next != rd->size)
		return fi_records_error(rd, err, -EBADMSG,
					"%" PRIu64 " bytes follow what should be the only record",
					rd->size - rd->next);
	return 0;
}
