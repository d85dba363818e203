/* tests/model/conformance.c - the model and the real kernel, step by step side by side.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: test-conformance				  all named cases, then random sequences
 *	  test-conformance case NAME			  one case, with a trace
 *	  test-conformance script 'STEPS'		  the same with steps of your own
 *	  test-conformance random SEED STEPS		  random sequences only
 *	  test-conformance replay SEED			  one random sequence, with a trace
 *
 * FI_CONFORMANCE_STEPS: how many random steps (default 100000; 10000 under sanitizers).
 * FI_CONFORMANCE_SEED: the first sequence.  The same one each time unless it is said; fresh ones are
 * `make check-conformance`.
 */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/model/conformance.h"

#define SEQUENCE 60 /* steps of one random sequence */

static bool possible(const char **why)
{
	struct c_run *run = c_begin(NULL, why);
	static const char script[] = "t0 mmap 0 1; t0 uffd; u0 reg 0 1; t0 r 0; u0 wake 0 1";
	const char *at = script;
	struct s_step step;
	bool good = run;

	while (good && s_next(&at, &step)) {
		struct w_out out;

		(void)out;
		good = c_step(run, &step);
	}
	if (run && !good) {
		static char text[1024];

		(void)snprintf(text, sizeof(text), "%s", c_why(run));
		*why = text;
	}
	if (run)
		c_end(run);
	return good;
}

/* Returns how many steps agreed; *@why NULL if all. */
static int run_script(const char *script, FILE *trace, char *why, size_t room)
{
	const char *reason = "", *at = script;
	struct c_run *run = c_begin(trace, &reason);
	struct s_step step;
	int nr = 0;

	why[0] = '\0';
	if (!run) {
		(void)snprintf(why, room, "%s", reason);
		return 0;
	}
	while (s_next(&at, &step)) {
		if (!c_step(run, &step)) {
			(void)snprintf(why, room, "%s", c_why(run));
			break;
		}
		nr++;
	}
	c_end(run);
	return nr;
}

static void run_case(void **state)
{
	const struct c_case *c = *state;
	char why[1024];

	(void)run_script(c->script, NULL, why, sizeof(why));
	if (why[0]) {
		print_message("# %s%s%s: %s\n", c->name, c->source ? ", " : "",
			      c->source ? c->source : "", why);
		fail();
	}
}

/* One random sequence from its seed.  Returns its steps; fills @script as far as it went. */
static int run_random(uint64_t seed, FILE *trace, char *script, size_t room, char *why,
		      size_t why_room)
{
	struct c_random random = { .seed = seed };
	const char *reason = "";
	struct c_run *run = c_begin(trace, &reason);
	int nr = 0;

	script[0] = why[0] = '\0';
	if (!run) {
		(void)snprintf(why, why_room, "%s", reason);
		return 0;
	}
	while (nr < SEQUENCE) {
		char text[128];
		const char *at = text;
		struct s_step step;

		c_random_step(&random, run, text, sizeof(text));
		(void)snprintf(script + strlen(script), room - strlen(script), "%s; ", text);
		if (!s_next(&at, &step))
			break;
		if (!c_step(run, &step)) {
			(void)snprintf(why, why_room, "%s", c_why(run));
			break;
		}
		nr++;
	}
	c_end(run);
	return nr;
}

/* The script without its step number @skip; false if it has none. */
static bool without(const char *script, int skip, char *to, size_t room)
{
	const char *at = script;
	struct s_step step;
	int n = 0;

	to[0] = '\0';
	for (; s_next(&at, &step); n++)
		if (n != skip)
			(void)snprintf(to + strlen(to), room - strlen(to), "%s; ", step.text);
	return skip < n;
}

/* Leaves steps out, the last first, as long as the worlds still disagree. */
static void shrink(char *script)
{
	static char shorter[16384];
	char why[1024];
	bool smaller = true;

	wk_patience_ns = 100000000;
	for (int rounds = 0; smaller && rounds < 4; rounds++) {
		smaller = false;
		for (int i = 200; i >= 0; i--) {
			if (!without(script, i, shorter, sizeof(shorter)))
				continue;
			(void)run_script(shorter, NULL, why, sizeof(why));
			if (!why[0] || strncmp(why, "senseless", 9) == 0)
				continue;
			memcpy(script, shorter, sizeof(shorter));
			smaller = true;
		}
	}
	(void)run_script(script, NULL, why, sizeof(why));
	fprintf(stderr, "# shrunk: %s\n# script '%s'\n", why, script);
}

