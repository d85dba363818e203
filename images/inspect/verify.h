/* images/inspect/verify.h - is a checkpoint whole?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Looks at everything instead of ending at the first fault, as opening an image for a restore does
 * (images/image.h, whose readers these are): every record of every file, the pagemaps against the
 * pages files and the mappings, the parents, and that what is referred to by a number is there.
 * The bytes of pages are not looked at: nothing says what they should be.
 */
#ifndef FI_INSPECT_VERIFY_H
#define FI_INSPECT_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "images/inspect/json.h"

/* Nobody reads more; a hostile image could have millions. */
#define FI_FINDINGS_MAX 10000

struct fi_finding {
	char *file;	  /* with "parent/" for each level up the chain */
	uint64_t record;  /* in it, from 1; 0: the file as a whole */
	char *what;	  /* is wrong */
	const char *loss; /* what follows from it */
};

struct fi_verdict {
	struct fi_finding *findings;
	size_t nr;
	uint64_t files, records, pages; /* looked at; pages of 4 KiB in pages files */
};

/* Verifies the directory or archive @path, "-" being an archive on standard input.  Returns 0, with
 * findings or none, or a negative errno said in @err when it cannot be looked at.  Release *@ret with
 * fi_verdict_done in both cases. */
int fi_verify(const char *path, struct fi_verdict *ret, struct fi_error *err);

void fi_verdict_done(struct fi_verdict *verdict);
#define fi_auto_verdict fi_cleanup(fi_verdict_done)

/* The same as JSON: "version", "name", "whole", "findings", "files", "records", "pages". */
void fi_verdict_json(const struct fi_verdict *verdict, const char *path, struct fi_json *js,
		     struct json_object *to);

#endif
