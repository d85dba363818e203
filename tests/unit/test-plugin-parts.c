/* tests/unit/test-plugin-parts.c - which program is the engine, and whose is the socket?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/child.h"
#include "plugin/container.h"
#include "plugin/lazy_socket.h"
#include "plugin/outside.h"
#include "plugin/program.h"

/* Every test is in an empty directory of its own. */
static int enter_dir(void **state)
{
	char *dir = strdup("/tmp/faultin-test.XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	*state = dir;
	return 0;
}

static int leave_dir(void **state)
{
	char *dir = *state;

	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
	free(dir);
	return 0;
}

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

/* A literal of words, each ended by \0 (the last one by the literal's own). */
#define CMDLINE(words) words, sizeof(words)

static void is_container(const char *cmdline, size_t len, const char *id, const char *bundle)
{
	struct fi_container container;

	assert_true(fi_container_from(cmdline, len, "/bundles", &container));
	assert_string_equal(container.id, id);
	assert_string_equal(container.bundle, bundle);
}

static void test_restored_container(void **state)
{
	struct fi_container container;

	(void)state;
	is_container(CMDLINE("runc\0restore\0web"), "web", "/bundles/.");
	is_container(CMDLINE("runc\0--root\0/run/x\0restore\0--image-path\0img\0-b\0/b\0web"),
		     "web", "/b");
	is_container(CMDLINE("crun\0restore\0--bundle=b\0--detach\0web"), "web", "/bundles/b");
	is_container(CMDLINE("/usr/bin/crun\0--systemd-cgroup\0restore\0--bundle\0/b\0-d\0"
			     "0123456789abcdef"),
		     "0123456789abcdef", "/b");
	assert_true(
		fi_container_from(CMDLINE("runc\0restore\0--auto-dedup\0web"), "/", &container));
	assert_true(container.auto_dedup);
	assert_true(fi_container_from(CMDLINE("runc\0restore\0-d\0web"), "/", &container));
	assert_false(container.auto_dedup);
	assert_false(fi_container_from(CMDLINE("runc\0run\0web"), "/bundles", &container));
	assert_false(fi_container_from(CMDLINE("runc\0run\0restore"), "/bundles", &container));
	assert_false(fi_container_from(CMDLINE("runc\0restore\0--help"), "/bundles", &container));
	assert_false(
		fi_container_from(CMDLINE("sh\0-c\0runc restore web"), "/bundles", &container));
	assert_false(fi_container_from("", 0, "/bundles", &container));
	assert_true(fi_container_is_rpc(CMDLINE("criu\0swrk\0003")));
	assert_true(fi_container_is_rpc(CMDLINE("criu: restore --rpc\0\0\0")));
	assert_false(fi_container_is_rpc(CMDLINE("criu\0restore\0-D\0swrk")));
	assert_false(fi_container_is_rpc("", 0));
	/* this process is none */
	assert_false(fi_container_here(&container));
	assert_int_equal(fi_container_runtime(), 0);
}

static void test_chosen_program(void **state)
{
	struct fi_error err = { "" };
	char path[PATH_MAX];

	(void)state;
	make_file("engine", 0700);
	make_file("text", 0600);
	assert_int_equal(fi_program_find("engine", NULL, "/x", path, sizeof(path), &err), 0);
	assert_string_equal(path, "engine");
	assert_int_equal(fi_program_find("text", NULL, "engine", path, sizeof(path), &err),
			 -EACCES);
	assert_non_null(strstr(err.text, "'text'"));
	assert_non_null(strstr(err.text, "FAULTIN_BIN"));
	assert_int_equal(fi_program_find("gone", NULL, "engine", path, sizeof(path), &err),
			 -ENOENT);
	assert_int_equal(fi_program_find(".", NULL, "engine", path, sizeof(path), &err), -EACCES);
	assert_int_equal(fi_program_find("engine", NULL, "/x", path, 4, &err), -ENAMETOOLONG);
	(void)unlink("engine");
	(void)unlink("text");
}

static void test_installed_program(void **state)
{
	struct fi_error err = { "" };
	char path[PATH_MAX];

	(void)state;
	make_file("engine", 0700);
	make_file("faultin.so", 0600);
	assert_int_equal(fi_program_find(NULL, "./faultin.so", "engine", path, sizeof(path), &err),
			 0);
	assert_string_equal(path, "engine");
	assert_int_equal(fi_program_find("", "/gone.so", "engine", path, sizeof(path), &err), 0);
	assert_string_equal(path, "engine");
	assert_int_equal(fi_program_find(NULL, NULL, "/gone", path, sizeof(path), &err), -ENOENT);
	assert_non_null(strstr(err.text, "'/gone'"));
	(void)unlink("engine");
	(void)unlink("faultin.so");
}

static void test_program_of_build_tree(void **state)
{
	struct fi_error err = { "" };
	char path[PATH_MAX], expected[PATH_MAX];
	const char *dir = *state;

	assert_int_equal(mkdir("plugin", 0700), 0);
	assert_int_equal(mkdir("plugin/.libs", 0700), 0);
	make_file("plugin/.libs/faultin.so", 0600);
	make_file("engine", 0700);
	/* what is installed would be another version: no falling back */
	assert_int_equal(fi_program_find(NULL, "plugin/.libs/faultin.so", "engine", path,
					 sizeof(path), &err),
			 -ENOENT);
	make_file("faultin", 0700);
	assert_int_equal(fi_program_find(NULL, "plugin/.libs/faultin.so", "engine", path,
					 sizeof(path), &err),
			 0);
	(void)snprintf(expected, sizeof(expected), "%s/faultin", dir);
	assert_string_equal(path, expected);
	/* --libdir may be a link to there */
	assert_int_equal(symlink("plugin/.libs", "libdir"), 0);
	assert_int_equal(
		fi_program_find(NULL, "libdir/faultin.so", "engine", path, sizeof(path), &err), 0);
	assert_string_equal(path, expected);
	assert_int_equal(
		fi_program_find("engine", "libdir/faultin.so", "/x", path, sizeof(path), &err), 0);
	assert_string_equal(path, "engine");
	(void)unlink("libdir");
	(void)unlink("faultin");
	(void)unlink("engine");
	(void)unlink("plugin/.libs/faultin.so");
	(void)rmdir("plugin/.libs");
	(void)rmdir("plugin");
}

static int bind_socket(const char *path, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void test_served_socket(void **state)
{
	struct fi_error err = { "" };
	int fd;

	(void)state;
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_NONE);
	fd = bind_socket(FI_LAZY_SOCKET, SOCK_STREAM);
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_SERVED);
	assert_int_equal(listen(fd, 1), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_SERVED);
	/* its one accept was not used up */
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);

	(void)close(fd);
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_STALE);
	(void)unlink(FI_LAZY_SOCKET);
}

