/* tests/unit/test-events.c - a space follows what its program does to its memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The random part has a naive truth: an array with a cell for each page, changed at once when a
 * thread of the program makes a system call, while the events of that call, as Linux 6.18 sends
 * them, are delivered later.  The events of one thread come in order, those of several in any order.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "restore/events.h"
#include "tests/unit/fail-alloc.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define BASE UINT64_C(0x7f0000000000)
#define GIB  (UINT64_C(1) << 30)

static struct fi_space *last_child;
static int nr_stillborn;

static void born(void *arg, struct fi_space *parent, struct fi_space *child)
{
	assert_int_equal(child->parent, parent->id);
	last_child = child;
}

static void stillborn(void *arg, struct fi_space *parent, int uffd)
{
	nr_stillborn++;
}

/* What the kernel would say now of memory that was wiped on fork at the dump. */
static bool wiping_known = true;
static uint64_t kept_until; /* MADV_KEEPONFORK below here since the dump */

static bool wipes(void *arg, struct fi_space *parent, uint64_t addr, uint64_t *end, bool *ret)
{
	if (!wiping_known)
		return false;
	*ret = addr >= kept_until;
	*end = *ret ? UINT64_MAX & ~(PAGE - 1) : kept_until;
	return true;
}

static bool single = true; /* the process has one thread */

static bool alone(void *arg, struct fi_space *asked)
{
	return single;
}

static const struct fi_birth birth = {
	.born = born, .stillborn = stillborn, .wipes = wipes, .alone = alone
};

static void apply(struct fi_space *space, struct uffd_msg msg)
{
	assert_int_equal(fi_event_apply(space, &msg, &birth), 0);
}

static struct fi_space *space_of(struct toy *toy)
{
	struct fi_space *space = NULL;

	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
	return space;
}

/* The address at the dump of the owed page at @addr, 0 if none is owed there. */
static uint64_t owed_at(struct toy *toy, struct fi_space *space, uint64_t addr)
{
	struct fi_extent extent = fi_space_look(space, addr, PAGE);

	assert_int_equal(extent.addr, addr);
	assert_int_equal(extent.len, PAGE);
	return extent.owed && extent.bytes ? toy_origin(toy, extent.bytes) : 0;
}

static int reset(void **state)
{
	fake_reset();
	last_child = NULL;
	nr_stillborn = 0;
	wiping_known = true;
	kept_until = 0;
	single = true;
	return 0;
}

/* --- one event each ------------------------------------------------------------------------ */

static void remap_moves_content(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	apply(space, fake_remap(BASE + 4 * PAGE, BASE + 100 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(BASE + 4 * PAGE, BASE + 8 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE + 3 * PAGE), BASE + 3 * PAGE);
	assert_int_equal(owed_at(toy, space, BASE + 4 * PAGE), 0);
	assert_int_equal(owed_at(toy, space, BASE + 100 * PAGE), BASE + 4 * PAGE);
	assert_int_equal(owed_at(toy, space, BASE + 103 * PAGE), BASE + 7 * PAGE);
	assert_int_equal(owed_at(toy, space, BASE + 104 * PAGE), 0); /* grown: zeros */
	assert_int_equal(fi_space_nr_owed(space), 16);
	assert_int_equal(space->generation, 2);
	fi_space_put(space);
	toy_free(toy);
}

/* mremap(MREMAP_FIXED) onto other lazy memory: its UNMAP comes first. */
static void remap_onto_other_content(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 12 * PAGE));
	apply(space, fake_remap(BASE, BASE + 8 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE), 0);
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	assert_int_equal(owed_at(toy, space, BASE + 12 * PAGE), BASE + 12 * PAGE);
	assert_int_equal(fi_space_nr_owed(space), 12);
	assert_int_equal(space->count->dropped, 4);
	fi_space_put(space);
	toy_free(toy);
}

/* Thread A unmaps X, thread B moves Y to X; B's event is read first. */
static void unmap_that_comes_late_means_the_old_content(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 8 * PAGE, 4 * PAGE)); /* B */
	assert_int_equal(fi_layout_count(&space->displaced), 1);
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 12 * PAGE)); /* A */
	assert_int_equal(fi_layout_count(&space->displaced), 0);
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(fi_space_nr_owed(space), 12);
	fi_space_put(space);
	toy_free(toy);
}

/* The same, and A moved X away instead of unmapping it. */
static void remap_that_comes_late_means_the_old_content(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 8 * PAGE, 4 * PAGE));		/* B */
	apply(space, fake_remap(BASE + 8 * PAGE, BASE + 100 * PAGE, 4 * PAGE)); /* A */
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	assert_int_equal(owed_at(toy, space, BASE + 100 * PAGE), BASE + 8 * PAGE);
	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 12 * PAGE)); /* A: what it has moved */
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));	     /* B */
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	assert_int_equal(fi_space_nr_owed(space), 16);
	fi_space_put(space);
	toy_free(toy);
}

/* The kernel has nothing at the first two pages. */
static int nothing_at_base(int fd, uint64_t addr)
{
	return addr >= BASE && addr < BASE + 2 * PAGE ? -ENOENT : 0;
}

/* Thread A unmaps a place that has nothing of the image; the kernel gives it to thread B's mremap. */
static void unmap_that_comes_late_spares_what_has_landed(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct toy *toy = toy_simple(BASE, 16);
		struct fi_space *space = space_of(toy);

		single = false;
		apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE)); /* B */
		if (late)
			apply(space, fake_unmap(BASE, BASE + 4 * PAGE)); /* B's second message */
		apply(space, fake_unmap(BASE + 98 * PAGE, BASE + 103 * PAGE)); /* A */
		if (!late)
			apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
		assert_true(fi_events_unsettled(space));
		assert_int_equal(fi_events_settled(space, &birth), 0);
		assert_false(fi_events_unsettled(space));
		for (uint64_t page = 0; page < 4; page++)
			assert_int_equal(owed_at(toy, space, BASE + (100 + page) * PAGE),
					 BASE + page * PAGE);
		assert_int_equal(fi_space_nr_owed(space), 16);

		/* Settled: now it means what it says. */
		single = true;
		apply(space, fake_unmap(BASE + 100 * PAGE, BASE + 104 * PAGE));
		assert_int_equal(fi_space_nr_owed(space), 12);
		fi_space_put(space);
		toy_free(toy);
	}
}

static int gone_but_for_one_page(int fd, uint64_t addr)
{
	return addr >= BASE + 100 * PAGE && addr != BASE + 102 * PAGE ? -ENOENT : 0;
}

