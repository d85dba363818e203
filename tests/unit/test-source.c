/* tests/unit/test-source.c - where page bytes come from, and which of them are mapped already.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "restore/source.h"
#include "tests/unit/toy-image.h"

#define BASE UINT64_C(0x10000000)
#define MORE 256 /* pages that are mapped at once */

static uint8_t room[FI_FETCH_MAX] __attribute__((aligned(4096)));

static const uint8_t *bytes_of(struct toy *toy, uint64_t page)
{
	return toy->pages.map + page * PAGE;
}

static const uint8_t *fetch(struct toy *toy, uint64_t page, uint64_t nr)
{
	return fi_source_fetch(toy->source, 0, bytes_of(toy, page), nr * PAGE, room,
			       FI_FETCH_STREAM);
}

static uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static void bytes_are_where_the_run_says(void **state)
{
	const struct fi_vma vma = { .start = BASE, .end = BASE + 100 * PAGE, .lazy = true };
	const struct fi_run runs[] = {
		{ .addr = BASE + 3 * PAGE, .nr_pages = 5, .kind = FI_RUN_DATA, .lazy = true },
		{ .addr = BASE + 50 * PAGE, .nr_pages = 5, .kind = FI_RUN_DATA, .lazy = true },
	};
	struct toy *toy = toy_new(&vma, 1, runs, 2);
	const uint8_t *bytes = fi_source_bytes(toy->source, &toy->runs[1], 2 * PAGE);

	assert_int_equal(bytes - toy->pages.map, 7 * PAGE);
	assert_int_equal(*(const uint64_t *)(const void *)bytes, toy_word(BASE + 52 * PAGE));
	toy_free(toy);
}

static void what_is_not_mapped_is_read(void **state)
{
	struct toy *toy = toy_simple(BASE, 100);

	memset(room, 0, sizeof(room));
	assert_ptr_equal(fetch(toy, 7, 64), room);
	for (uint64_t i = 0; i < 64; i++)
		assert_int_equal(word_at(room + i * PAGE), toy_word(BASE + (7 + i) * PAGE));
	assert_ptr_equal(fetch(toy, 99, 1), room);
	assert_int_equal(word_at(room), toy_word(BASE + 99 * PAGE));
	assert_int_equal(word_at(room + PAGE), toy_word(BASE + 8 * PAGE)); /* a page and no more */
	toy_free(toy);
}

static void what_is_mapped_is_taken_from_there(void **state)
{
	const uint64_t pages = 2 * MORE + 10;
	struct toy *toy = toy_simple(BASE, pages);
	unsigned char in[2 * MORE + 10];

	/* As a fresh mapping of the file: read nowhere yet. */
	assert_int_equal(munmap((void *)(uintptr_t)toy->pages.map, toy->pages.size), 0);
	assert_ptr_equal(mmap((void *)(uintptr_t)toy->pages.map, toy->pages.size, PROT_READ,
			      MAP_SHARED | MAP_FIXED, toy->pages.fd, 0),
			 toy->pages.map);
	assert_false(fi_source_is_mapped(toy->source, 0, toy->pages.map, PAGE));
	if (!fi_source_map_more(toy->source)) {
		print_message("no MADV_POPULATE_READ: Linux before 5.14\n");
		toy_free(toy);
		skip();
	}
	assert_true(fi_source_is_mapped(toy->source, 0, toy->pages.map, MORE * PAGE));
	assert_false(fi_source_is_mapped(toy->source, 0, bytes_of(toy, MORE - 1), 2 * PAGE));
	assert_ptr_equal(fetch(toy, MORE - 64, 64), bytes_of(toy, MORE - 64));
	assert_ptr_equal(fetch(toy, MORE - 63, 64), room);
	assert_int_equal(word_at(room + 63 * PAGE), toy_word(BASE + MORE * PAGE));

	assert_true(fi_source_map_more(toy->source));
	assert_true(fi_source_map_more(toy->source)); /* the rest is less */
	assert_false(fi_source_map_more(toy->source));
	assert_ptr_equal(fetch(toy, pages - 1, 1), bytes_of(toy, pages - 1));
	assert_int_equal(mincore((void *)(uintptr_t)toy->pages.map, toy->pages.size, in), 0);
	for (uint64_t i = 0; i < pages; i++)
		assert_true(in[i] & 1);
	toy_free(toy);
}

static void *map_all(void *arg)
{
	struct toy *toy = arg;

	for (int idle = 0; idle < 1000; idle++)
		while (fi_source_map_more(toy->source))
			idle = 0;
	return NULL;
}

/* Whatever is called mapped is so for all threads. */
static void threads_map_together(void **state)
{
	const uint64_t pages = 40 * MORE;
	struct toy *toy = toy_simple(BASE, pages);
	pthread_t threads[3];
	uint64_t rnd = toy_seed("source");

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, map_all, toy), 0);
	for (int i = 0; i < 2000; i++) {
		uint64_t page = toy_random(&rnd, pages - 64);

		assert_int_equal(word_at(fetch(toy, page, 1 + toy_random(&rnd, 64))),
				 toy_word(BASE + page * PAGE));
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	toy_free(toy);
}

