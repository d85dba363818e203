/* tests/runtimes/programs/guest.c - what runs in the containers: it knows what its memory should be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: guest MEBIBYTES DIR [SHARED]
 *
 * Fills so much private memory, and SHARED MiB (a sixteenth of the other, if it is not said) that are
 * shared, with words that tell where they are, and makes DIR/ready.  Whenever DIR/go holds another number N, it looks at its memory and makes
 * DIR/result.N: "ok MS", MS milliseconds having gone by, or what is wrong.  It looks
 *   in a child, and in a child of that, which reads all, and writes to every third page
 *   then in itself, where nothing that the children wrote to private memory may be seen, and all that
 *   they wrote to shared memory must.
 *
 * Statically linked, since a container has nothing else in it.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096
#define WORDS (PAGE / sizeof(uint64_t))

static struct {
	uint64_t *at;
	size_t nr_pages;
	uint64_t salt;
} mine, ours;

static uint64_t word(uint64_t salt, size_t page, size_t i)
{
	return (salt + page * WORDS + i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(uint64_t *at, size_t page, uint64_t salt)
{
	for (size_t i = 0; i < WORDS; i++)
		at[page * WORDS + i] = word(salt, page, i);
}

static bool is_right(const uint64_t *at, size_t page, uint64_t salt)
{
	for (size_t i = 0; i < WORDS; i++)
		if (at[page * WORDS + i] != word(salt, page, i))
			return false;
	return true;
}

/* What is wrong, after the writes to shared memory of @round (0: none yet). */
static const char *look(uint64_t round)
{
	for (size_t page = 0; page < mine.nr_pages; page++)
		if (!is_right(mine.at, page, mine.salt))
			return "private memory is wrong";
	for (size_t page = 0; page < ours.nr_pages; page++)
		if (!is_right(ours.at, page, ours.salt + (page % 3 == 0 ? round : 0)))
			return "shared memory is wrong";
	return NULL;
}

/* Overwrites every third page of both. */
static void write_all(uint64_t round)
{
	for (size_t page = 0; page < mine.nr_pages; page += 3)
		fill(mine.at, page, ~mine.salt);
	for (size_t page = 0; page < ours.nr_pages; page += 3)
		fill(ours.at, page, ours.salt + round);
}

/* Forks, and gives the child's verdict: 0 or an exit code. */
static int in_child(int (*run)(uint64_t round), uint64_t round)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(round));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 90;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 91;
}

static int grandchild(uint64_t round)
{
	if (look(round - 1))
		return 1;
	write_all(round);
	return 0;
}

static int child(uint64_t round)
{
	int code;

	if (mine.nr_pages > 1 && !is_right(mine.at, mine.nr_pages / 2, mine.salt))
		return 2;
	code = in_child(grandchild, round);
	if (code)
		return code;
	return look(round) ? 3 : 0;
}

static const char *judge(uint64_t round)
{
	static char words[64];
	int code = in_child(child, round);

	if (code) {
		(void)snprintf(words, sizeof(words), "a child says %d", code);
		return words;
	}
	return look(round);
}

static double now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Shows a file with @text at once complete. */
static void publish(const char *name, const char *text)
{
	FILE *file = fopen("new", "w");

	if (!file || fputs(text, file) < 0 || fclose(file) != 0 || rename("new", name) != 0)
		_exit(92);
}

static long read_go(void)
{
	FILE *file = fopen("go", "r");
	char text[32] = "";

	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	(void)fclose(file);
	return strtol(text, NULL, 10);
}

static void *map(size_t nr_pages, int flags)
{
	void *at = nr_pages == 0 ? NULL
				 : mmap(NULL, nr_pages * PAGE, PROT_READ | PROT_WRITE,
					MAP_ANONYMOUS | flags, -1, 0);

	if (at == MAP_FAILED)
		_exit(93);
	return at;
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	long go = 0, last = 0;
	uint64_t round = 0;

	if (argc < 3 || argc > 4 || chdir(argv[2]) != 0)
		return 2;
	mine.nr_pages = (size_t)strtoul(argv[1], NULL, 10) << 8;
	ours.nr_pages = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) << 8 : mine.nr_pages / 16;
	mine.salt = 1;
	ours.salt = UINT64_C(1) << 40;
	mine.at = map(mine.nr_pages, MAP_PRIVATE);
	ours.at = map(ours.nr_pages, MAP_SHARED);
	for (size_t page = 0; page < mine.nr_pages; page++)
		fill(mine.at, page, mine.salt);
	for (size_t page = 0; page < ours.nr_pages; page++)
		fill(ours.at, page, ours.salt);
	publish("ready", "");
	for (;;) {
		char name[64], text[128];
		const char *wrong;
		double start;

		while ((go = read_go()) == last)
			(void)nanosleep(&pause, NULL);
		last = go;
		start = now_ms();
		wrong = judge(++round);
		(void)snprintf(name, sizeof(name), "result.%ld", go);
		if (wrong)
			(void)snprintf(text, sizeof(text), "%s\n", wrong);
		else
			(void)snprintf(text, sizeof(text), "ok %.1f\n", now_ms() - start);
		publish(name, text);
	}
}
