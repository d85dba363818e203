/* tests/bench/programs/tree.c - many processes, each with memory of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The root has none: it wakes the others when there is a command, by a futex in shared memory, so
 * that hundreds of processes cost nothing while they wait.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "workload.h"

struct shared {
	_Atomic uint32_t filled, go, done;
	_Atomic uint64_t wrong;
};

static struct shared *shared;

static void futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	(void)syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static _Noreturn void live(uint64_t nr_pages, unsigned i)
{
	struct area area = area_make(nr_pages, i + 1);
	struct order order = order_make(nr_pages, i + 1);

	atomic_fetch_add(&shared->filled, 1);
	while (!atomic_load(&shared->go))
		futex(&shared->go, FUTEX_WAIT, 0);
	if (atomic_load(&shared->go) == 1)
		atomic_fetch_add(&shared->wrong, touch_some(&area, &order, nr_pages, NULL));
	else
		atomic_fetch_add(&shared->wrong, area_verify_all(&area));
	atomic_fetch_add(&shared->done, 1);
	for (;;)
		(void)pause();
}

static void wait_until(const _Atomic uint32_t *counter, uint32_t value)
{
	while (atomic_load(counter) < value)
		nap_us(200);
}

static void wake_all(uint32_t what)
{
	atomic_store(&shared->go, what);
	futex(&shared->go, FUTEX_WAKE, INT_MAX);
}

void tree_run(const char *run_dir, unsigned nr_processes, uint64_t pages_each)
{
	char *words[4];
	uint64_t start;

	shared = fresh(PAGE_BYTES, true);
	for (unsigned i = 0; i < nr_processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			fail("fork");
		if (pid == 0)
			live(pages_each, i);
	}
	wait_until(&shared->filled, nr_processes);

	if (await_command(run_dir, words, 4) == 0)
		fail("no command");
	start = now_ns();
	if (strcmp(words[0], "idle") == 0) {
		while (!runner_left("check"))
			nap_us(5000);
		wake_all(2);
	} else {
		wake_all(1);
	}
	wait_until(&shared->done, nr_processes);
	say("\"job\": \"tree\", \"start_ns\": %llu, \"end_ns\": %llu, \"wrong\": %llu",
	    (unsigned long long)start, (unsigned long long)now_ns(),
	    (unsigned long long)atomic_load(&shared->wrong));
}
