/* tests/fuzz/fuzz.h - what libFuzzer calls, and what it offers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A target is one program: LLVMFuzzerTestOneInput, and mutate.c's mutator if its input is a pack.  It
 * keeps nothing from one input to the next, so that a crash can be had again from its input alone.
 */
#ifndef FI_TESTS_FUZZ_FUZZ_H
#define FI_TESTS_FUZZ_FUZZ_H

#include "tests/fuzz/pack.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int with);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data, size_t size, const uint8_t *other,
				 size_t other_size, uint8_t *out, size_t max, unsigned int with);

/* libFuzzer's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Ends the process where a promise of a header is broken. */
#define FUZZ_CHECK(promise)                                                                        \
	do {                                                                                       \
		if (!(promise))                                                                    \
			__builtin_trap();                                                          \
	} while (0)

#endif
