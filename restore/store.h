/* restore/store.h - systemd has the session's descriptors as well.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keepers and engine may die together: when a whole cgroup is killed, for example.  As a service that has a
 * descriptor store (FileDescriptorStoreMax=), the session gives a copy of each descriptor that must not be
 * closed to the service manager, and the process that this starts anew finds them, puts each back at the
 * number that the durable memory knows it by, and goes on as keepers do after an engine's death.
 *
 * The store is used by `serve` when it is the service's own process ($SYSTEMD_EXEC_PID), and nobody
 * else's.  A space's reader gives its userfaultfd when the space is made; all else is the second keeper's to
 * give and to take back, since that may have to wait for the manager.  A child's userfaultfd comes with the
 * reading of its FORK, and that lets the child run: should everybody be killed before it is given, some
 * microseconds later, that is found out at the return, and the session's tasks are killed.
 *
 * An entry's name is "fi." and
 *   m0, a0	the durable memory; the reading end of a pipe whose other end all of the session have
 *   kN		kept descriptor N of the ledger
 *   fN		the pages file at number N
 *   sID, tID	a space's userfaultfd; a pidfd of its task
 *   oN		orphan N of the ledger
 */
#ifndef FI_RESTORE_STORE_H
#define FI_RESTORE_STORE_H

#include "common/error.h"

/* A session begins, or goes on after a return: it has a store from here on if this process is offered one.
 * Before there are other processes. */
void fi_store_open(void);

/* The second keeper: readable after fi_ledger_ring; negative: there is no store.  Tells the manager what has
 * changed, and once that the service is ready.  Allocates nothing. */
int fi_store_fd(void);
void fi_store_update(void);

/* The primary keeper: the session is over, nothing of it is kept.  Allocates nothing. */
void fi_store_end(void);

/* First thing in a process: takes what the manager has kept, if it has started us for that.
 *
 * Waits for all processes of the session to have ended, threads that wait for a disk included.
 * Returns 1: everything is at its number, the durable memory is mapped, and an engine can take over.  0: there
 * was nothing, or nothing that anybody depends on; it is dropped.  Or, said in @err, -EIO: something is
 * missing; see fi_store_refuse. */
int fi_store_return(struct fi_error *err);

/* What fi_store_return has found is no session to go on with: tasks are killed, and the children that they
 * have, and when they are gone everything is dropped.  If not every task is known, nothing is, and this does
 * not return. */
void fi_store_refuse(void);

#endif
