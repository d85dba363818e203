/* restore/top_frame.c - see top_frame.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From above: a title, the table of sessions, the table of the selected one's tasks, the line of keys.
 * Columns that do not fit are left out, the least important first; lines that do not fit likewise: tasks
 * first, then headings.
 */
#include "config.h"

#include "restore/top_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wctype.h>

#include "common/cleanup.h"
#include "images/inspect/text.h"
#include "images/pagemap.h"
#include "restore/member.h"
#include "restore/show_text.h"

#define BAR_MIN	   8  /* cells between the brackets; with fewer only the number is shown */
#define BAR_EXTRA  8  /* that a bar has beside them */
#define BAR_AT	   60 /* a frame that is as wide has bars, and rather loses columns */
#define MARK_CELLS 1  /* before a session: whether it is selected */

/* --- cells --------------------------------------------------------------------------------------- */

struct pen {
	struct fi_top_line *line;
	wchar_t *at;
	unsigned cells, width; /* used, and there are */
};

static struct pen start_line(struct fi_top_frame *frame, unsigned row, enum fi_top_style style)
{
	struct fi_top_line *line = &frame->rows[row];

	line->style = style;
	return (struct pen){ .line = line, .at = line->text, .width = frame->width };
}

/* Never more than the line has cells, each with a character of its own. */
static void put_char(struct pen *pen, wchar_t c, unsigned limit)
{
	int cells = iswprint((wint_t)c) ? wcwidth(c) : 0;

	if (cells < 1) {
		c = L'?';
		cells = 1;
	}
	if (pen->cells + (unsigned)cells > limit)
		return;
	*pen->at++ = c;
	*pen->at = L'\0';
	pen->cells += (unsigned)cells;
}

static void pad(struct pen *pen, unsigned to)
{
	while (pen->cells < to && pen->cells < pen->width)
		put_char(pen, L' ', pen->width);
}

/* As much of @text as fits into @width cells. */
static void put_text(struct pen *pen, const char *text, unsigned width)
{
	unsigned limit = pen->cells + width < pen->width ? pen->cells + width : pen->width;
	size_t left = strlen(text);
	mbstate_t state = { 0 };

	while (left > 0) {
		wchar_t c = L'?';
		size_t n = mbrtowc(&c, text, left, &state);

		if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
			state = (mbstate_t){ 0 };
			c = L'?';
			n = 1;
		}
		put_char(pen, c, limit);
		text += n;
		left -= n;
	}
}

static void put_line(struct fi_top_frame *frame, unsigned row, enum fi_top_style style,
		     const char *text)
{
	struct pen pen = start_line(frame, row, style);

	put_text(&pen, text, frame->width);
}

/* --- tables -------------------------------------------------------------------------------------- */

struct column {
	const char *title;
	unsigned min, max; /* cells; of a bar: without and with it */
	unsigned rank;	   /* the highest is left out first */
	bool right, bar;
	void (*put)(const struct json_object *row, FILE *to);
	unsigned width; /* 0: left out */
};

/* Gives each column its width: so many as fit at their least, then what is left to those that want
 * more, in their order. */
static void lay_out(struct column *columns, size_t nr, unsigned width)
{
	unsigned used = 0;

	for (size_t i = 0; i < nr; i++) {
		if (columns[i].bar && width >= BAR_AT)
			columns[i].min = BAR_MIN + BAR_EXTRA;
		columns[i].width = columns[i].min;
		used += columns[i].min + 1;
	}
	while (used > width + 1) {
		struct column *least = NULL;

		for (size_t i = 0; i < nr; i++)
			if (columns[i].width && (!least || columns[i].rank > least->rank))
				least = &columns[i];
		if (least->rank == 0)
			break; /* it is cut off */
		used -= least->width + 1;
		least->width = 0;
	}
	for (size_t i = 0; i < nr && used < width + 1; i++) {
		unsigned more = columns[i].max - columns[i].min;

		if (columns[i].width == 0 || (columns[i].bar && width < BAR_AT))
			continue;
		more = more < width + 1 - used ? more : width + 1 - used;
		columns[i].width += more;
		used += more;
	}
}

