/* restore/look.h - what sessions say of themselves at one time, and how fast they are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The model of all that shows sessions: `status`, `top` and `metrics`.  Nothing that a session has said
 * is trusted: whoever shows it makes it harmless.
 */
#ifndef FI_RESTORE_LOOK_H
#define FI_RESTORE_LOOK_H

#include <json-c/json.h>
#include <stdbool.h>

#include "common/error.h"

struct fi_look {
	struct json_object *reply; /* { version, sessions: [] }, as fi_status_json (status.h) says
					 them, and "uid" */
	struct json_object *sessions; /* that array */
	struct json_object *unheard;  /* [{ name, error }]: who could not be asked */
	bool missing;		      /* one of those was named, and is not there (any more) */
};

/* Asks the sessions named by @words, up to a NULL, or all of everybody's.  Who has not answered after
 * @patience_ms together is unheard; so is who was named and is not there.  Returns 0 or a negative errno
 * said in @err, -EINVAL for what is no name. */
int fi_look_take(char **words, int patience_ms, struct fi_look *ret, struct fi_error *err);

/* Adds "rates" to the sessions of @now that were there @before, with the same engine. */
void fi_look_compare(struct fi_look *now, const struct fi_look *before);

void fi_look_done(struct fi_look *look);

/* The exit code of a verb named @verb that has shown it: 0, 1 when somebody is unheard, 3 when somebody
 * named is not there; and the complaints that belong to that. */
int fi_look_code(const struct fi_look *look);
void fi_look_complain(const struct fi_look *look, const char *verb);

/* Seconds between two looks, 0.1 to 86400, as ms; or -EINVAL. */
int fi_look_parse_pause(const char *word, int *ret_ms);

#endif
