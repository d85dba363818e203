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

static int move_to(const char *mount, const char *path)
{
	fi_auto_close int fd = -EBADF;
	char procs[PATH_ROOM];

	if ((size_t)snprintf(procs, sizeof(procs), "%s%s/cgroup.procs", mount, path) >=
	    sizeof(procs))
		return -ENAMETOOLONG;
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, "0", 1) != 1 ? -errno : 0;
}

/* -ENOENT: it is mounted nowhere. */
static int join(struct texts *texts, const struct membership *to)
{
	ssize_t len = read_text("/proc/self/mountinfo", texts->mounts, sizeof(texts->mounts));
	char *next = texts->mounts;

	if (len < 0)
		return (int)len;
	while (next) {
		const char *mount = take_mount(strsep(&next, "\n"), to);

		if (mount)
			return move_to(mount, to->path);
	}
	return -ENOENT;
}

int fi_outside_join(pid_t model)
{
	static struct texts texts; /* a child's own copy */
	char path[64], *next = texts.model;
	int nr = 0, result = 0;
	ssize_t len;

	if (!model)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)model);
	len = read_text(path, texts.model, sizeof(texts.model));
	if (len >= 0)
		len = read_text("/proc/self/cgroup", texts.mine, sizeof(texts.mine));
	if (len < 0)
		return (int)len;
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
