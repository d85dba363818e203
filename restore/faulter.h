/* restore/faulter.h - where the thread that faults runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fault message names no thread (CRIU does not ask for UFFD_FEATURE_THREAD_ID), so the process's
 * own account is read: /proc/PID/stat, or with several threads /proc/PID/task/TID/stat, whose fault
 * counts say which of them it was.
 */
#ifndef FI_RESTORE_FAULTER_H
#define FI_RESTORE_FAULTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* With more threads than this, there is not one that faults. */
#define FI_FAULTER_THREADS 32

struct fi_faulter {
	pid_t pid; /* whose threads are below */
	size_t nr;
	struct {
		pid_t tid;
		uint64_t faults; /* when it was looked at last */
	} seen[FI_FAULTER_THREADS];
};

/* The CPU on which the thread of process @pid was last that has faulted most since the last call
 * for the same process.  -1: that cannot be told.  About 10 us for each thread.  All zero is a
 * faulter that has seen nothing. */
int fi_faulter_cpu(struct fi_faulter *faulter, pid_t pid);

#endif
