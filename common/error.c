/* common/error.c - see error.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fi_error_set(struct fi_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, fmt);
		(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return code;
}

int fi_error_prefix(struct fi_error *err, int code, const char *fmt, ...)
{
	char said[sizeof(err->text)];
	va_list ap;
	int len;

	if (!err)
		return code;

	memcpy(said, err->text, sizeof(said));
	va_start(ap, fmt);
	len = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (len >= 0 && (size_t)len < sizeof(err->text))
		(void)snprintf(err->text + len, sizeof(err->text) - (size_t)len, "%s%s",
			       said[0] ? ": " : "", said);
	return code;
}
