/* plugin/engine.c - see engine.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU clones a middle process, the middle clones the engine and ends; the engine is an orphan from
 * then on.
 *
 * Not here: what to do with the words; the socket file (lazy_socket.h).
 */
#include "config.h"

#include "plugin/engine.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/cleanup.h"
#include "plugin/child.h"
#include "plugin/container.h"
#include "plugin/outside.h"
#include "plugin/pass.h"

/* Descriptors in the engine.  The numbers are in its arguments. */
enum {
	FD_IMAGES = 3,
	FD_STATUS = 4,
	FD_PARENT = 5,
	FD_HANDOVER = 6, /* if there is one */
	FD_END,
};

/* How long a killed engine may take to be gone, and a failed one to say its last words. */
#define LAST_WORDS_MS 2000

static const char *const engine_argv[] = {
	"faultin",     "serve", "--images-dir-fd", "3", "--work-dir", ".",
	"--status-fd", "4",	"--parent-pidfd",  "5", "--log-file",
};

/* Words that are added: of the log file and the descriptor, three settings, the log's level, the
 * trace, shared memory, the container, and the NULL. */
#define MAX_ADDED 16

/* The engine's words. */
struct words {
	const char *word[FI_ARRAY_SIZE(engine_argv) + MAX_ADDED];
	size_t nr;
	char rate[FI_BYTES_ROOM], threads[16], verbosity[32], drain[32], trace[40];
};

/* What the engine is made from.  CRIU's ends of the pipes are the other members. */
struct start {
	const char *program;
	struct words argv;
	int null, images, parent, handover;
	int status[2], words[2]; /* pipes */
	int middle[2];		 /* sockets */
	const char *device;
};

/* What the middle process says, beside the device's descriptor. */
struct reply {
	pid_t engine;
	int device; /* 0 or the negative errno of its open(2) */
};

static void close_start(struct start *s)
{
	fi_close(&s->null);
	fi_close(&s->parent);
	for (int i = 0; i < 2; i++) {
		fi_close(&s->status[i]);
		fi_close(&s->words[i]);
		fi_close(&s->middle[i]);
	}
}

static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0); /* CLOEXEC */
}

/* In the engine's process. */
static void __attribute__((noreturn)) become_engine(const struct start *s)
{
	const int fds[FD_END] = { s->null,	s->null,   s->words[1], s->images,
				  s->status[1], s->parent, s->handover };

	fi_child_exec(s->program, s->argv.word, fds, s->handover >= 0 ? FD_END : FD_HANDOVER);
}

/* In the middle process: leaves the container's cgroups, if CRIU is in them and it was not born outside (some
 * 20 ms, which is why the device is opened here and not by another child), tells what there is to tell and ends. */
static void __attribute__((noreturn)) become_middle(const struct start *s, pid_t runtime)
{
	struct reply reply = { .device = 0 };
	int device = -EBADF;

	(void)setsid();
	(void)fi_outside_join(runtime);
	if (s->device) {
		device = open(s->device, O_RDWR | O_CLOEXEC);
		reply.device = device < 0 ? -errno : 0;
	}
	reply.engine = fi_child_fork();
	if (reply.engine == 0)
		become_engine(s);
	_exit(fi_pass(s->middle[1], &reply, sizeof(reply), device) == 0 ? 0 : 1);
}

/* Makes the two processes.  Returns the engine's pid or a negative errno. */
static pid_t fork_engine(struct start *s, int *device)
{
	const pid_t runtime = fi_container_runtime();
	fi_auto_close int outside = fi_outside_open(runtime);
	struct reply reply = { .engine = -ECHILD };
	pid_t middle;
	int fd, r;

	middle = fi_child_fork_into(outside);
	if (middle == 0)
		become_middle(s, runtime);
	if (middle < 0)
		return middle;

	fi_close(&s->middle[1]);
	r = fi_pass_take(s->middle[0], &reply, sizeof(reply), &fd);
	while (waitpid(middle, NULL, __WALL) < 0 && errno == EINTR)
		;
	if (device)
		*device = reply.device < 0 ? reply.device : fd;
	return r < 0 ? -ECHILD : reply.engine;
}

