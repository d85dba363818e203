/* plugin/outside.c - see outside.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "plugin/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

#define TEXT_MAX  65536 /* bytes of a file in /proc */
#define FIELDS	  16	/* of a line in mountinfo, at most, before the separator */
#define PATH_ROOM 4096

/* --- texts of /proc ------------------------------------------------------------------------------ */

/* Terminated; what is beyond is cut off.  Returns its length or a negative errno. */
static ssize_t read_text(const char *path, char *text, size_t room)
{
	fi_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (len < room - 1 && (n = read(fd, text + len, room - 1 - len)) != 0) {
		if (n < 0)
			return -errno;
		len += (size_t)n;
	}
	text[len] = '\0';
	return (ssize_t)len;
}

/* A line of /proc/PID/cgroup: "4:cpu,cpuacct:/path".  Taken apart in place. */
struct membership {
	const char *id, *controllers, *path;
};

static bool take_membership(char *line, struct membership *ret)
{
	ret->id = strsep(&line, ":");
	ret->controllers = strsep(&line, ":");
	ret->path = line;
	return ret->path && ret->path[0] == '/';
}

/* The path of hierarchy @id in a text of such lines, which stays whole. */
static bool has_path(const char *text, const struct membership *of)
{
	char wanted[PATH_ROOM];
	const char *at = text;
	size_t len;

	if ((size_t)snprintf(wanted, sizeof(wanted), "%s:%s:%s\n", of->id, of->controllers,
			     of->path) >= sizeof(wanted))
		return false;
	len = strlen(wanted);
	while (at) {
		if (strncmp(at, wanted, len) == 0)
			return true;
		at = strchr(at, '\n');
		at = at ? at + 1 : NULL;
	}
	return false;
}

static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

/* Whether a mount's super options name all of the controllers of a hierarchy. */
static bool serves(const char *options, const char *controllers)
{
	char list[256], *next = list;

	(void)snprintf(list, sizeof(list), "%s", controllers);
	while (next)
		if (!is_listed(options, strsep(&next, ",")))
			return false;
	return true;
}

/* A line of mountinfo: where a hierarchy is mounted as a whole.  Taken apart in place. */
static const char *take_mount(char *line, const struct membership *of)
{
	const char *field[FIELDS], *type, *options;
	char *tail = strstr(line, " - ");
	size_t nr = 0;

	if (!tail)
		return NULL;
	*tail = '\0';
	tail += 3;
	while (line && nr < FIELDS)
		field[nr++] = strsep(&line, " ");
	type = strsep(&tail, " ");
	(void)strsep(&tail, " "); /* the source */
	options = tail;
	/* ID PARENT MAJOR:MINOR ROOT MOUNTPOINT ... */
	if (nr < 5 || strcmp(field[3], "/") != 0 || !options)
		return NULL;
	if (!of->controllers[0])
		return strcmp(type, "cgroup2") == 0 ? field[4] : NULL;
	return strcmp(type, "cgroup") == 0 && serves(options, of->controllers) ? field[4] : NULL;
}

/* --- moving -------------------------------------------------------------------------------------- */

/* Room for the texts, off the heap: another thread of CRIU's may have held its lock at the fork. */
struct texts {
	char model[TEXT_MAX], mine[TEXT_MAX], mounts[TEXT_MAX];
};

/* Both memberships. */
static int read_memberships(struct texts *texts, pid_t model)
{
	char path[64];
	ssize_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)model);
	len = read_text(path, texts->model, sizeof(texts->model));
	if (len >= 0)
		len = read_text("/proc/self/cgroup", texts->mine, sizeof(texts->mine));
	return len < 0 ? (int)len : 0;
}

/* Opens @file of a cgroup.  -ENOENT: the hierarchy is mounted nowhere. */
static int open_in(struct texts *texts, const struct membership *of, const char *file, int flags)
{
	ssize_t len = read_text("/proc/self/mountinfo", texts->mounts, sizeof(texts->mounts));
	char *next = texts->mounts;

	if (len < 0)
		return (int)len;
	while (next) {
		const char *mount = take_mount(strsep(&next, "\n"), of);
		char path[PATH_ROOM];
		int fd;

		if (!mount)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s%s/%s", mount, of->path, file) >=
		    sizeof(path))
			return -ENAMETOOLONG;
		fd = open(path, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

static int join(struct texts *texts, const struct membership *to)
{
	fi_auto_close int fd = open_in(texts, to, "cgroup.procs", O_WRONLY);

	if (fd < 0)
		return fd;
	return write(fd, "0", 1) == 1 ? 0 : -errno;
}

/* Of one process that is CRIU's, and of one that CRIU has started: its own copy. */
static struct texts texts;

int fi_outside_open(pid_t model)
{
	char *next = texts.model;
	int r = model ? read_memberships(&texts, model) : -ENOENT;

	while (r == 0 && next) {
		struct membership to;

		if (take_membership(strsep(&next, "\n"), &to) && !to.controllers[0] &&
		    !has_path(texts.mine, &to))
			return open_in(&texts, &to, "", O_RDONLY | O_DIRECTORY);
	}
	return r < 0 ? r : -ENOENT;
}

int fi_outside_join(pid_t model)
{
	char *next = texts.model;
	int nr = 0, result;

	if (!model)
		return 0;
	result = read_memberships(&texts, model);
	if (result < 0)
		return result;
	while (next) {
		struct membership to;
		int r;

		if (!take_membership(strsep(&next, "\n"), &to) || has_path(texts.mine, &to))
			continue;
		r = join(&texts, &to);
		if (r == 0)
			nr++;
		else if (r != -ENOENT && result == 0)
			result = r;
	}
	return result < 0 ? result : nr;
}
