/* tests/unit/test-lazysock.c - CRIU's side of lazy-pages.socket, well and badly spoken.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/lazysock.h"

static struct fi_lazysock sock;
static int criu; /* the other end */
static struct fi_error err;
static int nr_fds;

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (readdir(dir))
		nr++;
	(void)closedir(dir);
	return nr;
}

static int setup(void **state)
{
	int pair[2];

	/* one that would block, as the plugin makes it */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
	    fi_lazysock_welcome(pair[0], &sock, NULL) < 0)
		return -1;
	criu = pair[1];
	err.text[0] = '\0';
	nr_fds = count_fds();
	return 0;
}

static int teardown(void **state)
{
	fi_lazysock_done(&sock);
	fi_close(&criu);
	return 0;
}

static void say(const void *bytes, size_t len)
{
	assert_int_equal(send(criu, bytes, len, 0), len);
}

static void say_word(int32_t word)
{
	say(&word, sizeof(word));
}

/* One byte, or @len of @bytes, with @nr descriptors beside it. */
static void say_fds(const void *bytes, size_t len, const int *fds, size_t nr)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = nr ? &control : NULL,
		.msg_controllen = nr ? CMSG_SPACE(nr * sizeof(int)) : 0,
	};

	if (nr) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr * sizeof(int));
	}
	assert_int_equal(sendmsg(criu, &msg, 0), len);
}

static int next(struct fi_lazy_msg *msg)
{
	*msg = (struct fi_lazy_msg){ .uffd = -EBADF };
	return fi_lazysock_next(&sock, msg, &err);
}

static void assert_protocol_error(const char *words)
{
	struct fi_lazy_msg msg;

	assert_int_equal(next(&msg), -EPROTO);
	if (!strstr(err.text, words))
		fail_msg("'%s' does not say '%s'", err.text, words);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void tasks_zombies_and_the_end(void **state)
{
	struct fi_lazy_msg msg;
	int uffd = memfd_create("uffd", MFD_CLOEXEC);

	assert_int_equal(next(&msg), -EAGAIN);
	say_word(-17);
	say_word(42);
	say_fds("x", 1, &uffd, 1);
	say_word((int32_t)FI_LAZYSOCK_FINISHED);

	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_ZOMBIE);
	assert_int_equal(msg.vpid, 17);
	assert_true(msg.uffd < 0);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_TASK);
	assert_int_equal(msg.vpid, 42);
	assert_int_equal(msg.pid, getpid());
	assert_true(same_file(msg.uffd, uffd));
	assert_int_equal(fcntl(msg.uffd, F_GETFD), FD_CLOEXEC);
	(void)close(msg.uffd);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_FINISHED);
	assert_int_equal(next(&msg), -EAGAIN);
	(void)close(uffd);
}

/* What the plugin says of shared memory. */
static void files_and_watches(void **state)
{
	struct fi_lazy_msg msg;
	int fd = memfd_create("file", MFD_CLOEXEC);

	say_word((int32_t)(FI_LAZYSOCK_FILE + 3));
	say_fds("x", 1, &fd, 1);
	say_word((int32_t)(FI_LAZYSOCK_WATCH + FI_LAZYSOCK_SHARERS - 1));
	say_fds("x", 1, &fd, 1);

	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_FILE);
	assert_int_equal(msg.vpid, 3);
	assert_true(same_file(msg.uffd, fd));
	(void)close(msg.uffd);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_WATCH);
	assert_int_equal(msg.vpid, FI_LAZYSOCK_SHARERS - 1);
	assert_int_equal(msg.pid, getpid());
	(void)close(msg.uffd);
	assert_int_equal(next(&msg), -EAGAIN);
	(void)close(fd);
}

/* CRIU's tasks share the connection; each sends its own. */
static void the_pid_is_the_senders(void **state)
{
	struct fi_lazy_msg msg;
	pid_t pid = fork();

	if (pid == 0) {
		int uffd = memfd_create("uffd", MFD_CLOEXEC);

		say_word(42);
		say_fds("x", 1, &uffd, 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.pid, pid);
	(void)close(msg.uffd);
}

static void words_in_pieces(void **state)
{
	const uint32_t words[] = { 42, FI_LAZYSOCK_FINISHED };
	const unsigned char *bytes = (const unsigned char *)words;
	int uffd = memfd_create("uffd", MFD_CLOEXEC);
	struct fi_lazy_msg msg;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(next(&msg), -EAGAIN);
		say(&bytes[i], 1);
	}
	assert_int_equal(next(&msg), -EAGAIN); /* the descriptor is still to come */
	assert_int_equal(next(&msg), -EAGAIN);
	say_fds("x", 1, &uffd, 1);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_TASK);
	assert_int_equal(msg.vpid, 42);
	(void)close(msg.uffd);
	for (int i = 4; i < 8; i++) {
		assert_int_equal(next(&msg), -EAGAIN);
		say(&bytes[i], 1);
	}
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_FINISHED);
	(void)close(uffd);
}

