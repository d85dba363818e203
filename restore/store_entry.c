/* restore/store_entry.c - see store_entry.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/store_entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

int fi_store_connect(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	fi_auto_close int fd = -EBADF;
	size_t len = name ? strlen(name) : 0;

	if (len < 2 || len >= sizeof(addr.sun_path) || (name[0] != '/' && name[0] != '@'))
		return -EDESTADDRREQ;
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		return -errno;
	return fi_take_fd(&fd);
}

int fi_store_tell(int sock, const char *words, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)words, strlen(words) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int fi_store_give(char kind, uint32_t id, int fd)
{
	struct fi_store_record *record = &fi_ledger()->store;
	char words[64];
	int r;

	if (record->nr >= FI_STORE_MAX)
		return -ENOSPC;
	/* Polling would have the manager drop a pidfd whose process has ended. */
	(void)snprintf(words, sizeof(words),
		       "FDSTORE=1\nFDPOLL=0\nFDNAME=" FI_STORE_PREFIX "%c%" PRIu32, kind, id);
	r = fi_store_tell(fi_kept(FI_KEPT_NOTIFY), words, fd);
	if (r == 0)
		record->nr++;
	return r;
}

int fi_store_drop(int sock, char kind, uint32_t id)
{
	char words[64];

	(void)snprintf(words, sizeof(words),
		       "FDSTOREREMOVE=1\nFDNAME=" FI_STORE_PREFIX "%c%" PRIu32, kind, id);
	return fi_store_tell(sock, words, -1);
}

int fi_store_take_back(char kind, uint32_t id)
{
	int r = fi_store_drop(fi_kept(FI_KEPT_NOTIFY), kind, id);

	if (r == 0)
		fi_ledger()->store.nr--;
	return r;
}

void fi_store_give_space(struct fi_slot *slot, int uffd)
{
	/* Who had the record before may not have been taken back yet. */
	if (fi_kept(FI_KEPT_NOTIFY) >= 0 && !slot->stored &&
	    fi_store_give('s', slot->id, uffd) == 0)
		slot->stored = slot->id;
}
