/* images/inspect/verify.c - see verify.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "images/inspect/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "images/inspect/verify-parts.h"

#define FORMAT_VERSION 1

void fi_verdict_done(struct fi_verdict *verdict)
{
	size_t i;

	for (i = 0; i < verdict->nr; i++) {
		free(verdict->findings[i].file);
		free(verdict->findings[i].what);
	}
	free(verdict->findings);
	*verdict = (struct fi_verdict){ .findings = NULL };
}

void fi_verdict_json(const struct fi_verdict *verdict, const char *path, struct fi_json *js,
		     struct json_object *to)
{
	struct json_object *list, *entry;
	size_t i;

	fi_json_u64(js, to, "version", FORMAT_VERSION);
	fi_json_text(js, to, "name", path);
	fi_json_bool(js, to, "whole", verdict->nr == 0);
	list = fi_json_array(js, to, "findings");
	for (i = 0; i < verdict->nr; i++) {
		const struct fi_finding *finding = &verdict->findings[i];

		entry = fi_json_object(js, list, NULL);
		fi_json_text(js, entry, "file", finding->file);
		if (finding->record)
			fi_json_u64(js, entry, "record", finding->record);
		fi_json_text(js, entry, "what", finding->what);
		fi_json_text(js, entry, "consequence", finding->loss);
	}
	fi_json_u64(js, to, "files", verdict->files);
	fi_json_u64(js, to, "records", verdict->records);
	fi_json_u64(js, to, "pages", verdict->pages);
}

/* --- findings ----------------------------------------------------------------------------------- */

/* Takes @what. */
static void add(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
		uint64_t record, const char *loss, char *what)
{
	struct fi_verdict *verdict = v->verdict;
	char full[FI_FILE_NAME_MAX];
	struct fi_finding *finding;
	size_t nr = verdict->nr;
	void *grown = verdict->findings;

	if (nr == FI_FINDINGS_MAX) {
		free(what);
		return;
	}
	if ((nr & (nr - 1)) == 0) /* grown at each power of two */
		grown = reallocarray(verdict->findings, nr ? nr * 2 : 1,
				     sizeof(*verdict->findings));
	if (grown)
		verdict->findings = grown;
	if (!grown || !what) {
		free(what);
		v->no_memory = true;
		return;
	}
	fi_image_file_name(dir, name, full);
	finding = &verdict->findings[verdict->nr];
	*finding = (struct fi_finding){
		.file = strdup(full), .record = record, .what = what, .loss = loss
	};
	verdict->nr++;
	v->no_memory |= !finding->file;
}

void fi_found(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
	      uint64_t record, const char *loss, const char *fmt, ...)
{
	char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = NULL;
	va_end(args);
	add(v, dir, name, record, loss, what);
}

void fi_found_error(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
		    const char *loss, int code, const struct fi_error *err)
{
	char full[FI_FILE_NAME_MAX];
	const char *text = err->text;
	uint64_t record = 0;
	size_t len;
	char *end;

	if (code == -ENOMEM) {
		v->no_memory = true;
		return;
	}
	/* Readers begin with 'FILE', and then "record N" where it is one. */
	fi_image_file_name(dir, name, full);
	len = strlen(full);
	if (text[0] == '\'' && strncmp(text + 1, full, len) == 0 && text[len + 1] == '\'') {
		text += len + 2;
		text += strspn(text, " ");
		if (strncmp(text, "record ", 7) == 0) {
			record = strtoull(text + 7, &end, 10);
			text = end + strspn(end, " :");
		}
	}
	add(v, dir, name, record, loss, strdup(text[0] ? text : strerror(-code)));
}

bool fi_is_bad(const struct fi_verifier *v, const struct fi_image_dir *dir, const char *name)
{
	char full[FI_FILE_NAME_MAX];
	size_t i;

	fi_image_file_name(dir, name, full);
	for (i = 0; i < v->verdict->nr; i++)
		if (v->verdict->findings[i].file && !strcmp(v->verdict->findings[i].file, full))
			return true;
	return false;
}

/* --- the tree and its memory -------------------------------------------------------------------- */

