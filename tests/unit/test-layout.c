/* tests/unit/test-layout.c - layouts against an array with a cell for each page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/layout.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/toy-image.h"

#define PAGES  200
#define COPIES 4
#define OPS    100000

/* What a page holds: the page number of its origin plus one, 0 for nothing. */
struct model {
	unsigned at[PAGES];
};

struct pair {
	struct fi_layout layout;
	struct model model;
};

static void check(const struct pair *pair)
{
	size_t nr = fi_layout_count(&pair->layout);
	uint64_t end = 0;
	struct model seen = { { 0 } };

	for (size_t i = 0; i < nr; i++) {
		const struct fi_segment *s = fi_layout_segment(&pair->layout, i);

		assert_true(s->start >= end && s->start < s->end && s->end <= PAGES * PAGE);
		end = s->end;
		for (uint64_t a = s->start; a < s->end; a += PAGE)
			seen.at[a / PAGE] = 1 + (unsigned)((s->origin + (a - s->start)) / PAGE);
	}
	assert_memory_equal(&seen, &pair->model, sizeof(seen));
	for (uint64_t a = 0; a < PAGES; a++) {
		size_t i = fi_layout_lower_bound(&pair->layout, a * PAGE);

		assert_true(i == nr || fi_layout_segment(&pair->layout, i)->end > a * PAGE);
		assert_true(i == 0 || fi_layout_segment(&pair->layout, i - 1)->end <= a * PAGE);
	}
}

static bool is_free(const struct model *model, uint64_t start, uint64_t end)
{
	for (uint64_t a = start; a < end; a++)
		if (model->at[a])
			return false;
	return true;
}

static void add(struct pair *pair, uint64_t start, uint64_t end, uint64_t origin)
{
	const struct fi_segment s = { start * PAGE, end * PAGE, origin * PAGE, false,
				      FI_LANDING_OLD };

	assert_int_equal(fi_layout_add(&pair->layout, &s), 0);
	for (uint64_t a = start; a < end; a++)
		pair->model.at[a] = 1 + (unsigned)(origin + a - start);
}

static void cut(struct pair *pair, uint64_t start, uint64_t end, struct pair *ret)
{
	assert_int_equal(
		fi_layout_cut(&pair->layout, start * PAGE, end * PAGE, ret ? &ret->layout : NULL),
		0);
	for (uint64_t a = start; a < end; a++) {
		if (ret && pair->model.at[a])
			ret->model.at[a] = pair->model.at[a];
		pair->model.at[a] = 0;
	}
}

/* Cuts and adds again elsewhere, as an mremap does. */
static void move(struct pair *pair, uint64_t start, uint64_t end, uint64_t to)
{
	struct pair moving = { .layout = FI_LAYOUT_EMPTY };

	cut(pair, to, to + end - start, NULL);
	cut(pair, start, end, &moving);
	check(&moving);
	for (size_t i = 0; i < fi_layout_count(&moving.layout); i++) {
		const struct fi_segment *s = fi_layout_segment(&moving.layout, i);

		add(pair, s->start / PAGE - start + to, s->end / PAGE - start + to,
		    s->origin / PAGE);
	}
	fi_layout_clear(&moving.layout);
}

static void behaves_like_an_array_of_pages(void **state)
{
	uint64_t rnd = toy_seed("layout");
	struct pair pairs[COPIES] = { { .layout = FI_LAYOUT_EMPTY } };

	for (int op = 0; op < OPS; op++) {
		struct pair *p = &pairs[toy_random(&rnd, COPIES)];
		struct pair *q = &pairs[toy_random(&rnd, COPIES)];
		uint64_t start = toy_random(&rnd, PAGES);
		uint64_t len = 1 + toy_random(&rnd, toy_random(&rnd, 4) ? 8 : PAGES - start);
		uint64_t end = start + len < PAGES ? start + len : PAGES;
		uint64_t to = toy_random(&rnd, PAGES - (end - start) + 1);

		switch (toy_random(&rnd, 8)) {
		case 0:
		case 1:
		case 2:
			if (is_free(&p->model, start, end))
				add(p, start, end, toy_random(&rnd, 100000));
			break;
		case 3:
			cut(p, start, end, NULL);
			break;
		case 4:
			if (p != q && is_free(&q->model, start, end))
				cut(p, start, end, q);
			break;
		case 5:
		case 6:
			if (to >= end || to + (end - start) <= start)
				move(p, start, end, to);
			break;
		case 7:
			if (p == q)
				break;
			fi_layout_clear(&q->layout);
			fi_layout_share(&p->layout, &q->layout);
			q->model = p->model;
			break;
		}
		check(p);
		if (p != q)
			check(q);
		if (op % 64 == 0)
			for (int i = 0; i < COPIES; i++)
				check(&pairs[i]);
	}
	for (int i = 0; i < COPIES; i++)
		fi_layout_clear(&pairs[i].layout);
}

