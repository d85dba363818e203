/* plugin/program.h - where the `faultin` program is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_PLUGIN_PROGRAM_H
#define FI_PLUGIN_PROGRAM_H

#include <stddef.h>

#include "common/error.h"

/* Chooses one place and does not fall back on another, so that a plugin never starts an engine of
 * another version behind somebody's back:
 *   1. @chosen (FAULTIN_BIN) when it is set and not empty;
 *   2. TOP/faultin when @self, the plugin's own file, is TOP/plugin/.libs/NAME: a build tree;
 *   3. @installed.
 *
 * Returns 0 and the path in @ret (of @size bytes), or, saying in @err what was looked for and why:
 *   -ENOENT, -EACCES or what else stat(2) and access(2) gave: it is not there or not executable
 *   -ENAMETOOLONG
 */
int fi_program_find(const char *chosen, const char *self, const char *installed, char *ret,
		    size_t size, struct fi_error *err);

#endif
