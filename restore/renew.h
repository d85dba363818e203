/* restore/renew.h - the verb `upgrade`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_RENEW_H
#define FI_RESTORE_RENEW_H

/* @argv[0] is the verb's name.  Returns the exit code: 0, 1 when a session goes on with its old program or
 * could not be asked, 2 for wrong options, 3 when there is no such session. */
int fi_renew_main(int argc, char **argv);

#endif
