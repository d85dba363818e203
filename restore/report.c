/* restore/report.c - see report.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/report.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#define FORMAT_VERSION 1

void fi_report_log(const struct fi_report *report)
{
	const struct fi_counters *count = &report->totals.count;

	fi_log(FI_LOG_MSG,
	       "faultin: %s: %" PRIu64 " tasks, %" PRIu64 " forks followed, %" PRIu64
	       " faults; pages: %" PRIu64 " demanded, %" PRIu64 " drained, %" PRIu64
	       " zero, %" PRIu64 " dropped, %" PRIu64 " poisoned; %.3f s",
	       report->result, report->nr_tasks, count->forks, count->faults, count->demanded,
	       count->drained, count->zeroed, count->dropped, count->poisoned,
	       (double)report->total_ns / 1e9);
}

static bool add(struct json_object *to, const char *key, struct json_object *value)
{
	if (!value)
		return false;
	if (json_object_object_add(to, key, value) == 0)
		return true;
	(void)json_object_put(value);
	return false;
}

static bool add_number(struct json_object *to, const char *key, uint64_t value)
{
	return add(to, key, json_object_new_int64((int64_t)value));
}

static bool add_pages(struct json_object *json, const struct fi_report *report)
{
	const struct fi_counters *count = &report->totals.count;
	struct json_object *pages = json_object_new_object();

	return add(json, "pages", pages) && add_number(pages, "lazy", report->nr_lazy_pages) &&
	       add_number(pages, "demanded", count->demanded) &&
	       add_number(pages, "drained", count->drained) &&
	       add_number(pages, "zero", count->zeroed) &&
	       add_number(pages, "dropped", count->dropped) &&
	       add_number(pages, "poisoned", count->poisoned);
}

static bool add_events(struct json_object *json, const struct fi_report *report)
{
	const struct fi_counters *count = &report->totals.count;
	struct json_object *events = json_object_new_object();

	return add(json, "events", events) && add_number(events, "fork", count->forks) &&
	       add_number(events, "remap", count->remaps) &&
	       add_number(events, "remove", count->removes) &&
	       add_number(events, "unmap", count->unmaps) &&
	       add_number(events, "parked", count->parked);
}

static struct json_object *to_json(const struct fi_report *report)
{
	struct json_object *json = json_object_new_object();

	if (json && add_number(json, "version", FORMAT_VERSION) &&
	    add(json, "result", json_object_new_string(report->result)) &&
	    add_number(json, "tasks", report->nr_tasks) &&
	    add_number(json, "zombies", report->nr_zombies) &&
	    add_number(json, "forks", report->totals.nr_forked) &&
	    add_number(json, "failed", report->totals.nr_failed) &&
	    add_number(json, "engines", report->nr_engines) &&
	    add_number(json, "faults", report->totals.count.faults) && add_pages(json, report) &&
	    add_events(json, report) && add_number(json, "restore_us", report->restore_ns / 1000) &&
	    add_number(json, "total_us", report->total_ns / 1000))
		return json;
	(void)json_object_put(json);
	return NULL;
}

int fi_report_write(const struct fi_report *report, int fd, struct fi_error *err)
{
	struct json_object *json = to_json(report);
	int r = 0;

	if (!json)
		return fi_error_set(err, -ENOMEM, "out of memory for the report");
	if (json_object_to_fd(fd, json, JSON_C_TO_STRING_PRETTY) < 0)
		r = fi_error_set(err, -errno, "cannot write the report: %s", strerror(errno));
	(void)json_object_put(json);
	return r;
}
