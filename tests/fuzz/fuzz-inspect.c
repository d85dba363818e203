/* tests/fuzz/fuzz-inspect.c - `faultin inspect` with all that it can say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a pack, shown as a directory or as an archive; its options choose the words of the
 * command.  --estimate is left out, because it measures the machine.
 */
#include "config.h"

#include <string.h>

#include "common/cleanup.h"
#include "restore/inspect.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_be_quiet();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* By the bits from PACK_MORE on; every report is there in text, as JSON and as a page. */
	static const char *const choices[][8] = {
		{ "--all", "--pages" },
		{ "--all", "--json" },
		{ "--all", "--pages", "--html", "/dev/null" },
		{ "--pages", "--json", "--diff" },
		{ "--kind", "anon", "--diff" },
		{ "--grep", "hex:00", "--kind", "anon" },
		{ "--grep", "hex:010000000000000003", "--json", "--range", "0x10000-0x28000" },
		{ "--dump", "0x10ff0,8192", "-t", "10" },
		{ "--env", "--maps=10", "--prot", "rw-", "--html", "/dev/null" },
		{ "--maps", "--files", "--sockets", "--mounts", "--namespaces" },
	};
	static struct pack pack;
	const char *const *choice;
	char *words[12];
	const char *path;
	size_t i, nr = 0;
	int r;

	pack_read(&pack, data, size);
	if (pack.options & PACK_FIT)
		pack_fit(&pack);
	path = pack_show(&pack);
	choice = choices[pack.options / PACK_MORE % FI_ARRAY_SIZE(choices)];
	words[nr++] = (char *)"inspect";
	for (i = 0; choice[i]; i++) {
		words[nr++] = (char *)choice[i];
		if (strcmp(choice[i], "--diff") == 0)
			words[nr++] = (char *)pack_show_other(&pack);
	}
	words[nr++] = (char *)path;
	words[nr] = NULL;
	r = fi_inspect_main((int)nr, words);
	FUZZ_CHECK(r == 0 || r == 1);
	return 0;
}
