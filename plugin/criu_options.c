/* plugin/criu_options.c - see criu_options.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Not getopt_long(3) itself: its state is CRIU's, too.
 */
#include "config.h"

#include "plugin/criu_options.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"

#define CONFIG_MAX_BYTES  (1024 * 1024)
#define CMDLINE_MAX_BYTES (8 * 1024 * 1024)

/* CRIU 3.17 to 4.2. */
static const char short_options[] = "dSsRt:hD:o:v::x::Vr:jJ:lW:L:M:";

/* Those whose value may be the next word.  CRIU has accepted the words, so an abbreviation of one
 * of these is not ambiguous, and options that are not here take no word after them. */
static const char *const options_with_value[] = {
	"action-script",
	"address",
	"cgroup-dump-controller",
	"cgroup-props",
	"cgroup-props-file",
	"cgroup-root",
	"cgroup-yard",
	"close",
	"config",
	"empty-ns",
	"enable-fs",
	"ext-mount-map",
	"external",
	"feature",
	"file-validation",
	"freeze-cgroup",
	"ghost-limit",
	"images-dir",
	"inherit-fd",
	"irmap-scan-path",
	"join-ns",
	"libdir",
	"log-file",
	"lsm-mount-context",
	"lsm-profile",
	"network-lock",
	"pidfile",
	"port",
	"pre-dump-mode",
	"prev-images-dir",
	"ps-socket",
	"root",
	"skip-mnt",
	"status-fd",
	"timeout",
	"tls-cacert",
	"tls-cacrl",
	"tls-cert",
	"tls-key",
	"tree",
	"veth-pair",
	"work-dir",
};

void fi_words_free(struct fi_words *words)
{
	free(words->word);
	free(words->text);
	*words = (struct fi_words){ 0 };
}

/* Points into words->text, which holds @nr strings one after the other. */
static int index_words(struct fi_words *words, size_t nr)
{
	const char *p = words->text;

	words->word = calloc(nr + 1, sizeof(*words->word));
	if (!words->word)
		return -ENOMEM;
	for (words->nr = 0; words->nr < nr; words->nr++) {
		words->word[words->nr] = p;
		p += strlen(p) + 1;
	}
	return 0;
}

int fi_words_from_cmdline(const char *cmdline, size_t len, struct fi_words *ret)
{
	fi_auto_words struct fi_words words = { 0 };
	size_t nr = 0;
	int r;

	words.text = calloc(1, len + 1);
	if (!words.text)
		return -ENOMEM;
	memcpy(words.text, cmdline, len);
	for (size_t i = 0; i < len; i += strlen(words.text + i) + 1)
		nr++;
	r = index_words(&words, nr);
	if (r < 0)
		return r;

	*ret = words;
	words = (struct fi_words){ 0 };
	return 0;
}

/* Copies the words of one line (a string) to *@out, which moves on.  Returns how many. */
static size_t split_line(const char *p, char **out)
{
	char *to = *out;
	size_t nr = 0;

	for (;;) {
		while (isspace((unsigned char)*p))
			p++;
		if (*p == '\0' || *p == '#')
			break;
		if (nr == 0) {
			*to++ = '-';
			*to++ = '-';
		}
		if (*p == '"' && strchr(p + 1, '"')) {
			for (p++; *p && *p != '"'; p++) {
				if (p[0] == '\\' && p[1] == '"')
					p++;
				*to++ = *p;
			}
			if (*p)
				p++;
		} else {
			while (*p && !isspace((unsigned char)*p))
				*to++ = *p++;
		}
		*to++ = '\0';
		nr++;
	}
	*out = to;
	return nr;
}

int fi_words_from_config(const char *config, size_t len, struct fi_words *ret)
{
	fi_auto_words struct fi_words words = { 0 };
	fi_auto_free char *copy = NULL;
	char *line, *end, *out;
	size_t nr = 0;
	int r;

	/* At worst "x\n" becomes "--x\0", and the last line lacks its end. */
	words.text = calloc(2, len + 2);
	copy = calloc(1, len + 1);
	if (!words.text || !copy)
		return -ENOMEM;
	memcpy(copy, config, len);

	out = words.text;
	for (line = copy; line < copy + len; line = end + 1) {
		end = memchr(line, '\n', (size_t)(copy + len - line));
		if (!end)
			end = copy + len;
		*end = '\0';
		nr += split_line(line, &out);
	}
	r = index_words(&words, nr);
	if (r < 0)
		return r;

	*ret = words;
	words = (struct fi_words){ 0 };
	return 0;
}

/* Whether @name, of @len bytes, is @option or an abbreviation of it. */
static bool abbreviates(const char *name, size_t len, const char *option)
{
	return len > 0 && strncmp(name, option, len) == 0;
}

static bool takes_value(const char *name, size_t len)
{
	/* The one option without a value whose name others with a value begin with. */
	if (len == strlen("tls") && memcmp(name, "tls", len) == 0)
		return false;
	for (size_t i = 0; i < FI_ARRAY_SIZE(options_with_value); i++)
		if (abbreviates(name, len, options_with_value[i]))
			return true;
	return false;
}

/* One word of short options without its "-".  Returns whether the next word is a value. */
static bool scan_short(const char *cluster)
{
	const char *known;

	for (; *cluster; cluster++) {
		known = *cluster == ':' ? NULL : strchr(short_options, *cluster);
		if (known && known[1] == ':')
			return known[2] != ':' && cluster[1] == '\0';
	}
	return false;
}

