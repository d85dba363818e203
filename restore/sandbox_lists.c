/* restore/sandbox_lists.c - writes the sandbox's lists of system calls as the kernel takes them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Run while faultin is built: to make the lists takes half a millisecond, and a restore waits for who is
 * confined by them.
 *
 *	sandbox_lists PROCESSOR
 *
 * writes to standard output, in C, fi_keeper_list and fi_engine_list for that processor: "native", or as configure
 * names it.
 *
 * Linux 5.11 remembers for each filter which calls are allowed whatever their arguments, and does not
 * run it for these.  So what a fault costs depends on the one call of it whose argument is looked at,
 * ioctl(2): that comes first, and in one filter of the two that an engine has.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* Of ioctl(2)'s requests: <linux/userfaultfd.h>'s have this type. */
#define UFFDIO_TYPE 0xaa

/* Whoever opens for reading has none of these. */
#define OPENS_TO_WRITE (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)

enum { KEEPER = 1, ENGINE = 2, BOTH = 3 };

struct rule {
	int nr;
	int who;
	struct scmp_arg_cmp cmp; /* op 0: whatever the arguments */
};

#define SYS(name) SCMP_SYS(name)
#define BITS(arg, mask, set)                                                                       \
	{                                                                                          \
		(arg), SCMP_CMP_MASKED_EQ, (mask), (set)                                           \
	}
#define IS(arg, value)                                                                             \
	{                                                                                          \
		(arg), SCMP_CMP_EQ, (value), 0                                                     \
	}

