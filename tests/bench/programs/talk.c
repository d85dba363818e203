/* tests/bench/programs/talk.c - times, and what a workload and the runner say to each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * By files in the run directory, opened by path when they are needed, so that nothing open is
 * dumped: `ready` (ours), `go` (the runner's: the command), `results` (ours: a JSON object a line).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static char dir[512];
static char command[256];

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void nap_us(unsigned us)
{
	const struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	(void)nanosleep(&ts, NULL);
}

static int open_in_dir(const char *name, int flags)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static void write_line(const char *name, const char *line, size_t len)
{
	int fd = open_in_dir(name, O_WRONLY | O_CREAT | O_APPEND);

	if (fd < 0 || write(fd, line, len) != (ssize_t)len)
		_exit(3);
	(void)close(fd);
}

void say(const char *format, ...)
{
	char text[900], line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		_exit(3);
	len = snprintf(line, sizeof(line), "{\"to_wall_ns\": %llu, %s}\n",
		       (unsigned long long)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC)),
		       text);
	write_line("results", line, (size_t)len);
}

_Noreturn void fail(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("\"failed\": \"%s (errno %d)\"", text, errno);
	_exit(2);
}

uint64_t number(const char *word)
{
	char *end;
	uint64_t value = strtoull(word, &end, 10);

	if (end == word || *end)
		fail("'%s' is not a number", word);
	return value;
}

static bool read_command(void)
{
	int fd = open_in_dir("go", O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, command, sizeof(command) - 1);
	(void)close(fd);
	if (len <= 0)
		fail("cannot read the command");
	command[len] = '\0';
	return true;
}

void talk_in(const char *run_dir)
{
	if ((size_t)snprintf(dir, sizeof(dir), "%s", run_dir) >= sizeof(dir))
		_exit(3);
}

unsigned await_command(const char *run_dir, char **words, unsigned max)
{
	unsigned nr = 0;
	char pid[32], *save = NULL;
	int len;

	talk_in(run_dir);
	len = snprintf(pid, sizeof(pid), "%d\n", getpid());
	write_line("ready", pid, (size_t)len);
	while (!read_command())
		nap_us(100);
	for (char *word = strtok_r(command, " \n", &save); word && nr < max;
	     word = strtok_r(NULL, " \n", &save))
		words[nr++] = word;
	return nr;
}

bool runner_left(const char *name)
{
	int fd = open_in_dir(name, O_RDONLY);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

struct samples samples_make(size_t max, bool shared)
{
	struct samples samples = { .ns = fresh(max * sizeof(uint32_t), shared), .max = max };

	return samples;
}

void samples_add(struct samples *samples, uint64_t ns)
{
	if (samples->nr < samples->max)
		samples->ns[samples->nr++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

uint32_t samples_quantile(struct samples *samples, unsigned per_1000)
{
	size_t at;

	if (!samples->nr)
		return 0;
	qsort(samples->ns, samples->nr, sizeof(*samples->ns), compare);
	at = (samples->nr * per_1000 + 999) / 1000;
	return samples->ns[at ? at - 1 : 0];
}

void say_touches(const char *job, uint64_t start, struct samples *samples, uint64_t wrong)
{
	uint64_t end = now_ns();
	uint32_t p50 = samples_quantile(samples, 500), p99 = samples_quantile(samples, 990),
		 max = samples_quantile(samples, 1000);

	say("\"job\": \"%s\", \"start_ns\": %llu, \"end_ns\": %llu, \"touches\": %zu, "
	    "\"p50_ns\": %u, \"p99_ns\": %u, \"max_ns\": %u, \"wrong\": %llu",
	    job, (unsigned long long)start, (unsigned long long)end, samples->nr, p50, p99, max,
	    (unsigned long long)wrong);
}

uint64_t touch_some(const struct area *area, struct order *order, uint64_t count,
		    struct samples *samples)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t nr = order_next(order), start = samples ? now_ns() : 0;

		wrong += !area_touch(area, nr, order->key);
		if (samples)
			samples_add(samples, now_ns() - start);
	}
	return wrong;
}

unsigned wait_children(unsigned nr)
{
	unsigned bad = 0;
	int status;

	while (nr-- > 0) {
		if (wait(&status) < 0)
			fail("wait");
		bad += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	return bad;
}

uint64_t pss_kb(int pid)
{
	char path[64], text[2048];
	const char *line;
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid ? pid : getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	line = strstr(text, "\nPss:");
	return line ? strtoull(line + 5, NULL, 10) : 0;
}