/* The same messages, and this time it was what has landed that was unmapped. */
static void what_has_landed_and_is_gone_is_dropped(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	apply(space, fake_unmap(BASE + 101 * PAGE, BASE + 104 * PAGE));
	assert_int_equal(fi_space_nr_owed(space), 16);
	fake_probe = gone_but_for_one_page;
	assert_int_equal(fi_events_settled(space, &birth), 0);
	fake_probe = NULL;
	assert_false(fi_events_unsettled(space));
	assert_int_equal(owed_at(toy, space, BASE + 100 * PAGE), BASE); /* not asked about */
	assert_int_equal(owed_at(toy, space, BASE + 101 * PAGE), 0);
	assert_int_equal(owed_at(toy, space, BASE + 102 * PAGE), BASE + 2 * PAGE);
	assert_int_equal(owed_at(toy, space, BASE + 103 * PAGE), 0);
	assert_int_equal(fi_space_nr_owed(space), 14);
	fi_space_put(space);
	toy_free(toy);
}

/* The descriptor has_fd watches [has_from, has_to) and nothing else; others watch everything. */
static int has_fd;
static uint64_t has_from, has_to;

static int has(int fd, uint64_t addr)
{
	return fd == has_fd && (addr < has_from || addr >= has_to) ? -ENOENT : 0;
}

/* A child that is born meanwhile waits until its parent is settled.  What it has is asked of its own
 * userfaultfd, and what it does itself is not of before. */
static void a_child_knows_what_has_landed(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	for (int gone = 0; gone < 2; gone++) {
		uint64_t to = BASE + (100 + 100 * (uint64_t)gone) * PAGE;
		int uffd = fake_uffd_new();

		apply(space, fake_remap(BASE + 8 * (uint64_t)gone * PAGE, to, 8 * PAGE));
		apply(space, fake_unmap(BASE + 8 * (uint64_t)gone * PAGE,
					BASE + 8 * (uint64_t)(gone + 1) * PAGE));
		apply(space, fake_unmap(to, to + 4 * PAGE));
		last_child = NULL;
		apply(space, fake_fork(uffd));
		assert_null(last_child);
		has_fd = uffd;
		has_from = to + (gone ? 4 : 0) * PAGE;
		has_to = to + 8 * PAGE;
		fake_probe = has;
		assert_int_equal(fi_events_settled(space, &birth), 0);
		fake_probe = NULL;
		assert_non_null(last_child);
		assert_int_equal(last_child->state, FI_SPACE_LIVE);
		assert_false(fi_events_unsettled(last_child));
		assert_int_equal(fi_space_nr_owed(space), 16);
		for (uint64_t page = 0; page < 8; page++)
			assert_int_equal(
				owed_at(toy, last_child, to + page * PAGE),
				gone && page < 4 ? 0 : BASE + (8 * (uint64_t)gone + page) * PAGE);
		apply(last_child, fake_unmap(to + 4 * PAGE, to + 8 * PAGE));
		assert_int_equal(owed_at(toy, last_child, to + 5 * PAGE), 0);
		fi_space_put(last_child);
	}
	fi_space_put(space);
	toy_free(toy);
}

/* One ENOENT may be a change whose event is still to come; the second probe says so. */
static void what_cannot_be_told_yet_stays_disputed(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(BASE + 100 * PAGE, BASE + 104 * PAGE));
	fake_script(space->uffd, FAKE_PROBE, -ENOENT, 0);
	fake_script(space->uffd, FAKE_PROBE, -ENOENT, 0); /* the first page is gone */
	fake_script(space->uffd, FAKE_PROBE, -ENOENT, 0);
	fake_script(space->uffd, FAKE_PROBE, -EAGAIN, 0); /* of the second we do not know */
	assert_int_equal(fi_events_settled(space, &birth), -EAGAIN);
	assert_true(fi_events_unsettled(space));
	assert_int_equal(fi_space_nr_owed(space), 15);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_false(fi_events_unsettled(space));
	assert_int_equal(fi_space_nr_owed(space), 15);
	fi_space_put(space);
	toy_free(toy);
}

/* mremap, munmap, mremap to the same place again, munmap: nothing was ever displaced. */
static void a_move_onto_what_is_disputed_drops_it(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	for (uint64_t i = 0; i < 4; i++) {
		apply(space, fake_remap(BASE + 4 * i * PAGE, BASE + 100 * PAGE, 4 * PAGE));
		apply(space, fake_unmap(BASE + 4 * i * PAGE, BASE + 4 * (i + 1) * PAGE));
		assert_int_equal(owed_at(toy, space, BASE + 100 * PAGE), BASE + 4 * i * PAGE);
		apply(space, fake_unmap(BASE + 100 * PAGE, BASE + 104 * PAGE));
		assert_int_equal(fi_layout_count(&space->displaced), 0);
	}

	/* A smaller one that grows has the rest of the place, too. */
	apply(space, fake_remap(BASE + 1000 * PAGE, BASE + 102 * PAGE, PAGE));
	assert_int_equal(owed_at(toy, space, BASE + 103 * PAGE), 0);
	fake_always(space->uffd, FAKE_PROBE, -ENOENT);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(fi_space_nr_owed(space), 0);
	fi_space_put(space);
	toy_free(toy);
}

/* mremap, munmap, and a neighbour grows over it, all before a probe: the pages that grew are zeros. */
static void a_single_thread_is_taken_at_its_word(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	apply(space, fake_remap(BASE, BASE + 16 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	apply(space, fake_unmap(BASE + 16 * PAGE, BASE + 20 * PAGE));
	assert_false(fi_events_unsettled(space));
	assert_int_equal(owed_at(toy, space, BASE + 16 * PAGE), 0);
	assert_int_equal(fi_space_nr_owed(space), 12);
	fi_space_put(space);
	toy_free(toy);
}

/* Linux sends an UNMAP for the source after each REMAP.  Before it is read, another thread's mremap
 * may have taken the place that became free. */
static void unmap_behind_a_remap_spares_what_came_since(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE)); /* A */
	apply(space, fake_remap(BASE + 8 * PAGE, BASE, 4 * PAGE));   /* B, to where A came from */
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));	     /* A's second message */
	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 12 * PAGE)); /* B's second message */
	assert_int_equal(owed_at(toy, space, BASE), BASE + 8 * PAGE);
	assert_int_equal(owed_at(toy, space, BASE + 100 * PAGE), BASE);
	assert_int_equal(fi_space_nr_owed(space), 16);

	/* A real one is decided when the kernel can be asked; from then on they mean what they say. */
	apply(space, fake_unmap(BASE, BASE + 2 * PAGE));
	assert_true(fi_events_unsettled(space));
	fake_probe = nothing_at_base;
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(owed_at(toy, space, BASE), 0);
	assert_int_equal(fi_space_nr_owed(space), 14);
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE + 2 * PAGE), 0);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(fi_space_nr_owed(space), 12);
	fi_space_put(space);
	toy_free(toy);
}

