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
#include <string.h>

#include "restore/durable.h"

#define WORD_BITS   64
#define CHUNK_WORDS 512
#define CHUNK_BITS  (CHUNK_WORDS * WORD_BITS)

struct chunk {
	uint64_t count;
	uint64_t words[CHUNK_WORDS];
};

static struct chunk *chunk_at(const struct fi_owed *owed, size_t i)
{
	return fi_durable_at(owed->chunks[i]);
}

/* Bits [from, to) of a word; to <= 64, from < to. */
static uint64_t mask(unsigned from, unsigned to)
{
	return (~UINT64_C(0) >> (WORD_BITS - (to - from))) << from;
}

/* The chunk is complete: it may be shown. */
static void set_chunk(struct fi_owed *owed, size_t i, const struct chunk *chunk)
{
	__atomic_store_n(&owed->chunks[i], fi_durable_ref(chunk), __ATOMIC_RELEASE);
}

static uint32_t *table_alloc(size_t nr_chunks)
{
	size_t size = (nr_chunks ? nr_chunks : 1) * sizeof(uint32_t);
	uint32_t *chunks = fi_durable_alloc(size);

	if (chunks)
		memset(chunks, 0, size);
	return chunks;
}

int fi_owed_init(struct fi_owed *owed, uint64_t size)
{
	*owed = (struct fi_owed){ .size = size, .count = size };
	owed->nr_chunks = (size_t)((size + CHUNK_BITS - 1) / CHUNK_BITS);
	owed->chunks = table_alloc(owed->nr_chunks);
	if (!owed->chunks)
		return -ENOMEM;

	for (size_t i = 0; i < owed->nr_chunks; i++) {
		uint64_t left = size - (uint64_t)i * CHUNK_BITS;
		struct chunk *chunk = fi_durable_alloc(sizeof(*chunk));

		if (!chunk) {
			fi_owed_free(owed);
			return -ENOMEM;
		}
		memset(chunk, 0, sizeof(*chunk));
		chunk->count = left < CHUNK_BITS ? left : CHUNK_BITS;
		memset(chunk->words, 0xff, chunk->count / WORD_BITS * sizeof(chunk->words[0]));
		if (chunk->count % WORD_BITS)
			chunk->words[chunk->count / WORD_BITS] = mask(0, chunk->count % WORD_BITS);
		set_chunk(owed, i, chunk);
	}
	return 0;
}

int fi_owed_share(const struct fi_owed *owed, struct fi_owed *copy)
{
	uint32_t *chunks = table_alloc(owed->nr_chunks);

	if (!chunks)
		return -ENOMEM;

	*copy = *owed;
	copy->chunks = chunks;
	for (size_t i = 0; i < owed->nr_chunks; i++) {
		chunks[i] = owed->chunks[i];
		fi_durable_share(chunk_at(copy, i));
	}
	return 0;
}

void fi_owed_free(struct fi_owed *owed)
{
	for (size_t i = 0; owed->chunks && i < owed->nr_chunks; i++)
		fi_durable_release(chunk_at(owed, i));
	fi_durable_release(owed->chunks);
	*owed = (struct fi_owed){ 0 };
}

void fi_owed_adopt(struct fi_owed *owed, uint32_t *chunks, uint64_t size)
{
	*owed = (struct fi_owed){ .chunks = chunks, .size = size };
	owed->nr_chunks = (size_t)((size + CHUNK_BITS - 1) / CHUNK_BITS);
	fi_durable_share(chunks);
	for (size_t i = 0; i < owed->nr_chunks; i++) {
		struct chunk *chunk = chunk_at(owed, i);

		if (!chunk)
			continue;
		/* The death may have come between the bits and their count, or before an empty
		 * chunk was given back. */
		chunk->count = 0;
		for (size_t word = 0; word < CHUNK_WORDS; word++)
			chunk->count += (unsigned)__builtin_popcountll(chunk->words[word]);
		if (chunk->count == 0)
			set_chunk(owed, i, NULL);
		else
			fi_durable_share(chunk);
		owed->count += chunk->count;
	}
}

bool fi_owed_test(const struct fi_owed *owed, uint64_t rank)
{
	const struct chunk *chunk = chunk_at(owed, rank / CHUNK_BITS);
	size_t bit = rank % CHUNK_BITS;

	return chunk && (chunk->words[bit / WORD_BITS] >> (bit % WORD_BITS) & 1);
}

/* The first rank in [rank, end) whose bit is @wanted, or @end. */
static uint64_t scan(const struct fi_owed *owed, uint64_t rank, uint64_t end, bool wanted)
{
	while (rank < end) {
		const struct chunk *chunk = chunk_at(owed, rank / CHUNK_BITS);
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

/* Makes a chunk this set's own. */
static int own(struct fi_owed *owed, size_t i)
{
	struct chunk *old = chunk_at(owed, i), *mine;

	if (fi_durable_sole(old))
		return 0;
	mine = fi_durable_alloc(sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	memcpy(mine, old, sizeof(*mine));
	set_chunk(owed, i, mine);
	fi_durable_release(old);
	return 0;
}

/* Clears bits [from, to) of one chunk.  A chunk that ends up empty is given back. */
static int chunk_clear(struct fi_owed *owed, size_t i, size_t from, size_t to, uint64_t *cleared)
{
	struct chunk *chunk = chunk_at(owed, i);
	int r;

	*cleared = 0;
	if (from > 0 || to < CHUNK_BITS) {
		r = own(owed, i);
		if (r < 0)
			return r;
		chunk = chunk_at(owed, i);
		while (from < to) {
			size_t word = from / WORD_BITS;
			size_t stop = (word + 1) * WORD_BITS < to ? (word + 1) * WORD_BITS : to;
			uint64_t bits = chunk->words[word] &
					mask(from % WORD_BITS, (unsigned)(stop - word * WORD_BITS));

			chunk->words[word] &= ~bits;
			*cleared += (unsigned)__builtin_popcountll(bits);
			from = stop;
		}
		chunk->count -= *cleared;
		if (chunk->count > 0)
			return 0;
	}
	*cleared += chunk->count;
	set_chunk(owed, i, NULL);
	fi_durable_release(chunk);
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
			int r = chunk_clear(owed, i, (size_t)(rank - base), (size_t)(stop - base),
					    &cleared);

			if (r < 0)
				return r;
			owed->count -= cleared;
			*ret += cleared;
		}
		rank = stop;
	}
	return 0;
}
