/* restore/tree.h - has a tree of processes completed, whichever sessions serve it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a checkpoint needs: memory that a userfaultfd still answers for is missing from an image, and
 * nobody would know.  Whether there is such memory is asked of the kernel (smaps.h), not of sessions:
 * so it is found, too, when no session can be reached, or when it is another program that serves it.
 */
#ifndef FI_RESTORE_TREE_H
#define FI_RESTORE_TREE_H

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/* How long nothing may come in, and how often progress is told: milliseconds. */
#define FI_TREE_PATIENCE_MS 30000
#define FI_TREE_TELL_MS	    5000

/* Waits until no userfaultfd answers for memory of @root or of its descendants, and has the sessions
 * that serve them bring in all that they owe.  @tell, if not NULL, is told now and then what is owed by
 * them: pages.
 *
 * Processes that are born meanwhile are looked at, too; whose are born after a return of 0, and by a
 * process of the tree, owe nothing.
 *
 * Returns 0, or, said in @err:
 *   -ESRCH      a process of the tree is served by nobody that can be reached
 *   -ETIMEDOUT  nothing has come in for FI_TREE_PATIENCE_MS
 *   -ENOMEM, or what reading /proc or the runtime directory gave */
int fi_tree_complete(pid_t root, void (*tell)(uint64_t nr_owed), struct fi_error *err);

#endif