/* MREMAP_DONTUNMAP sends no UNMAP behind it. */
static void a_remap_without_unmap_excuses_none(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE));
	assert_int_equal(fi_events_settled(space, &birth), 0);
	apply(space, fake_remap(BASE + 8 * PAGE, BASE, 4 * PAGE));
	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 12 * PAGE));
	assert_int_equal(fi_events_settled(space, &birth), 0);
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE), 0);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(fi_space_nr_owed(space), 12);
	fi_space_put(space);
	toy_free(toy);
}

static void displaced_content_that_nobody_asks_for_is_dropped(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 8 * PAGE, 4 * PAGE));
	assert_int_equal(fi_space_nr_owed(space), 16);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_int_equal(fi_space_nr_owed(space), 12);
	assert_int_equal(fi_layout_count(&space->displaced), 0);
	assert_int_equal(owed_at(toy, space, BASE + 8 * PAGE), BASE);
	fi_space_put(space);
	toy_free(toy);
}

/* Content is displaced where some waits already: which of two late events means which cannot be
 * known, and a guess could be a wrong byte (law 1). */
static void displaced_twice_is_not_guessed_at(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);
	struct uffd_msg msg = fake_remap(BASE + 4 * PAGE, BASE + 9 * PAGE, 2 * PAGE);

	single = false;
	apply(space, fake_remap(BASE, BASE + 8 * PAGE, 4 * PAGE));
	assert_int_equal(fi_event_apply(space, &msg, &birth), -ENOTRECOVERABLE);
	fi_space_put(space);
	toy_free(toy);
}

static void remove_and_unmap_of_parts_and_of_nothing(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	apply(space, fake_remove(BASE + 2 * PAGE, BASE + 4 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE + 2 * PAGE), 0);
	assert_int_equal(owed_at(toy, space, BASE + 4 * PAGE), BASE + 4 * PAGE);
	assert_int_equal(fi_layout_count(&space->layout), 1);
	apply(space, fake_remove(BASE + 2 * PAGE, BASE + 4 * PAGE)); /* again */
	apply(space, fake_unmap(BASE - 4 * PAGE, BASE + 1 * PAGE));
	apply(space, fake_unmap(BASE + 15 * PAGE, BASE + 400 * PAGE));
	apply(space, fake_unmap(BASE + 1000 * PAGE, BASE + 1400 * PAGE));
	apply(space, fake_remove(BASE + 1000 * PAGE, BASE + 1400 * PAGE));
	apply(space, fake_remap(BASE + 1000 * PAGE, BASE + 2000 * PAGE, 10 * PAGE));
	assert_int_equal(fi_space_nr_owed(space), 12);
	assert_int_equal(space->count->dropped, 4);
	assert_int_equal(space->count->removes, 3);
	assert_int_equal(space->count->unmaps, 3);
	assert_int_equal(space->count->remaps, 1);
	fi_space_put(space);
	toy_free(toy);
}

/* criu lazy-pages hangs for ever on 2.5 GB: an `int` length. */
static void more_than_two_and_four_gib_at_once(void **state)
{
	static const uint64_t sizes[] = { 5 * GIB / 2, 4 * GIB + PAGE, 9 * GIB };

	for (size_t i = 0; i < 3; i++) {
		struct toy *toy = toy_simple(BASE, (sizes[i] + 2 * GIB) / PAGE);
		struct fi_space *space = space_of(toy);
		uint64_t pages = (sizes[i] + 2 * GIB) / PAGE;

		apply(space, fake_remap(BASE, 8 * BASE / 9, sizes[i] + GIB));
		apply(space, fake_unmap(BASE, BASE + sizes[i] + GIB));
		assert_int_equal(fi_space_nr_owed(space), pages);
		assert_int_equal(owed_at(toy, space, 8 * BASE / 9 + sizes[i]), BASE + sizes[i]);
		apply(space, fake_remove(8 * BASE / 9, 8 * BASE / 9 + sizes[i]));
		assert_int_equal(fi_space_nr_owed(space), 2 * GIB / PAGE);
		apply(space, fake_unmap(8 * BASE / 9, 8 * BASE / 9 + sizes[i]));
		assert_int_equal(owed_at(toy, space, 8 * BASE / 9 + sizes[i]), BASE + sizes[i]);
		apply(space, fake_unmap(0, UINT64_C(1) << 47));
		assert_int_equal(fi_space_nr_owed(space), 0);
		assert_int_equal(space->count->dropped, pages);
		fi_space_put(space);
		toy_free(toy);
	}
}

static void at_the_end_of_user_memory(void **state)
{
	const uint64_t top = (UINT64_C(1) << 47) - PAGE; /* TASK_SIZE */
	struct toy *toy = toy_simple(top - 8 * PAGE, 8);
	struct fi_space *space = space_of(toy);
	struct fi_extent extent;

	extent = fi_space_look(space, top - 2 * PAGE, 64 * PAGE);
	assert_int_equal(extent.len, 2 * PAGE);
	apply(space, fake_unmap(top - 8 * PAGE, top - 4 * PAGE));
	apply(space, fake_remap(top - 4 * PAGE, top - 8 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(top - 4 * PAGE, top));
	apply(space, fake_remap(top - 8 * PAGE, top - 4 * PAGE, 4 * PAGE));
	apply(space, fake_unmap(top - 8 * PAGE, top - 4 * PAGE));
	assert_int_equal(owed_at(toy, space, top - PAGE), top - PAGE);
	apply(space, fake_unmap(top - PAGE, top));
	extent = fi_space_look(space, top, 64 * PAGE);
	assert_false(extent.owed);
	assert_int_equal(extent.len, 64 * PAGE);
	assert_false(fi_space_next_owed(space, top - PAGE, 64 * PAGE, &extent));
	fi_space_put(space);
	toy_free(toy);
}

/* --- fork ---------------------------------------------------------------------------------- */

static void fork_clones_what_is_there_now(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy), *child, *grandchild;

	space->id = 3;
	apply(space, fake_unmap(BASE, BASE + PAGE));
	apply(space, fake_remap(BASE + 8 * PAGE, BASE + 100 * PAGE, 2 * PAGE));
	apply(space, fake_fork(fake_uffd_new()));
	child = last_child;
	apply(space, fake_unmap(BASE + 8 * PAGE, BASE + 10 * PAGE)); /* the parent's alone */
	assert_int_equal(fi_space_nr_owed(child), 15);
	assert_int_equal(owed_at(toy, child, BASE + 100 * PAGE), BASE + 8 * PAGE);

	/* From here on each goes its own way. */
	apply(space, fake_unmap(BASE + 100 * PAGE, BASE + 102 * PAGE));
	apply(child, fake_remap(BASE + 4 * PAGE, BASE + 200 * PAGE, PAGE));
	child->id = 4;
	apply(child, fake_fork(fake_uffd_new()));
	grandchild = last_child;
	apply(child, fake_remove(BASE + 200 * PAGE, BASE + 201 * PAGE));
	assert_int_equal(owed_at(toy, space, BASE + 4 * PAGE), BASE + 4 * PAGE);
	assert_int_equal(owed_at(toy, child, BASE + 100 * PAGE), BASE + 8 * PAGE);
	assert_int_equal(owed_at(toy, child, BASE + 200 * PAGE), 0);
	assert_int_equal(owed_at(toy, grandchild, BASE + 200 * PAGE), BASE + 4 * PAGE);
	assert_int_equal(fi_space_nr_owed(space), 13);
	assert_int_equal(fi_space_nr_owed(child), 14);
	assert_int_equal(fi_space_nr_owed(grandchild), 15);
	assert_int_equal(space->count->forks, 1);

	/* The parent's end is not the child's. */
	fi_space_put(space);
	fi_space_put(child);
	assert_int_equal(owed_at(toy, grandchild, BASE + 200 * PAGE), BASE + 4 * PAGE);
	fi_space_put(grandchild);
	toy_free(toy);
}

