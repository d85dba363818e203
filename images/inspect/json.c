/* images/inspect/json.c - see json.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/inspect/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* Takes @value, NULL when there was no memory for it. */
static struct json_object *attach(struct fi_json *js, struct json_object *to, const char *key,
				  struct json_object *value)
{
	int r = -1;

	if (to && value)
		r = key ? json_object_object_add(to, key, value) : json_object_array_add(to, value);
	if (r == 0)
		return value;
	js->failed = true;
	(void)json_object_put(value);
	return NULL;
}

struct json_object *fi_json_object(struct fi_json *js, struct json_object *to, const char *key)
{
	return attach(js, to, key, json_object_new_object());
}

struct json_object *fi_json_array(struct fi_json *js, struct json_object *to, const char *key)
{
	return attach(js, to, key, json_object_new_array());
}

void fi_json_u64(struct fi_json *js, struct json_object *to, const char *key, uint64_t value)
{
	(void)attach(js, to, key, json_object_new_uint64(value));
}

void fi_json_i64(struct fi_json *js, struct json_object *to, const char *key, int64_t value)
{
	(void)attach(js, to, key, json_object_new_int64(value));
}

void fi_json_real(struct fi_json *js, struct json_object *to, const char *key, double value)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%.6g", value);
	(void)attach(js, to, key, json_object_new_double_s(value, text));
}

void fi_json_bool(struct fi_json *js, struct json_object *to, const char *key, bool value)
{
	(void)attach(js, to, key, json_object_new_boolean(value));
}

void fi_json_hex(struct fi_json *js, struct json_object *to, const char *key, uint64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%#" PRIx64, value);
	(void)attach(js, to, key, json_object_new_string(text));
}

/* Length of the UTF-8 sequence at @s, or 0 if there is none: overlong, a surrogate, too large. */
static size_t utf8_len(const uint8_t *s, size_t left)
{
	uint32_t code;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4 || n > left)
		return 0;
	code = s[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fU);
	}
	if ((n == 3 && (code < 0x800 || (code >= 0xd800 && code < 0xe000))) ||
	    (n == 4 && (code < 0x10000 || code > 0x10ffff)))
		return 0;
	return n;
}

void fi_json_bytes(struct fi_json *js, struct json_object *to, const char *key, const void *bytes,
		   size_t len)
{
	const uint8_t *s = bytes;
	fi_auto_free char *text = malloc(len * 4 + 1);
	size_t i, at = 0, n;

	if (!text || len > INT32_MAX / 4) {
		js->failed = true;
		return;
	}
	for (i = 0; i < len; i += n) {
		n = utf8_len(s + i, len - i);
		if (n == 0) {
			(void)snprintf(text + at, 5, "\\x%02x", s[i]);
			at += 4;
			n = 1;
			continue;
		}
		memcpy(text + at, s + i, n);
		at += n;
	}
	(void)attach(js, to, key, json_object_new_string_len(text, (int)at));
}

void fi_json_text(struct fi_json *js, struct json_object *to, const char *key, const char *text)
{
	fi_json_bytes(js, to, key, text, strlen(text));
}
