/* restore/runnable.h - whether a thread waits for a CPU, or for something else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_RUNNABLE_H
#define FI_RESTORE_RUNNABLE_H

#include <stdbool.h>
#include <sys/types.h>

/* Thread @tid of this process has a CPU or would have one: its state is R in /proc (proc_pid_stat(5)).
 * False also where that cannot be told.  About 10 us. */
bool fi_thread_wants_cpu(pid_t tid);

#endif