/* Thread A forks, thread B unmaps; B's event is read first, or A's is put back behind it. */
static void a_fork_that_comes_late_has_what_the_child_has(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	for (int late = 0; late < 2; late++) { /* B's event is read before A's, or after it */
		uint64_t start = BASE + 8 * (uint64_t)late * PAGE;

		if (!late)
			apply(space, fake_unmap(start, start + 6 * PAGE));
		has_fd = fake_uffd_new();
		space->stepped = 100;
		apply(space, fake_fork(has_fd));
		space->stepped = 200;
		if (late)
			apply(space, fake_unmap(start, start + 6 * PAGE));
		assert_true(fi_events_unsettled(space));
		assert_int_equal(owed_at(toy, space, start + 2 * PAGE), 0);
		has_from = start;
		has_to = start + 6 * PAGE;
		fake_probe = has;
		assert_int_equal(fi_events_settled(space, &birth), 0);
		assert_false(fi_events_unsettled(last_child));
		assert_int_equal(last_child->stepped,
				 100); /* who names it looks for a fork since */
		for (uint64_t page = 0; page < 6; page++)
			assert_int_equal(owed_at(toy, last_child, start + page * PAGE),
					 start + page * PAGE);
		assert_int_equal(fi_space_nr_owed(last_child), 16 - 6 * (uint64_t)late);
		fi_space_put(last_child);
		fake_probe = NULL;
		/* Nobody forks from before any more. */
		assert_int_equal(fi_space_nr_owed(space), 16 - 6 * (uint64_t)(late + 1));
	}
	fi_space_put(space);
	toy_free(toy);
}

/* Thread A moves memory, thread B forks, and B's event is read before A's: the child has it here or
 * there. */
static void a_fork_that_overtakes_a_move_is_asked_about(void **state)
{
	const uint64_t to = BASE + 100 * PAGE;

	for (int moved = 0; moved < 2; moved++) {
		struct toy *toy = toy_simple(BASE, 16);
		struct fi_space *space = space_of(toy);

		single = false;
		has_fd = fake_uffd_new();
		apply(space, fake_fork(has_fd));
		apply(space, fake_remap(BASE, to, 16 * PAGE));
		apply(space, fake_unmap(BASE, BASE + 16 * PAGE));
		assert_null(last_child);
		has_from = moved ? to : BASE;
		has_to = has_from + 16 * PAGE;
		fake_probe = has;
		assert_int_equal(fi_events_settled(space, &birth), 0);
		fake_probe = NULL;
		for (uint64_t page = 0; page < 16; page++) {
			assert_int_equal(owed_at(toy, last_child, BASE + page * PAGE),
					 moved ? 0 : BASE + page * PAGE);
			assert_int_equal(owed_at(toy, last_child, to + page * PAGE),
					 moved ? BASE + page * PAGE : 0);
		}
		assert_int_equal(fi_space_nr_owed(last_child), 16);
		fi_space_put(last_child);
		last_child = NULL;
		fi_space_put(space);
		toy_free(toy);
	}
}

/* The same, and when it could be asked the child has gone on: what it does meanwhile is read, and
 * applied when it is known to what. */
static void a_newborn_that_has_gone_on_is_heard_first(void **state)
{
	const uint64_t to = BASE + 100 * PAGE;
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy), *child;
	int uffd = fake_uffd_new();

	single = false;
	apply(space, fake_fork(uffd));
	apply(space, fake_remap(BASE, to, 8 * PAGE));
	apply(space, fake_unmap(BASE, BASE + 8 * PAGE));
	fake_always(uffd, FAKE_PROBE, -EAGAIN);
	assert_int_equal(fi_events_settled(space, &birth), 0);
	assert_non_null(last_child);
	child = last_child;
	assert_true(fi_space_on_hold(child));
	assert_true(fi_events_unsettled(child));

	apply(child, fake_unmap(to, to + 2 * PAGE));
	apply(child, fake_fork(fake_uffd_new())); /* no wiser than its parent */
	assert_true(fi_space_on_hold(last_child));
	apply(child, fake_remap(to + 4 * PAGE, BASE + 50 * PAGE, PAGE));
	assert_int_equal(fi_events_grow_up(child, &birth), -EAGAIN);
	has_fd = uffd;
	has_from = to;
	has_to = to + 8 * PAGE;
	fake_probe = has;
	assert_int_equal(fi_events_grow_up(child, &birth), 0);
	has_fd = last_child->uffd;
	assert_int_equal(fi_events_grow_up(last_child, &birth), 0);
	fake_probe = NULL;
	assert_false(fi_space_on_hold(child));
	assert_int_equal(owed_at(toy, child, BASE), 0);
	assert_int_equal(owed_at(toy, child, to + PAGE), 0);
	assert_int_equal(owed_at(toy, child, to + 3 * PAGE), BASE + 3 * PAGE);
	assert_int_equal(owed_at(toy, child, to + 4 * PAGE), 0);
	assert_int_equal(owed_at(toy, child, BASE + 50 * PAGE), BASE + 4 * PAGE);
	assert_int_equal(owed_at(toy, last_child, to + PAGE), 0);
	assert_int_equal(owed_at(toy, last_child, to + 4 * PAGE), BASE + 4 * PAGE);
	fi_space_put(last_child);
	fi_space_put(child);
	fi_space_put(space);
	toy_free(toy);
}

static int nothing(int fd, uint64_t addr)
{
	return -ENOENT;
}

/* The parent is gone before it was settled: what the child has must all be there, or a change is
 * unknown. */
