/* restore/show.h - the verb `status`: running sessions, for people and for programs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SHOW_H
#define FI_RESTORE_SHOW_H

/* @argv[0] is "status".  Returns the exit code: 0, 1 when a session could not be asked, 2 for wrong
 * options, 3 when there is no such session. */
int fi_show_main(int argc, char **argv);

#endif
