/* restore/sandbox.h - what a process of a session may still ask of the kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Images are untrusted input.  Whoever finds a way to run code of theirs in the process that reads
 * one, or that serves, has what is said here and no more:
 *   - the capabilities of the role,
 *   - no new privileges, and no core dump or ptrace(2) by others of the same user,
 *   - system calls of a list.  What is not on it fails with EPERM.  It is not killed for it: a call
 *     that a newer C library makes, and that we have not thought of, must not cost a session.
 *
 * A role is for ever, and for all processes and threads that are started from then on.  Engines are
 * started by keepers, so what an engine may do, a keeper may; an engine enters its own role on top.  The
 * reader is started while the first keeper has no role yet; the list is the same.
 * Nobody may execute, connect, trace, write to other memory, or mount.
 *
 *		files: open	make, remove	process: start	threads	sockets: make
 *   KEEPER	yes		yes		yes		yes	unix, netlink
 *   READER	for reading	-		-		yes	-
 *   ENGINE	for reading	-		-		yes	-
 *
 * So an engine makes its sockets, and opens what it writes to, before it enters its role; what has to
 * be made or removed in the end is left to the keeper.
 *
 * Builds with sanitizers allow everything, and let the kernel's log say what would not have been: a
 * report at exit wants to ptrace, to read maps, and to start a symbolizer.
 */
#ifndef FI_RESTORE_SANDBOX_H
#define FI_RESTORE_SANDBOX_H

#include <stdbool.h>

enum fi_sandbox_role {
	FI_SANDBOX_KEEPER,
	FI_SANDBOX_READER, /* of the image */
	FI_SANDBOX_ENGINE,
};

/* Roles are entered from here on.  Without this (--no-sandbox), to enter one is to do nothing. */
void fi_sandbox_enable(void);

/* Enters @role.  The calling process has one thread.  Allocates nothing.  What the kernel does not offer is told to the log at INFO, and left out.  Returns
 * whether system calls are refused from now on. */
bool fi_sandbox_enter(enum fi_sandbox_role role);

#endif
