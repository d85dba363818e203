/* common/error.h - the one error currency: a negative errno and, beside it, a sentence.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Library code returns a negative errno and, when the caller passed a struct fi_error, says in it
 * what failed, on which file, record or task.  Nothing here allocates, logs or exits, because the
 * plugin runs inside CRIU with a frozen process tree.
 */
#ifndef FI_COMMON_ERROR_H
#define FI_COMMON_ERROR_H

#include "common/cleanup.h"

#ifdef __cplusplus
extern "C" {
#endif

struct fi_error {
	char text[512]; /* always terminated; empty when nothing was said */
};

/* Both return @code, so that a failing path is one line, and accept a NULL @err.
 *
 * fi_error_set replaces the text.  fi_error_prefix puts the words and ": " before the text that is
 * there.  What does not fit is cut off at the end.
 */
int fi_error_set(struct fi_error *err, int code, const char *fmt, ...) fi_printf(3, 4);
int fi_error_prefix(struct fi_error *err, int code, const char *fmt, ...) fi_printf(3, 4);

#ifdef __cplusplus
}
#endif
#endif
