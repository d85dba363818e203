/* tests/unit/test-plugin.c - the plugin in a stub of CRIU, with a fake engine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each case runs the stub twice: with faultin.so as it will be installed, and with the same
 * sources linked in (which is where sanitizers look).  This process is the reaper of orphans, so
 * the engine's end and exit code are seen here.
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
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/child.h"
#include "plugin/engine.h"

#define SOCKET	  "lazy-pages.socket"
#define PID_FILE  "fake-engine.pid"
#define NO_ENGINE (-1)

static char plugin_path[PATH_MAX], engine_path[PATH_MAX];
static char stubs[2][PATH_MAX]; /* loads the plugin; has it linked in */

static void locate(char *ret, const char *name)
{
	const char *top = getenv("abs_top_builddir");
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
	if (!realpath(path, ret))
		fail_msg("%s: %s", path, strerror(errno));
}

static int locate_all(void **state)
{
	(void)state;
	locate(plugin_path, "plugin/.libs/faultin.so");
	locate(engine_path, "tests/unit/fake-engine");
	locate(stubs[0], "tests/unit/stub-criu");
	locate(stubs[1], "tests/unit/stub-criu-linked");
	return prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
}

/* Work directory with an image in ./img; the environment of a case that goes well. */
static int enter_dir(void **state)
{
	char *dir = strdup("/tmp/faultin-test.XXXXXX");
	int fd;

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("img", 0700), 0);
	fd = open("img/inventory.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)setenv("HOME", dir, 1);
	(void)unsetenv("CRIU_CONFIG_FILE");
	(void)setenv("STUB_PLUGIN", plugin_path, 1);
	(void)setenv("FAULTIN_BIN", engine_path, 1);
	(void)setenv("FAKE_ENGINE", "ready", 1);
	(void)setenv("FAULTIN_CONFIG", "faultin.conf", 1);
	(void)unsetenv("STUB_STAGE");
	(void)unsetenv("STUB_DO");
	(void)unsetenv("STUB_RET");
	*state = dir;
	return 0;
}

static int leave_dir(void **state)
{
	char *dir = *state;

	(void)unlink("img/inventory.img");
	(void)rmdir("img");
	(void)unlink("criu.log");
	(void)unlink("faultin.conf");
	(void)unlink(PID_FILE);
	(void)unlink(SOCKET);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
	free(dir);
	return 0;
}

/* Runs a stub.  Returns its exit code, or 128 + the signal that killed it. */
static int run(const char *stub, const char *const *argv)
{
	int status;
	pid_t pid;

	(void)unlink("criu.log");
	(void)unlink(PID_FILE);
	pid = fork();
	if (pid == 0) {
		(void)execv(stub, (char *const *)argv);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Waits for the orphan.  Returns its exit code, 128 + signal, or NO_ENGINE when there is none. */
static int reap_engine(void)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int status;
	pid_t pid;

	for (int i = 0; i < 2000; i++) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			return NO_ENGINE;
		if (pid > 0)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		(void)nanosleep(&pause, NULL);
	}
	fail_msg("the engine does not end");
	return NO_ENGINE;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool logged(const char *words)
{
	char text[32768] = "";
	FILE *file = fopen("criu.log", "re");
	size_t n;

	if (!file)
		return false;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	return strstr(text, words) != NULL;
}

static const char *const lazy_argv[] = { "criu", "restore", "-D", "img", "--lazy-pages", NULL };
static const char *const eager_argv[] = { "criu", "restore", "-D", "img", NULL };

#define FOR_EACH_STUB(stub)                                                                        \
	for (const char *stub = stubs[0]; stub; stub = stub == stubs[0] ? stubs[1] : NULL)

static void test_ready(void **state)
{
	(void)state;
	(void)setenv("STUB_DO", "connect", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_true(logged("serves the pages of this restore"));
		assert_true(logged("3 faultin: serving"));
		assert_int_equal(reap_engine(), 0);
		assert_int_equal(reap_engine(), NO_ENGINE);
		assert_false(exists(SOCKET));
	}
}

static void test_many_words_do_not_clog(void **state)
{
	(void)state;
	(void)setenv("FAKE_ENGINE", "chatty", 1);
	(void)setenv("STUB_DO", "connect", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_true(logged("line 00000 of many"));
		assert_int_equal(reap_engine(), 0);
	}
}

static void inert(const char *const *argv)
{
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, argv), 0);
		assert_int_equal(reap_engine(), NO_ENGINE);
		assert_false(exists(PID_FILE));
		assert_false(exists(SOCKET));
	}
}

