/* tests/unit/test-sandbox.c - what each role is refused, and what it may do, on the real kernel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every call is made in a child of its own, which has entered the role or, as a control, none: a call
 * that fails with EPERM anyway would prove nothing.  They have arguments with which they do no harm
 * should they be let through.
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/log.h"
#include "restore/sandbox.h"

enum { NO_ROLE = -1 };

/* How a child ends that could not even begin. */
#define NOT_FILTERED 200

static char scratch[] = "/tmp/test-sandbox.XXXXXX"; /* a file: what is written to must be seen */

/* In a child: @call after @role was entered.  Returns its exit status, or 256 + the signal. */
static int in_role(int role, int (*call)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fi_log_init(STDERR_FILENO, FI_LOG_ERROR);
		fi_sandbox_enable();
		if (role != NO_ROLE && !fi_sandbox_enter((enum fi_sandbox_role)role))
			_exit(NOT_FILTERED);
		_exit(call());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#define CALL(name, expression)                                                                     \
	static int name(void)                                                                      \
	{                                                                                          \
		errno = 0;                                                                         \
		return (long)(expression) < 0 ? errno : 0;                                         \
	}

static const char *const nothing[] = { NULL };
static char byte;
static struct iovec one_byte = { &byte, 1 };
static const struct sockaddr_un nobody = { .sun_family = AF_UNIX, .sun_path = "/nosuch/nosuch" };

CALL(call_execve, execve("/nosuch", (char *const *)nothing, (char *const *)nothing))
CALL(call_execveat, syscall(SYS_execveat, -1, "x", nothing, nothing, 0))
CALL(call_fork, syscall(SYS_clone, SIGCHLD | CLONE_SIGHAND, NULL, NULL, NULL, NULL))
CALL(call_clone_process, syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, NULL))
CALL(call_clone3, syscall(SYS_clone3, NULL, 0))
CALL(call_unshare, syscall(SYS_unshare, -1))
CALL(call_setns, syscall(SYS_setns, -1, 0))
CALL(call_socket_inet, socket(AF_INET, SOCK_STREAM, 0))
CALL(call_socket_unix, socket(AF_UNIX, SOCK_STREAM, 0))
CALL(call_socket_netlink, socket(AF_NETLINK, SOCK_RAW, 0))
CALL(call_socketpair, syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))
CALL(call_connect, connect(-1, (const struct sockaddr *)&nobody, sizeof(nobody)))
CALL(call_bind, bind(-1, (const struct sockaddr *)&nobody, sizeof(nobody)))
CALL(call_listen, listen(-1, 1))
CALL(call_ptrace, ptrace(PTRACE_ATTACH, 0, NULL, NULL))
CALL(call_vm_writev, process_vm_writev(0, &one_byte, 1, &one_byte, 1, 1))
CALL(call_vm_readv, process_vm_readv(0, &one_byte, 1, &one_byte, 1, 1))
CALL(call_pidfd_getfd, syscall(SYS_pidfd_getfd, -1, 0, 0))
CALL(call_kcmp, syscall(SYS_kcmp, 0, 0, 0, 0, 0))
CALL(call_process_madvise, syscall(SYS_process_madvise, -1, NULL, 0, 0, 0))
CALL(call_open, syscall(SYS_open, scratch, O_RDONLY))
CALL(call_creat, syscall(SYS_creat, scratch, 0600))
CALL(call_open_to_write, open(scratch, O_WRONLY))
CALL(call_open_to_both, open(scratch, O_RDWR))
CALL(call_open_to_neither, open(scratch, O_ACCMODE))
CALL(call_open_to_make, open(scratch, O_RDONLY | O_CREAT, 0600))
CALL(call_open_to_empty, open(scratch, O_RDONLY | O_TRUNC))
CALL(call_open_nameless, open("/tmp", O_TMPFILE | O_RDWR, 0600))
CALL(call_open_to_append, open(scratch, O_WRONLY | O_APPEND))
CALL(call_openat2, syscall(SYS_openat2, -1, NULL, NULL, 0))
CALL(call_open_handle, syscall(SYS_open_by_handle_at, -1, NULL, 0))
CALL(call_unlink, unlink("/nosuch/nosuch"))
CALL(call_unlinkat, unlinkat(-1, "x", 0))
CALL(call_rename, syscall(SYS_rename, "/nosuch/a", "/nosuch/b"))
CALL(call_renameat, syscall(SYS_renameat, -1, "a", -1, "b"))
CALL(call_renameat2, syscall(SYS_renameat2, -1, "a", -1, "b", 0))
CALL(call_link, link("/nosuch/a", "/nosuch/b"))
CALL(call_symlink, symlink("a", "/nosuch/b"))
CALL(call_mkdir, mkdir("/nosuch/a", 0700))
CALL(call_mknod, mknod("/nosuch/a", S_IFIFO | 0600, 0))
CALL(call_chmod, chmod("/nosuch/a", 0600))
CALL(call_fchmod, fchmod(-1, 0600))
CALL(call_chown, chown("/nosuch/a", 0, 0))
CALL(call_truncate, truncate("/nosuch/a", 0))
CALL(call_setxattr, syscall(SYS_setxattr, "/nosuch/a", "user.a", "", 0, 0))
CALL(call_chdir, chdir("/nosuch"))
CALL(call_userfaultfd, syscall(SYS_userfaultfd, -1))
CALL(call_io_uring, syscall(SYS_io_uring_setup, 0, NULL))
CALL(call_memory_to_run,
     mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
											       : 0)
