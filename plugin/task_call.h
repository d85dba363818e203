/* plugin/task_call.h - system calls in the name of a stopped task, and descriptors from it and to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * inject.h with what most callers need besides.  Between begin and end there are any number of calls.
 */
#ifndef FI_PLUGIN_TASK_CALL_H
#define FI_PLUGIN_TASK_CALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "plugin/inject.h"

struct fi_task_call {
	struct fi_injection in;
	int pidfd, mem;
	bool broken; /* a call could not be made, or something is left behind in the task */
};

/* The task is traced by the calling thread and stopped.  Returns 0, or a negative errno, said in @err:
 * it is as it was. */
int fi_task_call_begin(pid_t pid, struct fi_task_call *ret, struct fi_error *err);

/* Makes the call and returns what it returned in the task, or -EIO when it could not be made. */
int64_t fi_task_call(struct fi_task_call *tc, long nr, uint64_t a, uint64_t b, uint64_t c,
		     uint64_t d, uint64_t e, uint64_t f);

/* Returns our copy of its descriptor @fd, or a negative errno. */
int fi_task_call_fetch(const struct fi_task_call *tc, int fd);

/* Gives it a copy of our descriptor @fd (CLOEXEC).  Returns its number there, or a negative errno, said
 * in @err. */
int fi_task_call_give(struct fi_task_call *tc, int fd, struct fi_error *err);

/* Closes its descriptor @fd, unless that is negative. */
void fi_task_call_close(struct fi_task_call *tc, int fd);

/* Puts its registers back.  Returns whether it is as it was but for what the calls have done; if not, it
 * must not run on. */
bool fi_task_call_end(struct fi_task_call *tc);

#endif
