/* tests/unit/test-drain.c - one chunk of the drain lane; how a space is made, asked and retired.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "restore/drain.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define BASE  UINT64_C(0x10000000)
#define CHUNK 64

static bool alone(void *arg, struct fi_space *asked)
{
	return false;
}

static const struct fi_birth birth = { .alone = alone };

static struct toy *toy;
static struct fi_space *space;
static struct fi_claim claim;
static int fd;

/* Runs outside the gate, between the first pick of a chunk and its copy. */
static void (*while_fetching)(void);
static _Atomic int nr_fetched;

const uint8_t *__real_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why);
const uint8_t *__wrap_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why);

const uint8_t *__wrap_fi_source_fetch(struct fi_source *source, unsigned file, const uint8_t *bytes,
				      uint64_t len, uint8_t *room, enum fi_fetch why)
{
	nr_fetched++;
	if (while_fetching)
		while_fetching();
	return __real_fi_source_fetch(source, file, bytes, len, room, why);
}

/* Law 2, and law 1 where it can be seen from here. */
static void watch(const struct fake_call *call)
{
	if (call->fd != fd)
		return;
	if (call->op == FAKE_COPY || call->op == FAKE_ZERO)
		assert_true(space->gate.state > 0 && !(space->gate.state & FI_GATE_CLOSED));
	if (call->op == FAKE_UNREGISTER || call->op == FAKE_CLOSE)
		assert_true(space->state == FI_SPACE_GONE || fi_space_nr_owed(space) == 0);
}

static void make(struct toy *t)
{
	fake_reset();
	claim = (struct fi_claim){ 0 };
	toy = t;
	fd = fake_uffd_new();
	nr_fetched = 0;
	while_fetching = NULL;
	assert_int_equal(fi_space_new(fd, &toy->task, toy->source, &space), 0);
	fake_watch = watch;
}

static int setup(void **state)
{
	make(toy_simple(BASE, 200));
	return 0;
}

static int teardown(void **state)
{
	fake_watch = NULL;
	while_fetching = NULL;
	fi_space_put(space);
	toy_free(toy);
	fake_reset();
	return 0;
}

static void assert_copy(int i, uint64_t page, uint64_t nr)
{
	struct fake_call call = fake_get(FAKE_COPY, i);

	assert_int_equal(call.addr, BASE + page * PAGE);
	assert_int_equal(call.len, nr * PAGE);
	assert_int_equal(toy_addr(call.word), call.addr);
}

static void chunks_then_idle(void **state)
{
	for (int i = 0; i < 4; i++)
		assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_COPY), 4);
	assert_copy(0, 0, CHUNK);
	assert_copy(2, 2 * CHUNK, CHUNK);
	assert_copy(3, 3 * CHUNK, 200 - 3 * CHUNK);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_IDLE);
	assert_int_equal(space->count->drained, 200);
	assert_int_equal(space->count->demanded, 0);
	assert_int_equal(space->gate.state, 0);
	assert_int_equal(nr_fetched, 4);
}

static void the_cursor_goes_around(void **state)
{
	space->drain_at = BASE + 190 * PAGE;
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(0, 190, 10);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(1, 0, CHUNK);
}

static void a_closed_gate_sends_it_away(void **state)
{
	fi_gate_close(&space->gate);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
	assert_int_equal(fake_nr(FAKE_COPY), 0);
	fi_gate_open(&space->gate);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
}

