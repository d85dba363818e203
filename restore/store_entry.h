/* restore/store_entry.h - one entry of a service manager's store (store.h): its name, and giving it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is said is sd_notify(3)'s.  libsystemd makes a socket for each message, which an engine may not, and waits
 * for the manager, which nobody who serves may; and to load it, and what it needs, takes a millisecond of
 * each restore.
 */
#ifndef FI_RESTORE_STORE_ENTRY_H
#define FI_RESTORE_STORE_ENTRY_H

#include "restore/ledger.h"

#define FI_STORE_PREFIX "fi."

/* Entries at most: the manager tells their names in one variable, and the kernel has 128 KiB for that. */
#define FI_STORE_MAX 8192

/* A socket that is connected to the manager's, $NOTIFY_SOCKET; or a negative errno. */
int fi_store_connect(void);

/* Sends @words, and @fd unless that is negative, over @sock.  Does not wait: -EAGAIN when the manager is behind;
 * or what sendmsg(2) gave.  Allocates nothing. */
int fi_store_tell(int sock, const char *words, int fd);

/* Gives or takes back an entry of the session.  Does not wait; returns as above, and -ENOSPC when there are
 * FI_STORE_MAX. */
int fi_store_give(char kind, uint32_t id, int fd);
int fi_store_take_back(char kind, uint32_t id);

/* The words for that. */
int fi_store_drop(int sock, char kind, uint32_t id);

/* A space's userfaultfd, by its reader, at once: nobody sees @slot yet.  What cannot be given now is left to
 * the store's keeper. */
void fi_store_give_space(struct fi_slot *slot, int uffd);

/* The kind of entry that a kept descriptor is, and its number; '\0': it is not stored.  What must be found by
 * a program of another version, too, has a kind of its own. */
static inline char fi_store_kind(enum fi_kept what)
{
	switch (what) {
	case FI_KEPT_MEMORY:
		return 'm';
	case FI_KEPT_LIFE_SEEN:
		return 'a';
	case FI_KEPT_IMAGES:
	case FI_KEPT_FROZEN:
	case FI_KEPT_LOG:
	case FI_KEPT_LISTENER:
	case FI_KEPT_CRIU:
	case FI_KEPT_REPORT:
	case FI_KEPT_CONTROL:
	case FI_KEPT_RUNDIR:
	case FI_KEPT_TRACE:
	case FI_KEPT_TRACE_MEMORY:
		return 'k';
	default:
		return '\0';
	}
}

static inline uint32_t fi_store_number(enum fi_kept what)
{
	return fi_store_kind(what) == 'k' ? (uint32_t)what : 0;
}

#endif
