/* tests/unit/test-inspect-nomem.c - each allocation of a report and of a verdict fails once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * json-c's own allocations are not ours to fail.
 */
#include <archive.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "images/inspect/content.h"
#include "images/inspect/memory.h"
#include "images/inspect/search.h"
#include "images/inspect/verify.h"
#include "tests/unit/inspect-sample.h"
#include "tests/unit/nomem.h"

static int report(const char *path, struct fi_error *err)
{
	fi_auto_checkpoint struct fi_checkpoint cp = { .fd = -EBADF };
	fi_auto_digests struct fi_digests digests = { .of_file = NULL };
	const struct fi_filter filter = { .pid = 0 };
	struct json_object *root = json_object_new_object();
	struct fi_json js = { .failed = false };
	int r;

	r = fi_checkpoint_open(path, &cp, err);
	if (r == 0)
		r = fi_report_overview(&cp, &filter, true, &js, root, err);
	if (r == 0)
		r = fi_report_files(&cp, &filter, &js, root, err);
	if (r == 0)
		r = fi_report_sockets(&cp, &js, root, err);
	if (r == 0)
		r = fi_report_mounts(&cp, &js, root, err);
	if (r == 0)
		r = fi_report_namespaces(&cp, &js, root, err);
	if (r == 0)
		r = fi_report_environment(&cp, &filter, &js, root, err);
	if (r == 0)
		r = fi_report_dump(&cp, &filter, 0x11000, 16, &js, root, err);
	if (r == 0)
		r = fi_report_grep(&cp, &filter, (const uint8_t *)"x", 1, NULL, NULL, &js, root,
				   err);
	if (r == 0)
		r = fi_digests_make(&cp, NULL, NULL, &digests, err);
	if (r == 0)
		r = fi_report_content(&cp, &digests, &js, root, err);
	if (r == 0 && js.failed)
		r = fi_error_set(err, -ENOMEM, "no memory for the report");
	json_object_put(root);
	return r;
}

static int verdict(const char *path, struct fi_error *err)
{
	fi_auto_verdict struct fi_verdict found = { .findings = NULL };
	int r = fi_verify(path, &found, err);

	if (r == 0 && found.nr > 0) /* no memory is no fault of the image */
		return fi_error_set(err, -EBADMSG, "%s: %s", found.findings[0].file,
				    found.findings[0].what);
	return r;
}

/* Makes the first allocation fail, the second, ... until there are no more. */
static void try_each(int (*run)(const char *path, struct fi_error *err), const char *path)
{
	size_t failures = 0, i;

	for (i = 1;; i++) {
		struct fi_error err = { "" };
		bool failed;
		int r;

		nomem_countdown = i;
		r = run(path, &err);
		failed = nomem_countdown == 0;
		nomem_countdown = 0;
		if (r == 0 && !failed)
			break;
		if (r == 0)
			continue; /* it could do without */
		if (r != -ENOMEM || !failed)
			fail_msg("allocation %zu: %d, %s", i, r, err.text);
		assert_true(err.text[0]);
		failures++;
	}
	assert_true(failures > 20);
}

static void every_allocation_may_fail(void **state)
{
	size_t before = nr_open_fds();
	struct builder image, parent;
	char path[40];
	int fd;

	inspect_sample(&image, &parent);
	try_each(report, image.path);
	try_each(verdict, image.path);
	fd = inspect_tar(&image, ARCHIVE_FILTER_NONE);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	try_each(report, path);
	try_each(verdict, path);
	close(fd);
	builder_done(&parent);
	builder_done(&image);
	assert_int_equal(nr_open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
