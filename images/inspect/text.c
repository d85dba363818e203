/* images/inspect/text.c - see text.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/inspect/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define CELL 160

enum form {
	WORD,  /* as it is, to the left */
	COUNT, /* to the right */
	PAGES, /* pages, as a size */
	BYTES, /* as a size */
	SHARE, /* of one, as per cent */
};

struct column {
	const char *key; /* "memory.lazy": a member of a member */
	const char *title;
	enum form form;
};

/* --- values ------------------------------------------------------------------------------------- */

static const struct json_object *get(const struct json_object *from, const char *key)
{
	const char *dot = strchr(key, '.');
	struct json_object *value = NULL;
	char head[32];

	if (!from || !json_object_is_type(from, json_type_object))
		return NULL;
	if (!dot) {
		(void)json_object_object_get_ex(from, key, &value);
		return value;
	}
	(void)snprintf(head, sizeof(head), "%.*s", (int)(dot - key), key);
	(void)json_object_object_get_ex(from, head, &value);
	return get(value, dot + 1);
}

static uint64_t number(const struct json_object *from, const char *key)
{
	const struct json_object *value = get(from, key);

	return value ? json_object_get_uint64(value) : 0;
}

static const char *word(const struct json_object *from, const char *key)
{
	const struct json_object *value = get(from, key);

	return value ? json_object_get_string((struct json_object *)value) : "";
}

static size_t length(const struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

/* "1.5 MiB": three digits or so. */
static const char *size_text(uint64_t bytes, char ret[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit + 1 < FI_ARRAY_SIZE(units)) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret, 32,
		       value < 10 && unit > 0	 ? "%.2f %s"
		       : value < 100 && unit > 0 ? "%.1f %s"
						 : "%.0f %s",
		       value, units[unit]);
	return ret;
}

/* Copies @from with control characters written out; a C1 control is two bytes in UTF-8. */
static size_t harmless(const char *from, char *ret, size_t size)
{
	const unsigned char *s = (const unsigned char *)from;
	size_t at = 0;

	for (; *s && at + 9 < size; s++) {
		if (*s < 0x20 || *s == 0x7f) {
			at += (size_t)snprintf(ret + at, size - at, "\\x%02x", *s);
		} else if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
			at += (size_t)snprintf(ret + at, size - at, "\\x%02x\\x%02x", *s, s[1]);
			s++;
		} else {
			ret[at++] = (char)*s;
		}
	}
	ret[at] = '\0';
	return at;
}

void fi_text_put(const char *text, FILE *to)
{
	fi_auto_free char *copy = malloc(strlen(text) * 4 + 16);

	if (!copy)
		return;
	(void)harmless(text, copy, strlen(text) * 4 + 16);
	(void)fputs(copy, to);
}

/* --- tables ------------------------------------------------------------------------------------- */

static void cell(const struct json_object *row, const struct column *column, char ret[CELL])
{
	const struct json_object *value = get(row, column->key);
	char text[32];

	ret[0] = '\0';
	if (!value)
		return;
	switch (column->form) {
	case PAGES:
	case BYTES: {
		uint64_t bytes = json_object_get_uint64(value);

		if (column->form == PAGES)
			bytes <<= 12;
		(void)snprintf(ret, CELL, "%s", bytes ? size_text(bytes, text) : "-");
		return;
	}
	case SHARE:
		(void)snprintf(ret, CELL, "%.1f %%", 100 * json_object_get_double(value));
		return;
	case COUNT:
	case WORD:
		if (json_object_is_type(value, json_type_boolean))
			(void)snprintf(ret, CELL, "%s",
				       json_object_get_boolean(value) ? "yes" : "no");
		else
			(void)harmless(json_object_get_string((struct json_object *)value), ret,
				       CELL);
		return;
	}
}

