/* tests/bench/programs/touches.c - one process reads its memory: at random, in order, not at all,
 * with many threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "workload.h"

void do_random(const struct area *area, const uint64_t *args)
{
	struct samples samples = samples_make(args[0], false);
	struct order order = order_make(area->nr_pages, args[1]);
	uint64_t start = now_ns(), wrong;

	wrong = touch_some(area, &order, args[0], &samples);
	say_touches("random", start, &samples, wrong);
}

/* Every byte, in order: the time is a reader's, not only the faults'. */
void do_walk(const struct area *area, const uint64_t *args)
{
	uint64_t start = now_ns(), wrong = area_verify_all(area), end = now_ns();

	say("\"job\": \"walk\", \"start_ns\": %llu, \"end_ns\": %llu, \"wrong\": %llu",
	    (unsigned long long)start, (unsigned long long)end, (unsigned long long)wrong);
}

/* As random touches, without a clock in between: half a million pages are half a million faults. */
void do_fraction(const struct area *area, const uint64_t *args)
{
	uint64_t percent = args[0], start, end, wrong;
	struct order order = order_make(area->nr_pages, percent);

	start = now_ns();
	wrong = touch_some(area, &order, area->nr_pages * percent / 100, NULL);
	end = now_ns();
	say("\"job\": \"fraction\", \"percent\": %llu, \"start_ns\": %llu, \"end_ns\": %llu, "
	    "\"wrong\": %llu",
	    (unsigned long long)percent, (unsigned long long)start, (unsigned long long)end,
	    (unsigned long long)wrong);
}

/* Sleeps until the runner has seen what it waits for, then looks at everything. */
void do_idle(const struct area *area, const uint64_t *args)
{
	uint64_t start = now_ns(), wrong;

	while (!runner_left("check"))
		nap_us(5000);
	wrong = area_verify_all(area);
	say("\"job\": \"idle\", \"start_ns\": %llu, \"wrong\": %llu", (unsigned long long)start,
	    (unsigned long long)wrong);
}

struct reader {
	const struct area *area;
	struct samples samples;
	struct order order;
	uint64_t count, wrong;
	pthread_t thread;
	pthread_barrier_t *barrier;
};

static void *read_pages(void *data)
{
	struct reader *reader = data;

	(void)pthread_barrier_wait(reader->barrier);
	reader->wrong = touch_some(reader->area, &reader->order, reader->count, &reader->samples);
	return NULL;
}

void do_threads(const struct area *area, const uint64_t *args)
{
	unsigned nr_threads = (unsigned)args[0];
	uint64_t count = args[1], start, wrong = 0;
	struct samples samples = samples_make(nr_threads * count, false);
	struct reader *readers = fresh(nr_threads * sizeof(*readers), false);
	pthread_barrier_t barrier;

	(void)pthread_barrier_init(&barrier, NULL, nr_threads + 1);
	for (unsigned i = 0; i < nr_threads; i++) {
		readers[i].area = area;
		readers[i].samples.ns = samples.ns + i * count;
		readers[i].samples.max = count;
		readers[i].order = order_make(area->nr_pages, i + 1);
		readers[i].count = count;
		readers[i].barrier = &barrier;
		if (pthread_create(&readers[i].thread, NULL, read_pages, &readers[i]) != 0)
			fail("cannot start a thread");
	}
	start = now_ns();
	(void)pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < nr_threads; i++) {
		(void)pthread_join(readers[i].thread, NULL);
		wrong += readers[i].wrong;
	}
	samples.nr = samples.max;
	say_touches("threads", start, &samples, wrong);
}
