/* common/bytes.h - numbers of bytes as people write them: "4096", "64M".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_COMMON_BYTES_H
#define FI_COMMON_BYTES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Decimal digits, and perhaps one of K, M and G for 2^10, 2^20 and 2^30: at most @max in all.
 *
 * Returns 0 and sets *@ret, or -EINVAL and leaves it alone. */
int fi_bytes_parse(const char *word, uint64_t max, uint64_t *ret);

/* The shortest word that fi_bytes_parse reads as @bytes. */
#define FI_BYTES_ROOM 24
void fi_bytes_format(uint64_t bytes, char ret[FI_BYTES_ROOM]);

#ifdef __cplusplus
}
#endif
#endif
