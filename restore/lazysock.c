/* restore/lazysock.c - see lazysock.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/lazysock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Which file bind made: the one in the working directory may be another engine's later. */
static struct stat bound;

int fi_lazysock_listen(struct fi_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = FI_LAZYSOCK_NAME };
	fi_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fi_error_set(err, -errno, "cannot make a socket: %s", strerror(errno));
	if (unlink(FI_LAZYSOCK_NAME) < 0 && errno != ENOENT)
		return fi_error_set(err, -errno, "cannot remove the old '%s': %s", FI_LAZYSOCK_NAME,
				    strerror(errno));
	/* Before bind, so that nobody else can connect in between: the mode of the socket's inode
	 * is what bind gives the file. */
	(void)fchmod(fd, 0600);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    lstat(FI_LAZYSOCK_NAME, &bound) < 0 || listen(fd, 1) < 0)
		return fi_error_set(err, -errno, "cannot listen at '%s': %s", FI_LAZYSOCK_NAME,
				    strerror(errno));
	return fi_take_fd(&fd);
}

void fi_lazysock_unlink(void)
{
	struct stat now;

	if (lstat(FI_LAZYSOCK_NAME, &now) == 0 && now.st_dev == bound.st_dev &&
	    now.st_ino == bound.st_ino)
		(void)unlink(FI_LAZYSOCK_NAME);
}

int fi_lazysock_accept(int listener, struct fi_lazysock *ret, struct fi_error *err)
{
	fi_auto_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int on = 1;

	if (fd < 0)
		return fi_error_set(err, -errno, "cannot accept: %s", strerror(errno));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return fi_error_set(err, -errno, "who connected? %s", strerror(errno));
	if (peer.uid != 0 && peer.uid != geteuid())
		return fi_error_set(err, -EPERM, "refused a connection from uid %u, pid %d",
				    (unsigned)peer.uid, (int)peer.pid);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return fi_error_set(err, -errno, "SO_PASSCRED: %s", strerror(errno));

	*ret = (struct fi_lazysock){ .fd = fi_take_fd(&fd) };
	return 0;
}

/* What came along with the bytes. */
struct ancillary {
	int fd;
	pid_t pid;
};

static void take_ancillary(struct msghdr *msg, struct ancillary *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			ret->pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			size_t nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < nr; i++) {
				fi_close(&ret->fd); /* one is expected: the last counts */
				memcpy(&ret->fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			}
		}
	}
}

/* Returns the bytes received, 0 at the end, or a negative errno. */
static ssize_t receive(int fd, void *buf, size_t len, struct ancillary *ret)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_ancillary(&msg, ret);
	return n;
}

static int next_fd(struct fi_lazysock *sock, struct fi_lazy_msg *ret, struct fi_error *err)
{
	struct ancillary with = { .fd = -EBADF };
	char byte;
	ssize_t n = receive(sock->fd, &byte, 1, &with);

	if (n < 0)
		return (int)n;
	if (n == 0 || with.fd < 0) {
		fi_close(&with.fd);
		return fi_error_set(err, -EPROTO, "no userfaultfd came for vpid %" PRIu32,
				    sock->vpid);
	}
	sock->wants_fd = false;
	*ret = (struct fi_lazy_msg){
		.kind = FI_LAZY_TASK, .vpid = sock->vpid, .uffd = with.fd, .pid = with.pid
	};
	return 0;
}

int fi_lazysock_next(struct fi_lazysock *sock, struct fi_lazy_msg *ret, struct fi_error *err)
{
	struct ancillary with = { .fd = -EBADF };
	uint32_t word;
	ssize_t n;

	if (sock->wants_fd)
		return next_fd(sock, ret, err);

	n = receive(sock->fd, sock->word + sock->have, sizeof(sock->word) - sock->have, &with);
	if (with.fd >= 0) {
		fi_close(&with.fd);
		return fi_error_set(err, -EPROTO, "a descriptor came before its vpid");
	}
	if (n == -ECONNRESET || (n == 0 && sock->have == 0)) {
		*ret = (struct fi_lazy_msg){ .kind = FI_LAZY_CLOSED, .uffd = -EBADF };
		return 0;
	}
	if (n < 0)
		return (int)n;
	if (n == 0)
		return fi_error_set(err, -EPROTO, "the connection ended inside a message");

	sock->have += (size_t)n;
	if (sock->have < sizeof(sock->word))
		return -EAGAIN; /* level-triggered: poll again */
	sock->have = 0;
	memcpy(&word, sock->word, sizeof(word));

	*ret = (struct fi_lazy_msg){ .uffd = -EBADF };
	if (word == FI_LAZYSOCK_FINISHED) {
		ret->kind = FI_LAZY_FINISHED;
		return 0;
	}
	if (word == 0 || word == (uint32_t)INT32_MIN)
		return fi_error_set(err, -EPROTO, "vpid %" PRId32 " makes no sense", (int32_t)word);
	if ((int32_t)word < 0) {
		ret->kind = FI_LAZY_ZOMBIE;
		ret->vpid = -word;
		return 0;
	}
	sock->vpid = word;
	sock->wants_fd = true;
	return next_fd(sock, ret, err);
}

void fi_lazysock_done(struct fi_lazysock *sock)
{
	fi_close(&sock->fd);
}
