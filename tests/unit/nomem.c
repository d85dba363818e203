/* tests/unit/nomem.c - see nomem.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/unit/nomem.h"

#include <stdbool.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t nr, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t nr, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t nr, size_t size);
char *__wrap_strdup(const char *text);

_Thread_local size_t nomem_countdown;

static bool fails(void)
{
	return nomem_countdown > 0 && --nomem_countdown == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return fails() ? NULL : __real_calloc(nr, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	return fails() ? NULL : __real_realloc(ptr, size);
}

void *__wrap_reallocarray(void *ptr, size_t nr, size_t size)
{
	return fails() ? NULL : __real_reallocarray(ptr, nr, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}
