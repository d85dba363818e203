/* plugin/child.h - programs that the plugin starts, and what they say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU has handlers, children and descriptors of its own, and none of them is to notice: a child has
 * no exit signal, and calls nothing but system calls until it executes or ends.
 */
#ifndef FI_PLUGIN_CHILD_H
#define FI_PLUGIN_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* fork(2) without an exit signal, so that waitpid(2) finds it with __WALL only.  In the child all
 * signals are blocked, and stay so until it executes.  Returns 0 in it, and here its pid or a negative errno. */
pid_t fi_child_fork(void);

/* The same, and the child is born in the cgroup whose directory (unified hierarchy) is @cgroup; negative: in ours.
 * A kernel before 5.7 cannot, and who may not do it may not move there either: it is born in ours then. */
pid_t fi_child_fork_into(int cgroup);

/* In the child: becomes @program with @argv, the descriptors @fds[0..nr) as 0..nr-1 and no other,
 * default signal actions and nothing blocked.  When that fails it ends with 127 and a sentence. */
void fi_child_exec(const char *program, const char *const *argv, const int *fds, int nr)
	__attribute__((noreturn));

/* Milliseconds of a clock that is not set. */
int64_t fi_child_now_ms(void);

/* Runs @program with @argv to its end, with /dev/null as 0 and 1; what it writes to 2 is given to
 * @say, line by line.  One that says nothing for @silence_ms is killed.
 *
 * Returns its exit code, 128 and the signal that has ended it, -ETIMEDOUT when it was killed, or what
 * the calls gave.  No child of ours and no descriptor is left behind; one that was killed may be an orphan for an instant. */
int fi_child_run(const char *program, const char *const *argv, int silence_ms,
		 void (*say)(const char *line));

#endif
