/* restore/effective.h - the verb `config`: which settings hold, and where each comes from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_EFFECTIVE_H
#define FI_RESTORE_EFFECTIVE_H

/* @argv[0] is "config".  Returns the exit code. */
int fi_effective_main(int argc, char **argv);

#endif
