/* common/bytes.c - see bytes.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char units[] = "KMG";

int fi_bytes_parse(const char *word, uint64_t max, uint64_t *ret)
{
	const char *unit;
	uint64_t value;
	char *end;

	if (word[0] < '0' || word[0] > '9') /* strtoull would take blanks and a sign */
		return -EINVAL;
	errno = 0;
	value = strtoull(word, &end, 10);
	if (errno)
		return -EINVAL;
	unit = *end ? strchr(units, *end) : NULL;
	if (*end && (!unit || end[1]))
		return -EINVAL;
	for (const char *u = units; unit && u <= unit; u++) {
		if (value > UINT64_MAX / 1024)
			return -EINVAL;
		value *= 1024;
	}
	if (value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

void fi_bytes_format(uint64_t bytes, char ret[FI_BYTES_ROOM])
{
	size_t unit = 0;

	while (unit < strlen(units) && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	(void)snprintf(ret, FI_BYTES_ROOM, "%" PRIu64 "%.1s", bytes, unit ? &units[unit - 1] : "");
}