CALL(call_memory_made_to_run, mprotect(NULL, 0, PROT_READ | PROT_EXEC))
CALL(call_terminal_input, ioctl(-1, TIOCSTI, &byte))
CALL(call_keyctl, syscall(SYS_keyctl, -1))
CALL(call_add_key, syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))
CALL(call_kill_softly, kill(getpid(), 64))
CALL(call_prctl, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : prctl(-1, 0, 0, 0, 0))
CALL(call_seccomp, syscall(SYS_seccomp, -1, 0, NULL))
CALL(call_capset, syscall(SYS_capset, NULL, NULL))
CALL(call_setresuid, syscall(SYS_setresuid, -1, -1, -1))
CALL(call_limits, prlimit(0, RLIMIT_CORE, &(struct rlimit){ 0, 0 }, NULL))
CALL(call_personality, syscall(SYS_personality, 0xffffffff))
/* These want privileges, and say EPERM without. */
CALL(call_mount, syscall(SYS_mount, NULL, NULL, NULL, 0, NULL))
CALL(call_umount, syscall(SYS_umount2, NULL, 0))
CALL(call_pivot_root, syscall(SYS_pivot_root, NULL, NULL))
CALL(call_chroot, chroot("/nosuch"))
CALL(call_bpf, syscall(SYS_bpf, -1, NULL, 0))
CALL(call_perf, syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0))
CALL(call_init_module, syscall(SYS_finit_module, -1, "", 0))
CALL(call_kexec, syscall(SYS_kexec_load, 0, 1000, NULL, 0))
CALL(call_reboot, syscall(SYS_reboot, 0, 0, 0, NULL))

