/* restore/verify.h - `faultin verify`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_VERIFY_H
#define FI_RESTORE_VERIFY_H

/* The verb.  @argv[0] is "verify".  Returns the exit code. */
int fi_verify_main(int argc, char **argv);

#endif
