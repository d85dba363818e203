/* tests/unit/test-smaps.c - what /proc says of memory and threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "restore/smaps.h"

#define PAGE 4096

static const char text[] = "1000-3000 rw-p 00000000 00:00 0 \n"
			   "Size:                  8 kB\n"
			   "VmFlags: rd wr mr mw me ac \n"
			   "3000-5000 rw-p 00000000 00:00 0                          [heap]\n"
			   "Rss:                   0 kB\n"
			   "VmFlags: rd wr mr mw me wf ac \n"
			   "7ffffffff000-800000000000 rw-p 00000000 00:00 0 \n"
			   "VmFlags: rd wf\n";

static bool find(const char *smaps, uint64_t addr, uint64_t *end, bool *ret)
{
	FILE *file = fmemopen((void *)(uintptr_t)smaps, strlen(smaps), "r");
	bool found;

	assert_non_null(file);
	found = fi_smaps_find_wipes(file, addr, end, ret);
	(void)fclose(file);
	return found;
}

static void finds_the_mapping(void **state)
{
	uint64_t end = 1;
	bool wipes = true;

	assert_true(find(text, 0x1000, &end, &wipes));
	assert_false(wipes);
	assert_int_equal(end, 0x3000);
	assert_true(find(text, 0x2fff, &end, &wipes));
	assert_false(wipes);
	assert_true(find(text, 0x3000, &end, &wipes));
	assert_true(wipes);
	assert_int_equal(end, 0x5000);
	assert_true(find(text, UINT64_C(0x7ffffffff000), &end, &wipes));
	assert_true(wipes);
	assert_int_equal(end, UINT64_C(0x800000000000));
}

static void where_nothing_is_nothing_is_said(void **state)
{
	uint64_t end = 77;
	bool wipes = true;

	assert_false(find(text, 0, &end, &wipes));
	assert_false(find(text, 0x5000, &end, &wipes));
	assert_false(find(text, UINT64_MAX, &end, &wipes));
	assert_false(find("garbage\n1000-\n-3000 \nzz-yy \nVmFlags: wf\n", 0x1000, &end, &wipes));
	assert_false(find("1000-3000 rw-p 0 0 0\n", 0x1000, &end, &wipes)); /* cut off */
	assert_false(fi_smaps_wipes(0x7fffffff, 0x1000, &end, &wipes));
	assert_int_equal(end, 77);
	assert_true(wipes);
}

static bool watched(const char *smaps)
{
	FILE *file = fmemopen((void *)(uintptr_t)smaps, strlen(smaps), "r");
	bool found;

	assert_non_null(file);
	found = fi_smaps_find_watched(file);
	(void)fclose(file);
	return found;
}

static void finds_what_a_userfaultfd_answers_for(void **state)
{
	char named[5000];

	assert_false(watched(text));
	assert_true(watched("1000-3000 rw-p 0 0 0\nVmFlags: rd ac \n"
			    "3000-4000 rw-p 0 0 0\nVmFlags: rd um ac \n"));
	assert_false(watched("1000-3000 r--p 0 0 7 VmFlags: um\nVmFlags: rd ac \n"));
	/* write protection is another matter */
	assert_false(watched("1000-3000 rw-p 0 0 0\nVmFlags: rd uw ac \n"));
	memset(named, 'x', sizeof(named));
	(void)snprintf(named + 4095, sizeof(named) - 4095, "VmFlags: um\nVmFlags: rd\n");
	assert_false(watched(named));
	assert_int_equal(fi_smaps_watched(getpid()), 0);
	assert_int_equal(fi_smaps_watched(0x7fffffff), 0);
}

/* Found by fuzzing: half a range ends no mapping, and what a name longer than any line says is its own
 * affair. */
static void only_a_range_at_the_beginning_of_a_line_counts(void **state)
{
	static const char begin[] = "1000-3000 rw-p 00000000 00:00 7 ";
	static const char claim[] = "VmFlags: wf\n";
	static const char end_of_it[] = "Size: 8 kB\nVmFlags: rd\n";
	static char named[5000];
	size_t len = 4095; /* what our reader takes at once */
	uint64_t end = 77;
	bool wipes = true;

	assert_true(find("1000-3000 rw-p 0 0 0\n1-2\nVmFlags: rd\n", 0x1000, &end, &wipes));
	assert_false(wipes);
	assert_int_equal(end, 0x3000);

	memset(named, 'n', sizeof(named));
	memcpy(named, begin, sizeof(begin) - 1);
	memcpy(named + len, claim, sizeof(claim) - 1);
	memcpy(named + len + sizeof(claim) - 1, end_of_it, sizeof(end_of_it));
	wipes = true;
	assert_true(find(named, 0x2000, &end, &wipes));
	assert_false(wipes);
	assert_int_equal(end, 0x3000);
}

static void the_real_thing(void **state)
{
	char *at = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t addr = (uintptr_t)at, end = 0;
	bool wipes = true;

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(madvise(at + 2 * PAGE, 2 * PAGE, 18 /* MADV_WIPEONFORK */), 0);
	assert_true(fi_smaps_wipes(getpid(), addr + PAGE, &end, &wipes));
	assert_false(wipes);
	assert_int_equal(end, addr + 2 * PAGE);
	assert_true(fi_smaps_wipes(getpid(), addr + 3 * PAGE, &end, &wipes));
	assert_true(wipes);
	assert_int_equal(end, addr + 4 * PAGE);
	assert_int_equal(madvise(at + 2 * PAGE, 2 * PAGE, 19 /* MADV_KEEPONFORK */), 0);
	assert_true(fi_smaps_wipes(getpid(), addr + 3 * PAGE, &end, &wipes));
	assert_false(wipes);
	assert_int_equal(munmap(at, 6 * PAGE), 0);
}

static void *sleeper(void *arg)
{
	(void)pause();
	return arg;
}

static void a_second_thread_is_company(void **state)
{
	pthread_t thread;

	assert_true(fi_smaps_alone(getpid()));
	assert_int_equal(pthread_create(&thread, NULL, sleeper, NULL), 0);
	assert_false(fi_smaps_alone(getpid()));
	assert_false(fi_smaps_alone(0x7fffffff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_mapping),
		cmocka_unit_test(where_nothing_is_nothing_is_said),
		cmocka_unit_test(finds_what_a_userfaultfd_answers_for),
		cmocka_unit_test(only_a_range_at_the_beginning_of_a_line_counts),
		cmocka_unit_test(the_real_thing),
		cmocka_unit_test(a_second_thread_is_company),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
