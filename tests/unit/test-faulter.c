/* tests/unit/test-faulter.c - where the thread that faults runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/faulter.h"

#define NR_PAGES 4000

static sem_t go, done;
static bool stop;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void fault_a_lot(void)
{
	char *mem = mmap(NULL, NR_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(madvise(mem, NR_PAGES * 4096, MADV_NOHUGEPAGE), 0);
	for (int i = 0; i < NR_PAGES; i++)
		((volatile char *)mem)[i * 4096] = 1;
	assert_int_equal(munmap(mem, NR_PAGES * 4096), 0);
}

/* The CPUs that we may use, at most two. */
static int allowed(int cpus[2])
{
	cpu_set_t set;
	int nr = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < CPU_SETSIZE && nr < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[nr++] = i;
	return nr;
}

static void a_process_of_one_thread_is_where_it_is(void **state)
{
	struct fi_faulter faulter = { 0 };
	int cpus[2], nr = allowed(cpus), report[2], hold[2];

	assert_int_equal(pipe(report), 0);
	assert_int_equal(pipe(hold), 0);
	for (int i = 0; i < nr; i++) {
		char byte = 0;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			(void)close(hold[1]);
			pin(cpus[i]);
			_exit(write(report[1], &byte, 1) != 1 || read(hold[0], &byte, 1) != 1);
		}
		assert_int_equal(read(report[0], &byte, 1), 1);
		assert_int_equal(fi_faulter_cpu(&faulter, pid), cpus[i]);
		assert_int_equal(write(hold[1], &byte, 1), 1);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(fi_faulter_cpu(&faulter, pid), -1);
	}
	for (int i = 0; i < 2; i++) {
		(void)close(report[i]);
		(void)close(hold[i]);
	}
}

static void *other_thread(void *arg)
{
	pin(*(int *)arg);
	while (sem_wait(&go) == 0 && !stop) {
		fault_a_lot();
		(void)sem_post(&done);
	}
	return NULL;
}

/* Each in turn, from one look to the next. */
static void among_threads_it_is_the_one_that_faulted(void **state)
{
	struct fi_faulter faulter = { 0 };
	int cpus[2];
	pthread_t thread;
	cpu_set_t before;

	if (allowed(cpus) < 2) {
		print_message("a machine with one CPU\n");
		skip();
	}
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(sem_init(&go, 0, 0), 0);
	assert_int_equal(sem_init(&done, 0, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &cpus[1]), 0);
	pin(cpus[0]);
	(void)fi_faulter_cpu(&faulter, getpid());
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sem_post(&go), 0);
		assert_int_equal(sem_wait(&done), 0);
		assert_int_equal(fi_faulter_cpu(&faulter, getpid()), cpus[1]);
		fault_a_lot();
		assert_int_equal(fi_faulter_cpu(&faulter, getpid()), cpus[0]);
	}
	stop = true;
	assert_int_equal(sem_post(&go), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_of_one_thread_is_where_it_is),
		cmocka_unit_test(among_threads_it_is_the_one_that_faulted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