/* Takes what the engine says.  Returns whether there may be more. */
static bool hear(int fd, struct fi_engine_words *words)
{
	size_t len = strlen(words->text);
	size_t room = sizeof(words->text) - 1 - len;
	char beyond[1024];
	ssize_t n;

	n = room > 0 ? read(fd, words->text + len, room) : read(fd, beyond, sizeof(beyond));
	if (n > 0 && room > 0)
		words->text[len + (size_t)n] = '\0';
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Hears the engine out until it closes its status pipe, or its time is over.
 *
 * Returns 1 when it said that it is ready, 0 when it closed the pipe without, or -ETIMEDOUT.
 */
static int wait_for_status(const struct fi_engine_birth *b, struct fi_engine_words *words)
{
	const int64_t deadline = fi_child_now_ms() + b->timeout_ms;
	struct pollfd pfds[2] = {
		{ .fd = b->status, .events = POLLIN },
		{ .fd = b->words, .events = POLLIN },
	};
	int64_t left;
	ssize_t n;
	char byte;

	for (;;) {
		left = deadline - fi_child_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(pfds, FI_ARRAY_SIZE(pfds), (int)left) < 0 && errno != EINTR)
			return -errno;
		if (pfds[1].revents && !hear(b->words, words))
			pfds[1].fd = -1;
		if (pfds[0].revents) {
			n = read(b->status, &byte, 1);
			if (n >= 0)
				return n == 1 && byte == 0;
			if (errno != EAGAIN && errno != EINTR)
				return -errno;
		}
	}
}

/* What is still in the pipe when the engine is ready: it does not wait for more. */
static void hear_rest(const struct fi_engine_birth *b, struct fi_engine_words *words)
{
	struct pollfd pfd = { .fd = b->words, .events = POLLIN };

	while (poll(&pfd, 1, 0) == 1 && hear(b->words, words))
		;
}

/* Waits until the engine has ended, hearing its last words.  Returns whether it has. */
static bool wait_for_end(const struct fi_engine_birth *b, struct fi_engine_words *words)
{
	struct pollfd pfds[2] = {
		{ .fd = b->pidfd, .events = POLLIN },
		{ .fd = b->words, .events = POLLIN },
	};
	int64_t deadline = fi_child_now_ms() + LAST_WORDS_MS;
	int64_t left;

	for (;;) {
		left = deadline - fi_child_now_ms();
		if (left <= 0)
			return false;
		(void)poll(pfds, FI_ARRAY_SIZE(pfds), (int)left);
		if (pfds[1].revents && !hear(b->words, words))
			pfds[1].fd = -1;
		if (pfds[0].revents) {
			hear_rest(b, words);
			return true;
		}
	}
}

