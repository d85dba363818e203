/* plugin/task_uffd.h - a userfaultfd for the memory of a stopped task.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel makes one for whoever asks, and for nobody else: so the task is made to ask (inject.h).
 */
#ifndef FI_PLUGIN_TASK_UFFD_H
#define FI_PLUGIN_TASK_UFFD_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

/* What a task without CAP_SYS_PTRACE needs, opened by somebody who has it. */
#define FI_TASK_UFFD_DEVICE "/dev/userfaultfd"

/* @device: the above, or the negative errno of opening it; it is looked at only if it is needed.
 * Returns a descriptor (CLOEXEC, non-blocking, agreed upon with the kernel, restore/uffd.h) of which
 * the task has no copy; or a negative errno, said in @err.  Then *@intact says whether the task is as
 * it was before; if not, it must not run on. */
int fi_task_uffd(pid_t pid, int device, bool *intact, struct fi_error *err);

#endif
