/* restore/annotations.h - what a container asks for: its annotations org.faultin.KEY.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * They are in the bundle's config.json, and in the state that a runtime gives to hooks.
 */
#ifndef FI_RESTORE_ANNOTATIONS_H
#define FI_RESTORE_ANNOTATIONS_H

#include <json-c/json.h>

#include "common/settings.h"

#define FI_BUNDLE_CONFIG     "config.json"
#define FI_BUNDLE_CONFIG_MAX (UINT64_C(16) << 20) /* bytes */

/* Reads the JSON object in @fd, of at most @max bytes.  Returns 0 and the object, or, said in @err,
 * -EBADMSG when it is none, -EFBIG, -ENOMEM, or what read(2) gave. */
int fi_json_read(int fd, uint64_t max, struct json_object **ret, struct fi_error *err);

/* Takes them from @spec, a bundle's config.json or a hook's state: all, or none.  @complain, unless
 * it is NULL, hears of each that is wrong.  Returns how many there were, or -EINVAL with the first
 * of what is wrong in @err. */
int fi_annotations_take(struct fi_settings *settings, const struct json_object *spec,
			fi_settings_complain complain, void *arg, struct fi_error *err);

/* The same from the bundle @dir.  Or what fi_json_read and open(2) gave. */
int fi_annotations_read(struct fi_settings *settings, const char *dir,
			fi_settings_complain complain, void *arg, struct fi_error *err);

#endif