static const struct rule rules[] = {
	/* Faults and events. */
	{ SYS(read), BOTH, { 0 } },
	{ SYS(ioctl), KEEPER, { 0 } },
	{ SYS(ioctl), ENGINE, BITS(1, 0xff00, UFFDIO_TYPE << 8) },
	{ SYS(pread64), BOTH, { 0 } },
	{ SYS(epoll_wait), BOTH, { 0 } },
	{ SYS(epoll_pwait), BOTH, { 0 } },
	{ SYS(futex), BOTH, { 0 } },
	{ SYS(madvise), BOTH, { 0 } },
	{ SYS(fadvise64), BOTH, { 0 } },
	{ SYS_cachestat, BOTH, { 0 } },
	{ SYS(mincore), BOTH, { 0 } },
	{ SYS(readahead), BOTH, { 0 } },
	{ SYS(preadv), BOTH, { 0 } },
	{ SYS(preadv2), BOTH, { 0 } },
	{ SYS(readv), BOTH, { 0 } },
	{ SYS(write), BOTH, { 0 } },
	{ SYS(writev), BOTH, { 0 } },
	{ SYS(pwrite64), BOTH, { 0 } },
	{ SYS(poll), BOTH, { 0 } },
	{ SYS(ppoll), BOTH, { 0 } },
	{ SYS(epoll_create1), BOTH, { 0 } },
	{ SYS(epoll_ctl), BOTH, { 0 } },
	{ SYS(eventfd2), BOTH, { 0 } },
	{ SYS(signalfd4), BOTH, { 0 } },
	{ SYS(timerfd_create), BOTH, { 0 } },
	{ SYS(timerfd_settime), BOTH, { 0 } },

	/* Files: the image's parts, and what /proc says of tasks. */
	{ SYS(openat), KEEPER, { 0 } },
	{ SYS(openat), ENGINE, BITS(2, OPENS_TO_WRITE, O_RDONLY) },
	{ SYS(close), BOTH, { 0 } },
	{ SYS(fstat), BOTH, { 0 } },
	{ SYS(newfstatat), BOTH, { 0 } },
	{ SYS(statx), BOTH, { 0 } },
	{ SYS(stat), BOTH, { 0 } },
	{ SYS(lstat), BOTH, { 0 } },
	{ SYS(fstatfs), BOTH, { 0 } },
	{ SYS(lseek), BOTH, { 0 } },
	{ SYS(getdents64), BOTH, { 0 } },
	{ SYS(readlink), BOTH, { 0 } },
	{ SYS(readlinkat), BOTH, { 0 } },
	{ SYS(fcntl), BOTH, { 0 } },
	{ SYS(dup), BOTH, { 0 } },
	{ SYS(dup2), BOTH, { 0 } },
	{ SYS(dup3), BOTH, { 0 } },
	{ SYS(pipe2), BOTH, { 0 } },
	/* The checked image is handed on in one, the summary in another. */
	{ SYS(memfd_create), BOTH, { 0 } },
	{ SYS(ftruncate), BOTH, { 0 } },
	/* The summary, and what is left of the socket. */
	{ SYS(renameat), KEEPER, { 0 } },
	{ SYS(unlink), KEEPER, { 0 } },
	{ SYS(unlinkat), KEEPER, { 0 } },

	/* Connections that there are, and those that come. */
	{ SYS(accept4), BOTH, { 0 } },
	{ SYS(recvmsg), BOTH, { 0 } },
	{ SYS(recvfrom), BOTH, { 0 } },
	{ SYS(sendmsg), BOTH, { 0 } },
	{ SYS(sendto), BOTH, { 0 } },
	{ SYS(shutdown), BOTH, { 0 } },
	{ SYS(getsockopt), BOTH, { 0 } },
	{ SYS(setsockopt), BOTH, { 0 } },
	{ SYS(getsockname), BOTH, { 0 } },
	{ SYS(getpeername), BOTH, { 0 } },
	/* An engine's, before it enters its role. */
	{ SYS(socket), KEEPER, IS(0, AF_UNIX) },
	{ SYS(socket), KEEPER, IS(0, AF_NETLINK) }, /* process events */
	{ SYS(bind), KEEPER, { 0 } },
	{ SYS(listen), KEEPER, { 0 } },
	{ SYS(fchmod), KEEPER, { 0 } },
	/* For its own memory (pools.h): it cannot hold up the kernel. */
	{ SYS(userfaultfd), KEEPER, IS(0, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY) },

	/* Memory, none of it to be executed. */
	{ SYS(mmap), BOTH, BITS(2, PROT_EXEC, 0) },
	{ SYS(mprotect), BOTH, BITS(2, PROT_EXEC, 0) },
	{ SYS(munmap), BOTH, { 0 } },
	{ SYS(mremap), BOTH, { 0 } },
	{ SYS(brk), BOTH, { 0 } },
	{ SYS(mlock2), KEEPER, { 0 } },

	/* Threads.  The C library tries clone3 first, whose flags a filter cannot see. */
	{ SYS(clone), BOTH,
	  BITS(0, CLONE_VM | CLONE_THREAD | NEW_NAMESPACES, CLONE_VM | CLONE_THREAD) },
	{ SYS(set_robust_list), BOTH, { 0 } },
	{ SYS(rseq), BOTH, { 0 } },
	{ SYS(set_tid_address), BOTH, { 0 } },
	{ SYS(membarrier), BOTH, { 0 } },
	{ SYS(sched_yield), BOTH, { 0 } },
	{ SYS(sched_getaffinity), BOTH, { 0 } },
	{ SYS(sched_setaffinity), BOTH, { 0 } },
	{ SYS(sched_getscheduler), BOTH, { 0 } },
	{ SYS(sched_setscheduler), BOTH, { 0 } },
	{ SYS(sched_getparam), BOTH, { 0 } },
	{ SYS(getpriority), BOTH, IS(0, PRIO_PROCESS) },
	{ SYS(setpriority), BOTH, IS(0, PRIO_PROCESS) },
	{ SYS(getrusage), BOTH, { 0 } },
	{ SYS(getcpu), BOTH, { 0 } },
	{ SYS(prctl), KEEPER, { 0 } },
	{ SYS(prctl), ENGINE, IS(0, PR_SET_NAME) },
	{ SYS(exit), BOTH, { 0 } },
	{ SYS(exit_group), BOTH, { 0 } },

	/* Processes: tasks that cannot be served are killed. */
	{ SYS(kill), BOTH, IS(1, SIGKILL) },
	{ SYS(kill), BOTH, IS(1, 0) },
	{ SYS(tgkill), BOTH, IS(2, SIGABRT) }, /* abort(3) */
	{ SYS(pidfd_open), BOTH, { 0 } },
	{ SYS(pidfd_send_signal), KEEPER, { 0 } },
	{ SYS(pidfd_send_signal), ENGINE, IS(1, SIGKILL) },
	{ SYS(pidfd_send_signal), ENGINE, IS(1, 0) },
	{ SYS(clone3), KEEPER, { 0 } },
	{ SYS(waitid), KEEPER, { 0 } },
	{ SYS(setsid), KEEPER, { 0 } },
	{ SYS(setpgid), KEEPER, { 0 } },
	{ SYS(pause), KEEPER, { 0 } },

	/* To enter another role on top. */
	{ SYS(capget), BOTH, { 0 } },
	{ SYS(capset), KEEPER, { 0 } },
	{ SYS(seccomp), KEEPER, { 0 } },

	{ SYS(rt_sigaction), BOTH, { 0 } },
	{ SYS(rt_sigprocmask), BOTH, { 0 } },
	{ SYS(rt_sigreturn), BOTH, { 0 } },
	{ SYS(sigaltstack), BOTH, { 0 } },
	{ SYS(restart_syscall), BOTH, { 0 } },
	{ SYS(nanosleep), BOTH, { 0 } },
	{ SYS(clock_nanosleep), BOTH, { 0 } },
	{ SYS(clock_gettime), BOTH, { 0 } },
	{ SYS(clock_getres), BOTH, { 0 } },
	{ SYS(gettimeofday), BOTH, { 0 } },
	{ SYS(time), BOTH, { 0 } },
	{ SYS(getrandom), BOTH, { 0 } },
	{ SYS(getpid), BOTH, { 0 } },
	{ SYS(gettid), BOTH, { 0 } },
	{ SYS(getuid), BOTH, { 0 } },
	{ SYS(geteuid), BOTH, { 0 } },
	{ SYS(getgid), BOTH, { 0 } },
	{ SYS(getegid), BOTH, { 0 } },
	{ SYS(sysinfo), BOTH, { 0 } },
	{ SYS(uname), BOTH, { 0 } },
	/* To ask, not to set. */
	{ SYS(getrlimit), BOTH, { 0 } },
	{ SYS(prlimit64), BOTH, IS(2, 0) },
};

