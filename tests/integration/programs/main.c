/* tests/integration/programs/main.c - finds the scenario, and runs it around a dump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     scenarios --list             the names, one a line
 *     scenarios NAME DIR           prepare, write DIR/ready, wait for DIR/go, run, write DIR/result
 *                                  (and, while there is a file DIR/stay, do not end)
 *     scenarios --nothing          exit 0: what children that exec become
 *     scenarios --verdict DIR      write the verdict "ok": what a scenario that execs becomes
 *
 * The result file is opened by its path each time, and only after the restore: a descriptor that is
 * open at the dump would have to find a file of the same size again at every restore.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scenario.h"

static const struct scenario *const tables[] = {
	fork_scenarios,	  move_scenarios,     unmap_scenarios,	   protect_scenarios,
	advise_scenarios, thread_scenarios,   syscall_scenarios,   life_scenarios,
	shape_scenarios,  survival_scenarios, neighbour_scenarios, confined_scenarios,
	shared_scenarios, pool_scenarios,
};

/* Arrays, not pointers to argv: they are read at the moments when nothing may go wrong. */
static char dir[PATH_MAX / 2];
static char result_path[PATH_MAX];
static char go_path[PATH_MAX];
static char stay_path[PATH_MAX];

const char *run_dir(void)
{
	return dir;
}

static void set_dir(const char *path)
{
	int len = snprintf(dir, sizeof(dir), "%s", path);

	if (len < 0 || (size_t)len >= sizeof(dir) || path[0] != '/')
		exit(2);
	(void)snprintf(result_path, sizeof(result_path), "%s/result", dir);
	(void)snprintf(go_path, sizeof(go_path), "%s/go", dir);
	(void)snprintf(stay_path, sizeof(stay_path), "%s/stay", dir);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(3);
	(void)close(fd);
}

void fail(const char *fmt, ...)
{
	char text[512], line[600];
	int saved = errno;
	va_list args;

	errno = saved; /* for %m */
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)snprintf(line, sizeof(line), "pid %d: %s\n", getpid(), text);
	write_file(result_path, line);
	_exit(1);
}

void nap_ms(unsigned ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

void wait_for_go(void)
{
	while (access(go_path, F_OK) < 0)
		nap_ms(1);
}

void say(const char *name, size_t number)
{
	char path[PATH_MAX], text[32];

	(void)snprintf(path, sizeof(path), "%s/%s", run_dir(), name);
	(void)snprintf(text, sizeof(text), "%zu\n", number);
	(void)unlink(path);
	write_file(path, text);
}

void wait_for_file(const char *name)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", run_dir(), name);
	while (access(path, F_OK) < 0)
		nap_ms(1);
}

void exec_nothing(void)
{
	(void)execl("/proc/self/exe", "scenarios", "--nothing", (char *)NULL);
}

void exec_verdict(char *page)
{
	char *path = page, *name = page + 100, *verb = page + 200, *where = page + 300;
	char *argv[] = { name, verb, where, NULL };

	(void)strcpy(path, "/proc/self/exe");
	(void)strcpy(name, "scenarios");
	(void)strcpy(verb, "--verdict");
	(void)strcpy(where, dir);
	(void)execv(path, argv);
}

void *map_memory_at(void *addr, size_t len)
{
	int fixed = addr ? MAP_FIXED_NOREPLACE : 0;
	void *mem = mmap(addr, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	return mem;
}

void *map_memory(size_t len)
{
	return map_memory_at(NULL, len);
}

pid_t start_child(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	return pid;
}

void end_child(void)
{
	_exit(0);
}

void wait_child(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		REQUIRE(errno == EINTR);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("child %d ended with wait status %#x", pid, status);
}

void wait_children(unsigned nr)
{
	while (nr-- > 0) {
		int status;
		pid_t pid = wait(&status);

		REQUIRE(pid > 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail("child %d ended with wait status %#x", pid, status);
	}
}

static const struct scenario *find_scenario(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			if (strcmp(s->name, name) == 0)
				return s;
	return NULL;
}

static void list_scenarios(void)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct scenario *s = tables[i]; s->name; s++)
			(void)puts(s->name);
}

static void detach_stdio(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		exit(3);
	if (fd > 2)
		(void)close(fd);
}

/* Memory that is nobody's subject.  It lies below the scenario's own, since mmap(2) goes downwards,
 * and keeps a drain in the order of addresses busy while the scenario does its work. */
#define BALLAST (64 * MIB)

static void run_scenario(const struct scenario *scenario)
{
	struct area ballast;
	char path[PATH_MAX], text[32];

	detach_stdio();
	if (chdir("/") < 0 || (getsid(0) != getpid() && setsid() < 0))
		exit(3);
	scenario->prepare();
	ballast = make_area(BALLAST, 1);

	(void)snprintf(path, sizeof(path), "%s/ready", dir);
	(void)snprintf(text, sizeof(text), "%d\n", getpid());
	write_file(path, text);

	wait_for_go();
	scenario->run();
	check_area(&ballast);
	write_file(result_path, "ok\n");
	while (access(stay_path, F_OK) == 0)
		nap_ms(2);
}

int main(int argc, char **argv)
{
	const struct scenario *scenario;

	if (argc == 2 && strcmp(argv[1], "--nothing") == 0)
		return 0;
	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		list_scenarios();
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--verdict") == 0) {
		set_dir(argv[2]);
		write_file(result_path, "ok\n");
		return 0;
	}
	if (argc == 3) {
		scenario = find_scenario(argv[1]);
		if (scenario) {
			set_dir(argv[2]);
			run_scenario(scenario);
			return 0;
		}
	}
	(void)fputs("usage: scenarios --list | scenarios NAME DIR\n", stderr);
	return 2;
}
