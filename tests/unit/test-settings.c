/* tests/unit/test-settings.c - faultin.conf, from whomever.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "tests/unit/cmocka-first.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/settings.h"

static struct fi_settings settings;
static struct fi_error err;

static int begin(void **state)
{
	fi_settings_init(&settings);
	err.text[0] = '\0';
	return 0;
}

static int parse_of(enum fi_origin origin, const char *text)
{
	err.text[0] = '\0';
	return fi_settings_parse(&settings, origin, text, strlen(text), NULL, NULL, &err);
}

static int parse(const char *text)
{
	return parse_of(FI_ORIGIN_SYSTEM, text);
}

/* @text is refused with @words, and leaves no trace. */
static void refuses_of(enum fi_origin origin, const char *text, const char *words)
{
	const struct fi_settings before = settings;

	if (parse_of(origin, text) != -EINVAL || !strstr(err.text, words))
		fail_msg("'%s': '%s', not '%s'", text, err.text, words);
	assert_memory_equal(&settings, &before, sizeof(before));
}

static void refuses(const char *text, const char *words)
{
	refuses_of(FI_ORIGIN_SYSTEM, text, words);
}

static void is(enum fi_key key, const char *expected)
{
	char value[FI_SETTINGS_VALUE_MAX];

	fi_settings_format(&settings, key, value);
	assert_string_equal(value, expected);
}

static void comes_from(enum fi_key key, enum fi_origin origin, unsigned line)
{
	assert_int_equal(settings.from[key].origin, origin);
	assert_int_equal(settings.from[key].line, line);
}

static void nothing_said_is_built_in(void **state)
{
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("\n \t\r\n# mode = off\n   # x\n"), 0);
	for (unsigned i = 0; i < FI_KEY_NR; i++)
		comes_from((enum fi_key)i, FI_ORIGIN_BUILT_IN, 0);
	assert_int_equal(settings.mode, FI_MODE_AUTO);
	is(FI_KEY_EAGER, "none");
	is(FI_KEY_LAZY_SHARED, "no");
	is(FI_KEY_DRAIN, "background");
	is(FI_KEY_DRAIN_RATE, "0");
	is(FI_KEY_THREADS, "auto");
	is(FI_KEY_LOG_LEVEL, "warning");
	is(FI_KEY_LOG_FILE, "faultin.log");
	is(FI_KEY_TRACE, "no");
}

static void every_key_is_taken(void **state)
{
	assert_int_equal(parse("mode = transparent\n"
			       "minimum-size=1G # not worth it below\r\n"
			       "\n"
			       "  eager = heap, 7f0000000000-0x7F0000001000\tsysv,,\n"
			       "drain\t=\teager\n"
			       "drain-rate = 1048576\n"
			       "threads = 3\n"
			       "log-level = debug\n"
			       "log-file = /var/log/a#b.log\n"
			       "trace = yes\n"
			       "lazy-shared = yes"),
			 0);
	assert_int_equal(settings.mode, FI_MODE_TRANSPARENT);
	assert_int_equal(settings.minimum_size, 1 << 30);
	assert_int_equal(settings.eager_kinds, FI_KIND_HEAP | FI_KIND_SYSV);
	assert_int_equal(settings.nr_eager, 1);
	assert_int_equal(settings.eager[0].start, 0x7f0000000000);
	assert_int_equal(settings.eager[0].end, 0x7f0000001000);
	assert_int_equal(settings.drain, FI_DRAIN_EAGER);
	assert_int_equal(settings.drain_rate, 1 << 20);
	assert_int_equal(settings.threads, 3);
	assert_int_equal(settings.log_level, 4);
	assert_string_equal(settings.log_file, "/var/log/a#b.log");
	assert_true(settings.trace);
	assert_true(settings.lazy_shared);
	is(FI_KEY_LAZY_SHARED, "yes");
	is(FI_KEY_MINIMUM_SIZE, "1G");
	is(FI_KEY_DRAIN_RATE, "1M");
	is(FI_KEY_EAGER, "heap sysv 7f0000000000-7f0000001000");
	comes_from(FI_KEY_MODE, FI_ORIGIN_SYSTEM, 1);
	comes_from(FI_KEY_EAGER, FI_ORIGIN_SYSTEM, 4);
	comes_from(FI_KEY_LOG_FILE, FI_ORIGIN_SYSTEM, 9);
}

