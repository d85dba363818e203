/* plugin/outside.h - out of the container's cgroups, into which runc puts CRIU for a restore.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * There CRIU, and what it starts, counts against the container's memory, is frozen and killed with it,
 * and may open no device but the container's.  Its parent, the runtime, is not there.
 */
#ifndef FI_PLUGIN_OUTSIDE_H
#define FI_PLUGIN_OUTSIDE_H

#include <sys/types.h>

/* Moves the calling process into the cgroups of process @model (0: of none, so nothing happens), in every hierarchy in which that has
 * another one and that is mounted.  Uses system calls and the stack only: fit for a child of a fork.
 * Returns how many it has left, or the negative errno of the first that it could not. */
int fi_outside_join(pid_t model);

/* open(2), with @flags but O_CREAT, as a process in the cgroups of @model; 0: in ours.  The
 * descriptor is CLOEXEC.  Returns it, or a negative errno: -ENOSYS where the kernel has no pidfd_getfd (before
 * Linux 5.6). */
int fi_outside_open(pid_t model, const char *path, int flags);

#endif
