/* common/settings.c - see settings.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "common/settings.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/bytes.h"

#define BLANKS " \t\r"

struct name {
	const char *word;
	unsigned value;
};

static const struct name mode_names[] = {
	{ "off", FI_MODE_OFF },
	{ "lazy-socket", FI_MODE_LAZY_SOCKET },
	{ "transparent", FI_MODE_TRANSPARENT },
	{ "auto", FI_MODE_AUTO },
	{ NULL, 0 },
};

static const struct name kind_names[] = {
	{ "heap", FI_KIND_HEAP },	{ "anon", FI_KIND_ANON },
	{ "file", FI_KIND_FILE },	{ "shared", FI_KIND_SHARED },
	{ "hugetlb", FI_KIND_HUGETLB }, { "memfd", FI_KIND_MEMFD },
	{ "sysv", FI_KIND_SYSV },	{ NULL, 0 },
};

static const struct name drain_names[] = {
	{ "background", FI_DRAIN_BACKGROUND },
	{ "eager", FI_DRAIN_EAGER },
	{ "demand", FI_DRAIN_DEMAND },
	{ NULL, 0 },
};

static const struct name level_names[] = {
	{ "error", 1 }, { "warning", 2 }, { "info", 3 }, { "debug", 4 }, { NULL, 0 },
};

static const struct name answer_names[] = {
	{ "no", false },
	{ "yes", true },
	{ NULL, 0 },
};

/* Who may set a key beside the administrator. */
static const struct {
	const char *name;
	bool image, container;
} keys[FI_KEY_NR] = {
	[FI_KEY_MODE] = { "mode", true, true },
	[FI_KEY_MINIMUM_SIZE] = { "minimum-size", true, true },
	[FI_KEY_EAGER] = { "eager", true, true },
	[FI_KEY_LAZY_SHARED] = { "lazy-shared", true, true },
	[FI_KEY_DRAIN] = { "drain", true, true },
	[FI_KEY_DRAIN_RATE] = { "drain-rate", true, true },
	[FI_KEY_THREADS] = { "threads", false, true },
	[FI_KEY_LOG_LEVEL] = { "log-level", false, true },
	[FI_KEY_LOG_FILE] = { "log-file", false, false },
	[FI_KEY_TRACE] = { "trace", false, true },
};

const char *fi_settings_key(enum fi_key key)
{
	return keys[key].name;
}

void fi_settings_init(struct fi_settings *settings)
{
	*settings = (struct fi_settings){
		.mode = FI_MODE_AUTO,
		.minimum_size = UINT64_C(16) << 20,
		.drain = FI_DRAIN_BACKGROUND,
		.log_level = 2,
		.log_file = "faultin.log",
	};
}

/* --- values -------------------------------------------------------------------------------------- */

static bool find_name(const struct name *names, const char *word, unsigned *ret)
{
	for (; names->word; names++) {
		if (strcmp(names->word, word) == 0) {
			*ret = names->value;
			return true;
		}
	}
	return false;
}

static const char *name_of(const struct name *names, unsigned value)
{
	while (names->word && names->value != value)
		names++;
	return names->word ? names->word : "";
}

/* Says what could have been meant. */
static int unknown_name(const struct name *names, const char *key, const char *word,
			struct fi_error *err)
{
	char list[128] = "";
	size_t len = 0;

	for (; names->word && len < sizeof(list); names++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ", " : "",
					names->word);
	return fi_error_set(err, -EINVAL, "'%s' is no value of %s, which is one of: %s", word, key,
			    list);
}

static int take_name(const struct name *names, enum fi_key key, const char *word, unsigned *ret,
		     struct fi_error *err)
{
	return find_name(names, word, ret) ? 0 : unknown_name(names, keys[key].name, word, err);
}

static int take_answer(enum fi_key key, const char *word, bool *ret, struct fi_error *err)
{
	unsigned answer = 0;
	int r = take_name(answer_names, key, word, &answer, err);

	if (r == 0)
		*ret = answer;
	return r;
}

static int take_bytes(enum fi_key key, const char *word, uint64_t *ret, struct fi_error *err)
{
	if (fi_bytes_parse(word, FI_SETTINGS_BYTES_MAX, ret) < 0)
		return fi_error_set(err, -EINVAL,
				    "'%s' is no value of %s, which is a number of bytes, perhaps "
				    "with K, M or G behind it, up to 2^50",
				    word, keys[key].name);
	return 0;
}

