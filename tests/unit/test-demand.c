/* tests/unit/test-demand.c - one step of the demand lane, against every answer of the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/demand.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define BASE UINT64_C(0x10000000)

/* Data in pages 0-99, zeros (dumped as such) in 100-109, a hole in 110-119, nothing beyond. */
static struct toy *toy;
static struct fi_space *space, *child;
static int fd, nr_stillborn;

static void born(void *arg, struct fi_space *parent, struct fi_space *c)
{
	assert_ptr_equal(parent, space);
	assert_int_equal(space->gate.state, FI_GATE_CLOSED); /* also while events are applied */
	child = c;
}

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	nr_stillborn++;
}

/* What the kernel would say now of memory that was wiped on fork at the dump. */
static bool wiped_now = true;

static bool wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	(void)arg;
	(void)parent;
	(void)addr;
	(void)end;
	*ret = wiped_now;
	return true;
}

static bool alone(void *arg, struct fi_space *asked)
{
	return true;
}

static const struct fi_birth birth = {
	.born = born, .stillborn = stillborn, .wipes = wipes, .alone = alone
};

/* Law 2, at each call: events are read behind the closed gate with nobody inside, and nothing is
 * filled before they are applied. */
static void watch(const struct fake_call *call)
{
	unsigned gate = space->gate.state;

	if (call->fd != fd)
		return;
	if (call->op == FAKE_READ || call->op == FAKE_PROBE)
		assert_int_equal(gate, FI_GATE_CLOSED);
	else
		assert_int_equal(gate & FI_GATE_CLOSED, 0);
}

static int setup(void **state)
{
	const struct fi_vma vma = { .start = BASE, .end = BASE + 120 * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = BASE, .nr_pages = 100, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = BASE + 100 * PAGE, .nr_pages = 10, .kind = FI_RUN_ZERO, .lazy = true },
	};

	fake_reset();
	toy = toy_new(&vma, 1, runs, 2);
	fd = fake_uffd_new();
	child = NULL;
	nr_stillborn = 0;
	assert_int_equal(fi_space_new(fd, &toy->task, toy->source, &space), 0);
	fake_watch = watch;
	return 0;
}

static int teardown(void **state)
{
	fake_watch = NULL;
	fail_alloc_in = -1;
	if (child)
		fi_space_put(child);
	fi_space_put(space);
	toy_free(toy);
	fake_reset();
	return 0;
}

static enum fi_step step(void)
{
	return fi_demand_step(space, &birth);
}

static void fault(uint64_t page)
{
	fake_push(fd, fake_fault(BASE + page * PAGE + 123));
}

static bool owed(uint64_t page)
{
	return fi_space_look(space, BASE + page * PAGE, PAGE).owed;
}

/* The last call of its kind was about these pages. */
static void assert_last(enum fake_op op, uint64_t page, uint64_t nr)
{
	struct fake_call call = fake_get(op, -1);

	assert_int_equal(call.fd, fd);
	assert_int_equal(call.addr, BASE + page * PAGE);
	assert_int_equal(call.len, nr * PAGE);
	if (op == FAKE_COPY)
		assert_int_equal(toy_addr(call.word), BASE + page * PAGE);
}

static void a_fault_on_data_is_filled_from_the_image(void **state)
{
	fault(7);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_COPY), 1);
	assert_last(FAKE_COPY, 7, 1);
	assert_int_equal(fake_nr(FAKE_WAKE), 0); /* the copy wakes */
	assert_false(owed(7));
	assert_int_equal(space->count->demanded, 1);
	assert_int_equal(space->count->faults, 1);
	assert_int_equal(step(), FI_STEP_IDLE);
}

static void zeros_for_holes_zero_pages_dropped_pages_and_the_unknown(void **state)
{
	static const uint64_t pages[] = { 102, 115, 3, 5000 };
	uint64_t zeroed = 0;

	fake_push(fd, fake_remove(BASE + 2 * PAGE, BASE + 5 * PAGE));
	assert_int_equal(step(), FI_STEP_MORE);
	for (size_t i = 0; i < 4; i++) {
		fault(pages[i]);
		assert_int_equal(step(), FI_STEP_MORE);
		assert_int_equal(fake_nr(FAKE_ZERO), i + 1);
		assert_last(FAKE_ZERO, pages[i], 1);
		assert_int_equal(space->count->zeroed, ++zeroed);
	}
	assert_int_equal(fake_nr(FAKE_COPY), 0);
	assert_false(owed(102));
	assert_int_equal(space->count->demanded, 1); /* the dumped zero page */
	assert_int_equal(space->count->dropped, 3);
}

