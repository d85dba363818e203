/* restore/share.c - see share.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/share.h"

#include <stdbool.h>
#include <sys/resource.h>

/* Between two looks: less than a scheduler's slice tells nothing. */
#define LOOK_NS UINT64_C(4000000)

#define NAP_MIN_NS UINT64_C(1000000)

static uint64_t ns_of(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000;
}

uint64_t fi_share_excess(struct fi_share *share, uint64_t now)
{
	struct rusage usage;
	uint64_t ran;
	bool crowded;

	if (now < share->looked + LOOK_NS || getrusage(RUSAGE_THREAD, &usage) < 0)
		return 0;
	ran = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
	crowded = share->looked && usage.ru_nivcsw > share->switches &&
		  now - share->looked > 2 * (ran - share->ran);
	if (!crowded)
		share->nap = 0;
	else if (share->nap < NAP_MIN_NS)
		share->nap = NAP_MIN_NS;
	else if (share->nap < FI_SHARE_NAP_MAX_NS)
		share->nap *= 2;
	share->ran = ran;
	share->switches = usage.ru_nivcsw;
	share->looked = now + share->nap;
	return share->nap;
}
