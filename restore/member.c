/* restore/member.c - see member.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/member.h"

struct json_object *fi_member(const struct json_object *json, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(json, json_type_object) ||
	    !json_object_object_get_ex(json, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

uint64_t fi_member_u64(const struct json_object *json, const char *key)
{
	struct json_object *value = fi_member(json, key, json_type_int);

	return value ? json_object_get_uint64(value) : 0;
}

const char *fi_member_text(const struct json_object *json, const char *key)
{
	struct json_object *value = fi_member(json, key, json_type_string);

	return value ? json_object_get_string(value) : "";
}

bool fi_member_bool(const struct json_object *json, const char *key)
{
	return json_object_get_boolean(fi_member(json, key, json_type_boolean));
}
