/* tests/unit/test-serve-options.c - the command line of `criu lazy-pages`, as faultin serve reads it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "restore/serve.h"

#define WORDS 12

static struct fi_serve_options defaults(void)
{
	return (struct fi_serve_options){
		.images_dir = ".",
		.level = FI_LOG_WARN,
		.images_dir_fd = -EBADF,
		.status_fd = -EBADF,
		.parent_pidfd = -EBADF,
	};
}

static int parse(const char *line, struct fi_serve_options *ret, struct fi_error *err)
{
	static char copy[512];
	static char *argv[WORDS + 2];
	int argc = 0;

	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	argv[argc++] = (char *)(uintptr_t) "serve";
	for (char *save = NULL, *word = strtok_r(copy, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS);
		argv[argc++] = strcmp(word, "''") ? word : (char *)(uintptr_t) "";
	}
	argv[argc] = NULL;
	err->text[0] = '\0';
	return fi_serve_parse(argc, argv, ret, err);
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void accepts(const char *line, const struct fi_serve_options *want)
{
	struct fi_serve_options got;
	struct fi_error err;

	if (parse(line, &got, &err) < 0)
		fail_msg("'%s': refused: %s", line, err.text);
	if (!same(got.images_dir, want->images_dir) || !same(got.work_dir, want->work_dir) ||
	    !same(got.log_file, want->log_file) || !same(got.pidfile, want->pidfile) ||
	    !same(got.json, want->json) || !same(got.trace, want->trace) ||
	    got.level != want->level || got.images_dir_fd != want->images_dir_fd ||
	    got.status_fd != want->status_fd || got.parent_pidfd != want->parent_pidfd ||
	    got.lazy_shared != want->lazy_shared || got.daemon != want->daemon ||
	    got.no_sandbox != want->no_sandbox || got.no_keeper != want->no_keeper ||
	    got.help != want->help || got.version != want->version || got.drain != want->drain ||
	    got.drain_rate != want->drain_rate || got.threads != want->threads ||
	    !same(got.container, want->container))
		fail_msg("'%s': not what was expected", line);
}

static void refuses(const char *line, const char *words)
{
	struct fi_serve_options got;
	struct fi_error err;

	if (parse(line, &got, &err) != -EINVAL)
		fail_msg("'%s': not refused", line);
	if (!strstr(err.text, words))
		fail_msg("'%s': '%s' does not say '%s'", line, err.text, words);
}

static void what_criu_lazy_pages_takes(void **state)
{
	struct fi_serve_options want = defaults();

	accepts("", &want);
	want.images_dir = "img";
	accepts("-D img", &want);
	accepts("-Dimg", &want);
	accepts("--images-dir img", &want);
	accepts("--images-dir=img", &want);
	accepts("-D other -D img", &want);
	want.work_dir = "work";
	accepts("-D img -W work", &want);
	accepts("--work-dir work --images-dir img", &want);
	want.daemon = true;
	want.pidfile = "lp.pid";
	accepts("-d -D img --pidfile lp.pid -W work", &want);
	accepts("--daemon -D img --pidfile=lp.pid -Wwork", &want);
	accepts("--restore-detached -D img --pidfile=lp.pid -Wwork", &want);
	want.log_file = "lp.log";
	want.status_fd = 7;
	accepts("-dD img --pidfile lp.pid -W work -o lp.log --status-fd 7", &want);
	accepts("-dD img --pidfile lp.pid -W work --log-file lp.log --status-fd=7", &want);
}

static void ours_and_the_plugins(void **state)
{
	struct fi_serve_options want = defaults();

	want.json = "report.json";
	accepts("--json report.json", &want);
	want.trace = "trace.json";
	accepts("--json report.json --trace trace.json", &want);
	want.trace = NULL;
	want.images_dir_fd = 5;
	want.parent_pidfd = 0;
	accepts("--json report.json --images-dir-fd 5 --parent-pidfd 0", &want);
	want.lazy_shared = true;
	accepts("--json report.json --images-dir-fd 5 --parent-pidfd 0 --lazy-shared", &want);
	want = defaults();
	want.no_sandbox = true;
	accepts("--no-sandbox", &want);
	want.no_keeper = true;
	accepts("--no-sandbox --no-keeper", &want);
	want.no_keeper = false;
}

static void how_to_drain(void **state)
{
	struct fi_serve_options want = defaults();

	want.drain = FI_DRAIN_DEMAND;
	accepts("--drain demand", &want);
	accepts("--drain eager --drain=demand", &want);
	want.drain = FI_DRAIN_EAGER;
	want.drain_rate = 10 << 20;
	want.threads = 3;
	want.container = "web-1";
	accepts("--drain eager --drain-rate 10M --threads=3 --container web-1", &want);
	want = defaults();
	accepts("--drain background --drain-rate 0 --threads auto", &want);
	refuses("--drain later", "'later'");
	refuses("--drain", "--drain needs a value");
	refuses("--drain-rate fast", "'fast'");
	refuses("--threads 0", "'0'");
	refuses("--threads 17", "'17'");
	refuses("--container a/b", "'a/b'");
	refuses("--container ''", "''");
}

static void verbosity_is_as_in_criu(void **state)
{
	static const struct {
		const char *line;
		enum fi_log_level level;
	} table[] = {
		{ "", FI_LOG_WARN },
		{ "-v", FI_LOG_INFO },
		{ "-vv", FI_LOG_DEBUG },
		{ "-vvv", FI_LOG_DEBUG },
		{ "-vvvvvvvv", FI_LOG_DEBUG },
		{ "-v -v", FI_LOG_DEBUG },
		{ "-v0", FI_LOG_ERROR },
		{ "-v1", FI_LOG_ERROR },
		{ "-v2", FI_LOG_WARN },
		{ "-v3", FI_LOG_INFO },
		{ "-v4", FI_LOG_DEBUG },
		{ "-v99", FI_LOG_DEBUG },
		{ "--verbosity", FI_LOG_INFO },
		{ "--verbosity=4", FI_LOG_DEBUG },
		{ "--verbosity=1", FI_LOG_ERROR },
		{ "-v4 -v1", FI_LOG_ERROR },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fi_serve_options want = defaults();

		want.level = table[i].level;
		accepts(table[i].line, &want);
	}
	/* The value is attached: what follows a blank is another word. */
	refuses("-v 4", "'4'");
	refuses("--verbosity 4", "'4'");
	refuses("-vx", "'x'");
	refuses("--verbosity=high", "'high'");
}

