/* restore/annotations.c - see annotations.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/annotations.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define CHUNK	  65536
#define MAX_DEPTH 32

/* --- JSON from a descriptor ---------------------------------------------------------------------- */

/* Feeds the parser until it has an object, or there is no more. */
static int feed(int fd, uint64_t max, struct json_tokener *tokener, struct json_object **ret,
		struct fi_error *err)
{
	fi_auto_free char *chunk = malloc(CHUNK);
	enum json_tokener_error state = json_tokener_continue;
	uint64_t len = 0;
	ssize_t n;

	if (!chunk)
		return fi_error_set(err, -ENOMEM, "out of memory");
	while (state == json_tokener_continue) {
		do
			n = read(fd, chunk, CHUNK);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return fi_error_set(err, -errno, "%s", strerror(errno));
		if (n == 0)
			break;
		len += (uint64_t)n;
		if (len > max)
			return fi_error_set(err, -EFBIG, "it is too long");
		*ret = json_tokener_parse_ex(tokener, chunk, (int)n);
		state = json_tokener_get_error(tokener);
	}
	if (state == json_tokener_success && json_object_is_type(*ret, json_type_object))
		return 0;
	(void)json_object_put(*ret);
	*ret = NULL;
	return fi_error_set(err, -EBADMSG, "it is not an object of JSON");
}

int fi_json_read(int fd, uint64_t max, struct json_object **ret, struct fi_error *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	struct json_object *json = NULL;
	int r;

	if (!tokener)
		return fi_error_set(err, -ENOMEM, "out of memory");
	r = feed(fd, max, tokener, &json, err);
	json_tokener_free(tokener);
	if (r == 0)
		*ret = json;
	return r;
}

/* --- annotations --------------------------------------------------------------------------------- */

static int take_one(struct fi_settings *settings, const char *key, struct json_object *value,
		    struct fi_error *err)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string))
		return fi_error_set(err, -EINVAL, "it is not a string");
	text = json_object_get_string(value);
	if (strlen(text) != (size_t)json_object_get_string_len(value))
		return fi_error_set(err, -EINVAL, "there is a NUL in it");
	return fi_settings_set(settings, FI_ORIGIN_CONTAINER, key, text, err);
}

int fi_annotations_take(struct fi_settings *settings, const struct json_object *spec,
			fi_settings_complain complain, void *arg, struct fi_error *err)
{
	const size_t prefix = strlen(FI_SETTINGS_ANNOTATION);
	struct fi_settings changed = *settings;
	struct json_object *annotations;
	int nr = 0, result = 0;

	if (!json_object_object_get_ex(spec, "annotations", &annotations) ||
	    !json_object_is_type(annotations, json_type_object))
		return 0;
	json_object_object_foreach(annotations, key, value)
	{
		struct fi_error one = { "" };
		int r;

		if (strncmp(key, FI_SETTINGS_ANNOTATION, prefix) != 0)
			continue;
		nr++;
		r = take_one(&changed, key + prefix, value, &one);
		if (r < 0)
			(void)fi_error_prefix(&one, r, "annotation '%.128s'", key);
		if (r < 0 && complain)
			complain(arg, 0, one.text);
		if (r < 0 && result == 0)
			result = fi_error_set(err, r, "%s", one.text);
	}
	if (result < 0)
		return result;
	*settings = changed;
	return nr;
}

int fi_annotations_read(struct fi_settings *settings, const char *dir,
			fi_settings_complain complain, void *arg, struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	struct json_object *spec;
	char path[4096];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/" FI_BUNDLE_CONFIG, dir) >= sizeof(path))
		return fi_error_set(err, -ENAMETOOLONG, "the bundle's path is too long");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? fi_error_set(err, -errno, "%s", strerror(errno))
		   : fi_json_read(fd, FI_BUNDLE_CONFIG_MAX, &spec, err);
	if (r < 0)
		return r;
	r = fi_annotations_take(settings, spec, complain, arg, err);
	(void)json_object_put(spec);
	return r;
}
