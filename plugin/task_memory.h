/* plugin/task_memory.h - writing the image's bytes into a stopped task, by all CPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_PLUGIN_TASK_MEMORY_H
#define FI_PLUGIN_TASK_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct fi_piece {
	uint64_t addr, len; /* bytes, page aligned */
	const uint8_t
		*bytes; /* mapped from a file that somebody may truncate: only the kernel reads */
};

struct fi_pieces {
	struct fi_piece *at;
	size_t nr, room;
};

/* Appends one.  0 or -ENOMEM. */
int fi_pieces_add(struct fi_pieces *pieces, struct fi_piece piece);
void fi_pieces_done(struct fi_pieces *pieces);

/* Keeps of @pieces what the task has in memory or in swap. */
int fi_pieces_present(pid_t pid, const struct fi_pieces *pieces, struct fi_pieces *ret,
		      struct fi_error *err);

/* Each writes them all, and returns 0, or a negative errno said in @err: some may be missing. */

/* Through /proc/PID/mem, which asks for no rights of a private mapping and takes a page of one's own
 * where it was shared with a sibling.  Memory that a userfaultfd watches must not be missing. */
int fi_pieces_write(pid_t pid, const struct fi_pieces *pieces, struct fi_error *err);

/* Into memory that @uffd watches: faster by half, since the kernel clears no page first. */
int fi_pieces_copy(pid_t pid, int uffd, const struct fi_pieces *pieces, struct fi_error *err);

/* Into a file; addresses are offsets there. */
int fi_pieces_write_file(int fd, const struct fi_pieces *pieces, struct fi_error *err);

#endif
