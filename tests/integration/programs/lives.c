/* tests/integration/programs/lives.c - trees of processes, and the ways in which they end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenario.h"

static struct area area;

static void prepare_64m(void)
{
	area = make_area(64 * MIB, 81);
}

/* Gone with nearly everything owed. */
static void exit_owing(void)
{
	check_page(area.mem, area.seed, 0);
}

/* What execve(2) reads lies in a page that is owed, too. */
static void exec_owing(void)
{
	exec_verdict((char *)area.mem + 4000 * PAGE);
	fail("execve: %m");
}

/* Touches a page now and then until the harness kills it. */
static void linger(void)
{
	for (size_t nr = 0;; nr = (nr + 97) % area.nr_pages) {
		check_page(area.mem + nr * PAGE, area.seed, nr);
		nap_ms(1);
	}
}

/* A signal handler runs on a stack that is owed, over data that is owed. */
#define ALT_LEN (2 * MIB)

static volatile sig_atomic_t handled;
static uint8_t *alt_stack;

static void on_usr2(int sig, siginfo_t *info, void *context)
{
	uint8_t local[64 * 1024];

	(void)sig;
	(void)info;
	(void)context;
	memset(local, 0x5a, sizeof(local));
	if ((uint8_t *)local < alt_stack || (uint8_t *)local >= alt_stack + ALT_LEN)
		fail("the handler does not run on its own stack");
	check_pages(area.mem, area.seed, 0, 100);
	for (size_t i = 0; i < sizeof(local); i++)
		if (((volatile uint8_t *)local)[i] != 0x5a)
			fail("the handler's stack lost byte %zu", i);
	handled++;
}

static void prepare_alt_stack(void)
{
	struct sigaction act = { .sa_sigaction = on_usr2, .sa_flags = SA_ONSTACK | SA_SIGINFO };
	stack_t stack = { .ss_size = ALT_LEN };

	prepare_64m();
	alt_stack = map_memory(ALT_LEN);
	for (size_t nr = 0; nr < ALT_LEN / PAGE; nr++)
		fill_page(alt_stack + nr * PAGE, 82, nr);
	stack.ss_sp = alt_stack;
	REQUIRE(sigaltstack(&stack, NULL) == 0);
	REQUIRE(sigaction(SIGUSR2, &act, NULL) == 0);
}

static void run_alt_stack(void)
{
	REQUIRE(raise(SIGUSR2) == 0);
	REQUIRE(handled == 1);
	check_pages(alt_stack, 82, 0, ALT_LEN / PAGE / 2);
	REQUIRE(raise(SIGUSR2) == 0);
	REQUIRE(handled == 2);
	check_area(&area);
}

/* Children that were dead at the dump are dead after the restore, with their status. */
static pid_t exited, killed;

static void prepare_zombies(void)
{
	area = make_area(16 * MIB, 83);
	exited = start_child();
	if (exited == 0)
		_exit(7);
	killed = start_child();
	if (killed == 0) {
		(void)raise(SIGKILL);
		_exit(1);
	}
	siginfo_t info;

	REQUIRE(waitid(P_PID, (id_t)exited, &info, WEXITED | WNOWAIT) == 0);
	REQUIRE(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOWAIT) == 0);
}

static void run_zombies(void)
{
	int status;
	pid_t pid = start_child();

	if (pid == 0) {
		check_area(&area);
		end_child();
	}
	REQUIRE(waitpid(exited, &status, 0) == exited);
	REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	REQUIRE(waitpid(killed, &status, 0) == killed);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check_area(&area);
	wait_child(pid);
}

/* A parent, eight children, a grandchild each: all restored, with memory of their own and memory
 * that they share with their ancestors by copy on write. */
#define NR_CHILDREN 8

static struct area common;

static void say_ready(int fd)
{
	REQUIRE(write(fd, "x", 1) == 1);
	(void)close(fd);
}