static void a_stream_brings_along_more_and_more(void **state)
{
	static const uint64_t at[] = { 0, 1, 3, 7, 15, 31, 63 };
	static const uint64_t nr[] = { 1, 2, 4, 8, 16, 32, 37 }; /* the data ends at 100 */

	for (size_t i = 0; i < 7; i++) {
		fault(at[i]);
		assert_int_equal(step(), FI_STEP_MORE);
		assert_last(FAKE_COPY, at[i], nr[i]);
	}
	fault(50); /* elsewhere: a stream no more */
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_ZERO, 50, 1);
	assert_int_equal(space->count->demanded, 100);
}

/* What a long stream brings along is there before the thread that waits goes on. */
static void a_long_stream_is_woken_last(void **state)
{
	const uint64_t all = 12000;
	const struct fi_vma vma = { .start = BASE, .end = BASE + all * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = BASE, .nr_pages = 600, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = BASE + 600 * PAGE, .nr_pages = 100, .kind = FI_RUN_ZERO, .lazy = true },
		{ .addr = BASE + 700 * PAGE,
		  .nr_pages = all - 700,
		  .kind = FI_RUN_DATA,
		  .lazy = true },
	};

	(void)teardown(state);
	fake_reset();
	toy = toy_new(&vma, 1, runs, 3);
	fd = fake_uffd_new();
	assert_int_equal(fi_space_new(fd, &toy->task, toy->source, &space), 0);
	for (uint64_t at = 0, nr = 1; at < all - 256; at += nr, nr += nr < 256 ? nr : 0) {
		size_t before = fake_nr(FAKE_COPY) + fake_nr(FAKE_ZERO);
		uint64_t demanded = space->count->demanded;

		fault(at);
		assert_int_equal(step(), FI_STEP_MORE);
		assert_int_equal(space->count->demanded - demanded, nr);
		assert_true(fake_nr(FAKE_COPY) + fake_nr(FAKE_ZERO) >= before + (nr + 63) / 64);
		if (at < 600 || at >= 700)
			assert_last(FAKE_COPY, at, nr < 64 ? nr : 64);
		for (uint64_t page = at; page < at + nr; page++)
			assert_false(owed(page));
		assert_true(owed(at + nr));
		/* no further ahead than half of what it has been through, in whole pages */
		if (nr > 1)
			assert_int_equal(space->kept_reach / PAGE, at < 2048   ? 1024
								   : at < 8192 ? at / 2
									       : 4096);
		assert_int_equal(space->kept_reach % PAGE, 0);
	}
}

/* The drain fills what lies ahead; the task walks through it and on. */
static void a_stream_goes_on_behind_what_was_filled(void **state)
{
	fault(0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fi_space_settle(space, 1, 20, &space->count->drained), 0);
	fault(21);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_COPY, 21, 2);
	assert_true(space->kept_from == BASE + 21 * PAGE && space->kept_to > BASE + 23 * PAGE);
	fault(30); /* 23 to 29 are owed: it has jumped over them */
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_COPY, 30, 1);
}

static void a_stream_stops_before_pages_that_are_there(void **state)
{
	fault(5);
	assert_int_equal(step(), FI_STEP_MORE);
	fault(3);
	fault(4);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_COPY, 4, 1); /* wanted two */
	assert_int_equal(fi_space_nr_owed(space), 107);
}

static void a_partial_copy_counts_what_it_did(void **state)
{
	fault(0);
	fault(1);
	fake_script(fd, FAKE_COPY, 0, PAGE);
	fake_script(fd, FAKE_COPY, -EAGAIN, PAGE);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_COPY, 1, 2);
	assert_false(owed(1));
	assert_true(owed(2));
	assert_int_equal(space->count->demanded, 2);
	assert_int_equal(space->nr_parked, 0);
}

static void again_parks_until_the_event_is_read(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 1);
	assert_int_equal(space->count->parked, 1);
	assert_true(owed(7));
	assert_int_equal(fake_nr(FAKE_WAKE), 0);

	/* It turns out that the page has moved away: the fault gets what is there now. */
	fake_push(fd, fake_remap(BASE + 7 * PAGE, BASE + 900 * PAGE, PAGE));
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 0);
	assert_last(FAKE_ZERO, 7, 1);
	assert_true(owed(900));
}

/* The task may not have run yet since its event was read: EAGAIN, and nothing more to read. */
static void parked_faults_are_retried_without_messages(void **state)
{
	fault(7);
	fault(8);
	for (int i = 0; i < 6; i++)
		fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(step(), FI_STEP_RETRY);
	assert_int_equal(step(), FI_STEP_RETRY);
	assert_int_equal(space->nr_parked, 2);
	assert_int_equal(step(), FI_STEP_IDLE);
	assert_int_equal(space->nr_parked, 0);
	assert_false(owed(7) || owed(8));
}

