/* images/record.h - reading a CRIU image file: magic numbers, then records of u32 size + protobuf.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Internal to images/.  Numbers are in the byte order of the machine, as CRIU writes them.
 */
#ifndef FI_IMAGES_RECORD_H
#define FI_IMAGES_RECORD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/chain.h"

/* What files of an image begin with, where its inventory says so. */
#define FI_COMMON_MAGIC UINT32_C(0x54564319)

struct fi_arena_block;

struct fi_records {
	int fd;
	uint64_t size;	/* of the file, when it was opened */
	uint64_t start; /* where the current record begins */
	uint64_t next;	/* where the next one does */
	uint64_t nr;	/* number of the current record; the first is 1 */

	uint8_t *buf; /* what was read ahead: [buf_pos, buf_len) */
	size_t buf_size, buf_pos, buf_len;
	bool borrowed; /* buf is the whole file, and not ours */

	ProtobufCAllocator allocator; /* of messages; all are forgotten at the next record */
	struct fi_arena_block *blocks;
	size_t block_used;
	bool out_of_memory;

	char name[FI_FILE_NAME_MAX]; /* for errors */
};

/* Opens @name in @dir and checks its magic numbers.  inventory.img never has the common one.
 * Whether or not it succeeds, fi_records_close must follow. */
int fi_records_open(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
		    uint32_t magic, struct fi_error *err);

/* The same for a file whose first magic number is @first, in place of the common one; 0: none. */
int fi_records_open_as(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
		       uint32_t first, uint32_t magic, struct fi_error *err);

void fi_records_close(struct fi_records *rd);

#define fi_auto_records fi_cleanup(fi_records_close)

/* Reads the next record, of at most @max bytes, as a message of @type.
 *
 * Returns 1 and sets *@ret, which lives until the next call or fi_records_close; 0 at the end of
 * the file; -EBADMSG, -ENOMEM, or what read(2) gave. */
int fi_records_next(struct fi_records *rd, const ProtobufCMessageDescriptor *type, size_t max,
		    const void **ret, struct fi_error *err);

/* The same in two steps, for who can do without the second: the record's bytes, which live as long as a
 * message, and the message that they are (0 or an error). */
int fi_records_next_packed(struct fi_records *rd, size_t max, const uint8_t **ret, size_t *ret_len,
			   struct fi_error *err);
int fi_records_unpack(struct fi_records *rd, const ProtobufCMessageDescriptor *type,
		      const uint8_t *packed, size_t len, const void **ret, struct fi_error *err);

/* Passes over @len bytes that follow the current record and are none themselves.  Returns 0, or an
 * error: -EBADMSG when the file has fewer. */
int fi_records_skip(struct fi_records *rd, uint64_t len, struct fi_error *err);

/* Opens a file of exactly one record and reads it; @rd keeps it alive.  Returns 0 or an error. */
int fi_records_read_only(struct fi_records *rd, const struct fi_image_dir *dir, const char *name,
			 uint32_t magic, const ProtobufCMessageDescriptor *type, size_t max,
			 const void **ret, struct fi_error *err);

/* Says in @err what is wrong with the current record; returns @code. */
int fi_records_error(const struct fi_records *rd, struct fi_error *err, int code, const char *fmt,
		     ...) fi_printf(4, 5);

#endif
