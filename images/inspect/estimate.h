/* images/inspect/estimate.h - how long a restore may take here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_ESTIMATE_H
#define FI_INSPECT_ESTIMATE_H

#include "images/inspect/report.h"

/* "estimate": times of an eager and of a lazy restore, with what they are computed from: costs that
 * are measured now, on this machine and on the bytes of this image, and others that are assumed.
 * Takes some tens of milliseconds. */
int fi_report_estimate(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		       struct fi_error *err);

#endif