static void many_parked_faults_keep_their_order(void **state)
{
	for (uint64_t page = 0; page < 80; page += 2)
		fault(page);
	fake_always(fd, FAKE_COPY, -EAGAIN);
	assert_int_equal(step(), FI_STEP_MORE); /* 32 */
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 40);
	fake_always(fd, FAKE_COPY, 0);
	fake_forget_calls();
	assert_int_equal(step(), FI_STEP_IDLE);
	assert_int_equal(fake_nr(FAKE_COPY), 40);
	assert_int_equal(space->nr_parked, 0);
}

static void no_memory_for_the_page_parks(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -ENOMEM, 0);
	fake_script(fd, FAKE_COPY, -ENOMEM, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(step(), FI_STEP_RETRY);
	assert_int_equal(space->state, FI_SPACE_LIVE);
	assert_int_equal(step(), FI_STEP_IDLE);
	assert_last(FAKE_COPY, 7, 1);
	assert_false(owed(7));
}

static void no_memory_to_park_lets_the_kernel_park(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	fail_alloc_in = 0;
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 0);
	assert_int_equal(fake_nr(FAKE_WAKE), 1);
	assert_last(FAKE_WAKE, 7, 1);
	assert_true(owed(7));
}

static void a_page_that_is_there_wakes(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -EEXIST, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_WAKE, 7, 1);
	assert_false(owed(7));

	fault(7); /* a second thread's: not owed any more, so zeros are tried */
	fake_script(fd, FAKE_ZERO, -EEXIST, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_WAKE), 2);
	assert_int_equal(space->count->zeroed, 0);
}

/* mprotect splits VMAs without an event. */
static void a_vma_boundary_halves(void **state)
{
	static const uint64_t stream[] = { 0, 1, 3, 7 };

	for (size_t i = 0; i < 4; i++)
		fault(stream[i]);
	assert_int_equal(step(), FI_STEP_MORE);
	fake_forget_calls();
	fault(15);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_COPY), 3);
	assert_int_equal(fake_get(FAKE_COPY, 1).len, fake_get(FAKE_COPY, 0).len / 2);
	assert_int_equal(fake_get(FAKE_COPY, 2).len, fake_get(FAKE_COPY, 0).len / 4);
	assert_int_equal(fake_nr(FAKE_WAKE), 0);
	assert_int_equal(space->count->dropped, 0);
	assert_false(owed(15));
}

static void nothing_watched_there_drops_and_wakes(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_COPY), 2);
	assert_last(FAKE_WAKE, 7, 1);
	assert_false(owed(7));
	assert_int_equal(space->count->dropped, 1);
	assert_int_equal(space->state, FI_SPACE_LIVE);
}

/* The second look finds that an event is pending: the page may live on elsewhere. */
static void nothing_there_but_an_event_on_its_way_parks(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 1);
	assert_true(owed(7));
	assert_int_equal(space->count->dropped, 0);

	fake_push(fd, fake_remap(BASE + 7 * PAGE, BASE + 900 * PAGE, PAGE));
	fake_script(fd, FAKE_ZERO, -ENOENT, 0);
	fake_script(fd, FAKE_ZERO, -ENOENT, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_WAKE, 7, 1);
	assert_true(owed(900));
}

/* Bytes that cannot be read, in company: first the one page alone, and its ENOENT, too, counts only
 * when a second look says the same. */
static void unreadable_then_nothing_there_is_looked_at_twice(void **state)
{
	fault(0);
	assert_int_equal(step(), FI_STEP_MORE);
	fault(1);
	fake_script(fd, FAKE_COPY, -EFAULT, 0);
	fake_script(fd, FAKE_COPY, -ENOENT, 0);
	fake_script(fd, FAKE_COPY, -EAGAIN, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->nr_parked, 1);
	assert_true(owed(1));
	assert_int_equal(space->count->dropped, 0);
}

static void an_unreadable_page_is_poisoned(void **state)
{
	fault(0);
	assert_int_equal(step(), FI_STEP_MORE);
	fault(1);
	fake_script(fd, FAKE_COPY, -EFAULT, 0); /* two pages */
	fake_script(fd, FAKE_COPY, -EFAULT, 0); /* the first */
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_POISON, 1, 1);
	assert_false(owed(1));
	assert_true(owed(2));
	assert_int_equal(space->count->poisoned, 1);
	assert_int_equal(space->count->demanded, 1);
	assert_int_equal(fake_nr(FAKE_WAKE), 0); /* poisoning wakes */
	assert_int_equal(space->state, FI_SPACE_LIVE);
}

