/* tests/unit/fake-engine.c - stands in for `faultin serve` behind the plugin's contract, and for
 * `faultin complete --tree`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It checks what it was given (plugin/engine.h), does what FAKE_ENGINE says, and leaves
 * fake-engine.pid in its working directory:
 *
 *   ready    listens, says so, serves until the connection or the parent ends; then removes the
 *            socket.  Exit code 0, or 3 after a connection that ended without "finished"
 *   chatty   the same, after 1 MiB of words
 *   fail     two lines of explanation, exit code 1
 *   silent   exit code 0 without being ready
 *   wrong    a byte that is not zero
 *   hang     binds the socket and sleeps
 *
 * and as `complete`:
 *
 *   ready    exit code 0, at once
 *   fail     two lines of explanation, exit code 1
 *   hang     a line, and sleeps
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define FINISHED 0x52535446u /* CRIU's word for it */

#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)dprintf(2, "fake engine: not so: %s\n", #condition);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static const char *const expected_args[] = {
	"serve", "--images-dir-fd", "3", "--work-dir", ".",	      "--status-fd",
	"4",	 "--parent-pidfd",  "5", "--log-file", "faultin.log",
};

static void check_descriptors(void)
{
	const struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	dir = opendir("/proc/self/fd");
	NEED(dir != NULL);
	while ((entry = readdir(dir))) {
		fd = atoi(entry->d_name);
		NEED(fd <= 5 || fd == dirfd(dir));
	}
	(void)closedir(dir);

	NEED(faccessat(3, "inventory.img", R_OK, 0) == 0);
	NEED(fstat(4, &st) == 0 && S_ISFIFO(st.st_mode));
	NEED(fstat(2, &st) == 0 && S_ISFIFO(st.st_mode));
	NEED(fstat(0, &st) == 0 && S_ISCHR(st.st_mode));
	NEED(fstat(1, &st) == 0 && S_ISCHR(st.st_mode));
	NEED(syscall(SYS_pidfd_send_signal, 5, 0, NULL, 0) == 0);
}

static void check_process(void)
{
	struct sigaction act;
	sigset_t blocked;

	NEED(sigprocmask(SIG_BLOCK, NULL, &blocked) == 0 && sigisemptyset(&blocked) == 1);
	NEED(sigaction(SIGCHLD, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	NEED(sigaction(SIGPIPE, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	NEED(sigaction(SIGINT, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	NEED(open("/dev/tty", O_RDWR | O_CLOEXEC) < 0);
	NEED(getsid(0) == getpgrp() && getsid(0) != getpid()); /* the middle process's */
}

static void write_pid(void)
{
	FILE *file = fopen("fake-engine.pid", "we");

	NEED(file != NULL);
	(void)fprintf(file, "%d\n", (int)getpid());
	(void)fclose(file);
}

static int bind_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "lazy-pages.socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	NEED(fd >= 0);
	NEED(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

/* Until CRIU has said that it is finished or is gone.  Returns the exit code. */
static int serve(int listener)
{
	struct pollfd pfds[2] = { { .fd = listener, .events = POLLIN },
				  { .fd = 5, .events = POLLIN } };
	uint32_t word = 0;
	int sock;

	NEED(poll(pfds, 2, 60000) > 0);
	if (!pfds[0].revents)
		return 0;
	sock = accept(listener, NULL, NULL);
	NEED(sock >= 0);
	return read(sock, &word, sizeof(word)) == sizeof(word) && word == FINISHED ? 0 : 3;
}

/* Returns the exit code. */
static int complete(int argc, char **argv, const char *mode)
{
	struct stat st;

	NEED(argc == 4 && strcmp(argv[2], "--tree") == 0 && atoi(argv[3]) > 0);
	NEED(fstat(2, &st) == 0 && S_ISFIFO(st.st_mode));
	NEED(fcntl(3, F_GETFD) < 0);
	if (strcmp(mode, "ready") == 0)
		return 0;
	(void)dprintf(2, "17 pages are owed\n");
	if (strcmp(mode, "hang") == 0)
		(void)sleep(60);
	(void)dprintf(2, "nobody knows whose they are");
	return 1;
}

int main(int argc, char **argv)
{
	const char *mode = getenv("FAKE_ENGINE");
	int null, listener, code;

	if (argc > 1 && strcmp(argv[1], "complete") == 0)
		return complete(argc, argv, mode);
	NEED(argc == 1 + (int)(sizeof(expected_args) / sizeof(expected_args[0])));
	for (int i = 1; i < argc; i++)
		NEED(strcmp(argv[i], expected_args[i - 1]) == 0);
	check_descriptors();
	check_process();
	write_pid();

	NEED(mode != NULL);
	if (strcmp(mode, "fail") == 0) {
		(void)dprintf(2, "pages-1.img: record 3: truncated\n");
		(void)dprintf(2, "this image cannot be served\n");
		return 1;
	}
	if (strcmp(mode, "silent") == 0)
		return 0;
	if (strcmp(mode, "wrong") == 0) {
		NEED(write(4, "E", 1) == 1);
		return 1;
	}
	if (strcmp(mode, "hang") == 0) {
		(void)bind_socket();
		(void)dprintf(2, "reading a very slow disk\n");
		(void)sleep(60);
		return 1;
	}
	if (strcmp(mode, "chatty") == 0)
		for (int i = 0; i < 16384; i++)
			(void)dprintf(2, "line %05d of many that fill a pipe: %020d\n", i, i);

	listener = bind_socket();
	NEED(listen(listener, 1) == 0);
	(void)dprintf(2, "serving\n");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	NEED(null >= 0 && dup2(null, 2) == 2);
	NEED(write(4, "", 1) == 1);
	(void)close(4);
	code = serve(listener);
	(void)unlink("lazy-pages.socket");
	return code;
}