static void test_served_elsewhere_is_not_here(void **state)
{
	struct fi_error err = { "" };
	int fd;

	(void)state;
	/* the same relative name, in another directory */
	assert_int_equal(mkdir("other", 0700), 0);
	assert_int_equal(chdir("other"), 0);
	fd = bind_socket(FI_LAZY_SOCKET, SOCK_STREAM);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(chdir(".."), 0);
	(void)close(bind_socket(FI_LAZY_SOCKET, SOCK_STREAM));
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_STALE);
	(void)close(fd);
	(void)unlink("other/" FI_LAZY_SOCKET);
	(void)unlink(FI_LAZY_SOCKET);
	(void)rmdir("other");
}

static void test_odd_files(void **state)
{
	struct fi_error err = { "" };
	int fd;

	(void)state;
	make_file(FI_LAZY_SOCKET, 0600);
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a socket"));
	(void)unlink(FI_LAZY_SOCKET);

	/* of no use to CRIU, but not ours to remove */
	fd = bind_socket(FI_LAZY_SOCKET, SOCK_DGRAM);
	assert_int_equal(fi_lazy_socket_look(FI_LAZY_SOCKET, &err), FI_LAZY_SOCKET_SERVED);
	(void)close(fd);
	(void)unlink(FI_LAZY_SOCKET);
}