static void set_policy(const char *text)
{
	FILE *file = fopen("faultin.conf", "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_inert_at_plain_restore(void **state)
{
	(void)state;
	/* not even a program is looked for */
	(void)setenv("FAULTIN_BIN", "/nonexistent", 1);
	set_policy("mode = lazy-socket\n");
	inert(eager_argv);
	assert_true(logged("mode does not allow transparent mode"));
	set_policy("mode = off\n");
	inert(lazy_argv);
	assert_true(logged("mode does not allow lazy pages"));
}

/* What cannot be made lazy is left to CRIU, which has its own words for an image like this. */
static void test_plain_restore_of_a_bad_image(void **state)
{
	static const char *const dedup[] = { "criu", "restore", "--auto-dedup", NULL };

	(void)state;
	(void)setenv("FAULTIN_BIN", "/nonexistent", 1);
	inert(eager_argv);
	assert_true(logged("restoring eagerly: 'inventory.img' is truncated"));
	inert(dedup);
	assert_true(logged("restoring eagerly: --auto-dedup"));
}

static void test_inert_at_dump(void **state)
{
	static const char *const dump[] = { "criu", "dump", "--lazy-pages", NULL };

	(void)state;
	(void)setenv("STUB_STAGE", "0", 1);
	inert(dump);
	assert_false(exists("criu.log"));
	(void)setenv("STUB_STAGE", "1", 1);
	inert(lazy_argv);
	assert_false(exists("criu.log"));
}

/* As `criu dump` and as a runtime's checkpoint: hooks are told what they need. */
static const char *const dump_argv[] = { "criu", "swrk", "3", NULL };

static void test_dump_of_what_nobody_serves(void **state)
{
	(void)state;
	(void)setenv("STUB_STAGE", "0", 1);
	(void)setenv("STUB_DO", "dump", 1);
	(void)setenv("FAULTIN_BIN", "/nonexistent", 1);
	inert(dump_argv);
	assert_false(exists("criu.log"));
}

static bool can_userfaultfd(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static void test_dump_of_what_is_owed(void **state)
{
	(void)state;
	if (!can_userfaultfd())
		skip();
	(void)setenv("STUB_DO", "dump-owed", 1);
	for (int stage = 0; stage < 2; stage++) {
		(void)setenv("STUB_STAGE", stage == 0 ? "0" : "1", 1);
		FOR_EACH_STUB(stub)
		{
			(void)setenv("FAKE_ENGINE", "ready", 1);
			assert_int_equal(run(stub, dump_argv), 0);
			assert_true(logged("bringing it in"));
			(void)setenv("FAKE_ENGINE", "fail", 1);
			assert_int_equal(run(stub, dump_argv), 4);
			assert_true(logged("2 Warn  (faultin): 17 pages are owed\n"));
			assert_true(logged("2 Warn  (faultin): nobody knows whose they are\n"));
			assert_true(logged("would be missing from this checkpoint"));
		}
	}
	(void)setenv("FAULTIN_BIN", "/nonexistent", 1);
	assert_int_equal(run(stubs[0], dump_argv), 4);
	assert_true(logged("1 Error (faultin): cannot start the engine: '/nonexistent'"));
}

static unsigned nr_said;

static void count_line(const char *line)
{
	assert_string_equal(line, "17 pages are owed");
	nr_said++;
}

/* How long a program that hangs is waited for: the next of these when it had no time to begin. */
#define HANG_MIN_MS 1500
#define HANG_MAX_MS 48000

static void test_hanging_completion(void **state)
{
	char number[16];
	const char *const argv[] = { "faultin", "complete", "--tree", number, NULL };

	(void)state;
	(void)snprintf(number, sizeof(number), "%d", (int)getpid());
	(void)setenv("FAKE_ENGINE", "hang", 1);
	for (int ms = HANG_MIN_MS; nr_said == 0 && ms <= HANG_MAX_MS; ms *= 2) {
		assert_int_equal(fi_child_run(engine_path, argv, ms, count_line), -ETIMEDOUT);
		assert_int_equal(reap_engine(), 128 + SIGKILL); /* an orphan now */
		assert_int_equal(reap_engine(), NO_ENGINE);
	}
	assert_int_equal(nr_said, 1);
}

static void test_inert_in_rpc_mode(void **state)
{
	static const char *const worker[] = { "criu", "swrk", "3", NULL };

	(void)state;
	inert(worker);
	assert_true(logged("restoring eagerly"));
}

static void test_lazy_by_config_file(void **state)
{
	FILE *file = fopen("lazy.conf", "we");

	(void)state;
	assert_non_null(file);
	(void)fputs("lazy-pages\n", file);
	(void)fclose(file);
	(void)setenv("CRIU_CONFIG_FILE", "lazy.conf", 1);
	(void)setenv("PWD", *state, 1);
	(void)setenv("STUB_DO", "connect", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, eager_argv), 0);
		assert_int_equal(reap_engine(), 0);
	}
	(void)unlink("lazy.conf");
}

static void test_bad_image(void **state)
{
	(void)state;
	(void)setenv("FAKE_ENGINE", "fail", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_true(logged("1 Error (faultin): pages-1.img: record 3: truncated\n"));
		assert_true(logged("1 Error (faultin): this image cannot be served\n"));
		assert_true(logged("ended before it was ready"));
		assert_int_equal(reap_engine(), 1);
		assert_false(exists(SOCKET));
	}
}

static void test_unready_engines(void **state)
{
	(void)state;
	FOR_EACH_STUB(stub)
	{
		(void)setenv("FAKE_ENGINE", "silent", 1);
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_true(logged("ended before it was ready"));
		assert_int_equal(reap_engine(), 0);
		(void)setenv("FAKE_ENGINE", "wrong", 1);
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_int_equal(reap_engine(), 1);
	}
}

static void test_no_program(void **state)
{
	int fd;

	(void)state;
	(void)setenv("FAULTIN_BIN", "/nonexistent", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_true(logged("'/nonexistent' (named by FAULTIN_BIN): No such file"));
		assert_int_equal(reap_engine(), NO_ENGINE);
	}

	/* executable, but not for the kernel */
	fd = open("junk", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "junk", 4), 4);
	(void)close(fd);
	(void)setenv("FAULTIN_BIN", "./junk", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_true(logged("./junk: Exec format error"));
		assert_int_equal(reap_engine(), 127);
	}
	(void)unlink("junk");
}

