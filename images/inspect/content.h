/* images/inspect/content.h - what is in the pages: zeros, duplicates, what compression would save.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_CONTENT_H
#define FI_INSPECT_CONTENT_H

#include "images/inspect/digest.h"
#include "images/inspect/report.h"

/* "pages": counts over all pages of tasks and of shared memory that the image holds.  Beside the
 * fingerprints it takes up to 32 MiB of memory, whatever the size of the image. */
int fi_report_content(const struct fi_checkpoint *cp, const struct fi_digests *digests,
		      struct fi_json *js, struct json_object *to, struct fi_error *err);

#endif