static void vpids_that_make_no_sense(void **state)
{
	say_word(0);
	assert_protocol_error("vpid 0");
	say_word(INT32_MIN);
	assert_protocol_error("vpid -2147483648");
	assert_int_equal(count_fds(), nr_fds);
}

static void a_descriptor_before_its_vpid(void **state)
{
	int32_t vpid = 42;
	int uffd = memfd_create("uffd", MFD_CLOEXEC);

	say_fds(&vpid, sizeof(vpid), &uffd, 1);
	(void)close(uffd);
	assert_protocol_error("before its vpid");
	assert_int_equal(count_fds(), nr_fds); /* and it is not leaked */
}

static void a_vpid_without_its_descriptor(void **state)
{
	say_word(42);
	say("x", 1);
	assert_protocol_error("vpid 42");
}

static void two_descriptors_are_one_too_many(void **state)
{
	int fds[2] = { memfd_create("one", MFD_CLOEXEC), memfd_create("two", MFD_CLOEXEC) };
	struct fi_lazy_msg msg;

	say_word(42);
	say_fds("x", 1, fds, 2);
	assert_int_equal(next(&msg), 0);
	assert_true(same_file(msg.uffd, fds[1]));
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(count_fds(), nr_fds + 1);
	(void)close(msg.uffd);
}

/* More than there is room for: nothing leaks. */
static void many_descriptors(void **state)
{
	int fds[8];
	struct fi_lazy_msg msg;

	for (int i = 0; i < 8; i++)
		fds[i] = memfd_create("many", MFD_CLOEXEC);
	say_word(42);
	say_fds("x", 1, fds, 8);
	for (int i = 0; i < 8; i++)
		(void)close(fds[i]);
	assert_int_equal(next(&msg), 0);
	(void)close(msg.uffd);
	assert_int_equal(count_fds(), nr_fds);
}

static void closed_and_closed_again(void **state)
{
	struct fi_lazy_msg msg;

	say_word(-5);
	fi_close(&criu);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_ZOMBIE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(next(&msg), 0);
		assert_int_equal(msg.kind, FI_LAZY_CLOSED);
	}
}

static void reset_is_closed(void **state)
{
	struct fi_lazy_msg msg;

	assert_int_equal(send(sock.fd, "unread", 6, 0), 6);
	fi_close(&criu);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.kind, FI_LAZY_CLOSED);
}

static void closed_inside_a_word(void **state)
{
	say("ab", 2);
	fi_close(&criu);
	{
		struct fi_lazy_msg msg;

		assert_int_equal(next(&msg), -EAGAIN);
	}
	assert_protocol_error("inside a message");
}

static void closed_before_the_descriptor(void **state)
{
	say_word(42);
	fi_close(&criu);
	assert_protocol_error("vpid 42");
}

static void random_bytes_never_crash_or_leak(void **state)
{
	unsigned seed = 1;

	for (int i = 0; i < 300; i++) {
		struct fi_lazy_msg msg;
		int r;

		(void)teardown(NULL);
		assert_int_equal(setup(NULL), 0);
		for (int n = (int)(seed % 5); n >= 0; n--) {
			unsigned char bytes[7];
			int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

			for (size_t b = 0; b < sizeof(bytes); b++) {
				seed = seed * 1103515245 + 12345;
				bytes[b] = seed % 3 ? (unsigned char)(seed >> 16) : 0;
			}
			say_fds(bytes, 1 + seed % sizeof(bytes), &null, seed % 4 == 0);
			(void)close(null);
		}
		fi_close(&criu);
		do {
			r = next(&msg);
			if (r == 0)
				fi_close(&msg.uffd);
		} while ((r == 0 && msg.kind != FI_LAZY_CLOSED) || r == -EAGAIN);
		assert_true(r == 0 || r == -EPROTO);
		assert_int_equal(count_fds(), nr_fds - 1);
	}
}

/* --- the socket itself -------------------------------------------------------------------------- */

static char *work;

static int enter_work(void **state)
{
	static char template[] = "/tmp/test-lazysock.XXXXXX";

	memcpy(template + sizeof(template) - 7, "XXXXXX", 7);
	work = mkdtemp(template);
	sock.fd = -EBADF;
	criu = -EBADF;
	return !work || chdir(work) < 0 ? -1 : 0;
}

static int leave_work(void **state)
{
	(void)teardown(NULL);
	(void)unlink(FI_LAZYSOCK_NAME);
	return chdir("/") < 0 || rmdir(work) < 0 ? -1 : 0;
}

