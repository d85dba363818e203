/* tests/fuzz/fuzz-trace.c - a trace of a restore, which `faultin inspect` draws.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is the file.
 */
#include "config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/inspect/tracefile.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct fi_tracefile *trace)
{
	FUZZ_CHECK(trace->nr_engines > 0 && trace->nr_spaces <= trace->room);
	for (size_t i = 0; i < trace->nr_spaces; i++) {
		const struct fi_traced_space *space = &trace->spaces[i];

		FUZZ_CHECK(space->id == i || space->id == 0);
		FUZZ_CHECK(space->parent < trace->nr_spaces);
		for (size_t k = 0; k < space->nr_faults; k++)
			FUZZ_CHECK(space->faults[k].answer < FI_TRACED_NR);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fi_tracefile trace;
	struct fi_error err = { "" };
	char path[40];
	int fd = memfd_create("trace", MFD_CLOEXEC), r;

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = fi_tracefile_read(path, &trace, &err);
	FUZZ_CHECK(r == 0 || err.text[0]);
	if (r == 0)
		check(&trace);
	fi_tracefile_close(&trace);
	(void)close(fd);
	return 0;
}
