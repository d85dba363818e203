/* plugin/inject.h - has a stopped task make system calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The caller traces the task with ptrace(2), as CRIU does at the end of a restore, and the task is
 * stopped on its way out of a system call.  Only this one thread of the task runs, and only from an
 * instruction of its vdso into the kernel and back: no signal reaches it, no handler is changed, no
 * memory of its own is read.  What is put back at the end: its registers, its signal mask, and the
 * rseq critical section that it may be in, which the kernel would end.
 */
#ifndef FI_PLUGIN_INJECT_H
#define FI_PLUGIN_INJECT_H

#include "common/error.h"
#include "plugin/inject_arch.h"

struct fi_injection {
	pid_t pid;
	uint64_t at; /* the instruction */
	struct fi_registers saved;
	uint64_t mask;
	uint64_t rseq_cs_at, rseq_cs; /* 0: none */
	bool stop;		      /* a SIGSTOP came meanwhile */
};

/* Returns 0, or, with the task as it was and saying in @err why its calls cannot be made:
 *   -ENOEXEC  it is of another architecture, or has no vdso
 *   -EPERM    a seccomp filter of its own cannot be suspended
 *   or what ptrace(2) and /proc gave (-ESRCH: it has died)
 */
int fi_inject_begin(pid_t pid, struct fi_injection *ret, struct fi_error *err);

/* Makes one call.  Returns 0 with what it gave (a negative errno when it failed) in *@ret, or a
 * negative errno when it could not be made: the task's state is not what it was, then. */
int fi_inject_call(struct fi_injection *injection, long nr, const uint64_t arg[6], int64_t *ret);

/* Puts everything back.  Returns 0, or a negative errno: the task must not run on. */
int fi_inject_end(struct fi_injection *injection);

#endif
