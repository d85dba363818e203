/* tests/unit/test-criu-options.c - is this restore lazy?  The answer that CRIU itself would give.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/criu_options.h"

/* A literal of words, each ended by \0 (the last one by the literal's own). */
#define CMDLINE(words) words, sizeof(words)

static const struct fi_criu_places nowhere;

static int kind(const char *cmdline, size_t len)
{
	return fi_restore_kind(cmdline, len, &nowhere, NULL);
}

static void test_lazy(void **state)
{
	(void)state;
	assert_int_equal(kind(CMDLINE("criu\0restore\0--lazy-pages")), FI_RESTORE_LAZY);
	assert_int_equal(kind(CMDLINE("criu\0--lazy-pages\0restore")), FI_RESTORE_LAZY);
	assert_int_equal(kind(CMDLINE("/usr/sbin/criu\0restore\0-D\0img\0-v4\0--lazy-pages\0-d")),
			 FI_RESTORE_LAZY);
	/* getopt_long takes abbreviations, and short options in one word */
	assert_int_equal(kind(CMDLINE("criu\0restore\0--lazy")), FI_RESTORE_LAZY);
	assert_int_equal(kind(CMDLINE("criu\0-dvD\0img\0restore\0--lazy-p")), FI_RESTORE_LAZY);
	assert_int_equal(kind(CMDLINE("criu\0-jv\0--lazy-pages\0restore")), FI_RESTORE_LAZY);
	/* an option that takes no value, though others with its name in front do */
	assert_int_equal(kind(CMDLINE("criu\0restore\0--tls\0--lazy-pages")), FI_RESTORE_LAZY);
	/* options of CRIUs to come */
	assert_int_equal(kind(CMDLINE("criu\0--news\0x\0restore\0--lazy-pages")), FI_RESTORE_LAZY);
}

static void test_eager(void **state)
{
	(void)state;
	assert_int_equal(kind(CMDLINE("criu\0restore")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0-D\0--lazy-pages")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0-jD\0--lazy-pages")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0--images-dir\0--lazy-pages")),
			 FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0--images\0--lazy-pages")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0--root=--lazy-pages")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0--exec-cmd\0--\0sh\0--lazy-pages")),
			 FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0lazy-pages")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0--leave-running")), FI_RESTORE_EAGER);
	assert_int_equal(kind(CMDLINE("criu\0restore\0-\0--")), FI_RESTORE_EAGER);
}

static void test_untold(void **state)
{
	(void)state;
	assert_int_equal(kind(CMDLINE("criu\0swrk\0003")), FI_RESTORE_UNTOLD);
	assert_int_equal(kind(CMDLINE("criu\0service\0--lazy-pages")), FI_RESTORE_UNTOLD);
	/* what workers call themselves, in the room of the words before */
	assert_int_equal(kind(CMDLINE("criu: restore --rpc -D /img\0\0\0\0")), FI_RESTORE_UNTOLD);
	assert_int_equal(kind(CMDLINE("criu: restore --rpc\0\0\0.\0\0")), FI_RESTORE_UNTOLD);
	assert_int_equal(kind("", 0), FI_RESTORE_UNTOLD);
	assert_int_equal(kind("criu\0rest", 9), FI_RESTORE_UNTOLD);
	/* not the verb */
	assert_int_equal(kind(CMDLINE("criu\0-D\0restore\0--lazy-pages\0swrk")), FI_RESTORE_UNTOLD);
}

static void assert_words(const char *config, const char *expected)
{
	fi_auto_words struct fi_words words = { 0 };
	char got[512] = "";

	assert_int_equal(fi_words_from_config(config, strlen(config), &words), 0);
	for (size_t i = 0; i < words.nr; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%s]", words.word[i]);
	assert_null(words.word[words.nr]);
	assert_string_equal(got, expected);
}

static void test_config_words(void **state)
{
	(void)state;
	assert_words("", "");
	assert_words("\n\n  \t\n", "");
	assert_words("lazy-pages", "[--lazy-pages]");
	assert_words("x\n", "[--x]");
	assert_words("  tcp-close \n\tlog-file  a.log\n", "[--tcp-close][--log-file][a.log]");
	assert_words("# lazy-pages\n#lazy-pages\n", "");
	assert_words("tcp-close #comment\nv 4# no comment", "[--tcp-close][--v][4#][no][comment]");
	assert_words("root \"a b\"c", "[--root][a b][c]");
	assert_words("root \"say \\\"hi\\\" # \" x", "[--root][say \"hi\" # ][x]");
	assert_words("root \"\"", "[--root][]");
	assert_words("root \"open end\nlazy-pages", "[--root][\"open][end][--lazy-pages]");
	assert_words("\"quoted name\" v", "[--quoted name][v]");
	assert_words("a\\b \\\"c", "[--a\\b][\\\"c]");
	assert_words("root \"ends in \\\"", "[--root][ends in \"]");
}

static void test_config_words_with_nul(void **state)
{
	fi_auto_words struct fi_words words = { 0 };

	(void)state;
	assert_int_equal(fi_words_from_config("a\0b\nlazy-pages", 14, &words), 0);
	assert_int_equal(words.nr, 2);
	assert_string_equal(words.word[0], "--a");
	assert_string_equal(words.word[1], "--lazy-pages");
}

