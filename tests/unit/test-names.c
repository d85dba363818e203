/* tests/unit/test-names.c - births and process events, in every order in which they can come.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/names.h"
#include "tests/unit/fake-uffd.h"
#include "tests/unit/toy-image.h"

#define NOBODY 5000000 /* pids from here on: above pid_max, so nobody's */

static struct toy *toy;
static struct fi_names *names;
static struct fi_space *made[512];
static unsigned nr_made;
static uint64_t now;

static struct fi_space *space_new(unsigned parent)
{
	struct fi_space *space = NULL;

	assert_int_equal(fi_space_new(fake_uffd_new(), &toy->task, toy->source, &space), 0);
	space->vpid = 0;
	space->parent = parent;
	made[nr_made++] = space;
	space->id = nr_made;
	return space;
}

static int setup(void **state)
{
	fake_reset();
	nr_made = 0;
	now = 1000;
	toy = toy_simple(0x10000000, 1);
	return fi_names_new(&names);
}

/* Nobody but us uses a space any more: what the table took it has given back. */
static int teardown(void **state)
{
	unsigned wrong = 0;

	fi_names_free(names);
	for (unsigned i = 0; i < nr_made; i++) {
		wrong += made[i]->users != 1;
		fi_space_put(made[i]);
	}
	toy_free(toy);
	fake_reset();
	return wrong ? -1 : 0;
}

static struct fi_space *root(pid_t pid)
{
	struct fi_space *space = space_new(0);

	fi_names_root(names, space, pid);
	return space;
}

static struct fi_space *birth_at(struct fi_space *parent, uint64_t before)
{
	struct fi_space *child = space_new(parent->id);

	fi_names_born(names, parent, child, before);
	return child;
}

static struct fi_space *birth(struct fi_space *parent)
{
	return birth_at(parent, now);
}

static struct fi_space *event(enum fi_proc_kind kind, pid_t pid, pid_t parent)
{
	const struct fi_proc_event e = {
		.kind = kind, .pid = pid, .parent = parent, .time = ++now
	};

	return fi_names_event(names, &e);
}

static void forked(pid_t parent, pid_t pid)
{
	assert_null(event(FI_PROC_FORK, pid, parent));
}

/* Which space, if any, a pid's exit is the end of. */
static struct fi_space *who_exits(pid_t pid)
{
	struct fi_space *space = event(FI_PROC_EXIT, pid, 0);

	if (space)
		fi_space_put(space);
	return space;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	assert_true(pid > 0);
	return pid;
}

