/* plugin/task_uffd.c - see task_uffd.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task without CAP_SYS_PTRACE may not call userfaultfd(2), unless vm.unprivileged_userfaultfd is
 * set.  But it may ask a /dev/userfaultfd (Linux 6.1) that somebody else has opened: that one is
 * handed to it.
 */
#include "config.h"

#include "plugin/task_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/task_call.h"
#include "restore/uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* Returns the number of the task's new userfaultfd. */
static int through_device(struct fi_task_call *tc, int device, struct fi_error *err)
{
	int there, r;

	if (device < 0)
		return fi_error_set(err, device,
				    "it has no CAP_SYS_PTRACE, vm.unprivileged_userfaultfd is 0, "
				    "and " FI_TASK_UFFD_DEVICE " cannot be opened: %s",
				    strerror(-device));
	there = fi_task_call_give(tc, device, err);
	if (there < 0)
		return fi_error_prefix(err, there, FI_TASK_UFFD_DEVICE);
	r = (int)fi_task_call(tc, SYS_ioctl, (uint64_t)there, USERFAULTFD_IOC_NEW,
			      O_CLOEXEC | O_NONBLOCK, 0, 0, 0);
	fi_task_call_close(tc, there);
	return r < 0 ? fi_error_set(err, r, FI_TASK_UFFD_DEVICE " in the task: %s", strerror(-r))
		     : r;
}

/* Returns our copy of the task's new userfaultfd, of which it keeps none. */
static int ask(struct fi_task_call *tc, int device, struct fi_error *err)
{
	int there, fd;

	there = (int)fi_task_call(tc, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK, 0, 0, 0, 0, 0);
	if (there == -EPERM)
		there = through_device(tc, device, err);
	else if (there < 0)
		(void)fi_error_set(err, there, "userfaultfd(2) in the task: %s", strerror(-there));
	if (there < 0)
		return there;
	fd = fi_task_call_fetch(tc, there);
	fi_task_call_close(tc, there);
	return fd < 0 ? fi_error_set(err, fd, "pidfd_getfd: %s", strerror(-fd)) : fd;
}

int fi_task_uffd(pid_t pid, int device, bool *intact, struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	struct fi_task_call tc;
	int r;

	*intact = true;
	r = fi_task_call_begin(pid, &tc, err);
	if (r < 0)
		return r;
	fd = ask(&tc, device, err);
	r = fd < 0 ? fd : 0;
	*intact = fi_task_call_end(&tc);
	if (!*intact)
		return r < 0 ? r : fi_error_set(err, -EIO, "its registers cannot be put back");
	if (r < 0)
		return r;
	r = fi_uffd_agree(fd);
	return r < 0 ? fi_error_set(err, r, "UFFDIO_API: %s", strerror(-r)) : fi_take_fd(&fd);
}