void fi_criu_options_scan(const struct fi_words *words, size_t first, struct fi_criu_options *ret)
{
	bool operands_only = false;
	const char *word;
	size_t len;

	*ret = (struct fi_criu_options){ 0 };
	for (size_t i = first; i < words->nr; i++) {
		word = words->word[i];
		if (operands_only || word[0] != '-' || word[1] == '\0') {
			if (strcmp(word, "restore") == 0)
				ret->restore = true;
		} else if (word[1] != '-') {
			if (scan_short(word + 1))
				i++;
		} else if (word[2] == '\0') {
			operands_only = true;
		} else {
			len = strcspn(word + 2, "=");
			/* "--l" alone would be ambiguous: CRIU has refused it. */
			if (len >= 2 && abbreviates(word + 2, len, "lazy-pages"))
				ret->lazy_pages = true;
			else if (len >= 2 && abbreviates(word + 2, len, "auto-dedup"))
				ret->auto_dedup = true;
			else if (word[2 + len] != '=' && takes_value(word + 2, len))
				i++;
		}
	}
}

/* What CRIU looks for before it parses, in all words and whatever they belong to. */
static void find_config_options(const struct fi_words *words, const char **config, bool *no_default)
{
	static const char with_value[] = "--config=";
	const char *found;

	*config = NULL;
	*no_default = false;
	for (size_t i = 0; i < words->nr; i++) {
		found = strstr(words->word[i], with_value);
		if (strcmp(words->word[i], "--no-default-config") == 0) {
			*no_default = true;
		} else if (strcmp(words->word[i], "--config") == 0) {
			*config = words->word[i + 1]; /* NULL after the last */
			*no_default = true;
		} else if (found) {
			*config = found + strlen(with_value);
			*no_default = true;
		}
	}
}

/* Reads what there is, up to @max bytes.  Returns 0, -EFBIG, -ENOMEM or what the calls gave. */
static int read_all(const char *path, size_t max, char **ret, size_t *ret_len)
{
	fi_auto_close int fd = -EBADF;
	fi_auto_free char *text = NULL;
	size_t len = 0, room = 0;
	char *bigger;
	ssize_t n;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	do {
		if (len == room) {
			if (room > max)
				return -EFBIG;
			room = room ? room * 2 : 4096;
			bigger = realloc(text, room);
			if (!bigger)
				return -ENOMEM;
			text = bigger;
		}
		n = read(fd, text + len, room - len);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;

	*ret = FI_TAKE(text);
	*ret_len = len;
	return 0;
}

/* Adds what the configuration file asks for.  0 or a negative errno. */
static int add_config(const char *path, const char *start_dir, struct fi_criu_options *sum,
		      struct fi_error *err)
{
	fi_auto_words struct fi_words words = { 0 };
	fi_auto_free char *text = NULL;
	struct fi_criu_options options;
	char full[PATH_MAX];
	size_t len;
	int r;

	if (path[0] != '/' && !start_dir)
		return fi_error_set(err, -ENOENT,
				    "the configuration file '%s' has a relative name, and CRIU has "
				    "left the directory that it was started in",
				    path);
	r = snprintf(full, sizeof(full), "%s%s%s", path[0] == '/' ? "" : start_dir,
		     path[0] == '/' ? "" : "/", path);
	if (r < 0 || (size_t)r >= sizeof(full))
		return 0; /* no such file can be opened, by CRIU either */

	r = read_all(full, CONFIG_MAX_BYTES, &text, &len);
	if (r == 0)
		r = fi_words_from_config(text, len, &words);
	if (r == -EFBIG || r == -ENOMEM)
		return fi_error_set(err, r, "configuration file '%s'", full);
	if (r < 0)
		return 0;

	fi_criu_options_scan(&words, 0, &options);
	sum->lazy_pages |= options.lazy_pages;
	sum->auto_dedup |= options.auto_dedup;
	return 0;
}

int fi_restore_kind(const char *cmdline, size_t len, const struct fi_criu_places *places,
		    struct fi_error *err)
{
	fi_auto_words struct fi_words words = { 0 };
	struct fi_criu_options options;
	char user_config[PATH_MAX];
	const char *files[4] = { NULL };
	const char *config;
	bool no_default;
	int r;

	r = fi_words_from_cmdline(cmdline, len, &words);
	if (r < 0)
		return fi_error_set(err, r, "CRIU's command line");
	fi_criu_options_scan(&words, 1, &options);
	if (!options.restore)
		return FI_RESTORE_UNTOLD;
	if (options.lazy_pages)
		return FI_RESTORE_LAZY;

	find_config_options(&words, &config, &no_default);
	if (!no_default) {
		files[0] = places->global_config;
		if (places->home) {
			(void)snprintf(user_config, sizeof(user_config), "%s/.criu/default.conf",
				       places->home);
			files[1] = user_config;
		}
	}
	files[2] = places->config_env;
	files[3] = config;
	for (size_t i = 0; i < FI_ARRAY_SIZE(files); i++) {
		if (!files[i])
			continue;
		r = add_config(files[i], places->start_dir, &options, err);
		if (r < 0)
			return r;
		if (options.lazy_pages)
			return FI_RESTORE_LAZY;
	}
	return options.auto_dedup ? FI_RESTORE_DEDUP : FI_RESTORE_EAGER;
}

int fi_restore_kind_here(struct fi_error *err)
{
	const struct fi_criu_places places = {
		.global_config = FI_CRIU_GLOBAL_CONFIG,
		.home = getenv("HOME"),
		.config_env = getenv("CRIU_CONFIG_FILE"),
		.start_dir = getenv("PWD"),
	};
	fi_auto_free char *cmdline = NULL;
	size_t len;
	int r;

	r = read_all("/proc/self/cmdline", CMDLINE_MAX_BYTES, &cmdline, &len);
	if (r < 0)
		return fi_error_set(err, r, "cannot read CRIU's command line: %s", strerror(-r));
	return fi_restore_kind(cmdline, len, &places, err);
}
