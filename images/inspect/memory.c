/* images/inspect/memory.c - see memory.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/inspect/memory.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "images/inspect/stream.h"

/* Arguments and environment are bounded by the stack's limit; this is far beyond what is of use. */
#define STRINGS_MAX (UINT64_C(1024) * 1024)
#define STRINGS_NR  65536

struct reading {
	const struct fi_checkpoint *cp;
	struct fi_want *wants;
	size_t nr;
};

/* Copies what the block has of one run of one want. */
static void copy_part(struct fi_want *want, const struct fi_run *run, uint64_t off,
		      const uint8_t *data, size_t len)
{
	uint64_t from = want->addr > run->addr ? want->addr : run->addr;
	uint64_t end =
		want->addr + want->len < fi_run_end(run) ? want->addr + want->len : fi_run_end(run);
	uint64_t file_from, file_end, at;

	if (from >= end)
		return;
	/* the same range in the pages file, cut to the block */
	file_from = run->file_off + (from - run->addr);
	file_end = run->file_off + (end - run->addr);
	at = file_from > off ? file_from : off;
	if (file_end > off + len)
		file_end = off + len;
	if (at >= file_end)
		return;
	memcpy(want->buf + (from - want->addr) + (at - file_from), data + (at - off),
	       file_end - at);
}

static int take_block(size_t file, uint64_t off, const uint8_t *data, size_t len, void *arg)
{
	const struct reading *reading = arg;
	size_t i, k;

	for (i = 0; i < reading->nr; i++) {
		struct fi_want *want = &reading->wants[i];
		const struct fi_pagemap *pm = want->task->pagemap;

		for (k = fi_pagemap_lower_bound(pm, want->addr); k < pm->nr_runs; k++) {
			const struct fi_run *run = &pm->runs[k];

			if (run->addr >= want->addr + want->len)
				break;
			if (run->kind == FI_RUN_DATA && run->file == file)
				copy_part(want, run, off, data, len);
		}
	}
	return 0;
}

/* From a directory: only what is wanted. */
static int read_part(const struct fi_checkpoint *cp, struct fi_want *want, const struct fi_run *run,
		     struct fi_error *err)
{
	const struct fi_pages_file *file = fi_checkpoint_pages_file(cp, run->file);
	uint64_t from = want->addr > run->addr ? want->addr : run->addr;
	uint64_t end =
		want->addr + want->len < fi_run_end(run) ? want->addr + want->len : fi_run_end(run);
	ssize_t got;

	while (from < end) {
		got = pread(file->fd, want->buf + (from - want->addr), end - from,
			    (off_t)(run->file_off + (from - run->addr)));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fi_error_set(err, got < 0 ? -errno : -EBADMSG, "cannot read '%s'",
					    file->name);
		from += (uint64_t)got;
	}
	return 0;
}

/* True if one of the wants has bytes in this pages file. */
static bool wants_file(size_t file, void *arg)
{
	const struct reading *reading = arg;
	size_t i, k;

	for (i = 0; i < reading->nr; i++) {
		const struct fi_want *want = &reading->wants[i];
		const struct fi_pagemap *pm = want->task->pagemap;

		for (k = fi_pagemap_lower_bound(pm, want->addr);
		     k < pm->nr_runs && pm->runs[k].addr < want->addr + want->len; k++)
			if (pm->runs[k].kind == FI_RUN_DATA && pm->runs[k].file == file)
				return true;
	}
	return false;
}

int fi_memory_read(const struct fi_checkpoint *cp, struct fi_want *wants, size_t nr,
		   struct fi_error *err)
{
	struct reading reading = { cp, wants, nr };
	bool data = false;
	size_t i, k;
	int r;

	for (i = 0; i < nr; i++) {
		const struct fi_pagemap *pm = wants[i].task->pagemap;
		const uint64_t end = wants[i].addr + wants[i].len;

		for (k = fi_pagemap_lower_bound(pm, wants[i].addr);
		     k < pm->nr_runs && pm->runs[k].addr < end; k++) {
			const struct fi_run *run = &pm->runs[k];

			wants[i].have += (fi_run_end(run) < end ? fi_run_end(run) : end) -
					 (run->addr > wants[i].addr ? run->addr : wants[i].addr);
			if (run->kind != FI_RUN_DATA)
				continue;
			data = true;
			if (cp->archive)
				continue;
			r = read_part(cp, &wants[i], run, err);
			if (r < 0)
				return r;
		}
	}
	if (!data || !cp->archive)
		return 0;
	return fi_stream_pages(
		cp,
		&(struct fi_stream){ .wants = wants_file, .block = take_block, .arg = &reading },
		err);
}

