/* images/inspect/digest.h - a fingerprint of every page of a checkpoint, in one pass over its bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pages with the same fingerprint (64 bits of XXH3) are taken for equal: among ten million different
 * pages, the odds that any two are mistaken are one in 400,000.
 */
#ifndef FI_INSPECT_DIGEST_H
#define FI_INSPECT_DIGEST_H

#include "images/inspect/checkpoint.h"

/* That of a page of zeros, and of no other one. */
#define FI_DIGEST_ZERO 0

struct fi_digests {
	uint64_t **of_file; /* by file, as fi_checkpoint_pages_file, and page in it */
	size_t nr_files;
	uint64_t bytes; /* read */
	uint64_t ns;	/* that took */
	unsigned threads;

	/* What compression would do, from a sample of stretches of 64 KiB without their zero pages. */
	uint64_t sample_in, sample_out;
};

typedef void fi_progress(uint64_t done, uint64_t all, void *arg);

/* Reads all pages, with all CPUs that this thread may use.  @progress may be NULL; it is called by
 * one thread at a time.  Takes 8 bytes of memory for each page of 4096.  Release with
 * fi_digests_done in any case.  Errors as of fi_stream_pages. */
int fi_digests_make(const struct fi_checkpoint *cp, fi_progress *progress, void *arg,
		    struct fi_digests *ret, struct fi_error *err);
void fi_digests_done(struct fi_digests *digests);
#define fi_auto_digests fi_cleanup(fi_digests_done)

/* That of page @i of @run. */
static inline uint64_t fi_digest_of(const struct fi_digests *digests, const struct fi_run *run,
				    uint64_t i)
{
	if (run->kind == FI_RUN_ZERO)
		return FI_DIGEST_ZERO;
	return digests->of_file[run->file][(run->file_off >> FI_PAGE_SHIFT) + i];
}

#endif
