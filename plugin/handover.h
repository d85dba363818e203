/* plugin/handover.h - what the plugin tells an engine in transparent mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words are those of CRIU's lazy pages (restore/lazysock.h), on a connection that the engine is
 * born with: for each task its vpid and its userfaultfd, with the task's pid as credentials; at the
 * end "finished".  That one the engine answers with a byte, when it has received all and serves it.
 */
#ifndef FI_PLUGIN_HANDOVER_H
#define FI_PLUGIN_HANDOVER_H

#include <stdint.h>
#include <sys/types.h>

/* Makes the two ends: ours and the engine's, both CLOEXEC.  0 or a negative errno. */
int fi_handover_open(int *ours, int *engines);

/* Each returns 0 or a negative errno.  @uffd stays the caller's. */
int fi_handover_task(int fd, uint32_t vpid, pid_t pid, int uffd);
int fi_handover_zombie(int fd, uint32_t vpid);

/* Of shared memory that stays lazy: what restore/lazysock.h calls FILE and WATCH. */
int fi_handover_file(int fd, uint32_t sharer, int file);
int fi_handover_watch(int fd, uint32_t sharer, pid_t pid, int uffd);

/* Also -EPIPE: the engine has gone without an answer; -ETIMEDOUT: it has not given one, and cannot any more. */
int fi_handover_finish(int fd, int timeout_ms);

#endif
