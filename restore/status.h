/* restore/status.h - a running session as JSON: doc/faultin-control.5 says what is in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_STATUS_H
#define FI_RESTORE_STATUS_H

#include <json-c/json.h>

#include "images/image.h"
#include "restore/engine.h"

/* Live spaces that are listed one by one; the sums are over all. */
#define FI_STATUS_SPACES 1000

struct fi_status {
	const struct fi_image *image;
	struct fi_engine *engine;
	const char *state;
};

/* A new object, or NULL when there is no memory.  Asks the engine and the ledger; does not wait for
 * anything but locks that are held for a moment. */
struct json_object *fi_status_json(const struct fi_status *status);

#endif
