/* restore/session.h - one restore from CRIU's connection to the last page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_RESTORE_SESSION_H
#define FI_RESTORE_SESSION_H

#include <stdbool.h>

#include "common/error.h"
#include "images/image.h"
#include "restore/procevents.h"
#include "restore/report.h"

struct fi_session_config {
	const struct fi_image *image;	  /* stays the caller's */
	int listener;			  /* lazy-pages.socket; stays the caller's */
	struct fi_procevents *procevents; /* becomes the session's; NULL: not to be had */
	int control;	  /* control.h's listener; stays the caller's; negative: none */
	bool shared;	  /* the image was opened with what tasks share, which may be handed over */
	bool answers;	  /* who says "finished" is told with a byte when that has arrived */
	int parent_pidfd; /* CRIU, or -EBADF: its death before the end of the restore means
					 that the restore has failed */
};

/* Serves one restore in the calling thread and the workers that it starts.
 *
 * Returns 0 when every page was served; -ECANCELED when the restore failed or never came (the
 * tasks that there were are dead); -EIO when a space could not be served (its task was killed); or
 * another negative errno when the session could not start.  @err says more.  *@report is always
 * filled. */
int fi_session_run(const struct fi_session_config *config, struct fi_report *report,
		   struct fi_error *err);

#endif