static int take_threads(const char *word, unsigned *ret, struct fi_error *err)
{
	uint64_t nr = 0;

	if (strcmp(word, "auto") != 0 &&
	    (fi_bytes_parse(word, FI_SETTINGS_THREADS, &nr) < 0 || nr == 0))
		return fi_error_set(err, -EINVAL,
				    "'%s' is no value of threads, which is 'auto' or from 1 to %d",
				    word, FI_SETTINGS_THREADS);
	*ret = (unsigned)nr;
	return 0;
}

/* "7f0000000000-7f0000200000", as in /proc/PID/maps; "0x" before a number is fine. */
static bool parse_range(const char *word, struct fi_range *ret)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	uint64_t bound[2];
	char *end;

	for (int i = 0; i < 2; i++) {
		const char *first = strncmp(word, "0x", 2) == 0 ? word + 2 : word;
		size_t len = strspn(first, digits);

		if (len == 0 || len > 16)
			return false;
		bound[i] = strtoull(first, &end, 16);
		if (end != first + len || *end != (i == 0 ? '-' : '\0'))
			return false;
		word = end + 1;
	}
	*ret = (struct fi_range){ bound[0], bound[1] };
	return bound[0] < bound[1];
}

static int take_eager_word(struct fi_settings *settings, const char *word, struct fi_error *err)
{
	unsigned kind;

	if (find_name(kind_names, word, &kind)) {
		settings->eager_kinds |= kind;
		return 0;
	}
	if (word[strspn(word, "0123456789abcdefABCDEFx")] != '-')
		return unknown_name(kind_names, "eager, or a range of addresses", word, err);
	if (settings->nr_eager == FI_SETTINGS_RANGES)
		return fi_error_set(err, -EINVAL, "eager has more than %d ranges",
				    FI_SETTINGS_RANGES);
	if (!parse_range(word, &settings->eager[settings->nr_eager]))
		return fi_error_set(err, -EINVAL,
				    "'%s' is no range of addresses: two hexadecimal numbers, the "
				    "first lower, with '-' between them",
				    word);
	settings->nr_eager++;
	return 0;
}

/* Kinds and ranges with blanks or commas between them; "none" is none. */
static int take_eager(struct fi_settings *settings, const char *value, struct fi_error *err)
{
	char words[FI_SETTINGS_VALUE_MAX], *next = words;
	int r = 0;

	(void)snprintf(words, sizeof(words), "%s", value);
	settings->eager_kinds = 0;
	settings->nr_eager = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	while (r == 0 && next) {
		const char *word = strsep(&next, BLANKS ",");

		if (word[0])
			r = take_eager_word(settings, word, err);
	}
	return r;
}

static int take_path(const char *word, char ret[FI_SETTINGS_PATH_MAX], struct fi_error *err)
{
	if (strlen(word) >= FI_SETTINGS_PATH_MAX)
		return fi_error_set(err, -EINVAL, "log-file has more than %d bytes",
				    FI_SETTINGS_PATH_MAX - 1);
	memcpy(ret, word, strlen(word) + 1);
	return 0;
}

static int take_value(struct fi_settings *settings, enum fi_key key, const char *value,
		      struct fi_error *err)
{
	unsigned number = 0;
	int r = 0;

	switch (key) {
	case FI_KEY_MODE:
		return take_name(mode_names, key, value, &settings->mode, err);
	case FI_KEY_MINIMUM_SIZE:
		return take_bytes(key, value, &settings->minimum_size, err);
	case FI_KEY_EAGER:
		return take_eager(settings, value, err);
	case FI_KEY_LAZY_SHARED:
		return take_answer(key, value, &settings->lazy_shared, err);
	case FI_KEY_DRAIN:
		r = take_name(drain_names, key, value, &number, err);
		if (r == 0)
			settings->drain = (enum fi_drain)number;
		return r;
	case FI_KEY_DRAIN_RATE:
		return take_bytes(key, value, &settings->drain_rate, err);
	case FI_KEY_THREADS:
		return take_threads(value, &settings->threads, err);
	case FI_KEY_LOG_LEVEL:
		r = take_name(level_names, key, value, &number, err);
		if (r == 0)
			settings->log_level = (int)number;
		return r;
	case FI_KEY_LOG_FILE:
		return take_path(value, settings->log_file, err);
	case FI_KEY_TRACE:
		return take_answer(key, value, &settings->trace, err);
	case FI_KEY_NR:
		break;
	}
	return -EINVAL;
}

static bool may_set(enum fi_origin origin, enum fi_key key)
{
	return origin == FI_ORIGIN_IMAGE       ? keys[key].image
	       : origin == FI_ORIGIN_CONTAINER ? keys[key].container
					       : true;
}

