/* plugin/shared.h - memory that tasks share: filled here instead of by CRIU, by all CPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU fills shared memory with one thread, page fault by page fault.  Here its view of the image has
 * none of it (view.h), and each segment is filled when a task that has it is restored and stopped,
 * before anything runs: nobody can see it before it is whole, in whatever way.  It is copied in through
 * that task's memory, so it is charged to that task's cgroup, as it would be with CRIU.
 *
 * What no task has mapped writable as a whole or open, and what is small, stays CRIU's.
 */
#ifndef FI_PLUGIN_SHARED_H
#define FI_PLUGIN_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "images/reach.h"
#include "images/segments.h"

struct fi_shared {
	struct fi_segments segments;
	struct fi_reaches reaches; /* of those that are filled here */
	uint64_t bytes;		   /* of them */
	bool *lazy;		   /* by segment: it is not filled (lazy_shared.h); NULL: each is */
};

/* Looks at the image in @dirfd.  Returns 0 or a negative errno as fi_image_open.  fi_shared_done must
 * follow, also after a failure; *@ret is all zero before. */
int fi_shared_plan(int dirfd, const struct fi_image *image, struct fi_shared *ret,
		   struct fi_error *err);

/* Writes into @to, an empty directory, what CRIU is to read in place of the files in @dirfd.  Without
 * @parent it finds the rest in @dirfd itself. */
int fi_shared_write(const struct fi_shared *shared, const struct fi_image *image, int dirfd, int to,
		    bool parent, struct fi_error *err);

/* Fills what is reached through the task of this index, @pid, which is traced by the calling thread and
 * stopped.  @device is for fi_task_uffd.  Returns 0, or a negative errno, said in @err: it must not run on. */
int fi_shared_fill(const struct fi_shared *shared, size_t task, pid_t pid, int device,
		   struct fi_error *err);

/* Fills segment number @i, which is reached through process @pid and was not filled before, without a
 * userfaultfd.  Nothing may be missing in memory that is watched. */
int fi_shared_write_into(const struct fi_shared *shared, size_t i, pid_t pid, struct fi_error *err);

void fi_shared_done(struct fi_shared *shared);

#endif