/* Whether bytes can be read is what the copy says: to fetch them is never a crash. */
static void a_file_truncated_behind_our_back(void **state)
{
	struct toy *toy = toy_simple(BASE, MORE);

	assert_int_equal(ftruncate(toy->pages.fd, (off_t)PAGE), 0);
	assert_ptr_equal(fetch(toy, 0, 1), room);
	assert_ptr_equal(fetch(toy, 0, 2), bytes_of(toy, 0));
	assert_ptr_equal(fetch(toy, 9, 64), bytes_of(toy, 9));
	assert_false(fi_source_map_more(toy->source)); /* all of it or nothing */
	toy_free(toy);
}

static void *keep_busy(void *arg)
{
	atomic_bool *stop = arg;

	while (!*stop)
		;
	return NULL;
}

/* Nor when it takes long, because the reader loses its CPU meanwhile. */
static void what_is_in_the_page_cache_is_no_wait_for_the_disk(void **state)
{
	struct toy *toy = toy_simple(BASE, MORE);
	uint64_t rnd = toy_seed("hot");
	pthread_t threads[8];
	atomic_bool stop = false;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_busy, &stop), 0);
	for (int i = 0; i < 3000; i++) {
		uint64_t nr = 1 + toy_random(&rnd, 64), page = toy_random(&rnd, MORE - nr);
		const uint8_t *bytes = fi_source_fetch(toy->source, 0, bytes_of(toy, page),
						       nr * PAGE, room, FI_FETCH_NEEDED);

		assert_int_equal(word_at(bytes), toy_word(BASE + page * PAGE));
		assert_int_equal(fi_source_waited(toy->source, UINT64_MAX), 0);
	}
	stop = true;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	toy_free(toy);
}

/* The same bytes under the same number, in a file that the page cache can drop. */
static void put_on_disk(struct toy *toy)
{
	char name[] = "test-source-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(write(fd, toy->pages.map, toy->pages.size), toy->pages.size);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(dup2(fd, toy->pages.fd), toy->pages.fd);
	assert_int_equal(close(fd), 0);
}

/* Threads that wait at the disk by looking, while others drop from the page cache what they have read. */
static void *poll_some(void *arg)
{
	static _Thread_local uint8_t mine[FI_FETCH_MAX] __attribute__((aligned(4096)));
	struct toy *toy = arg;
	uint64_t rnd = toy_seed("poll");

	for (int i = 0; i < 2000; i++) {
		uint64_t nr = 1 + toy_random(&rnd, 16), page = toy_random(&rnd, 4 * MORE - nr);
		const uint8_t *bytes;

		(void)posix_fadvise(toy->pages.fd, (off_t)(page * PAGE), (off_t)(nr * PAGE),
				    POSIX_FADV_DONTNEED);
		bytes = fi_source_fetch(toy->source, 0, bytes_of(toy, page), nr * PAGE, mine,
					FI_FETCH_POLL);
		for (uint64_t j = 0; j < nr; j++)
			if (word_at(bytes + j * PAGE) != toy_word(BASE + (page + j) * PAGE))
				return toy;
	}
	return NULL;
}

static void what_is_polled_for_is_right(void **state)
{
	struct toy *toy = toy_simple(BASE, 4 * MORE);
	pthread_t threads[3];
	void *wrong;

	put_on_disk(toy);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, poll_some, toy), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	toy_free(toy);
}

/* Not for ever, when it cannot be read. */
static void polled_for_in_vain(void **state)
{
	struct toy *toy = toy_simple(BASE, MORE);

	assert_int_equal(ftruncate(toy->pages.fd, (off_t)PAGE), 0);
	for (uint64_t page = 0; page < MORE; page++)
		assert_ptr_equal(fi_source_fetch(toy->source, 0, bytes_of(toy, page), PAGE, room,
						 FI_FETCH_POLL),
				 page ? bytes_of(toy, page) : room);
	toy_free(toy);
}

static void an_empty_file(void **state)
{
	struct toy *toy = toy_new(NULL, 0, NULL, 0);

	assert_null(toy->pages.map);
	assert_false(fi_source_map_more(toy->source));
	toy_free(toy);
	fi_source_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_where_the_run_says),
		cmocka_unit_test(what_is_not_mapped_is_read),
		cmocka_unit_test(what_is_mapped_is_taken_from_there),
		cmocka_unit_test(threads_map_together),
		cmocka_unit_test(a_file_truncated_behind_our_back),
		cmocka_unit_test(what_is_in_the_page_cache_is_no_wait_for_the_disk),
		cmocka_unit_test(what_is_polled_for_is_right),
		cmocka_unit_test(polled_for_in_vain),
		cmocka_unit_test(an_empty_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