static void errors_name_their_lines(void **state)
{
	refuses("\n\nmood = off\n", "line 3: unknown key 'mood'");
	refuses("mode = sometimes",
		"line 1: 'sometimes' is no value of mode, which is one of: off, "
		"lazy-socket, transparent, auto");
	refuses("mode off", "line 1: 'mode off' is not of the form 'key = value'");
	refuses("= off", "line 1: unknown key ''");
	refuses("mode =", "line 1: mode has no value");
	refuses("mode = # off", "line 1: mode has no value");
	refuses("Mode = off", "line 1: unknown key 'Mode'");
	refuses("mode = off\nmode = off", "line 2: mode was set in line 1 already");
	refuses("minimum-size = -1", "line 1: '-1' is no value of minimum-size");
	refuses("minimum-size = 1T", "'1T'");
	refuses("minimum-size = 1KB", "'1KB'");
	refuses("minimum-size = K", "'K'");
	refuses("drain-rate = 1048577G", "'1048577G'");
	refuses("drain-rate = 99999999999999999999", "'99999999999999999999'");
	refuses("drain-rate = 18446744073709551615G", "'18446744073709551615G'");
	refuses("drain = later", "line 1: 'later' is no value of drain");
	refuses("threads = 0", "'0' is no value of threads");
	refuses("threads = 17", "'17' is no value of threads");
	refuses("log-level = 3", "'3' is no value of log-level");
	refuses("lazy-shared = memfd",
		"'memfd' is no value of lazy-shared, which is one of: no, yes");
	refuses("trace = faults.json",
		"'faults.json' is no value of trace, which is one of: no, yes");
	refuses("eager = stacks", "line 1: 'stacks' is no value of eager");
	refuses("eager = heap none", "'none' is no value of eager");
	refuses("eager = 1000", "'1000' is no value of eager");
	refuses("eager = 1000-", "'1000-' is no range of addresses");
	refuses("eager = 1000-1000", "'1000-1000' is no range of addresses");
	refuses("eager = 0-10000000000000000", "'0-10000000000000000' is no range of addresses");
	refuses("eager = 1-2-3", "'1-2-3' is no range of addresses");
	refuses("log-file = a\033[1m", "line 1: the value of log-file has a control character");
}

static void too_much_is_refused(void **state)
{
	char text[2 * FI_SETTINGS_VALUE_MAX];
	size_t len = (size_t)snprintf(text, sizeof(text), "eager =");

	for (int i = 0; i < FI_SETTINGS_RANGES; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %x000-%x000", i + 1,
					i + 2);
	assert_int_equal(parse(text), 0);
	assert_int_equal(settings.nr_eager, FI_SETTINGS_RANGES);
	(void)snprintf(text + len, sizeof(text) - len, " 1-2");
	refuses(text, "eager has more than 64 ranges");

	(void)snprintf(text, sizeof(text), "log-file = %0*d", FI_SETTINGS_PATH_MAX, 0);
	refuses(text, "log-file has more than 1023 bytes");
	(void)snprintf(text, sizeof(text), "mode = %0*d", FI_SETTINGS_VALUE_MAX, 0);
	refuses(text, "the value of mode is too long");
	assert_int_equal(fi_settings_parse(&settings, FI_ORIGIN_SYSTEM, "mode = off\0", 11, NULL,
					   NULL, &err),
			 -EINVAL);
}

struct heard {
	unsigned lines[8];
	size_t nr;
};

static void hear(void *arg, unsigned line, const char *words)
{
	struct heard *heard = arg;

	assert_true(words[0] && heard->nr < FI_ARRAY_SIZE(heard->lines));
	heard->lines[heard->nr++] = line;
}

static void all_that_is_wrong_is_heard(void **state)
{
	static const char text[] = "x = 1\nmode = off\ndrain = 7\n\nmode = off\n";
	struct heard heard = { .nr = 0 };

	assert_int_equal(fi_settings_parse(&settings, FI_ORIGIN_SYSTEM, text, strlen(text), hear,
					   &heard, &err),
			 -EINVAL);
	assert_int_equal(heard.nr, 3);
	assert_int_equal(heard.lines[0], 1);
	assert_int_equal(heard.lines[1], 3);
	assert_int_equal(heard.lines[2], 5);
	assert_non_null(strstr(err.text, "line 1: "));
	assert_int_equal(settings.mode, FI_MODE_AUTO);
}

