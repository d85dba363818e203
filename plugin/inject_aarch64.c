/* plugin/inject_aarch64.c - see inject_arch.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only compiled so far, never run.  The number of the system call that the task is in is a set of its
 * own here: after our call it has to say "none" again, or the kernel might restart ours.
 */
#include "config.h"

#ifdef __aarch64__

#include <sys/user.h>

#include "plugin/inject_regset.h"

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(((struct fi_registers *)0)->general),
	       "the registers fit");

const uint8_t fi_arch_syscall[] = { 0x01, 0x00, 0x00, 0xd4 }; /* svc #0 */
const size_t fi_arch_syscall_len = sizeof(fi_arch_syscall), fi_arch_syscall_align = 4;

int fi_arch_get(pid_t pid, struct fi_registers *ret)
{
	return fi_regset_get(pid, ret);
}

int fi_arch_set(pid_t pid, const struct fi_registers *registers)
{
	return fi_regset_set(pid, registers);
}

int fi_arch_restore(pid_t pid, const struct fi_registers *saved)
{
	int none = -1;
	struct iovec iov = { &none, sizeof(none) };

	if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &iov) < 0)
		return -errno;
	return fi_regset_set(pid, saved);
}

/* A task of 32 bits has another set, of another size. */
bool fi_arch_is_native(const struct fi_registers *registers)
{
	return registers->len == sizeof(struct user_regs_struct);
}

void fi_arch_set_call(struct fi_registers *registers, uint64_t at, long nr, const uint64_t arg[6])
{
	struct user_regs_struct *regs = (void *)registers->general.bytes;

	regs->pc = at;
	regs->regs[8] = (uint64_t)nr;
	for (int i = 0; i < 6; i++)
		regs->regs[i] = arg[i];
}

int64_t fi_arch_result(const struct fi_registers *registers)
{
	const struct user_regs_struct *regs = (const void *)registers->general.bytes;

	return (int64_t)regs->regs[0];
}

uint64_t fi_arch_stack(const struct fi_registers *registers)
{
	const struct user_regs_struct *regs = (const void *)registers->general.bytes;

	return regs->sp;
}

#endif