static void a_pending_event_puts_the_chunk_off(void **state)
{
	fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
	assert_int_equal(fi_space_nr_owed(space), 200);
	assert_int_equal(space->gate.state, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(1, 0, CHUNK); /* the same again */

	fake_script(fd, FAKE_COPY, -ENOMEM, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
	assert_copy(2, CHUNK, CHUNK);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(3, CHUNK, CHUNK);
}

static void a_partial_chunk_goes_on_where_it_ended(void **state)
{
	fake_script(fd, FAKE_COPY, -EAGAIN, 5 * PAGE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	fake_script(fd, FAKE_COPY, -EEXIST, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(1, 5, CHUNK);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(2, 6, CHUNK);
	assert_int_equal(fi_space_nr_owed(space), 200 - 6 - CHUNK);
}

static void event_while_fetching(void)
{
	const struct uffd_msg msg = fake_remap(BASE, BASE + 1000 * PAGE, 10 * PAGE);

	while_fetching = NULL;
	fi_gate_close(&space->gate);
	assert_int_equal(fi_event_apply(space, &msg, &birth), 0);
	fi_gate_open(&space->gate);
}

/* The disk is waited for outside the gate: what was picked may be elsewhere afterwards. */
static void a_chunk_from_before_an_event_is_picked_again(void **state)
{
	while_fetching = event_while_fetching;
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
	assert_int_equal(fake_nr(FAKE_COPY), 0);
	assert_int_equal(space->gate.state, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(0, 10, CHUNK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fake_get(FAKE_COPY, 3).addr, BASE + 1000 * PAGE);
	assert_int_equal(toy_addr(fake_get(FAKE_COPY, 3).word), BASE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_IDLE);
}

static void close_while_fetching(void)
{
	while_fetching = NULL;
	fi_gate_close(&space->gate);
}

static void a_gate_closed_while_fetching(void **state)
{
	while_fetching = close_while_fetching;
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
	assert_int_equal(fake_nr(FAKE_COPY), 0);
	fi_gate_open(&space->gate);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(0, 0, CHUNK);
}

static void a_space_that_is_over_is_left_alone(void **state)
{
	fake_script(fd, FAKE_COPY, -ESRCH, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_GONE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_END);
	assert_int_equal(fake_nr(FAKE_COPY), 1);
	assert_int_equal(space->gate.state, 0);
}

static void unreadable_pages_are_poisoned_or_fail_the_space(void **state)
{
	fake_script(fd, FAKE_COPY, -EFAULT, 0);
	fake_script(fd, FAKE_COPY, -EFAULT, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fake_get(FAKE_POISON, 0).len, PAGE);
	assert_int_equal(space->count->poisoned, 1);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(2, 1, CHUNK);
	fake_always(fd, FAKE_COPY, -EFAULT);
	fake_always(fd, FAKE_POISON, -EINVAL);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_FAILED);
}

/* Zero pages of the image and holes: the first are given, the second cost nothing. */
static void zeros_are_drained_holes_are_not(void **state)
{
	const struct fi_vma vmas[] = {
		{ .start = BASE, .end = BASE + 200 * PAGE, .lazy = true },
		{ .start = BASE + 400 * PAGE, .end = BASE + 500 * PAGE, .lazy = true },
	};
	const struct fi_run runs[] = {
		{ .addr = BASE + 10 * PAGE, .nr_pages = 5, .kind = FI_RUN_ZERO, .lazy = true },
		{ .addr = BASE + 15 * PAGE, .nr_pages = 5, .kind = FI_RUN_DATA, .lazy = false },
		{ .addr = BASE + 450 * PAGE, .nr_pages = 2, .kind = FI_RUN_DATA, .lazy = true },
	};

	(void)teardown(NULL);
	make(toy_new(vmas, 2, runs, 3));
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fake_get(FAKE_ZERO, 0).addr, BASE + 10 * PAGE);
	assert_int_equal(fake_get(FAKE_ZERO, 0).len, 5 * PAGE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_copy(0, 450, 2);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_IDLE);
	assert_int_equal(space->count->drained, 7);
	assert_int_equal(space->count->zeroed, 5);
}

/* What is owed but displaced cannot be given: idle, not a loop. */
static void displaced_pages_are_not_drained(void **state)
{
	const struct uffd_msg msg = fake_remap(BASE, BASE + 50 * PAGE, 50 * PAGE);

	assert_int_equal(fi_event_apply(space, &msg, &birth), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_IDLE);
	assert_int_equal(fi_space_nr_owed(space), 50);
}

static void a_pace_has_its_chunk(void **state)
{
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_SHORT), FI_STEP_MORE);
	assert_copy(0, 0, 4);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_STREAM), FI_STEP_MORE);
	assert_copy(1, 4, 16);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_GENTLE), FI_STEP_MORE);
	assert_copy(2, 20, 32);
}