static void later_sources_override(void **state)
{
	assert_int_equal(parse("drain = eager\nthreads = 2\ndrain-rate = 1M"), 0);
	assert_int_equal(parse_of(FI_ORIGIN_IMAGE, "drain = demand\neager = heap"), 0);
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "threads", "4", &err), 0);
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "eager", "none", &err), 0);
	is(FI_KEY_DRAIN, "demand");
	is(FI_KEY_THREADS, "4");
	is(FI_KEY_EAGER, "none");
	comes_from(FI_KEY_DRAIN, FI_ORIGIN_IMAGE, 1);
	comes_from(FI_KEY_DRAIN_RATE, FI_ORIGIN_SYSTEM, 3);
	comes_from(FI_KEY_THREADS, FI_ORIGIN_CONTAINER, 0);
	comes_from(FI_KEY_EAGER, FI_ORIGIN_CONTAINER, 0);
}

static void images_say_nothing_about_the_host(void **state)
{
	refuses_of(FI_ORIGIN_IMAGE, "log-file = /etc/passwd", "line 1: log-file is not an image's");
	refuses_of(FI_ORIGIN_IMAGE, "log-level = debug", "log-level is not an image's");
	refuses_of(FI_ORIGIN_IMAGE, "drain = demand\nthreads = 16", "line 2: threads is not an");
	refuses_of(FI_ORIGIN_IMAGE, "trace = yes", "trace is not an image's");
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "log-file", "x", &err),
			 -EINVAL);
	assert_string_equal(err.text, "log-file is not a container's to say");
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "log-level", "info", &err),
			 0);
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "trace", "yes", &err), 0);
}

static void a_mode_can_only_be_narrowed(void **state)
{
	static const struct {
		const char *system, *image, *container;
		unsigned mode;
	} cases[] = {
		{ "auto", "off", "auto", FI_MODE_OFF },
		{ "auto", "transparent", "auto", FI_MODE_TRANSPARENT },
		{ "auto", "auto", "lazy-socket", FI_MODE_LAZY_SOCKET },
		{ "off", "auto", "auto", FI_MODE_OFF },
		{ "lazy-socket", "auto", "auto", FI_MODE_LAZY_SOCKET },
		{ "lazy-socket", "transparent", "auto", FI_MODE_OFF },
		{ "transparent", "transparent", "lazy-socket", FI_MODE_OFF },
	};

	for (size_t i = 0; i < FI_ARRAY_SIZE(cases); i++) {
		fi_settings_init(&settings);
		assert_int_equal(
			fi_settings_set(&settings, FI_ORIGIN_SYSTEM, "mode", cases[i].system, &err),
			0);
		assert_int_equal(
			fi_settings_set(&settings, FI_ORIGIN_IMAGE, "mode", cases[i].image, &err),
			0);
		assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "mode",
						 cases[i].container, &err),
				 0);
		assert_int_equal(settings.mode, cases[i].mode);
	}
}

static void bad_values_change_nothing(void **state)
{
	const struct fi_settings before = settings;

	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "eager", "heap 1-", &err),
			 -EINVAL);
	assert_int_equal(fi_settings_set(&settings, FI_ORIGIN_CONTAINER, "colour", "red", &err),
			 -EINVAL);
	assert_memory_equal(&settings, &before, sizeof(before));
}

static void write_file(int dir, const char *name, const char *text, size_t len)
{
	fi_auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
}

static int read_image(int dir, const char *name)
{
	err.text[0] = '\0';
	return fi_settings_read(&settings, FI_ORIGIN_IMAGE, dir, name, NULL, NULL, &err);
}

