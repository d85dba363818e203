/* restore/share.c - see share.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/share.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Between two looks: less than a scheduler's slice tells nothing. */
#define LOOK_NS UINT64_C(4000000)

#define NAP_MIN_NS UINT64_C(1000000)

static bool read_account(uint64_t *ran, uint64_t *waited)
{
	char line[80], *end;
	fi_auto_close int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (len <= 0)
		return false;
	line[len] = '\0';
	*ran = strtoull(line, &end, 10);
	*waited = strtoull(end, NULL, 10);
	return true;
}

uint64_t fi_share_excess(struct fi_share *share, uint64_t now)
{
	uint64_t ran, waited;
	bool crowded;

	if (now - share->looked < LOOK_NS || !read_account(&ran, &waited))
		return 0;
	crowded = share->looked && waited - share->waited > ran - share->ran;
	share->looked = now;
	share->ran = ran;
	share->waited = waited;
	if (!crowded)
		share->nap = 0;
	else if (share->nap < NAP_MIN_NS)
		share->nap = NAP_MIN_NS;
	else if (share->nap < FI_SHARE_NAP_MAX_NS)
		share->nap *= 2;
	return share->nap;
}
