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

#include "restore/ledger.h"

#define DESCRIPTORS 4 /* that there is room for: one is expected */

int fi_lazysock_listen(struct fi_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = FI_LAZYSOCK_NAME };
	fi_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat bound;

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
	/* The one in the working directory may be another engine's later. */
	fi_ledger()->session.socket_dev = bound.st_dev;
	fi_ledger()->session.socket_ino = bound.st_ino;
	return fi_take_fd(&fd);
}

void fi_lazysock_unlink(void)
{
	struct stat now;

	if (lstat(FI_LAZYSOCK_NAME, &now) == 0 && now.st_dev == fi_ledger()->session.socket_dev &&
	    now.st_ino == fi_ledger()->session.socket_ino)
		(void)unlink(FI_LAZYSOCK_NAME);
}

int fi_lazysock_accept(int listener, struct fi_lazysock *ret, struct fi_error *err)
{
	fi_auto_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	if (fd < 0)
		return fi_error_set(err, -errno, "cannot accept: %s", strerror(errno));
	r = fi_lazysock_welcome(fd, ret, err);
	if (r == 0)
		(void)fi_take_fd(&fd);
	return r;
}

bool fi_lazysock_is_name(int fd)
{
	struct sockaddr_un addr = { 0 };
	socklen_t len = sizeof(addr);

	return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
	       strncmp(addr.sun_path, FI_LAZYSOCK_NAME, sizeof(addr.sun_path)) == 0;
}

int fi_lazysock_welcome(int fd, struct fi_lazysock *ret, struct fi_error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int on = 1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return fi_error_set(err, -errno, "who connected? %s", strerror(errno));
	if (peer.uid != 0 && peer.uid != geteuid())
		return fi_error_set(err, -EPERM, "refused a connection from uid %u, pid %d",
				    (unsigned)peer.uid, (int)peer.pid);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return fi_error_set(err, -errno, "SO_PASSCRED: %s", strerror(errno));

	*ret = (struct fi_lazysock){ .fd = fd };
	return 0;
}

/* What came along with the bytes. */
struct ancillary {
	int fd;
	pid_t pid;
};

/* All descriptors but the last are closed, and forgotten before. */
static void take_ancillary(struct msghdr *msg, struct ancillary *ret)
{
	int *last = NULL;

	*ret = (struct ancillary){ .fd = -EBADF };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred cred;

			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			ret->pid = cred.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			int *fds = (int *)(void *)CMSG_DATA(c);
			size_t nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < nr; i++) {
				if (fds[i] < 0)
					continue;
				if (last)
					*last = -EBADF;
				fi_close(&ret->fd);
				ret->fd = fds[i];
				last = &fds[i];
			}
		}
	}
}

static struct msghdr header(struct iovec *iov, void *control, size_t size)
{
	return (struct msghdr){
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = size,
	};
}