static void put_cell(struct pen *pen, const struct column *column, const char *text)
{
	unsigned end = pen->cells + column->width;
	size_t len = strlen(text); /* what is aligned to the right is ASCII */

	if (column->right && len < column->width)
		pad(pen, end - (unsigned)len);
	put_text(pen, text, end > pen->cells ? end - pen->cells : 0);
	pad(pen, end + 1);
}

static void put_bar(struct pen *pen, const struct column *column, const struct json_object *row,
		    FILE *to)
{
	unsigned percent = fi_show_percent(fi_member(row, "pages", json_type_object));

	if (column->width < BAR_MIN + BAR_EXTRA) {
		(void)fprintf(to, "%3u %%", percent);
		return;
	}
	fi_show_put_bar(percent, column->width - BAR_EXTRA, to);
	pen->line->bar = pen->cells + 1;
	pen->line->bar_cells = percent * (column->width - BAR_EXTRA) / 100;
}

static void put_row(struct pen *pen, const struct column *columns, size_t nr,
		    const struct json_object *row)
{
	for (size_t i = 0; i < nr; i++) {
		char *text = NULL;
		size_t len;
		FILE *to;

		if (columns[i].width == 0)
			continue;
		to = open_memstream(&text, &len);
		if (!to)
			return;
		if (columns[i].bar)
			put_bar(pen, &columns[i], row, to);
		else
			columns[i].put(row, to);
		if (fclose(to) == 0)
			put_cell(pen, &columns[i], text);
		free(text);
	}
}

/* @at: the cell where the first column begins. */
static void put_titles(struct fi_top_frame *frame, unsigned row, unsigned at,
		       const struct column *columns, size_t nr)
{
	struct pen pen = start_line(frame, row, FI_TOP_HEADER);

	pad(&pen, at);
	for (size_t i = 0; i < nr; i++)
		if (columns[i].width)
			put_cell(&pen, &columns[i], columns[i].title);
	pad(&pen, frame->width);
}

/* --- sessions ------------------------------------------------------------------------------------ */

static const struct json_object *pages_of(const struct json_object *of)
{
	return fi_member(of, "pages", json_type_object);
}

static const struct json_object *rates_of(const struct json_object *session)
{
	return fi_member(session, "rates", json_type_object);
}

static const struct json_object *latency_of(const struct json_object *session)
{
	return fi_member(session, "latency_ns", json_type_object);
}

static uint64_t errors_of(const struct json_object *session)
{
	return fi_member_u64(session, "failed") + fi_member_u64(pages_of(session), "poisoned");
}

static void put_name(const struct json_object *session, FILE *to)
{
	fi_text_put(fi_member_text(session, "name"), to);
}

static void put_user(const struct json_object *session, FILE *to)
{
	(void)fprintf(to, "%" PRIu64, fi_member_u64(session, "uid"));
}

static void put_state(const struct json_object *session, FILE *to)
{
	const struct json_object *drain = fi_member(session, "drain", json_type_object);

	if (strcmp(fi_member_text(session, "state"), "draining") != 0)
		fi_text_put(fi_member_text(session, "state"), to);
	else if (fi_member_bool(drain, "paused"))
		(void)fputs("paused", to);
	else if (fi_member_bool(drain, "full"))
		(void)fputs("full speed", to);
	else if (fi_member_u64(drain, "rate"))
		(void)fputs("limited", to);
	else
		(void)fputs("draining", to);
}

static void put_owed(const struct json_object *of, FILE *to)
{
	fi_show_put_bytes(fi_member_u64(pages_of(of), "owed") * FI_PAGE_SIZE, to);
}

static void put_demanded(const struct json_object *of, FILE *to)
{
	fi_show_put_bytes(fi_member_u64(pages_of(of), "demanded") * FI_PAGE_SIZE, to);
}

static void put_drained(const struct json_object *of, FILE *to)
{
	fi_show_put_bytes(fi_member_u64(pages_of(of), "drained") * FI_PAGE_SIZE, to);
}

