/* tests/unit/test-workfile.c - files in a directory whose owner has put links in our way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "restore/workfile.h"

static char place[] = "/tmp/test-workfile.XXXXXX"; /* ours; the work directory is in it */
static int content;

static void put(const char *path, const char *text)
{
	fi_auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void assert_holds(const char *path, const char *want)
{
	fi_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, want);
}

static int count_files(void)
{
	DIR *dir = opendir(".");
	const struct dirent *entry;
	int nr = 0;

	while ((entry = readdir(dir)))
		nr += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return nr;
}

static int setup(void **state)
{
	memcpy(place + sizeof(place) - 7, "XXXXXX", 7);
	if (!mkdtemp(place) || chdir(place) < 0 || mkdir("work", 0700) < 0 ||
	    mkdir("elsewhere", 0700) < 0 || chdir("work") < 0)
		return -1;
	put("../victim", "precious");
	content = memfd_create("content", MFD_CLOEXEC);
	return write(content, "new", 3) == 3 ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)close(content);
	(void)snprintf(command, sizeof(command), "rm -rf %s", place);
	return chdir("/") < 0 || system(command) != 0 ? -1 : 0;
}

static void assert_nothing_elsewhere(void)
{
	assert_holds("../victim", "precious");
	assert_int_equal(rmdir("../elsewhere"), 0); /* empty */
	assert_int_equal(mkdir("../elsewhere", 0700), 0);
}

static void a_log_is_made_or_emptied(void **state)
{
	struct stat st;
	int fd;

	fd = fi_workfile_log("a.log");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK),
			 O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "old", 3), 3);
	(void)close(fd);
	fd = fi_workfile_log("a.log");
	assert_int_equal(write(fd, "n", 1), 1);
	(void)close(fd);
	assert_holds("a.log", "n");
}

static void names_may_have_directories(void **state)
{
	char path[128];
	int fd;

	assert_int_equal(mkdir("logs", 0700), 0);
	fd = fi_workfile_log("logs//a.log");
	assert_true(fd >= 0);
	(void)close(fd);
	fd = fi_workfile_create(".././elsewhere/pid");
	assert_true(fd >= 0);
	(void)close(fd);
	/* A caller who names all of it has chosen its directories. */
	assert_int_equal(symlink("elsewhere", "../chosen"), 0);
	(void)snprintf(path, sizeof(path), "%s/chosen/report", place);
	assert_int_equal(fi_workfile_publish(content, path, 0600), 0);
	assert_holds("../elsewhere/report", "new");
	assert_int_equal(fi_workfile_log("nosuch/a.log"), -ENOENT);
	assert_int_equal(fi_workfile_create("nosuch/a.pid"), -ENOENT);
	assert_int_equal(fi_workfile_publish(content, "nosuch/report", 0600), -ENOENT);
	fd = fi_workfile_log("/dev/null");
	assert_true(fd >= 0);
	(void)close(fd);
}

static void no_symlink_is_followed(void **state)
{
	char path[128];

	assert_int_equal(symlink("../victim", "planted"), 0);
	assert_int_equal(symlink("../elsewhere/new", "dangling"), 0);
	assert_int_equal(symlink("../elsewhere", "directory"), 0);
	(void)snprintf(path, sizeof(path), "%s/work/planted", place);

	assert_int_equal(fi_workfile_log("planted"), -ELOOP);
	assert_int_equal(fi_workfile_log(path), -ELOOP);
	assert_int_equal(fi_workfile_log("dangling"), -ELOOP);
	assert_int_equal(fi_workfile_log("directory/x"), -ENOTDIR);
	assert_int_equal(fi_workfile_create("planted"), -EEXIST);
	assert_int_equal(fi_workfile_create("dangling"), -EEXIST);
	assert_int_equal(fi_workfile_create("directory/x"), -ENOTDIR);
	assert_int_equal(fi_workfile_publish(content, "directory/x", 0600), -ENOTDIR);
	/* Takes the place of the link. */
	assert_int_equal(fi_workfile_publish(content, "planted", 0600), 0);
	assert_holds("planted", "new");
	assert_int_equal(fi_workfile_publish(content, "dangling", 0600), 0);
	assert_nothing_elsewhere();
}

static void other_names_of_a_file_are_seen(void **state)
{
	assert_int_equal(link("../victim", "planted"), 0);
	assert_int_equal(fi_workfile_log("planted"), -EMLINK);
	assert_nothing_elsewhere();
	assert_int_equal(fi_workfile_publish(content, "planted", 0600), 0);
	assert_nothing_elsewhere();
}

static void a_pipe_does_not_make_us_wait(void **state)
{
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_int_equal(fi_workfile_log("pipe"), -ENXIO);
}

static void a_new_file_is_new(void **state)
{
	struct stat st;
	int fd = fi_workfile_create("pid");

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	(void)close(fd);
	assert_int_equal(fi_workfile_create("pid"), -EEXIST);
}

static void publishing_replaces_the_older_one(void **state)
{
	struct stat st;

	put("report", "an older one, which is longer");
	assert_int_equal(fi_workfile_publish(content, "report", 0600), 0);
	assert_holds("report", "new");
	assert_int_equal(stat("report", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(fi_workfile_publish(content, "report", 0600), 0); /* again */
	(void)umask(022);
	assert_int_equal(fi_workfile_publish(content, "shared", 0644), 0);
	assert_int_equal(stat("shared", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(unlink("shared"), 0);
	assert_holds("report", "new");
	assert_int_equal(count_files(), 1);
}

static void nothing_is_left_where_it_cannot_be(void **state)
{
	static char longest[5000];

	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(fi_workfile_publish(content, longest, 0600), -ENAMETOOLONG);
	memset(longest + 2000, '/', 1);
	assert_int_equal(fi_workfile_publish(content, longest, 0600), -ENAMETOOLONG);
	longest[0] = '/';
	longest[4500] = '/';
	assert_int_equal(fi_workfile_publish(content, longest, 0600), -ENAMETOOLONG);
	assert_int_equal(count_files(), 0);

	assert_int_equal(mkdir("report", 0700), 0);
	assert_int_equal(fi_workfile_publish(content, "report", 0600), -EISDIR);
	assert_int_equal(count_files(), 1);
}

/* The disk is full: the older one stays. */
static void whole_or_not_at_all(void **state)
{
	struct rlimit before, tiny;
	int r;

	put("report", "old");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	tiny = before;
	tiny.rlim_cur = 2;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	r = fi_workfile_publish(content, "report", 0600);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(r, -EFBIG);
	assert_holds("report", "old");
	assert_int_equal(count_files(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_is_made_or_emptied),
		TEST(names_may_have_directories),
		TEST(no_symlink_is_followed),
		TEST(other_names_of_a_file_are_seen),
		TEST(a_pipe_does_not_make_us_wait),
		TEST(a_new_file_is_new),
		TEST(publishing_replaces_the_older_one),
		TEST(nothing_is_left_where_it_cannot_be),
		TEST(whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