/* Characters, not bytes, as far as a terminal is concerned. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void put_cell(FILE *to, const char *text, int room, bool right, bool last)
{
	int pad = room - width(text);

	if (right)
		(void)fprintf(to, "%*s%s", pad > 0 ? pad : 0, "", text);
	else
		(void)fprintf(to, "%s%*s", text, last || pad < 0 ? 0 : pad, "");
}

/* Rows of an array, under titles.  Columns in which no row has anything are left out. */
static void table(FILE *to, const struct json_object *rows, const struct column *columns, size_t nr)
{
	char text[CELL];
	size_t i, k, last = 0;
	int *widths;
	int w;

	widths = calloc(nr, sizeof(*widths));
	if (!widths)
		return;
	for (i = 0; i < length(rows); i++)
		for (k = 0; k < nr; k++) {
			cell(json_object_array_get_idx(rows, i), &columns[k], text);
			w = width(text);
			if (w > widths[k])
				widths[k] = w;
		}
	for (k = 0; k < nr; k++) {
		if (widths[k] == 0)
			continue;
		last = k;
		w = width(columns[k].title);
		if (w > widths[k])
			widths[k] = w;
	}
	for (i = 0; i <= length(rows); i++) {
		for (k = 0; k < nr; k++) {
			if (widths[k] == 0)
				continue;
			if (i == 0)
				(void)snprintf(text, sizeof(text), "%s", columns[k].title);
			else
				cell(json_object_array_get_idx(rows, i - 1), &columns[k], text);
			put_cell(to, text, widths[k], columns[k].form != WORD, k == last);
			(void)fputs(k == last ? "\n" : "  ", to);
		}
	}
	free(widths);
}

#define TABLE(to, rows, ...)                                                                       \
	do {                                                                                       \
		static const struct column columns_[] = { __VA_ARGS__ };                           \
		table(to, rows, columns_, FI_ARRAY_SIZE(columns_));                                \
	} while (0)

static void headline(FILE *to, const char *fmt, ...) fi_printf(2, 3);
static void headline(FILE *to, const char *fmt, ...)
{
	va_list args;

	(void)fputc('\n', to);
	va_start(args, fmt);
	(void)vfprintf(to, fmt, args);
	va_end(args);
	(void)fputc('\n', to);
}

/* "name: value" if there is one. */
static void line(FILE *to, const char *name, const struct json_object *from, const char *key)
{
	if (!get(from, key))
		return;
	(void)fprintf(to, "%-12s ", name);
	fi_text_put(word(from, key), to);
	(void)fputc('\n', to);
}

/* --- the members -------------------------------------------------------------------------------- */

static void image_text(const struct json_object *report, FILE *to)
{
	const struct json_object *image = get(report, "image");

	line(to, "Checkpoint", image, "name");
	line(to, "Kind", image, "kind");
	line(to, "Inside", image, "inside");
	line(to, "Format", image, "format");
	line(to, "CRIU", image, "criu");
	line(to, "Kernel", image, "kernel");
	line(to, "Container", image, "container.name");
	line(to, "Pod", image, "container.pod");
	line(to, "Image", image, "container.image");
	line(to, "Id", image, "container.id");
	line(to, "Dumped", image, "container.checkpointed");
	if (get(image, "dump"))
		(void)fprintf(to, "%-12s %.1f ms\n", "Frozen for",
			      (double)number(image, "dump.frozen_us") / 1000);
}

static void sizes_text(const struct json_object *report, FILE *to)
{
	headline(to, "Size on disk%s",
		 length(get(report, "sizes")) > 1 ? ", by level up the chain of parents" : "");
	TABLE(to, get(report, "sizes"), { "level", "LEVEL", COUNT }, { "files", "FILES", COUNT },
	      { "pages_bytes", "PAGES", BYTES }, { "pagemaps_bytes", "PAGEMAPS", BYTES },
	      { "contents_bytes", "CONTENTS", BYTES }, { "other_bytes", "OTHER", BYTES });
}

static void memory_text(const struct json_object *report, FILE *to)
{
	const struct json_object *memory = get(report, "memory");
	uint64_t pages = number(memory, "pages");
	char text[32];

	headline(to, "Memory: %s in %" PRIu64 " pages", size_text(pages << 12, text), pages);
	if (pages == 0)
		return;
#define PART(key, says)                                                                            \
	if (number(memory, key))                                                                   \
	(void)fprintf(to, "  %-8s %10s  %5.1f %%  %s\n", key,                                      \
		      size_text(number(memory, key) << 12, text),                                  \
		      100.0 * (double)number(memory, key) / (double)pages, says)
	PART("lazy", "can follow after the restore");
	PART("eager", "has to be there before the tasks run");
	PART("zero", "said to be zero, without bytes");
	PART("parent", "bytes in parent images");
#undef PART
	if (number(memory, "shared"))
		(void)fprintf(to, "  %-8s %10s           %s\n", "shared",
			      size_text(number(memory, "shared") << 12, text),
			      "besides, in shared memory as the tasks map it");
}

