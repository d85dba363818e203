/* restore/member.h - members of JSON that somebody else has made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_MEMBER_H
#define FI_RESTORE_MEMBER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* The member @key of @json if it has that type; else NULL, 0, "" or false.  @json may be anything, NULL
 * too. */
struct json_object *fi_member(const struct json_object *json, const char *key, enum json_type type);
uint64_t fi_member_u64(const struct json_object *json, const char *key);
const char *fi_member_text(const struct json_object *json, const char *key);
bool fi_member_bool(const struct json_object *json, const char *key);

#endif
