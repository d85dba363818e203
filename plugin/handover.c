/* plugin/handover.c - see handover.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/handover.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "restore/lazysock.h"

int fi_handover_open(int *ours, int *engines)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ours = pair[0];
	*engines = pair[1];
	return 0;
}

static int send_word(int fd, uint32_t word)
{
	ssize_t n = send(fd, &word, sizeof(word), MSG_NOSIGNAL);

	return n == (ssize_t)sizeof(word) ? 0 : n < 0 ? -errno : -EIO;
}

int fi_handover_zombie(int fd, uint32_t vpid)
{
	return send_word(fd, -vpid);
}

/* @word, and then @descriptor as from process @pid. */
static int send_descriptor(int fd, uint32_t word, pid_t pid, int descriptor)
{
	const struct ucred cred = { .pid = pid, .uid = geteuid(), .gid = getegid() };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(cred)) + CMSG_SPACE(sizeof(descriptor))];
	} control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int r = send_word(fd, word);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(cred));
	memcpy(CMSG_DATA(c), &cred, sizeof(cred));
	c = CMSG_NXTHDR(&msg, c);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(descriptor));
	memcpy(CMSG_DATA(c), &descriptor, sizeof(descriptor));
	if (r < 0)
		return r;
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int fi_handover_task(int fd, uint32_t vpid, pid_t pid, int uffd)
{
	return send_descriptor(fd, vpid, pid, uffd);
}

int fi_handover_file(int fd, uint32_t sharer, int file)
{
	return send_descriptor(fd, FI_LAZYSOCK_FILE + sharer, getpid(), file);
}

int fi_handover_watch(int fd, uint32_t sharer, pid_t pid, int uffd)
{
	return send_descriptor(fd, FI_LAZYSOCK_WATCH + sharer, pid, uffd);
}

int fi_handover_finish(int fd, int timeout_ms)
{
	const uint64_t until = fi_now_ns() + (uint64_t)timeout_ms * 1000000;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char byte;
	int r = send_word(fd, FI_LAZYSOCK_FINISHED);

	while (r == 0) {
		uint64_t now = fi_now_ns();

		if (now >= until) {
			/* From here on it cannot answer any more, and sees that; it may just have. */
			(void)shutdown(fd, SHUT_RDWR);
			return recv(fd, &byte, 1, MSG_DONTWAIT) == 1 ? 0 : -ETIMEDOUT;
		}
		if (poll(&pfd, 1, (int)((until - now) / 1000000) + 1) < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (pfd.revents)
			break;
	}
	if (r < 0)
		return r;
	return recv(fd, &byte, 1, MSG_DONTWAIT) == 1 ? 0 : -EPIPE;
}
