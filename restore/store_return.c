/* restore/store_return.c - see store.h: taking.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The manager hands descriptors over at numbers of its own.  What the ledger, and the image's tables, say of
 * numbers becomes true again by moving each to where it was; then nothing else has to know of all this.
 */
#include "config.h"

#include "restore/store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "images/frozen.h"
#include "restore/control.h"
#include "restore/kin.h"
#include "restore/ledger.h"
#include "restore/log.h"
#include "restore/pidfd.h"
#include "restore/store_entry.h"
#include "restore/uffd.h"

#define NOWHERE (-1)

struct entry {
	char kind;
	uint32_t id;
	int fd;
	int place; /* the number that it belongs to; NOWHERE: nobody names it */
};

/* Sorted.  Kept for fi_store_refuse. */
static struct entry *entries;
static size_t nr_entries;
static bool lost; /* what is missing may be a task that nobody knows */

/* --- what there is ----------------------------------------------------------------------------- */

#define FIRST_FD 3

/* sd_listen_fds(3): the number of descriptors from FIRST_FD on, and their names, with colons between them. */
static int inherited(const char **names)
{
	const char *pid = getenv("LISTEN_PID"), *nr = getenv("LISTEN_FDS");
	long n = pid && nr && strtol(pid, NULL, 10) == getpid() ? strtol(nr, NULL, 10) : 0;

	*names = getenv("LISTEN_FDNAMES");
	if (n <= 0 || n > FI_STORE_MAX || !*names)
		return 0;
	for (int i = 0; i < n; i++)
		if (fcntl(FIRST_FD + i, F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
	return (int)n;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static struct entry *find(char kind, uint32_t id)
{
	const struct entry key = { .kind = kind, .id = id };

	return nr_entries ? bsearch(&key, entries, nr_entries, sizeof(key), compare) : NULL;
}

/* @name ends at a colon, or where the string does. */
static bool parse(const char *name, struct entry *entry)
{
	const size_t prefix = strlen(FI_STORE_PREFIX);
	unsigned long id;
	char *end;

	if (strncmp(name, FI_STORE_PREFIX, prefix) != 0 || !name[prefix])
		return false;
	errno = 0;
	id = strtoul(name + prefix + 1, &end, 10);
	entry->kind = name[prefix];
	entry->id = (uint32_t)id;
	return !errno && end != name + prefix + 1 && (!*end || *end == ':') && id <= UINT32_MAX &&
	       strchr("makfsto", entry->kind);
}

/* Those of others stay where they are. */
static int collect(void)
{
	const char *name;
	int n = inherited(&name);

	if (n <= 0)
		return n;
	entries = calloc((size_t)n, sizeof(entries[0]));
	if (!entries)
		return -ENOMEM;
	for (int i = 0; i < n && name; i++) {
		struct entry entry = { .fd = FIRST_FD + i, .place = NOWHERE };

		if (parse(name, &entry))
			entries[nr_entries++] = entry;
		name = strchr(name, ':');
		name = name ? name + 1 : NULL;
	}
	/* Not for those that this program starts. */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (nr_entries)
		qsort(entries, nr_entries, sizeof(entries[0]), compare);
	return 0;
}

static void raise_nofile(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Whoever has the other end has the session's table: it may serve, or have read what nobody has applied. */
static void wait_for_the_last(void)
{
	const struct entry *life = find('a', 0);
	struct pollfd pfd = { .fd = life ? life->fd : -EBADF };

	if (!life || poll(&pfd, 1, 0) > 0)
		return;
	fi_log(FI_LOG_WARN, "waiting until every process of the session has ended");
	while (poll(&pfd, 1, -1) <= 0)
		;
}

/* --- where it belongs --------------------------------------------------------------------------- */

static void belongs(char kind, uint32_t id, int place)
{
	struct entry *entry = place < 0 ? NULL : find(kind, id);

	if (entry)
		entry->place = place;
}

static int file_belongs(void *arg, int fd)
{
	(void)arg;
	belongs('f', (uint32_t)fd, fd);
	return 0;
}

static void find_places(void)
{
	const struct fi_ledger *ledger = fi_ledger();
	const struct entry *frozen = find('k', FI_KEPT_FROZEN);

	for (uint32_t i = 0; i < FI_KEPT_NR; i++)
		if (fi_store_kind((enum fi_kept)i) == 'k' || i == FI_KEPT_MEMORY)
			belongs(fi_store_kind((enum fi_kept)i), fi_store_number((enum fi_kept)i),
				fi_kept((enum fi_kept)i));
	if (frozen)
		(void)fi_image_frozen_files(frozen->fd, file_belongs, NULL);
	for (uint32_t i = 0; i < ledger->nr_orphans && i < FI_MAX_ORPHANS; i++)
		belongs('o', i, ledger->orphans[i]);
	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		/* One that was being closed may be open here. */
		if (!fi_slot_has_space(slot) && slot->state != FI_SLOT_CLOSING)
			continue;
		belongs('s', slot->id, slot->uffd);
		belongs('t', slot->id, slot->pidfd);
	}
}

/* By a number that nobody wants, since places and what is there now overlap. */
static int move_all(void)
{
	int free_from = FIRST_FD + (int)nr_entries, r = 0;

	for (size_t i = 0; i < nr_entries; i++)
		if (entries[i].place >= free_from)
			free_from = entries[i].place + 1;
	for (size_t i = 0; i < nr_entries && r == 0; i++) {
		int fd = fcntl(entries[i].fd, F_DUPFD_CLOEXEC, free_from);

		r = fd < 0 ? -errno : 0;
		fi_close(&entries[i].fd);
		entries[i].fd = fd;
	}
	for (size_t i = 0; i < nr_entries && r == 0; i++) {
		struct entry *entry = &entries[i];

		if (entry->place == NOWHERE)
			continue;
		if (dup3(entry->fd, entry->place, O_CLOEXEC) < 0)
			r = -errno;
		(void)close(entry->fd);
		entry->fd = entry->place;
	}
	return r;
}

/* --- whether it is enough ------------------------------------------------------------------------ */

static bool has(char kind, uint32_t id)
{
	const struct entry *entry = find(kind, id);

	return entry && entry->place != NOWHERE;
}

static int needs_file(void *arg, int fd)
{
	(void)arg;
	return has('f', (uint32_t)fd) ? 0 : -ENOENT;
}

static bool is_recorded(uint32_t parent, uint64_t birth)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++)
		if (fi_slot_has_space(&ledger->slots[i]) && ledger->slots[i].parent == parent &&
		    ledger->slots[i].birth == birth)
			return true;
	return false;
}

/* Whether the session that has died had read of a child that nobody has noted. */
static bool lost_child(const struct fi_slot *slot)
{
	const struct fi_inbox *inbox = &slot->inbox;

	for (uint32_t i = 0; inbox->reading && i < FI_INBOX_ROOM && inbox->msgs[i].event; i++)
		if (inbox->msgs[i].event == UFFD_EVENT_FORK &&
		    inbox->first + i >= slot->geometry[slot->current].applied &&
		    !is_recorded(slot->id, inbox->first + i + 1))
			return true;
	return false;
}

/* NULL: nothing is. */
static const char *missing_of_spaces(void)
{
	const struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		const struct fi_slot *slot = &ledger->slots[i];

		if (!fi_slot_has_space(slot))
			continue;
		if (!has('s', slot->id) || !fi_uffd_is(slot->uffd))
			return "a userfaultfd";
		if (lost_child(slot))
			return "a child that had just been forked";
	}
	return NULL;
}

