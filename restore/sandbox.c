/* restore/sandbox.c - see sandbox.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux 5.11 remembers for each filter which calls are allowed whatever their arguments, and does not
 * run it for these.  So what a fault costs depends on the one call of it whose argument is looked at,
 * ioctl(2): that comes first, and in one filter of the two that an engine has.
 */
#include "config.h"

#include "restore/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/log.h"

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

/* What each role may keep, of what it has. */
static const unsigned reader_capabilities[] = {
	CAP_DAC_READ_SEARCH, /* the image may be somebody else's */
};
static const unsigned engine_capabilities[] = {
	CAP_KILL,	/* tasks that cannot be served */
	CAP_SYS_PTRACE, /* smaps and stacks of tasks in /proc */
	CAP_SYS_NICE, /* to return from the idle class (placement.c), where RLIMIT_NICE forbids it */
};
static const unsigned keeper_capabilities[] = {
	CAP_KILL,	  CAP_SYS_PTRACE,
	CAP_SYS_NICE,	  CAP_DAC_READ_SEARCH, /* for those that it starts */
	CAP_NET_ADMIN,	  /* process events: an engine's, before it enters its role */
	CAP_IPC_LOCK,	  /* locks the ledger: the same */
	CAP_SYS_RESOURCE, /* out of the OOM killer's reach */
	CAP_DAC_OVERRIDE, /* socket and summary in a work directory of somebody else's */
	CAP_FOWNER,	  /* the same, where it is sticky */
};

/* The list of readers and engines as the kernel takes it: as many bytes as it says.  To make it takes longer
 * than to load it, and each of them loads it. */
static struct sock_filter *engine_program;
static size_t engine_program_size;
static bool wanted;

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

static void tell_no_list(int r)
{
	fi_log(FI_LOG_INFO, "sandbox: no list of system calls (%s), going on without",
	       strerror(-r));
}

/* NULL: not to be had, which the log has been told. */
static scmp_filter_ctx build(int who)
{
	scmp_filter_ctx filter = seccomp_init(refuse(EPERM));
	int r = -ENOMEM;

	if (filter) {
		/* Calls of another architecture are made by no library of ours.  To kill but the one
		 * thread would leave its work undone. */
		r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	}
	if (r == 0)
		r = add_rules(filter, who);
	for (size_t i = 0; r == 0 && i < FI_ARRAY_SIZE(frequent); i++)
		r = seccomp_syscall_priority(filter, frequent[i], (uint8_t)(255 - i));
	if (r == 0 && who == ENGINE)
		r = hide(filter);
	if (r == 0)
		return filter;
	tell_no_list(r);
	seccomp_release(filter);
	return NULL;
}

/* Returns 0, or a negative errno: there is no program. */
static int export(scmp_filter_ctx filter)
{
	fi_auto_close int fd = memfd_create("faultin-sandbox", MFD_CLOEXEC);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	engine_program = malloc((size_t)st.st_size);
	if (!engine_program)
		return -ENOMEM;
	n = pread(fd, engine_program, (size_t)st.st_size, 0);
	engine_program_size = n < 0 ? 0 : (size_t)n;
	return n == st.st_size && n > 0 ? 0 : -EIO;
}

void fi_sandbox_prepare(void)
{
	scmp_filter_ctx filter = build(ENGINE);
	int r;

	wanted = true;
	if (!filter)
		return;
	r = export(filter);
	seccomp_release(filter);
	if (r == 0)
		return;
	tell_no_list(r);
	free(engine_program);
	engine_program = NULL;
}

/* By hand, since libcap-ng reads /proc twice before, a tenth of a millisecond each time. */
static void limit_capabilities(const char *name, const unsigned *keep, size_t nr)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	uint32_t kept[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, sets) < 0) {
		fi_log(FI_LOG_INFO, "sandbox: %s keeps its capabilities: cannot read them", name);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		kept[CAP_TO_INDEX(keep[i])] |= CAP_TO_MASK(keep[i]);
	/* The bounding set is for what is executed, and nothing is. */
	for (size_t i = 0; i < FI_ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= kept[i];
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, sets) < 0)
		fi_log(FI_LOG_INFO, "sandbox: %s keeps its capabilities: %s", name,
		       strerror(errno));
}

/* Returns 0 or a negative errno; 1: there is no list, which the log has been told. */
static int filter_keeper(void)
{
	scmp_filter_ctx filter = build(KEEPER);
	int r;

	if (!filter)
		return 1;
	r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

/* The same. */
static int filter_engine(void)
{
	struct sock_fprog program = {
		.len = (unsigned short)(engine_program_size / sizeof(*engine_program)),
		.filter = engine_program,
	};

	if (!engine_program)
		return 1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

bool fi_sandbox_enter(enum fi_sandbox_role role)
{
	static const struct {
		const char *name;
		const unsigned *capabilities;
		size_t nr;
		int (*filter)(void);
	} roles[] = {
		[FI_SANDBOX_KEEPER] = { "the keeper", keeper_capabilities,
					FI_ARRAY_SIZE(keeper_capabilities), filter_keeper },
		[FI_SANDBOX_READER] = { "the reader", reader_capabilities,
					FI_ARRAY_SIZE(reader_capabilities), filter_engine },
		[FI_SANDBOX_ENGINE] = { "the engine", engine_capabilities,
					FI_ARRAY_SIZE(engine_capabilities), filter_engine },
	};
	const char *name = roles[role].name;
	int r;

	if (!wanted)
		return false;
	limit_capabilities(name, roles[role].capabilities, roles[role].nr);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fi_log(FI_LOG_INFO, "sandbox: no_new_privs: %s", strerror(errno));
#ifndef FI_SANITIZED /* whose search for leaks is a ptrace(2) of oneself */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	r = roles[role].filter();
	if (r < 0)
		fi_log(FI_LOG_INFO, "sandbox: system calls of %s are not filtered: %s", name,
		       strerror(-r));
	else if (r == 0)
		fi_log(FI_LOG_DEBUG, "sandbox: system calls of %s are filtered", name);
	return r == 0;
}
