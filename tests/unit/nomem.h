/* tests/unit/nomem.h - one allocation that fails, in images/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For programs linked with $(nomem_ldflags): the linker puts nomem.c's wrappers in place of the
 * allocator, in our libraries and in protobuf-c's calls back into them.
 */
#ifndef FI_TESTS_NOMEM_H
#define FI_TESTS_NOMEM_H

#include <stddef.h>

/* Allocations of this thread until the one that fails; 0 for none. */
extern _Thread_local size_t nomem_countdown;

#endif
