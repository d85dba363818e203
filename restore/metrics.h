/* restore/metrics.h - sessions as OpenMetrics text, which doc/faultin-metrics.5 describes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The types are those that the older text format of Prometheus has, too: what node_exporter reads from
 * files is that.
 */
#ifndef FI_RESTORE_METRICS_H
#define FI_RESTORE_METRICS_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdio.h>

/* @sessions: an array of what fi_status_json (status.h) makes; nothing in it is trusted.  @nr_unheard
 * there are beside those, of which nothing is known.  Errors are @to's. */
void fi_metrics_write(const struct json_object *sessions, size_t nr_unheard, FILE *to);

#endif
