/* tests/fuzz/fuzz-settings.c - a faultin.conf, an image's or the system's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first byte says whose, the rest is the file.
 */
#include "config.h"

#include <string.h>

#include "common/settings.h"
#include "tests/fuzz/fuzz.h"

static void complain(void *arg, unsigned line, const char *words)
{
	unsigned *nr = arg;

	FUZZ_CHECK(words[0]);
	(*nr)++;
}

/* What is taken is formatted, and taken again as the same. */
static void come_again(const struct fi_settings *settings)
{
	char value[FI_SETTINGS_VALUE_MAX], same[FI_SETTINGS_VALUE_MAX];
	struct fi_settings again;

	fi_settings_init(&again);
	for (unsigned i = 0; i < FI_KEY_NR; i++) {
		fi_settings_format(settings, (enum fi_key)i, value);
		FUZZ_CHECK(fi_settings_set(&again, FI_ORIGIN_SYSTEM,
					   fi_settings_key((enum fi_key)i), value, NULL) == 0);
		fi_settings_format(&again, (enum fi_key)i, same);
		FUZZ_CHECK(strcmp(value, same) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fi_settings settings, before;
	struct fi_error err = { "" };
	enum fi_origin origin;
	unsigned nr = 0;
	char *text;
	int r;

	if (size == 0)
		return 0;
	origin = data[0] & 1 ? FI_ORIGIN_SYSTEM : FI_ORIGIN_IMAGE;
	text = malloc(size); /* of its size: a read beyond it is seen */
	FUZZ_CHECK(text);
	memcpy(text, data + 1, size - 1);
	fi_settings_init(&settings);
	before = settings;
	r = fi_settings_parse(&settings, origin, text, size - 1, complain, &nr, &err);
	free(text);
	FUZZ_CHECK((r == 0) == (nr == 0));
	FUZZ_CHECK(r == 0 || err.text[0]);
	FUZZ_CHECK(r == 0 || memcmp(&settings, &before, sizeof(before)) == 0);
	FUZZ_CHECK(origin == FI_ORIGIN_SYSTEM || settings.threads == 0);
	come_again(&settings);
	return 0;
}
