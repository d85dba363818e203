/* restore/smaps.h - what the kernel says of a process's memory and threads, and tells nobody by an
 * event.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SMAPS_H
#define FI_RESTORE_SMAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Whether the mapping of process @pid at @addr has MADV_WIPEONFORK; *@end is where it ends.
 * False when that cannot be told: no such process or mapping, no permission. */
bool fi_smaps_wipes(pid_t pid, uint64_t addr, uint64_t *end, bool *ret);

/* The same from an open smaps file (proc(5)), which is read on from where it is. */
bool fi_smaps_find_wipes(FILE *smaps, uint64_t addr, uint64_t *end, bool *ret);

/* Whether a userfaultfd answers for missing pages of process @pid: 1, or 0; also 0 when there is no such
 * process any more.  Or what opening or reading its smaps gave. */
int fi_smaps_watched(pid_t pid);

/* The same from an open smaps file. */
bool fi_smaps_find_watched(FILE *smaps);

/* Whether process @pid has a single thread; false also when that cannot be told. */
bool fi_smaps_alone(pid_t pid);

#endif