/* How deep a task is in the tree; its parent is before it. */
static int depth(const struct json_object *tasks, size_t i, int *depths)
{
	const uint64_t ppid = number(json_object_array_get_idx(tasks, i), "ppid");
	size_t k;

	for (k = i; k-- > 0;)
		if (number(json_object_array_get_idx(tasks, k), "pid") == ppid)
			return depths[k] + 1;
	return 0;
}

static void tasks_text(const struct json_object *report, FILE *to)
{
	const struct json_object *tasks = get(report, "tasks");
	fi_auto_free int *depths = calloc(length(tasks) + 1, sizeof(*depths));
	struct json_object *rows = json_object_new_array(), *row;
	char name[CELL];
	size_t i;

	if (!depths || !rows)
		return;
	headline(to, "Tasks: %zu", length(tasks));
	for (i = 0; i < length(tasks); i++) {
		struct json_object *task = json_object_array_get_idx(tasks, i);
		int indent;

		depths[i] = depth(tasks, i, depths);
		indent = depths[i] < 32 ? depths[i] : 32;
		(void)snprintf(name, sizeof(name), "%*s%s%s", 2 * (indent > 0 ? indent - 1 : 0), "",
			       indent > 0 ? "└ " : "", word(task, "name"));
		row = json_object_new_object();
		if (!row)
			break;
		(void)json_object_object_add(
			row, "pid", json_object_get((struct json_object *)get(task, "pid")));
		(void)json_object_object_add(row, "name", json_object_new_string(name));
		(void)json_object_object_add(
			row, "state", json_object_get((struct json_object *)get(task, "state")));
		(void)json_object_object_add(row, "threads",
					     json_object_new_uint64(length(get(task, "threads"))));
		(void)json_object_object_add(
			row, "mappings",
			json_object_get((struct json_object *)get(task, "mappings")));
		(void)json_object_object_add(
			row, "memory", json_object_get((struct json_object *)get(task, "memory")));
		(void)json_object_array_add(rows, row);
	}
	TABLE(to, rows, { "pid", "PID", COUNT }, { "name", "NAME", WORD },
	      { "state", "STATE", WORD }, { "threads", "THREADS", COUNT },
	      { "mappings", "MAPS", COUNT }, { "memory.pages", "MEMORY", PAGES },
	      { "memory.lazy", "LAZY", PAGES }, { "memory.eager", "EAGER", PAGES },
	      { "memory.zero", "ZERO", PAGES }, { "memory.parent", "PARENT", PAGES },
	      { "memory.shared", "SHARED", PAGES }, { "memory.runs", "RUNS", COUNT });
	(void)json_object_put(rows);
}

static void maps_text(const struct json_object *report, FILE *to)
{
	const struct json_object *tasks = get(report, "tasks");
	size_t i;

	for (i = 0; i < length(tasks); i++) {
		struct json_object *task = json_object_array_get_idx(tasks, i);

		if (!get(task, "maps"))
			continue;
		headline(to, "Mappings of %" PRIu64, number(task, "pid"));
		TABLE(to, get(task, "maps"), { "start", "START", WORD }, { "end", "END", WORD },
		      { "prot", "PROT", WORD }, { "kind", "KIND", WORD },
		      { "size_pages", "SIZE", PAGES }, { "memory.pages", "MEMORY", PAGES },
		      { "memory.lazy", "LAZY", PAGES }, { "memory.eager", "EAGER", PAGES },
		      { "memory.zero", "ZERO", PAGES }, { "memory.parent", "PARENT", PAGES },
		      { "memory.shared", "SHARED", PAGES }, { "memory.runs", "RUNS", COUNT },
		      { "memory.largest_run", "LARGEST", PAGES },
		      { "fragmentation", "FRAG", SHARE }, { "file", "FILE", WORD },
		      { "why", "WHY NOT LAZY", WORD });
	}
}

static void shared_text(const struct json_object *report, FILE *to)
{
	if (length(get(report, "shared")) == 0)
		return;
	headline(to, "Shared memory");
	TABLE(to, get(report, "shared"), { "segment", "SEGMENT", WORD },
	      { "memory.pages", "MEMORY", PAGES }, { "memory.zero", "ZERO", PAGES },
	      { "memory.parent", "PARENT", PAGES });
}

