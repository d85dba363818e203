/* restore/steer.h - the verbs `wait`, `complete`, `pause`, `resume` and `rate`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_STEER_H
#define FI_RESTORE_STEER_H

/* @argv[0] is the verb's name.  Returns the exit code: 0, 1 when a session has failed or could not be
 * asked, 2 for wrong options, 3 when there is no such session. */
int fi_steer_main(int argc, char **argv);

#endif
