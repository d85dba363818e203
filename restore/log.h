/* restore/log.h - the daemon's edge: lines for people, to one descriptor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Levels and the line's shape ("(00.012345) text") are CRIU's, so that both logs read alike.
 * A line is one write(2), so threads do not mix.  errno is kept.
 */
#ifndef FI_RESTORE_LOG_H
#define FI_RESTORE_LOG_H

#include <stdbool.h>

#include "common/cleanup.h"

enum fi_log_level { /* CRIU's -v numbers */
		    FI_LOG_MSG = 0,
		    FI_LOG_ERROR = 1,
		    FI_LOG_WARN = 2,
		    FI_LOG_INFO = 3,
		    FI_LOG_DEBUG = 4,
};

/* Lines up to @level go to @fd, which stays the caller's.  Before the first call: warnings to
 * standard error.  Call before there are threads. */
void fi_log_init(int fd, enum fi_log_level level);

bool fi_log_wanted(enum fi_log_level level);
void fi_log(enum fi_log_level level, const char *fmt, ...) fi_printf(2, 3);

#endif
