/* plugin/transparent.h - a plain restore made lazy: no option, and nobody else's help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   begin   before CRIU has read anything: CRIU's image directory becomes a view (view.h) without the
 *           lazy memory, and an engine is started that waits for tasks (handover.h).  It reads the image
 *           and gets ready while CRIU makes the tasks
 *   task    CRIU has every task stopped as it will run on: each gets a userfaultfd, its lazy memory is
 *           registered, and the engine, if it is ready, is given both.  With the last task the engine answers that
 *           all is served, before CRIU lets any of them go
 *   end     nothing is left of it in CRIU
 *
 * What cannot be done for a task is made up for: its memory is filled from the image before it runs.
 * If even that fails, the tasks are killed, since CRIU ignores what its late hook says: no task runs
 * on zeros.
 *
 * There is one restore in a process, and one thread calls.  A restored task may have been given copies
 * of the descriptors that are open in between; CRIU closes them there.
 */
#ifndef FI_PLUGIN_TRANSPARENT_H
#define FI_PLUGIN_TRANSPARENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/settings.h"

/* How an engine comes about.  Those with a result return 0 or a negative errno, said in @err. */
struct fi_transparent_engine {
	/* Starts it with its end of the connection.  *@device: what fi_task_uffd wants. */
	int (*start)(int images_dirfd, int connection, int *device, struct fi_error *err);
	int (*wait)(struct fi_error *err); /* until it is ready; once */
	void (*forget)(void); /* in place of wait; also when there is nothing to forget */
};

/* @images_dirfd is the number of CRIU's own descriptor; @engine lives on.  Returns 0, or a negative errno: CRIU restores
 * as ever then, and @err says why. */
int fi_transparent_begin(int images_dirfd, const struct fi_settings *settings,
			 const struct fi_transparent_engine *engine, struct fi_error *err);

/* Whether there was a begin that went well, and no end. */
bool fi_transparent_on(void);

/* Returns 0, or a negative errno, with its reasons in CRIU's log and the tasks killed. */
int fi_transparent_task(pid_t pid);

/* Safe without a begin.  @ret is CRIU's. */
void fi_transparent_end(int ret);

#endif
