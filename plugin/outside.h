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

/* Where a process may be born: the directory of @model's cgroup (0: of none) in the unified hierarchy, if that is
 * another than the calling process's.  To move a process makes the kernel wait for all CPUs, some 10 ms; to
 * be born elsewhere costs nothing.  One thread at a time.  Returns a descriptor (CLOEXEC) or a negative
 * errno; -ENOENT: there is none, or it is ours. */
int fi_outside_open(pid_t model);

/* Moves the calling process into the cgroups of process @model (0: of none, so nothing happens), in every hierarchy in which that has
 * another one and that is mounted.  Uses system calls and the stack only: fit for a child of a fork.
 * Returns how many it has left, or the negative errno of the first that it could not. */
int fi_outside_join(pid_t model);

#endif