static int connect_to(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = FI_LAZYSOCK_NAME };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
}

static void listens_in_the_working_directory(void **state)
{
	fi_auto_close int listener = -EBADF;
	struct fi_lazy_msg msg;
	struct stat st;
	int stale = open(FI_LAZYSOCK_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)close(stale);
	listener = fi_lazysock_listen(&err);
	assert_true(listener >= 0);
	assert_int_equal(fcntl(listener, F_GETFD), FD_CLOEXEC);
	assert_int_equal(stat(FI_LAZYSOCK_NAME, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 077, 0); /* nobody else's */

	assert_int_equal(fi_lazysock_accept(listener, &sock, &err), -EAGAIN);
	criu = connect_to();
	assert_true(criu >= 0);
	assert_int_equal(fi_lazysock_accept(listener, &sock, &err), 0);
	assert_int_equal(next(&msg), -EAGAIN); /* never blocks */
	say_word(-3);
	assert_int_equal(next(&msg), 0);
	assert_int_equal(msg.vpid, 3);
}

/* An engine that still drains, and the next one in the same directory. */
static void another_engines_socket_is_not_removed(void **state)
{
	fi_auto_close int first = fi_lazysock_listen(&err), second = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = FI_LAZYSOCK_NAME };

	assert_true(first >= 0);
	assert_int_equal(unlink(FI_LAZYSOCK_NAME), 0);
	second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(second, (struct sockaddr *)&addr, sizeof(addr)), 0);
	fi_lazysock_unlink();
	assert_int_equal(access(FI_LAZYSOCK_NAME, F_OK), 0);

	fi_close(&first);
	first = fi_lazysock_listen(&err);
	assert_true(first >= 0);
	fi_lazysock_unlink();
	assert_int_equal(access(FI_LAZYSOCK_NAME, F_OK), -1);
	fi_lazysock_unlink();
}

/* Planted by the owner of the directory. */
static void a_symlink_in_the_way_is_replaced(void **state)
{
	fi_auto_close int listener = -EBADF, other = -EBADF;
	struct stat st;

	other = open("other", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(symlink("other", FI_LAZYSOCK_NAME), 0);
	listener = fi_lazysock_listen(&err);
	assert_true(listener >= 0);
	assert_int_equal(lstat(FI_LAZYSOCK_NAME, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(fstat(other, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_nlink == 1 && (st.st_mode & 0777) == 0644);
	assert_int_equal(unlink("other"), 0);
}

static void a_directory_in_the_way_is_an_error(void **state)
{
	assert_int_equal(mkdir(FI_LAZYSOCK_NAME, 0700), 0);
	assert_true(fi_lazysock_listen(&err) < 0);
	assert_non_null(strstr(err.text, FI_LAZYSOCK_NAME));
	assert_int_equal(rmdir(FI_LAZYSOCK_NAME), 0);
}

static void another_user_is_refused(void **state)
{
	fi_auto_close int listener = -EBADF;
	struct pollfd pfd;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: only root can be somebody else\n");
		skip();
	}
	listener = fi_lazysock_listen(&err);
	assert_int_equal(chmod(work, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) == 0 && connect_to() == -EACCES ? 0 : 1);
	{
		int status;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0); /* the file's mode is the first fence */
	}
	assert_int_equal(chmod(FI_LAZYSOCK_NAME, 0666), 0);
	pid = fork();
	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) == 0 && connect_to() >= 0 ? 0 : 1);
	pfd = (struct pollfd){ .fd = listener, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, 60000), 1);
	assert_int_equal(fi_lazysock_accept(listener, &sock, &err), -EPERM);
	assert_non_null(strstr(err.text, "65534"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	/* That was not the one that there is room for. */
	criu = connect_to();
	assert_true(criu >= 0);
	assert_int_equal(fi_lazysock_accept(listener, &sock, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define WORK(name) cmocka_unit_test_setup_teardown(name, enter_work, leave_work)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tasks_zombies_and_the_end),
		TEST(files_and_watches),
		TEST(the_pid_is_the_senders),
		TEST(words_in_pieces),
		TEST(vpids_that_make_no_sense),
		TEST(a_descriptor_before_its_vpid),
		TEST(a_vpid_without_its_descriptor),
		TEST(two_descriptors_are_one_too_many),
		TEST(many_descriptors),
		TEST(closed_and_closed_again),
		TEST(reset_is_closed),
		TEST(closed_inside_a_word),
		TEST(closed_before_the_descriptor),
		TEST(random_bytes_never_crash_or_leak),
		WORK(listens_in_the_working_directory),
		WORK(another_engines_socket_is_not_removed),
		WORK(a_symlink_in_the_way_is_replaced),
		WORK(a_directory_in_the_way_is_an_error),
		WORK(another_user_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
