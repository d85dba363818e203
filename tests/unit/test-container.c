/* tests/unit/test-container.c - containers by the names of cgroups.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/container.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static fi_container_id id;

static bool find(const char *text)
{
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	bool found;

	assert_non_null(file);
	(void)memset(id, 0, sizeof(id));
	found = fi_container_find(file, id);
	(void)fclose(file);
	return found;
}

static void finds_what_runtimes_write(void **state)
{
	static const char *const texts[] = {
		"0::/" ID "\n",
		"0::/machine.slice/libpod-" ID ".scope\n",
		"0::/machine.slice/libpod-" ID ".scope/container\n",
		"0::/system.slice/docker-" ID ".scope\n",
		"12:cpu,cpuacct:/\n1:name=systemd:/docker/" ID "\n0::/\n",
		"0::/kubepods.slice/kubepods-burstable.slice/kubepods-pod1_2.slice/"
		"cri-containerd-" ID ".scope\n",
		"0::/kubepods/burstable/pod1-2/" ID "\n",
		"0::/docker/" OTHER "/" ID "/init.scope\n",
		"0::/docker/" ID, /* cut off */
	};

	for (size_t i = 0; i < FI_ARRAY_SIZE(texts); i++) {
		if (!find(texts[i]))
			fail_msg("not found: %s", texts[i]);
		assert_string_equal(id, ID);
	}
}

static void finds_nothing_else(void **state)
{
	char longest[20000];
	static const char *const texts[] = {
		"\n",
		"0::/\n",
		"0::\n",
		"rubbish",
		"0::/user.slice/user-0.slice/session-1.scope\n",
		"0::/machine.slice/libpod-conmon-" ID ".scope\n",
		"0::/x" ID "\n",
		"0::/" ID "0\n",
		"0::/0123456789abcdef0123456789abcdef\n",
		"0::/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n",
		"0::" ID "\n",
	};

	for (size_t i = 0; i < FI_ARRAY_SIZE(texts); i++)
		if (find(texts[i]))
			fail_msg("found in: %s", texts[i]);
	(void)memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(find(longest));
}

static void asks_the_kernel(void **state)
{
	assert_false(fi_container_of(-1, id));
	/* Where this test runs is nobody's promise: it is only not to fail. */
	if (fi_container_of(getpid(), id))
		assert_int_equal(strlen(id), FI_CONTAINER_ID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_runtimes_write),
		cmocka_unit_test(finds_nothing_else),
		cmocka_unit_test(asks_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