static const char *missing(void)
{
	const struct fi_ledger *ledger = fi_ledger();
	const struct fi_session_record *session = &ledger->session;

	if (!has('k', FI_KEPT_FROZEN) || !has('k', FI_KEPT_IMAGES))
		return "the image";
	if (fi_image_frozen_files(fi_kept(FI_KEPT_FROZEN), needs_file, NULL) < 0)
		return "a pages file";
	if (!session->restored && !has('k', FI_KEPT_CRIU))
		return "CRIU's connection";
	if (fi_lazysock_holds(&session->criu) >= 0)
		return "a task that CRIU was just handing over";
	if (ledger->nr_orphans)
		return "what nobody could serve any more";
	return missing_of_spaces();
}

/* The manager's socket: not before everything is in its place, where it could be in the way. */
static int sock = -EBADF;

static void tell(const char *words)
{
	if (sock < 0)
		sock = fi_store_connect();
	(void)fi_store_tell(sock, words, -1);
}

static void drop(const struct entry *entry)
{
	struct pollfd pfd = { .events = POLLOUT };

	if (sock < 0)
		sock = fi_store_connect();
	pfd.fd = sock;
	while (fi_store_drop(sock, entry->kind, entry->id) == -EAGAIN)
		(void)poll(&pfd, 1, -1);
}

