/* restore/names.h - which process a space belongs to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A restored task says who it is; a forked child does not.  The kernel tells of its birth twice:
 * as a FORK message on the parent's userfaultfd, which has no pid, and, later, as a process event,
 * which has no userfaultfd.  This table brings the two together: a parent's births and process
 * events are matched in order, an event only with a birth that was read before it (so that vfork,
 * which has the event but not the message, takes nobody's name).  When several threads of a parent
 * fork at once the order can be wrong: such a name is good enough for a log line, but its process
 * is never killed because of it.
 *
 * All functions are safe from any thread.
 */
#ifndef FI_RESTORE_NAMES_H
#define FI_RESTORE_NAMES_H

#include "restore/procevents.h"
#include "restore/space.h"

struct fi_names; /* opaque */

int fi_names_new(struct fi_names **ret);    /* 0 or -ENOMEM */
void fi_names_free(struct fi_names *names); /* NULL is fine */

/* Without process events there is nothing to wait for: births are not kept. */
void fi_names_unavailable(struct fi_names *names);

/* A restored task, with its pid (0: not known).  Opens its pidfd. */
void fi_names_root(struct fi_names *names, struct fi_space *space, pid_t pid);

/* A space that another engine has had: it has its names, as far as they are known. */
void fi_names_again(struct fi_names *names, struct fi_space *space);

/* A child of @parent, the reading of whose FORK message began after @before (ns, monotonic). */
void fi_names_born(struct fi_names *names, struct fi_space *parent, struct fi_space *child,
		   uint64_t before);

/* A space has ended. */
void fi_names_ended(struct fi_names *names, struct fi_space *space);

/* A process event.  Returns the space that it may have ended (exec, exit), with a user for the
 * caller, or NULL. */
struct fi_space *fi_names_event(struct fi_names *names, const struct fi_proc_event *event);

#endif