static void kill_sleeper(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_root_has_its_pid_and_a_pidfd(void **state)
{
	pid_t pid = sleeper();
	struct fi_space *space = root(pid);

	assert_int_equal(space->pid, pid);
	assert_true(space->pidfd >= 0);
	assert_ptr_equal(who_exits(pid), space);
	kill_sleeper(pid);
}

static void a_root_without_pid_is_no_harm(void **state)
{
	struct fi_space *space = root(0);

	assert_int_equal(space->pid, 0);
	assert_true(space->pidfd < 0);
	assert_int_equal(birth(space)->pid, 0);
	forked(0, NOBODY + 1);
	fi_names_ended(names, space);
}

static void birth_first_then_event(void **state)
{
	struct fi_space *parent = root(NOBODY), *child = birth(parent);

	assert_int_equal(child->pid, 0);
	forked(NOBODY, NOBODY + 1);
	assert_int_equal(child->pid, NOBODY + 1);
	assert_ptr_equal(who_exits(NOBODY + 1), child);
}

static void event_first_then_birth(void **state)
{
	struct fi_space *parent = root(NOBODY), *child;
	uint64_t before = now;

	forked(NOBODY, NOBODY + 1);
	child = birth_at(parent, before);
	assert_int_equal(child->pid, NOBODY + 1);
}

/* A match that nothing else could be: its process may be killed when it cannot be served. */
static void only_a_certain_match_has_a_pidfd_and_a_vpid(void **state)
{
	struct fi_space *parent = root(NOBODY), *child = birth(parent), *two[2];
	pid_t pid = sleeper(), pids[2] = { sleeper(), sleeper() };

	forked(NOBODY, pid);
	assert_int_equal(child->pid, pid);
	assert_true(child->pidfd >= 0);
	assert_true(child->vpid > 0);

	two[0] = birth(parent);
	two[1] = birth(parent);
	forked(NOBODY, pids[0]);
	forked(NOBODY, pids[1]);
	assert_int_equal(two[0]->pid, pids[0]);
	assert_int_equal(two[1]->pid, pids[1]);
	assert_true(two[0]->pidfd < 0);
	kill_sleeper(pid);
	kill_sleeper(pids[0]);
	kill_sleeper(pids[1]);
}

/* vfork has the event but not the message. */
static void a_vfork_takes_nobodys_name(void **state)
{
	struct fi_space *parent = root(NOBODY), *child;

	forked(NOBODY, NOBODY + 1);
	forked(NOBODY, NOBODY + 2);
	now += 10;
	child = birth(parent);
	assert_int_equal(child->pid, 0);
	forked(NOBODY, NOBODY + 3);
	assert_int_equal(child->pid, NOBODY + 3);
	assert_null(who_exits(NOBODY + 1));
	forked(NOBODY, NOBODY + 4);
	now += 10;
	child = birth(parent);
	forked(NOBODY, NOBODY + 5);
	assert_int_equal(child->pid, NOBODY + 5);
}

/* The FORK message is read, then copy_process(2) fails: no process event ever comes. */
/* A server that starts everything by vfork: its children wait for births that never come. */
static void old_vforks_are_forgotten(void **state)
{
	struct fi_space *parent = root(NOBODY), *child;

	forked(NOBODY, NOBODY + 1);
	forked(NOBODY + 1, NOBODY + 10);
	now += UINT64_C(11000000000);
	forked(NOBODY, NOBODY + 2);
	child = birth_at(parent, 0);
	assert_int_equal(child->pid, NOBODY + 2);
}

static void a_fork_that_failed_leaves_its_place(void **state)
{
	struct fi_space *parent = root(NOBODY), *failed = birth(parent), *child;

	fi_names_ended(names, failed);
	child = birth(parent);
	forked(NOBODY, NOBODY + 1);
	assert_int_equal(failed->pid, 0);
	assert_int_equal(child->pid, NOBODY + 1);
}

static void grandchildren_before_their_parents_are_matched(void **state)
{
	struct fi_space *top = root(NOBODY), *child, *grandchild, *other;
	uint64_t before = now;

	/* Events first, from the top down; then births. */
	forked(NOBODY, NOBODY + 1);
	forked(NOBODY + 1, NOBODY + 2);
	forked(NOBODY + 2, NOBODY + 3);
	child = birth_at(top, before);
	assert_int_equal(child->pid, NOBODY + 1);
	grandchild = birth_at(child, before);
	assert_int_equal(grandchild->pid, NOBODY + 2);
	other = birth_at(grandchild, before);
	assert_int_equal(other->pid, NOBODY + 3);

	/* Births first. */
	child = birth(top);
	grandchild = birth(child);
	other = birth(grandchild);
	forked(NOBODY, NOBODY + 4);
	assert_int_equal(child->pid, NOBODY + 4);
	assert_int_equal(grandchild->pid, 0);
	forked(NOBODY + 4, NOBODY + 5);
	forked(NOBODY + 5, NOBODY + 6);
	assert_int_equal(other->pid, NOBODY + 6);

	/* One half each. */
	child = birth(top);
	before = now;
	grandchild = birth(child);
	forked(NOBODY, NOBODY + 7);
	forked(NOBODY + 7, NOBODY + 8);
	assert_int_equal(grandchild->pid, NOBODY + 8);
}

static void a_parent_that_ended_still_names_its_children(void **state)
{
	struct fi_space *parent = root(NOBODY), *first = birth(parent), *second = birth(parent);

	fi_names_ended(names, parent);
	forked(NOBODY, NOBODY + 1);
	forked(NOBODY, NOBODY + 2);
	assert_int_equal(first->pid, NOBODY + 1);
	assert_int_equal(second->pid, NOBODY + 2);
	assert_null(who_exits(NOBODY));
	forked(NOBODY, NOBODY + 3); /* none of ours any more */
	assert_null(who_exits(NOBODY + 3));
}

static void exec_and_exit_name_the_space_and_nothing_else(void **state)
{
	struct fi_space *parent = root(NOBODY), *child = birth(parent), *told;

	forked(NOBODY, NOBODY + 1);
	told = event(FI_PROC_EXEC, NOBODY + 1, 0);
	assert_ptr_equal(told, child);
	assert_int_equal(told->users, 3); /* ours, the table's, the caller's */
	fi_space_put(told);
	assert_null(event(FI_PROC_EXEC, NOBODY + 9, 0));
	assert_null(event(FI_PROC_EXIT, NOBODY + 9, 0));
	fi_names_ended(names, child);
	assert_int_equal(child->users, 1);
	assert_null(who_exits(NOBODY + 1));
	fi_names_ended(names, child);
}

/* A number that is in use again is another process. */
static void pids_are_used_again(void **state)
{
	struct fi_space *parent = root(NOBODY), *first = birth(parent), *second;

	forked(NOBODY, NOBODY + 1);
	assert_int_equal(first->pid, NOBODY + 1);
	second = birth(parent); /* while the first has not ended yet */
	forked(NOBODY, NOBODY + 1);
	assert_int_equal(second->pid, NOBODY + 1);
	assert_ptr_equal(who_exits(NOBODY + 1), second);
	fi_names_ended(names, first);
	assert_ptr_equal(who_exits(NOBODY + 1), second);
}

/* The new process has the number of its own grandparent, of which nothing but that number and the
 * wait for a birth was left. */
static void a_child_may_have_its_grandparents_number(void **state)
{
	(void)root(NOBODY);
	forked(NOBODY, NOBODY + 1);
	forked(NOBODY + 1, NOBODY + 2);
	assert_null(who_exits(NOBODY + 1));
	forked(NOBODY + 2, NOBODY + 1);
	forked(NOBODY + 1, NOBODY + 3);
	assert_null(who_exits(NOBODY + 1));
}

/* Lost events: those who wait would be given the names of others. */
static void after_a_loss_nobody_is_given_anothers_name(void **state)
{
	struct fi_space *parent = root(NOBODY), *nameless = birth(parent), *child;

	forked(NOBODY + 50, NOBODY + 51);
	assert_null(event(FI_PROC_LOST, 0, 0)); /* the nameless one's among them */
	child = birth(parent);
	forked(NOBODY, NOBODY + 2);
	assert_int_equal(nameless->pid, 0);
	assert_int_equal(child->pid, NOBODY + 2);
	assert_ptr_equal(who_exits(NOBODY), parent);
	fi_names_ended(names, nameless);

	/* The other half may be what was lost. */
	forked(NOBODY, NOBODY + 3);
	assert_null(event(FI_PROC_LOST, 0, 0));
	child = birth_at(parent, now - 2);
	assert_int_equal(child->pid, 0);
}

static void without_events_births_are_not_kept(void **state)
{
	struct fi_space *parent = root(NOBODY), *child;

	fi_names_unavailable(names);
	child = birth(parent);
	assert_int_equal(child->users, 1);
	fi_names_ended(names, child);
	fi_names_ended(names, parent);
	assert_int_equal(parent->users, 1);
}

static void a_table_that_is_freed_lets_everybody_go(void **state)
{
	struct fi_space *parent = root(NOBODY), *child = birth(parent);

	(void)birth(child);
	(void)birth(parent);
	forked(NOBODY, NOBODY + 1);
	forked(NOBODY + 1, NOBODY + 2);
	forked(NOBODY + 2, NOBODY + 3);
	fi_names_ended(names, parent);
	/* teardown counts users */
}

/* --- from two threads --------------------------------------------------------------------------- */

static struct fi_space *parent_of_many;

static void *bear(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct fi_space *child = birth_at(parent_of_many, 0);

		if (i % 3 == 0)
			fi_names_ended(names, child);
	}
	return NULL;
}

