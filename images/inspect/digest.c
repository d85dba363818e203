/* images/inspect/digest.c - see digest.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "images/inspect/digest.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "common/clock.h"
#include "images/inspect/stream.h"

#define STRETCH		 ((size_t)64 * 1024)
#define SAMPLE_STRETCHES 512 /* 32 MiB at most are compressed: some tens of milliseconds */
#define LEVEL		 1

struct making {
	struct fi_digests *digests;
	uint64_t step;	      /* one stretch of so many is compressed */
	pthread_mutex_t lock; /* the sample's sums */
};

static bool is_zero(const uint8_t *page)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return first == 0 && memcmp(page, page + 8, FI_PAGE_SIZE - 8) == 0;
}

/* Compresses what of a stretch is not zero. */
static int sample(struct making *making, const uint64_t *digests, const uint8_t *data, size_t len)
{
	uint8_t in[STRETCH], out[ZSTD_COMPRESSBOUND(STRETCH)];
	size_t have = 0, packed, i;

	for (i = 0; i < len >> FI_PAGE_SHIFT; i++)
		if (digests[i] != FI_DIGEST_ZERO) {
			memcpy(in + have, data + (i << FI_PAGE_SHIFT), FI_PAGE_SIZE);
			have += FI_PAGE_SIZE;
		}
	if (have == 0)
		return 0;
	packed = ZSTD_compress(out, sizeof(out), in, have, LEVEL);
	if (ZSTD_isError(packed))
		return -ENOMEM;
	(void)pthread_mutex_lock(&making->lock);
	making->digests->sample_in += have;
	making->digests->sample_out += packed < have ? packed : have;
	(void)pthread_mutex_unlock(&making->lock);
	return 0;
}

static int take_block(size_t file, uint64_t off, const uint8_t *data, size_t len, void *arg)
{
	struct making *making = arg;
	uint64_t *digests = making->digests->of_file[file] + (off >> FI_PAGE_SHIFT);
	size_t i, n;
	int r;

	for (i = 0; i < len >> FI_PAGE_SHIFT; i++) {
		const uint8_t *page = data + (i << FI_PAGE_SHIFT);
		uint64_t hash = is_zero(page) ? FI_DIGEST_ZERO : XXH3_64bits(page, FI_PAGE_SIZE);

		digests[i] = hash == FI_DIGEST_ZERO && !is_zero(page) ? 1 : hash;
	}
	for (i = 0; i < len; i += STRETCH) {
		/* Scattered by a hash of the place, so that nothing regular is met in step. */
		const uint64_t place[2] = { file, (off + i) / STRETCH };

		if (XXH3_64bits(place, sizeof(place)) % making->step != 0)
			continue;
		n = len - i < STRETCH ? len - i : STRETCH;
		r = sample(making, digests + (i >> FI_PAGE_SHIFT), data + i, n);
		if (r < 0)
			return r;
	}
	return 0;
}

void fi_digests_done(struct fi_digests *digests)
{
	size_t i;

	for (i = 0; digests->of_file && i < digests->nr_files; i++)
		free(digests->of_file[i]);
	free(digests->of_file);
	*digests = (struct fi_digests){ .of_file = NULL };
}

static unsigned nr_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int fi_digests_make(const struct fi_checkpoint *cp, fi_progress *progress, void *arg,
		    struct fi_digests *ret, struct fi_error *err)
{
	struct making making = { .digests = ret, .step = 1 };
	const struct fi_stream stream = {
		.block = take_block,
		.arg = &making,
		.threads = cp->archive ? 1 : nr_cpus(),
		.progress = progress,
		.progress_arg = arg,
	};
	uint64_t start = fi_now_ns();
	size_t i;
	int r;

	*ret = (struct fi_digests){ .nr_files = fi_checkpoint_nr_pages_files(cp),
				    .bytes = fi_stream_size(cp),
				    .threads = stream.threads };
	ret->of_file = calloc(ret->nr_files + 1, sizeof(*ret->of_file));
	for (i = 0; ret->of_file && i < ret->nr_files; i++) {
		ret->of_file[i] = calloc(fi_checkpoint_pages_file(cp, i)->size >> FI_PAGE_SHIFT,
					 sizeof(**ret->of_file));
		if (!ret->of_file[i])
			break;
	}
	if (!ret->of_file || i < ret->nr_files)
		return fi_error_set(err, -ENOMEM, "no memory for the fingerprints of pages");

	making.step += ret->bytes / STRETCH / SAMPLE_STRETCHES;
	(void)pthread_mutex_init(&making.lock, NULL);
	r = fi_stream_pages(cp, &stream, err);
	(void)pthread_mutex_destroy(&making.lock);
	ret->ns = fi_now_ns() - start;
	return r;
}