static int find_key(const char *name, enum fi_key *ret, struct fi_error *err)
{
	for (unsigned i = 0; i < FI_KEY_NR; i++) {
		if (strcmp(keys[i].name, name) == 0) {
			*ret = (enum fi_key)i;
			return 0;
		}
	}
	return fi_error_set(err, -EINVAL, "unknown key '%.64s'", name);
}

/* Takes a value from @line of a file, or from elsewhere.  @settings may be half changed if it fails. */
static int set(struct fi_settings *settings, enum fi_origin origin, enum fi_key key,
	       const char *value, unsigned line, struct fi_error *err)
{
	unsigned allowed = settings->mode;
	int r;

	if (!may_set(origin, key))
		return fi_error_set(err, -EINVAL, "%s is not %s to say", keys[key].name,
				    origin == FI_ORIGIN_IMAGE ? "an image's" : "a container's");
	if (!value[0])
		return fi_error_set(err, -EINVAL, "%s has no value", keys[key].name);
	if (strlen(value) >= FI_SETTINGS_VALUE_MAX)
		return fi_error_set(err, -EINVAL, "the value of %s is too long", keys[key].name);
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' && *at != '\t')
			return fi_error_set(err, -EINVAL,
					    "the value of %s has a control character in it",
					    keys[key].name);
	r = take_value(settings, key, value, err);
	if (r < 0)
		return r;
	if (origin == FI_ORIGIN_IMAGE || origin == FI_ORIGIN_CONTAINER)
		settings->mode &= allowed;
	settings->from[key].origin = origin;
	settings->from[key].line = line;
	return 0;
}

int fi_settings_set(struct fi_settings *settings, enum fi_origin origin, const char *key,
		    const char *value, struct fi_error *err)
{
	struct fi_settings changed = *settings;
	enum fi_key found = FI_KEY_NR;
	int r = find_key(key, &found, err);

	if (r == 0)
		r = set(&changed, origin, found, value, 0, err);
	if (r == 0)
		*settings = changed;
	return r;
}

/* --- files --------------------------------------------------------------------------------------- */

/* One reading of a file. */
struct reading {
	struct fi_settings settings; /* as it will be */
	enum fi_origin origin;
	unsigned line;
	unsigned seen[FI_KEY_NR]; /* the line that set it; 0: none */
};

/* The word in @text without the blanks around it. */
static char *trim(char *text)
{
	size_t len;

	text += strspn(text, BLANKS);
	len = strlen(text);
	while (len && strchr(BLANKS, text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

/* A comment begins with a "#" at the beginning of a line or behind a blank. */
static void cut_comment(char *line)
{
	for (char *at = strchr(line, '#'); at; at = strchr(at + 1, '#')) {
		if (at == line || strchr(BLANKS, at[-1])) {
			*at = '\0';
			return;
		}
	}
}

static int take_line(struct reading *reading, char *line, struct fi_error *err)
{
	enum fi_key key = FI_KEY_NR;
	char *value;
	int r;

	cut_comment(line);
	line = trim(line);
	if (!line[0])
		return 0;
	value = strchr(line, '=');
	if (!value)
		return fi_error_set(err, -EINVAL, "'%.64s' is not of the form 'key = value'", line);
	*value++ = '\0';
	r = find_key(trim(line), &key, err);
	if (r < 0)
		return r;
	if (reading->seen[key])
		return fi_error_set(err, -EINVAL, "%s was set in line %u already", keys[key].name,
				    reading->seen[key]);
	reading->seen[key] = reading->line;
	return set(&reading->settings, reading->origin, key, trim(value), reading->line, err);
}

/* @text is terminated, and is taken apart. */
static int take_text(struct reading *reading, char *text, fi_settings_complain complain, void *arg,
		     struct fi_error *first)
{
	int result = 0;

	while (text) {
		char *line = strsep(&text, "\n");
		struct fi_error err = { "" };
		int r;

		reading->line++;
		r = take_line(reading, line, &err);
		if (r < 0 && complain)
			complain(arg, reading->line, err.text);
		if (r < 0 && result == 0)
			result = fi_error_set(first, r, "line %u: %.400s", reading->line, err.text);
	}
	return result;
}

int fi_settings_parse(struct fi_settings *settings, enum fi_origin origin, const char *text,
		      size_t len, fi_settings_complain complain, void *arg, struct fi_error *err)
{
	struct reading reading = { .settings = *settings, .origin = origin };
	fi_auto_free char *copy = NULL;
	int r;

	if (memchr(text, '\0', len)) {
		if (complain)
			complain(arg, 0, "there is a NUL in it");
		return fi_error_set(err, -EINVAL, "there is a NUL in it");
	}
	copy = malloc(len + 1);
	if (!copy)
		return fi_error_set(err, -ENOMEM, "out of memory");
	memcpy(copy, text, len);
	copy[len] = '\0';
	r = take_text(&reading, copy, complain, arg, err);
	if (r == 0)
		*settings = reading.settings;
	return r;
}

static int read_text(int fd, char *text, size_t room, struct fi_error *err)
{
	size_t len = 0;
	ssize_t n;

	while (len < room) {
		n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fi_error_set(err, -errno, "%s", strerror(errno));
		if (n == 0)
			return (int)len;
		len += (size_t)n;
	}
	return fi_error_set(err, -EFBIG, "more than %d bytes", FI_SETTINGS_FILE_MAX);
}

static int read_file(struct fi_settings *settings, enum fi_origin origin, int fd,
		     fi_settings_complain complain, void *arg, struct fi_error *err)
{
	fi_auto_free char *text = malloc(FI_SETTINGS_FILE_MAX + 1);
	struct stat st;
	int len;

	if (!text)
		return fi_error_set(err, -ENOMEM, "out of memory");
	if (fstat(fd, &st) < 0)
		return fi_error_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode) && origin == FI_ORIGIN_IMAGE)
		return fi_error_set(err, -EINVAL, "it is not a regular file");
	len = read_text(fd, text, FI_SETTINGS_FILE_MAX + 1, err);
	return len < 0 ? len
		       : fi_settings_parse(settings, origin, text, (size_t)len, complain, arg, err);
}

int fi_settings_read(struct fi_settings *settings, enum fi_origin origin, int dirfd,
		     const char *path, fi_settings_complain complain, void *arg,
		     struct fi_error *err)
{
	/* A pipe in an image must not be waited for. */
	const int untrusted = origin == FI_ORIGIN_IMAGE ? O_NOFOLLOW | O_NONBLOCK : 0;
	fi_auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | untrusted);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return fi_error_set(err, -errno, "'%s': %s", path, strerror(errno));
	r = read_file(settings, origin, fd, complain, arg, err);
	return r < 0 ? fi_error_prefix(err, r, "'%s'", path) : 1;
}

