/* images/inspect/memory.h - reading the memory of tasks out of a checkpoint.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_MEMORY_H
#define FI_INSPECT_MEMORY_H

#include "images/inspect/checkpoint.h"
#include "images/inspect/json.h"
#include "images/inspect/report.h"

/* A stretch of one task's memory that somebody wants. */
struct fi_want {
	const struct fi_task_image *task;
	uint64_t addr, len;
	uint8_t *buf;  /* @len bytes, zero before; the caller's */
	uint64_t have; /* how many of them the image says something about */
};

/* Reads all at once, so that an archive is read once.  Bytes of which the image says nothing (a
 * file's, or never touched) stay zero.  0 or a negative errno. */
int fi_memory_read(const struct fi_checkpoint *cp, struct fi_want *wants, size_t nr,
		   struct fi_error *err);

/* "environment": arguments and environment of each task, as they were in its memory. */
int fi_report_environment(const struct fi_checkpoint *cp, const struct fi_filter *filter,
			  struct fi_json *js, struct json_object *to, struct fi_error *err);

/* "dump": @len bytes at @addr of the filter's tasks, in hexadecimal digits. */
int fi_report_dump(const struct fi_checkpoint *cp, const struct fi_filter *filter, uint64_t addr,
		   uint64_t len, struct fi_json *js, struct json_object *to, struct fi_error *err);

#define FI_DUMP_MAX (UINT64_C(16) * 1024 * 1024)

#endif
