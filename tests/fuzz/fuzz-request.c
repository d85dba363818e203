/* tests/fuzz/fuzz-request.c - what a session is asked over its control socket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is the line.
 */
#include "config.h"

#include <string.h>

#include "restore/request.h"
#include "tests/fuzz/fuzz.h"

/* What is taken is formatted and taken again. */
static void come_again(const struct fi_request *request)
{
	struct fi_request again;
	char line[FI_REQUEST_MAX];
	size_t len = fi_request_format(request, line);

	FUZZ_CHECK(len < sizeof(line) && line[len - 1] == '\n');
	FUZZ_CHECK(fi_request_parse(line, len - 1, &again, NULL) == 0);
	FUZZ_CHECK(again.command == request->command && again.rate == request->rate);
	FUZZ_CHECK(strcmp(again.container, request->container) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fi_request request;
	struct fi_error err = { "" };
	char *line = malloc(size ? size : 1); /* of its size: a read beyond it is seen */
	int r;

	FUZZ_CHECK(line);
	memcpy(line, data, size);
	r = fi_request_parse(line, size, &request, &err);
	free(line);
	FUZZ_CHECK(r == 0 || err.text[0]);
	if (r == 0)
		come_again(&request);
	return 0;
}