static void a_child_of_what_is_gone_is_checked(void **state)
{
	for (int known = 0; known < 2; known++) {
		struct toy *toy = toy_simple(BASE, 16);
		struct fi_space *space = space_of(toy);

		single = false;
		apply(space, fake_fork(fake_uffd_new()));
		assert_null(last_child);
		space->state = FI_SPACE_GONE;
		fake_probe = known ? NULL : nothing;
		fi_events_lost(space, &birth);
		fake_probe = NULL;
		assert_int_equal(last_child->state, known ? FI_SPACE_LIVE : FI_SPACE_FAILED);
		fi_space_put(last_child);
		last_child = NULL;
		fi_space_put(space);
		toy_free(toy);
	}
}

/* Answers that no order of what was read explains: the child must not run. */
static void a_child_that_cannot_be_understood_fails(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_fork(fake_uffd_new()));
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 8 * PAGE));
	apply(space, fake_unmap(BASE, BASE + 8 * PAGE));
	fake_probe = nothing;
	assert_int_equal(fi_events_settled(space, &birth), 0);
	fake_probe = NULL;
	assert_int_equal(last_child->state, FI_SPACE_FAILED);
	assert_int_equal(space->state, FI_SPACE_LIVE);
	fi_space_put(last_child);
	fi_space_put(space);
	toy_free(toy);
}

/* Two threads: A moves Y, where nothing of the image is, to Z; B moves X to Y.  In the order of reading
 * B's content is taken along to Z, or stays at Y though A's move came after it. */
static void moves_that_cross_are_asked_about(void **state)
{
	const uint64_t y = BASE + 100 * PAGE, z = BASE + 200 * PAGE;

	for (int i = 0; i < 4; i++) {
		bool first_in = i & 1, at_y = i & 2;
		struct toy *toy = toy_simple(BASE, 4);
		struct fi_space *space = space_of(toy);

		single = false;
		if (first_in)
			apply(space, fake_remap(BASE, y, 4 * PAGE));
		apply(space, fake_remap(y, z, 4 * PAGE));
		if (!first_in)
			apply(space, fake_remap(BASE, y, 4 * PAGE));
		assert_true(fi_space_on_hold(space));
		apply(space, fake_unmap(y, y + 4 * PAGE));
		apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
		has_fd = space->uffd;
		has_from = at_y ? y : z;
		has_to = z + 4 * PAGE;
		fake_probe = has;
		assert_int_equal(fi_events_settled(space, &birth), 0);
		fake_probe = NULL;
		assert_false(fi_space_on_hold(space));
		assert_int_equal(owed_at(toy, space, y + PAGE), at_y ? BASE + PAGE : 0);
		assert_int_equal(owed_at(toy, space, z + PAGE), at_y ? 0 : BASE + PAGE);
		assert_int_equal(fi_space_nr_owed(space), 4);
		fi_space_put(space);
		toy_free(toy);
	}
}

/* A discard that is read before the FORK of another thread, of what a third has moved there: the child
 * may have it at its old place. */
static void a_discard_spares_what_a_child_has_elsewhere(void **state)
{
	struct toy *toy = toy_simple(BASE, 16);
	struct fi_space *space = space_of(toy);

	single = false;
	apply(space, fake_remap(BASE, BASE + 100 * PAGE, 4 * PAGE));
	apply(space, fake_remove(BASE + 100 * PAGE, BASE + 104 * PAGE));
	assert_true(fi_space_on_hold(space));
	has_fd = fake_uffd_new();
	apply(space, fake_fork(has_fd));
	apply(space, fake_unmap(BASE, BASE + 4 * PAGE));
	has_from = BASE;
	has_to = BASE + 16 * PAGE;
	fake_probe = has;
	assert_int_equal(fi_events_settled(space, &birth), 0);
	fake_probe = NULL;
	assert_int_equal(fi_space_nr_owed(space), 12);
	assert_int_equal(owed_at(toy, last_child, BASE + PAGE), BASE + PAGE);
	assert_int_equal(fi_space_nr_owed(last_child), 16);
	fi_space_put(last_child);
	fi_space_put(space);
	toy_free(toy);
}

static void wipe_on_fork_is_zeros_for_the_child_only(void **state)
{
	const struct fi_vma vmas[] = {
		{ .start = BASE, .end = BASE + 4 * PAGE, .lazy = true },
		{ .start = BASE + 4 * PAGE,
		  .end = BASE + 8 * PAGE,
		  .lazy = true,
		  .madv = UINT64_C(1) << 18 },
	};
	const struct fi_run run = {
		.addr = BASE, .nr_pages = 4, .kind = FI_RUN_DATA, .lazy = true
	};
	const struct fi_run runs[] = {
		run, { .addr = BASE + 4 * PAGE, .nr_pages = 4, .kind = FI_RUN_DATA, .lazy = true }
	};
	struct toy *toy = toy_new(vmas, 2, runs, 2);
	struct fi_space *space = space_of(toy);

	apply(space,
	      fake_remap(BASE + 5 * PAGE, BASE + 50 * PAGE, PAGE)); /* the flag moves along */
	apply(space, fake_fork(fake_uffd_new()));
	for (uint64_t page = 0; page < 60; page++) {
		uint64_t want = owed_at(toy, space, BASE + page * PAGE);

		assert_int_equal(owed_at(toy, last_child, BASE + page * PAGE), page < 4 ? want : 0);
	}
	assert_int_equal(fi_space_nr_owed(space), 8);
	assert_int_equal(fi_space_nr_owed(last_child), 4);
	fi_space_put(last_child);
	fi_space_put(space);
	toy_free(toy);
}

/* The dump's word is not the last one: the program may have said MADV_KEEPONFORK since. */
static void what_is_wiped_is_asked_anew(void **state)
{
	const struct fi_vma vma = {
		.start = BASE, .end = BASE + 8 * PAGE, .lazy = true, .madv = UINT64_C(1) << 18
	};
	const struct fi_run run = {
		.addr = BASE, .nr_pages = 8, .kind = FI_RUN_DATA, .lazy = true
	};
	struct toy *toy = toy_new(&vma, 1, &run, 1);
	struct fi_space *space = space_of(toy);

	kept_until = BASE + 3 * PAGE;
	apply(space, fake_fork(fake_uffd_new()));
	for (uint64_t page = 0; page < 8; page++)
		assert_int_equal(owed_at(toy, last_child, BASE + page * PAGE),
				 page < 3 ? BASE + page * PAGE : 0);
	fi_space_put(last_child);

	kept_until = BASE + 100 * PAGE;
	apply(space, fake_fork(fake_uffd_new()));
	assert_int_equal(fi_space_nr_owed(last_child), 8);
	fi_space_put(last_child);

	wiping_known = false; /* then the dump's word counts */
	apply(space, fake_fork(fake_uffd_new()));
	assert_int_equal(fi_space_nr_owed(last_child), 0);
	fi_space_put(last_child);
	fi_space_put(space);
	toy_free(toy);
}