static void files_are_read(void **state)
{
	static const char *const names[] = { "good", "bad", "link", "pipe", "large" };
	char path[] = "/tmp/faultin-settings.XXXXXX", *large;
	fi_auto_close int dir = -EBADF;

	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	large = calloc(1, FI_SETTINGS_FILE_MAX + 1);
	assert_non_null(large);
	memset(large, '\n', FI_SETTINGS_FILE_MAX + 1);
	write_file(dir, "good", "\ndrain = demand\n", 16);
	write_file(dir, "bad", "drain = eager\nmood = off\n", 25);
	write_file(dir, "large", large, FI_SETTINGS_FILE_MAX + 1);
	assert_int_equal(symlinkat("good", dir, "link"), 0);
	assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);

	assert_int_equal(read_image(dir, "none"), 0);
	assert_int_equal(read_image(dir, "bad"), -EINVAL);
	assert_string_equal(err.text, "'bad': line 2: unknown key 'mood'");
	assert_int_equal(read_image(dir, "link"), -ELOOP);
	assert_int_equal(read_image(dir, "pipe"), -EINVAL);
	assert_int_equal(read_image(dir, "large"), -EFBIG);
	is(FI_KEY_DRAIN, "background");
	assert_int_equal(read_image(dir, "good"), 1);
	is(FI_KEY_DRAIN, "demand");
	comes_from(FI_KEY_DRAIN, FI_ORIGIN_IMAGE, 2);
	/* The administrator's may well be a symlink. */
	assert_int_equal(
		fi_settings_read(&settings, FI_ORIGIN_SYSTEM, dir, "link", NULL, NULL, &err), 1);
	write_file(dir, "large", large, FI_SETTINGS_FILE_MAX);
	assert_int_equal(read_image(dir, "large"), 0 + 1);

	for (size_t i = 0; i < FI_ARRAY_SIZE(names); i++)
		assert_int_equal(unlinkat(dir, names[i], 0), 0);
	assert_int_equal(rmdir(path), 0);
	free(large);
}

static void the_systems_file_can_be_named(void **state)
{
	assert_int_equal(unsetenv("FAULTIN_CONFIG"), 0);
	assert_string_equal(fi_settings_system("/etc/a"), "/etc/a");
	assert_int_equal(setenv("FAULTIN_CONFIG", "", 1), 0);
	assert_string_equal(fi_settings_system("/etc/a"), "/etc/a");
	assert_int_equal(setenv("FAULTIN_CONFIG", "b", 1), 0);
	assert_string_equal(fi_settings_system("/etc/a"), "b");
}

static void bytes_come_back(void **state)
{
	static const uint64_t numbers[] = {
		0, 1, 1023, 1024, 1025, 3 << 20, UINT64_C(5) << 30, UINT64_C(1) << 50, UINT64_MAX
	};
	char word[FI_BYTES_ROOM];
	uint64_t again;

	for (size_t i = 0; i < FI_ARRAY_SIZE(numbers); i++) {
		fi_bytes_format(numbers[i], word);
		assert_int_equal(fi_bytes_parse(word, UINT64_MAX, &again), 0);
		assert_int_equal(again, numbers[i]);
	}
	fi_bytes_format(3 << 20, word);
	assert_string_equal(word, "3M");
	fi_bytes_format(UINT64_C(1) << 50, word);
	assert_string_equal(word, "1048576G");
	assert_int_equal(fi_bytes_parse("1K", 1023, &again), -EINVAL);
	assert_int_equal(fi_bytes_parse("", 1, &again), -EINVAL);
	assert_int_equal(fi_bytes_parse(" 1", 1, &again), -EINVAL);
	assert_int_equal(fi_bytes_parse("+1", 1, &again), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_said_is_built_in, begin),
		cmocka_unit_test_setup(every_key_is_taken, begin),
		cmocka_unit_test_setup(errors_name_their_lines, begin),
		cmocka_unit_test_setup(too_much_is_refused, begin),
		cmocka_unit_test_setup(all_that_is_wrong_is_heard, begin),
		cmocka_unit_test_setup(later_sources_override, begin),
		cmocka_unit_test_setup(images_say_nothing_about_the_host, begin),
		cmocka_unit_test_setup(a_mode_can_only_be_narrowed, begin),
		cmocka_unit_test_setup(bad_values_change_nothing, begin),
		cmocka_unit_test_setup(files_are_read, begin),
		cmocka_unit_test_setup(the_systems_file_can_be_named, begin),
		cmocka_unit_test_setup(bytes_come_back, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
