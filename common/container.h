/* common/container.h - the ids of containers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_COMMON_CONTAINER_H
#define FI_COMMON_CONTAINER_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FI_CONTAINER_MAX 256 /* bytes of an id, with the terminator */

/* Whether @id can be a container's: letters, digits and some of ".-_+:@", shorter than
 * FI_CONTAINER_MAX.  So it is harmless in logs, in JSON and on command lines, unless it begins with
 * "-", which it may not. */
bool fi_container_is_id(const char *id);

#ifdef __cplusplus
}
#endif
#endif
