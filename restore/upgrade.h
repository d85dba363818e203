/* restore/upgrade.h - another program takes a live session over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a session is, is in descriptors and durable memory; so a program that has both can go on with it.
 * The new one is the file that the session's program was started from, as it is by now; nobody can
 * name another.
 *
 *   starter   a process of the first keeper's, made before rights were given up.  It shares the table of
 *             descriptors, waits to be asked, and starts the heir, which gets a copy of the table
 *   keeper    ends the engine, asks, and hands over when the heir has looked at what there is.  An heir that does not start, does not understand the memory, or dies is no loss: the
 *             keeper goes on as it was
 *   heir      the new program.  The session is its own from the moment when it has a second keeper
 *
 * At each moment two processes hold the descriptors, each of which would go on with the session if the
 * other died.
 *
 * The first process of the session, whose pid others know, stays until the end and does nothing but to
 * hand signals on and to end with the session's exit code.
 */
#ifndef FI_RESTORE_UPGRADE_H
#define FI_RESTORE_UPGRADE_H

#include <stdbool.h>

#include "common/error.h"

/* How long an heir may take until it is ready, and until it has a second keeper. */
#define FI_UPGRADE_PATIENCE_MS 10000

/* Makes the starter: of this program with @argv, the words of `serve`, up to a NULL, which stay the caller's.
 * Call before rights are given up, with one thread.  Returns 0, also in the heir's own case, or a
 * negative errno said in @err: then there will be no upgrade. */
int fi_upgrade_prepare(char **argv, struct fi_error *err);

/* A keeper: whether there is a starter. */
bool fi_upgrade_possible(void);

/* The first keeper, when there is no engine.  Allocates nothing.  Returns 0 when an heir has the session,
 * which is nothing of ours from then on; or, when there was no heir, or there is none any more, -EBADMSG:
 * the program did not start or did not take what there is, -ETIMEDOUT, or what pipe2(2) gave.  The second
 * keeper may be gone then.  When a keeper dies, the second is to take its place only if the ledger's
 * generation is what it was. */
int fi_upgrade_hand_over(void);

/* The keeper that has handed over, if it is the session's first process: ends when the session does.
 * @sigfd: its signals, which it hands on.  Returns the session's exit code. */
int fi_upgrade_follow(int sigfd);

/* The heir: opens the memory that @words, the value of --heir, name, and looks whether it is one of ours.
 * Returns 0, or a negative errno said in @err: then the heir ends. */
int fi_upgrade_inherit(const char *words, struct fi_error *err);

/* The heir: it would know how to go on.  Returns when the session is its own to keep; -ECANCELED: it is
 * not to be. */
int fi_upgrade_claim(void);

/* The heir: it has a second keeper. */
void fi_upgrade_settled(void);

#endif
