/* restore/tools.h - verbs that are in a program of their own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * To load the libraries that read archives and draw on terminals takes 3 ms, and `serve` is started while
 * a restore waits.  So what needs them is in FI_TOOLS_PROGRAM, which is not for people to start.  It lies
 * beside this program, as in a build tree, or where it was installed.
 */
#ifndef FI_RESTORE_TOOLS_H
#define FI_RESTORE_TOOLS_H

#define FI_TOOLS_PROGRAM "faultin-tools"

/* Becomes that program.  @argv: as main() got it, with such a verb.  Returns the exit code when it cannot, and
 * has said why. */
int fi_tools_become(char **argv);

#endif
