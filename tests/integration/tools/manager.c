/* tests/integration/tools/manager.c - does to one service what systemd does that stores descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     manager DIR REFUSED COMMAND [ARG...]
 *
 * Starts COMMAND with a notification socket, keeps what it is sent with FDSTORE=1 under its FDNAME, and forgets
 * it with FDSTOREREMOVE=1.  When COMMAND dies of a signal, what was sent before is taken in and COMMAND is
 * started anew with all that is stored; when it exits, everything is closed and the exit code is COMMAND's.
 * TERM and INT are passed on.
 *
 * An entry whose name is REFUSED is not taken: the store is full then.  ("-": none.)
 *
 * In DIR: `pid`, of COMMAND as it was started last; `ready`, once it has said so; `log`, with a line for each
 * entry that comes (+NAME) and goes (-NAME), and for each start.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM	 4096
#define FIRST_FD 3

static struct entry {
	char name[64];
	int fd;
} store[ROOM];
static size_t nr_stored;

static const char *dir, *refused;
static int sock, log_fd;
static sigset_t signals;

static void note(const char *what, const char *name)
{
	if (dprintf(log_fd, "%s%s\n", what, name) < 0)
		err(125, "cannot write the log");
}

static int in_dir(const char *name, int flags)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		err(125, "cannot open '%s'", path);
	return fd;
}

static void open_socket(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s/notify", dir);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		err(125, "cannot listen at '%s'", addr.sun_path);
	if (setenv("NOTIFY_SOCKET", addr.sun_path, 1) < 0)
		err(125, "setenv");
}

/* --- what is stored ---------------------------------------------------------------------------- */

static void forget(const char *name)
{
	for (size_t i = 0; i < nr_stored;) {
		if (strcmp(store[i].name, name) != 0) {
			i++;
			continue;
		}
		note("-", name);
		(void)close(store[i].fd);
		store[i] = store[--nr_stored];
	}
}

static void keep(const char *name, int fd)
{
	if (strcmp(name, refused) == 0 || nr_stored == ROOM) {
		(void)close(fd);
		return;
	}
	note("+", name);
	(void)snprintf(store[nr_stored].name, sizeof(store[0].name), "%.63s", name);
	store[nr_stored++].fd = fd;
}

/* The descriptor of a message; negative: it has none. */
static int fd_of(struct msghdr *msg)
{
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd = -EBADF;

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static void obey(char *text, int fd)
{
	const char *name = "stored";
	bool keeps = false, forgets = false;
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		if (strncmp(line, "FDNAME=", 7) == 0)
			name = line + 7;
		else if (strcmp(line, "FDSTORE=1") == 0)
			keeps = true;
		else if (strcmp(line, "FDSTOREREMOVE=1") == 0)
			forgets = true;
		else if (strcmp(line, "READY=1") == 0)
			(void)close(in_dir("ready", 0));
	}
	if (forgets)
		forget(name);
	if (keeps && fd >= 0)
		keep(name, fd);
	else if (fd >= 0)
		(void)close(fd);
}

/* All that has been sent. */
static void listen_to_it(void)
{
	for (;;) {
		char text[256];
		union {
			struct cmsghdr align;
			char room[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = { text, sizeof(text) - 1 };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return;
		text[len] = '\0';
		obey(text, fd_of(&msg));
	}
}

/* --- the service --------------------------------------------------------------------------------- */

static _Noreturn void become(char **argv)
{
	static char names[ROOM * 65];
	char number[16];
	size_t len = 0;
	int nr = (int)nr_stored, top = FIRST_FD + nr;

	(void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
	/* Away from where they have to go, then there, where they survive the exec. */
	for (int i = 0; i < nr; i++) {
		store[i].fd = fcntl(store[i].fd, F_DUPFD_CLOEXEC, top);
		if (store[i].fd < 0)
			err(125, "cannot move a descriptor");
	}
	for (int i = 0; i < nr; i++) {
		if (dup2(store[i].fd, FIRST_FD + i) < 0)
			err(125, "cannot hand a descriptor over");
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ":" : "",
					store[i].name);
	}
	(void)snprintf(number, sizeof(number), "%d", (int)getpid());
	(void)setenv("SYSTEMD_EXEC_PID", number, 1);
	if (nr) {
		(void)setenv("LISTEN_PID", number, 1);
		(void)snprintf(number, sizeof(number), "%d", nr);
		(void)setenv("LISTEN_FDS", number, 1);
		(void)setenv("LISTEN_FDNAMES", names, 1);
	}
	(void)execvp(argv[0], argv);
	err(127, "cannot run '%s'", argv[0]);
}

static pid_t start(char **argv)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		err(125, "fork");
	if (pid == 0)
		become(argv);
	fd = in_dir("pid", O_TRUNC);
	if (dprintf(fd, "%d\n", (int)pid) < 0)
		err(125, "cannot write the pid");
	(void)close(fd);
	note("start", "");
	return pid;
}

/* Returns its wait status. */
static int run(char **argv)
{
	int sigfd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), status;
	pid_t pid = start(argv);

	for (;;) {
		struct pollfd pfds[] = { { .fd = sock, .events = POLLIN },
					 { .fd = sigfd, .events = POLLIN } };
		struct signalfd_siginfo info;

		(void)poll(pfds, 2, -1);
		listen_to_it();
		while (read(sigfd, &info, sizeof(info)) == sizeof(info))
			if (info.ssi_signo != SIGCHLD)
				(void)kill(pid, (int)info.ssi_signo);
		if (waitpid(pid, &status, WNOHANG) != pid)
			continue;
		listen_to_it();
		(void)close(sigfd);
		return status;
	}
}

int main(int argc, char **argv)
{
	int status;

	if (argc < 4)
		errx(125, "usage: manager DIR REFUSED COMMAND [ARG...]");
	dir = argv[1];
	refused = argv[2];
	log_fd = in_dir("log", O_APPEND);
	open_socket();
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	do
		status = run(argv + 3);
	while (WIFSIGNALED(status));
	return WEXITSTATUS(status);
}
