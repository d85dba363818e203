/* tests/unit/test-owed.c - owed sets against an array of bool.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/owed.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/toy-image.h"

#define CHUNK UINT64_C(32768)

struct pair {
	struct fi_owed owed;
	bool *model;
	uint64_t count;
};

static void pair_new(struct pair *p, uint64_t size)
{
	assert_int_equal(fi_owed_init(&p->owed, size), 0);
	p->model = malloc(size + 1);
	assert_non_null(p->model);
	memset(p->model, true, size + 1);
	p->count = size;
}

static void pair_share(const struct pair *p, struct pair *copy)
{
	assert_int_equal(fi_owed_share(&p->owed, &copy->owed), 0);
	copy->model = malloc(p->owed.size + 1);
	assert_non_null(copy->model);
	memcpy(copy->model, p->model, p->owed.size + 1);
	copy->count = p->count;
}

static void pair_free(struct pair *p)
{
	fi_owed_free(&p->owed);
	free(p->model);
}

static void clear(struct pair *p, uint64_t rank, uint64_t nr)
{
	uint64_t want = 0, got;

	for (uint64_t i = rank; i < rank + nr; i++) {
		want += p->model[i];
		p->model[i] = false;
	}
	p->count -= want;
	assert_int_equal(fi_owed_clear(&p->owed, rank, nr, &got), 0);
	assert_int_equal(got, want);
	assert_int_equal(p->owed.count, p->count);
}

static void ask(const struct pair *p, uint64_t rank, uint64_t nr)
{
	uint64_t next = rank, alike = 1;

	while (next < rank + nr && !p->model[next])
		next++;
	assert_int_equal(fi_owed_next(&p->owed, rank, nr), next);
	if (!nr || rank >= p->owed.size)
		return;
	assert_int_equal(fi_owed_test(&p->owed, rank), p->model[rank]);
	while (alike < nr && p->model[rank + alike] == p->model[rank])
		alike++;
	assert_int_equal(fi_owed_alike(&p->owed, rank, nr), alike);
}

static void ask_all(const struct pair *p)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < p->owed.size; i++) {
		assert_int_equal(fi_owed_test(&p->owed, i), p->model[i]);
		count += p->model[i];
	}
	assert_int_equal(p->owed.count, count);
}

/* A place near a border of words or chunks, more often than not. */
static uint64_t place(uint64_t *rnd, uint64_t size)
{
	uint64_t unit = toy_random(rnd, 2) ? 64 : CHUNK, at;

	if (toy_random(rnd, 3) == 0)
		return toy_random(rnd, size + 1);
	at = toy_random(rnd, size / unit + 1) * unit + toy_random(rnd, 5);
	at = at < 2 ? at : at - 2;
	return at < size ? at : size;
}

static void try_size(uint64_t *rnd, uint64_t size, int ops)
{
	struct pair p, copy;

	pair_new(&p, size);
	pair_share(&p, &copy);
	for (int i = 0; i < ops; i++) {
		struct pair *q = toy_random(rnd, 2) ? &p : &copy;
		uint64_t a = place(rnd, size), b = place(rnd, size);
		uint64_t from = a < b ? a : b, nr = a < b ? b - a : a - b;

		if (nr > 200 && toy_random(rnd, 16))
			nr = toy_random(rnd, 200);
		if (toy_random(rnd, 3) == 0)
			clear(q, from, nr);
		ask(q, from, nr);
		if (toy_random(rnd, 64) == 0) {
			pair_free(&copy);
			pair_share(&p, &copy);
		}
	}
	ask_all(&p);
	ask_all(&copy);
	clear(&p, 0, size);
	assert_int_equal(p.owed.count, 0);
	ask(&p, 0, size);
	ask_all(&copy); /* as it was */
	pair_free(&p);
	pair_free(&copy);
}

static void behaves_like_an_array_of_bool(void **state)
{
	static const uint64_t sizes[] = {
		0,
		1,
		2,
		63,
		64,
		65,
		127,
		128,
		129,
		CHUNK - 1,
		CHUNK,
		CHUNK + 1,
		2 * CHUNK - 1,
		2 * CHUNK,
		3 * CHUNK + 70,
	};
	uint64_t rnd = toy_seed("owed");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int round = 0; round < 3; round++)
			try_size(&rnd, sizes[i], 2000);
	for (int i = 0; i < 50; i++)
		try_size(&rnd, toy_random(&rnd, 3 * CHUNK), 300);
	try_size(&rnd, 3000000, 2000);
}

/* A whole shared chunk is let go without being copied, a part of it is copied. */
static void copies_do_not_show_in_one_another(void **state)
{
	struct pair p, copy;

	pair_new(&p, 2 * CHUNK);
	pair_share(&p, &copy);
	assert_ptr_equal(p.owed.chunks[0], copy.owed.chunks[0]);
	clear(&p, 0, CHUNK);
	assert_null(p.owed.chunks[0]);
	clear(&p, CHUNK + 5, 1);
	assert_ptr_not_equal(p.owed.chunks[1], copy.owed.chunks[1]);
	ask_all(&p);
	ask_all(&copy);
	assert_int_equal(copy.owed.count, 2 * CHUNK);
	pair_free(&p);
	ask_all(&copy);
	pair_free(&copy);
}

static void without_memory_it_says_so(void **state)
{
	struct fi_owed owed, copy;
	uint64_t got;

	for (long n = 0; n < 4; n++) {
		int r;

		fail_alloc_in = n;
		r = fi_owed_init(&owed, 3 * CHUNK);
		fail_alloc_in = -1;
		assert_int_equal(r, -ENOMEM);
	}
	assert_int_equal(fi_owed_init(&owed, 3 * CHUNK), 0);
	fail_alloc_in = 0;
	assert_int_equal(fi_owed_share(&owed, &copy), -ENOMEM);
	fail_alloc_in = -1;
	assert_int_equal(owed.count, 3 * CHUNK);
	assert_int_equal(fi_owed_share(&owed, &copy), 0);

	/* The second chunk cannot be copied: the first is out and counted, nothing else. */
	fail_alloc_in = 1;
	assert_int_equal(fi_owed_clear(&owed, CHUNK - 3, 10, &got), -ENOMEM);
	fail_alloc_in = -1;
	assert_int_equal(got, 3);
	assert_int_equal(owed.count, 3 * CHUNK - 3);
	assert_true(fi_owed_test(&owed, CHUNK));
	assert_int_equal(fi_owed_next(&owed, CHUNK - 3, 10), CHUNK);
	assert_int_equal(copy.count, 3 * CHUNK);
	assert_true(fi_owed_test(&copy, CHUNK - 1));
	fi_owed_free(&owed);
	fi_owed_free(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_like_an_array_of_bool),
		cmocka_unit_test(copies_do_not_show_in_one_another),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
