/* tests/fuzz/quiet.h - verbs print, and nobody reads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_FUZZ_QUIET_H
#define FI_TESTS_FUZZ_QUIET_H

#include <stdio.h>
#include <stdlib.h>

/* Points stdout and stderr at nothing.  libFuzzer and the sanitizers have their own way to the
 * terminal.  With a buffer, as a pipe has. */
static inline void fuzz_be_quiet(void)
{
	FILE *nothing = fopen("/dev/null", "we");

	if (!nothing)
		abort();
	stdout = nothing;
	stderr = nothing;
}

#endif
