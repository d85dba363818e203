/* restore/container.h - which container a process is in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runtimes put each container into a cgroup that is called after its id, 64 hexadecimal digits, alone or
 * as in "libpod-ID.scope".  Names that people give to containers are not in it.
 */
#ifndef FI_RESTORE_CONTAINER_H
#define FI_RESTORE_CONTAINER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define FI_CONTAINER_ID 64 /* digits */

typedef char fi_container_id[FI_CONTAINER_ID + 1];

/* From what /proc/PID/cgroup says, which may be anything; false: in none that is known. */
bool fi_container_find(FILE *cgroup, fi_container_id ret);

bool fi_container_of(pid_t pid, fi_container_id ret);

#endif
