/* restore/custody.c - see custody.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/custody.h"

#include <dirent.h>
#include <sys/socket.h>

#include "images/frozen.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/uffd.h"

static bool keeper_has(const struct fi_ledger *ledger, int fd)
{
	for (size_t i = 0; i < FI_ARRAY_SIZE(ledger->keeper.pidfd); i++)
		if (ledger->keeper.pidfd[i] == fd)
			return true;
	for (size_t i = 0; i < FI_KEPT_NR; i++)
		if (ledger->kept[i] == fd + 1)
			return true;
	return false;
}

static bool pools_have(const struct fi_ledger *ledger, int fd)
{
	for (size_t i = 0; i < FI_POOLS; i++)
		if (ledger->pools[i].state != FI_POOL_NONE && ledger->pools[i].file == fd)
			return true;
	for (uint32_t i = 0; i < ledger->nr_watches; i++) {
		const struct fi_watch_record *watch = &ledger->watches[i];

		if (watch->state != FI_SLOT_FREE && watch->state != FI_SLOT_TAKEN &&
		    (watch->uffd == fd || watch->pidfd == fd))
			return true;
		if (watch->state == FI_SLOT_LIVE && watch->msg.event == UFFD_EVENT_FORK &&
		    (int)watch->msg.arg.fork.ufd == fd)
			return true;
	}
	return false;
}

static bool spaces_have(const struct fi_ledger *ledger, int fd)
{
	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		if (slot->state != FI_SLOT_FREE && slot->state != FI_SLOT_TAKEN &&
		    (slot->uffd == fd || slot->pidfd == fd))
			return true;
	}
	for (uint32_t i = 0; i < ledger->nr_orphans && i < FI_MAX_ORPHANS; i++)
		if (ledger->orphans[i] == fd)
			return true;
	return fi_lazysock_holds(&ledger->session.criu) == fd;
}

/* Accepted, and the engine died before it could say so.  Those who had asked something of the session
 * (control.h) came by another name. */
static bool is_criu(const struct fi_ledger *ledger, int fd)
{
	int family = 0, listens = 0;
	socklen_t len = sizeof(family);

	if (ledger->session.connected || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return false;
	return family == AF_UNIX && !listens && fi_lazysock_is_name(fd);
}

static int look_at(const struct fi_image *image, int fd)
{
	const struct fi_ledger *ledger = fi_ledger();

	if (fd <= STDERR_FILENO || keeper_has(ledger, fd) || spaces_have(ledger, fd) ||
	    pools_have(ledger, fd) || (image && fi_image_holds_fd(image, fd)))
		return 0;
	if (fi_uffd_is(fd)) {
		fi_log(FI_LOG_ERROR, "userfaultfd %d is not known", fd);
		fi_ledger_orphan(fd);
		return 1;
	}
	if (is_criu(ledger, fd))
		fi_keep(FI_KEPT_CRIU, fd);
	else
		(void)close(fd);
	return 0;
}

int fi_custody_sweep(const struct fi_image *image)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int unknown = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char *end;
		long fd = strtol(entry->d_name, &end, 10);

		if (end != entry->d_name && !*end && fd != dirfd(dir))
			unknown += look_at(image, (int)fd);
	}
	(void)closedir(dir);
	return unknown;
}
