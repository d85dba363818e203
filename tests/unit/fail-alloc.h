/* tests/unit/fail-alloc.h - allocations that fail when a test says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For programs linked with $(fail_alloc), which send their malloc, calloc, realloc and
 * fi_durable_alloc here.
 */
#ifndef FI_TESTS_FAIL_ALLOC_H
#define FI_TESTS_FAIL_ALLOC_H

/* This many further allocations of this thread succeed, then one fails, and all is well again;
 * negative: none fails. */
extern _Thread_local long fail_alloc_in;

#endif
