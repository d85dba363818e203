/* images/packed.c - see packed.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/packed.h"

#include <string.h>

size_t fi_packed_lower_bound(const struct fi_packed *packed, const char *prefix)
{
	size_t low = 0, high = packed->nr, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(packed->files[mid].name, prefix) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct fi_packed_file *fi_packed_find(const struct fi_packed *packed, const char *name)
{
	size_t i = fi_packed_lower_bound(packed, name);

	return i < packed->nr && strcmp(packed->files[i].name, name) == 0 ? &packed->files[i]
									  : NULL;
}