static void files_text(const struct json_object *report, FILE *to)
{
	const struct json_object *tasks = get(report, "files.tasks");
	size_t i;

	if (!get(report, "files"))
		return;
	headline(to, "Open files");
	TABLE(to, get(report, "files.open"), { "id", "ID", COUNT }, { "type", "TYPE", WORD },
	      { "mode", "MODE", WORD }, { "position", "POSITION", COUNT },
	      { "size", "SIZE", BYTES }, { "name", "NAME", WORD });
	for (i = 0; i < length(tasks); i++) {
		struct json_object *task = json_object_array_get_idx(tasks, i);

		headline(to, "Descriptors of %" PRIu64, number(task, "pid"));
		TABLE(to, get(task, "descriptors"), { "fd", "FD", COUNT },
		      { "file", "FILE", COUNT }, { "type", "TYPE", WORD },
		      { "name", "NAME", WORD });
	}
}

static void sockets_text(const struct json_object *report, FILE *to)
{
	if (!get(report, "sockets"))
		return;
	headline(to, "Sockets: %zu", length(get(report, "sockets")));
	TABLE(to, get(report, "sockets"), { "id", "ID", COUNT }, { "family", "FAMILY", WORD },
	      { "type", "TYPE", WORD }, { "state", "STATE", WORD }, { "inode", "INODE", COUNT },
	      { "local", "LOCAL", WORD }, { "remote", "REMOTE", WORD }, { "peer", "PEER", COUNT });
}

static void mounts_text(const struct json_object *report, FILE *to)
{
	const struct json_object *spaces = get(report, "mounts");
	size_t i;

	if (!spaces)
		return;
	if (length(spaces) == 0)
		headline(to, "Mounts: none in the image; the tasks used those of the host");
	for (i = 0; i < length(spaces); i++) {
		struct json_object *space = json_object_array_get_idx(spaces, i);

		headline(to, "Mounts of namespace %" PRIu64, number(space, "mnt_ns"));
		TABLE(to, get(space, "mounts"), { "id", "ID", COUNT },
		      { "parent", "PARENT", COUNT }, { "type", "TYPE", WORD }, { "at", "AT", WORD },
		      { "source", "SOURCE", WORD }, { "root", "ROOT", WORD },
		      { "read_only", "READ-ONLY", WORD }, { "external", "EXTERNAL", WORD });
	}
}

static void namespaces_text(const struct json_object *report, FILE *to)
{
	if (!get(report, "namespaces"))
		return;
	headline(to, "Namespaces");
	TABLE(to, get(report, "namespaces"), { "type", "TYPE", WORD }, { "id", "ID", COUNT },
	      { "hostname", "HOST NAME", WORD }, { "tasks", "TASKS", WORD });
}

static void strings_text(const struct json_object *list, const char *before, FILE *to)
{
	size_t i;

	for (i = 0; i < length(list); i++) {
		(void)fputs(before, to);
		fi_text_put(json_object_get_string(json_object_array_get_idx(list, i)), to);
		(void)fputc('\n', to);
	}
}

