/* plugin/engine.h - starts `faultin serve` beside CRIU and out of its sight.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the engine is given, and what is expected of it:
 *
 *   faultin serve --images-dir-fd 3 --work-dir . --status-fd 4 --parent-pidfd 5
 *                 --log-file FILE
 *                 [--handover-fd 6] [--lazy-shared]
 *                 [--drain WHEN] [--drain-rate BYTES] [--threads NUM] [--verbosity=NUM]
 *                 [--container ID]
 *
 *   0, 1   /dev/null
 *   2      a pipe until the status byte: words for CRIU's log.  The engine turns it elsewhere
 *          before it writes that byte; whoever writes to it later gets SIGPIPE
 *   3      the image directory
 *   4      takes one zero byte when the image is checked and lazy-pages.socket is listening in the
 *          working directory, and is closed.  Closed without a byte: the engine has failed
 *   5      a pidfd of CRIU: when CRIU ends before it has connected, or before it has said that the
 *          restore is finished, the engine cleans up and ends
 *   6      in transparent mode: a connection on which the tasks will be named (handover.h), in place of
 *          lazy-pages.socket
 *
 * It has no other descriptor, default signal actions, nothing blocked, a session without terminal,
 * CRIU's working directory, environment and credentials.  Its parent is the reaper of orphans, not
 * CRIU, which gets no SIGCHLD and no child to wait for.  It is a keeper (restore/keeper.h), whose own
 * children share its descriptors.
 */
#ifndef FI_PLUGIN_ENGINE_H
#define FI_PLUGIN_ENGINE_H

#include <errno.h>
#include <limits.h>

#include "common/error.h"
#include "common/settings.h"

struct fi_engine_words {
	char text[4096]; /* terminated; what comes beyond is dropped */
};

/* All of it stays the caller's. */
struct fi_engine_order {
	const char *program;
	int images_dirfd;
	int handover; /* negative: none */
	const struct fi_settings *settings;
	const char *container; /* its id; NULL: none */
	int timeout_ms;
	const char *device; /* opened (O_RDWR) where the engine is started; NULL: none */
};

/* An engine that has been started, and has not said yet that it is ready. */
struct fi_engine_birth {
	char program[PATH_MAX];
	int timeout_ms;
	int pidfd;	   /* negative: none */
	int status, words; /* the ends of its pipes that are CRIU's */
};

#define FI_ENGINE_UNBORN                                                                           \
	{                                                                                          \
		.pidfd = -EBADF, .status = -EBADF, .words = -EBADF                                 \
	}

/* Starts the program.  *@device, unless it is NULL, is set: the device's descriptor (CLOEXEC), or
 * the negative errno of its open(2), which is no error here.
 *
 * Returns 0, and *@birth has descriptors (CLOEXEC), with which fi_engine_wait or fi_engine_forget is to be
 * called; or, saying why in @err, with *@birth as it was:
 *   -ECHILD     it could not be made
 *   -ENOSYS     the kernel has no pidfds (before Linux 5.3)
 *   or what the calls gave
 * No child, and no other descriptor, is left behind in any case.  Signals of the calling thread are blocked
 * for an instant; one thread at a time.
 */
int fi_engine_begin(const struct fi_engine_order *order, struct fi_engine_birth *birth, int *device,
		    struct fi_error *err);

/* Waits until it is ready, @order's time at most, and takes *@birth back.  What the engine wrote to its stderr is
 * in @words, also beside an error.
 *
 * Returns 0, or, when the engine is not there or has been killed (it holds no userfaultfd yet), and
 * saying why in @err:
 *   -ECHILD     it ended without being ready: @words should say more
 *   -ETIMEDOUT  it was not ready in time
 *   or what the calls gave
 */
int fi_engine_wait(struct fi_engine_birth *birth, struct fi_engine_words *words,
		   struct fi_error *err);

/* Takes *@birth back without waiting.  An engine that is not ready yet will find nobody to tell, and end. */
void fi_engine_forget(struct fi_engine_birth *birth);

#endif
