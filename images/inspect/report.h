/* images/inspect/report.h - what `faultin inspect` says, as one JSON tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tree is the report; text (text.h) and page (html.h) are views of it.  faultin-inspect(5)
 * describes it.  Every function adds one member to @to, the root, and returns 0, or a negative errno
 * said in @err: what its readers gave.  Lack of memory for the tree is remembered in @js.
 */
#ifndef FI_INSPECT_REPORT_H
#define FI_INSPECT_REPORT_H

#include "images/inspect/checkpoint.h"
#include "images/inspect/json.h"

#define FI_REPORT_VERSION 1

/* What to look at; all zero: everything. */
struct fi_filter {
	uint32_t pid;	     /* 0: all tasks */
	char prot[4];	     /* per place of "rwx": the letter, '-', or '\0' where both will do */
	const char *kind;    /* as fi_vma_kind says; NULL: all */
	uint64_t start, end; /* addresses; end 0: all */
};

bool fi_filter_task(const struct fi_filter *filter, const struct fi_task_image *task);
bool fi_filter_vma(const struct fi_filter *filter, const struct fi_task_more *more,
		   const struct fi_vma *vma);

/* "image", "sizes", "memory", "tasks", "shared": the overview.  @maps: with every mapping. */
int fi_report_overview(const struct fi_checkpoint *cp, const struct fi_filter *filter, bool maps,
		       struct fi_json *js, struct json_object *to, struct fi_error *err);

int fi_report_files(const struct fi_checkpoint *cp, const struct fi_filter *filter,
		    struct fi_json *js, struct json_object *to, struct fi_error *err);
int fi_report_sockets(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		      struct fi_error *err);
int fi_report_mounts(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     struct fi_error *err);
int fi_report_namespaces(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
			 struct fi_error *err);

/* "image" alone, which the overview has too: where it is, who made it. */
int fi_report_origin(const struct fi_checkpoint *cp, struct fi_json *js, struct json_object *to,
		     struct fi_error *err);

#endif