static void help_and_version_act_where_they_stand(void **state)
{
	struct fi_serve_options got;
	struct fi_error err;

	assert_int_equal(parse("--help", &got, &err), 0);
	assert_true(got.help && !got.version);
	assert_int_equal(parse("-D img -h --nonsense", &got, &err), 0);
	assert_true(got.help);
	assert_int_equal(parse("-V", &got, &err), 0);
	assert_true(got.version && !got.help);
	assert_int_equal(parse("--version --page-server", &got, &err), 0);
	assert_true(got.version);
	refuses("--nonsense -h", "--nonsense");
}

static void what_is_wrong_is_named(void **state)
{
	refuses("--nonsense", "'--nonsense'");
	refuses("-x", "'-x'");
	refuses("-D img -x", "'-x'");
	refuses("-xd", "'-x'");
	refuses("-dx -D img", "'-x'");
	refuses("--daemon=yes", "--daemon");
	refuses("extra", "'extra'");
	refuses("-D img extra -d", "'extra'");
	refuses("-- -D", "'-D'");
	refuses("-D", "-D needs a value");
	refuses("-dD", "-D needs a value");
	refuses("-d --pidfile", "--pidfile needs a value");
	refuses("--json", "--json needs a value");
}

static void descriptors_are_numbers(void **state)
{
	static const char *const bad[] = { "x",	  "-1",		"7x",
					   "''",  "2147483648", "99999999999999999999",
					   "0x3", "1.5" };
	static const char *const names[] = { "--status-fd", "--images-dir-fd", "--parent-pidfd" };
	char line[128];

	for (size_t n = 0; n < 3; n++)
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			(void)snprintf(line, sizeof(line), "%s %s", names[n], bad[i]);
			refuses(line, names[n]);
		}
}

static void remote_pages_are_refused_by_name(void **state)
{
	static const char *const remote[] = {
		"--page-server", "--address 127.0.0.1", "--port 1234",	 "--ps-socket 5",
		"--tls",	 "--tls-cacert x",	"--tls-cacrl x", "--tls-cert x",
		"--tls-key x",	 "--tls-no-cn-verify",
	};

	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		refuses(remote[i], "criu lazy-pages");
	refuses("-D img --page-server -d", "--page-server");
}

/* getopt keeps its place in global variables. */
static void a_line_after_a_bad_one(void **state)
{
	struct fi_serve_options want = defaults();

	want.daemon = true;
	for (int i = 0; i < 3; i++) {
		refuses("-dxv -D", "'-x'");
		accepts("-d", &want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_criu_lazy_pages_takes),
		cmocka_unit_test(ours_and_the_plugins),
		cmocka_unit_test(how_to_drain),
		cmocka_unit_test(verbosity_is_as_in_criu),
		cmocka_unit_test(help_and_version_act_where_they_stand),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(descriptors_are_numbers),
		cmocka_unit_test(remote_pages_are_refused_by_name),
		cmocka_unit_test(a_line_after_a_bad_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