static void add_strings(struct fi_json *js, struct json_object *to, const char *key,
			const struct fi_want *want)
{
	struct json_object *list = fi_json_array(js, to, key);
	uint64_t at = 0, end = want->have;
	size_t len, i;

	/* What ends in nothing but zeros is a program that has renamed itself. */
	while (end > 0 && !want->buf[end - 1])
		end--;
	for (i = 0; at < end && i < STRINGS_NR; i++) {
		len = strnlen((const char *)want->buf + at, want->len - at);
		fi_json_bytes(js, list, NULL, want->buf + at, len);
		at += len + 1;
	}
}

static int want_strings(struct fi_want *want, const struct fi_task_image *task, uint64_t start,
			uint64_t end, struct fi_error *err)
{
	uint64_t len = end > start ? end - start : 0;

	*want = (struct fi_want){ .task = task,
				  .addr = start,
				  .len = len < STRINGS_MAX ? len : STRINGS_MAX };
	want->buf = calloc(1, want->len + 1);
	return want->buf ? 0 : fi_error_set(err, -ENOMEM, "no memory for %" PRIu64 " bytes", len);
}

int fi_report_environment(const struct fi_checkpoint *cp, const struct fi_filter *filter,
			  struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "environment"), *entry;
	size_t nr = fi_image_nr_tasks(cp->image), nr_wants = 0, i;
	fi_auto_free struct fi_want *wants = calloc(nr, 2 * sizeof(*wants));
	int r = 0;

	if (!wants)
		return fi_error_set(err, -ENOMEM, "no memory for %zu tasks", nr);
	for (i = 0; r == 0 && i < nr; i++) {
		const struct fi_task_image *task = fi_image_task(cp->image, i);
		const struct fi_task_more *more = &cp->more[i];

		if (task->zombie || !fi_filter_task(filter, task))
			continue;
		r = want_strings(&wants[nr_wants], task, more->arg_start, more->arg_end, err);
		if (r == 0)
			r = want_strings(&wants[nr_wants + 1], task, more->env_start, more->env_end,
					 err);
		nr_wants += 2;
	}
	if (r == 0)
		r = fi_memory_read(cp, wants, nr_wants, err);
	for (i = 0; i < nr_wants; i += 2) {
		if (r == 0) {
			entry = fi_json_object(js, list, NULL);
			fi_json_u64(js, entry, "pid", wants[i].task->vpid);
			fi_json_text(js, entry, "name", wants[i].task->comm);
			add_strings(js, entry, "arguments", &wants[i]);
			add_strings(js, entry, "variables", &wants[i + 1]);
		}
		free(wants[i].buf);
		free(wants[i + 1].buf);
	}
	return r;
}

static void add_digits(struct fi_json *js, struct json_object *to, const struct fi_want *want)
{
	static const char digits[] = "0123456789abcdef";
	fi_auto_free char *text = malloc(want->len * 2 + 1);
	uint64_t i;

	if (!text) {
		js->failed = true;
		return;
	}
	for (i = 0; i < want->len; i++) {
		text[2 * i] = digits[want->buf[i] >> 4];
		text[2 * i + 1] = digits[want->buf[i] & 15];
	}
	fi_json_bytes(js, to, "bytes", text, want->len * 2);
}

int fi_report_dump(const struct fi_checkpoint *cp, const struct fi_filter *filter, uint64_t addr,
		   uint64_t len, struct fi_json *js, struct json_object *to, struct fi_error *err)
{
	struct json_object *list = fi_json_array(js, to, "dump"), *entry;
	fi_auto_free uint8_t *buf = malloc(len);
	size_t i;
	int r;

	if (!buf)
		return fi_error_set(err, -ENOMEM, "no memory for %" PRIu64 " bytes", len);
	for (i = 0; i < fi_image_nr_tasks(cp->image); i++) {
		struct fi_want want = {
			.task = fi_image_task(cp->image, i), .addr = addr, .len = len, .buf = buf
		};

		if (want.task->zombie || !fi_filter_task(filter, want.task))
			continue;
		memset(buf, 0, len);
		r = fi_memory_read(cp, &want, 1, err);
		if (r < 0)
			return r;
		if (want.have == 0)
			continue;
		entry = fi_json_object(js, list, NULL);
		fi_json_u64(js, entry, "pid", want.task->vpid);
		fi_json_hex(js, entry, "start", addr);
		fi_json_bool(js, entry, "whole", want.have == len);
		add_digits(js, entry, &want);
	}
	return 0;
}
