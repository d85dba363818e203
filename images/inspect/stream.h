/* images/inspect/stream.h - letting the bytes of the pages files pass by, wherever they are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_STREAM_H
#define FI_INSPECT_STREAM_H

#include "images/inspect/checkpoint.h"

#define FI_STREAM_BLOCK ((size_t)1024 * 1024)

/* @file is an index for fi_checkpoint_pages_file; @off is a multiple of FI_STREAM_BLOCK and the
 * block as long, unless it is the last of its file. */
struct fi_stream {
	bool (*wants)(size_t file, void *arg); /* NULL: all */
	/* Not 0: the stream ends, and fi_stream_pages returns it. */
	int (*block)(size_t file, uint64_t off, const uint8_t *data, size_t len, void *arg);
	void *arg;

	/* More than 1: blocks of a directory come from so many threads at once, in any order.  Else,
	 * and from an archive, those of a file come one by one, ascending. */
	unsigned threads;

	/* How far it is, from one thread, now and then; NULL: nobody asks. */
	void (*progress)(uint64_t done, uint64_t all, void *arg);
	void *progress_arg;
};

/* Returns 0, what `block` returned, or a negative errno said in @err. */
int fi_stream_pages(const struct fi_checkpoint *cp, const struct fi_stream *stream,
		    struct fi_error *err);

/* Bytes in all pages files. */
uint64_t fi_stream_size(const struct fi_checkpoint *cp);

#endif
