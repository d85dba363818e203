/* restore/procevents.h - the kernel's process events: who forked whom, who exec'd, who exited.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A netlink connector socket (NETLINK_CONNECTOR, CN_IDX_PROC), opened and driven through libnl.
 * Pids are those of the initial pid namespace, which is where the kernel sends such events at all.
 * Events are a help for names and early release, never an authority: the kernel's answer on a
 * userfaultfd decides whether an address space is gone.  One thread at a time may use a socket.
 */
#ifndef FI_RESTORE_PROCEVENTS_H
#define FI_RESTORE_PROCEVENTS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct fi_procevents; /* opaque */

enum fi_proc_kind {
	FI_PROC_FORK, /* a new process, not a new thread */
	FI_PROC_EXEC,
	FI_PROC_EXIT, /* the last word of a process, not of a thread beside others */
	FI_PROC_LOST, /* the socket overflowed: events are missing, pids are 0 */
};

struct fi_proc_event {
	enum fi_proc_kind kind;
	pid_t pid;     /* the process: of FORK, the new one */
	pid_t parent;  /* FORK only: the process that forked */
	uint64_t time; /* CLOCK_MONOTONIC, ns: when the kernel made the event; 0 for LOST */
};

/* Subscribes.  Returns 0 and sets *@ret (release with fi_procevents_close), or, saying why in @err:
 *   -EPERM   no CAP_NET_ADMIN, or not in the initial user, pid and network namespace
 *   -EPROTONOSUPPORT  the kernel has no proc connector
 *   or what socket(2), bind(2), send(2) gave
 */
int fi_procevents_open(struct fi_procevents **ret, struct fi_error *err);

/* Becomes readable when fi_procevents_next has something to say.  Stays the object's. */
int fi_procevents_fd(const struct fi_procevents *pe);

/* The next event, without blocking.  Returns 0 and sets *@ret, -EAGAIN when there is none now, or
 * another errno when the socket is broken for good.  Only messages from the kernel count. */
int fi_procevents_next(struct fi_procevents *pe, struct fi_proc_event *ret);

void fi_procevents_close(struct fi_procevents *pe); /* NULL is fine */

#endif
