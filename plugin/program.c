/* plugin/program.c - see program.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define BUILD_TREE_DIR "/plugin/.libs"

/* Returns the length of TOP when @self is TOP/plugin/.libs/NAME, else 0. */
static size_t build_tree(const char *self)
{
	const char *slash = strrchr(self, '/');
	size_t dir_len = slash ? (size_t)(slash - self) : 0;
	size_t tail = strlen(BUILD_TREE_DIR);

	if (dir_len <= tail || memcmp(slash - tail, BUILD_TREE_DIR, tail) != 0)
		return 0;
	return dir_len - tail;
}

static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return -errno;
	return 0;
}

int fi_program_find(const char *chosen, const char *self, const char *installed, char *ret,
		    size_t size, struct fi_error *err)
{
	fi_auto_free char *real = NULL;
	const char *why;
	size_t top = 0;
	int n, r;

	if (chosen && chosen[0]) {
		why = "named by FAULTIN_BIN";
		n = snprintf(ret, size, "%s", chosen);
	} else {
		real = self ? realpath(self, NULL) : NULL;
		if (real)
			top = build_tree(real);
		if (top > 0) {
			why = "of the build tree that the plugin lies in";
			n = snprintf(ret, size, "%.*s/faultin", (int)top, real);
		} else {
			why = "installed with the plugin; FAULTIN_BIN can name another";
			n = snprintf(ret, size, "%s", installed);
		}
	}
	if (n < 0 || (size_t)n >= size)
		return fi_error_set(err, -ENAMETOOLONG, "the engine's program (%s)", why);

	r = check_executable(ret);
	if (r < 0)
		return fi_error_set(err, r, "cannot start the engine: '%s' (%s): %s", ret, why,
				    strerror(-r));
	return 0;
}