const char *fi_settings_system(const char *installed)
{
	const char *named = secure_getenv("FAULTIN_CONFIG");

	return named && named[0] ? named : installed;
}

/* --- and back -------------------------------------------------------------------------------------- */

static void append(char ret[FI_SETTINGS_VALUE_MAX], const char *word)
{
	size_t len = strlen(ret);

	(void)snprintf(ret + len, FI_SETTINGS_VALUE_MAX - len, "%s%s", len ? " " : "", word);
}

static void format_eager(const struct fi_settings *settings, char ret[FI_SETTINGS_VALUE_MAX])
{
	char word[48];

	ret[0] = '\0';
	for (const struct name *kind = kind_names; kind->word; kind++)
		if (settings->eager_kinds & kind->value)
			append(ret, kind->word);
	for (size_t i = 0; i < settings->nr_eager; i++) {
		(void)snprintf(word, sizeof(word), "%" PRIx64 "-%" PRIx64, settings->eager[i].start,
			       settings->eager[i].end);
		append(ret, word);
	}
	if (!ret[0])
		append(ret, "none");
}

void fi_settings_format(const struct fi_settings *settings, enum fi_key key,
			char ret[FI_SETTINGS_VALUE_MAX])
{
	const char *word = "";
	char number[FI_BYTES_ROOM];

	switch (key) {
	case FI_KEY_MODE:
		word = name_of(mode_names, settings->mode);
		break;
	case FI_KEY_MINIMUM_SIZE:
		fi_bytes_format(settings->minimum_size, number);
		word = number;
		break;
	case FI_KEY_EAGER:
		format_eager(settings, ret);
		return;
	case FI_KEY_LAZY_SHARED:
		word = name_of(answer_names, settings->lazy_shared);
		break;
	case FI_KEY_DRAIN:
		word = name_of(drain_names, settings->drain);
		break;
	case FI_KEY_DRAIN_RATE:
		fi_bytes_format(settings->drain_rate, number);
		word = number;
		break;
	case FI_KEY_THREADS:
		fi_bytes_format(settings->threads, number);
		word = settings->threads ? number : "auto";
		break;
	case FI_KEY_LOG_LEVEL:
		word = name_of(level_names, (unsigned)settings->log_level);
		break;
	case FI_KEY_LOG_FILE:
		word = settings->log_file;
		break;
	case FI_KEY_TRACE:
		word = name_of(answer_names, settings->trace);
		break;
	case FI_KEY_NR:
		break;
	}
	(void)snprintf(ret, FI_SETTINGS_VALUE_MAX, "%s", word);
}
