/* plugin/lazy_shared.h - shared anonymous memory that is not filled before the tasks run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of the segments that would be filled here (shared.h) those stay lazy that can be watched wherever
 * they are mapped.  Each task gets a userfaultfd for each of them, and the engine has them in the end
 * (restore/pool.h).  Where anything of that fails, the segment is filled all the same.
 *
 * Calls in the order below, with every task stopped and traced by the calling thread.
 */
#ifndef FI_PLUGIN_LAZY_SHARED_H
#define FI_PLUGIN_LAZY_SHARED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "images/sharers.h"
#include "plugin/shared.h"

struct fi_lazy_shared {
	struct fi_shared *shared;
	struct fi_sharers sharers;
	int *uffds;	/* by sharer; -EBADF: none */
	pid_t *pids;	/* by task; 0: not seen yet */
	bool *failed;	/* by segment: it has to be filled */
	uint64_t bytes; /* that are left out; 0: there is no such segment */
};

/* Chooses among the segments of @shared, where it is noted, and moves their bytes from its sum.  Says in CRIU's log why others
 * are not lazy.  Returns 0 or -ENOMEM, said in @err.  fi_lazy_shared_done must follow; *@ret is all zero
 * before.  @shared must outlive it. */
int fi_lazy_shared_plan(const struct fi_image *image, struct fi_shared *shared,
			struct fi_lazy_shared *ret, struct fi_error *err);

/* Watches what task number @task has.  Returns 0, or a negative errno, said in @err: it must not run on. */
int fi_lazy_shared_watch(struct fi_lazy_shared *ls, size_t task, pid_t pid, int device,
			 struct fi_error *err);

/* When all tasks are seen: names the segments to the engine. */
void fi_lazy_shared_hand_over(struct fi_lazy_shared *ls, int connection);

/* The engine has said that it serves all, or not: fills what has to be.  Returns 0, or a negative errno, said in
 * @err: the tasks must not run on. */
int fi_lazy_shared_finish(struct fi_lazy_shared *ls, bool served, struct fi_error *err);

void fi_lazy_shared_done(struct fi_lazy_shared *ls);

#endif
