/* restore/request.c - see request.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/request.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 4

static const char *const commands[] = {
	[FI_COMMAND_STATUS] = "status",	    [FI_COMMAND_METRICS] = "metrics",
	[FI_COMMAND_WAIT] = "wait",	    [FI_COMMAND_PAUSE] = "pause",
	[FI_COMMAND_RESUME] = "resume",	    [FI_COMMAND_RATE] = "rate",
	[FI_COMMAND_COMPLETE] = "complete", [FI_COMMAND_CONTAINER] = "container",
	[FI_COMMAND_UPGRADE] = "upgrade",
};

static int take_rate(struct json_object *json, uint64_t *ret, struct fi_error *err)
{
	struct json_object *value;
	int64_t rate;

	if (!json_object_object_get_ex(json, "rate", &value) ||
	    !json_object_is_type(value, json_type_int))
		return fi_error_set(err, -EPROTO, "'rate' must be a number of bytes a second");
	rate = json_object_get_int64(value);
	if (rate < 0 || (uint64_t)rate > FI_RATE_MAX)
		return fi_error_set(err, -EPROTO, "'rate' must be from 0 to 2^50");
	*ret = (uint64_t)rate;
	return 0;
}

static int take_container(struct json_object *json, struct fi_request *ret, struct fi_error *err)
{
	struct json_object *value;
	const char *id;

	if (!json_object_object_get_ex(json, "id", &value) ||
	    !json_object_is_type(value, json_type_string))
		return fi_error_set(err, -EPROTO, "'id' must be a container's");
	id = json_object_get_string(value);
	if (!fi_container_is_id(id) || strlen(id) != (size_t)json_object_get_string_len(value))
		return fi_error_set(err, -EPROTO, "'id' must be a container's");
	memcpy(ret->container, id, strlen(id) + 1);
	return 0;
}

static int take(struct json_object *json, struct fi_request *ret, struct fi_error *err)
{
	struct fi_request request = { .rate = 0 };
	struct json_object *value;
	const char *word;
	int r = 0;

	if (!json_object_is_type(json, json_type_object))
		return fi_error_set(err, -EPROTO, "the request is not an object");
	if (!json_object_object_get_ex(json, "version", &value) ||
	    !json_object_is_type(value, json_type_int))
		return fi_error_set(err, -EPROTO, "the request has no version");
	if (json_object_get_int64(value) != FI_CONTROL_VERSION)
		return fi_error_set(err, -EPROTONOSUPPORT, "only version %d is known",
				    FI_CONTROL_VERSION);
	if (!json_object_object_get_ex(json, "command", &value) ||
	    !json_object_is_type(value, json_type_string))
		return fi_error_set(err, -EPROTO, "the request has no command");
	word = json_object_get_string(value);
	for (size_t i = 0; i < FI_ARRAY_SIZE(commands); i++) {
		/* "\u0000" is a byte of a JSON string like any other. */
		if (strcmp(word, commands[i]) != 0 ||
		    strlen(word) != (size_t)json_object_get_string_len(value))
			continue;
		request.command = (enum fi_command)i;
		if (request.command == FI_COMMAND_RATE)
			r = take_rate(json, &request.rate, err);
		if (request.command == FI_COMMAND_CONTAINER)
			r = take_container(json, &request, err);
		if (r == 0)
			*ret = request;
		return r;
	}
	return fi_error_set(err, -EPROTONOSUPPORT, "the command is not known");
}

int fi_request_parse(const char *line, size_t len, struct fi_request *ret, struct fi_error *err)
{
	struct json_tokener *tokener;
	struct json_object *json;
	int r;

	/* What ends at a NUL for one reader must not go on for another. */
	if (len >= FI_REQUEST_MAX || memchr(line, '\0', len))
		return fi_error_set(err, -EPROTO, "the request is not a line of JSON");
	tokener = json_tokener_new_ex(MAX_DEPTH);
	if (!tokener)
		return fi_error_set(err, -ENOMEM, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json = json_tokener_parse_ex(tokener, line, (int)len);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != len)
		r = fi_error_set(err, -EPROTO, "the request is not a line of JSON");
	else
		r = take(json, ret, err);
	(void)json_object_put(json);
	json_tokener_free(tokener);
	return r;
}

size_t fi_request_format(const struct fi_request *request, char line[FI_REQUEST_MAX])
{
	int len = snprintf(line, FI_REQUEST_MAX, "{\"version\":%d,\"command\":\"%s\"",
			   FI_CONTROL_VERSION, commands[request->command]);

	if (request->command == FI_COMMAND_RATE)
		len += snprintf(line + len, FI_REQUEST_MAX - (size_t)len, ",\"rate\":%" PRIu64,
				request->rate);
	if (request->command == FI_COMMAND_CONTAINER) /* nothing in it is to be quoted */
		len += snprintf(line + len, FI_REQUEST_MAX - (size_t)len, ",\"id\":\"%s\"",
				request->container);
	len += snprintf(line + len, FI_REQUEST_MAX - (size_t)len, "}\n");
	return (size_t)len;
}