static int listen_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void test_served_by_somebody_else(void **state)
{
	int fd = listen_socket();

	(void)state;
	(void)setenv("STUB_RET", "-1", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_true(logged("being served already"));
		assert_int_equal(reap_engine(), NO_ENGINE);
		assert_false(exists(PID_FILE));
		assert_true(exists(SOCKET)); /* also after the failed restore */
		assert_int_equal(accept(fd, NULL, NULL), -1);
		assert_int_equal(errno, EAGAIN);
	}
	(void)close(fd);
}

static void test_stale_socket(void **state)
{
	(void)state;
	(void)setenv("STUB_DO", "connect", 1);
	FOR_EACH_STUB(stub)
	{
		(void)close(listen_socket());
		assert_true(exists(SOCKET));
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_true(logged("removing a stale 'lazy-pages.socket'"));
		assert_int_equal(reap_engine(), 0);
	}
}

static void test_other_file_in_the_way(void **state)
{
	int fd = open(SOCKET, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 3);
		assert_true(logged("is not a socket"));
		assert_int_equal(reap_engine(), NO_ENGINE);
		assert_true(exists(SOCKET));
	}
}

static void test_failed_restore(void **state)
{
	(void)state;
	(void)setenv("STUB_RET", "-1", 1);
	FOR_EACH_STUB(stub)
	{
		/* before CRIU connected: the engine sees CRIU end */
		(void)setenv("STUB_DO", "nothing", 1);
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_false(exists(SOCKET));
		assert_int_equal(reap_engine(), 0);
		/* after: it sees the connection end */
		(void)setenv("STUB_DO", "break", 1);
		assert_int_equal(run(stub, lazy_argv), 0);
		assert_int_equal(reap_engine(), 3);
		assert_false(exists(SOCKET));
	}
}

