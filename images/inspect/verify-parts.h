/* images/inspect/verify-parts.h - what the parts of a verification share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A check that finds something says so and goes on; what it returns is 0, or -ENOMEM.
 */
#ifndef FI_INSPECT_VERIFY_PARTS_H
#define FI_INSPECT_VERIFY_PARTS_H

#include <stdbool.h>

#include "images/inspect/checkpoint.h"
#include "images/inspect/kinds.h"
#include "images/inspect/verify.h"

struct fi_verifier {
	struct fi_checkpoint cp; /* image, more, shared and files are not used */
	struct fi_verdict *verdict;
	struct fi_task_image *tasks; /* NULL when pstree.img is beyond use */
	size_t nr_tasks;
	bool no_memory;
};

/* Adds a finding about @name in @dir. */
void fi_found(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
	      uint64_t record, const char *loss, const char *fmt, ...) fi_printf(6, 7);

/* Adds what a reader of @name said when it failed with @code; the file, the number of the record and
 * the place are taken out of its sentence.  -ENOMEM is no finding. */
void fi_found_error(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
		    const char *loss, int code, const struct fi_error *err);

/* True if there is a finding about the file, so that nothing more is built on it. */
bool fi_is_bad(const struct fi_verifier *v, const struct fi_image_dir *dir, const char *name);

/* Every record of every file of @dir. */
void fi_verify_files(struct fi_verifier *v, const struct fi_image_dir *dir);

/* The pagemaps of @dir against its pages files; of the image itself, those of its tasks, when these are
 * known. */
void fi_verify_pages(struct fi_verifier *v, const struct fi_image_dir *dir);

/* Numbers that stand for a file, a descriptor table, a segment, a thread. */
void fi_verify_references(struct fi_verifier *v);

#endif
