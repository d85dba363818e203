/* tests/unit/cmocka-first.h - cmocka.h and what it wants to have seen before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_TESTS_CMOCKA_FIRST_H
#define FI_TESTS_CMOCKA_FIRST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#endif
