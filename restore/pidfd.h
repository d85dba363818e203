/* restore/pidfd.h - processes by descriptors that name them for ever.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing here allocates.  A negative descriptor is a process that is gone.
 */
#ifndef FI_RESTORE_PIDFD_H
#define FI_RESTORE_PIDFD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Not reaped yet, that is. */
bool fi_pidfd_alive(int pidfd);

/* Whether every thread of it has ended. */
bool fi_pidfd_ended(int pidfd);

void fi_pidfd_signal(int pidfd, int sig);

/* Waits until it has ended.  Returns its wait status; -1 when it is no child of ours. */
int fi_pidfd_reap(int pidfd);

/* Ends it, and waits for that. */
void fi_pidfd_kill(int pidfd);

/* Its number; 0, or negative when it has ended: the kernel does not say. */
pid_t fi_pidfd_pid(int pidfd);

/* pidfd_open(2): the descriptor or a negative errno. */
int fi_pidfd_open(pid_t pid);

#endif
