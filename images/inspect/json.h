/* images/inspect/json.h - building a JSON tree without a check at every leaf.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every function adds to @to, under @key if @to is an object, at the end if it is an array (@key is
 * NULL then).  Lack of memory is remembered in @js and asked for once, at the end; until then a NULL
 * @to is fine.  Addresses are text, as in "0x7f00", because a double cannot hold them all.
 */
#ifndef FI_INSPECT_JSON_H
#define FI_INSPECT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fi_json {
	bool failed;
};

struct json_object *fi_json_object(struct fi_json *js, struct json_object *to, const char *key);
struct json_object *fi_json_array(struct fi_json *js, struct json_object *to, const char *key);
void fi_json_u64(struct fi_json *js, struct json_object *to, const char *key, uint64_t value);
void fi_json_i64(struct fi_json *js, struct json_object *to, const char *key, int64_t value);
void fi_json_real(struct fi_json *js, struct json_object *to, const char *key, double value);
void fi_json_bool(struct fi_json *js, struct json_object *to, const char *key, bool value);
void fi_json_hex(struct fi_json *js, struct json_object *to, const char *key, uint64_t value);

/* Bytes out of an image.  What is not UTF-8 becomes \xNN, so that the tree is valid JSON. */
void fi_json_bytes(struct fi_json *js, struct json_object *to, const char *key, const void *bytes,
		   size_t len);
void fi_json_text(struct fi_json *js, struct json_object *to, const char *key, const char *text);

#endif