static const int frequent[] = { SYS(ioctl), SYS(read), SYS(preadv2), SYS(futex), SYS(epoll_wait) };

/* Their flags are behind a pointer.  Libraries know what to do without them. */
static const int unknown_to_engines[] = { SYS(clone3), SYS(openat2) };

static uint32_t refuse(int err)
{
#ifdef FI_SANITIZED
	(void)err;
	return SCMP_ACT_LOG;
#else
	return SCMP_ACT_ERRNO((uint32_t)err);
#endif
}

static int add_rules(scmp_filter_ctx filter, int who)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < FI_ARRAY_SIZE(rules); i++)
		if (rules[i].who & who)
			r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].nr,
						   rules[i].cmp.op ? 1 : 0, &rules[i].cmp);
	return r;
}

static int hide(scmp_filter_ctx filter)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < FI_ARRAY_SIZE(unknown_to_engines); i++)
		r = seccomp_rule_add(filter, refuse(ENOSYS), unknown_to_engines[i], 0);
	return r == -EACCES ? 0 : r; /* the default says the same */
}

/* Of the processor that the lists are for, whichever this one is. */
static int choose_processor(scmp_filter_ctx filter, const char *name)
{
	uint32_t arch;
	int r;

	if (strcmp(name, "native") == 0)
		return 0;
	arch = seccomp_arch_resolve_name(name);
	if (arch == 0)
		return -EINVAL;
	r = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
	return r < 0 ? r : seccomp_arch_add(filter, arch);
}

static int fill(scmp_filter_ctx filter, int who, const char *processor)
{
	int r = choose_processor(filter, processor);

	/* Calls of another architecture are made by no library of ours.  To kill but the one thread would
	 * leave its work undone. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_rules(filter, who);
	for (size_t i = 0; r == 0 && i < FI_ARRAY_SIZE(frequent); i++)
		r = seccomp_syscall_priority(filter, frequent[i], (uint8_t)(255 - i));
	if (r == 0 && who == ENGINE)
		r = hide(filter);
	return r;
}

/* Prints what libseccomp writes for the kernel. */
static int print(scmp_filter_ctx filter, const char *name)
{
	FILE *file = tmpfile();
	struct sock_filter step;
	int r = file ? seccomp_export_bpf(filter, fileno(file)) : -errno;

	if (r == 0) {
		rewind(file);
		(void)printf("static struct sock_filter %s[] = {\n", name);
		while (fread(&step, sizeof(step), 1, file) == 1)
			(void)printf("\t{ %#x, %u, %u, %#x },\n", step.code, step.jt, step.jf,
				     step.k);
		(void)printf("};\n");
	}
	if (file)
		(void)fclose(file);
	return r;
}

static int write_list(int who, const char *processor, const char *name)
{
	scmp_filter_ctx filter = seccomp_init(refuse(EPERM));
	int r = filter ? fill(filter, who, processor) : -ENOMEM;

	if (r == 0)
		r = print(filter, name);
	if (filter)
		seccomp_release(filter);
	return r;
}

int main(int argc, char **argv)
{
	int r = argc == 2 ? write_list(KEEPER, argv[1], "fi_keeper_list") : -EINVAL;

	if (r == 0)
		r = write_list(ENGINE, argv[1], "fi_engine_list");
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = -EIO;
	if (r < 0)
		(void)fprintf(stderr, "sandbox_lists: %s\n", strerror(-r));
	return r < 0;
}
