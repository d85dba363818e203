/* restore/top_frame.h - what `top` shows: sessions, and the tasks of one, as lines of a given width.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No terminal is known here.  Every character of a frame takes one or two cells of its own and can be
 * printed in the program's locale, whatever sessions have said.
 */
#ifndef FI_RESTORE_TOP_FRAME_H
#define FI_RESTORE_TOP_FRAME_H

#include <stdbool.h>
#include <wchar.h>

#include "restore/look.h"
#include "restore/rundir.h"

/* The key that is pressed for the next order is in top.c. */
enum fi_top_order {
	FI_TOP_BY_NAME,
	FI_TOP_BY_OWED,
	FI_TOP_BY_SPEED,
	FI_TOP_BY_FAULTS,
	FI_TOP_BY_P99
};
enum fi_top_task_order { FI_TOP_AS_GIVEN, FI_TOP_TASKS_BY_OWED, FI_TOP_TASKS_BY_FAULTS };

/* What the user has chosen. */
struct fi_top_view {
	fi_session_name selected; /* empty: the first */
	uint64_t selected_uid;
	enum fi_top_order order;
	enum fi_top_task_order task_order;
	bool reverse;
	bool help;		  /* the keys, in place of sessions */
	size_t first, first_task; /* that are shown; corrected by fi_top_frame_make */
	const char *message;	  /* in place of the line of keys; NULL: none */
};

enum fi_top_style {
	FI_TOP_PLAIN,
	FI_TOP_TITLE,
	FI_TOP_HEADER,
	FI_TOP_SELECTED,
	FI_TOP_ERROR,
	FI_TOP_KEYS,
};

struct fi_top_line {
	wchar_t *text; /* without trailing spaces */
	enum fi_top_style style;
	unsigned bar, bar_cells; /* what is filled of a progress bar: its first cell, how many */
};

struct fi_top_frame {
	unsigned width, height;
	struct fi_top_line *rows; /* @height of them */
	wchar_t *text;
};

/* Cells; 0 is taken for 1. */
int fi_top_frame_new(unsigned width, unsigned height, struct fi_top_frame *ret);
void fi_top_frame_done(struct fi_top_frame *frame);

/* Puts the sessions of @look in order, and fills @frame.  A session that was selected and is no more gives
 * its place to the first. */
void fi_top_frame_make(struct fi_top_frame *frame, struct fi_look *look, struct fi_top_view *view);

/* The session that is selected; NULL: there is none. */
const struct json_object *fi_top_selected(const struct fi_look *look,
					  const struct fi_top_view *view);

/* Selects the session that is so many lines below (above, if negative), as the last frame has shown them. */
void fi_top_move(const struct fi_look *look, struct fi_top_view *view, int lines);

#endif
