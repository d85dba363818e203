/* images/inspect/search.h - finding bytes in the memory of a checkpoint.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_SEARCH_H
#define FI_INSPECT_SEARCH_H

#include "images/inspect/digest.h"
#include "images/inspect/report.h"

/* Hits that are listed; all are counted. */
#define FI_SEARCH_MAX 1000

#define FI_PATTERN_MAX 4096

/* "grep": where the @len bytes of @pattern (at most FI_PATTERN_MAX) stand.  Found are bytes that are
 * adjacent in memory and in a pages file; not what continues from an image into its parent. */
int fi_report_grep(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		   const uint8_t *pattern, size_t len, fi_progress *progress, void *arg,
		   struct fi_json *js, struct json_object *to, struct fi_error *err);

#endif