static void test_killed_criu(void **state)
{
	(void)state;
	(void)setenv("STUB_DO", "die", 1);
	FOR_EACH_STUB(stub)
	{
		assert_int_equal(run(stub, lazy_argv), 128 + SIGKILL);
		assert_int_equal(reap_engine(), 0);
		assert_false(exists(SOCKET));
	}
}

static void test_program_of_its_own_build_tree(void **state)
{
	char command[3 * PATH_MAX];

	(void)state;
	(void)unsetenv("FAULTIN_BIN");
	(void)setenv("STUB_DO", "connect", 1);
	(void)snprintf(command, sizeof(command),
		       "mkdir -p tree/plugin/.libs && cp '%s' tree/plugin/.libs/ && "
		       "ln -s '%s' tree/faultin",
		       plugin_path, engine_path);
	assert_int_equal(system(command), 0);
	(void)setenv("STUB_PLUGIN", "tree/plugin/.libs/faultin.so", 1);
	assert_int_equal(run(stubs[0], lazy_argv), 0);
	assert_true(logged("tree/faultin' serves"));
	assert_int_equal(reap_engine(), 0);
	assert_int_equal(system("rm -r tree"), 0);
}

/* The plugin would wait for a minute. */
static void test_hanging_engine(void **state)
{
	struct fi_settings settings;
	struct fi_engine_birth engine;
	struct fi_engine_words words = { .text = "" };
	struct fi_error err = { "" };
	char late[64];
	int images = open("img", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fi_engine_order order = {
		.program = engine_path,
		.images_dirfd = images,
		.handover = -EBADF,
		.settings = &settings,
		.timeout_ms = HANG_MIN_MS,
	};

	(void)state;
	assert_true(images >= 0);
	(void)setenv("FAKE_ENGINE", "hang", 1);
	fi_settings_init(&settings);
	for (; !words.text[0] && order.timeout_ms <= HANG_MAX_MS; order.timeout_ms *= 2) {
		(void)snprintf(late, sizeof(late), "not ready after %d ms", order.timeout_ms);
		assert_int_equal(fi_engine_begin(&order, &engine, NULL, &err), 0);
		assert_int_equal(fi_engine_wait(&engine, &words, &err), -ETIMEDOUT);
		assert_non_null(strstr(err.text, late));
		assert_int_equal(reap_engine(), 128 + SIGKILL);
		assert_int_equal(reap_engine(), NO_ENGINE);
		(void)unlink(SOCKET); /* of the one that was killed */
	}
	assert_string_equal(words.text, "reading a very slow disk\n");
	(void)close(images);
}

static void test_exports_only_the_descriptor(void **state)
{
	char command[PATH_MAX + 64], line[256];
	size_t nr = 0;
	FILE *pipe;

	(void)state;
	if (system("nm --version >/dev/null 2>&1") != 0)
		skip();
	(void)snprintf(command, sizeof(command), "nm -D --defined-only '%s'", plugin_path);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		if (!strstr(line, " CR_PLUGIN_DESC\n"))
			fail_msg("exported, too: %s", line);
		nr++;
	}
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(nr, 1);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, enter_dir, leave_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(test_ready),
		IN_DIR(test_many_words_do_not_clog),
		IN_DIR(test_inert_at_plain_restore),
		IN_DIR(test_plain_restore_of_a_bad_image),
		IN_DIR(test_inert_at_dump),
		IN_DIR(test_dump_of_what_nobody_serves),
		IN_DIR(test_dump_of_what_is_owed),
		IN_DIR(test_hanging_completion),
		IN_DIR(test_inert_in_rpc_mode),
		IN_DIR(test_lazy_by_config_file),
		IN_DIR(test_bad_image),
		IN_DIR(test_unready_engines),
		IN_DIR(test_no_program),
		IN_DIR(test_served_by_somebody_else),
		IN_DIR(test_stale_socket),
		IN_DIR(test_other_file_in_the_way),
		IN_DIR(test_failed_restore),
		IN_DIR(test_killed_criu),
		IN_DIR(test_program_of_its_own_build_tree),
		IN_DIR(test_hanging_engine),
		cmocka_unit_test(test_exports_only_the_descriptor),
	};

	return cmocka_run_group_tests(tests, locate_all, NULL);
}
