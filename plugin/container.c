/* plugin/container.c - see container.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "plugin/criu_options.h"

#define CMDLINE_MAX 65536

/* The value of --bundle in the word @i, or after it; NULL: it is another word. */
static const char *bundle_at(const struct fi_words *words, size_t i)
{
	static const char *const names[] = { "--bundle", "-bundle", "--b", "-b" };
	const char *word = words->word[i];

	for (size_t n = 0; n < FI_ARRAY_SIZE(names); n++) {
		size_t len = strlen(names[n]);

		if (strncmp(word, names[n], len) != 0)
			continue;
		if (word[len] == '=')
			return word + len + 1;
		if (!word[len] && i + 1 < words->nr)
			return words->word[i + 1];
	}
	return NULL;
}

/* A flag of runc's, which it hands on to CRIU. */
static bool is_auto_dedup(const char *word)
{
	word += strspn(word, "-");
	return strcmp(word, "auto-dedup") == 0 || strcmp(word, "auto-dedup=true") == 0;
}

static bool take_bundle(const char *bundle, const char *dir, struct fi_container *ret)
{
	int n = bundle[0] == '/' ? snprintf(ret->bundle, sizeof(ret->bundle), "%s", bundle)
				 : snprintf(ret->bundle, sizeof(ret->bundle), "%s/%s", dir, bundle);

	return n >= 0 && (size_t)n < sizeof(ret->bundle);
}

bool fi_container_from(const char *cmdline, size_t len, const char *dir, struct fi_container *ret)
{
	fi_auto_words struct fi_words words = { NULL, 0, NULL };
	const char *bundle = ".", *id;
	size_t at = 1;

	if (fi_words_from_cmdline(cmdline, len, &words) < 0)
		return false;
	while (at < words.nr && strcmp(words.word[at], "restore") != 0)
		at++;
	if (at + 1 >= words.nr)
		return false;
	id = words.word[words.nr - 1];
	if (!fi_container_is_id(id))
		return false;
	ret->auto_dedup = false;
	for (size_t i = at + 1; i + 1 < words.nr; i++) {
		const char *value = bundle_at(&words, i);

		ret->auto_dedup |= is_auto_dedup(words.word[i]);
		if (value)
			bundle = value;
	}
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	return take_bundle(bundle, dir, ret);
}

/* Returns the length of what /proc/@pid/cmdline has, at most @room; or -1. */
static ssize_t read_cmdline(pid_t pid, char *text, size_t room)
{
	fi_auto_close int fd = -EBADF;
	size_t len = 0;
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (len < room && (n = read(fd, text + len, room - len)) != 0) {
		if (n < 0)
			return -1;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

bool fi_container_is_rpc(const char *cmdline, size_t len)
{
	fi_auto_words struct fi_words words = { NULL, 0, NULL };

	if (fi_words_from_cmdline(cmdline, len, &words) < 0 || words.nr == 0)
		return false;
	return (words.nr > 1 && strcmp(words.word[1], "swrk") == 0) ||
	       strstr(words.word[0], " --rpc");
}

pid_t fi_container_runtime(void)
{
	fi_auto_free char *cmdline = malloc(CMDLINE_MAX);
	ssize_t len = cmdline ? read_cmdline(getpid(), cmdline, CMDLINE_MAX) : -1;

	return len >= 0 && fi_container_is_rpc(cmdline, (size_t)len) ? getppid() : 0;
}

bool fi_container_here(struct fi_container *ret)
{
	fi_auto_free char *cmdline = malloc(CMDLINE_MAX);
	const pid_t runtime = fi_container_runtime();
	char path[64], dir[PATH_MAX];
	ssize_t len, n;

	if (!cmdline || !runtime)
		return false;
	len = read_cmdline(runtime, cmdline, CMDLINE_MAX);
	(void)snprintf(path, sizeof(path), "/proc/%d/cwd", (int)runtime);
	n = readlink(path, dir, sizeof(dir) - 1);
	if (len < 0 || len == CMDLINE_MAX || n < 0)
		return false;
	dir[n] = '\0';
	return fi_container_from(cmdline, (size_t)len, dir, ret);
}
