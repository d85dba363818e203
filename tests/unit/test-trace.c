/* tests/unit/test-trace.c - each record is in the file once, whatever happens to its writer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/ledger.h"
#include "restore/trace_writer.h"
#include "tests/unit/fake-uffd.h"

#define ADDR(i) (UINT64_C(0x7f0000000000) + (i)*FI_PAGE_SIZE)

static char path[] = "/tmp/test-trace.XXXXXX";
static struct fi_trace *trace;
static struct fi_engine *engine;

static void born(void *arg, struct fi_space *parent, struct fi_space *child, uint64_t before)
{
}

static void ended(void *arg, struct fi_space *space)
{
}

static int setup(void **state)
{
	const struct fi_engine_watcher watcher = { born, ended, NULL };
	int fd;

	memcpy(path + sizeof(path) - 7, "XXXXXX", 7);
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	(void)close(fd);
	fake_reset();
	if (fi_trace_create(path, NULL) < 0 || fi_trace_open(&trace) < 0)
		return -1;
	return fi_engine_new(&watcher, trace, &engine, NULL);
}

static int teardown(void **state)
{
	fi_engine_free(engine);
	(void)munmap(trace, sizeof(*trace));
	(void)close(fi_kept(FI_KEPT_TRACE));
	(void)close(fi_kept(FI_KEPT_TRACE_MEMORY));
	fi_keep(FI_KEPT_TRACE, -EBADF);
	fi_keep(FI_KEPT_TRACE_MEMORY, -EBADF);
	return unlink(path);
}

static void put_faults(unsigned ring, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		const struct fi_trace_record record = {
			.at = 1000 + i,
			.space = ring + 1,
			.kind = FI_TRACE_FAULT,
			.answer = FI_TRACE_ZERO,
			.fault = { .addr = ADDR(i), .took = 1234, .nr_pages = 1 },
		};

		fi_trace_put(&trace->rings[ring], &record);
	}
}

static void write_all(void)
{
	struct fi_trace_writer *writer = NULL;

	assert_int_equal(fi_trace_writer_start(trace, engine, NULL, &writer), 0);
	fi_trace_writer_finish(writer);
}

/* The file as it is, its end added where it has none. */
static struct json_object *read_file(void)
{
	struct json_object *json;
	struct stat st;
	FILE *file = fopen(path, "re");
	char *text;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	text = calloc(1, (size_t)st.st_size + 2);
	assert_non_null(text);
	assert_int_equal(fread(text, 1, (size_t)st.st_size, file), st.st_size);
	(void)fclose(file);
	if (st.st_size < 3 || strcmp(text + st.st_size - 2, "]\n") != 0)
		text[st.st_size] = ']';
	json = json_tokener_parse(text);
	free(text);
	assert_non_null(json);
	return json;
}

static bool is(struct json_object *event, const char *key, const char *value)
{
	struct json_object *member = json_object_object_get(event, key);

	return member && strcmp(json_object_get_string(member), value) == 0;
}

static uint64_t of_args(struct json_object *event, const char *key)
{
	return json_object_get_uint64(
		json_object_object_get(json_object_object_get(event, "args"), key));
}

/* The file has the faults [0, @nr) of ring 0 in their order, and @dropped as the last word on those that
 * are missing. */
static void assert_holds(uint64_t nr, uint64_t dropped)
{
	struct json_object *events = read_file();
	uint64_t seen = 0, said = 0;

	for (size_t i = 0; i < json_object_array_length(events); i++) {
		struct json_object *event = json_object_array_get_idx(events, i);

		if (is(event, "name", "dropped"))
			said = of_args(event, "events");
		if (!is(event, "cat", "fault") || !is(event, "pid", "1"))
			continue;
		assert_int_equal(strtoull(json_object_get_string(json_object_object_get(
						  json_object_object_get(event, "args"), "addr")),
					  NULL, 16),
				 ADDR(seen));
		assert_true(is(event, "dur", "1.234"));
		seen++;
	}
	assert_int_equal(seen, nr);
	assert_int_equal(said, dropped);
	(void)json_object_put(events);
}

static void in_order(void **state)
{
	put_faults(0, 0, 3000);
	write_all();
	assert_holds(3000, 0);
}

/* Who puts does not wait; what has no room is counted. */
static void full_ring(void **state)
{
	put_faults(0, 0, FI_TRACE_ROOM + 7);
	put_faults(1, 0, FI_TRACE_ROOM + 2);
	write_all();
	assert_holds(FI_TRACE_ROOM, 9);
	assert_int_equal(trace->rings[0].head, trace->rings[0].tail);
}

static void append(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

/* The engine was killed in the middle of a write: the file has more than is known to be written, and
 * what was known before. */
static void killed_while_writing(void **state)
{
	struct fi_trace_written before;
	off_t size;
	struct stat st;

	put_faults(0, 0, 100);
	write_all();
	assert_int_equal(stat(path, &st), 0);
	before = *fi_trace_what_is_written(trace);
	assert_int_equal(before.size, st.st_size);

	/* As if the array had not been ended. */
	size = st.st_size - 3;
	assert_int_equal(truncate(path, size), 0);
	before.size = (uint64_t)size;
	fi_trace_show_written(trace, &before);

	put_faults(0, 100, 200);
	append(",\n{\"name\":\"im");
	write_all();
	assert_holds(200, 0);
}

/* What was taken out and not written is taken out again: the tail alone says nothing. */
static void killed_before_writing(void **state)
{
	put_faults(0, 0, 50);
	trace->rings[0].tail = 50;
	write_all();
	assert_holds(50, 0);
}

/* A disk is full: what is there is whole, and the engine goes on. */
static void no_room_in_file(void **state)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	put_faults(0, 0, 20000);
	limit.rlim_cur = 1000000; /* between two writes of 64 KiB */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	write_all();
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	json_object_put(read_file());
	assert_int_equal(trace->rings[0].tail, 20000);
}

static void not_a_file(void **state)
{
	struct fi_error err = { "" };

	assert_int_equal(fi_trace_create("/dev/null", &err), -EINVAL);
	assert_non_null(strstr(err.text, "'/dev/null'"));
}

/* As a session has it that another program has begun. */
static void another_layout(void **state)
{
	struct fi_trace *other = NULL;

	assert_int_equal(ftruncate(fi_kept(FI_KEPT_TRACE_MEMORY), sizeof(*trace) + 64), 0);
	assert_int_equal(fi_trace_open(&other), -EPROTO);
	assert_null(other);
}

static void not_wanted(void **state)
{
	int fd = fi_kept(FI_KEPT_TRACE_MEMORY);
	struct fi_trace *none = trace;

	fi_keep(FI_KEPT_TRACE_MEMORY, -EBADF);
	assert_int_equal(fi_trace_open(&none), 0);
	assert_null(none);
	fi_keep(FI_KEPT_TRACE_MEMORY, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_while_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_before_writing, setup, teardown),
		cmocka_unit_test_setup_teardown(no_room_in_file, setup, teardown),
		cmocka_unit_test_setup_teardown(not_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(another_layout, setup, teardown),
		cmocka_unit_test_setup_teardown(not_wanted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