static int prepare(struct start *s)
{
	if (pipe2(s->status, O_CLOEXEC) < 0 || pipe2(s->words, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s->middle) < 0 ||
	    fcntl(s->status[0], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(s->words[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	s->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->null < 0)
		return -errno;
	s->parent = pidfd_open(getpid());
	return s->parent < 0 ? -errno : 0;
}

static void add(struct words *argv, const char *option, const char *value)
{
	argv->word[argv->nr++] = option;
	if (value)
		argv->word[argv->nr++] = value;
}

/* What the engine would do anyway is not said. */
static void add_settings(struct words *argv, const struct fi_settings *settings)
{
	char drain[FI_SETTINGS_VALUE_MAX];

	if (settings->drain != FI_DRAIN_BACKGROUND) {
		fi_settings_format(settings, FI_KEY_DRAIN, drain);
		(void)snprintf(argv->drain, sizeof(argv->drain), "%.*s",
			       (int)sizeof(argv->drain) - 1, drain);
		add(argv, "--drain", argv->drain);
	}
	if (settings->drain_rate) {
		fi_bytes_format(settings->drain_rate, argv->rate);
		add(argv, "--drain-rate", argv->rate);
	}
	if (settings->threads) {
		(void)snprintf(argv->threads, sizeof(argv->threads), "%u", settings->threads);
		add(argv, "--threads", argv->threads);
	}
	if (settings->from[FI_KEY_LOG_LEVEL].origin != FI_ORIGIN_BUILT_IN) {
		(void)snprintf(argv->verbosity, sizeof(argv->verbosity), "--verbosity=%d",
			       settings->log_level);
		add(argv, argv->verbosity, NULL);
	}
	if (settings->lazy_shared)
		add(argv, "--lazy-shared", NULL);
	/* One checkpoint may be restored many times at once, in one directory. */
	if (settings->trace) {
		(void)snprintf(argv->trace, sizeof(argv->trace), "faultin-trace-%d.json",
			       (int)getpid());
		add(argv, "--trace", argv->trace);
	}
}

static void find_words(struct words *argv, const struct fi_engine_order *order)
{
	memcpy(argv->word, engine_argv, sizeof(engine_argv));
	argv->nr = FI_ARRAY_SIZE(engine_argv);
	argv->word[argv->nr++] = order->settings->log_file;
	if (order->handover >= 0)
		add(argv, "--handover-fd", "6");
	add_settings(argv, order->settings);
	if (order->container)
		add(argv, "--container", order->container);
	argv->word[argv->nr] = NULL;
}

int fi_engine_begin(const struct fi_engine_order *order, struct fi_engine_birth *birth, int *device,
		    struct fi_error *err)
{
	fi_cleanup(close_start) struct start s = {
		.program = order->program,
		.null = -EBADF,
		.images = order->images_dirfd,
		.parent = -EBADF,
		.handover = order->handover,
		.status = { -EBADF, -EBADF },
		.words = { -EBADF, -EBADF },
		.middle = { -EBADF, -EBADF },
		.device = order->device,
	};
	pid_t pid;
	int r;

	find_words(&s.argv, order);
	r = prepare(&s);
	if (r < 0)
		return fi_error_set(err, r, "cannot prepare the engine's start: %s", strerror(-r));
	pid = fork_engine(&s, device);
	if (pid < 0)
		return fi_error_set(err, pid, "cannot start '%s': %s", order->program,
				    strerror(-pid));
	(void)snprintf(birth->program, sizeof(birth->program), "%s", order->program);
	birth->timeout_ms = order->timeout_ms;
	/* If the pid were another process's by now, the engine would have ended, and its end of the
	 * status pipe would be closed: no signal is sent then. */
	birth->pidfd = pidfd_open(pid);
	birth->status = fi_take_fd(&s.status[0]);
	birth->words = fi_take_fd(&s.words[0]);
	return 0;
}

static int wait_until_ready(const struct fi_engine_birth *b, struct fi_engine_words *words,
			    struct fi_error *err)
{
	int r = wait_for_status(b, words);

	if (r == 1) {
		hear_rest(b, words);
		return 0;
	}
	if (r == 0) {
		if (b->pidfd >= 0)
			(void)wait_for_end(b, words);
		return fi_error_set(err, -ECHILD, "'%s' ended before it was ready", b->program);
	}
	if (b->pidfd >= 0 && syscall(SYS_pidfd_send_signal, b->pidfd, SIGKILL, NULL, 0) == 0)
		(void)wait_for_end(b, words);
	return r == -ETIMEDOUT
		       ? fi_error_set(err, r, "'%s' was not ready after %d ms, and was killed",
				      b->program, b->timeout_ms)
		       : fi_error_set(err, r, "waiting for '%s': %s", b->program, strerror(-r));
}

int fi_engine_wait(struct fi_engine_birth *birth, struct fi_engine_words *words,
		   struct fi_error *err)
{
	int r;

	words->text[0] = '\0';
	r = wait_until_ready(birth, words, err);
	fi_engine_forget(birth);
	return r;
}

void fi_engine_forget(struct fi_engine_birth *birth)
{
	fi_close(&birth->status);
	fi_close(&birth->words);
	fi_close(&birth->pidfd);
}
