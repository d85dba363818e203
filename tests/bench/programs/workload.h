/* tests/bench/programs/workload.h - what the workloads share: memory, orders, times, results.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A workload fills memory, says that it is ready, is dumped, and finds in each restored copy of
 * itself a command to do: one image serves many measurements.  Times are CLOCK_MONOTONIC, which CRIU
 * lets go on from where it was at the dump, so that each result also says how far the wall's clock
 * is from it.  A touch is one load of one word; what it read is compared with what was
 * written before the dump.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES 4096u
#define WORDS	   (PAGE_BYTES / sizeof(uint64_t))
#define MIB	   (UINT64_C(1) << 20)

uint64_t now_ns(void);

/* Memory mapped anew, private or shared, filled with zeros by now: not part of any image when it
 * is made after the restore. */
void *fresh(size_t bytes, bool shared);

/* --- memory that knows what it must hold ------------------------------------------------------ */

struct area {
	unsigned char *mem;
	uint64_t nr_pages; /* pages that hold something; pages of the mapping may be more */
	uint64_t seed;
	bool holes; /* pages are in runs of 1 to 3 with holes of 3 to 1 between */
};

/* Maps and fills. */
struct area area_make(uint64_t nr_pages, uint64_t seed);
struct area area_make_holes(uint64_t nr_runs, uint64_t seed);

/* Where page @nr is. */
unsigned char *area_page(const struct area *area, uint64_t nr);

/* Loads one word of page @nr, @salt says which.  False when it is wrong. */
bool area_touch(const struct area *area, uint64_t nr, uint64_t salt);

/* Looks at every word of a page, or of all pages.  Returns how many pages are wrong. */
uint64_t area_verify(const struct area *area, uint64_t first, uint64_t nr_pages);
uint64_t area_verify_all(const struct area *area);

/* --- orders ----------------------------------------------------------------------------------- */

/* Page numbers 0 to nr - 1, each once, in an order that looks random, made as it goes: lists would
 * be memory to be faulted in themselves. */
struct order {
	uint64_t nr, key, at;
	unsigned half_bits;
};

struct order order_make(uint64_t nr, uint64_t key);
uint64_t order_next(struct order *order);

/* --- times ------------------------------------------------------------------------------------ */

/* Durations of single touches, in fresh memory that is there before the first touch. */
struct samples {
	uint32_t *ns;
	size_t nr, max;
};

struct samples samples_make(size_t max, bool shared);
void samples_add(struct samples *samples, uint64_t ns);
/* @per_1000: 500 is the median, 1000 the largest.  Sorts. */
uint32_t samples_quantile(struct samples *samples, unsigned per_1000);

/* Touches @count pages in @order; returns how many were wrong.  @samples may be NULL. */
uint64_t touch_some(const struct area *area, struct order *order, uint64_t count,
		    struct samples *samples);

/* --- talking to the runner -------------------------------------------------------------------- */

/* Ends the process with a message.  What fails in a restored copy is a result, too. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Where files are exchanged with the runner. */
void talk_in(const char *run_dir);

/* Says that it is ready, and is dumped in here.  Returns in the restored copy, when there is a
 * command for it: words, at most @max of them.  Returns how many. */
unsigned await_command(const char *run_dir, char **words, unsigned max);

/* Whether the runner has left file @name for us. */
bool runner_left(const char *name);

/* One line of results, at once: the members of a JSON object. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A result of touches that took from @start to now. */
void say_touches(const char *job, uint64_t start, struct samples *samples, uint64_t wrong);

void nap_us(unsigned us);
uint64_t number(const char *word);

/* Waits for children; returns how many of them did not exit with 0. */
unsigned wait_children(unsigned nr);

/* kB of Pss of process @pid (0: this one); 0 when it cannot be known. */
uint64_t pss_kb(int pid);

/* --- commands --------------------------------------------------------------------------------- */

/* Each does what it says with @args, numbers of the command, and returns when its result is said. */
void do_random(const struct area *area, const uint64_t *args); /* COUNT KEY */
void do_walk(const struct area *area, const uint64_t *args);
void do_fraction(const struct area *area, const uint64_t *args); /* PERCENT */
void do_idle(const struct area *area, const uint64_t *args);
void do_threads(const struct area *area, const uint64_t *args); /* NR COUNT_EACH */
void do_chain(const struct area *area, const uint64_t *args);	/* DEPTH */
void do_wide(const struct area *area, const uint64_t *args);	/* CHILDREN COUNT_EACH */
void do_storm(const struct area *area, const uint64_t *args);	/* CHILDREN */

/* A tree of processes, each with memory of its own; returns in none but the root, with the
 * command's result said. */
void tree_run(const char *run_dir, unsigned nr_processes, uint64_t pages_each);

#endif