/* What is kept for faults is left out, in the middle of a claim as well, until they pause. */
static void the_drain_keeps_off_a_stream(void **state)
{
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_STREAM), FI_STEP_MORE);
	assert_copy(0, 0, 16);
	fi_drain_keep_off(space, BASE + 20 * PAGE, BASE + 100 * PAGE, 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_STREAM), FI_STEP_MORE);
	assert_copy(1, 100, 16); /* 16 to 20 is too near */
	claim = (struct fi_claim){ 0 };
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_SHORT), FI_STEP_MORE);
	assert_copy(2, 116, 4);
	while (fi_drain_step(space, &claim, FI_PACE_STREAM) == FI_STEP_MORE)
		;
	assert_int_equal(fi_space_nr_owed(space), 84); /* 16 to 100 */
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_MORE);
	assert_int_equal(fi_space_nr_owed(space), 0);
}

/* A space that is not to be filled as a whole is filled ahead of its stream, and so far. */
static void a_stream_is_helped_so_far_and_no_further(void **state)
{
	const uint64_t ahead = 1024, from = 1000, to = 1100;

	(void)teardown(NULL);
	make(toy_simple(BASE, 4096));
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_AHEAD), FI_STEP_IDLE); /* no stream */
	fi_drain_keep_off(space, BASE + from * PAGE, BASE + to * PAGE, ahead * PAGE);
	assert_true(fi_drain_is_behind(space));
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_AHEAD), FI_STEP_MORE);
	assert_copy(0, to, 16);
	while (fi_drain_step(space, &claim, FI_PACE_AHEAD) == FI_STEP_MORE)
		;
	assert_false(fi_drain_is_behind(space));
	/* a chunk may begin in front of the limit and end behind it */
	assert_in_range(space->count->drained, ahead, ahead + 15);
	assert_true(fi_space_look(space, BASE + (to - 1) * PAGE, PAGE).owed);
	fi_drain_keep_off(space, BASE + (from + 64) * PAGE, BASE + (to + 64) * PAGE, ahead * PAGE);
	assert_true(fi_drain_is_behind(space));
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_AHEAD), FI_STEP_MORE);
}

static void *drainer(void *arg)
{
	struct fi_claim own = { 0 };
	uint64_t *sum = arg;
	enum fi_step step;

	while ((step = fi_drain_step(space, &own, FI_PACE_FULL)) != FI_STEP_IDLE) {
		assert_true(step == FI_STEP_MORE || step == FI_STEP_RETRY);
		*sum += step == FI_STEP_MORE;
	}
	return NULL;
}

static void *events(void *arg)
{
	for (int i = 0; i < 200; i++) {
		const uint64_t a = BASE + (uint64_t)(i % 7) * 100 * PAGE, away = 3 * BASE;
		const struct uffd_msg msgs[] = {
			fake_remap(a, away, 64 * PAGE),
			fake_unmap(a, a + 64 * PAGE),
			fake_remap(away, a, 64 * PAGE),
			fake_unmap(away, away + 64 * PAGE),
		};

		fi_gate_close(&space->gate);
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(fi_event_apply(space, &msgs[k], &birth), 0);
		assert_int_equal(fi_events_settled(space, &birth), 0);
		fi_gate_open(&space->gate);
	}
	return NULL;
}

