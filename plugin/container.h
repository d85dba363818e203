/* plugin/container.h - which container the CRIU around us restores.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU is not told.  But who has started it knows: runc and crun run `criu swrk` as their child, and
 * their own command line, `restore [OPTION]... ID`, has the container's id at its end and the bundle
 * after --bundle (-b), else the bundle is the directory that they work in.  podman, containerd and
 * CRI-O call them in just that way.
 */
#ifndef FI_PLUGIN_CONTAINER_H
#define FI_PLUGIN_CONTAINER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/container.h"

struct fi_container {
	char id[FI_CONTAINER_MAX];
	char bundle[PATH_MAX]; /* absolute */
	bool auto_dedup;       /* its image is to lose what was restored */
};

/* From the command line of CRIU's parent, as in /proc/PID/cmdline, and the directory that it works in.
 * False: that is no restore of a container. */
bool fi_container_from(const char *cmdline, size_t len, const char *dir, struct fi_container *ret);

/* The same about this process's parent, if this process is a CRIU that it gives orders to. */
bool fi_container_here(struct fi_container *ret);

/* Whether a CRIU with this command line takes its orders from the process that has started it: `criu
 * swrk FD`, which calls itself "criu: restore --rpc" when it has heard them. */
bool fi_container_is_rpc(const char *cmdline, size_t len);

/* The process that has started this one, if this one is such a CRIU; else 0. */
pid_t fi_container_runtime(void);

#endif
