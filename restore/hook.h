/* restore/hook.h - the verb `hook`: what a container runtime calls at its turning points.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_HOOK_H
#define FI_RESTORE_HOOK_H

/* @argv[0] is "hook".  Returns 0, whatever happens: no container is to fail because of us. */
int fi_hook_main(int argc, char **argv);

#endif
