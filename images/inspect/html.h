/* images/inspect/html.h - a report as one page for a browser, which needs nothing else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_HTML_H
#define FI_INSPECT_HTML_H

#include <json-c/json.h>
#include <stdio.h>

#include "common/error.h"

/* Writes the page.  It shows what members @report has; "tasks" with "maps" give the pictures of
 * memory.  Returns 0, or -EIO or -ENOMEM said in @err. */
int fi_html_report(const struct json_object *report, FILE *to, struct fi_error *err);

#endif