/* A chunk may be tried twice (the kernel says EEXIST then), but is counted once. */
static void several_drainers_give_and_count_each_page(void **state)
{
	static unsigned char given[4096];
	uint64_t sums[3] = { 0 };
	pthread_t threads[4];

	(void)teardown(NULL);
	make(toy_simple(BASE, 4096));
	fake_watch = NULL; /* asserts in other threads end the program: the gate test has this */
	memset(given, 0, sizeof(given));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, drainer, &sums[i]), 0);
	assert_int_equal(pthread_create(&threads[3], NULL, events, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < (int)fake_nr(FAKE_COPY); i++) {
		struct fake_call call = fake_get(FAKE_COPY, i);
		uint64_t first = (toy_addr(call.word) - BASE) / PAGE;

		for (uint64_t page = first; page < first + call.len / PAGE; page++)
			given[page] = 1;
	}
	for (size_t page = 0; page < 4096; page++)
		assert_int_equal(given[page], 1);
	assert_int_equal(space->count->drained, 4096);
	assert_int_equal(fi_space_nr_owed(space), 0);
}

/* --- beginning and end of a space ------------------------------------------------------------ */

static void retire_unregisters_then_closes(void **state)
{
	const struct uffd_msg msgs[] = {
		fake_remap(BASE + 10 * PAGE, BASE + 1000 * PAGE, 10 * PAGE),
		fake_unmap(BASE + 10 * PAGE, BASE + 20 * PAGE),
	};

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fi_event_apply(space, &msgs[i], &birth), 0);
	while (fi_drain_step(space, &claim, FI_PACE_FULL) != FI_STEP_IDLE)
		;
	fake_script(fd, FAKE_UNREGISTER, 0, 0);
	fake_script(fd, FAKE_UNREGISTER, -ENOMEM, 0); /* vm.max_map_count */
	fi_space_retire(space);
	assert_int_equal(fake_nr(FAKE_UNREGISTER), 3);
	assert_int_equal(fake_get(FAKE_UNREGISTER, 0).addr, BASE);
	assert_int_equal(fake_get(FAKE_UNREGISTER, 0).len, 10 * PAGE);
	assert_int_equal(fake_get(FAKE_UNREGISTER, 1).addr, BASE + 20 * PAGE);
	assert_int_equal(fake_get(FAKE_UNREGISTER, 1).len, 180 * PAGE);
	assert_int_equal(fake_get(FAKE_UNREGISTER, 2).addr, BASE + 1000 * PAGE);
	assert_int_equal(fake_nr(FAKE_CLOSE), 1);
	assert_true(space->uffd < 0);
	assert_false(fi_gate_enter(&space->gate)); /* for good */
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_RETRY);
}

static void retire_of_what_is_gone_only_closes(void **state)
{
	space->state = FI_SPACE_GONE;
	fi_space_retire(space);
	assert_int_equal(fake_nr(FAKE_UNREGISTER), 0);
	assert_int_equal(fake_nr(FAKE_CLOSE), 1);
}

static void users_keep_the_memory_and_never_close(void **state)
{
	assert_ptr_equal(fi_space_get(space), space);
	fi_space_put(space);
	assert_int_equal(fi_space_nr_owed(space), 200);
	assert_int_equal(fake_nr(FAKE_CLOSE), 0);
}

static void without_memory_there_is_no_space(void **state)
{
	for (long n = 0; n < 4; n++) {
		struct fi_space *none = NULL;

		fail_alloc_in = n;
		assert_int_equal(fi_space_new(fd, &toy->task, toy->source, &none), -ENOMEM);
		assert_int_equal(fail_alloc_in, -1);
		assert_null(none);
	}
	assert_int_equal(fake_nr(FAKE_CLOSE), 0); /* the descriptor stays the caller's */
}

