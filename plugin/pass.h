/* plugin/pass.h - a descriptor beside some bytes, over a socket of this machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * System calls and the stack only: fit for a child of a fork.
 */
#ifndef FI_PLUGIN_PASS_H
#define FI_PLUGIN_PASS_H

#include <stddef.h>

/* Sends @len bytes (at least one), and @fd, unless it is negative, which stays the caller's.  Returns 0
 * or a negative errno. */
int fi_pass(int socket, const void *bytes, size_t len, int fd);

/* Waits for @len bytes that were sent so.  *@fd (CLOEXEC) is then the caller's; -EBADF: there was none.
 * Returns 0, or, without a descriptor, -EPIPE when the other end is closed before, or what recvmsg(2)
 * gave. */
int fi_pass_take(int socket, void *bytes, size_t len, int *fd);

#endif
