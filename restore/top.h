/* restore/top.h - the verb `top`: running sessions on a screen, to be watched and steered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_TOP_H
#define FI_RESTORE_TOP_H

/* @argv[0] is "top".  Returns the exit code: 0, 1 when there is no terminal, 2 for wrong options. */
int fi_top_main(int argc, char **argv);

#endif