static void put_speed(const struct json_object *session, FILE *to)
{
	if (!rates_of(session))
		return;
	fi_show_put_bytes(fi_member_u64(rates_of(session), "bytes_per_s"), to);
	(void)fputs("/s", to);
}

static void put_faults_per_s(const struct json_object *session, FILE *to)
{
	if (rates_of(session))
		(void)fprintf(to, "%" PRIu64, fi_member_u64(rates_of(session), "faults_per_s"));
}

static void put_left(const struct json_object *session, FILE *to)
{
	if (fi_member(rates_of(session), "left_ms", json_type_int))
		fi_show_put_ns(fi_member_u64(rates_of(session), "left_ms") * 1000000, to);
}

static void put_latency(const struct json_object *session, const char *key, FILE *to)
{
	if (fi_member_u64(latency_of(session), "count"))
		fi_show_put_ns(fi_member_u64(latency_of(session), key), to);
}

static void put_p50(const struct json_object *session, FILE *to)
{
	put_latency(session, "p50", to);
}

static void put_p99(const struct json_object *session, FILE *to)
{
	put_latency(session, "p99", to);
}

static void put_max(const struct json_object *session, FILE *to)
{
	put_latency(session, "max", to);
}

static void put_tasks(const struct json_object *session, FILE *to)
{
	(void)fprintf(to, "%" PRIu64, fi_member_u64(session, "tasks"));
}

static void put_forks(const struct json_object *of, FILE *to)
{
	(void)fprintf(to, "%" PRIu64, fi_member_u64(of, "forks"));
}

static void put_errors(const struct json_object *session, FILE *to)
{
	(void)fprintf(to, "%" PRIu64, errors_of(session));
}

/* Whose memory it is. */
static void put_what(const struct json_object *session, FILE *to)
{
	if (fi_member_text(session, "container")[0])
		fi_show_put_container(session, to);
	else
		fi_text_put(fi_member_text(session, "image"), to);
}

static const struct column session_columns[] = {
	{ "SESSION", 7, 10, 0, false, false, put_name, 0 },
	{ "UID", 5, 5, 15, true, false, put_user, 0 },
	{ "STATE", 10, 10, 3, false, false, put_state, 0 },
	{ "DONE", 5, 28, 1, false, true, NULL, 0 },
	{ "OWED", 8, 8, 2, true, false, put_owed, 0 },
	{ "SPEED", 10, 10, 4, true, false, put_speed, 0 },
	{ "LEFT", 7, 7, 6, true, false, put_left, 0 },
	{ "FAULTS/S", 8, 8, 7, true, false, put_faults_per_s, 0 },
	{ "P50", 7, 7, 9, true, false, put_p50, 0 },
	{ "P99", 7, 7, 8, true, false, put_p99, 0 },
	{ "MAX", 7, 7, 10, true, false, put_max, 0 },
	{ "TASKS", 5, 5, 12, true, false, put_tasks, 0 },
	{ "FORKS", 5, 5, 13, true, false, put_forks, 0 },
	{ "ERRORS", 6, 6, 5, true, false, put_errors, 0 },
	{ "CONTAINER OR IMAGE", 18, 1000, 14, false, false, put_what, 0 },
};

/* --- tasks --------------------------------------------------------------------------------------- */

static void put_vpid(const struct json_object *space, FILE *to)
{
	fi_show_put_id(fi_member_u64(space, "vpid"), 0, to);
}

static void put_pid(const struct json_object *space, FILE *to)
{
	fi_show_put_id(fi_member_u64(space, "pid"), 0, to);
}

static void put_faults(const struct json_object *space, FILE *to)
{
	(void)fprintf(to, "%" PRIu64, fi_member_u64(space, "faults"));
}

static void put_note(const struct json_object *space, FILE *to)
{
	if (fi_member_bool(space, "failed"))
		(void)fputs("failed", to);
	else if (fi_member_u64(space, "parent"))
		(void)fputs("child", to);
}

