/* restore/show_text.c - see show_text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/show_text.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "images/inspect/text.h"
#include "images/pagemap.h"
#include "restore/client.h"
#include "restore/container.h"

#define BAR 20

void fi_show_put_bytes(uint64_t bytes, FILE *to)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	for (; value >= 1024 && i + 1 < FI_ARRAY_SIZE(units); i++)
		value /= 1024;
	(void)fprintf(to, value < 10 && i > 0 ? "%.1f %s" : "%.0f %s", value, units[i]);
}

void fi_show_put_ns(uint64_t ns, FILE *to)
{
	if (ns < 10000000)
		(void)fprintf(to, "%.0f us", (double)ns / 1e3);
	else if (ns < UINT64_C(10000000000))
		(void)fprintf(to, "%.0f ms", (double)ns / 1e6);
	else
		(void)fprintf(to, "%.0f s", (double)ns / 1e9);
}

unsigned fi_show_percent(const struct json_object *pages)
{
	uint64_t lazy = fi_member_u64(pages, "lazy"), owed = fi_member_u64(pages, "owed");

	if (lazy == 0 || owed == 0)
		return 100;
	if (owed >= lazy)
		return 0;
	return (unsigned)((double)(lazy - owed) * 100 / (double)lazy);
}

void fi_show_put_bar(unsigned percent, unsigned cells, FILE *to)
{
	(void)fputc('[', to);
	for (unsigned i = 0; i < cells; i++)
		(void)fputc(i < percent * cells / 100 ? '#' : '.', to);
	(void)fprintf(to, "] %3u %%", percent);
}

static void put_state(const struct json_object *session, FILE *to)
{
	const struct json_object *drain = fi_member(session, "drain", json_type_object);
	uint64_t rate = fi_member_u64(drain, "rate");

	fi_text_put(fi_member_text(session, "state"), to);
	if (fi_member_bool(drain, "paused"))
		(void)fputs(", paused", to);
	if (fi_member_bool(drain, "full"))
		(void)fputs(" at full speed", to);
	if (rate) {
		(void)fputs(", at most ", to);
		fi_show_put_bytes(rate, to);
		(void)fputs("/s", to);
	}
	if (fi_member_u64(session, "engines") > 1)
		(void)fprintf(to, ", engine %" PRIu64, fi_member_u64(session, "engines"));
}

static void put_progress(const struct json_object *session, FILE *to)
{
	const struct json_object *pages = fi_member(session, "pages", json_type_object);
	const struct json_object *rates = fi_member(session, "rates", json_type_object);
	uint64_t owed = fi_member_u64(pages, "owed");

	(void)fputs("  ", to);
	fi_show_put_bar(fi_show_percent(pages), BAR, to);
	(void)fputs("  ", to);
	fi_show_put_bytes(owed * FI_PAGE_SIZE, to);
	(void)fputs(" owed of ", to);
	fi_show_put_bytes(fi_member_u64(pages, "lazy") * FI_PAGE_SIZE, to);
	if (rates) {
		(void)fputs(", ", to);
		fi_show_put_bytes(fi_member_u64(rates, "bytes_per_s"), to);
		(void)fprintf(to, "/s, %" PRIu64 " faults/s", fi_member_u64(rates, "faults_per_s"));
		if (fi_member(rates, "left_ms", json_type_int)) {
			(void)fputs(", ", to);
			fi_show_put_ns(fi_member_u64(rates, "left_ms") * 1000000, to);
			(void)fputs(" left", to);
		}
	}
	(void)fputc('\n', to);
}

static void put_faults(const struct json_object *session, FILE *to)
{
	const struct json_object *latency = fi_member(session, "latency_ns", json_type_object);

	(void)fprintf(to, "  %" PRIu64 " faults", fi_member_u64(session, "faults"));
	if (fi_member_u64(latency, "count")) {
		(void)fputs(": half of them within ", to);
		fi_show_put_ns(fi_member_u64(latency, "p50"), to);
		(void)fputs(", 99 % within ", to);
		fi_show_put_ns(fi_member_u64(latency, "p99"), to);
		(void)fputs(", longest ", to);
		fi_show_put_ns(fi_member_u64(latency, "max"), to);
	}
	(void)fprintf(to, "\n  %" PRIu64 " tasks restored, %" PRIu64 " forks followed",
		      fi_member_u64(session, "tasks"), fi_member_u64(session, "forks"));
	(void)fprintf(to, ", %" PRIu64 " address spaces live", fi_member_u64(session, "live"));
	(void)fputc('\n', to);
}

static void put_errors(const struct json_object *session, FILE *to)
{
	const struct json_object *pages = fi_member(session, "pages", json_type_object);
	uint64_t failed = fi_member_u64(session, "failed");
	uint64_t poisoned = fi_member_u64(pages, "poisoned");

	if (failed)
		(void)fprintf(to, "  ERROR: %" PRIu64 " address spaces could not be served\n",
			      failed);
	if (poisoned)
		(void)fprintf(to, "  ERROR: %" PRIu64 " pages could not be read\n", poisoned);
}

void fi_show_put_id(uint64_t number, int width, FILE *to)
{
	if (number)
		(void)fprintf(to, "%*" PRIu64, width, number);
	else
		(void)fprintf(to, "%*s", width, "?");
}

static void put_space(const struct json_object *space, FILE *to)
{
	const struct json_object *pages = fi_member(space, "pages", json_type_object);
	uint64_t owed = fi_member_u64(pages, "owed");
	const char *name = fi_member_text(space, "name");

	(void)fputs("  ", to);
	fi_show_put_id(fi_member_u64(space, "vpid"), 8, to);
	fi_show_put_id(fi_member_u64(space, "pid"), 9, to);
	(void)fputc(' ', to);
	fi_text_put(name, to);
	(void)fprintf(to, "%*s", (int)(strlen(name) < 16 ? 16 - strlen(name) : 1), "");
	fi_show_put_bar(fi_show_percent(pages), BAR, to);
	(void)fprintf(to, " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "%s\n", owed,
		      fi_member_u64(pages, "demanded"), fi_member_u64(pages, "drained"),
		      fi_member_u64(space, "faults"),
		      fi_member_bool(space, "failed")  ? " failed"
		      : fi_member_u64(space, "parent") ? " child"
						       : "");
}

static void put_spaces(const struct json_object *session, FILE *to)
{
	const struct json_object *spaces = fi_member(session, "spaces", json_type_array);
	size_t nr = spaces ? json_object_array_length(spaces) : 0;
	uint64_t live = fi_member_u64(session, "live");

	if (nr)
		(void)fprintf(to, "  %8s %8s %-15s %-28s %9s %9s %9s %9s\n", "VPID", "PID", "NAME",
			      "PROGRESS", "OWED", "DEMANDED", "DRAINED", "FAULTS");
	for (size_t i = 0; i < nr; i++)
		put_space(json_object_array_get_idx(spaces, i), to);
	if (live > nr)
		(void)fprintf(to, "  ... and %" PRIu64 " more\n", live - nr);
}

void fi_show_put_container(const struct json_object *session, FILE *to)
{
	const char *name = fi_member_text(session, "container");
	bool digits = strlen(name) == FI_CONTAINER_ID &&
		      strspn(name, "0123456789abcdef") == FI_CONTAINER_ID;

	if (digits)
		(void)fprintf(to, "%.12s", name);
	else
		fi_text_put(name, to);
}

void fi_show_text(const struct json_object *session, FILE *to)
{
	(void)fputs("session ", to);
	fi_text_put(fi_member_text(session, "name"), to);
	if (fi_member_u64(session, "uid") != geteuid())
		(void)fprintf(to, " of user %" PRIu64, fi_member_u64(session, "uid"));
	(void)fputs(": ", to);
	put_state(session, to);
	(void)fputs(", ", to);
	fi_text_put(fi_member_text(session, "image"), to);
	if (fi_member_text(session, "container")[0]) {
		(void)fputs(", container ", to);
		fi_show_put_container(session, to);
	}
	(void)fputc('\n', to);
	put_progress(session, to);
	put_faults(session, to);
	put_errors(session, to);
	put_spaces(session, to);
}