static void test_remove_only_the_same_file(void **state)
{
	struct fi_socket_file none = fi_socket_file(FI_LAZY_SOCKET), first;

	(void)state;
	assert_int_equal(none.ino, 0);
	(void)close(bind_socket(FI_LAZY_SOCKET, SOCK_STREAM));
	fi_socket_file_remove(&none, FI_LAZY_SOCKET);
	assert_int_equal(access(FI_LAZY_SOCKET, F_OK), 0);

	first = fi_socket_file(FI_LAZY_SOCKET);
	assert_int_equal(rename(FI_LAZY_SOCKET, "first"), 0);
	(void)close(bind_socket(FI_LAZY_SOCKET, SOCK_STREAM));
	fi_socket_file_remove(&first, FI_LAZY_SOCKET);
	assert_int_equal(access(FI_LAZY_SOCKET, F_OK), 0);
	fi_socket_file_remove(&first, "first");
	assert_int_equal(access("first", F_OK), -1);
	(void)unlink(FI_LAZY_SOCKET);
}

/* --- out of a container's cgroups ------------------------------------------------------------------ */

enum { FINE, FROM_INSIDE, ELSEWHERE, CANNOT = 77 };

static int wait_for(pid_t pid)
{
	int status;

	return waitpid(pid, &status, __WALL) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool enter_cgroup(const char *dir)
{
	char path[PATH_MAX];
	int fd;
	bool in;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	in = fd >= 0 && write(fd, "0", 1) == 1;
	if (fd >= 0)
		(void)close(fd);
	return in;
}

/* In a process that is in a cgroup of its own: a child is born where @model is, and has nothing to leave. */
static int have_child_outside(pid_t model)
{
	int outside = fi_outside_open(model);
	pid_t pid;

	if (outside < 0)
		return FROM_INSIDE;
	pid = fi_child_fork_into(outside);
	if (pid == 0)
		_exit(fi_outside_open(model) == -ENOENT && fi_outside_join(model) == 0 ? FINE
										       : ELSEWHERE);
	(void)close(outside);
	return wait_for(pid);
}

/* In a process and a mount namespace of its own. */
static int try_outside(pid_t model)
{
	char own[64];
	int r = CANNOT;

	(void)snprintf(own, sizeof(own), "cgroups/faultin-test-%d", (int)getpid());
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "cgroups", "cgroup2", 0, NULL) < 0 || mkdir(own, 0700) < 0)
		return CANNOT;
	if (enter_cgroup(own)) {
		r = have_child_outside(model);
		if (fi_outside_join(model) != 1)
			r = ELSEWHERE; /* as a kernel without the other way has it */
	}
	(void)rmdir(own);
	return r;
}

static void test_born_outside(void **state)
{
	pid_t model = getpid(), pid;
	int r;

	(void)state;
	assert_int_equal(fi_outside_open(0), -ENOENT);
	assert_int_equal(fi_outside_open(model), -ENOENT);
	assert_int_equal(mkdir("cgroups", 0700), 0);
	pid = fork();
	if (pid == 0)
		_exit(try_outside(model));
	r = wait_for(pid);
	assert_int_equal(rmdir("cgroups"), 0);
	if (r == CANNOT) {
		print_message("skipped: no unified cgroup can be made here\n");
		skip();
	}
	assert_int_equal(r, FINE);
}

static void test_a_child_is_born_nowhere_else(void **state)
{
	pid_t pid;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	pid = fi_child_fork_into(fd); /* no cgroup */
	if (pid == 0)
		_exit(3);
	assert_true(pid > 0);
	assert_int_equal(wait_for(pid), 3);
	assert_int_equal(close(fd), 0);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, enter_dir, leave_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(test_born_outside),
		cmocka_unit_test(test_a_child_is_born_nowhere_else),
		cmocka_unit_test(test_restored_container),
		IN_DIR(test_chosen_program),
		IN_DIR(test_installed_program),
		IN_DIR(test_program_of_build_tree),
		IN_DIR(test_served_socket),
		IN_DIR(test_served_elsewhere_is_not_here),
		IN_DIR(test_odd_files),
		IN_DIR(test_remove_only_the_same_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