/* Whatever allocation fails, the child's descriptor is left open and the parent is as before. */
static void fork_without_memory_is_stillborn(void **state)
{
	struct toy *toy = toy_simple(BASE, 40000);
	struct fi_space *space = space_of(toy);
	int uffd = fake_uffd_new();

	for (long n = 0; n < 2; n++) {
		fail_alloc_in = n;
		apply(space, fake_fork(uffd));
		fail_alloc_in = -1;
		assert_int_equal(nr_stillborn, n + 1);
		assert_null(last_child);
	}
	assert_int_equal(fake_nr(FAKE_CLOSE), 0);
	assert_int_equal(space->state, FI_SPACE_LIVE);
	assert_int_equal(fi_space_nr_owed(space), 40000);
	fail_alloc_in = 2;
	apply(space, fake_fork(uffd));
	fail_alloc_in = -1;
	assert_non_null(last_child);
	fi_space_put(last_child);
	fi_space_put(space);
	toy_free(toy);
}

static void other_events_without_memory_say_so(void **state)
{
	const struct uffd_msg msgs[] = {
		fake_unmap(BASE + PAGE, BASE + 2 * PAGE),
		fake_remove(BASE + PAGE, BASE + 2 * PAGE),
		fake_remap(BASE + PAGE, BASE + 10 * PAGE, PAGE),
	};

	for (size_t i = 0; i < 3; i++)
		for (long n = 0;; n++) {
			struct toy *toy = toy_simple(BASE, 40000);
			struct fi_space *space = space_of(toy);
			int r;

			apply(space, fake_fork(fake_uffd_new())); /* so that all is shared */
			fail_alloc_in = n;
			r = fi_event_apply(space, &msgs[i], &birth);
			fail_alloc_in = -1;
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(fi_space_nr_owed(last_child), 40000);
			assert_int_equal(owed_at(toy, last_child, BASE + PAGE), BASE + PAGE);
			fi_space_put(last_child);
			fi_space_put(space);
			toy_free(toy);
			if (r == 0) {
				assert_true(n > 0);
				break;
			}
		}
}

/* --- random programs ------------------------------------------------------------------------ */

#define CELLS	  96
#define THREADS	  3
#define MAX_SPACE 4
#define SEQUENCES 10000

#define NOWHERE (-1) /* not mapped, or not watched */
#define BLANK	(-2) /* watched, nothing of the image */

struct pending {
	struct uffd_msg msg;
	int start, end; /* cells that it is about */
	int to;		/* REMAP: where they go, else -1 */
	bool behind;	/* the UNMAP behind a REMAP */
};

struct world {
	int index;
	struct fi_space *space;
	int cell[CELLS];	 /* the origin's cell, NOWHERE, BLANK */
	bool given[CELLS];	 /* by origin: not owed any more */
	bool landed[CELLS];	 /* content was moved here since all events were read */
	bool blank_moved[CELLS]; /* held nothing of the image when a call that goes on moved it */
	struct pending queue[THREADS][6];
	int nr[THREADS];
};

/* What the sequence has done so far, for whoever has to explain a failure. */
static char trace[16384];
static size_t trace_len;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	trace_len += (size_t)vsnprintf(trace + trace_len, sizeof(trace) - trace_len, fmt, ap);
	va_end(ap);
	assert_true(trace_len < sizeof(trace));
}

static struct toy *arena;
static int rank_of[CELLS]; /* by origin; -1: not lazy or not dumped */

static uint64_t addr_of(int cell)
{
	return BASE + (uint64_t)cell * PAGE;
}

static void make_arena(void)
{
	const struct fi_vma vmas[] = {
		{ .start = addr_of(0), .end = addr_of(30), .lazy = true },
		{ .start = addr_of(30), .end = addr_of(36), .lazy = false },
		{ .start = addr_of(40), .end = addr_of(60), .lazy = true },
		{ .start = addr_of(60),
		  .end = addr_of(66),
		  .lazy = true,
		  .madv = UINT64_C(1) << 18 },
	};
	struct fi_run runs[] = {
		{ .addr = addr_of(0), .nr_pages = 7, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = addr_of(7), .nr_pages = 1, .kind = FI_RUN_DATA, .lazy = false },
		{ .addr = addr_of(8), .nr_pages = 6, .kind = FI_RUN_ZERO, .lazy = true },
		{ .addr = addr_of(18), .nr_pages = 12, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = addr_of(30), .nr_pages = 6, .kind = FI_RUN_DATA, .lazy = false },
		{ .addr = addr_of(40), .nr_pages = 1, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = addr_of(42), .nr_pages = 18, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = addr_of(60), .nr_pages = 6, .kind = FI_RUN_DATA, .lazy = true },
	};
	int rank = 0;

	memset(rank_of, -1, sizeof(rank_of));
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		for (unsigned page = 0; runs[i].lazy && page < runs[i].nr_pages; page++)
			rank_of[(runs[i].addr - BASE) / PAGE + page] = rank++;
	arena = toy_new(vmas, 4, runs, sizeof(runs) / sizeof(runs[0]));
}

static bool truly_owed(const struct world *w, int cell)
{
	int origin = w->cell[cell];

	return origin >= 0 && rank_of[origin] >= 0 && !w->given[origin];
}

/* With all events delivered, every page is what the truth says. */
static void compare(struct world *w)
{
	uint64_t owed = 0;

	for (int cell = 0; cell < CELLS; cell++) {
		struct fi_extent extent = fi_space_look(w->space, addr_of(cell), PAGE);
		bool want = truly_owed(w, cell);

		if (extent.owed != want)
			fail_msg("cell %d: %sowed; %s", cell, want ? "" : "not ", trace);
		assert_int_equal(extent.len, PAGE);
		owed += want;
		if (!want) {
			assert_null(extent.bytes);
			continue;
		}
		assert_int_equal(extent.rank, rank_of[w->cell[cell]]);
		if (extent.bytes)
			assert_int_equal(toy_origin(arena, extent.bytes), addr_of(w->cell[cell]));
		else
			assert_in_range(w->cell[cell], 8, 13);
	}
	assert_int_equal(fi_space_nr_owed(w->space), owed);
}

static int places_of(const struct fi_layout *layout, uint64_t origin)
{
	int places = 0;

	for (size_t i = 0; i < fi_layout_count(layout); i++) {
		const struct fi_segment *s = fi_layout_segment(layout, i);

		places += origin >= s->origin && origin - s->origin < s->end - s->start;
	}
	return places;
}