static void only_the_neighbour_is_unreadable(void **state)
{
	fault(0);
	assert_int_equal(step(), FI_STEP_MORE);
	fault(1);
	fake_script(fd, FAKE_COPY, -EFAULT, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_COPY, 1, 1);
	assert_int_equal(fake_nr(FAKE_POISON), 0);
	assert_true(owed(2));
}

static void poison_may_have_to_wait_or_come_late(void **state)
{
	static const int later[] = { -EAGAIN, -ENOMEM, -ENOENT };

	for (size_t i = 0; i < 3; i++) {
		fault(7);
		fake_script(fd, FAKE_COPY, -EFAULT, 0);
		fake_script(fd, FAKE_POISON, later[i], 0);
		fake_script(fd, FAKE_COPY, -EAGAIN, 0);
		assert_int_equal(step(), FI_STEP_MORE);
		assert_int_equal(space->nr_parked, 1);
		assert_int_equal(step(), FI_STEP_RETRY);
		space->nr_parked = 0;
		assert_true(owed(7));
	}
	fault(7);
	fake_script(fd, FAKE_COPY, -EFAULT, 0);
	fake_script(fd, FAKE_POISON, -EEXIST, 0);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_last(FAKE_WAKE, 7, 1);
	assert_false(owed(7));
}

static void unreadable_without_poison_fails_the_space(void **state)
{
	static const int unsupported[] = { -EINVAL, -ENOTTY };

	for (size_t i = 0; i < 2; i++) {
		space->state = FI_SPACE_LIVE;
		fault(7);
		fault(8);
		fake_script(fd, FAKE_COPY, -EFAULT, 0);
		fake_script(fd, FAKE_POISON, unsupported[i], 0);
		assert_int_equal(step(), FI_STEP_END);
		assert_int_equal(space->state, FI_SPACE_FAILED);
		assert_int_equal(fake_nr(FAKE_WAKE), 0);
		assert_int_equal(fake_nr(FAKE_CLOSE), 0);
		assert_int_equal(fake_nr(FAKE_ZERO), 0);
		assert_true(owed(7) && owed(8));
	}
}

static void a_space_that_is_gone_is_gone(void **state)
{
	fault(7);
	fault(8);
	fake_script(fd, FAKE_COPY, -ESRCH, 0);
	assert_int_equal(step(), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_GONE);
	assert_int_equal(fake_nr(FAKE_COPY), 1);
}

static void an_answer_never_heard_of_fails_the_space(void **state)
{
	fault(7);
	fake_script(fd, FAKE_COPY, -EPERM, 0);
	assert_int_equal(step(), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_FAILED);
	assert_true(owed(7));
}

/* --- batches -------------------------------------------------------------------------------- */

static void events_of_a_batch_are_applied_before_its_faults(void **state)
{
	fault(7);
	fault(9);
	fake_push(fd, fake_remap(BASE + 7 * PAGE, BASE + 900 * PAGE, PAGE));
	fake_push(fd, fake_remove(BASE + 9 * PAGE, BASE + 10 * PAGE));
	fault(900);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_nr(FAKE_COPY), 1);
	assert_int_equal(fake_get(FAKE_COPY, 0).addr, BASE + 900 * PAGE);
	assert_int_equal(toy_addr(fake_get(FAKE_COPY, 0).word), BASE + 7 * PAGE);
	assert_int_equal(fake_get(FAKE_ZERO, 0).addr, BASE + 7 * PAGE);
	assert_int_equal(fake_get(FAKE_ZERO, 1).addr, BASE + 9 * PAGE);
	assert_int_equal(space->count->faults, 3);
}

static void a_fork_in_a_batch_clones_that_moment(void **state)
{
	fake_push(fd, fake_unmap(BASE, BASE + PAGE));
	fault(3);
	fake_push(fd, fake_fork(fake_uffd_new()));
	fake_push(fd, fake_unmap(BASE + PAGE, BASE + 2 * PAGE));
	assert_int_equal(step(), FI_STEP_MORE);
	assert_false(fi_space_look(child, BASE, PAGE).owed);
	assert_true(fi_space_look(child, BASE + PAGE, PAGE).owed);
	assert_true(fi_space_look(child, BASE + 3 * PAGE, PAGE).owed); /* given after the fork */
	assert_false(owed(1) || owed(3));
}

static void a_long_queue_is_read_in_bounded_batches(void **state)
{
	for (uint64_t page = 0; page < 70; page++)
		fault(page);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->count->faults, 32);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(space->count->faults, 70);
	assert_int_equal(step(), FI_STEP_IDLE);
}

