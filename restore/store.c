/* restore/store.c - see store.h: giving.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was given is noted in the ledger when it was sent, so a keeper that takes another's place may give
 * something twice, but forgets nothing; the manager keeps one of two that are the same.  An entry whose
 * descriptor was closed while it was being given is another's file under a space's name: the record is not
 * LIVE any more then, so nobody ever looks for that name, and it is dropped when the closing is noticed.
 */
#include "config.h"

#include "restore/store.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "images/frozen.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/store_entry.h"

#define PATIENCE_MS 5000

static bool offered(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");

	return getenv("NOTIFY_SOCKET") && pid && strtol(pid, NULL, 10) == getpid();
}

void fi_store_open(void)
{
	int life[2], bell, sock;

	if (!offered())
		return;
	sock = fi_store_connect();
	if (sock < 0) {
		fi_log(FI_LOG_WARN, "the service manager cannot be told: %s", strerror(-sock));
		return;
	}
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell < 0 || pipe2(life, O_CLOEXEC) < 0) {
		fi_log(FI_LOG_WARN, "the service manager's store is not used: %s", strerror(errno));
		fi_close(&bell);
		fi_close(&sock);
		return;
	}
	fi_keep(FI_KEPT_NOTIFY, sock);
	fi_keep(FI_KEPT_STORE, bell);
	fi_keep(FI_KEPT_LIFE_SEEN, life[0]);
	fi_keep(FI_KEPT_LIFE, life[1]);
}

int fi_store_fd(void)
{
	return fi_kept(FI_KEPT_STORE);
}

/* The manager is behind.  For as long as a keeper may be away. */
static bool wait_for_manager(void)
{
	struct pollfd pfd = { .fd = fi_kept(FI_KEPT_NOTIFY), .events = POLLOUT };

	return poll(&pfd, 1, PATIENCE_MS) > 0;
}

/* Whether it was sent. */
static bool give(char kind, uint32_t id, int fd)
{
	struct fi_store_record *record = &fi_ledger()->store;
	int r;

	do
		r = fi_store_give(kind, id, fd);
	while (r == -EAGAIN && wait_for_manager());
	/* -EBADF: it has been closed meanwhile. */
	if (r < 0 && r != -EBADF && !record->complained) {
		record->complained = 1;
		fi_log(FI_LOG_WARN,
		       "the service manager's store does not have everything: %s: should all "
		       "processes of the session be killed at once, its tasks are, too",
		       strerror(-r));
	}
	return r == 0;
}

static void take_back(char kind, uint32_t id)
{
	while (fi_store_take_back(kind, id) == -EAGAIN && wait_for_manager())
		;
}

static void update_kept(void)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < FI_KEPT_NR; i++) {
		char kind = fi_store_kind((enum fi_kept)i);
		int32_t now = ledger->kept[i], *told = &ledger->store.kept[i];

		if (!kind || now == *told)
			continue;
		if (*told)
			take_back(kind, fi_store_number((enum fi_kept)i));
		*told = 0;
		if (now && give(kind, fi_store_number((enum fi_kept)i), now - 1))
			*told = now;
	}
}

static int give_file(void *arg, int fd)
{
	bool *all = arg;

	*all = give('f', (uint32_t)fd, fd) && *all;
	return 0;
}

/* They do not change. */
static void update_files(void)
{
	struct fi_store_record *record = &fi_ledger()->store;
	bool all = true;

	if (record->has_files)
		return;
	if (fi_image_frozen_files(fi_kept(FI_KEPT_FROZEN), give_file, &all) == 0 && all)
		record->has_files = 1;
}

static void update_orphans(void)
{
	struct fi_ledger *ledger = fi_ledger();
	uint32_t *told = &ledger->store.nr_orphans;

	while (*told < ledger->nr_orphans && *told < FI_MAX_ORPHANS &&
	       give('o', *told, ledger->orphans[*told]))
		++*told;
}

/* One of the two of a space.  @told: its id, when it was given. */
static void update_space(char kind, _Atomic uint32_t *told, uint32_t id, int fd)
{
	if (*told && *told != id) {
		take_back(kind, *told);
		*told = 0;
	}
	if (id && fd >= 0 && !*told && give(kind, id, fd))
		*told = id;
}

static void update_spaces(void)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];
		uint32_t id = fi_slot_has_space(slot) ? slot->id : 0;

		if (slot->state == FI_SLOT_TAKEN)
			continue; /* its reader is about to give it */
		update_space('s', &slot->stored, id, slot->uffd);
		update_space('t', &slot->stored_task, id, slot->pidfd);
	}
}

void fi_store_update(void)
{
	struct fi_ledger *ledger = fi_ledger();
	uint64_t count;

	if (fi_store_fd() < 0 || !ledger->session.ready)
		return; /* nobody depends on it yet */
	if (read(fi_store_fd(), &count, sizeof(count)) < 0 && errno != EAGAIN)
		fi_log(FI_LOG_DEBUG, "the store's bell: %s", strerror(errno));
	atomic_store(&ledger->store.asked, 0);
	update_kept();
	update_files();
	update_orphans();
	update_spaces();
	if (!ledger->store.said_ready && fi_store_tell(fi_kept(FI_KEPT_NOTIFY), "READY=1", -1) == 0)
		ledger->store.said_ready = 1;
}

static int drop_file(void *arg, int fd)
{
	(void)arg;
	take_back('f', (uint32_t)fd);
	return 0;
}

void fi_store_end(void)
{
	struct fi_ledger *ledger = fi_ledger();

	if (fi_store_fd() < 0)
		return;
	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];

		update_space('s', &slot->stored, 0, -EBADF);
		update_space('t', &slot->stored_task, 0, -EBADF);
	}
	for (uint32_t i = 0; i < ledger->store.nr_orphans; i++)
		take_back('o', i);
	if (ledger->store.has_files)
		(void)fi_image_frozen_files(fi_kept(FI_KEPT_FROZEN), drop_file, NULL);
	/* The memory last: without it nobody could say what the others are. */
	for (uint32_t i = 0; i < FI_KEPT_NR; i++)
		if (ledger->store.kept[i] && i != FI_KEPT_MEMORY)
			take_back(fi_store_kind((enum fi_kept)i), fi_store_number((enum fi_kept)i));
	take_back('m', 0);
}
