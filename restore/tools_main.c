/* restore/tools_main.c - faultin-tools: the verbs of tools.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "restore/inspect.h"
#include "restore/tools.h"
#include "restore/top.h"
#include "restore/verify.h"

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {
		{ "inspect", fi_inspect_main },
		{ "top", fi_top_main },
		{ "verify", fi_verify_main },
	};

	for (size_t i = 0; argc > 1 && i < FI_ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	(void)fputs(FI_TOOLS_PROGRAM " is a part of faultin(1), and started by it.\n", stderr);
	return 1;
}
