/* tests/unit/test-report.c - the report as JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "restore/report.h"

static struct fi_report report;
static struct fi_error err;

static int setup(void **state)
{
	uint64_t n = 1;

	report = (struct fi_report){ .result = "complete" };
	report.nr_tasks = n++;
	report.nr_zombies = n++;
	report.nr_lazy_pages = UINT64_C(1) << 40;
	report.restore_ns = 1234567;
	report.total_ns = UINT64_C(5000000000);
	report.totals.nr_forked = n++;
	report.totals.nr_failed = n++;
	report.nr_engines = n++;
	report.totals.count.faults = n++;
	report.totals.count.forks = n++;
	report.totals.count.remaps = n++;
	report.totals.count.removes = n++;
	report.totals.count.unmaps = n++;
	report.totals.count.demanded = n++;
	report.totals.count.drained = n++;
	report.totals.count.zeroed = n++;
	report.totals.count.dropped = n++;
	report.totals.count.poisoned = n++;
	report.totals.count.parked = n++;
	err.text[0] = '\0';
	return 0;
}

static struct json_object *part(struct json_object *json, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(json, key, &value))
		fail_msg("no '%s'", key);
	return value;
}

static void assert_number(struct json_object *json, const char *key, uint64_t want)
{
	struct json_object *value = part(json, key);

	assert_int_equal(json_object_get_type(value), json_type_int);
	assert_int_equal(json_object_get_int64(value), want);
}

static void says_everything(void **state)
{
	fi_auto_close int fd = memfd_create("report", MFD_CLOEXEC);
	struct json_object *json, *pages, *events;

	assert_int_equal(fi_report_write(&report, fd, &err), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	json = json_object_from_fd(fd);
	assert_non_null(json);
	assert_number(json, "version", 1);
	assert_string_equal(json_object_get_string(part(json, "result")), "complete");
	assert_number(json, "tasks", report.nr_tasks);
	assert_number(json, "zombies", report.nr_zombies);
	assert_number(json, "forks", report.totals.nr_forked);
	assert_number(json, "failed", report.totals.nr_failed);
	assert_number(json, "engines", report.nr_engines);
	assert_number(json, "faults", report.totals.count.faults);
	assert_number(json, "restore_us", 1234);
	assert_number(json, "total_us", 5000000);
	pages = part(json, "pages");
	assert_number(pages, "lazy", UINT64_C(1) << 40);
	assert_number(pages, "demanded", report.totals.count.demanded);
	assert_number(pages, "drained", report.totals.count.drained);
	assert_number(pages, "zero", report.totals.count.zeroed);
	assert_number(pages, "dropped", report.totals.count.dropped);
	assert_number(pages, "poisoned", report.totals.count.poisoned);
	events = part(json, "events");
	assert_number(events, "fork", report.totals.count.forks);
	assert_number(events, "remap", report.totals.count.remaps);
	assert_number(events, "remove", report.totals.count.removes);
	assert_number(events, "unmap", report.totals.count.unmaps);
	assert_number(events, "parked", report.totals.count.parked);
	(void)json_object_put(json);
}

/* The disk is full. */
static void says_when_it_is_not_whole(void **state)
{
	fi_auto_close int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	assert_int_equal(fi_report_write(&report, fd, &err), -ENOSPC);
	assert_true(err.text[0]);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(says_everything),
		TEST(says_when_it_is_not_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