static const struct column task_columns[] = {
	{ "VPID", 7, 7, 7, true, false, put_vpid, 0 },
	{ "PID", 7, 7, 3, true, false, put_pid, 0 },
	{ "NAME", 12, 20, 0, false, false, put_name, 0 },
	{ "DONE", 5, 28, 1, false, true, NULL, 0 },
	{ "OWED", 8, 8, 2, true, false, put_owed, 0 },
	{ "DEMANDED", 8, 8, 5, true, false, put_demanded, 0 },
	{ "DRAINED", 8, 8, 6, true, false, put_drained, 0 },
	{ "FAULTS", 7, 7, 4, true, false, put_faults, 0 },
	{ "FORKS", 5, 5, 9, true, false, put_forks, 0 },
	{ "", 6, 6, 8, false, false, put_note, 0 },
};

/* --- order --------------------------------------------------------------------------------------- */

struct key {
	uint64_t value; /* the highest first */
	size_t at;	/* where it was: the order of what is equal */
	struct json_object *row;
};

static int compare_keys(const void *a, const void *b)
{
	const struct key *one = a, *other = b;

	if (one->value != other->value)
		return one->value > other->value ? -1 : 1;
	return one->at < other->at ? -1 : 1;
}

static uint64_t session_key(const struct json_object *session, enum fi_top_order order)
{
	switch (order) {
	case FI_TOP_BY_NAME: /* as they are found */
		return 0;
	case FI_TOP_BY_OWED:
		return fi_member_u64(pages_of(session), "owed");
	case FI_TOP_BY_SPEED:
		return fi_member_u64(rates_of(session), "bytes_per_s");
	case FI_TOP_BY_FAULTS:
		return fi_member_u64(rates_of(session), "faults_per_s");
	case FI_TOP_BY_P99:
		return fi_member_u64(latency_of(session), "p99");
	}
	return 0;
}

static uint64_t task_key(const struct json_object *space, enum fi_top_task_order order)
{
	switch (order) {
	case FI_TOP_AS_GIVEN:
		return 0;
	case FI_TOP_TASKS_BY_OWED:
		return fi_member_u64(pages_of(space), "owed");
	case FI_TOP_TASKS_BY_FAULTS:
		return fi_member_u64(space, "faults");
	}
	return 0;
}

static size_t length(const struct json_object *array)
{
	return array ? json_object_array_length(array) : 0;
}

/* @array in the order of @keys, which has been filled. */
static void put_in_order(struct json_object *array, struct key *keys, bool reverse)
{
	size_t nr = length(array);

	qsort(keys, nr, sizeof(keys[0]), compare_keys);
	for (size_t i = 0; i < nr; i++)
		(void)json_object_get(keys[i].row);
	for (size_t i = 0; i < nr; i++)
		(void)json_object_array_put_idx(array, reverse ? nr - 1 - i : i, keys[i].row);
}

static void sort(struct fi_look *look, const struct fi_top_view *view)
{
	size_t nr = length(look->sessions);
	fi_auto_free struct key *keys = calloc(nr + 1, sizeof(keys[0]));

	for (size_t i = 0; keys && i < nr; i++) {
		struct json_object *row = json_object_array_get_idx(look->sessions, i);

		keys[i] = (struct key){ session_key(row, view->order), i, row };
	}
	if (keys)
		put_in_order(look->sessions, keys, view->reverse);
}

static void sort_tasks(struct json_object *spaces, const struct fi_top_view *view)
{
	size_t nr = length(spaces);
	fi_auto_free struct key *keys = calloc(nr + 1, sizeof(keys[0]));

	for (size_t i = 0; keys && i < nr; i++) {
		struct json_object *row = json_object_array_get_idx(spaces, i);

		keys[i] = (struct key){ task_key(row, view->task_order), i, row };
	}
	if (keys)
		put_in_order(spaces, keys, false);
}

/* --- the selected one ---------------------------------------------------------------------------- */

