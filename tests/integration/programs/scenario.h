/* tests/integration/programs/scenario.h - what every scenario may use, and what it owes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A scenario is a program that judges its own memory.  It prepares memory and says that it is
 * ready; the harness dumps it, lays the file "go" beside it, and restores it as often as it likes.
 * Each restored copy finds "go", does what the scenario is about, looks at every byte, and leaves a
 * verdict in the file "result": "ok", or one line for each thing that was wrong.
 *
 * It runs at once when the restore lets it run, so most of its memory is still owed: nothing tells
 * it to go on but a file that is there already, which it looks for with naps of a millisecond.
 */
#ifndef FI_TESTS_SCENARIO_H
#define FI_TESTS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE ((size_t)4096)
#define MIB  ((size_t)1 << 20)

struct scenario {
	const char *name;
	void (*prepare)(void); /* before the dump */
	void (*run)(void);     /* after the restore; returns when all was right */
};

/* Each file of scenarios has one table, ended by a NULL name. */
extern const struct scenario fork_scenarios[];
extern const struct scenario move_scenarios[];
extern const struct scenario unmap_scenarios[];
extern const struct scenario protect_scenarios[];
extern const struct scenario advise_scenarios[];
extern const struct scenario thread_scenarios[];
extern const struct scenario syscall_scenarios[];
extern const struct scenario life_scenarios[];
extern const struct scenario shape_scenarios[];
extern const struct scenario survival_scenarios[];
extern const struct scenario confined_scenarios[];
extern const struct scenario neighbour_scenarios[];
extern const struct scenario shared_scenarios[];
extern const struct scenario pool_scenarios[];

/* Says what is wrong in the result file and ends this process with 1.  Async-signal-safe but for
 * the formatting, so that children of threads may use it. */
_Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail("%s:%d: %s: %m", __FILE__, __LINE__, #cond);                          \
	} while (0)

/* Waits until the harness lets restored tasks go on.  Processes that a scenario starts in prepare()
 * call it themselves. */
void wait_for_go(void);

/* Writes the number into that file of run_dir(), alone; waits until there is such a file. */
void say(const char *name, size_t number);
void wait_for_file(const char *name);

/* The directory of this run, where a scenario may make files of its own. */
const char *run_dir(void);

/* Runs this program anew as one that only exits 0; returns only when that failed. */
void exec_nothing(void);

/* Runs this program anew as one that only writes the verdict "ok"; returns only when it failed.
 * The strings that execve(2) reads are put into @page, a page of writable memory. */
void exec_verdict(char *page);

/* Private anonymous memory; never fails to return it. */
void *map_memory(size_t len);
/* The same, at @addr exactly, where nothing may be mapped. */
void *map_memory_at(void *addr, size_t len);

pid_t start_child(void); /* fork(2) that cannot fail */
void end_child(void);	 /* the child's exit, when all was right */
void wait_child(pid_t pid);
void wait_children(unsigned nr);

void nap_ms(unsigned ms);

/* A small generator, one stream for each state; never 0 on entry. */
uint64_t next_random(uint64_t *state);

/* Memory whose every word says which page of which area it is, whatever its address.
 *
 * check_* end the process through fail(), which names the first wrong address, what was expected
 * and what was there.  Page numbers count from the start of the area. */
struct area {
	uint8_t *mem;
	size_t nr_pages;
	uint64_t seed;
};

struct area make_area(size_t len, uint64_t seed); /* mapped and filled */
void fill_page(void *page, uint64_t seed, uint64_t nr);
void check_page(const void *page, uint64_t seed, uint64_t nr);
void check_pages(const void *mem, uint64_t seed, uint64_t first, size_t nr_pages);
void check_area(const struct area *area);
void check_zero(const void *mem, size_t nr_pages);
uint64_t pattern_word(uint64_t seed, uint64_t nr, unsigned word);
bool page_is_zero(const void *page);
/* Every word is the pattern's or zero: a page that somebody discards while it is read. */
void check_pattern_or_zero(const void *page, uint64_t seed, uint64_t nr);

#endif
