/* plugin/complete.h - no checkpoint of memory that is still on its way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a userfaultfd still answers for, CRIU takes for memory that was never touched: it would be
 * missing from the image, without a word.
 */
#ifndef FI_PLUGIN_COMPLETE_H
#define FI_PLUGIN_COMPLETE_H

#include <sys/types.h>

#include "common/error.h"

/* How long the program that waits may say nothing, which it does every FI_TREE_TELL_MS. */
#define FI_COMPLETE_SILENCE_MS 60000

/* Whether a userfaultfd answers for memory of process @pid: 1 or 0, or a negative errno said in @err. */
int fi_complete_needed(pid_t pid, struct fi_error *err);

/* Has @program (`faultin complete --tree`) complete @pid and its descendants, and waits for it; @say
 * gets what it says.  A timer that CRIU has set stands still meanwhile.  Returns 0, or a negative errno
 * said in @err when memory may be missing. */
int fi_complete(const char *program, pid_t pid, void (*say)(const char *line),
		struct fi_error *err);

#endif