/* space.h: where an owed page is. */
static void check_invariant(struct world *w)
{
	for (int origin = 0; origin < CELLS; origin++) {
		int places, left = 0;

		if (rank_of[origin] < 0 ||
		    !fi_owed_test(&w->space->owed, (uint64_t)rank_of[origin]))
			continue;
		places = places_of(&w->space->layout, addr_of(origin)) +
			 places_of(&w->space->displaced, addr_of(origin));
		for (size_t i = 0; i < w->space->nr_left; i++)
			left += addr_of(origin) >= w->space->left[i].origin &&
				addr_of(origin) - w->space->left[i].origin <
					w->space->left[i].end - w->space->left[i].start;
		assert_true(places <= 1);
		assert_true(places + left >= 1);
	}
}

static bool quiet(const struct world *w)
{
	for (int t = 0; t < THREADS; t++)
		if (w->nr[t])
			return false;
	return true;
}

static void send(struct world *w, int t, struct uffd_msg msg, int start, int end, int to,
		 bool behind)
{
	w->queue[t][w->nr[t]++] = (struct pending){ msg, start, end, to, behind };
	note(" %d/%d:%s%d-%d", w->index, t,
	     to >= 0			     ? "remap "
	     : msg.event == UFFD_EVENT_UNMAP ? "unmap "
					     : "remove ",
	     start, end);
	if (to >= 0)
		note(">%d", to);
}

static void send_unmap(struct world *w, int t, int start, int end, bool behind)
{
	send(w, t, fake_unmap(addr_of(start), addr_of(end)), start, end, -1, behind);
}

/* Nobody else's call is still going on about these cells; one whose REMAP was read already, so that
 * only the UNMAP behind it is missing, does not count when @late_is_fine. */
static bool at_rest(const struct world *w, int start, int end, bool late_is_fine)
{
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < w->nr[t]; i++) {
			const struct pending *p = &w->queue[t][i];
			bool fine = late_is_fine && p->behind && i == 0;

			if (p->start < end && p->end > start && !fine)
				return false;
			if (p->to >= 0 && p->to < end && p->to + (p->end - p->start) > start)
				return false;
		}
	return true;
}

static bool all_mapped(const struct world *w, int start, int end)
{
	for (int c = start; c < end; c++)
		if (w->cell[c] == NOWHERE)
			return false;
	return true;
}

static bool any_mapped(const struct world *w, int start, int end)
{
	for (int c = start; c < end; c++)
		if (w->cell[c] != NOWHERE)
			return true;
	return false;
}

/* Free for the kernel to choose.  Left out, because the engine cannot tell it yet: a place that held
 * nothing of the image when it was moved away, by a call whose event is still to come.  A REMAP to it
 * that is read before that event displaces nothing, and the event is then taken to mean what came. */
static bool can_choose(const struct world *w, int start, int end)
{
	for (int c = start; c < end; c++)
		if (w->cell[c] != NOWHERE || w->blank_moved[c])
			return false;
	return true;
}

static void forget(struct world *w, int start, int end)
{
	for (int c = start; c < end; c++) {
		if (w->cell[c] >= 0)
			w->given[w->cell[c]] = true; /* nobody can ask for it any more */
		w->cell[c] = NOWHERE;
	}
}

static void call_munmap(struct world *w, int t, int start, int end)
{
	if (!at_rest(w, start, end, true))
		return;
	if (any_mapped(w, start, end))
		send_unmap(w, t, start, end, false);
	forget(w, start, end);
}

static void call_discard(struct world *w, int t, int start, int end)
{
	if (!at_rest(w, start, end, true) || !all_mapped(w, start, end))
		return;
	send(w, t, fake_remove(addr_of(start), addr_of(end)), start, end, -1, false);
	for (int c = start; c < end; c++)
		if (w->cell[c] >= 0)
			w->given[w->cell[c]] = true;
}

/* What grows has no event.  Left out: over what has just landed and is gone again (events.c says what
 * remains). */
static bool can_grow(const struct world *w, int start, int end)
{
	for (int c = start; c < end; c++)
		if (w->landed[c])
			return false;
	return true;
}

static void call_mremap(struct world *w, int t, int start, int end, int to, int new_len, bool fixed,
			bool dont_unmap)
{
	int len = end - start, keep = new_len < len ? new_len : len, moved[CELLS];

	if (to + new_len > CELLS || (to < end && to + new_len > start) ||
	    !at_rest(w, start, end, true) || !all_mapped(w, start, end))
		return;
	if (fixed ? !at_rest(w, to, to + new_len, false) : !can_choose(w, to, to + new_len))
		return;
	if (to + keep < to + new_len && !can_grow(w, to + keep, to + new_len))
		return;
	if (!fixed && new_len < len)
		return; /* that would stay in place */

	if (fixed) {
		if (any_mapped(w, to, to + new_len))
			send_unmap(w, t, to, to + new_len, false);
		forget(w, to, to + new_len);
	}
	send(w, t, fake_remap(addr_of(start), addr_of(to), (uint64_t)keep * PAGE), start,
	     start + keep, to, false);
	if (keep < len) {
		send_unmap(w, t, start + keep, end, false);
		forget(w, start + keep, end);
	}
	for (int i = 0; i < keep; i++)
		moved[i] = w->cell[start + i];
	for (int i = 0; i < keep; i++) {
		if (!dont_unmap && w->cell[start + i] == BLANK)
			w->blank_moved[start + i] = true;
		w->cell[start + i] = dont_unmap ? BLANK : NOWHERE;
		w->landed[to + i] = true;
	}
	if (!dont_unmap)
		send_unmap(w, t, start, start + keep, true);
	for (int i = 0; i < new_len; i++)
		w->cell[to + i] = i < keep ? moved[i] : BLANK;
}

/* mremap in place: no event at all. */
static void call_grow(struct world *w, int start, int end)
{
	if (start == 0 || w->cell[start - 1] == NOWHERE || any_mapped(w, start, end) ||
	    !at_rest(w, start - 1, end, false) || !can_grow(w, start, end))
		return;
	for (int c = start; c < end; c++)
		w->cell[c] = BLANK;
	note(" %d: grow %d-%d", w->index, start, end);
}

static void random_call(struct world *w, int t, uint64_t *rnd)
{
	int start = (int)toy_random(rnd, CELLS - 1);
	int len = 1 + (int)toy_random(rnd, toy_random(rnd, 4) ? 5 : 30);
	int end = start + len < CELLS ? start + len : CELLS;
	int to = (int)toy_random(rnd, CELLS), what = (int)toy_random(rnd, 12);

	/* Places that are being left are where inversions happen. */
	for (int other = 0; other < THREADS; other++)
		if (w->nr[other] && toy_random(rnd, 2))
			to = w->queue[other][0].start;
	len = end - start;
	switch (what) {
	case 0:
	case 1:
		call_munmap(w, t, start, end);
		break;
	case 2:
		call_discard(w, t, start, end);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		call_mremap(w, t, start, end, to, len, false, false);
		break;
	case 7:
		call_mremap(w, t, start, end, to, len + 3, false, false);
		break;
	case 8:
		call_mremap(w, t, start, end, to, len, true, false);
		break;
	case 9:
		call_mremap(w, t, start, end, to, 1 + len / 2, true, false);
		break;
	case 10:
		call_mremap(w, t, start, end, to, len, false, true);
		break;
	case 11:
		call_grow(w, start, end);
		break;
	}
}