/* Returns the bytes received, 0 at the end, or a negative errno. */
static ssize_t receive(int fd, struct msghdr *msg)
{
	ssize_t n;

	do {
		n = recvmsg(fd, msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t receive_word(struct fi_lazysock *sock, struct fi_error *err)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec iov = { sock->word + sock->have, sizeof(sock->word) - sock->have };
	struct msghdr msg = header(&iov, &control, sizeof(control));
	struct ancillary with;
	ssize_t n = receive(sock->fd, &msg);

	if (n < 0)
		return n;
	take_ancillary(&msg, &with);
	if (with.fd < 0)
		return n;
	fi_close(&with.fd);
	return fi_error_set(err, -EPROTO, "a descriptor came before its vpid");
}

/* What the kernel has left in `control`. */
static struct ancillary came(const struct fi_lazysock *sock)
{
	const size_t size =
		CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS * sizeof(int));
	struct msghdr msg = header(NULL, (void *)(uintptr_t)sock->control.room, size);
	struct ancillary with;

	take_ancillary(&msg, &with);
	return with;
}

static enum fi_lazy_kind kind_of(uint32_t word)
{
	switch (word & ~(FI_LAZYSOCK_SHARERS - 1)) {
	case FI_LAZYSOCK_FILE:
		return FI_LAZY_FILE;
	case FI_LAZYSOCK_WATCH:
		return FI_LAZY_WATCH;
	default:
		return FI_LAZY_TASK;
	}
}

static int next_fd(struct fi_lazysock *sock, struct fi_lazy_msg *ret, struct fi_error *err)
{
	struct ancillary with = came(sock);
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg =
		header(&iov, sock->control.room,
		       CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS * sizeof(int)));
	ssize_t n = 1;

	if (with.fd < 0) {
		n = receive(sock->fd, &msg);
		if (n >= 0)
			with = came(sock);
	}
	if (n < 0)
		return (int)n;
	if (n == 0 || with.fd < 0) {
		fi_close(&with.fd);
		memset(&sock->control, 0, sizeof(sock->control));
		return fi_error_set(err, -EPROTO, "no userfaultfd came for vpid %" PRIu32,
				    sock->vpid);
	}
	sock->told = true;
	*ret = (struct fi_lazy_msg){
		.kind = kind_of(sock->vpid),
		.vpid = sock->vpid,
		.uffd = with.fd,
		.pid = with.pid,
	};
	if (ret->kind != FI_LAZY_TASK)
		ret->vpid %= FI_LAZYSOCK_SHARERS;
	return 0;
}

/* The next one is another message.  `control` is cleared when a descriptor is wanted again. */
static void forget(struct fi_lazysock *sock)
{
	memset(sock->word, 0, sizeof(sock->word));
	sock->have = 0;
	sock->wants_fd = false;
	sock->told = false;
}

int fi_lazysock_next(struct fi_lazysock *sock, struct fi_lazy_msg *ret, struct fi_error *err)
{
	uint32_t word;
	ssize_t n = 0;

	if (sock->told)
		forget(sock);
	if (sock->wants_fd)
		return next_fd(sock, ret, err);

	if (sock->have < sizeof(sock->word)) {
		n = receive_word(sock, err);
		if (n == -ECONNRESET || (n == 0 && sock->have == 0)) {
			*ret = (struct fi_lazy_msg){ .kind = FI_LAZY_CLOSED, .uffd = -EBADF };
			return 0;
		}
		if (n < 0)
			return (int)n;
		if (n == 0)
			return fi_error_set(err, -EPROTO, "the connection ended inside a message");
		sock->have += (uint32_t)n;
	}
	if (sock->have < sizeof(sock->word))
		return -EAGAIN; /* level-triggered: poll again */
	memcpy(&word, sock->word, sizeof(word));

	*ret = (struct fi_lazy_msg){ .uffd = -EBADF };
	if (word == FI_LAZYSOCK_FINISHED) {
		sock->told = true;
		ret->kind = FI_LAZY_FINISHED;
		return 0;
	}
	if (word == 0 || word == (uint32_t)INT32_MIN) {
		forget(sock);
		return fi_error_set(err, -EPROTO, "vpid %" PRId32 " makes no sense", (int32_t)word);
	}
	if ((int32_t)word < 0) {
		sock->told = true;
		ret->kind = FI_LAZY_ZOMBIE;
		ret->vpid = -word;
		return 0;
	}
	sock->vpid = word;
	memset(&sock->control, 0, sizeof(sock->control));
	atomic_signal_fence(memory_order_seq_cst);
	sock->wants_fd = true;
	return next_fd(sock, ret, err);
}

void fi_lazysock_resume(struct fi_lazysock *sock)
{
	const unsigned char nothing[sizeof(sock->word)] = { 0 };

	/* A word is sent at once, so it has come as a whole or not. */
	sock->told = false;
	if (sock->have == 0 && memcmp(sock->word, nothing, sizeof(nothing)) != 0)
		sock->have = sizeof(sock->word);
}

int fi_lazysock_holds(const struct fi_lazysock *sock)
{
	return sock->wants_fd ? came(sock).fd : -EBADF;
}

void fi_lazysock_done(struct fi_lazysock *sock)
{
	fi_close(&sock->fd);
}