static int random_steps(uint64_t seed, long steps, bool verbose)
{
	static char script[16384];
	char why[1024];
	long nr = 0;

	for (uint64_t i = 0; nr < steps; i++) {
		int n = run_random(seed + i, NULL, script, sizeof(script), why, sizeof(why));

		nr += n + !n;
		if (why[0]) {
			fprintf(stderr, "# random sequence %llu: %s\n",
				(unsigned long long)(seed + i), why);
			shrink(script);
			return 1;
		}
	}
	if (verbose)
		printf("# %ld random steps agree, seeds from %llu on\n", nr,
		       (unsigned long long)seed);
	return 0;
}

#define FIRST_SEED UINT64_C(20261121000000)

static void random_agrees(void **state)
{
	const char *text = getenv("FI_CONFORMANCE_STEPS");
	const char *seed_text = getenv("FI_CONFORMANCE_SEED");
	const char *sanitizers = getenv("SANITIZERS");
	bool slow = sanitizers && strcmp(sanitizers, "no") != 0;
	long steps = text ? strtol(text, NULL, 10) : slow ? 10000 : 100000;
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : FIRST_SEED;

	print_message("# seed %llu\n", (unsigned long long)seed);
	assert_int_equal(random_steps(seed, steps, true), 0);
}

static void not_possible(void **state)
{
	print_message("# %s\n", (const char *)*state);
	skip();
}

static const struct c_case *find(const char *name)
{
	for (size_t i = 0; i < c_nr_cases; i++)
		if (strcmp(c_cases[i].name, name) == 0)
			return &c_cases[i];
	fprintf(stderr, "no case '%s'\n", name);
	exit(2);
}

static int traced(const char *script)
{
	char why[1024];

	(void)run_script(script, stdout, why, sizeof(why));
	if (why[0])
		printf("# %s\n", why);
	return why[0] != '\0';
}

static int run(int argc, char **argv)
{
	struct CMUnitTest *tests = calloc(c_nr_cases + 1, sizeof(tests[0]));
	const char *why = NULL;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 3 && strcmp(argv[1], "case") == 0)
		return traced(find(argv[2])->script);
	if (argc == 3 && strcmp(argv[1], "script") == 0)
		return traced(argv[2]);
	if (argc == 4 && strcmp(argv[1], "random") == 0)
		return random_steps(strtoull(argv[2], NULL, 10), strtol(argv[3], NULL, 10), true);
	if (argc == 3 && strcmp(argv[1], "replay") == 0) {
		static char script[16384];
		char text[1024];

		(void)run_random(strtoull(argv[2], NULL, 10), stdout, script, sizeof(script), text,
				 sizeof(text));
		printf("# %s\n", text[0] ? text : "agrees");
		return text[0] != '\0';
	}
	if (argc != 1) {
		fprintf(stderr, "usage: see tests/model/conformance.c\n");
		return 2;
	}

	if (!possible(&why)) {
		const struct CMUnitTest skipped[] = {
			{ "the model and the kernel", not_possible, NULL, NULL,
			  (void *)(uintptr_t)why },
		};

		return cmocka_run_group_tests(skipped, NULL, NULL);
	}
	for (size_t i = 0; i < c_nr_cases; i++)
		tests[i] = (struct CMUnitTest){ c_cases[i].name, run_case, NULL, NULL,
						(void *)(uintptr_t)&c_cases[i] };
	tests[c_nr_cases] =
		(struct CMUnitTest){ "random sequences agree", random_agrees, NULL, NULL, NULL };
	return _cmocka_run_group_tests("conformance", tests, c_nr_cases + 1, NULL, NULL);
}

/* The leak checker cannot stop the threads of a process that is pid 1 of its namespace. */
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "detect_leaks=0";
}

/* The real processes are killed by number, many thousands in a row, and numbers come again soon.  In
 * a pid namespace of our own they can only be those of our own. */
int main(int argc, char **argv)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP a pid namespace is needed: %s\n", strerror(errno));
		return 77;
	}
	pid = fork();
	if (pid == 0) {
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, NULL) < 0) {
			printf("1..0 # SKIP /proc of a pid namespace: %s\n", strerror(errno));
			return 77;
		}
		return run(argc, argv);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}
