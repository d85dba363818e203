/* plugin/inject.c - see inject.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The task is stopped before and after the call by PTRACE_SYSCALL, whose stops are no signals.  A
 * single step would end with a SIGTRAP of the kernel's: where the task ignores or blocks that one, its
 * handler would be lost.
 */
#include "config.h"

#include "plugin/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define VDSO_MAX     (64 * 1024)

/* Where struct rseq has the critical section's descriptor. */
#define RSEQ_CS_OFFSET 8

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

/* The range of the vdso; false if there is none. */
static bool find_vdso(pid_t pid, uint64_t *start, uint64_t *end)
{
	FILE *maps = open_proc(pid, "maps");
	bool found = false;
	char line[4352], *next;

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, " [vdso]\n"))
			continue;
		*start = strtoull(line, &next, 16);
		*end = *next == '-' ? strtoull(next + 1, &next, 16) : 0;
		found = *start < *end;
	}
	if (maps)
		(void)fclose(maps);
	return found;
}

/* Reads with the rights of who traces the task, whatever the mapping's are. */
static int read_task(pid_t pid, uint64_t addr, void *to, size_t len)
{
	fi_auto_close int fd = -EBADF;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, to, len, (off_t)addr);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int find_instruction(pid_t pid, uint64_t *ret, struct fi_error *err)
{
	fi_auto_free uint8_t *code = NULL;
	uint64_t start, end;
	size_t len;
	int r;

	if (!find_vdso(pid, &start, &end))
		return fi_error_set(err, -ENOEXEC, "it has no vdso");
	len = end - start < VDSO_MAX ? (size_t)(end - start) : VDSO_MAX;
	code = malloc(len);
	if (!code)
		return fi_error_set(err, -ENOMEM, "no memory");
	r = read_task(pid, start, code, len);
	if (r < 0)
		return fi_error_set(err, r, "cannot read its vdso: %s", strerror(-r));
	for (size_t i = 0; i + fi_arch_syscall_len <= len; i += fi_arch_syscall_align) {
		if (memcmp(code + i, fi_arch_syscall, fi_arch_syscall_len) == 0) {
			*ret = start + i;
			return 0;
		}
	}
	return fi_error_set(err, -ENOEXEC, "there is no system call in its vdso");
}

static bool is_filtered(pid_t pid)
{
	FILE *status = open_proc(pid, "status");
	unsigned long mode = 1; /* as good as unknown */
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, "Seccomp:", strlen("Seccomp:")) == 0)
			mode = strtoul(line + strlen("Seccomp:"), NULL, 10);
	if (status)
		(void)fclose(status);
	return mode != 0;
}

static int set_options(pid_t pid, struct fi_error *err)
{
	uintptr_t options = PTRACE_O_TRACESYSGOOD;
	const bool filtered = is_filtered(pid);
	int r;

	if (filtered)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	r = ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) < 0 ? -errno : 0;
	if (r == 0)
		return 0;
	return filtered ? fi_error_set(err, -EPERM, "it has a seccomp filter: %s", strerror(-r))
			: fi_error_set(err, r, "PTRACE_SETOPTIONS: %s", strerror(-r));
}

/* The kernel clears the descriptor of a critical section when it finds the task elsewhere. */
static void note_rseq(struct fi_injection *in)
{
	struct {
		uint64_t address;
		uint32_t size, signature, flags, pad;
	} rseq = { 0 };
	long word;

	in->rseq_cs_at = 0;
	if (ptrace((enum __ptrace_request)0x420f /* PTRACE_GET_RSEQ_CONFIGURATION */, in->pid,
		   (void *)sizeof(rseq), &rseq) < 0 ||
	    rseq.address == 0)
		return;
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, in->pid, (void *)(uintptr_t)(rseq.address + RSEQ_CS_OFFSET),
		      NULL);
	if (errno || word == 0)
		return;
	in->rseq_cs_at = rseq.address + RSEQ_CS_OFFSET;
	in->rseq_cs = (uint64_t)word;
}

int fi_inject_begin(pid_t pid, struct fi_injection *ret, struct fi_error *err)
{
	uint64_t all = UINT64_MAX;
	int r;

	*ret = (struct fi_injection){ .pid = pid };
	r = fi_arch_get(pid, &ret->saved);
	if (r < 0)
		return fi_error_set(err, r, "cannot read its registers: %s", strerror(-r));
	if (!fi_arch_is_native(&ret->saved))
		return fi_error_set(err, -ENOEXEC, "it is of another architecture");
	r = find_instruction(pid, &ret->at, err);
	if (r == 0)
		r = set_options(pid, err);
	if (r < 0)
		return r;
	note_rseq(ret);
	if (ptrace(PTRACE_GETSIGMASK, pid, (void *)sizeof(ret->mask), &ret->mask) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, pid, (void *)sizeof(all), &all) < 0)
		return fi_error_set(err, -errno, "cannot block its signals: %s", strerror(errno));
	return 0;
}

/* Lets it run to the next end of a system call's beginning or return. */
static int run_to_stop(struct fi_injection *in)
{
	int status;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, in->pid, NULL, NULL) < 0)
			return -errno;
		while (waitpid(in->pid, &status, __WALL) < 0)
			if (errno != EINTR)
				return -errno;
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (status >> 8 == SYSCALL_STOP)
			return 0;
		/* Only what cannot be blocked comes here.  It is put back at the end. */
		if (status >> 8 == SIGSTOP)
			in->stop = true;
	}
}

int fi_inject_call(struct fi_injection *in, long nr, const uint64_t arg[6], int64_t *ret)
{
	struct fi_registers registers = in->saved;
	int r;

	fi_arch_set_call(&registers, in->at, nr, arg);
	r = fi_arch_set(in->pid, &registers);
	if (r == 0)
		r = run_to_stop(in);
	if (r == 0)
		r = run_to_stop(in);
	if (r == 0)
		r = fi_arch_get(in->pid, &registers);
	if (r == 0)
		*ret = fi_arch_result(&registers);
	return r;
}

int fi_inject_end(struct fi_injection *in)
{
	int r = fi_arch_restore(in->pid, &in->saved);

	if (r == 0 && ptrace(PTRACE_SETSIGMASK, in->pid, (void *)sizeof(in->mask), &in->mask) < 0)
		r = -errno;
	if (r == 0 && in->rseq_cs_at &&
	    ptrace(PTRACE_POKEDATA, in->pid, (void *)(uintptr_t)in->rseq_cs_at,
		   (void *)(uintptr_t)in->rseq_cs) < 0)
		r = -errno;
	if (in->stop)
		(void)syscall(SYS_tgkill, in->pid, in->pid, SIGSTOP);
	return r;
}
