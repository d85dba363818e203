/* tests/fuzz/fuzz-proc.c - what is read in /proc: smaps and stat.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel writes them, but a process chooses its name and the names of the files that it maps.
 * The input is u8 which (0: stat, else smaps), u64 address, text.
 */
#include "restore/faulter.c"

#include <err.h>

#include "restore/smaps.h"
#include "tests/fuzz/fuzz.h"

static void try_stat(const uint8_t *text, size_t len)
{
	struct account account;
	char *line = malloc(len + 1);

	FUZZ_CHECK(line);
	memcpy(line, text, len);
	line[len] = '\0';
	(void)parse(line, &account);
	free(line);
}

static void try_smaps(const uint8_t *text, size_t len, uint64_t addr)
{
	FILE *smaps = fmemopen((void *)text, len, "r");
	uint64_t end = 0;
	bool wipes;

	if (!smaps)
		err(1, "no memory");
	while (fi_smaps_find_wipes(smaps, addr, &end, &wipes))
		FUZZ_CHECK(end > addr);
	(void)fclose(smaps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t addr;

	if (size < 1 + sizeof(addr) + 1)
		return 0;
	memcpy(&addr, data + 1, sizeof(addr));
	if (data[0] == 0)
		try_stat(data + 9, size - 9);
	else
		try_smaps(data + 9, size - 9, addr);
	return 0;
}