static void select_at(const struct fi_look *look, struct fi_top_view *view, size_t i)
{
	const struct json_object *session = json_object_array_get_idx(look->sessions, i);

	if (strcmp(view->selected, fi_member_text(session, "name")) != 0)
		view->first_task = 0;
	(void)snprintf(view->selected, sizeof(view->selected), "%s",
		       fi_member_text(session, "name"));
	view->selected_uid = fi_member_u64(session, "uid");
}

/* Its place, or that of the first. */
static size_t find_selected(const struct fi_look *look, const struct fi_top_view *view)
{
	for (size_t i = 0; i < length(look->sessions); i++) {
		const struct json_object *session = json_object_array_get_idx(look->sessions, i);

		if (strcmp(view->selected, fi_member_text(session, "name")) == 0 &&
		    view->selected_uid == fi_member_u64(session, "uid"))
			return i;
	}
	return 0;
}

const struct json_object *fi_top_selected(const struct fi_look *look,
					  const struct fi_top_view *view)
{
	return length(look->sessions)
		       ? json_object_array_get_idx(look->sessions, find_selected(look, view))
		       : NULL;
}

void fi_top_move(const struct fi_look *look, struct fi_top_view *view, int lines)
{
	size_t nr = length(look->sessions), i = find_selected(look, view);

	if (nr == 0)
		return;
	if (lines < 0)
		i = i > (size_t)-lines ? i - (size_t)-lines : 0;
	else
		i = i + (size_t)lines < nr ? i + (size_t)lines : nr - 1;
	select_at(look, view, i);
}

/* --- the frame ----------------------------------------------------------------------------------- */

static const char *const order_names[] = {
	[FI_TOP_BY_NAME] = "session",	  [FI_TOP_BY_OWED] = "owed",
	[FI_TOP_BY_SPEED] = "speed",	  [FI_TOP_BY_FAULTS] = "faults/s",
	[FI_TOP_BY_P99] = "99 % latency",
};

static const char *const task_order_names[] = {
	[FI_TOP_AS_GIVEN] = "as restored",
	[FI_TOP_TASKS_BY_OWED] = "owed",
	[FI_TOP_TASKS_BY_FAULTS] = "faults",
};

static const char *const keys_help[] = {
	"faultin top: running restores",
	"",
	"up, down, k, j       select a session",
	"page up, page down   more of its tasks",
	"s, S                 order of sessions: next, reversed",
	"t                    order of tasks: next",
	"p                    pause: bring in only what somebody waits for",
	"r                    resume",
	"c                    complete: bring in all that is owed, as fast as can be",
	"space                look now",
	"h, ?                 these keys",
	"q                    quit",
};

static void make_help(struct fi_top_frame *frame)
{
	for (unsigned i = 0; i < FI_ARRAY_SIZE(keys_help) && i < frame->height; i++)
		put_line(frame, i, i == 0 ? FI_TOP_TITLE : FI_TOP_PLAIN, keys_help[i]);
}

static void put_total(const struct fi_look *look, const struct fi_top_view *view, FILE *to)
{
	size_t nr = length(look->sessions);
	uint64_t owed = 0, bytes = 0, faults = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct json_object *session = json_object_array_get_idx(look->sessions, i);

		owed += fi_member_u64(pages_of(session), "owed");
		bytes += fi_member_u64(rates_of(session), "bytes_per_s");
		faults += fi_member_u64(rates_of(session), "faults_per_s");
	}
	(void)fprintf(to, "faultin top: %zu session%s, ", nr, nr == 1 ? "" : "s");
	fi_show_put_bytes(owed * FI_PAGE_SIZE, to);
	(void)fputs(" owed, ", to);
	fi_show_put_bytes(bytes, to);
	(void)fprintf(to, "/s, %" PRIu64 " faults/s", faults);
	if (nr > 1)
		(void)fprintf(to, "; sorted by %s%s", order_names[view->order],
			      view->reverse ? ", reversed" : "");
}

