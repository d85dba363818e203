/* restore/keeper.h - two processes that do next to nothing, and therefore do not die.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * When the last descriptor of a userfaultfd is closed, the kernel hands out zeros for all that is
 * missing.  So the table of descriptors belongs to three processes: the engine, which reads untrusted
 * images and has threads, and two keepers.  They share the table and the durable memory
 * (durable.h) and nothing else.
 *
 *   the engine dies	the primary keeper starts another, which takes over (takeover.h)
 *   a keeper dies	the other is the primary from then on, and starts a new second one
 *   both at once	the same: engine and one keeper may die together
 *   engines die FI_KEEPER_DEATHS times in FI_KEEPER_WINDOW_NS
 *			the session cannot be continued: its tasks are killed, and only when they are
 *			gone is anything closed.  If a task is not known by a pidfd, nothing is closed,
 *			ever
 *
 * Before the engine has said that it listens (fi_keeper_ready), nobody depends on it: the death of
 * the first keeper ends all.
 *
 * A keeper parses nothing, allocates nothing, and makes no thread.
 */
#ifndef FI_RESTORE_KEEPER_H
#define FI_RESTORE_KEEPER_H

#include <stdbool.h>

#include "common/error.h"

#define FI_KEEPER_DEATHS    5
#define FI_KEEPER_WINDOW_NS UINT64_C(10000000000)

/* Becomes the first keeper of @engine(@arg), which runs in a process of its own that is like a
 * forked child, and returns its exit code; this may be called again in another process when one has
 * been killed.  fi_durable_create has been called.  The caller has one thread.
 *
 * SIGTERM and SIGINT are blocked from here on, and handed on to the engine.
 *
 * Returns the exit code of the engine, in a process that may not be the caller's: the second keeper
 * and the engine come back from here as well when they are through.  Or a negative errno said in
 * @err. */
int fi_keeper_run(int (*engine)(void *arg), void *arg, struct fi_error *err);

/* The engine: it listens from here on; all is served, and this is to be its exit code, whatever
 * happens while it cleans up. */
void fi_keeper_ready(void);
void fi_keeper_ended(int code);

#endif