/* What the ledger names and is not here is of the past. */
static void forget_the_rest(void)
{
	struct fi_ledger *ledger = fi_ledger();

	for (uint32_t i = 0; i < FI_KEPT_NR; i++) {
		bool here = fi_store_kind((enum fi_kept)i) &&
			    has(fi_store_kind((enum fi_kept)i), fi_store_number((enum fi_kept)i));

		if (!here) {
			fi_keep((enum fi_kept)i, -EBADF);
			ledger->store.kept[i] = 0;
		}
	}
	for (uint32_t i = 0; i < ledger->nr_slots; i++) {
		struct fi_slot *slot = &ledger->slots[i];

		if (fi_slot_has_space(slot) && slot->pidfd >= 0 && !has('t', slot->id)) {
			slot->pidfd = -EBADF;
			slot->stored_task = 0;
		}
	}
	for (size_t i = 0; i < nr_entries; i++) {
		if (entries[i].place != NOWHERE)
			continue;
		fi_close(&entries[i].fd);
		drop(&entries[i]);
	}
	ledger->store.nr = (uint32_t)nr_entries;
	ledger->store.said_ready = ledger->store.asked = 0;
	ledger->keeper.upgrade = 0;
	fi_close(&sock);
}

static void drop_all(void)
{
	/* Before the socket is opened: some may have been closed already. */
	for (size_t i = 0; i < nr_entries; i++)
		fi_close(&entries[i].fd);
	for (size_t i = 0; i < nr_entries; i++)
		drop(&entries[i]);
	fi_close(&sock);
	free(entries);
	entries = NULL;
	nr_entries = 0;
}

int fi_store_return(struct fi_error *err)
{
	const struct entry *memory;
	const char *what;
	int r;

	raise_nofile();
	r = collect();
	if (r < 0)
		return fi_error_set(err, r, "what the service manager has stored: %s",
				    strerror(-r));
	if (!nr_entries)
		return 0;
	wait_for_the_last();
	memory = find('m', 0);
	if (!memory || fi_durable_open(memory->fd) < 0 || !fi_ledger_is_ours()) {
		lost = true;
		return fi_error_set(err, -EIO,
				    "this is no session that this program could go on with");
	}
	find_places();
	r = move_all();
	if (r < 0)
		return fi_error_set(err, -EIO, "descriptors cannot be put back: %s", strerror(-r));
	if (fi_ledger()->keeper.left || !fi_ledger()->session.connected) {
		forget_the_rest();
		fi_control_end();
		drop_all();
		return 0;
	}
	what = fi_ledger()->keeper.ended ? NULL : missing();
	if (what) {
		lost = true;
		return fi_error_set(err, -EIO,
				    "%s is missing in what the service manager has stored", what);
	}
	forget_the_rest();
	return 1;
}

/* --- the end of a session that cannot be continued ---------------------------------------------- */

/* Tasks, and who was born to them: one that was forked at the last moment has no other witness. */
static void kill_tree(void)
{
	struct fi_pids pids = { 0 };

	for (size_t i = 0; i < nr_entries; i++) {
		pid_t pid = entries[i].kind == 't' ? fi_pidfd_pid(entries[i].fd) : 0;

		if (pid > 0)
			(void)fi_pids_add(&pids, pid);
	}
	for (size_t i = 0; lost && i < pids.nr; i++)
		(void)fi_pids_add_children(&pids, pids.at[i]);
	for (size_t i = 0; i < nr_entries; i++)
		if (entries[i].kind == 't')
			fi_pidfd_signal(entries[i].fd, SIGKILL);
	for (size_t i = 0; i < pids.nr; i++) {
		fi_auto_close int pidfd = fi_pidfd_open(pids.at[i]);

		fi_pidfd_signal(pidfd, SIGKILL);
	}
	free(pids.at);
}

/* Whether every task of which there is a userfaultfd is known, and has ended. */
static bool all_gone(void)
{
	bool all = true;

	for (size_t i = 0; i < nr_entries; i++) {
		struct pollfd pfd = { .fd = entries[i].fd, .events = POLLIN };

		if (entries[i].kind == 't')
			while (!fi_pidfd_ended(pfd.fd))
				(void)poll(&pfd, 1, -1);
		else if (entries[i].kind == 'o' ||
			 (entries[i].kind == 's' && !find('t', entries[i].id)))
			all = false;
	}
	return all;
}

void fi_store_refuse(void)
{
	fi_log(FI_LOG_ERROR, "the session cannot be continued, its tasks are killed");
	kill_tree();
	if (!all_gone()) {
		fi_log(FI_LOG_ERROR,
		       "not every task is known: nothing is closed, those left wait for ever at "
		       "their next fault; kill them, then process %d",
		       (int)getpid());
		/* Or the manager would lose patience with us. */
		tell("READY=1\nSTATUS=tasks are left that cannot be served");
		for (;;)
			(void)pause();
	}
	drop_all();
}