/* A directory with lazy.conf, eager.conf, home/.criu/default.conf (lazy) and huge.conf. */
struct files {
	char dir[64];
	char lazy[128], eager[128], home[128], huge[128];
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_files(void **state)
{
	struct files *f = calloc(1, sizeof(*f));
	char path[256];

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/faultin-test.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->lazy, sizeof(f->lazy), "%s/lazy.conf", f->dir);
	write_file(f->lazy, "# faster\nlog-file r.log\nlazy-pages # yes\n");
	(void)snprintf(f->eager, sizeof(f->eager), "%s/eager.conf", f->dir);
	write_file(f->eager, "log-file lazy-pages\nimages-dir --lazy-pages\n# lazy-pages\n");
	(void)snprintf(f->huge, sizeof(f->huge), "%s/huge.conf", f->dir);
	write_file(f->huge, "");
	assert_int_equal(truncate(f->huge, 64 * 1024 * 1024), 0);
	(void)snprintf(f->home, sizeof(f->home), "%s/home", f->dir);
	assert_int_equal(mkdir(f->home, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/.criu", f->home);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/.criu/default.conf", f->home);
	write_file(path, "lazy-pages");
	*state = f;
	return 0;
}

static int remove_files(void **state)
{
	struct files *f = *state;
	char path[256];

	(void)unlink(f->lazy);
	(void)unlink(f->eager);
	(void)unlink(f->huge);
	(void)snprintf(path, sizeof(path), "%s/.criu/default.conf", f->home);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/.criu", f->home);
	(void)rmdir(path);
	(void)rmdir(f->home);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* `criu restore` with one more word, or two. */
static int kind_with(const char *a, const char *b, const struct fi_criu_places *places,
		     struct fi_error *err)
{
	char cmdline[512];
	int len;

	len = snprintf(cmdline, sizeof(cmdline), "criu%crestore%c%s%c%s", 0, 0, a, 0, b);
	return fi_restore_kind(cmdline, (size_t)len + 1, places, err);
}

static void test_default_files(void **state)
{
	const struct files *f = *state;
	struct fi_criu_places global = { .global_config = f->lazy };
	struct fi_criu_places user = { .home = f->home };
	struct fi_criu_places both = { .global_config = f->eager, .home = f->home };
	char option[256];

	assert_int_equal(kind_with("-d", "", &global, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("-d", "", &user, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("-d", "", &both, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("--no-default-config", "", &global, NULL), FI_RESTORE_EAGER);
	assert_int_equal(kind_with("--no-default-config", "", &user, NULL), FI_RESTORE_EAGER);
	/* a file of one's own takes the place of the default ones */
	assert_int_equal(kind_with("--config", f->eager, &user, NULL), FI_RESTORE_EAGER);
	(void)snprintf(option, sizeof(option), "--config=%s", f->eager);
	assert_int_equal(kind_with(option, "", &global, NULL), FI_RESTORE_EAGER);
}

static void test_chosen_files(void **state)
{
	const struct files *f = *state;
	struct fi_criu_places env_lazy = { .config_env = f->lazy };
	struct fi_criu_places env_eager = { .config_env = f->eager };
	char option[256];

	assert_int_equal(kind_with("--config", f->lazy, &nowhere, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("--config", f->eager, &nowhere, NULL), FI_RESTORE_EAGER);
	(void)snprintf(option, sizeof(option), "--config=%s", f->lazy);
	assert_int_equal(kind_with(option, "", &nowhere, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("--no-default-config", "", &env_lazy, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("-d", "", &env_eager, NULL), FI_RESTORE_EAGER);
	assert_int_equal(kind_with("--config", f->eager, &env_lazy, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("--config", "/nonexistent", &nowhere, NULL), FI_RESTORE_EAGER);
	assert_int_equal(kind_with("--config", f->dir, &nowhere, NULL), FI_RESTORE_EAGER);
}

static void test_relative_file(void **state)
{
	const struct files *f = *state;
	struct fi_criu_places here = { .start_dir = f->dir };
	struct fi_error err = { "" };

	assert_int_equal(kind_with("--config", "lazy.conf", &here, NULL), FI_RESTORE_LAZY);
	assert_int_equal(kind_with("--config", "eager.conf", &here, NULL), FI_RESTORE_EAGER);
	assert_int_equal(kind_with("--config", "lazy.conf", &nowhere, &err), -ENOENT);
	assert_non_null(strstr(err.text, "lazy.conf"));
}

static void test_huge_file(void **state)
{
	const struct files *f = *state;
	struct fi_error err = { "" };

	assert_int_equal(kind_with("--config", f->huge, &nowhere, &err), -EFBIG);
	assert_non_null(strstr(err.text, "huge.conf"));
}

static void test_own_process(void **state)
{
	struct fi_error err = { "" };

	(void)state;
	assert_int_equal(fi_restore_kind_here(&err), FI_RESTORE_UNTOLD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lazy),
		cmocka_unit_test(test_eager),
		cmocka_unit_test(test_untold),
		cmocka_unit_test(test_config_words),
		cmocka_unit_test(test_config_words_with_nul),
		cmocka_unit_test(test_default_files),
		cmocka_unit_test(test_chosen_files),
		cmocka_unit_test(test_relative_file),
		cmocka_unit_test(test_huge_file),
		cmocka_unit_test(test_own_process),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
