/* plugin/inject_arch.h - what of inject.c depends on the processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One of inject_*.c has these for the machine that is compiled for; where there is none, nothing is
 * native.
 */
#ifndef FI_PLUGIN_INJECT_ARCH_H
#define FI_PLUGIN_INJECT_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Everything that a stopped task has and a system call changes. */
struct fi_registers {
	union {
		uint64_t align;
		uint8_t bytes[512];
	} general; /* what the kernel calls NT_PRSTATUS */
	size_t len;
};

/* 0, or a negative errno: -ENOTSUP is not used, see fi_arch_is_native. */
int fi_arch_get(pid_t pid, struct fi_registers *ret);

/* Gives the task what fi_arch_get has read at a stop that is not inside a system call. */
int fi_arch_restore(pid_t pid, const struct fi_registers *saved);

/* Whether the task makes the system calls of this program's architecture. */
bool fi_arch_is_native(const struct fi_registers *registers);

/* Changes them so that the instruction at @at, a system call, makes call @nr. */
void fi_arch_set_call(struct fi_registers *registers, uint64_t at, long nr, const uint64_t arg[6]);
int fi_arch_set(pid_t pid, const struct fi_registers *registers);

/* What a system call that has just returned has given. */
int64_t fi_arch_result(const struct fi_registers *registers);

/* Where the stack ends that the task uses: below that nothing is of use to it. */
uint64_t fi_arch_stack(const struct fi_registers *registers);

/* The bytes of the system call instruction, and how it is aligned. */
extern const uint8_t fi_arch_syscall[];
extern const size_t fi_arch_syscall_len, fi_arch_syscall_align;

#endif
