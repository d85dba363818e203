/* images/inspect/stream.c - see stream.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Files are read, not mapped: one that is cut meanwhile is then an error and no SIGBUS.
 */
#include "images/inspect/stream.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

uint64_t fi_stream_size(const struct fi_checkpoint *cp)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < fi_checkpoint_nr_pages_files(cp); i++)
		size += fi_checkpoint_pages_file(cp, i)->size;
	return size;
}

/* --- of a directory ----------------------------------------------------------------------------- */

struct pool {
	const struct fi_checkpoint *cp;
	const struct fi_stream *stream;
	pthread_mutex_t lock; /* what follows */
	size_t file;
	uint64_t off;
	uint64_t done, all;
	int result;
	struct fi_error err;
};

/* Takes the next block; its length, or 0 at the end. */
static size_t take(struct pool *pool, size_t *file, uint64_t *off)
{
	size_t nr = fi_checkpoint_nr_pages_files(pool->cp), len = 0;
	uint64_t left;

	(void)pthread_mutex_lock(&pool->lock);
	while (pool->result == 0 && pool->file < nr) {
		left = fi_checkpoint_pages_file(pool->cp, pool->file)->size - pool->off;
		if (left == 0 || (pool->off == 0 && pool->stream->wants &&
				  !pool->stream->wants(pool->file, pool->stream->arg))) {
			pool->file++;
			pool->off = 0;
			continue;
		}
		len = left < FI_STREAM_BLOCK ? (size_t)left : FI_STREAM_BLOCK;
		*file = pool->file;
		*off = pool->off;
		pool->off += len;
		break;
	}
	(void)pthread_mutex_unlock(&pool->lock);
	return len;
}

static void finish(struct pool *pool, size_t len, int result, const struct fi_error *err)
{
	(void)pthread_mutex_lock(&pool->lock);
	pool->done += len;
	if (result != 0 && pool->result == 0) {
		pool->result = result;
		pool->err = *err;
	}
	if (pool->stream->progress)
		pool->stream->progress(pool->done, pool->all, pool->stream->progress_arg);
	(void)pthread_mutex_unlock(&pool->lock);
}

static int read_block(const struct fi_pages_file *file, uint64_t off, uint8_t *buf, size_t len,
		      struct fi_error *err)
{
	size_t have = 0;
	ssize_t got;

	while (have < len) {
		got = pread(file->fd, buf + have, len - have, (off_t)(off + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fi_error_set(err, got < 0 ? -errno : -EBADMSG,
					    got < 0 ? "cannot read '%s'" : "'%s' was cut",
					    file->name);
		have += (size_t)got;
	}
	return 0;
}

static void *work(void *arg)
{
	fi_auto_free uint8_t *buf = malloc(FI_STREAM_BLOCK);
	struct fi_error err = { "" };
	struct pool *pool = arg;
	uint64_t off = 0;
	size_t file = 0, len;
	int r;

	if (!buf) {
		r = fi_error_set(&err, -ENOMEM, "no memory to read pages");
		finish(pool, 0, r, &err);
		return NULL;
	}
	while ((len = take(pool, &file, &off)) > 0) {
		r = read_block(fi_checkpoint_pages_file(pool->cp, file), off, buf, len, &err);
		if (r == 0)
			r = pool->stream->block(file, off, buf, len, pool->stream->arg);
		finish(pool, len, r, &err);
	}
	return NULL;
}

static int stream_directory(const struct fi_checkpoint *cp, const struct fi_stream *stream,
			    struct fi_error *err)
{
	struct pool pool = { .cp = cp, .stream = stream, .all = fi_stream_size(cp) };
	pthread_t threads[64];
	unsigned nr = 0, want = stream->threads > 1 ? stream->threads - 1 : 0;

	(void)pthread_mutex_init(&pool.lock, NULL);
	while (nr < want && nr < FI_ARRAY_SIZE(threads) &&
	       pthread_create(&threads[nr], NULL, work, &pool) == 0)
		nr++;
	(void)work(&pool);
	while (nr > 0)
		(void)pthread_join(threads[--nr], NULL);
	(void)pthread_mutex_destroy(&pool.lock);
	if (pool.result != 0 && err)
		*err = pool.err;
	return pool.result;
}

/* --- of an archive ------------------------------------------------------------------------------ */

struct passing {
	const struct fi_checkpoint *cp;
	const struct fi_stream *stream;
	uint64_t done, all;
	size_t file; /* of the entry that passes by */
};

/* Finds the pages file that the entry of the archive is. */
static bool is_wanted(const struct fi_packed_file *entry, void *arg)
{
	struct passing *passing = arg;
	const struct fi_pages_file *file;
	const char *base;
	size_t i, len;

	for (i = 0; i < fi_checkpoint_nr_pages_files(passing->cp); i++) {
		file = fi_checkpoint_pages_file(passing->cp, i);
		base = strrchr(file->name, '/');
		base = base ? base + 1 : file->name;
		len = strlen(passing->cp->chain.dirs[file->level].prefix);
		if (strncmp(entry->name, passing->cp->chain.dirs[file->level].prefix, len) != 0 ||
		    strcmp(entry->name + len, base) != 0)
			continue;
		passing->file = i;
		return !passing->stream->wants || passing->stream->wants(i, passing->stream->arg);
	}
	return false;
}

static int pass_block(const struct fi_packed_file *entry, uint64_t off, const uint8_t *data,
		      size_t len, void *arg)
{
	struct passing *passing = arg;

	passing->done += len;
	if (passing->stream->progress)
		passing->stream->progress(passing->done, passing->all,
					  passing->stream->progress_arg);
	return passing->stream->block(passing->file, off, data, len, passing->stream->arg);
}

int fi_stream_pages(const struct fi_checkpoint *cp, const struct fi_stream *stream,
		    struct fi_error *err)
{
	struct passing passing = { .cp = cp, .stream = stream, .all = fi_stream_size(cp) };
	const struct fi_archive_reader reader = { is_wanted, pass_block, &passing };

	if (!cp->archive)
		return stream_directory(cp, stream, err);
	return fi_archive_read(cp->archive, &reader, err);
}