static void verify_tree(struct fi_verifier *v)
{
	const struct fi_image_dir *dir = &v->cp.chain.dirs[0];
	static const char loss[] = "nothing can be restored";
	const struct fi_task_image **index;
	struct fi_error err = { "" };
	int r;

	r = fi_pstree_read(dir, &v->tasks, &v->nr_tasks, &err);
	if (r < 0) {
		if (!fi_is_bad(v, dir, "pstree.img"))
			fi_found_error(v, dir, "pstree.img", loss, r, &err);
		return;
	}
	index = calloc(v->nr_tasks, sizeof(*index));
	if (!index) {
		v->no_memory = true;
		return;
	}
	r = fi_pstree_index(v->tasks, v->nr_tasks, index, &err);
	if (r < 0)
		fi_found_error(v, dir, "pstree.img", loss, r, &err);
	free(index);
}

/* Whether one of the pagemaps of a task is bad by itself, at any level. */
static bool any_is_bad(const struct fi_verifier *v, const char *name)
{
	size_t i;

	for (i = 0; i < v->cp.chain.nr; i++)
		if (fi_is_bad(v, &v->cp.chain.dirs[i], name))
			return true;
	return false;
}

static void verify_memory(struct fi_verifier *v, struct fi_task_image *task)
{
	const struct fi_image_dir *dir = &v->cp.chain.dirs[0];
	struct fi_pages_table pages = { .nr = 0 };
	struct fi_pagemap pagemap = { .runs = NULL };
	struct fi_mm mm = { .vmas = NULL };
	struct fi_error err = { "" };
	char name[FI_PAGEMAP_NAME_MAX];
	int r;

	(void)snprintf(name, sizeof(name), "core-%" PRIu32 ".img", task->vpid);
	r = fi_core_read(dir, task, &err);
	if (r < 0) {
		if (!fi_is_bad(v, dir, name))
			fi_found_error(v, dir, name, "that task cannot be restored", r, &err);
		return;
	}
	if (task->zombie)
		return;
	(void)snprintf(name, sizeof(name), "mm-%" PRIu32 ".img", task->vpid);
	r = fi_mm_read(dir, task->vpid, &mm, &err);
	if (r < 0) {
		if (!fi_is_bad(v, dir, name))
			fi_found_error(v, dir, name, "that task cannot be restored", r, &err);
		return;
	}
	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", task->vpid);
	if (!any_is_bad(v, name)) {
		r = fi_pagemap_resolve(&v->cp.chain, name, &mm, &pages, &pagemap, &err);
		if (r < 0)
			fi_found_error(v, dir, name, "the memory of that task is missing or wrong",
				       r, &err);
	}
	fi_pagemap_done(&pagemap);
	fi_pages_done(&pages);
	fi_mm_done(&mm);
}

static void verify_all(struct fi_verifier *v)
{
	size_t i;

	for (i = 0; i < v->cp.chain.nr; i++)
		fi_verify_files(v, &v->cp.chain.dirs[i]);
	verify_tree(v);
	for (i = 0; i < v->cp.chain.nr; i++)
		fi_verify_pages(v, &v->cp.chain.dirs[i]);
	for (i = 0; v->tasks && i < v->nr_tasks; i++)
		verify_memory(v, &v->tasks[i]);
	if (v->tasks)
		fi_verify_references(v);
}

int fi_verify(const char *path, struct fi_verdict *ret, struct fi_error *err)
{
	struct fi_verifier v = { .verdict = ret };
	struct fi_image_dir first = { .fd = -EBADF };
	int r;

	*ret = (struct fi_verdict){ .findings = NULL };
	r = fi_checkpoint_open_place(path, &v.cp, &first, err);
	if (r == 0) {
		r = fi_chain_open(&v.cp.chain, &first, err);
		if (r < 0 && r != -ENOMEM) {
			/* The last directory is the one with the bad inventory, if it is that. */
			const struct fi_image_dir *last = &v.cp.chain.dirs[v.cp.chain.nr - 1];

			fi_found_error(&v, last,
				       strstr(err->text, "inventory.img") ? "inventory.img"
									  : "parent",
				       "nothing can be restored", r, err);
			r = 0;
		}
		if (r == 0 && ret->nr == 0)
			verify_all(&v);
	}
	free(v.tasks);
	fi_checkpoint_close(&v.cp);
	if (v.no_memory)
		return fi_error_set(err, -ENOMEM, "no memory to verify '%s'", path);
	return r;
}
