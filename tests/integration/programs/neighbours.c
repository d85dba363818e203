/* tests/integration/programs/neighbours.c - tasks whose troubles must stay their own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * bus         touches every page, survives SIGBUS, and says in the file "buses" for how many pages
 *             there was one; all others have to be right.
 * neighbours  a task and three children, each with memory of its own of another size.  Each says in a
 *             file "done-N" that it has seen all of its memory, the parent (0) before it waits for the
 *             children.
 * latency     a task and a child.  The task touches each page of its memory, in no order, and says in the
 *             files "latency-..." how long they took: half of them, 99 of 100, the longest, in ns.
 *             The child reads its own memory meanwhile, and is the one to get into trouble.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

/* --- bus ---------------------------------------------------------------------------------- */

static struct area touched;
static sigjmp_buf back;
static uint8_t *volatile expected; /* the page that is being touched */

static void on_bus(int sig, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;

	(void)sig;
	(void)context;
	if (at < expected || at >= expected + PAGE)
		fail("SIGBUS at %p, not in the page at %p", (void *)at, (void *)expected);
	siglongjmp(back, 1);
}

static void prepare_bus(void)
{
	touched = make_area(64 * MIB, 91);
}

static void bus(void)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	volatile size_t buses = 0;

	REQUIRE(sigaction(SIGBUS, &action, NULL) == 0);
	/* Twice: a page that cannot be read stays one. */
	for (volatile int round = 0; round < 2; round++) {
		for (volatile size_t nr = 0; nr < touched.nr_pages; nr++) {
			expected = touched.mem + nr * PAGE;
			if (sigsetjmp(back, 1) == 0)
				check_page(expected, touched.seed, nr);
			else
				buses++;
		}
	}
	action.sa_handler = SIG_DFL;
	action.sa_flags = 0;
	REQUIRE(sigaction(SIGBUS, &action, NULL) == 0);
	REQUIRE(buses % 2 == 0);
	say("buses", buses / 2);
}

/* --- neighbours --------------------------------------------------------------------------- */

#define CHILDREN 3

static struct area own;

static void see_all(unsigned number)
{
	char name[16];

	check_area(&own);
	(void)snprintf(name, sizeof(name), "done-%u", number);
	say(name, own.nr_pages);
}

static void prepare_neighbours(void)
{
	char name[16];

	for (unsigned number = 1; number <= CHILDREN; number++) {
		if (start_child() != 0)
			continue;
		own = make_area(8 * MIB * number, 92 + number);
		(void)snprintf(name, sizeof(name), "filled-%u", number);
		say(name, own.nr_pages);
		wait_for_go();
		see_all(number);
		end_child();
	}
	own = make_area(4 * MIB, 92);
	for (unsigned number = 1; number <= CHILDREN; number++) {
		(void)snprintf(name, sizeof(name), "filled-%u", number);
		wait_for_file(name);
	}
}

static void neighbours(void)
{
	see_all(0);
	wait_children(CHILDREN);
}

/* --- latency ------------------------------------------------------------------------------ */

#define TIMED_PAGES (64 * MIB / PAGE)
#define PAUSE_NS    30000 /* between touches: at work, not asleep */

static uint64_t times[TIMED_PAGES];
static uint32_t order[TIMED_PAGES];

static uint64_t now_ns(void)
{
	struct timespec ts;

	REQUIRE(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void prepare_latency(void)
{
	uint64_t random = 5;

	if (start_child() == 0) {
		own = make_area(64 * MIB, 97);
		say("filled-1", own.nr_pages);
		wait_for_go();
		see_all(1);
		end_child();
	}
	own = make_area(TIMED_PAGES * PAGE, 96);
	memset(times, 1, sizeof(times)); /* of these no page shall be missing */
	for (uint32_t i = 0; i < TIMED_PAGES; i++) {
		uint32_t other = (uint32_t)(next_random(&random) % (i + 1));

		order[i] = order[other];
		order[other] = i;
	}
	wait_for_file("filled-1");
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static void latency(void)
{
	for (size_t i = 0; i < TIMED_PAGES; i++) /* their pages are there */
		REQUIRE(times[i] && order[i] < TIMED_PAGES);
	for (size_t i = 0; i < TIMED_PAGES; i++) {
		const volatile uint8_t *page = own.mem + order[i] * PAGE;
		uint64_t before = now_ns(), after;

		(void)*page;
		after = now_ns();
		times[i] = after - before;
		check_page(own.mem + order[i] * PAGE, own.seed, order[i]);
		while (now_ns() - after < PAUSE_NS)
			;
	}
	qsort(times, TIMED_PAGES, sizeof(times[0]), compare);
	say("latency-p50", times[TIMED_PAGES / 2]);
	say("latency-p99", times[TIMED_PAGES / 100 * 99]);
	say("latency-max", times[TIMED_PAGES - 1]);
	wait_children(1);
}

const struct scenario neighbour_scenarios[] = {
	{ "bus", prepare_bus, bus },
	{ "neighbours", prepare_neighbours, neighbours },
	{ "latency", prepare_latency, latency },
	{ NULL, NULL, NULL },
};
