/* tests/fuzz/fuzz-lazysock.c - the lazy protocol, in any pieces, with and without descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a script for the sender.  Each step is a byte:
 *   bits 0-3  so many bytes of the input are sent
 *   bits 4-5  so many descriptors go with them; 3: more than there is room for
 *   bit 6     then the receiver looks
 *   bit 7     then it dies, and another one goes on
 */
#include "config.h"

#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "restore/lazysock.h"
#include "tests/fuzz/fuzz.h"

#define TOO_MANY 6

/* What the receiver was given last, and has to be given again if it dies. */
static struct fi_lazy_msg given;
static bool again;

static void say(int fd, const uint8_t *bytes, size_t len, size_t nr_fds)
{
	const int some[TOO_MANY] = { fd, fd, fd, fd, fd, fd };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(some))];
	} control;
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr_fds > 0) {
		struct cmsghdr *c = &control.align;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), some, nr_fds * sizeof(int));
	}
	/* What does not fit any more is lost, as the sender is faster than the receiver. */
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void check(const struct fi_lazy_msg *msg)
{
	const bool shared = msg->kind == FI_LAZY_FILE || msg->kind == FI_LAZY_WATCH;

	FUZZ_CHECK(msg->kind <= FI_LAZY_CLOSED);
	FUZZ_CHECK((shared || msg->kind == FI_LAZY_TASK) == (msg->uffd >= 0));
	if (shared)
		FUZZ_CHECK(msg->vpid < FI_LAZYSOCK_SHARERS);
	if (msg->kind == FI_LAZY_TASK || msg->kind == FI_LAZY_ZOMBIE)
		FUZZ_CHECK(msg->vpid > 0);
	if (msg->uffd >= 0)
		FUZZ_CHECK(msg->pid == getpid() && fcntl(msg->uffd, F_GETFD) == FD_CLOEXEC);
}

/* Reads on until there is nothing, or nothing more; false after an error. */
static bool look(struct fi_lazysock *sock)
{
	struct fi_error error = { "" };
	struct fi_lazy_msg msg;
	int r;

	do {
		if (!again)
			fi_close(&given.uffd);
		r = fi_lazysock_next(sock, &msg, &error);
		if (again)
			FUZZ_CHECK(r == 0 && msg.kind == given.kind && msg.vpid == given.vpid &&
				   msg.uffd == given.uffd && msg.pid == given.pid);
		again = false;
		if (r < 0)
			break;
		check(&msg);
		given = msg;
	} while (msg.kind != FI_LAZY_CLOSED);
	FUZZ_CHECK(r != -EPROTO || error.text[0]);
	return r == 0 || r == -EAGAIN;
}

static void die(struct fi_lazysock *sock)
{
	fi_lazysock_resume(sock);
	if (given.uffd < 0)
		return;
	FUZZ_CHECK(fi_lazysock_holds(sock) == given.uffd);
	again = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fi_lazysock sock = { .fd = -EBADF };
	bool good = true;
	int pair[2], on = 1, first, last;
	size_t len;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0 ||
	    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		err(1, "cannot make sockets");
	first = dup(pair[1]);
	(void)close(first);
	sock.fd = pair[0];
	given.uffd = -EBADF;
	again = false;
	while (good && size > 0) {
		const uint8_t step = *data++;

		size--;
		len = step & 15;
		len = len < size ? len : size;
		if (len > 0)
			say(pair[1], data, len, (step >> 4 & 3) == 3 ? TOO_MANY : step >> 4 & 3);
		data += len;
		size -= len;
		if (step & 0x40)
			good = look(&sock);
		if (good && (step & 0x80))
			die(&sock);
	}
	(void)shutdown(pair[1], SHUT_WR);
	if (good)
		(void)look(&sock);
	fi_close(&given.uffd);
	/* Whatever came is closed by now, or was taken out of the message. */
	last = dup(pair[1]);
	FUZZ_CHECK(last == first);
	(void)close(last);
	fi_lazysock_done(&sock);
	(void)close(pair[1]);
	return 0;
}
