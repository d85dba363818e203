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
 *   somebody wants another program
 *			engine and second keeper are ended, and the first hands over (upgrade.h)
 *
 *   all of them die	with a service manager that stores descriptors (store.h) the first keeper is started
 *			anew; FI_KEEPER_RETURNS times in FI_KEEPER_WINDOW_NS are too many, because it
 *			starts a service five times in ten seconds, and then closes what it has stored
 *
 * Before the engine has said that it listens (fi_keeper_ready), nobody depends on it: the death of
 * the first keeper ends all.
 *
 * Before the first engine a reader may run, with its rights and no more: what it leaves in the table and
 * the durable memory is all that is left of it.
 *
 * A keeper parses nothing, allocates nothing, and makes no thread.
 */
#ifndef FI_RESTORE_KEEPER_H
#define FI_RESTORE_KEEPER_H

#include <stdbool.h>

#include "common/error.h"

#define FI_KEEPER_DEATHS    5
#define FI_KEEPER_WINDOW_NS UINT64_C(10000000000)
#define FI_KEEPER_RETURNS   3 /* of which that many in the window are too many */

/* Each gets @arg, and returns 0 or an exit code. */
struct fi_keeper_job {
	/* In a process of its own that is like a forked child, before anything else; its failure is the
	 * session's.  NULL: none. */
	int (*read)(void *arg);
	/* In the first keeper, once, before there is a process but the reader, who may be reading: gives up
	 * rights, and does before what it has to have them for.  It trusts no descriptor and nothing in the
	 * durable memory.  NULL: none. */
	void (*settle)(void *arg);
	/* In such a process, too; again in another one when one has been killed. */
	int (*engine)(void *arg);
	/* In a keeper, when there is no engine any more and there will be none; it allocates nothing.
	 * May be done twice, should the keeper die.  NULL: none. */
	int (*finish)(void *arg);
	void *arg;
	bool heir; /* the session is another program's that we have taken over from (upgrade.h) */
	bool returned; /* all who had the session have died (store.h) */
};

/* Becomes the first keeper of @job.  fi_durable_create has been called.  The caller has one thread.
 *
 * SIGTERM and SIGINT are blocked from here on, and handed on to the engine; so is SIGUSR2, which asks for
 * another program.
 *
 * Returns the exit code of the engine, or of what came to finish after it, in a process that may not be
 * the caller's: reader, engine and the second keeper come back from here as well when they are
 * through.  Or a negative errno said in @err. */
int fi_keeper_run(const struct fi_keeper_job *job, struct fi_error *err);

/* The engine: it listens from here on; all is served, and this is to be its exit code, whatever
 * happens while it cleans up. */
void fi_keeper_ready(void);
void fi_keeper_ended(int code);

#endif
