/* tests/unit/test-images-nomem.c - each allocation fails once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 * */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/image-builder.h"
#include "tests/unit/nomem.h"

static void every_allocation_may_fail(void **state)
{
	size_t before = nr_open_fds(), failures = 0, i;
	struct builder image, parent;
	int r = -ENOMEM;

	builder_sample(&image, &parent);
	for (i = 1;; i++) {
		struct fi_error err = { "" };
		struct fi_image *opened = NULL;
		bool failed;

		nomem_countdown = i;
		r = fi_image_open(image.dirfd, &opened, &err);
		failed = nomem_countdown == 0;
		nomem_countdown = 0;
		if (r == 0) {
			/* Memory that only gives some back may be refused. */
			assert_image_holds(opened);
			fi_image_free(opened);
			if (!failed)
				break;
			continue;
		}
		assert_int_equal(r, -ENOMEM);
		assert_true(failed);
		assert_non_null(strstr(err.text, "no memory"));
		failures++;
	}
	assert_true(failures > 10);
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