static void environment_text(const struct json_object *report, FILE *to)
{
	const struct json_object *list = get(report, "environment");
	size_t i;

	for (i = 0; i < length(list); i++) {
		struct json_object *task = json_object_array_get_idx(list, i);

		headline(to, "Arguments of %" PRIu64, number(task, "pid"));
		strings_text(get(task, "arguments"), "  ", to);
		headline(to, "Environment of %" PRIu64, number(task, "pid"));
		strings_text(get(task, "variables"), "  ", to);
	}
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Sixteen bytes a line, as hexdump -C. */
static void dump_text(const struct json_object *report, FILE *to)
{
	const struct json_object *list = get(report, "dump");
	size_t i, at, k;

	if (list && length(list) == 0)
		headline(to, "No task has anything there");
	for (i = 0; i < length(list); i++) {
		struct json_object *task = json_object_array_get_idx(list, i);
		uint64_t addr = strtoull(word(task, "start"), NULL, 16);
		const char *hex = word(task, "bytes");
		size_t nr = strlen(hex) / 2;

		headline(to, "Memory of %" PRIu64 "%s", number(task, "pid"),
			 json_object_get_boolean(get(task, "whole"))
				 ? ""
				 : " (what the image does not hold is shown as zero)");
		for (at = 0; at < nr; at += 16) {
			(void)fprintf(to, "%016" PRIx64 " ", addr + at);
			for (k = at; k < at + 16; k++)
				(void)fprintf(to, k < nr ? " %.2s" : "   ",
					      hex + 2 * (k < nr ? k : 0));
			(void)fputs("  |", to);
			for (k = at; k < at + 16 && k < nr; k++) {
				int c = (int)(digit(hex[2 * k]) << 4 | digit(hex[2 * k + 1]));

				(void)fputc(c >= 0x20 && c < 0x7f ? c : '.', to);
			}
			(void)fputs("|\n", to);
		}
	}
}

static void saving(FILE *to, const char *words, const struct json_object *bytes, const char *key)
{
	const uint64_t all = number(bytes, "all");
	char text[32];

	(void)fprintf(to, "  %-32s %10s  %5.1f %%\n", words, size_text(number(bytes, key), text),
		      all ? 100.0 * (double)number(bytes, key) / (double)all : 0.0);
}

static void pages_text(const struct json_object *report, FILE *to)
{
	const struct json_object *pages = get(report, "pages"), *bytes = get(pages, "bytes");
	const uint64_t us = number(pages, "reading.us");
	char text[32];

	if (!pages)
		return;
	headline(to, "Pages: %" PRIu64 ", %s read in %.2f s by %" PRIu64 " threads (%.2f GB/s)",
		 number(pages, "pages"), size_text(number(pages, "reading.bytes"), text),
		 (double)us / 1e6, number(pages, "reading.threads"),
		 us ? (double)number(pages, "reading.bytes") / (double)us / 1e3 : 0.0);
	saving(to, "all", bytes, "all");
	saving(to, "without pages of zeros", bytes, "without_zero");
	saving(to, "and each content once", bytes, "distinct");
	saving(to, "and compressed, as estimated", bytes, "distinct_compressed");
	(void)fprintf(to, "  (%s; from a sample of %s)\n", word(pages, "compression.method"),
		      size_text(number(pages, "compression.sampled_bytes"), text));
	(void)fputc('\n', to);
	TABLE(to, get(pages, "tasks"), { "pid", "PID", COUNT }, { "segment", "SEGMENT", COUNT },
	      { "name", "NAME", WORD }, { "pages", "MEMORY", PAGES }, { "zero", "ZERO", PAGES },
	      { "duplicate", "DUPLICATE", PAGES }, { "across_tasks", "OF OTHERS", PAGES },
	      { "same_as_parent", "AS IN PARENT", PAGES });
}

static void grep_text(const struct json_object *report, FILE *to)
{
	const struct json_object *grep = get(report, "grep");
	const uint64_t total = number(grep, "total");

	if (!grep)
		return;
	headline(to, "Found: %" PRIu64 "%s", total,
		 total > length(get(grep, "hits")) ? ", of which the first are" : "");
	if (total > 0)
		TABLE(to, get(grep, "hits"), { "pid", "PID", COUNT },
		      { "segment", "SEGMENT", COUNT }, { "name", "NAME", WORD },
		      { "address", "ADDRESS", WORD }, { "kind", "KIND", WORD },
		      { "mapping", "MAPPING", WORD });
}

static void diff_text(const struct json_object *report, FILE *to)
{
	const struct json_object *diff = get(report, "diff"), *tasks = get(diff, "tasks");
	size_t i;

	if (!diff)
		return;
	(void)fputs("\nAgainst ", to);
	fi_text_put(word(diff, "other"), to);
	(void)fputc('\n', to);
	TABLE(to, tasks, { "pid", "PID", COUNT }, { "name", "NAME", WORD },
	      { "task", "TASK", WORD }, { "same", "SAME", PAGES }, { "changed", "CHANGED", PAGES },
	      { "new", "NEW", PAGES }, { "gone", "GONE", PAGES });
	for (i = 0; i < length(tasks); i++) {
		struct json_object *task = json_object_array_get_idx(tasks, i);

		if (length(get(task, "maps")) == 0)
			continue;
		headline(to, "Mappings of %" PRIu64 " that differ", number(task, "pid"));
		TABLE(to, get(task, "maps"), { "start", "START", WORD }, { "end", "END", WORD },
		      { "kind", "KIND", WORD }, { "mapping", "MAPPING", WORD },
		      { "same", "SAME", PAGES }, { "changed", "CHANGED", PAGES },
		      { "new", "NEW", PAGES }, { "gone", "GONE", PAGES });
	}
}

/* One that has touched nothing has nothing to show. */
static void trace_maps_text(const struct json_object *space, FILE *to)
{
	const struct json_object *maps = get(space, "maps");

	if (number(space, "faults") == 0)
		return;
	headline(to, "Touched in space %" PRIu64, number(space, "space"));
	TABLE(to, maps, { "start", "START", WORD }, { "end", "END", WORD },
	      { "kind", "KIND", WORD }, { "lazy", "LAZY", PAGES }, { "faults", "FAULTS", COUNT },
	      { "touched", "TOUCHED", PAGES }, { "given", "GIVEN", PAGES },
	      { "first_us", "FIRST (us)", COUNT }, { "last_us", "LAST (us)", COUNT });
}

static void trace_text(const struct json_object *report, FILE *to)
{
	const struct json_object *trace = get(report, "trace"), *spaces = get(trace, "spaces");
	const uint64_t missing = number(trace, "events_missing");

	if (!trace)
		return;
	headline(to, "Trace: %" PRIu64 " faults%s", number(trace, "faults"),
		 json_object_get_boolean(get(trace, "complete"))
			 ? ""
			 : "; the restore goes on, or was cut off");
	if (missing)
		(void)fprintf(to, "  %" PRIu64 " events are missing\n", missing);
	if (number(trace, "engines") > 1)
		(void)fprintf(to, "  %" PRIu64 " engines, one after the other\n",
			      number(trace, "engines"));
	TABLE(to, spaces, { "space", "SPACE", COUNT }, { "parent", "OF", COUNT },
	      { "pid", "PID", COUNT }, { "task", "TASK", COUNT }, { "name", "NAME", WORD },
	      { "lazy", "LAZY", PAGES }, { "touched", "TOUCHED", PAGES },
	      { "given", "GIVEN", PAGES }, { "drained", "DRAINED", PAGES },
	      { "dropped", "DROPPED", PAGES }, { "faults", "FAULTS", COUNT },
	      { "latency_ns.p50", "P50 (ns)", COUNT }, { "latency_ns.p99", "P99 (ns)", COUNT },
	      { "latency_ns.max", "MAX (ns)", COUNT });
	for (size_t i = 0; i < length(spaces); i++)
		trace_maps_text(json_object_array_get_idx(spaces, i), to);
}

static void estimate_text(const struct json_object *report, FILE *to)
{
	const struct json_object *estimate = get(report, "estimate");
	const struct json_object *read = get(estimate, "measured.read_ns_per_page");

	if (!estimate)
		return;
	headline(to, "Estimate for this machine as it is now; it may well be wrong by half");
	(void)fprintf(to, "  eager restore          %8.0f ms\n",
		      (double)number(estimate, "eager_us") / 1000);
	(void)fprintf(to, "  lazy restore           %8.0f ms\n",
		      (double)number(estimate, "lazy_us") / 1000);
	(void)fprintf(to, "  ... until all is there %8.0f ms, if nothing else runs\n",
		      (double)number(estimate, "resident_us") / 1000);
	(void)fprintf(to, "  measured: %.0f ns to touch a page",
		      json_object_get_double(get(estimate, "measured.touch_ns_per_page")));
	if (read)
		(void)fprintf(to, ", %.0f ns to read one of these", json_object_get_double(read));
	(void)fprintf(to,
		      "\n  assumed: %.0f ms for CRIU itself, %.1f ms a task, %" PRIu64
		      " us a mapping\n",
		      (double)number(estimate, "assumed.fixed_us") / 1000,
		      (double)number(estimate, "assumed.per_task_us") / 1000,
		      number(estimate, "assumed.per_mapping_us"));
}

void fi_text_report(const struct json_object *report, FILE *to)
{
	image_text(report, to);
	if (get(report, "sizes"))
		sizes_text(report, to);
	if (get(report, "memory"))
		memory_text(report, to);
	if (get(report, "tasks"))
		tasks_text(report, to);
	maps_text(report, to);
	shared_text(report, to);
	files_text(report, to);
	sockets_text(report, to);
	mounts_text(report, to);
	namespaces_text(report, to);
	environment_text(report, to);
	pages_text(report, to);
	diff_text(report, to);
	grep_text(report, to);
	dump_text(report, to);
	trace_text(report, to);
	estimate_text(report, to);
}