static const struct refusal {
	const char *name;
	int (*call)(void);
	bool keeper;	 /* is refused it, too */
	bool privileged; /* fails with EPERM for most anyway */
	int err;	 /* 0: EPERM */
} refusals[] = {
	{ "execve", call_execve, true, false, 0 },
	{ "execveat", call_execveat, true, false, 0 },
	{ "clone of a process", call_fork, true, false, 0 },
	{ "clone of a thread elsewhere", call_clone_process, true, false, 0 },
	{ "clone3", call_clone3, false, false, ENOSYS },
	{ "unshare", call_unshare, true, false, 0 },
	{ "setns", call_setns, true, false, 0 },
	{ "socket, inet", call_socket_inet, true, false, 0 },
	{ "socket, unix", call_socket_unix, false, false, 0 },
	{ "socket, netlink", call_socket_netlink, false, false, 0 },
	{ "socketpair", call_socketpair, true, false, 0 },
	{ "connect", call_connect, true, false, 0 },
	{ "bind", call_bind, false, false, 0 },
	{ "listen", call_listen, false, false, 0 },
	{ "ptrace", call_ptrace, true, false, 0 },
	{ "process_vm_writev", call_vm_writev, true, false, 0 },
	{ "process_vm_readv", call_vm_readv, true, false, 0 },
	{ "pidfd_getfd", call_pidfd_getfd, true, false, 0 },
	{ "kcmp", call_kcmp, true, false, 0 },
	{ "process_madvise", call_process_madvise, true, false, 0 },
	{ "open", call_open, true, false, 0 },
	{ "creat", call_creat, true, false, 0 },
	{ "openat, O_WRONLY", call_open_to_write, false, false, 0 },
	{ "openat, O_RDWR", call_open_to_both, false, false, 0 },
	{ "openat, access mode 3", call_open_to_neither, false, false, 0 },
	{ "openat, O_CREAT", call_open_to_make, false, false, 0 },
	{ "openat, O_TRUNC", call_open_to_empty, false, false, 0 },
	{ "openat, O_TMPFILE", call_open_nameless, false, false, 0 },
	{ "openat, O_APPEND", call_open_to_append, false, false, 0 },
	{ "openat2", call_openat2, false, false, ENOSYS },
	{ "open_by_handle_at", call_open_handle, true, true, 0 },
	{ "unlink", call_unlink, false, false, 0 },
	{ "unlinkat", call_unlinkat, false, false, 0 },
	{ "rename", call_rename, true, false, 0 },
	{ "renameat", call_renameat, false, false, 0 },
	{ "renameat2", call_renameat2, true, false, 0 },
	{ "link", call_link, true, false, 0 },
	{ "symlink", call_symlink, true, false, 0 },
	{ "mkdir", call_mkdir, true, false, 0 },
	{ "mknod", call_mknod, true, false, 0 },
	{ "chmod", call_chmod, true, false, 0 },
	{ "fchmod", call_fchmod, false, false, 0 },
	{ "chown", call_chown, true, false, 0 },
	{ "truncate", call_truncate, true, false, 0 },
	{ "setxattr", call_setxattr, true, false, 0 },
	{ "chdir", call_chdir, true, false, 0 },
	{ "userfaultfd", call_userfaultfd, true, false, 0 },
	{ "io_uring_setup", call_io_uring, true, false, 0 },
	{ "mmap, PROT_EXEC", call_memory_to_run, true, false, 0 },
	{ "mprotect, PROT_EXEC", call_memory_made_to_run, true, false, 0 },
	{ "ioctl, TIOCSTI", call_terminal_input, false, false, 0 },
	{ "keyctl", call_keyctl, true, false, 0 },
	{ "add_key", call_add_key, true, false, 0 },
	{ "kill, signal 64", call_kill_softly, true, true, 0 },
	{ "prctl", call_prctl, false, true, 0 },
	{ "seccomp", call_seccomp, false, false, 0 },
	{ "capset", call_capset, false, false, 0 },
	{ "setresuid", call_setresuid, true, false, 0 },
	{ "prlimit64, to set", call_limits, true, false, 0 },
	{ "personality", call_personality, true, false, 0 },
	{ "mount", call_mount, true, true, 0 },
	{ "umount2", call_umount, true, true, 0 },
	{ "pivot_root", call_pivot_root, true, true, 0 },
	{ "chroot", call_chroot, true, true, 0 },
	{ "bpf", call_bpf, true, true, 0 },
	{ "perf_event_open", call_perf, true, true, 0 },
	{ "finit_module", call_init_module, true, true, 0 },
	{ "kexec_load", call_kexec, true, true, 0 },
	{ "reboot", call_reboot, true, true, 0 },
};

static int do_nothing(void)
{
	return 0;
}

