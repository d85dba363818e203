/* tests/integration/programs/confined.c - programs that may not do what a lazy restore has done in
 * their name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "scenario.h"

static struct area area;
static volatile sig_atomic_t nr_signals;

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	REQUIRE(syscall(SYS_capset, &header, data) == 0);
}

static void prepare_unprivileged(void)
{
	area = make_area(32 * MIB, 91);
	drop_capabilities();
}

/* userfaultfd(2) would be its end. */
static void prepare_filtered(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	area = make_area(32 * MIB, 92);
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void on_signal(int sig)
{
	(void)sig;
	nr_signals++;
}

/* Signals that are blocked, and wait. */
static void prepare_pending(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t set;

	area = make_area(32 * MIB, 93);
	(void)sigfillset(&set);
	REQUIRE(sigaction(SIGUSR1, &act, NULL) == 0);
	REQUIRE(sigaction(SIGRTMIN + 3, &act, NULL) == 0);
	REQUIRE(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
	REQUIRE(kill(getpid(), SIGUSR1) == 0);
	REQUIRE(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 1 }) == 0);
	REQUIRE(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 2 }) == 0);
}

static void check_with_child(void)
{
	pid_t pid = start_child();

	check_area(&area);
	if (pid == 0)
		end_child();
	wait_child(pid);
}

static void run_pending(void)
{
	sigset_t now, none;

	REQUIRE(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig < 32 && !sigismember(&now, sig))
			fail("signal %d is not blocked any more", sig);
	if (nr_signals)
		fail("%d signals were delivered although they were blocked", (int)nr_signals);
	(void)sigemptyset(&none);
	REQUIRE(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
	if (nr_signals != 3)
		fail("%d signals waited, not 3", (int)nr_signals);
	check_with_child();
}

const struct scenario confined_scenarios[] = {
	{ "unprivileged", prepare_unprivileged, check_with_child },
	{ "filtered", prepare_filtered, check_with_child },
	{ "pending", prepare_pending, run_pending },
	{ NULL, NULL, NULL },
};
