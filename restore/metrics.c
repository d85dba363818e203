/* restore/metrics.c - see metrics.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "common/cleanup.h"
#include "restore/member.h"

/* One sample of each session; rows of one family follow each other. */
struct row {
	const char *family, *type, *unit, *help; /* unit: NULL, none */
	const char *labels;			 /* beside those of the session; NULL: none */
	const char *object, *key;		 /* where the value is; object NULL: the session */
	double scale;				 /* 0: the value as it is */
};

#define PAGES_HELP                                                                                 \
	"Owed pages by what became of them: given to a waiting process (demanded) or while "       \
	"nobody "                                                                                  \
	"waited (drained), given as zeros, given up by processes (dropped), not readable "         \
	"(poisoned)."

static const struct row rows[] = {
	{ "faultin_session_seconds", "gauge", "seconds", "Time since CRIU has connected.", NULL,
	  NULL, "total_us", 1e-6 },
	{ "faultin_restore_seconds", "gauge", "seconds",
	  "What of that the restore took; 0 until it is finished.", NULL, NULL, "restore_us",
	  1e-6 },
	{ "faultin_engines", "counter", NULL, "Engines there were; all but the last have died.",
	  NULL, NULL, "engines", 0 },
	{ "faultin_tasks", "gauge", NULL, "Restored processes.", NULL, NULL, "tasks", 0 },
	{ "faultin_spaces_live", "gauge", NULL, "Address spaces that are still served.", NULL, NULL,
	  "live", 0 },
	{ "faultin_spaces_failed", "counter", NULL, "Address spaces that could not be served.",
	  NULL, NULL, "failed", 0 },
	{ "faultin_forks", "counter", NULL, "Forked children followed.", NULL, NULL, "forks", 0 },
	{ "faultin_faults", "counter", NULL, "Touches of missing pages.", NULL, NULL, "faults", 0 },
	{ "faultin_pages_lazy", "gauge", NULL, "Pages owed to the restored processes at the start.",
	  NULL, "pages", "lazy", 0 },
	{ "faultin_pages_owed", "gauge", NULL, "Pages owed now, to them and to children.", NULL,
	  "pages", "owed", 0 },
	{ "faultin_pages", "counter", NULL, PAGES_HELP, "how=\"demanded\"", "pages", "demanded",
	  0 },
	{ "faultin_pages", "counter", NULL, PAGES_HELP, "how=\"drained\"", "pages", "drained", 0 },
	{ "faultin_pages", "counter", NULL, PAGES_HELP, "how=\"zero\"", "pages", "zero", 0 },
	{ "faultin_pages", "counter", NULL, PAGES_HELP, "how=\"dropped\"", "pages", "dropped", 0 },
	{ "faultin_pages", "counter", NULL, PAGES_HELP, "how=\"poisoned\"", "pages", "poisoned",
	  0 },
	{ "faultin_drain_paused", "gauge", NULL, "1 when somebody has paused the drain.", NULL,
	  "drain", "paused", 0 },
	{ "faultin_drain_full", "gauge", NULL, "1 when somebody has asked for all at once.", NULL,
	  "drain", "full", 0 },
	{ "faultin_drain_limit_bytes_per_second", "gauge", NULL,
	  "What the drain is limited to; 0: nothing.", NULL, "drain", "rate", 0 },
};

static void put_head(const char *family, const char *type, const char *unit, const char *help,
		     FILE *to)
{
	(void)fprintf(to, "# TYPE %s %s\n", family, type);
	if (unit)
		(void)fprintf(to, "# UNIT %s %s\n", family, unit);
	(void)fprintf(to, "# HELP %s %s\n", family, help);
}

/* Control characters become \xNN: some readers take others than the newline for the end of a line. */
static void put_label(const char *key, const char *value, FILE *to)
{
	(void)fprintf(to, "%s=\"", key);
	for (; *value; value++) {
		if ((unsigned char)*value < ' ' || *value == 0x7f) {
			(void)fprintf(to, "\\\\x%02x", (unsigned char)*value);
			continue;
		}
		if (*value == '"' || *value == '\\')
			(void)fputc('\\', to);
		(void)fputc(*value, to);
	}
	(void)fputc('"', to);
}

