/* restore/criu_conf.c - see criu_conf.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/criu_conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

/* How the comment begins; what follows is for people, but for the last word of those that we made. */
#define MARK "# faultin setup: "
#define KEPT MARK "these two lines are its own\n"
#define MADE MARK "this file is its own\n"

static const char option[] = "libdir";

/* A line, with its newline if it has one. */
struct line {
	const char *at;
	size_t len;
};

static struct line line_at(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return (struct line){ text, end ? (size_t)(end - text) + 1 : len };
}

static bool begins(struct line line, const char *with)
{
	return line.len >= strlen(with) && memcmp(line.at, with, strlen(with)) == 0;
}

/* The value of a line that is libdir's; *@ret is empty where it has none. */
static bool take_libdir(struct line line, struct line *ret)
{
	const size_t len = strlen(option);
	size_t i = 0, end;

	while (i < line.len && isspace((unsigned char)line.at[i]))
		i++;
	if (line.len - i <= len || memcmp(line.at + i, option, len) != 0 ||
	    !isspace((unsigned char)line.at[i + len]))
		return false;
	i += len;
	while (i < line.len && isspace((unsigned char)line.at[i]))
		i++;
	end = i;
	if (i < line.len && line.at[i] == '"') {
		end = ++i;
		while (end < line.len && line.at[end] != '"')
			end++;
	} else {
		while (end < line.len && !isspace((unsigned char)line.at[end]))
			end++;
	}
	*ret = (struct line){ line.at + i, end - i };
	return true;
}

/* Where our lines are; false: nowhere. */
static bool find_ours(const char *text, size_t len, struct line *ret, struct line *libdir)
{
	for (size_t at = 0; at < len;) {
		struct line line = line_at(text + at, len - at);
		struct line next = line_at(line.at + line.len, len - at - line.len);

		if (begins(line, MARK) && take_libdir(next, libdir)) {
			*ret = (struct line){ line.at, line.len + next.len };
			return true;
		}
		at += line.len;
	}
	return false;
}

static bool is(struct line value, const char *word)
{
	return value.len == strlen(word) && memcmp(value.at, word, value.len) == 0;
}

enum fi_criu_conf fi_criu_conf_look(const char *text, size_t len, const char *libdir)
{
	enum fi_criu_conf found = FI_CRIU_CONF_NONE;
	struct line value, ours = { NULL, 0 };

	if (find_ours(text, len, &ours, &value))
		found = is(value, libdir) ? FI_CRIU_CONF_OURS : FI_CRIU_CONF_OTHER;
	/* The last one counts, and ours is first. */
	for (size_t at = 0; at < len;) {
		struct line line = line_at(text + at, len - at);

		if (take_libdir(line, &value) &&
		    (!ours.at || line.at < ours.at || line.at >= ours.at + ours.len))
			found = is(value, libdir) ? FI_CRIU_CONF_SAME : FI_CRIU_CONF_FOREIGN;
		at += line.len;
	}
	return found;
}

char *fi_criu_conf_add(const char *text, size_t len, const char *libdir, bool made)
{
	char *ret = NULL;

	if (asprintf(&ret, "%slibdir \"%s\"\n%.*s", made ? MADE : KEPT, libdir, (int)len, text) < 0)
		return NULL;
	return ret;
}

char *fi_criu_conf_remove(const char *text, size_t len, size_t *ret_len, bool *made)
{
	struct line ours, value;
	size_t before;
	char *ret;

	errno = 0;
	if (!find_ours(text, len, &ours, &value))
		return NULL;
	ret = malloc(len - ours.len + 1);
	if (!ret)
		return NULL;
	before = (size_t)(ours.at - text);
	memcpy(ret, text, before);
	memcpy(ret + before, ours.at + ours.len, len - before - ours.len);
	*ret_len = len - ours.len;
	ret[*ret_len] = '\0';
	*made = begins(ours, MADE);
	return ret;
}