static const struct world *asked;

static int truth(int fd, uint64_t addr)
{
	assert_int_equal(fd, asked->space->uffd);
	return asked->cell[(addr - BASE) / PAGE] == NOWHERE ? -ENOENT : 0;
}

static void deliver(struct world *w, int t)
{
	note(" %d/%d.", w->index, t);
	apply(w->space, w->queue[t][0].msg);
	w->nr[t]--;
	memmove(w->queue[t], w->queue[t] + 1, (size_t)w->nr[t] * sizeof(w->queue[t][0]));
	check_invariant(w);
	if (quiet(w)) {
		/* What the reader does when a probe finds no event pending. */
		asked = w;
		fake_probe = truth;
		assert_int_equal(fi_events_settled(w->space, &birth), 0);
		assert_false(fi_events_unsettled(w->space));
		memset(w->landed, 0, sizeof(w->landed));
		memset(w->blank_moved, 0, sizeof(w->blank_moved));
		compare(w);
	}
}

/* Somebody gives a page, as demand or drain would. */
static void give(struct world *w, uint64_t *rnd)
{
	int cell = (int)toy_random(rnd, CELLS);
	struct fi_extent extent = fi_space_look(w->space, addr_of(cell), 4 * PAGE);

	if (!quiet(w) || !extent.owed)
		return; /* the kernel says EAGAIN */
	assert_int_equal(fi_space_settle(w->space, extent.rank, extent.len / PAGE,
					 &w->space->count->drained),
			 0);
	for (uint64_t i = 0; i < extent.len / PAGE; i++)
		w->given[w->cell[cell + (int)i]] = true;
}

static void call_fork(struct world *worlds, int *nr, int parent)
{
	struct world *w = &worlds[parent], *child;

	if (*nr == MAX_SPACE || !quiet(w))
		return;
	child = &worlds[(*nr)++];
	*child = *w;
	apply(w->space, fake_fork(fake_uffd_new()));
	assert_int_equal(fi_events_settled(w->space, &birth), 0);
	child->space = last_child;
	child->index = *nr - 1;
	for (int c = 0; c < CELLS; c++)
		if (child->cell[c] >= 60 && child->cell[c] < 66)
			child->given[child->cell[c]] = true;
	compare(child);
	note(" fork %d>%d", parent, *nr - 1);
}

static void sequence(uint64_t *rnd)
{
	struct world worlds[MAX_SPACE] = { { 0 } };
	int nr = 1, steps = 20 + (int)toy_random(rnd, 60);

	for (int c = 0; c < CELLS; c++)
		worlds[0].cell[c] = c < 30 || (c >= 40 && c < 66) ? c : NOWHERE;
	worlds[0].space = space_of(arena);
	trace_len = 0;
	compare(&worlds[0]);
	for (int i = 0; i < steps; i++) {
		int at = (int)toy_random(rnd, (uint64_t)nr), t = (int)toy_random(rnd, THREADS);
		struct world *w = &worlds[at];

		if (w->nr[t])
			deliver(w, t);
		else if (toy_random(rnd, 12) == 0)
			call_fork(worlds, &nr, at);
		else if (toy_random(rnd, 6) == 0)
			give(w, rnd);
		else
			random_call(w, t, rnd);
	}
	for (int i = 0; i < nr; i++) {
		for (int t = 0; t < THREADS; t++)
			while (worlds[i].nr[t])
				deliver(&worlds[i], t);
		compare(&worlds[i]);
		fi_space_put(worlds[i].space);
	}
	fake_reset();
}

static void random_programs_are_followed(void **state)
{
	uint64_t rnd = toy_seed("events");

	single = false;
	make_arena();
	for (int i = 0; i < SEQUENCES; i++)
		sequence(&rnd);
	toy_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(remap_moves_content, reset),
		cmocka_unit_test_setup(remap_onto_other_content, reset),
		cmocka_unit_test_setup(unmap_that_comes_late_means_the_old_content, reset),
		cmocka_unit_test_setup(remap_that_comes_late_means_the_old_content, reset),
		cmocka_unit_test_setup(unmap_that_comes_late_spares_what_has_landed, reset),
		cmocka_unit_test_setup(what_has_landed_and_is_gone_is_dropped, reset),
		cmocka_unit_test_setup(a_child_knows_what_has_landed, reset),
		cmocka_unit_test_setup(what_cannot_be_told_yet_stays_disputed, reset),
		cmocka_unit_test_setup(a_move_onto_what_is_disputed_drops_it, reset),
		cmocka_unit_test_setup(a_single_thread_is_taken_at_its_word, reset),
		cmocka_unit_test_setup(unmap_behind_a_remap_spares_what_came_since, reset),
		cmocka_unit_test_setup(a_remap_without_unmap_excuses_none, reset),
		cmocka_unit_test_setup(displaced_content_that_nobody_asks_for_is_dropped, reset),
		cmocka_unit_test_setup(displaced_twice_is_not_guessed_at, reset),
		cmocka_unit_test_setup(remove_and_unmap_of_parts_and_of_nothing, reset),
		cmocka_unit_test_setup(more_than_two_and_four_gib_at_once, reset),
		cmocka_unit_test_setup(at_the_end_of_user_memory, reset),
		cmocka_unit_test_setup(fork_clones_what_is_there_now, reset),
		cmocka_unit_test_setup(a_fork_that_comes_late_has_what_the_child_has, reset),
		cmocka_unit_test_setup(a_fork_that_overtakes_a_move_is_asked_about, reset),
		cmocka_unit_test_setup(a_newborn_that_has_gone_on_is_heard_first, reset),
		cmocka_unit_test_setup(a_child_of_what_is_gone_is_checked, reset),
		cmocka_unit_test_setup(a_child_that_cannot_be_understood_fails, reset),
		cmocka_unit_test_setup(moves_that_cross_are_asked_about, reset),
		cmocka_unit_test_setup(a_discard_spares_what_a_child_has_elsewhere, reset),
		cmocka_unit_test_setup(wipe_on_fork_is_zeros_for_the_child_only, reset),
		cmocka_unit_test_setup(what_is_wiped_is_asked_anew, reset),
		cmocka_unit_test_setup(fork_without_memory_is_stillborn, reset),
		cmocka_unit_test_setup(other_events_without_memory_say_so, reset),
		cmocka_unit_test_setup(random_programs_are_followed, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
