/* restore/uffd.c - see uffd.h: system calls and nothing else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.6; older headers lack it.  Layout and number are the kernel's ABI (linux/userfaultfd.h). */
#ifndef UFFDIO_POISON
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

int fi_uffd_agree(int fd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
			    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	};

	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

int fi_uffd_own(void)
{
	/* No fault is to be served by it, so those of the kernel need not be its business. */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0) {
		const int err = errno;

		(void)close(fd);
		return -err;
	}
	return fd < 0 ? -errno : fd;
}

bool fi_uffd_fault_waits(int info)
{
	static const char words[] = "pending:";
	char text[512];
	const char *at;
	ssize_t len = pread(info, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	at = strstr(text, words);
	return at && strtoul(at + sizeof(words) - 1, NULL, 10) > 0;
}

int fi_uffd_register(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_register reg = {
		.range = { .start = start, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return ioctl(fd, UFFDIO_REGISTER, &reg) < 0 ? -errno : 0;
}

int fi_uffd_read(int fd, struct uffd_msg *msgs, size_t nr)
{
	ssize_t len;

	do {
		len = read(fd, msgs, nr * sizeof(*msgs));
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	if (len == 0 || (size_t)len % sizeof(*msgs))
		return -EPROTO;
	return (int)((size_t)len / sizeof(*msgs));
}

/* What a filling ioctl said: the bytes it filled (or its own negative errno) and errno. */
static int filled(int err, int64_t bytes, uint64_t *done)
{
	*done = bytes > 0 ? (uint64_t)bytes : 0;
	if (err == ENOSPC)
		return -ESRCH;
	return -err;
}

int fi_uffd_copy(int fd, uint64_t dst, const void *src, uint64_t len, uint64_t *done)
{
	struct uffdio_copy copy = { .dst = dst, .src = (uintptr_t)src, .len = len };
	int err = ioctl(fd, UFFDIO_COPY, &copy) < 0 ? errno : 0;

	return filled(err, copy.copy, done);
}

int fi_uffd_zero(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	struct uffdio_zeropage zero = { .range = { .start = dst, .len = len } };
	int err = ioctl(fd, UFFDIO_ZEROPAGE, &zero) < 0 ? errno : 0;

	return filled(err, zero.zeropage, done);
}

int fi_uffd_poison(int fd, uint64_t dst, uint64_t len, uint64_t *done)
{
	struct uffdio_poison poison = { .range = { .start = dst, .len = len } };
	int err = ioctl(fd, UFFDIO_POISON, &poison) < 0 ? errno : 0;

	return filled(err, poison.updated, done);
}

int fi_uffd_wake(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(fd, UFFDIO_WAKE, &range) < 0 ? -errno : 0;
}

static void *unreadable = MAP_FAILED;

static void map_unreadable(void)
{
	unreadable = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int fi_uffd_probe(int fd, uint64_t addr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t done;
	int r;

	/* A copy from a page that cannot be read can never fill anything, but the kernel looks for
	 * unread events and for the address space before it finds that out. */
	(void)pthread_once(&once, map_unreadable);
	if (unreadable == MAP_FAILED)
		return 0;
	r = fi_uffd_copy(fd, addr, unreadable, 4096, &done);
	return r == -EAGAIN || r == -ESRCH || r == -ENOENT ? r : 0;
}

int fi_uffd_unregister(int fd, uint64_t start, uint64_t len)
{
	struct uffdio_range range = { .start = start, .len = len };

	return ioctl(fd, UFFDIO_UNREGISTER, &range) < 0 ? -errno : 0;
}

bool fi_uffd_is(int fd)
{
	static const char what[] = "anon_inode:[userfaultfd]";
	char path[64], link[sizeof(what)];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link));
	return len == sizeof(what) - 1 && memcmp(link, what, sizeof(what) - 1) == 0;
}

void fi_uffd_close(int fd)
{
	(void)close(fd);
}