/* All but the closing brace. */
static void put_name(const struct json_object *session, const char *family, const char *suffix,
		     FILE *to)
{
	(void)fprintf(to, "%s%s{", family, suffix);
	put_label("session", fi_member_text(session, "name"), to);
	(void)fprintf(to, ",uid=\"%" PRIu64 "\",", fi_member_u64(session, "uid"));
	put_label("container", fi_member_text(session, "container"), to);
}

static void put_row(const struct json_object *session, const struct row *row, FILE *to)
{
	const struct json_object *from =
		row->object ? fi_member(session, row->object, json_type_object) : session;
	uint64_t value = fi_member_bool(from, row->key) ? 1 : fi_member_u64(from, row->key);

	put_name(session, row->family, strcmp(row->type, "counter") == 0 ? "_total" : "", to);
	if (row->labels)
		(void)fprintf(to, ",%s", row->labels);
	if (row->scale > 0)
		(void)fprintf(to, "} %.9g\n", (double)value * row->scale);
	else
		(void)fprintf(to, "} %" PRIu64 "\n", value);
}

static void put_info(const struct json_object *session, FILE *to)
{
	put_name(session, "faultin_session_info", "", to);
	(void)fputc(',', to);
	put_label("image", fi_member_text(session, "image"), to);
	(void)fputc(',', to);
	put_label("version", fi_member_text(session, "program"), to);
	(void)fputs("} 1\n", to);
}

static void put_state(const struct json_object *session, FILE *to)
{
	put_name(session, "faultin_session_state", "", to);
	(void)fputc(',', to);
	put_label("state", fi_member_text(session, "state"), to);
	(void)fputs("} 1\n", to);
}

static void put_latency(const struct json_object *session, FILE *to)
{
	static const char family[] = "faultin_fault_latency_seconds";
	const struct json_object *latency = fi_member(session, "latency_ns", json_type_object);
	const struct json_object *buckets = fi_member(latency, "buckets", json_type_array);

	for (size_t i = 0; buckets && i < json_object_array_length(buckets); i++) {
		const struct json_object *bucket = json_object_array_get_idx(buckets, i);

		put_name(session, family, "_bucket", to);
		(void)fprintf(to, ",le=\"%.11g\"} %" PRIu64 "\n",
			      (double)fi_member_u64(bucket, "below") / 1e9,
			      fi_member_u64(bucket, "count"));
	}
	put_name(session, family, "_bucket", to);
	(void)fprintf(to, ",le=\"+Inf\"} %" PRIu64 "\n", fi_member_u64(latency, "count"));
	put_name(session, family, "_count", to);
	(void)fprintf(to, "} %" PRIu64 "\n", fi_member_u64(latency, "count"));
	put_name(session, family, "_sum", to);
	(void)fprintf(to, "} %.9g\n", (double)fi_member_u64(latency, "sum") / 1e9);
}

static void put_all(const struct json_object *sessions, FILE *to,
		    void (*put)(const struct json_object *session, FILE *to))
{
	for (size_t i = 0; i < json_object_array_length(sessions); i++)
		put(json_object_array_get_idx(sessions, i), to);
}

void fi_metrics_write(const struct json_object *sessions, size_t nr_unheard, FILE *to)
{
	size_t nr = json_object_array_length(sessions);

	put_head("faultin_sessions", "gauge", NULL, "Sessions that have answered.", to);
	(void)fprintf(to, "faultin_sessions %zu\n", nr);
	put_head("faultin_sessions_unheard", "gauge", NULL, "Sessions that have not.", to);
	(void)fprintf(to, "faultin_sessions_unheard %zu\n", nr_unheard);
	put_head("faultin_session_info", "gauge", NULL, "1 for each session; what it is.", to);
	put_all(sessions, to, put_info);
	put_head("faultin_session_state", "gauge", NULL, "1 for what the session is doing.", to);
	put_all(sessions, to, put_state);
	for (size_t i = 0; i < FI_ARRAY_SIZE(rows); i++) {
		if (i == 0 || strcmp(rows[i].family, rows[i - 1].family) != 0)
			put_head(rows[i].family, rows[i].type, rows[i].unit, rows[i].help, to);
		for (size_t k = 0; k < nr; k++)
			put_row(json_object_array_get_idx(sessions, k), &rows[i], to);
	}
	put_head("faultin_fault_latency_seconds", "histogram", "seconds",
		 "How long it took to answer faults.", to);
	put_all(sessions, to, put_latency);
	(void)fputs("# EOF\n", to);
}
