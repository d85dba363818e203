/* plugin/task_call.c - see task_call.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A descriptor comes to a task over a socket pair, for which it gets a page of memory for a moment.
 */
#include "config.h"

#include "plugin/task_call.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/pass.h"

#define SCRATCH_BYTES 4096

/* What the task's page holds. */
struct scratch {
	int pair[2];
	struct msghdr header;
	struct iovec iov;
	char byte;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
};

int64_t fi_task_call(struct fi_task_call *tc, long nr, uint64_t a, uint64_t b, uint64_t c,
		     uint64_t d, uint64_t e, uint64_t f)
{
	const uint64_t arg[6] = { a, b, c, d, e, f };
	int64_t result = -EIO;
	int r = tc->broken ? -EIO : fi_inject_call(&tc->in, nr, arg, &result);

	if (r < 0)
		tc->broken = true;
	return r < 0 ? -EIO : result;
}

void fi_task_call_close(struct fi_task_call *tc, int fd)
{
	if (fd >= 0)
		(void)fi_task_call(tc, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

int fi_task_call_fetch(const struct fi_task_call *tc, int fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, tc->pidfd, fd, 0);

	return copy < 0 ? -errno : copy;
}

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fi_task_call_begin(pid_t pid, struct fi_task_call *ret, struct fi_error *err)
{
	int r;

	*ret = (struct fi_task_call){ .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
				      .mem = open_mem(pid) };
	if (ret->pidfd < 0 || ret->mem < 0)
		r = fi_error_set(err, -ESRCH, "cannot open it");
	else
		r = fi_inject_begin(pid, &ret->in, err);
	if (r < 0) {
		fi_close(&ret->pidfd);
		fi_close(&ret->mem);
	}
	return r;
}

bool fi_task_call_end(struct fi_task_call *tc)
{
	const bool intact = fi_inject_end(&tc->in) == 0 && !tc->broken;

	fi_close(&tc->pidfd);
	fi_close(&tc->mem);
	return intact;
}

/* --- giving -------------------------------------------------------------------------------- */

static int peek(const struct fi_task_call *tc, uint64_t page, struct scratch *ret)
{
	ssize_t n = pread(tc->mem, ret, sizeof(*ret), (off_t)page);

	return n == (ssize_t)sizeof(*ret) ? 0 : n < 0 ? -errno : -EIO;
}

static int poke(const struct fi_task_call *tc, uint64_t page, const struct scratch *scratch)
{
	ssize_t n = pwrite(tc->mem, scratch, sizeof(*scratch), (off_t)page);

	return n == (ssize_t)sizeof(*scratch) ? 0 : n < 0 ? -errno : -EIO;
}

/* Over the pair.  Returns its number there. */
static int pass(struct fi_task_call *tc, uint64_t page, struct scratch *s, int fd)
{
	fi_auto_close int near = fi_task_call_fetch(tc, s->pair[0]);
	const char byte = 0;
	int64_t n;
	int r;

	if (near < 0)
		return near;
	r = fi_pass(near, &byte, 1, fd);
	if (r < 0)
		return r;
	s->iov = (struct iovec){ (void *)(page + offsetof(struct scratch, byte)), 1 };
	s->header = (struct msghdr){
		.msg_iov = (struct iovec *)(page + offsetof(struct scratch, iov)),
		.msg_iovlen = 1,
		.msg_control = (void *)(page + offsetof(struct scratch, control)),
		.msg_controllen = sizeof(s->control),
	};
	r = poke(tc, page, s);
	if (r < 0)
		return r;
	n = fi_task_call(tc, SYS_recvmsg, (uint64_t)s->pair[1],
			 page + offsetof(struct scratch, header), MSG_CMSG_CLOEXEC | MSG_DONTWAIT,
			 0, 0, 0);
	if (n < 0)
		return (int)n;
	r = peek(tc, page, s);
	if (r < 0)
		return r;
	if (s->control.align.cmsg_type != SCM_RIGHTS ||
	    s->control.align.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EMFILE; /* there was no room for it in the task's table */
	memcpy(&r, CMSG_DATA(&s->control.align), sizeof(r));
	return r;
}

static int give(struct fi_task_call *tc, uint64_t page, int fd)
{
	struct scratch s = { .pair = { -EBADF, -EBADF } };
	int r;

	r = (int)fi_task_call(tc, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			      page + offsetof(struct scratch, pair), 0, 0);
	if (r < 0)
		return r;
	r = peek(tc, page, &s);
	if (r < 0) {
		tc->broken = true; /* two descriptors of unknown numbers stay there */
		return r;
	}
	r = pass(tc, page, &s, fd);
	fi_task_call_close(tc, s.pair[0]);
	fi_task_call_close(tc, s.pair[1]);
	return r;
}

int fi_task_call_give(struct fi_task_call *tc, int fd, struct fi_error *err)
{
	int64_t page = fi_task_call(tc, SYS_mmap, 0, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0);
	int r;

	if (page < 0)
		return fi_error_set(err, (int)page, "it cannot be given a page: %s",
				    strerror((int)-page));
	r = give(tc, (uint64_t)page, fd);
	if (fi_task_call(tc, SYS_munmap, (uint64_t)page, SCRATCH_BYTES, 0, 0, 0, 0) < 0)
		tc->broken = true;
	return r < 0 ? fi_error_set(err, r, "it cannot be given a descriptor: %s", strerror(-r))
		     : r;
}
