/* common/cleanup.h - values that clean up after themselves at the end of a scope.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A descriptor is CLOEXEC at birth and starts as -EBADF (returned by accident, -1 would read as
 * -EPERM).  Ownership leaves a scope through FI_TAKE (pointers) or fi_take_fd (descriptors).
 */
#ifndef FI_COMMON_CLEANUP_H
#define FI_COMMON_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define fi_cleanup(fn)	    __attribute__((cleanup(fn)))
#define fi_printf(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* Closes *@fd if it is one, keeps errno, and marks it closed. */
static inline void fi_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -EBADF;
	errno = saved;
}

static inline void fi_free_ptr(void *ptr)
{
	free(*(void **)ptr);
}

#define fi_auto_close fi_cleanup(fi_close)
#define fi_auto_free  fi_cleanup(fi_free_ptr)

static inline int fi_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

#define FI_TAKE(ptr)                                                                               \
	({                                                                                         \
		__typeof__(ptr) fi_taken_ = (ptr);                                                 \
		(ptr) = NULL;                                                                      \
		fi_taken_;                                                                         \
	})

#define FI_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