static void parts_keep_their_flag(void **state)
{
	const struct fi_segment s = { 0, 10 * PAGE, 50 * PAGE, true, FI_LANDING_OLD };
	struct fi_layout layout = FI_LAYOUT_EMPTY, out = FI_LAYOUT_EMPTY;

	assert_int_equal(fi_layout_add(&layout, &s), 0);
	assert_int_equal(fi_layout_cut(&layout, 3 * PAGE, 5 * PAGE, &out), 0);
	assert_int_equal(fi_layout_count(&layout), 2);
	assert_true(fi_layout_segment(&layout, 0)->wipe_on_fork);
	assert_true(fi_layout_segment(&layout, 1)->wipe_on_fork);
	assert_int_equal(fi_layout_segment(&layout, 1)->origin, 55 * PAGE);
	assert_true(fi_layout_segment(&out, 0)->wipe_on_fork);
	assert_int_equal(fi_layout_segment(&out, 0)->origin, 53 * PAGE);
	fi_layout_clear(&layout);
	fi_layout_clear(&out);
}

/* The whole of the address space, and its last pages. */
static void ends_of_memory(void **state)
{
	const uint64_t top = UINT64_C(1) << 47;
	const struct fi_segment s = { top - 4 * PAGE, top, top - 4 * PAGE, false, FI_LANDING_OLD };
	struct fi_layout layout = FI_LAYOUT_EMPTY;

	assert_int_equal(fi_layout_cut(&layout, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(fi_layout_add(&layout, &s), 0);
	assert_int_equal(fi_layout_lower_bound(&layout, top), 1);
	assert_int_equal(fi_layout_lower_bound(&layout, top - 1), 0);
	assert_int_equal(fi_layout_cut(&layout, top - PAGE, UINT64_MAX, NULL), 0);
	assert_int_equal(fi_layout_segment(&layout, 0)->end, top - PAGE);
	assert_int_equal(fi_layout_cut(&layout, 0, UINT64_MAX, NULL), 0);
	assert_int_equal(fi_layout_count(&layout), 0);
	fi_layout_clear(&layout);
	fi_layout_clear(&layout); /* twice is fine */
}

/* Each allocation fails in turn: the call says so, and nothing has changed, in any copy. */
static void without_memory_nothing_changes(void **state)
{
	for (int shared = 0; shared < 2; shared++)
		for (int ops = 0; ops < 3; ops++)
			for (long n = 0;; n++) {
				struct pair p = { .layout = FI_LAYOUT_EMPTY }, q = p, copy = p;
				const struct fi_segment s = { 190 * PAGE, 191 * PAGE, 0, false,
							      FI_LANDING_OLD };
				int r;

				/* Full to the last place, so that the next add must grow. */
				for (unsigned i = 0; i < 40; i++)
					if (fi_layout_count(&p.layout) < 32)
						add(&p, 4 * i, 4 * i + 3, i);
				if (shared) {
					fi_layout_share(&p.layout, &copy.layout);
					copy.model = p.model;
				}
				fail_alloc_in = n;
				if (ops == 0)
					r = fi_layout_add(&p.layout, &s);
				else
					r = fi_layout_cut(&p.layout, PAGE, 90 * PAGE,
							  ops == 1 ? NULL : &q.layout);
				fail_alloc_in = -1;
				if (r < 0) {
					assert_int_equal(r, -ENOMEM);
					check(&p);
					assert_int_equal(fi_layout_count(&q.layout), 0);
				}
				check(&copy);
				fi_layout_clear(&p.layout);
				fi_layout_clear(&q.layout);
				fi_layout_clear(&copy.layout);
				if (r == 0) {
					assert_true(n > 0 || (!shared && ops < 2));
					break;
				}
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_like_an_array_of_pages),
		cmocka_unit_test(parts_keep_their_flag),
		cmocka_unit_test(ends_of_memory),
		cmocka_unit_test(without_memory_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
