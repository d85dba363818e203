/* plugin/host_log.c - see host_log.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/host_log.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plugin/criu_abi.h"

/* The way CRIU begins its own lines, so that who searches for errors finds ours. */
static const char *prefix(enum fi_log_level level)
{
	switch (level) {
	case FI_LOG_ERROR:
		return "Error (faultin): ";
	case FI_LOG_WARN:
		return "Warn  (faultin): ";
	default:
		return "faultin: ";
	}
}

void fi_host_log(enum fi_log_level level, const char *fmt, ...)
{
	int saved = errno; /* must be first */
	fi_criu_print_on_level print;
	char text[1024];
	void *symbol;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	symbol = dlsym(RTLD_DEFAULT, FI_CRIU_PRINT_ON_LEVEL);
	if (symbol) {
		memcpy(&print, &symbol, sizeof(print));
		print(level, "%s%s\n", prefix(level), text);
	} else if (level <= FI_LOG_WARN) {
		(void)dprintf(STDERR_FILENO, "%s%s\n", prefix(level), text);
	}
	errno = saved;
}