static void put_head_of_tasks(const struct json_object *session, const struct fi_top_view *view,
			      FILE *to)
{
	(void)fputs("Session ", to);
	put_name(session, to);
	(void)fprintf(to,
		      ": %" PRIu64 " tasks restored, %" PRIu64 " forks followed, %" PRIu64
		      " spaces live, %" PRIu64 " faults",
		      fi_member_u64(session, "tasks"), fi_member_u64(session, "forks"),
		      fi_member_u64(session, "live"), fi_member_u64(session, "faults"));
	if (errors_of(session))
		(void)fprintf(to,
			      "; %" PRIu64 " spaces could not be served, %" PRIu64
			      " pages not be read",
			      fi_member_u64(session, "failed"),
			      fi_member_u64(pages_of(session), "poisoned"));
	if (view->task_order != FI_TOP_AS_GIVEN)
		(void)fprintf(to, "; sorted by %s", task_order_names[view->task_order]);
	(void)fputs("; ", to);
	fi_text_put(fi_member_text(session, "image"), to);
}

/* A line that a function writes. */
static void put_written(struct fi_top_frame *frame, unsigned row, enum fi_top_style style,
			const struct json_object *session, const struct fi_look *look,
			const struct fi_top_view *view)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return;
	if (session)
		put_head_of_tasks(session, view, to);
	else
		put_total(look, view, to);
	if (fclose(to) == 0)
		put_line(frame, row, style, text);
	free(text);
}

/* Lines [from, to) of the frame, for as many of @nr rows; *@first is the first of them that is shown, and
 * @must is among them. */
static void scroll(size_t nr, unsigned lines, size_t must, size_t *first)
{
	if (*first + lines > nr)
		*first = nr > lines ? nr - lines : 0;
	if (lines > 0 && must >= *first + lines)
		*first = must + 1 - lines;
	if (must < *first)
		*first = must;
}

static void put_unheard(struct fi_top_frame *frame, unsigned row, const struct json_object *one)
{
	struct pen pen = start_line(frame, row, FI_TOP_ERROR);

	pad(&pen, MARK_CELLS);
	put_text(&pen, fi_member_text(one, "name"), 10);
	pad(&pen, MARK_CELLS + 11);
	put_text(&pen, fi_member_text(one, "error"), frame->width);
}

/* Sessions in the lines [from, to), then those that do not answer. */
static void make_sessions(struct fi_top_frame *frame, unsigned from, unsigned to,
			  const struct fi_look *look, struct fi_top_view *view,
			  const struct column *columns)
{
	size_t nr = length(look->sessions), selected = find_selected(look, view);
	size_t nr_unheard = length(look->unheard), i;
	unsigned room = to - from;

	scroll(nr, room, selected, &view->first);
	for (i = view->first; i < nr && from < to; i++, from++) {
		const struct json_object *session = json_object_array_get_idx(look->sessions, i);
		struct pen pen = start_line(frame, from,
					    i == selected	 ? FI_TOP_SELECTED
					    : errors_of(session) ? FI_TOP_ERROR
								 : FI_TOP_PLAIN);

		put_text(&pen, i == selected ? ">" : " ", MARK_CELLS);
		put_row(&pen, columns, FI_ARRAY_SIZE(session_columns), session);
		if (i == selected)
			pad(&pen, frame->width);
	}
	for (i = 0; i < nr_unheard && from < to; i++, from++)
		put_unheard(frame, from, json_object_array_get_idx(look->unheard, i));
	if (nr + nr_unheard == 0 && from < to)
		put_line(frame, from, FI_TOP_PLAIN, "no session is running");
}

static void make_tasks(struct fi_top_frame *frame, unsigned from, unsigned to,
		       const struct json_object *session, struct fi_top_view *view)
{
	struct column columns[FI_ARRAY_SIZE(task_columns)];
	struct json_object *spaces = fi_member(session, "spaces", json_type_array);
	size_t nr = length(spaces), i;

	memcpy(columns, task_columns, sizeof(columns));
	lay_out(columns, FI_ARRAY_SIZE(columns), frame->width);
	put_written(frame, from++, FI_TOP_TITLE, session, NULL, view);
	put_titles(frame, from++, 0, columns, FI_ARRAY_SIZE(columns));
	if (spaces)
		sort_tasks(spaces, view);
	scroll(nr, to - from, view->first_task < nr ? view->first_task : 0, &view->first_task);
	for (i = view->first_task; i < nr && from < to; i++, from++) {
		const struct json_object *space = json_object_array_get_idx(spaces, i);
		struct pen pen = start_line(
			frame, from, fi_member_bool(space, "failed") ? FI_TOP_ERROR : FI_TOP_PLAIN);

		put_row(&pen, columns, FI_ARRAY_SIZE(columns), space);
	}
}