static void what_is_displaced_is_asked_about_until_it_is_settled(void **state)
{
	/* Onto other lazy pages whose UNMAP is still to come. */
	fake_push(fd, fake_remap(BASE, BASE + 50 * PAGE, 2 * PAGE));
	fake_always(fd, FAKE_PROBE, -EAGAIN);
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(step(), FI_STEP_RETRY);
	assert_int_equal(fi_space_nr_owed(space), 110);
	fake_always(fd, FAKE_PROBE, 0);
	assert_int_equal(step(), FI_STEP_IDLE);
	assert_int_equal(fi_space_nr_owed(space), 108);
}

static void an_event_that_cannot_be_applied_fails_the_space(void **state)
{
	fake_push(fd, fake_fork(fake_uffd_new())); /* so that the layout is shared */
	assert_int_equal(step(), FI_STEP_MORE);
	fake_push(fd, fake_unmap(BASE, BASE + PAGE));
	fault(7);
	fail_alloc_in = 0;
	assert_int_equal(step(), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_FAILED);
	assert_int_equal(fake_nr(FAKE_COPY) + fake_nr(FAKE_ZERO) + fake_nr(FAKE_WAKE), 0);
	assert_int_equal(space->gate.state, 0);
}

/* --- reading -------------------------------------------------------------------------------- */

/* A FORK message wants a descriptor.  When there is none the kernel keeps the message. */
static void no_descriptor_for_a_child_is_no_disaster(void **state)
{
	static const int errors[] = { -EMFILE, -ENFILE, -ENOMEM };

	for (size_t i = 0; i < 3; i++) {
		fake_script(fd, FAKE_READ, errors[i], 0);
		assert_int_equal(step(), FI_STEP_RETRY);
		assert_int_equal(space->state, FI_SPACE_LIVE);
	}
	fake_push(fd, fake_fork(fake_uffd_new()));
	assert_int_equal(step(), FI_STEP_MORE);
	assert_non_null(child);
}

static void other_read_errors_fail_the_space(void **state)
{
	fake_script(fd, FAKE_READ, -EINVAL, 0);
	assert_int_equal(step(), FI_STEP_END);
	assert_int_equal(space->state, FI_SPACE_FAILED);
}

/* Page 0 can be mapped where vm.mmap_min_addr is 0: a first fault there is like any other. */
static void a_first_fault_at_address_zero(void **state)
{
	fake_push(fd, fake_fault(0));
	assert_int_equal(step(), FI_STEP_MORE);
	assert_int_equal(fake_get(FAKE_ZERO, 0).addr, 0);
	assert_int_equal(fake_get(FAKE_ZERO, 0).len, PAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fault_on_data_is_filled_from_the_image),
		TEST(zeros_for_holes_zero_pages_dropped_pages_and_the_unknown),
		TEST(a_stream_brings_along_more_and_more),
		TEST(a_long_stream_is_woken_last),
		TEST(a_stream_goes_on_behind_what_was_filled),
		TEST(a_stream_stops_before_pages_that_are_there),
		TEST(a_partial_copy_counts_what_it_did),
		TEST(again_parks_until_the_event_is_read),
		TEST(parked_faults_are_retried_without_messages),
		TEST(many_parked_faults_keep_their_order),
		TEST(no_memory_for_the_page_parks),
		TEST(no_memory_to_park_lets_the_kernel_park),
		TEST(a_page_that_is_there_wakes),
		TEST(a_vma_boundary_halves),
		TEST(nothing_watched_there_drops_and_wakes),
		TEST(nothing_there_but_an_event_on_its_way_parks),
		TEST(unreadable_then_nothing_there_is_looked_at_twice),
		TEST(an_unreadable_page_is_poisoned),
		TEST(only_the_neighbour_is_unreadable),
		TEST(poison_may_have_to_wait_or_come_late),
		TEST(unreadable_without_poison_fails_the_space),
		TEST(a_space_that_is_gone_is_gone),
		TEST(an_answer_never_heard_of_fails_the_space),
		TEST(events_of_a_batch_are_applied_before_its_faults),
		TEST(a_fork_in_a_batch_clones_that_moment),
		TEST(a_long_queue_is_read_in_bounded_batches),
		TEST(what_is_displaced_is_asked_about_until_it_is_settled),
		TEST(an_event_that_cannot_be_applied_fails_the_space),
		TEST(no_descriptor_for_a_child_is_no_disaster),
		TEST(other_read_errors_fail_the_space),
		TEST(a_first_fault_at_address_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
