/* plugin/host_log.h - lines in CRIU's own log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Through the print function that CRIU happens to export; where it does not, through stderr,
 * without the information level.
 */
#ifndef FI_PLUGIN_HOST_LOG_H
#define FI_PLUGIN_HOST_LOG_H

#include "common/cleanup.h"

/* CRIU's numbers.  Its default (-v2) shows errors and warnings. */
enum fi_log_level {
	FI_LOG_ERROR = 1,
	FI_LOG_WARN = 2,
	FI_LOG_INFO = 3,
};

/* One line; the newline is added.  Keeps errno. */
void fi_host_log(enum fi_log_level level, const char *fmt, ...) fi_printf(2, 3);

#endif
