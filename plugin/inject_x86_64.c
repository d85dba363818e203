/* plugin/inject_x86_64.c - see inject_arch.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * orig_rax is among the general registers: with it a system call that is to be restarted stays one.
 * A task of 32 bits has another set, of another size.
 */
#include "config.h"

#ifdef __x86_64__

#include <sys/user.h>

#include "plugin/inject_regset.h"

#define CODE_OF_64_BITS 0x33

_Static_assert(sizeof(struct user_regs_struct) <= sizeof(((struct fi_registers *)0)->general),
	       "the registers fit");

const uint8_t fi_arch_syscall[] = { 0x0f, 0x05 };
const size_t fi_arch_syscall_len = sizeof(fi_arch_syscall), fi_arch_syscall_align = 1;

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
	return fi_regset_set(pid, saved);
}

bool fi_arch_is_native(const struct fi_registers *registers)
{
	const struct user_regs_struct *regs = (const void *)registers->general.bytes;

	return registers->len == sizeof(*regs) && regs->cs == CODE_OF_64_BITS;
}

void fi_arch_set_call(struct fi_registers *registers, uint64_t at, long nr, const uint64_t arg[6])
{
	struct user_regs_struct *regs = (void *)registers->general.bytes;

	regs->rip = at;
	regs->rax = (uint64_t)nr;
	regs->orig_rax = UINT64_MAX; /* in no system call: nothing is restarted */
	regs->rdi = arg[0];
	regs->rsi = arg[1];
	regs->rdx = arg[2];
	regs->r10 = arg[3];
	regs->r8 = arg[4];
	regs->r9 = arg[5];
}

int64_t fi_arch_result(const struct fi_registers *registers)
{
	const struct user_regs_struct *regs = (const void *)registers->general.bytes;

	return (int64_t)regs->rax;
}

uint64_t fi_arch_stack(const struct fi_registers *registers)
{
	const struct user_regs_struct *regs = (const void *)registers->general.bytes;

	return regs->rsp - 128; /* the red zone */
}

#endif