static void need_filters(void)
{
	if (in_role(FI_SANDBOX_ENGINE, do_nothing) == NOT_FILTERED) {
		print_message("skipped: this kernel filters no system calls\n");
		skip();
	}
}

static void assert_refused(int role, const char *whose)
{
	int failures = 0;

	need_filters();
	for (size_t i = 0; i < FI_ARRAY_SIZE(refusals); i++) {
		const struct refusal *refusal = &refusals[i];
		int want = refusal->err ? refusal->err : EPERM, r;

		if (role == FI_SANDBOX_KEEPER && !refusal->keeper)
			continue;
		r = in_role(role, refusal->call);
		if (r == want)
			continue;
		print_error("%s: %s gives %d, not %d\n", whose, refusal->name, r, want);
		failures++;
	}
	assert_int_equal(failures, 0);
}

/* The control. */
static void without_a_role_it_is_not_refused(void **state)
{
	int failures = 0;

	for (size_t i = 0; i < FI_ARRAY_SIZE(refusals); i++) {
		const struct refusal *refusal = &refusals[i];
		int r = refusal->privileged ? 0 : in_role(NO_ROLE, refusal->call);

		/* A kernel may lack a call. */
		if (r != EPERM && r != EACCES && r < 256)
			continue;
		print_error("%s gives %d without a sandbox\n", refusal->name, r);
		failures++;
	}
	assert_int_equal(failures, 0);
}

static void an_engine_is_refused(void **state)
{
	assert_refused(FI_SANDBOX_ENGINE, "engine");
}

static void a_reader_is_refused(void **state)
{
	assert_refused(FI_SANDBOX_READER, "reader");
}

static void a_keeper_is_refused(void **state)
{
	assert_refused(FI_SANDBOX_KEEPER, "keeper");
}

#ifdef __x86_64__
static int by_the_old_gate(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory"); /* getpid of i386 */
	return r > 0 ? 0 : 1;
}

static void another_architecture_is_the_end(void **state)
{
	need_filters();
	assert_int_equal(in_role(FI_SANDBOX_ENGINE, by_the_old_gate), 256 + SIGSYS);
}
#endif

static int has(unsigned cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &head, sets) == 0 &&
	       (sets[CAP_TO_INDEX(cap)].permitted & CAP_TO_MASK(cap)) != 0;
}

static int count_capabilities(void)
{
	int nr = 0;

	for (unsigned i = 0; i <= CAP_LAST_CAP; i++)
		nr += has(i);
	return nr;
}

static int privileges_of_engine(void)
{
	return has(CAP_KILL) + has(CAP_SYS_PTRACE) + has(CAP_SYS_NICE) == count_capabilities() ? 0
											       : 1;
}

/* --- what must work ----------------------------------------------------------------------- */

static void *in_thread(void *arg)
{
	(void)prctl(PR_SET_NAME, "worker");
	*(int *)arg = open(scratch, O_RDWR | O_CLOEXEC) < 0 ? errno : 0;
	return NULL;
}

/* Threads are under the same law. */
static int thread(void)
{
	pthread_t thread;
	int err = -1;

	if (pthread_create(&thread, NULL, in_thread, &err) != 0)
		return 1;
	(void)pthread_join(thread, NULL);
	return err == EPERM ? 0 : 2;
}

static int work(void)
{
	struct pollfd pfd = { .fd = eventfd(1, EFD_CLOEXEC), .events = POLLIN };
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char text[64];
	void *at;

	if (fd < 0 || read(fd, text, sizeof(text)) <= 0 || close(fd) < 0)
		return 1;
	fd = openat(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || close(fd) < 0)
		return 2;
	if (poll(&pfd, 1, 0) != 1)
		return 3;
	fd = memfd_create("x", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 4096) < 0 || write(fd, "x", 1) != 1)
		return 4;
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || *(char *)at != 'x')
		return 5;
	if (kill(getpid(), 0) < 0)
		return 6;
	return thread();
}

