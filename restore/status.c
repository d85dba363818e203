/* restore/status.c - see status.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names are those of the report (report.c) where they mean the same.
 */
#include "config.h"

#include "restore/status.h"

#include <unistd.h>

#include "common/clock.h"
#include "images/inspect/json.h"
#include "restore/container.h"

#define MAX_CGROUPS 4 /* processes whose container is asked for */

struct view {
	const struct fi_status *status;
	struct fi_json js;
	struct fi_space_status *spaces;
	size_t nr_spaces;
	struct fi_engine_totals totals;
};

static void add_pages(struct view *view, struct json_object *to, const struct fi_counters *count,
		      uint64_t nr_lazy, uint64_t nr_owed)
{
	struct json_object *pages = fi_json_object(&view->js, to, "pages");

	fi_json_u64(&view->js, pages, "lazy", nr_lazy);
	fi_json_u64(&view->js, pages, "owed", nr_owed);
	fi_json_u64(&view->js, pages, "demanded", count->demanded);
	fi_json_u64(&view->js, pages, "drained", count->drained);
	fi_json_u64(&view->js, pages, "zero", count->zeroed);
	fi_json_u64(&view->js, pages, "dropped", count->dropped);
	fi_json_u64(&view->js, pages, "poisoned", count->poisoned);
}

static void add_space(struct view *view, struct json_object *to,
		      const struct fi_space_status *space)
{
	const struct fi_task_image *task = fi_image_find_task(view->status->image, space->image);
	struct json_object *json = fi_json_object(&view->js, to, NULL);

	fi_json_u64(&view->js, json, "id", space->id);
	fi_json_u64(&view->js, json, "parent", space->parent);
	fi_json_u64(&view->js, json, "vpid", space->vpid);
	fi_json_i64(&view->js, json, "pid", space->pid);
	fi_json_u64(&view->js, json, "segment", space->segment);
	fi_json_text(&view->js, json, "name",
		     space->segment ? "shared memory"
		     : task	    ? task->comm
				    : "");
	fi_json_bool(&view->js, json, "failed", space->failed);
	fi_json_u64(&view->js, json, "faults", space->count.faults);
	fi_json_u64(&view->js, json, "forks", space->count.forks);
	add_pages(view, json, &space->count, space->nr_lazy, space->nr_owed);
}

/* Bounds are powers of two, for which the histogram is exact: from 1 us to 17 s. */
static void add_buckets(struct view *view, struct json_object *to, const struct fi_latency *latency)
{
	struct json_object *buckets = fi_json_array(&view->js, to, "buckets");

	for (unsigned power = 10; power <= 34; power++) {
		struct json_object *bucket = fi_json_object(&view->js, buckets, NULL);

		fi_json_u64(&view->js, bucket, "below", UINT64_C(1) << power);
		fi_json_u64(&view->js, bucket, "count", fi_latency_below(latency, power));
	}
}

static void add_latency(struct view *view, struct json_object *to)
{
	struct json_object *json = fi_json_object(&view->js, to, "latency_ns");
	struct fi_latency latency = { 0 };

	fi_engine_latency(view->status->engine, &latency);
	fi_json_u64(&view->js, json, "count", fi_latency_count(&latency));
	fi_json_u64(&view->js, json, "p50", fi_latency_permille(&latency, 500));
	fi_json_u64(&view->js, json, "p99", fi_latency_permille(&latency, 990));
	fi_json_u64(&view->js, json, "max", latency.max);
	fi_json_u64(&view->js, json, "sum", latency.sum);
	add_buckets(view, json, &latency);
}

/* As somebody has said it, else that of a restored task, as far as one of the first is known. */
static void add_container(struct view *view, struct json_object *to)
{
	const char *said = fi_ledger()->session.container;
	fi_container_id id = "";

	for (size_t i = 0; i < view->nr_spaces && i < MAX_CGROUPS && !said[0] && !id[0]; i++)
		if (view->spaces[i].pid > 0 && !fi_container_of(view->spaces[i].pid, id))
			id[0] = '\0';
	fi_json_text(&view->js, to, "container", said[0] ? said : id);
}

static void add_drain(struct view *view, struct json_object *to)
{
	const struct fi_policy *policy = &fi_ledger()->session.policy;
	struct json_object *json = fi_json_object(&view->js, to, "drain");

	fi_json_bool(&view->js, json, "paused", policy->paused);
	fi_json_bool(&view->js, json, "full", policy->full);
	fi_json_u64(&view->js, json, "rate", policy->rate);
}

static void add_times(struct view *view, struct json_object *to)
{
	const struct fi_session_record *record = &fi_ledger()->session;
	uint64_t now = fi_now_ns();

	fi_json_u64(&view->js, to, "now_us", now / 1000);
	fi_json_u64(&view->js, to, "total_us",
		    record->connected ? (now - record->connected) / 1000 : 0);
	fi_json_u64(&view->js, to, "restore_us",
		    record->restored ? (record->restored - record->connected) / 1000 : 0);
}

static void add_session(struct view *view, struct json_object *to)
{
	const struct fi_ledger *ledger = fi_ledger();
	const struct fi_session_record *record = &ledger->session;

	fi_json_text(&view->js, to, "name", record->control);
	fi_json_text(&view->js, to, "program", PACKAGE_VERSION);
	fi_json_text(&view->js, to, "image", record->images_dir);
	add_container(view, to);
	fi_json_i64(&view->js, to, "restorer", record->restorer);
	fi_json_u64(&view->js, to, "uid", geteuid());
	fi_json_text(&view->js, to, "state", view->status->state);
	fi_json_u64(&view->js, to, "engines", ledger->keeper.lives);
	fi_json_u64(&view->js, to, "upgrades", ledger->keeper.upgrades);
	fi_json_u64(&view->js, to, "refused_upgrades", ledger->keeper.refused);
	add_times(view, to);
	add_drain(view, to);
	fi_json_u64(&view->js, to, "tasks", record->nr_tasks);
	fi_json_u64(&view->js, to, "zombies", record->nr_zombies);
	fi_json_u64(&view->js, to, "live", view->totals.nr_live);
	fi_json_u64(&view->js, to, "forks", view->totals.nr_forked);
	fi_json_u64(&view->js, to, "failed", view->totals.nr_failed);
	fi_json_u64(&view->js, to, "faults", view->totals.count.faults);
	add_pages(view, to, &view->totals.count, record->nr_lazy_pages, view->totals.nr_owed);
	add_latency(view, to);
}

static struct json_object *to_json(struct view *view)
{
	struct json_object *json = json_object_new_object(), *spaces;

	view->js.failed = !json;
	add_session(view, json);
	spaces = fi_json_array(&view->js, json, "spaces");
	for (size_t i = 0; i < view->nr_spaces; i++)
		add_space(view, spaces, &view->spaces[i]);
	if (!view->js.failed)
		return json;
	(void)json_object_put(json);
	return NULL;
}

struct json_object *fi_status_json(const struct fi_status *status)
{
	fi_auto_free struct fi_space_status *spaces = calloc(FI_STATUS_SPACES, sizeof(spaces[0]));
	struct view view = { .status = status, .spaces = spaces };

	if (!spaces)
		return NULL;
	fi_engine_totals(status->engine, &view.totals);
	view.nr_spaces = fi_engine_spaces(status->engine, spaces, FI_STATUS_SPACES);
	return to_json(&view);
}