static void be_grandchild(int ready, unsigned i)
{
	struct area own = make_area(2 * MIB, 840 + i);

	say_ready(ready);
	wait_for_go();
	check_area(&common);
	check_area(&own);
	check_area(&area);
	end_child();
}

static void be_child(int ready, unsigned i)
{
	pid_t pid;

	area = make_area(4 * MIB, 850 + i); /* instead of the parent's */
	for (size_t nr = i; nr < common.nr_pages; nr += NR_CHILDREN)
		fill_page(common.mem + nr * PAGE, common.seed, nr); /* breaks the sharing */
	pid = start_child();
	if (pid == 0)
		be_grandchild(ready, i);
	say_ready(ready);
	wait_for_go();

	pid_t late = start_child();

	check_area(&area);
	check_area(&common);
	if (late == 0)
		end_child();
	wait_child(late);
	wait_child(pid);
	end_child();
}

/* Starts @nr processes that say that they are ready, twice when they have a child themselves. */
static void start_tree(void (*body)(int ready, unsigned i), unsigned nr, unsigned nr_ready)
{
	int ready[2];

	REQUIRE(pipe(ready) == 0);
	for (unsigned i = 0; i < nr; i++)
		if (start_child() == 0) {
			(void)close(ready[0]);
			body(ready[1], i);
		}
	(void)close(ready[1]);
	for (unsigned i = 0; i < nr_ready; i++) {
		char byte;

		REQUIRE(read(ready[0], &byte, 1) == 1);
	}
	(void)close(ready[0]);
}

static void prepare_tree(void)
{
	common = make_area(8 * MIB, 84);
	area = make_area(8 * MIB, 85);
	start_tree(be_child, NR_CHILDREN, 2 * NR_CHILDREN);
}

static void run_tree(void)
{
	check_area(&area);
	check_area(&common);
	wait_children(NR_CHILDREN);
}

/* Children with sessions and groups of their own. */
static void be_leader(int ready, unsigned i)
{
	REQUIRE(i % 2 ? setpgid(0, 0) == 0 : setsid() == getpid());

	pid_t pid = start_child();

	area = make_area(4 * MIB, 860 + 2 * i + (pid == 0));
	if (pid == 0)
		REQUIRE(setpgid(0, 0) == 0);
	say_ready(ready);
	wait_for_go();
	if (i % 2 == 0)
		REQUIRE(getsid(0) == (pid ? getpid() : getppid()));
	REQUIRE(getpgid(0) == getpid());
	check_area(&area);
	check_area(&common);
	if (pid)
		wait_child(pid);
	end_child();
}

static void prepare_sessions(void)
{
	common = make_area(8 * MIB, 86);
	area = make_area(4 * MIB, 87);
	start_tree(be_leader, 4, 8);
}

static void run_sessions(void)
{
	check_area(&area);
	check_area(&common);
	wait_children(4);
}

/* Small and quick, for restoring it many times: a child from before the dump, one from after. */
static void be_sibling(int ready, unsigned i)
{
	(void)i;
	say_ready(ready);
	wait_for_go();
	check_area(&area);
	end_child();
}

static void prepare_small(void)
{
	area = make_area(4 * MIB, 88);
	start_tree(be_sibling, 1, 1);
}

static void run_small(void)
{
	pid_t pid = start_child();

	check_area(&area);
	if (pid == 0)
		end_child();
	wait_children(2);
}

const struct scenario life_scenarios[] = {
	{ "exit-owing", prepare_64m, exit_owing },
	{ "exec-owing", prepare_64m, exec_owing },
	{ "linger", prepare_64m, linger },
	{ "signal-stack", prepare_alt_stack, run_alt_stack },
	{ "zombies", prepare_zombies, run_zombies },
	{ "tree", prepare_tree, run_tree },
	{ "sessions", prepare_sessions, run_sessions },
	{ "small-tree", prepare_small, run_small },
	{ NULL, NULL, NULL },
};
