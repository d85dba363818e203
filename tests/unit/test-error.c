/* tests/unit/test-error.c - the sentence beside an error code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void set_returns_the_code_and_says_why(void **state)
{
	struct fi_error err = { "old words" };

	assert_int_equal(fi_error_set(&err, -ENOENT, "no '%s' at %d", "mm-1.img", 7), -ENOENT);
	assert_string_equal(err.text, "no 'mm-1.img' at 7");
}

static void prefix_goes_in_front(void **state)
{
	struct fi_error err = { "" };

	(void)fi_error_set(&err, -EBADMSG, "record %d", 3);
	assert_int_equal(fi_error_prefix(&err, -EBADMSG, "'%s'", "mm-1.img"), -EBADMSG);
	assert_string_equal(err.text, "'mm-1.img': record 3");
	assert_int_equal(fi_error_prefix(&err, -EIO, "image"), -EIO);
	assert_string_equal(err.text, "image: 'mm-1.img': record 3");
}

static void prefix_of_nothing_has_no_colon(void **state)
{
	struct fi_error err = { "" };

	(void)fi_error_prefix(&err, -EIO, "alone");
	assert_string_equal(err.text, "alone");
}

static void nobody_has_to_listen(void **state)
{
	assert_int_equal(fi_error_set(NULL, -EIO, "%s", "unheard"), -EIO);
	assert_int_equal(fi_error_prefix(NULL, -EPERM, "%s", "unheard"), -EPERM);
}

/* A text has a fixed size: what is too long is cut at the end, never written past it. */
static void long_texts_are_cut(void **state)
{
	struct {
		struct fi_error err;
		char guard[16];
	} box;
	char longer[2 * sizeof(box.err.text)];
	char guard[sizeof(box.guard)];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memset(&box, 0x5a, sizeof(box));
	memset(guard, 0x5a, sizeof(guard));

	(void)fi_error_set(&box.err, -EIO, "%s", longer);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);

	(void)fi_error_prefix(&box.err, -EIO, "front");
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	assert_memory_equal(box.err.text, "front: xxx", 10);

	(void)fi_error_prefix(&box.err, -EIO, "%s", longer);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	assert_memory_equal(box.guard, guard, sizeof(guard));
}

/* A prefix that fills the text to the last byte leaves no room for the colon. */
static void exact_fit(void **state)
{
	struct fi_error err = { "tail" };
	char full[sizeof(err.text)];

	memset(full, 'y', sizeof(full) - 1);
	full[sizeof(full) - 1] = '\0';
	(void)fi_error_prefix(&err, -EIO, "%s", full);
	assert_string_equal(err.text, full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_code_and_says_why),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(prefix_of_nothing_has_no_colon),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(exact_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
