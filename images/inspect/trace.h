/* images/inspect/trace.h - what restored tasks have touched of a checkpoint, and when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_TRACE_H
#define FI_INSPECT_TRACE_H

#include "images/inspect/report.h"

/* Faults of a space that are in the report one by one; all are counted. */
#define FI_TRACE_POINTS 20000

/* "trace": the trace @path over the memory of the checkpoint whose restore it is of.  Errors as of
 * fi_tracefile_read, and -EINVAL: it is of another checkpoint. */
int fi_report_trace(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		    const char *path, struct fi_json *js, struct json_object *to,
		    struct fi_error *err);

#endif