static void only_lazy_vmas_are_laid_out(void **state)
{
	const struct fi_vma vmas[] = {
		{ .start = BASE, .end = BASE + 2 * PAGE, .lazy = false },
		{ .start = BASE + 2 * PAGE,
		  .end = BASE + 4 * PAGE,
		  .lazy = true,
		  .madv = UINT64_C(1) << 18 },
		{ .start = BASE + 4 * PAGE,
		  .end = BASE + 6 * PAGE,
		  .lazy = true,
		  .madv = UINT64_C(1) << 14 },
	};

	(void)teardown(NULL);
	make(toy_new(vmas, 3, NULL, 0));
	assert_int_equal(fi_layout_count(&space->layout), 2);
	assert_int_equal(fi_layout_segment(&space->layout, 0)->start, BASE + 2 * PAGE);
	assert_true(fi_layout_segment(&space->layout, 0)->wipe_on_fork);
	assert_false(fi_layout_segment(&space->layout, 1)->wipe_on_fork);
	assert_int_equal(fi_space_nr_owed(space), 0);
	assert_int_equal(fi_drain_step(space, &claim, FI_PACE_FULL), FI_STEP_IDLE);
}

/* One answer is one stretch: it ends with the run, the segment, and where owed becomes given. */
static void look_ends_where_the_answer_changes(void **state)
{
	const struct fi_vma vma = { .start = BASE, .end = BASE + 40 * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = BASE + 4 * PAGE, .nr_pages = 4, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = BASE + 8 * PAGE, .nr_pages = 4, .kind = FI_RUN_DATA, .lazy = false },
		{ .addr = BASE + 12 * PAGE, .nr_pages = 4, .kind = FI_RUN_ZERO, .lazy = true },
	};
	static const struct {
		uint64_t at, nr;
		bool owed, bytes;
	} want[] = {
		{ 0, 4, false, false },	  { 3, 1, false, false },   { 4, 2, true, true },
		{ 6, 1, false, false },	  { 7, 1, true, true },	    { 8, 4, false, false },
		{ 12, 4, true, false },	  { 16, 64, false, false }, { 39, 64, false, false },
		{ 50, 64, false, false },
	};

	(void)teardown(NULL);
	make(toy_new(&vma, 1, runs, 3));
	assert_int_equal(fi_space_settle(space, 2, 1, &space->count->drained), 0);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		uint64_t addr = BASE + want[i].at * PAGE;
		struct fi_extent extent = fi_space_look(space, addr, 64 * PAGE);
		uint64_t most = want[i].at < 40 && want[i].at + want[i].nr > 40 ? 40 - want[i].at
										: want[i].nr;

		assert_int_equal(extent.addr, addr);
		assert_int_equal(extent.len, most * PAGE);
		assert_int_equal(extent.owed, want[i].owed);
		assert_int_equal(extent.bytes != NULL, want[i].bytes);
		if (extent.bytes)
			assert_int_equal(toy_origin(toy, extent.bytes), addr);
		assert_int_equal(fi_space_look(space, addr, PAGE).len, PAGE);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(chunks_then_idle),
		TEST(the_cursor_goes_around),
		TEST(a_closed_gate_sends_it_away),
		TEST(a_pending_event_puts_the_chunk_off),
		TEST(a_partial_chunk_goes_on_where_it_ended),
		TEST(a_chunk_from_before_an_event_is_picked_again),
		TEST(a_gate_closed_while_fetching),
		TEST(a_space_that_is_over_is_left_alone),
		TEST(unreadable_pages_are_poisoned_or_fail_the_space),
		TEST(zeros_are_drained_holes_are_not),
		TEST(displaced_pages_are_not_drained),
		TEST(a_pace_has_its_chunk),
		TEST(the_drain_keeps_off_a_stream),
		TEST(a_stream_is_helped_so_far_and_no_further),
		TEST(several_drainers_give_and_count_each_page),
		TEST(retire_unregisters_then_closes),
		TEST(retire_of_what_is_gone_only_closes),
		TEST(users_keep_the_memory_and_never_close),
		TEST(without_memory_there_is_no_space),
		TEST(only_lazy_vmas_are_laid_out),
		TEST(look_ends_where_the_answer_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
