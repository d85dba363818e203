/* plugin/inject_regset.h - general registers through ptrace(2), the same way on every architecture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_PLUGIN_INJECT_REGSET_H
#define FI_PLUGIN_INJECT_REGSET_H

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "plugin/inject_arch.h"

static inline int fi_regset_get(pid_t pid, struct fi_registers *ret)
{
	struct iovec iov = { ret->general.bytes, sizeof(ret->general.bytes) };

	if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0)
		return -errno;
	ret->len = iov.iov_len;
	return 0;
}

static inline int fi_regset_set(pid_t pid, const struct fi_registers *registers)
{
	struct iovec iov = { (void *)(uintptr_t)registers->general.bytes, registers->len };

	return ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0 ? -errno : 0;
}

#endif
