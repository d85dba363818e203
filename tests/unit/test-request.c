/* tests/unit/test-request.c - requests to a session, from anybody.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <stdlib.h>
#include <string.h>

#include "restore/request.h"

static struct fi_request request;
static struct fi_error err;

static int parse(const char *text)
{
	err.text[0] = '\0';
	return fi_request_parse(text, strlen(text), &request, &err);
}

static void refuses(const char *text, int code)
{
	request.command = FI_COMMAND_WAIT;
	if (parse(text) != code || !err.text[0] || request.command != FI_COMMAND_WAIT)
		fail_msg("'%s': '%s'", text, err.text);
}

static void what_is_formatted_is_read(void **state)
{
	char line[FI_REQUEST_MAX];

	for (int c = FI_COMMAND_STATUS; c <= FI_COMMAND_CONTAINER; c++) {
		const struct fi_request asked = {
			.command = (enum fi_command)c,
			.rate = c == FI_COMMAND_RATE ? FI_RATE_MAX : 0,
			.container = "web-1.example_x+y:z@0",
		};
		size_t len = fi_request_format(&asked, line);

		assert_int_equal(len, strlen(line));
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
		assert_int_equal(fi_request_parse(line, len - 1, &request, &err), 0);
		assert_int_equal(request.command, c);
		assert_int_equal(request.rate, asked.rate);
		assert_string_equal(request.container,
				    c == FI_COMMAND_CONTAINER ? asked.container : "");
	}
}

static void reads_what_others_write(void **state)
{
	assert_int_equal(parse(" { \"command\" : \"pause\" , \"version\":1, \"later\":[[]] }"), 0);
	assert_int_equal(request.command, FI_COMMAND_PAUSE);
	assert_int_equal(parse("{\"version\":1,\"command\":\"rate\",\"rate\":0}"), 0);
	assert_int_equal(request.command, FI_COMMAND_RATE);
	assert_int_equal(request.rate, 0);
}

static void refuses_what_is_no_request(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"{}",
		"[]",
		"1",
		"null",
		"\"status\"",
		"{}{}",
		"{} x",
		"status",
		"{\"version\":1}",
		"{\"command\":\"status\"}",
		"{\"version\":\"1\",\"command\":\"status\"}",
		"{\"version\":1.0,\"command\":\"status\"}",
		"{\"version\":1,\"command\":7}",
		"{\"version\":1,\"command\":[\"status\"]}",
		"{\"version\":1,\"command\":\"status\"",
		"{\"version\":1,\"command\":\"status\"} ]",
		"{'version':1,'command':'status'}",
		"{\"version\":1,\"command\":\"container\"}",
		"{\"version\":1,\"command\":\"container\",\"id\":7}",
		"{\"version\":1,\"command\":\"container\",\"id\":\"\"}",
		"{\"version\":1,\"command\":\"container\",\"id\":\"a b\"}",
		"{\"version\":1,\"command\":\"container\",\"id\":\"a\\u0000\"}",
		"{\"version\":1,\"command\":\"rate\"}",
		"{\"version\":1,\"command\":\"rate\",\"rate\":-1}",
		"{\"version\":1,\"command\":\"rate\",\"rate\":\"4\"}",
		"{\"version\":1,\"command\":\"rate\",\"rate\":1.5}",
		"{\"version\":1,\"command\":\"rate\",\"rate\":1125899906842625}",
		"{\"version\":1,\"command\":\"rate\",\"rate\":99999999999999999999999}",
		"{\"version\":1,\"command\":\"status\",\"x\":[[[[[[[[[[]]]]]]]]]]}",
		"{\"version\":1,\"command\":\"\xff\xfe\"}",
	};

	for (size_t i = 0; i < FI_ARRAY_SIZE(texts); i++)
		refuses(texts[i], -EPROTO);
	refuses("{\"version\":2,\"command\":\"status\"}", -EPROTONOSUPPORT);
	refuses("{\"version\":-1,\"command\":\"status\"}", -EPROTONOSUPPORT);
	refuses("{\"version\":1,\"command\":\"stat\"}", -EPROTONOSUPPORT);
	refuses("{\"version\":1,\"command\":\"status\\u0000\\u0000x\"}", -EPROTONOSUPPORT);
}

static void bytes_of_any_kind_are_bounded(void **state)
{
	static const char good[] = "{\"version\":1,\"command\":\"status\"}";
	char text[FI_REQUEST_MAX + 8];

	(void)memset(text, ' ', sizeof(text));
	(void)memcpy(text, good, sizeof(good) - 1);
	assert_int_equal(fi_request_parse(text, FI_REQUEST_MAX - 1, &request, &err), 0);
	assert_int_equal(fi_request_parse(text, FI_REQUEST_MAX, &request, &err), -EPROTO);
	text[sizeof(good)] = '\0';
	assert_int_equal(fi_request_parse(text, sizeof(good) + 2, &request, &err), -EPROTO);
	(void)memset(text, '[', sizeof(text));
	assert_int_equal(fi_request_parse(text, FI_REQUEST_MAX - 1, &request, &err), -EPROTO);
}

/* Every request with a byte, or some, of another value: no crash, and no command but known ones. */
static void survives_mutants(void **state)
{
	static const char good[] = "{\"version\":1,\"command\":\"rate\",\"rate\":1048576}";
	unsigned seed = 1;
	int taken = 0;

	for (int i = 0; i < 200000; i++) {
		size_t len = sizeof(good) - 1 - (i % 7 == 0 ? (size_t)rand_r(&seed) % 20 : 0);
		/* of its own size, so that a read beyond it is seen by sanitizers */
		char *text = malloc(len);

		assert_non_null(text);
		(void)memcpy(text, good, len);
		for (int n = rand_r(&seed) % 3; n >= 0; n--)
			text[(size_t)rand_r(&seed) % len] = (char)rand_r(&seed);
		if (fi_request_parse(text, len, &request, &err) == 0) {
			assert_true(request.command <= FI_COMMAND_CONTAINER);
			assert_true(request.rate <= FI_RATE_MAX);
			taken++;
		}
		free(text);
	}
	assert_true(taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_formatted_is_read),
		cmocka_unit_test(reads_what_others_write),
		cmocka_unit_test(refuses_what_is_no_request),
		cmocka_unit_test(bytes_of_any_kind_are_bounded),
		cmocka_unit_test(survives_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
