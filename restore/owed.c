/* restore/owed.c - see owed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Invariant: `count` is the number of bits set in all chunks; no chunk is all zero; bits at and
 * beyond `size` are zero; a chunk with more than one owner is never written to.
 */
#include "config.h"

#include "restore/owed.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS   64
#define CHUNK_WORDS 512
#define CHUNK_BITS  (CHUNK_WORDS * WORD_BITS)

struct fi_owed_chunk {
	_Atomic uint32_t owners;
	uint32_t count;
	uint64_t words[CHUNK_WORDS];
};

/* Bits [from, to) of a word; to <= 64, from < to. */
static uint64_t mask(unsigned from, unsigned to)
{
	return (~UINT64_C(0) >> (WORD_BITS - (to - from))) << from;
}

static void chunk_release(struct fi_owed_chunk *chunk)
{
	if (chunk && atomic_fetch_sub_explicit(&chunk->owners, 1, memory_order_acq_rel) == 1)
		free(chunk);
}

int fi_owed_init(struct fi_owed *owed, uint64_t size)
{
	*owed = (struct fi_owed){ .size = size, .count = size };
	owed->nr_chunks = (size_t)((size + CHUNK_BITS - 1) / CHUNK_BITS);
	owed->chunks = calloc(owed->nr_chunks ? owed->nr_chunks : 1, sizeof(owed->chunks[0]));
	if (!owed->chunks)
		return -ENOMEM;

	for (size_t i = 0; i < owed->nr_chunks; i++) {
		uint64_t left = size - (uint64_t)i * CHUNK_BITS;
		struct fi_owed_chunk *chunk = calloc(1, sizeof(*chunk));

		if (!chunk) {
			fi_owed_free(owed);
			return -ENOMEM;
		}
		atomic_init(&chunk->owners, 1);
		chunk->count = left < CHUNK_BITS ? (uint32_t)left : CHUNK_BITS;
		memset(chunk->words, 0xff, chunk->count / WORD_BITS * sizeof(chunk->words[0]));
		if (chunk->count % WORD_BITS)
			chunk->words[chunk->count / WORD_BITS] = mask(0, chunk->count % WORD_BITS);
		owed->chunks[i] = chunk;
	}
	return 0;
}

int fi_owed_share(const struct fi_owed *owed, struct fi_owed *copy)
{
	struct fi_owed_chunk **chunks =
		calloc(owed->nr_chunks ? owed->nr_chunks : 1, sizeof(chunks[0]));

	if (!chunks)
		return -ENOMEM;

	*copy = *owed;
	copy->chunks = chunks;
	for (size_t i = 0; i < owed->nr_chunks; i++) {
		chunks[i] = owed->chunks[i];
		if (chunks[i])
			atomic_fetch_add_explicit(&chunks[i]->owners, 1, memory_order_relaxed);
	}
	return 0;
}

void fi_owed_free(struct fi_owed *owed)
{
	for (size_t i = 0; owed->chunks && i < owed->nr_chunks; i++)
		chunk_release(owed->chunks[i]);
	free(owed->chunks);
	*owed = (struct fi_owed){ 0 };
}

bool fi_owed_test(const struct fi_owed *owed, uint64_t rank)
{
	const struct fi_owed_chunk *chunk = owed->chunks[rank / CHUNK_BITS];
	size_t bit = rank % CHUNK_BITS;

	return chunk && (chunk->words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1);
}

/* The first rank in [rank, end) whose bit is @wanted, or @end. */
static uint64_t scan(const struct fi_owed *owed, uint64_t rank, uint64_t end, bool wanted)
{
	while (rank < end) {
		const struct fi_owed_chunk *chunk = owed->chunks[rank / CHUNK_BITS];
		size_t bit = rank % CHUNK_BITS;
		uint64_t word;

		if (!chunk) {
			if (!wanted)
				return rank;
			rank += CHUNK_BITS - bit;
			continue;
		}
		word = chunk->words[bit / WORD_BITS];
		word = (wanted ? word : ~word) >> (bit % WORD_BITS);
		if (word) {
			rank += (unsigned)__builtin_ctzll(word);
			return rank < end ? rank : end;
		}
		rank += WORD_BITS - bit % WORD_BITS;
	}
	return end;
}

uint64_t fi_owed_alike(const struct fi_owed *owed, uint64_t rank, uint64_t nr)
{
	return scan(owed, rank, rank + nr, !fi_owed_test(owed, rank)) - rank;
}

uint64_t fi_owed_next(const struct fi_owed *owed, uint64_t rank, uint64_t nr)
{
	return scan(owed, rank, rank + nr, true);
}

/* Makes the chunk this set's own. */
static int own(struct fi_owed_chunk **slot)
{
	struct fi_owed_chunk *old = *slot, *mine;

	if (atomic_load_explicit(&old->owners, memory_order_acquire) == 1)
		return 0;
	mine = malloc(sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	atomic_init(&mine->owners, 1);
	mine->count = old->count;
	memcpy(mine->words, old->words, sizeof(mine->words));
	chunk_release(old);
	*slot = mine;
	return 0;
}

/* Clears bits [from, to) of one chunk.  A chunk that ends up empty is given back. */
static int chunk_clear(struct fi_owed_chunk **slot, size_t from, size_t to, uint64_t *cleared)
{
	uint32_t before;
	int r;

	if (from == 0 && to == CHUNK_BITS) {
		*cleared = (*slot)->count;
		chunk_release(*slot);
		*slot = NULL;
		return 0;
	}

	r = own(slot);
	if (r < 0)
		return r;
	before = (*slot)->count;
	while (from < to) {
		size_t word = from / WORD_BITS;
		size_t stop = (word + 1) * WORD_BITS < to ? (word + 1) * WORD_BITS : to;
		uint64_t bits = (*slot)->words[word] &
				mask(from % WORD_BITS, (unsigned)(stop - word * WORD_BITS));

		(*slot)->words[word] &= ~bits;
		(*slot)->count -= (uint32_t)__builtin_popcountll(bits);
		from = stop;
	}
	*cleared = before - (*slot)->count;
	if ((*slot)->count == 0) {
		chunk_release(*slot);
		*slot = NULL;
	}
	return 0;
}

int fi_owed_clear(struct fi_owed *owed, uint64_t rank, uint64_t nr, uint64_t *ret)
{
	uint64_t end = rank + nr;

	*ret = 0;
	while (rank < end) {
		size_t i = (size_t)(rank / CHUNK_BITS);
		uint64_t base = (uint64_t)i * CHUNK_BITS;
		uint64_t stop = base + CHUNK_BITS < end ? base + CHUNK_BITS : end;
		uint64_t cleared = 0;

		if (owed->chunks[i]) {
			int r = chunk_clear(&owed->chunks[i], (size_t)(rank - base),
					    (size_t)(stop - base), &cleared);

			if (r < 0)
				return r;
			owed->count -= cleared;
			*ret += cleared;
		}
		rank = stop;
	}
	return 0;
}
