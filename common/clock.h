/* common/clock.h - the one clock of the engine: CLOCK_MONOTONIC in ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_COMMON_CLOCK_H
#define FI_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t fi_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#endif
