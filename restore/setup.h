/* restore/setup.h - the verb `setup`: has a container runtime's CRIU load the plugin.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SETUP_H
#define FI_RESTORE_SETUP_H

/* @argv[0] is "setup".  Returns the exit code. */
int fi_setup_main(int argc, char **argv);

#endif
