/* plugin/inject_none.c - see inject_arch.h: processors that nobody has written the rest for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#if !defined(__x86_64__) && !defined(__aarch64__)

#include <errno.h>

#include "plugin/inject_arch.h"

const uint8_t fi_arch_syscall[] = { 0 };
const size_t fi_arch_syscall_len = sizeof(fi_arch_syscall), fi_arch_syscall_align = 1;

int fi_arch_get(pid_t pid, struct fi_registers *ret)
{
	(void)pid;
	ret->len = 0;
	return 0;
}

int fi_arch_set(pid_t pid, const struct fi_registers *registers)
{
	(void)pid;
	(void)registers;
	return -ENOSYS;
}

int fi_arch_restore(pid_t pid, const struct fi_registers *saved)
{
	return fi_arch_set(pid, saved);
}

bool fi_arch_is_native(const struct fi_registers *registers)
{
	(void)registers;
	return false;
}

void fi_arch_set_call(struct fi_registers *registers, uint64_t at, long nr, const uint64_t arg[6])
{
	(void)registers;
	(void)at;
	(void)nr;
	(void)arg;
}

int64_t fi_arch_result(const struct fi_registers *registers)
{
	(void)registers;
	return -ENOSYS;
}

uint64_t fi_arch_stack(const struct fi_registers *registers)
{
	(void)registers;
	return 0;
}

#endif
