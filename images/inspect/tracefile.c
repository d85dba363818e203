/* images/inspect/tracefile.c - see tracefile.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One event is one line, so that a trace of any length is read without a tree of all of it.
 */
#include "images/inspect/tracefile.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "images/pages.h"

#define VERSION 1

/* A line of ours has some hundred bytes; ids count up from 1. */
#define LINE_MAX_LEN 65536
#define SPACES_MAX   100000

const char *const fi_traced_names[FI_TRACED_NR] = {
	[FI_TRACED_IMAGE] = "image",	 [FI_TRACED_PARENT] = "parent",
	[FI_TRACED_ZERO] = "zero",	 [FI_TRACED_POISON] = "poison",
	[FI_TRACED_PRESENT] = "present", [FI_TRACED_UNMAPPED] = "unmapped",
	[FI_TRACED_PARKED] = "parked",	 [FI_TRACED_OVER] = "over",
};

/* --- values ------------------------------------------------------------------------------------- */

static struct json_object *member(struct json_object *from, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(from, json_type_object))
		(void)json_object_object_get_ex(from, key, &value);
	return value;
}

static const char *text(struct json_object *from, const char *key)
{
	struct json_object *value = member(from, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static uint64_t number(struct json_object *from, const char *key)
{
	return json_object_get_uint64(member(from, key));
}

/* Microseconds with a fraction. */
static uint64_t ns(struct json_object *from, const char *key)
{
	double us = json_object_get_double(member(from, key));

	return us > 0 && us < 1e15 ? (uint64_t)(us * 1000 + 0.5) : 0;
}

/* --- events ------------------------------------------------------------------------------------- */

/* The space of the event, made where it is new; NULL: no memory, or too large a number. */
static struct fi_traced_space *space_of(struct fi_tracefile *trace, uint64_t id)
{
	if (id == 0 || id >= SPACES_MAX)
		return NULL;
	if (id >= trace->room) {
		size_t room = id + id / 2 + 16;
		struct fi_traced_space *at = realloc(trace->spaces, room * sizeof(at[0]));

		if (!at)
			return NULL;
		memset(at + trace->room, 0, (room - trace->room) * sizeof(at[0]));
		trace->spaces = at;
		trace->room = room;
	}
	if (id >= trace->nr_spaces)
		trace->nr_spaces = id + 1;
	trace->spaces[id].id = (uint32_t)id;
	return &trace->spaces[id];
}

static int add_fault(struct fi_traced_space *space, const struct fi_traced_fault *fault)
{
	if (space->nr_faults == space->room) {
		size_t room = space->room ? 2 * space->room : 64;
		struct fi_traced_fault *at = realloc(space->faults, room * sizeof(at[0]));

		if (!at)
			return -ENOMEM;
		space->faults = at;
		space->room = room;
	}
	space->faults[space->nr_faults++] = *fault;
	return 0;
}

static int on_fault(struct fi_traced_space *space, struct json_object *event)
{
	struct json_object *args = member(event, "args");
	const char *name = text(event, "name"), *addr = text(args, "addr");
	uint64_t pages = number(args, "pages");
	struct fi_traced_fault fault = {
		.at = ns(event, "ts"),
		.took = ns(event, "dur"),
		.nr_pages = pages < UINT32_MAX ? (uint32_t)pages : UINT32_MAX,
		.answer = FI_TRACED_NR,
		.again = strcmp(text(event, "cat"), "again") == 0,
	};
	char *end;

	for (uint8_t i = 0; i < FI_TRACED_NR; i++)
		if (strcmp(fi_traced_names[i], name) == 0)
			fault.answer = i;
	fault.page = strtoull(addr, &end, 16) >> FI_PAGE_SHIFT;
	if (fault.answer == FI_TRACED_NR || strncmp(addr, "0x", 2) != 0 || *end)
		return -EBADMSG;
	return add_fault(space, &fault);
}

static int on_fork(struct fi_tracefile *trace, uint64_t parent, struct json_object *args)
{
	struct fi_traced_space *child = space_of(trace, number(args, "child"));

	if (!child)
		return -E2BIG;
	child->parent = (uint32_t)parent;
	trace->spaces[parent].nr_forks++;
	return 0;
}

static void on_name(struct fi_traced_space *space, struct json_object *args)
{
	space->named = true;
	space->image = (uint32_t)number(args, "image");
	space->vpid = (uint32_t)number(args, "vpid");
	space->pid = (int32_t)number(args, "pid");
	(void)snprintf(space->comm, sizeof(space->comm), "%s", text(args, "comm"));
}

static void on_pages(struct fi_traced_space *space, struct json_object *args)
{
	space->demanded = number(args, "demanded");
	space->drained = number(args, "drained");
	space->dropped = number(args, "dropped");
}

/* Of the session; the first word of each engine says the version. */
static int on_session(struct fi_tracefile *trace, const char *name, struct json_object *event)
{
	struct json_object *args = member(event, "args");

	if (strcmp(name, "engine") == 0) {
		trace->nr_engines++;
		return number(args, "version") == VERSION ? 0 : -EPROTONOSUPPORT;
	}
	if (strcmp(name, "dropped") == 0)
		trace->dropped = number(args, "events");
	else if (strcmp(name, "restore begins") == 0)
		trace->begun = ns(event, "ts");
	else if (strcmp(name, "restore finished") == 0)
		trace->restored = ns(event, "ts");
	return 0;
}

static int on_event(struct fi_tracefile *trace, struct json_object *event)
{
	struct json_object *args = member(event, "args");
	const char *name = text(event, "name"), *cat = text(event, "cat");
	uint64_t id = number(event, "pid");
	struct fi_traced_space *space;

	if (!json_object_is_type(event, json_type_object))
		return -EBADMSG;
	if (id == 0)
		return on_session(trace, name, event);
	space = space_of(trace, id);
	if (!space)
		return -E2BIG;
	if (strcmp(cat, "fault") == 0 || strcmp(cat, "again") == 0)
		return on_fault(space, event);
	if (strcmp(name, "fork") == 0)
		return on_fork(trace, id, args);
	if (strcmp(name, "process_name") == 0)
		on_name(space, args);
	else if (strcmp(name, "end") == 0 || strcmp(name, "pages") == 0)
		on_pages(space, args);
	return 0;
}

/* --- lines -------------------------------------------------------------------------------------- */

/* -EBADMSG also for a line that is no JSON. */
static int on_line(struct fi_tracefile *trace, struct json_tokener *tokener, char *line, size_t len)
{
	struct json_object *event;
	int r;

	if (strcmp(line, "]") == 0)
		trace->ended = true;
	if (len <= 1)
		return 0; /* a bracket, or nothing */
	if (line[len - 1] == ',')
		len--;
	json_tokener_reset(tokener);
	event = json_tokener_parse_ex(tokener, line, (int)len);
	r = event ? on_event(trace, event) : -EBADMSG;
	(void)json_object_put(event);
	return r;
}

static int read_lines(FILE *file, struct fi_tracefile *trace, struct json_tokener *tokener,
		      uint64_t *nr)
{
	fi_auto_free char *line = malloc(LINE_MAX_LEN);
	int r = 0;

	if (!line)
		return -ENOMEM;
	while (r == 0 && fgets(line, LINE_MAX_LEN, file)) {
		size_t len = strcspn(line, "\n");
		bool whole = line[len] == '\n';

		line[len] = '\0';
		++*nr;
		r = on_line(trace, tokener, line, len);
		if (r == -EBADMSG && !whole && feof(file))
			return 0; /* cut off */
		if (r == 0 && trace->nr_engines == 0 && *nr > 8)
			r = -EBADMSG; /* somebody else's */
	}
	return r == 0 && ferror(file) ? -EIO : r;
}

int fi_tracefile_read(const char *path, struct fi_tracefile *trace, struct fi_error *err)
{
	struct json_tokener *tokener = json_tokener_new(); /* of limited depth */
	FILE *file = fopen(path, "re");
	uint64_t nr = 0;
	int r;

	*trace = (struct fi_tracefile){ .spaces = NULL };
	if (!tokener || !file)
		r = file ? -ENOMEM : -errno;
	else
		r = read_lines(file, trace, tokener, &nr);
	if (r == 0 && trace->nr_engines == 0)
		r = -EBADMSG;
	if (file)
		(void)fclose(file);
	if (tokener)
		json_tokener_free(tokener);
	if (r == -EBADMSG && trace->nr_engines == 0)
		return fi_error_set(err, r, "'%s' is no trace of faultin serve", path);
	if (r == -EBADMSG || r == -E2BIG)
		return fi_error_set(err, r, "'%s', line %llu: %s", path, (unsigned long long)nr,
				    r == -E2BIG ? "more than can be held" : "no event of a trace");
	if (r == -EPROTONOSUPPORT)
		return fi_error_set(err, r, "'%s' was written by another version", path);
	return r < 0 ? fi_error_set(err, r, "cannot read '%s': %s", path, strerror(-r)) : 0;
}

void fi_tracefile_close(struct fi_tracefile *trace)
{
	for (size_t i = 0; i < trace->nr_spaces; i++)
		free(trace->spaces[i].faults);
	free(trace->spaces);
	*trace = (struct fi_tracefile){ .spaces = NULL };
}
