/* restore/workfile.h - files that are made in the work directory, which may be somebody else's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * By default the work directory is the image's, so its owner may have put links where we are going to
 * write with more rights than theirs.  Therefore:
 *   - a name that is relative (to the work directory) is reached without a symlink on its way; in one
 *     that is absolute, the directories are the caller's choice;
 *   - its last part is never followed;
 *   - a file that is there and has other names (hard links) is not written to.
 * Files are made with mode 0600 where nothing else is said.  All return a negative errno on failure, and log nothing.
 */
#ifndef FI_RESTORE_WORKFILE_H
#define FI_RESTORE_WORKFILE_H

#include <sys/types.h>

/* For a log: made, or emptied, and written to at its end.  The descriptor; or
 *   -ELOOP   a symlink; -ENOTDIR: on the way
 *   -EMLINK  has other names
 *   -ENXIO   a pipe that nobody reads
 *   or what openat(2) gave */
int fi_workfile_log(const char *path);

/* A new file, to write to.  -EEXIST: there is something, be it a symlink. */
int fi_workfile_create(const char *path);

/* A file of that name and @mode (of which the umask takes away) has the content of @fd, from its
 * beginning; at once, in place of what was there.  @fd stays the caller's.  Allocates nothing. */
int fi_workfile_publish(int fd, const char *path, mode_t mode);

#endif
