/* tests/bench/programs/forks.c - a restored process forks while its memory is still to come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	return pid;
}

static uint64_t touch_all(const struct area *area, uint64_t salt)
{
	uint64_t wrong = 0;

	for (uint64_t nr = 0; nr < area->nr_pages; nr++)
		wrong += !area_touch(area, nr, salt);
	return wrong;
}

/* Each forks the next, waits for it and then reads everything: the deepest reads first, and what
 * it is given is nobody else's. */
void do_chain(const struct area *area, const uint64_t *args)
{
	uint64_t start = now_ns(), wrong;
	unsigned level, bad = 0;

	for (level = 0; level < args[0]; level++)
		if (start_child() > 0) {
			bad = wait_children(1);
			break;
		}
	wrong = touch_all(area, level) + bad;
	if (level > 0)
		_exit(wrong ? 1 : 0);
	say("\"job\": \"chain\", \"start_ns\": %llu, \"end_ns\": %llu, \"wrong\": %llu",
	    (unsigned long long)start, (unsigned long long)now_ns(), (unsigned long long)wrong);
}

/* Children at once, each reading some pages; they live until the memory of all was looked at. */
void do_wide(const struct area *area, const uint64_t *args)
{
	unsigned nr_children = (unsigned)args[0];
	uint64_t count = args[1];
	struct samples samples = samples_make(nr_children * count, true);
	uint64_t *wrongs = fresh(nr_children * sizeof(*wrongs), true);
	pid_t *pids = fresh(nr_children * sizeof(*pids), false);
	uint64_t start = now_ns(), end, kb, wrong = 0;
	int done[2], leave[2];
	char byte = 0;

	if (pipe(done) < 0 || pipe(leave) < 0)
		fail("pipe");
	for (unsigned i = 0; i < nr_children; i++) {
		pids[i] = start_child();
		if (pids[i] == 0) {
			struct samples own = { .ns = samples.ns + i * count, .max = count };
			struct order order = order_make(area->nr_pages, i + 1);

			(void)close(leave[1]);
			wrongs[i] = touch_some(area, &order, count, &own);
			if (write(done[1], &byte, 1) != 1 || read(leave[0], &byte, 1) < 0)
				_exit(1);
			_exit(0);
		}
	}
	(void)close(done[1]);
	for (unsigned i = 0; i < nr_children; i++)
		if (read(done[0], &byte, 1) != 1) {
			wrong++; /* one has died */
			break;
		}
	end = now_ns();
	kb = pss_kb(0);
	for (unsigned i = 0; i < nr_children; i++) {
		kb += pss_kb(pids[i]);
		wrong += wrongs[i];
	}
	(void)close(leave[1]);
	wrong += wait_children(nr_children);
	samples.nr = samples.max;
	say("\"job\": \"wide\", \"start_ns\": %llu, \"end_ns\": %llu, \"p50_ns\": %u, "
	    "\"p99_ns\": %u, \"tree_kb\": %llu, \"wrong\": %llu",
	    (unsigned long long)start, (unsigned long long)end, samples_quantile(&samples, 500),
	    samples_quantile(&samples, 990), (unsigned long long)kb, (unsigned long long)wrong);
}

#define STORM_LIVES 16

/* Short children, some at a time, each reading four pages; the samples are of fork() itself. */
void do_storm(const struct area *area, const uint64_t *args)
{
	unsigned nr_children = (unsigned)args[0];
	struct samples samples = samples_make(nr_children, false);
	uint64_t start = now_ns(), end, wrong = 0;
	unsigned lives = 0;

	for (unsigned i = 0; i < nr_children; i++) {
		uint64_t before = now_ns();
		pid_t pid = start_child();

		if (pid == 0) {
			struct order order = order_make(area->nr_pages, i);

			_exit(touch_some(area, &order, 4, NULL) ? 1 : 0);
		}
		samples_add(&samples, now_ns() - before);
		if (++lives == STORM_LIVES) {
			wrong += wait_children(1);
			lives--;
		}
	}
	wrong += wait_children(lives);
	end = now_ns();
	say("\"job\": \"storm\", \"start_ns\": %llu, \"end_ns\": %llu, \"fork_p50_ns\": %u, "
	    "\"fork_p99_ns\": %u, \"fork_max_ns\": %u, \"wrong\": %llu",
	    (unsigned long long)start, (unsigned long long)end, samples_quantile(&samples, 500),
	    samples_quantile(&samples, 990), samples_quantile(&samples, 1000),
	    (unsigned long long)wrong);
}