static void what_is_needed_works(void **state)
{
	need_filters();
	assert_int_equal(in_role(FI_SANDBOX_READER, work), 0);
	assert_int_equal(in_role(FI_SANDBOX_ENGINE, work), 0);
}

static int write_beyond(void)
{
	return open(scratch, O_RDWR | O_CLOEXEC) < 0 ? errno : 0;
}

/* As keepers start engines.  What an engine is refused is not refused to the next one's keeper. */
static int start_engines(void)
{
	for (int i = 0; i < 2; i++) {
		struct clone_args args = { .exit_signal = SIGCHLD };
		siginfo_t info = { 0 };
		long pid = syscall(SYS_clone3, &args, sizeof(args));

		if (pid < 0)
			return 1;
		if (pid == 0) {
			if (write_beyond() != 0)
				_exit(2);
			if (!fi_sandbox_enter(FI_SANDBOX_ENGINE))
				_exit(3);
			if (privileges_of_engine() != 0)
				_exit(4);
			_exit(write_beyond() == EPERM ? work() : 5);
		}
		if (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 || info.si_status != 0)
			return 10 + info.si_status;
	}
	return write_beyond();
}

static void a_keeper_starts_engines_again_and_again(void **state)
{
	need_filters();
	assert_int_equal(in_role(FI_SANDBOX_KEEPER, start_engines), 0);
}

/* --- what is left ------------------------------------------------------------------------- */

static int privileges_of_reader(void)
{
	return has(CAP_DAC_READ_SEARCH) == count_capabilities() ? 0 : 1;
}

static int privileges_of_keeper(void)
{
	return has(CAP_SYS_ADMIN) || has(CAP_SETUID) || has(CAP_SYS_MODULE) || has(CAP_NET_RAW) ||
			       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1
		       ? 1
		       : 0;
}

static void capabilities_are_dropped(void **state)
{
	need_filters();
	assert_int_equal(in_role(FI_SANDBOX_ENGINE, privileges_of_engine), 0);
	assert_int_equal(in_role(FI_SANDBOX_READER, privileges_of_reader), 0);
	assert_int_equal(in_role(FI_SANDBOX_KEEPER, privileges_of_keeper), 0);
	if (geteuid() == 0)
		assert_int_not_equal(in_role(NO_ROLE, privileges_of_engine), 0);
}

static int enter_without_lists(void)
{
	return fi_sandbox_enter(FI_SANDBOX_ENGINE) ? 1 : write_beyond();
}

/* --no-sandbox: the child is one that has not prepared. */
static void without_preparation_nothing_happens(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(enter_without_lists());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* As in a container whose own filter forbids it. */
static int enter_where_filters_are_forbidden(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0) < 0 ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
			     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) < 0 ||
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0) < 0 ||
	    seccomp_load(filter) < 0)
		return 2;
	return fi_sandbox_enter(FI_SANDBOX_ENGINE) ? 1 : write_beyond();
}

static void what_is_not_to_be_had_is_left_out(void **state)
{
	need_filters();
	assert_int_equal(in_role(NO_ROLE, enter_where_filters_are_forbidden), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_role_it_is_not_refused),
		cmocka_unit_test(an_engine_is_refused),
		cmocka_unit_test(a_reader_is_refused),
		cmocka_unit_test(a_keeper_is_refused),
#ifdef __x86_64__
		cmocka_unit_test(another_architecture_is_the_end),
#endif
		cmocka_unit_test(what_is_needed_works),
		cmocka_unit_test(a_keeper_starts_engines_again_and_again),
		cmocka_unit_test(capabilities_are_dropped),
		cmocka_unit_test(without_preparation_nothing_happens),
		cmocka_unit_test(what_is_not_to_be_had_is_left_out),
	};
	int fd, r;

#ifdef __SANITIZE_THREAD__
	puts("1..0 # SKIP ThreadSanitizer's own threads and system calls are in no list");
	return 0;
#endif
	fd = mkostemp(scratch, O_CLOEXEC);
	if (fd < 0)
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)close(fd);
	(void)unlink(scratch);
	return r;
}
