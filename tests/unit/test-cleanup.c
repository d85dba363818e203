/* tests/unit/test-cleanup.c - values that clean up after themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void descriptor_ends_with_its_scope(void **state)
{
	int seen;

	{
		fi_auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		seen = fd;
	}
	assert_false(is_open(seen));
}

static void taken_descriptor_stays_open(void **state)
{
	int kept;

	{
		fi_auto_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		kept = fi_take_fd(&fd);
		assert_int_equal(fd, -EBADF);
	}
	assert_true(is_open(kept));
	fi_close(&kept);
	assert_int_equal(kept, -EBADF);
}

static void close_keeps_errno(void **state)
{
	int none = -EBADF;

	errno = ENOSPC;
	fi_close(&none);
	assert_int_equal(errno, ENOSPC);

	none = 1 << 30; /* never open: close(2) itself fails */
	fi_close(&none);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(none, -EBADF);
}

static void taken_pointer_leaves_null(void **state)
{
	fi_auto_free char *kept = NULL;

	{
		fi_auto_free char *p = malloc(16);

		assert_non_null(p);
		p[0] = 'a';
		kept = FI_TAKE(p);
		assert_null(p);
	}
	assert_int_equal(kept[0], 'a');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptor_ends_with_its_scope),
		cmocka_unit_test(taken_descriptor_stays_open),
		cmocka_unit_test(close_keeps_errno),
		cmocka_unit_test(taken_pointer_leaves_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
