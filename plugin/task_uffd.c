/* plugin/task_uffd.c - see task_uffd.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task without CAP_SYS_PTRACE may not call userfaultfd(2), unless vm.unprivileged_userfaultfd is
 * set.  But it may ask a /dev/userfaultfd (Linux 6.1) that somebody else has opened: that one is
 * handed to it over a socket pair, for which it gets a page of memory for a moment.
 */
#include "config.h"

#include "plugin/task_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plugin/inject.h"
#include "plugin/pass.h"
#include "restore/uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

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

/* One attempt.  `broken`: a call could not be made. */
struct request {
	struct fi_injection in;
	int pidfd, mem;
	bool broken;
};

static int64_t call(struct request *rq, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
		    uint64_t e, uint64_t f)
{
	const uint64_t arg[6] = { a, b, c, d, e, f };
	int64_t result = -EIO;
	int r = rq->broken ? -EIO : fi_inject_call(&rq->in, nr, arg, &result);

	if (r < 0)
		rq->broken = true;
	return r < 0 ? r : result;
}

static void close_there(struct request *rq, int fd)
{
	if (fd >= 0)
		(void)call(rq, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

/* Our copy of descriptor @fd of the task. */
static int fetch(const struct request *rq, int fd)
{
	int copy = (int)syscall(SYS_pidfd_getfd, rq->pidfd, fd, 0);

	return copy < 0 ? -errno : copy;
}

/* --- through the device -------------------------------------------------------------------- */

static int peek(const struct request *rq, uint64_t page, struct scratch *ret)
{
	ssize_t n = pread(rq->mem, ret, sizeof(*ret), (off_t)page);

	return n == (ssize_t)sizeof(*ret) ? 0 : n < 0 ? -errno : -EIO;
}

static int poke(const struct request *rq, uint64_t page, const struct scratch *scratch)
{
	ssize_t n = pwrite(rq->mem, scratch, sizeof(*scratch), (off_t)page);

	return n == (ssize_t)sizeof(*scratch) ? 0 : n < 0 ? -errno : -EIO;
}

/* Hands @device to the task.  Returns its number there. */
static int hand_over(struct request *rq, uint64_t page, struct scratch *s, int device)
{
	fi_auto_close int near = fetch(rq, s->pair[0]);
	const char byte = 0;
	int64_t n;
	int r;

	if (near < 0)
		return near;
	r = fi_pass(near, &byte, 1, device);
	if (r < 0)
		return r;
	s->iov = (struct iovec){ (void *)(page + offsetof(struct scratch, byte)), 1 };
	s->header = (struct msghdr){
		.msg_iov = (struct iovec *)(page + offsetof(struct scratch, iov)),
		.msg_iovlen = 1,
		.msg_control = (void *)(page + offsetof(struct scratch, control)),
		.msg_controllen = sizeof(s->control),
	};
	r = poke(rq, page, s);
	if (r < 0)
		return r;
	n = call(rq, SYS_recvmsg, (uint64_t)s->pair[1], page + offsetof(struct scratch, header),
		 MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0, 0, 0);
	if (n < 0)
		return (int)n;
	r = peek(rq, page, s);
	if (r < 0)
		return r;
	if (s->control.align.cmsg_type != SCM_RIGHTS ||
	    s->control.align.cmsg_len != CMSG_LEN(sizeof(int)))
		return -EMFILE; /* there was no room for it in the task's table */
	memcpy(&r, CMSG_DATA(&s->control.align), sizeof(r));
	return r;
}

static int ask_device(struct request *rq, uint64_t page, int device)
{
	struct scratch s = { .pair = { -EBADF, -EBADF } };
	int fd = -EBADF, r;

	r = (int)call(rq, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		      page + offsetof(struct scratch, pair), 0, 0);
	if (r < 0)
		return r;
	r = peek(rq, page, &s);
	if (r < 0) {
		rq->broken = true; /* two descriptors of unknown numbers stay there */
		return r;
	}
	r = hand_over(rq, page, &s, device);
	if (r >= 0) {
		fd = (int)call(rq, SYS_ioctl, (uint64_t)r, USERFAULTFD_IOC_NEW,
			       O_CLOEXEC | O_NONBLOCK, 0, 0, 0);
		close_there(rq, r);
		r = fd;
	}
	close_there(rq, s.pair[0]);
	close_there(rq, s.pair[1]);
	return r;
}

/* Returns the number of the task's new userfaultfd. */
static int through_device(struct request *rq, int device, struct fi_error *err)
{
	int64_t page;
	int r;

	if (device < 0)
		return fi_error_set(err, device,
				    "it has no CAP_SYS_PTRACE, vm.unprivileged_userfaultfd is 0, "
				    "and " FI_TASK_UFFD_DEVICE " cannot be opened: %s",
				    strerror(-device));
	page = call(rq, SYS_mmap, 0, SCRATCH_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0);
	if (page < 0)
		return fi_error_set(err, (int)page, "it cannot be given a page: %s",
				    strerror((int)-page));
	r = ask_device(rq, (uint64_t)page, device);
	if (call(rq, SYS_munmap, (uint64_t)page, SCRATCH_BYTES, 0, 0, 0, 0) < 0)
		rq->broken = true;
	return r < 0 ? fi_error_set(err, r, FI_TASK_UFFD_DEVICE " in the task: %s", strerror(-r))
		     : r;
}

/* --- both ways ------------------------------------------------------------------------------ */

static int ask(struct request *rq, int device, struct fi_error *err)
{
	int there, fd;

	there = (int)call(rq, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0, 0);
	if (there == -EPERM && !rq->broken)
		there = through_device(rq, device, err);
	else if (there < 0)
		(void)fi_error_set(err, there, "userfaultfd(2) in the task: %s", strerror(-there));
	if (there < 0)
		return there;
	fd = fetch(rq, there);
	close_there(rq, there);
	return fd < 0 ? fi_error_set(err, fd, "pidfd_getfd: %s", strerror(-fd)) : fd;
}

static int open_mem(pid_t pid)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fi_task_uffd(pid_t pid, int device, bool *intact, struct fi_error *err)
{
	fi_auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), mem = open_mem(pid);
	fi_auto_close int fd = -EBADF;
	struct request rq = { .pidfd = pidfd, .mem = mem };
	int r;

	*intact = true;
	if (pidfd < 0 || mem < 0)
		return fi_error_set(err, -ESRCH, "cannot open it");
	r = fi_inject_begin(pid, &rq.in, err);
	if (r < 0)
		return r;
	fd = ask(&rq, device, err);
	r = fd < 0 ? fd : 0;
	*intact = fi_inject_end(&rq.in) == 0 && !rq.broken;
	if (!*intact)
		return r < 0 ? r : fi_error_set(err, -EIO, "its registers cannot be put back");
	if (r < 0)
		return r;
	r = fi_uffd_agree(fd);
	return r < 0 ? fi_error_set(err, r, "UFFDIO_API: %s", strerror(-r)) : fi_take_fd(&fd);
}
