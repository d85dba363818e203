/* restore/kin.h - processes and their children, as /proc has them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_KIN_H
#define FI_RESTORE_KIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each once.  Zeros: none; its owner frees `at`. */
struct fi_pids {
	pid_t *at;
	size_t nr, room;
};

/* Returns 0 or -ENOMEM. */
int fi_pids_add(struct fi_pids *pids, pid_t pid);

bool fi_pids_has(const struct fi_pids *pids, int64_t pid);

/* Adds those whose parent is @pid, or one of its threads; none when it has ended.  Returns 0 or -ENOMEM. */
int fi_pids_add_children(struct fi_pids *pids, pid_t pid);

#endif
