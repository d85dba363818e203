/* plugin/complete.c - see complete.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/child.h"
#include "restore/smaps.h"

int fi_complete_needed(pid_t pid, struct fi_error *err)
{
	int r = fi_smaps_watched(pid);

	return r < 0 ? fi_error_set(err, r, "cannot see the memory of process %d: %s", (int)pid,
				    strerror(-r))
		     : r;
}

int fi_complete(const char *program, pid_t pid, void (*say)(const char *line), struct fi_error *err)
{
	char number[16];
	const char *const argv[] = { "faultin", "complete", "--tree", number, NULL };
	unsigned int left;
	int r;

	(void)snprintf(number, sizeof(number), "%d", (int)pid);
	/* CRIU's alarm is for tasks that do not stop, and this is no such thing. */
	left = alarm(0);
	r = fi_child_run(program, argv, FI_COMPLETE_SILENCE_MS, say);
	(void)alarm(left);
	if (r == 0)
		return 0;
	if (r < 0)
		return fi_error_set(err, r, "cannot complete the memory of process %d: '%s': %s",
				    (int)pid, program, strerror(-r));
	return fi_error_set(err, -EBUSY,
			    "memory of process %d that a lazy restore still owes it would be "
			    "missing from this checkpoint",
			    (int)pid);
}
