/* tests/fuzz/fuzz-options.c - command lines, and CRIU's configuration files as the plugin reads them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is u8 which, then words with a NUL after each, or the text of a file.
 */
#include "config.h"

#include <string.h>

#include "plugin/criu_options.h"
#include "restore/inspect.h"
#include "restore/serve.h"
#include "tests/fuzz/fuzz.h"

#define WORDS_MAX 64

static void try_verb(const uint8_t *data, size_t size, bool serve)
{
	struct fi_inspect_options inspect;
	struct fi_serve_options options;
	struct fi_error err = { "" };
	char *words[WORDS_MAX + 2];
	char *text = malloc(size + 1), *at;
	int nr = 0, r;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	words[nr++] = (char *)(serve ? "serve" : "inspect");
	for (at = text; at < text + size && nr <= WORDS_MAX; at += strlen(at) + 1)
		words[nr++] = at;
	words[nr] = NULL;
	r = serve ? fi_serve_parse(nr, words, &options, &err)
		  : fi_inspect_parse(nr, words, &inspect, &err);
	FUZZ_CHECK(r == 0 || (r == -EINVAL && err.text[0]));
	if (r == 0 && !serve)
		FUZZ_CHECK(inspect.pattern_len <= FI_PATTERN_MAX &&
			   inspect.dump_len <= UINT64_C(16) * 1024 * 1024);
	free(text);
}

static void try_criu(const uint8_t *data, size_t size, bool config)
{
	fi_auto_words struct fi_words words = { .word = NULL };
	struct fi_criu_options found;
	char *text = malloc(size ? size : 1);
	size_t i;
	int r;

	FUZZ_CHECK(text);
	memcpy(text, data, size);
	r = config ? fi_words_from_config(text, size, &words)
		   : fi_words_from_cmdline(text, size, &words);
	free(text);
	if (r < 0)
		return;
	for (i = 0; i < words.nr; i++)
		FUZZ_CHECK(strlen(words.word[i]) <= size + 2);
	for (i = 0; i <= words.nr && i < 3; i++)
		fi_criu_options_scan(&words, i, &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 2)
		try_criu(data + 1, size - 1, data[0] & 1);
	else
		try_verb(data + 1, size - 1, data[0] & 1);
	return 0;
}