/* How many lines the table of sessions gets of @lines that it shares with tasks: what it needs, up to
 * the half.  Tasks want a blank line, two of headings, and two of tasks at least. */
static unsigned share(unsigned lines, size_t wanted)
{
	unsigned half = lines / 2;

	if (lines < 8)
		return lines;
	return wanted < half ? (unsigned)wanted : half;
}

static void make_tables(struct fi_top_frame *frame, struct fi_look *look, struct fi_top_view *view)
{
	struct column columns[FI_ARRAY_SIZE(session_columns)];
	unsigned from = 0, to = frame->height - 1, end;
	size_t nr = length(look->sessions) + length(look->unheard);

	memcpy(columns, session_columns, sizeof(columns));
	lay_out(columns, FI_ARRAY_SIZE(columns),
		frame->width > MARK_CELLS ? frame->width - MARK_CELLS : 0);
	if (frame->height >= 4)
		put_written(frame, from++, FI_TOP_TITLE, NULL, look, view);
	if (frame->height >= 10)
		from++;
	if (frame->height >= 3)
		put_titles(frame, from++, MARK_CELLS, columns, FI_ARRAY_SIZE(columns));
	end = from + share(to - from, nr > 0 ? nr : 1);
	make_sessions(frame, from, end, look, view, columns);
	if (end < to && length(look->sessions) > 0)
		make_tasks(frame, end + 1, to, fi_top_selected(look, view), view);
}

static void make_last_line(struct fi_top_frame *frame, const struct fi_top_view *view)
{
	put_line(frame, frame->height - 1, FI_TOP_KEYS,
		 view->message ? view->message
			       : "q quit  h help  s order  p pause  r resume  c complete");
}

static void trim(struct fi_top_line *line)
{
	size_t len = wcslen(line->text);

	/* What is shown in another color ends at the edge. */
	if (line->style == FI_TOP_HEADER || line->style == FI_TOP_SELECTED)
		return;
	while (len > 0 && line->text[len - 1] == L' ')
		line->text[--len] = L'\0';
}

void fi_top_frame_make(struct fi_top_frame *frame, struct fi_look *look, struct fi_top_view *view)
{
	for (unsigned i = 0; i < frame->height; i++)
		frame->rows[i] = (struct fi_top_line){ .text = frame->rows[i].text };
	for (unsigned i = 0; i < frame->height; i++)
		frame->rows[i].text[0] = L'\0';
	sort(look, view);
	if (length(look->sessions) > 0)
		select_at(look, view, find_selected(look, view));
	if (view->help)
		make_help(frame);
	else
		make_tables(frame, look, view);
	make_last_line(frame, view);
	for (unsigned i = 0; i < frame->height; i++)
		trim(&frame->rows[i]);
}

int fi_top_frame_new(unsigned width, unsigned height, struct fi_top_frame *ret)
{
	struct fi_top_frame frame = { .width = width ? width : 1, .height = height ? height : 1 };

	frame.rows = calloc(frame.height, sizeof(frame.rows[0]));
	frame.text = calloc((size_t)frame.height * (frame.width + 1), sizeof(frame.text[0]));
	if (!frame.rows || !frame.text) {
		fi_top_frame_done(&frame);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < frame.height; i++)
		frame.rows[i].text = frame.text + (size_t)i * (frame.width + 1);
	*ret = frame;
	return 0;
}

void fi_top_frame_done(struct fi_top_frame *frame)
{
	free(frame->rows);
	free(frame->text);
	*frame = (struct fi_top_frame){ .rows = NULL };
}
