/* restore/log.c - see log.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static int log_fd = STDERR_FILENO;
static enum fi_log_level log_level = FI_LOG_WARN;
static struct timespec log_start;

void fi_log_init(int fd, enum fi_log_level level)
{
	log_fd = fd;
	log_level = level;
	if (!log_start.tv_sec)
		(void)clock_gettime(CLOCK_MONOTONIC, &log_start);
}

bool fi_log_wanted(enum fi_log_level level)
{
	return level <= log_level;
}

void fi_log(enum fi_log_level level, const char *fmt, ...)
{
	static const char *const names[] = { "", "Error: ", "Warn:  ", "", "" };
	int saved = errno, len = 0;
	struct timespec now;
	char line[1024];
	int64_t usec;
	va_list ap;

	if (!fi_log_wanted(level))
		return;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	usec = log_start.tv_sec ? (now.tv_sec - log_start.tv_sec) * INT64_C(1000000) +
					  (now.tv_nsec - log_start.tv_nsec) / 1000
				: 0;
	if (level != FI_LOG_MSG)
		len = snprintf(line, sizeof(line), "(%02d.%06d) %s", (int)(usec / 1000000),
			       (int)(usec % 1000000), names[level]);
	va_start(ap, fmt);
	len += vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, ap);
	va_end(ap);
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	if (write(log_fd, line, (size_t)len) < 0)
		len = 0; /* nowhere left to say so */
	errno = saved;
}