static void any_thread_may_call(void **state)
{
	pthread_t thread;

	parent_of_many = root(NOBODY);
	assert_int_equal(pthread_create(&thread, NULL, bear, NULL), 0);
	for (int i = 0; i < 400; i++) {
		forked(NOBODY, NOBODY + 1 + i % 50);
		(void)who_exits(NOBODY + 1 + i % 50);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_root_has_its_pid_and_a_pidfd),
		TEST(a_root_without_pid_is_no_harm),
		TEST(birth_first_then_event),
		TEST(event_first_then_birth),
		TEST(only_a_certain_match_has_a_pidfd_and_a_vpid),
		TEST(a_vfork_takes_nobodys_name),
		TEST(old_vforks_are_forgotten),
		TEST(a_fork_that_failed_leaves_its_place),
		TEST(grandchildren_before_their_parents_are_matched),
		TEST(a_parent_that_ended_still_names_its_children),
		TEST(exec_and_exit_name_the_space_and_nothing_else),
		TEST(pids_are_used_again),
		TEST(a_child_may_have_its_grandparents_number),
		TEST(after_a_loss_nobody_is_given_anothers_name),
		TEST(without_events_births_are_not_kept),
		TEST(a_table_that_is_freed_lets_everybody_go),
		TEST(any_thread_may_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
