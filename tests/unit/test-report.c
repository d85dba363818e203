/* tests/unit/test-report.c - the report as JSON: all of it, or nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/report.h"

static char work[] = "/tmp/test-report.XXXXXX";
static struct fi_report report;
static struct fi_error err;

static int enter(void **state)
{
	uint64_t n = 1;

	(void)strcpy(work + sizeof(work) - 7, "XXXXXX");
	if (!mkdtemp(work) || chdir(work) < 0)
		return -1;
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

static int leave(void **state)
{
	DIR *dir = opendir(work);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)remove(entry->d_name);
	(void)closedir(dir);
	return chdir("/") < 0 || rmdir(work) < 0 ? -1 : 0;
}

static int count_files(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	int nr = 0;

	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	(void)closedir(dir);
	return nr;
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
	struct json_object *json, *pages, *events;

	assert_int_equal(fi_report_write(&report, "report.json", &err), 0);
	assert_int_equal(count_files(), 1);
	json = json_object_from_file("report.json");
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

static void replaces_an_older_one(void **state)
{
	int fd = open("report.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	struct json_object *json;

	for (int i = 0; i < 1000; i++)
		(void)!write(fd, "not json ", 9);
	(void)close(fd);
	report.result = "failed";
	assert_int_equal(fi_report_write(&report, "report.json", &err), 0);
	json = json_object_from_file("report.json");
	assert_non_null(json);
	assert_string_equal(json_object_get_string(part(json, "result")), "failed");
	(void)json_object_put(json);
	assert_int_equal(count_files(), 1);
}

static void nothing_where_it_cannot_be_written(void **state)
{
	static char longest[5000];

	assert_int_equal(fi_report_write(&report, "nosuch/report.json", &err), -ENOENT);
	assert_non_null(strstr(err.text, "'nosuch/report.json'"));
	assert_int_equal(count_files(), 0);

	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(fi_report_write(&report, longest, &err), -ENAMETOOLONG);
	assert_int_equal(count_files(), 0);

	assert_int_equal(mkdir("report.json", 0700), 0);
	assert_int_equal(fi_report_write(&report, "report.json", &err), -EISDIR);
	assert_int_equal(count_files(), 1); /* the directory, and no temporary file */
}

/* The disk is full: the older report stays. */
static void whole_or_not_at_all(void **state)
{
	struct rlimit before, tiny;
	struct json_object *json;
	int r;

	assert_int_equal(fi_report_write(&report, "report.json", &err), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tiny = before;
	tiny.rlim_cur = 100;
	(void)signal(SIGXFSZ, SIG_IGN);
	report.result = "failed";
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	r = fi_report_write(&report, "report.json", &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_non_null(strstr(err.text, "'report.json'"));
	assert_int_equal(count_files(), 1);
	json = json_object_from_file("report.json");
	assert_non_null(json);
	assert_string_equal(json_object_get_string(part(json, "result")), "complete");
	(void)json_object_put(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(says_everything),
		TEST(replaces_an_older_one),
		TEST(nothing_where_it_cannot_be_written),
		TEST(whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
