/* images/inspect/diff.h - two checkpoints beside each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_DIFF_H
#define FI_INSPECT_DIFF_H

#include "images/inspect/digest.h"
#include "images/inspect/report.h"

/* "diff": what is new, changed or gone in @cp against the older @other: tasks, mappings, pages.
 * Tasks are the same when their pids are, pages when task and address are.  Only mappings with a
 * difference are listed. */
void fi_report_diff(const struct fi_checkpoint *cp, const struct fi_digests *digests,
		    const struct fi_checkpoint *other, const struct fi_digests *others,
		    const struct fi_filter *filter, struct fi_json *js, struct json_object *to);

#endif
