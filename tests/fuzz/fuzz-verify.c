/* tests/fuzz/fuzz-verify.c - `faultin verify` on whatever looks like an image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a pack, shown as a directory or as an archive.
 */
#include "config.h"

#include <getopt.h>

#include "restore/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_be_quiet();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack pack;
	char *words[] = { (char *)"verify", NULL, (char *)"--json", NULL };
	int r;

	pack_read(&pack, data, size);
	if (pack.options & PACK_FIT)
		pack_fit(&pack);
	words[1] = (char *)pack_show(&pack);
	optind = 0; /* another command line than the one before */
	r = fi_verify_main(pack.options & PACK_MORE ? 3 : 2, words);
	FUZZ_CHECK(r == 0 || r == 1);
	return 0;
}
