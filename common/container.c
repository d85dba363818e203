/* common/container.c - see container.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "common/container.h"

#include <string.h>

bool fi_container_is_id(const char *id)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-_+:@";
	size_t len = strspn(id, letters);

	return len && len < FI_CONTAINER_MAX && !id[len] && id[0] != '-';
}
