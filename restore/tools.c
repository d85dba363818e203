/* restore/tools.c - see tools.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/tools.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "restore/complain.h"

/* Beside the program that this process runs. */
static void execute_neighbour(char **argv)
{
	char own[PATH_MAX], path[PATH_MAX + sizeof(FI_TOOLS_PROGRAM)];
	ssize_t len = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (len <= 0)
		return;
	own[len] = '\0';
	slash = strrchr(own, '/');
	if (!slash)
		return;
	slash[1] = '\0';
	(void)snprintf(path, sizeof(path), "%s" FI_TOOLS_PROGRAM, own);
	(void)execv(path, argv);
}

int fi_tools_become(char **argv)
{
	static const char installed[] = FI_TOOLSDIR "/" FI_TOOLS_PROGRAM;
	char words[sizeof(installed) + 128];

	execute_neighbour(argv);
	(void)execv(installed, argv);
	(void)snprintf(words, sizeof(words), "cannot start '%s': %s", installed, strerror(errno));
	fi_complain(argv[1], NULL, words);
	return 1;
}
