/* restore/sessions.c - see sessions.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/sessions.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_USERS 256

/* One's own is the first. */
static int open_dirs(struct fi_sessions *sessions, struct fi_error *err)
{
	int fd = fi_rundir_open(false, err);

	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0)
		sessions->dirs[sessions->nr_dirs++] =
			(struct fi_rundir){ .fd = fd, .uid = geteuid() };
	sessions->nr_dirs += fi_rundir_open_others(sessions->dirs + sessions->nr_dirs, MAX_USERS);
	return 0;
}

static bool has(const struct fi_rundir *dir, const char *name)
{
	struct stat found;

	return fstatat(dir->fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

static void add(struct fi_sessions *sessions, const struct fi_rundir *dir, const char *name)
{
	struct fi_session_ref *ref = &sessions->at[sessions->nr++];

	ref->dir = dir ? dir->fd : -EBADF;
	ref->uid = dir ? dir->uid : geteuid();
	memcpy(ref->name, name, strlen(name) + 1);
}

static int add_named(struct fi_sessions *sessions, const char *name, struct fi_error *err)
{
	size_t i = 0;

	if (!fi_rundir_is_name(name))
		return fi_error_set(err, -EINVAL, "'%s' is not the name of a session", name);
	if (sessions->nr == FI_RUNDIR_ROOM)
		return fi_error_set(err, -EINVAL, "more than %d sessions", FI_RUNDIR_ROOM);
	while (i < sessions->nr_dirs && !has(&sessions->dirs[i], name))
		i++;
	add(sessions, i < sessions->nr_dirs ? &sessions->dirs[i] : NULL, name);
	return 0;
}

static int add_all(struct fi_sessions *sessions, const struct fi_rundir *dir)
{
	fi_auto_free fi_session_name *names = calloc(FI_RUNDIR_ROOM, sizeof(names[0]));
	int nr = names ? fi_rundir_list(dir->fd, names, FI_RUNDIR_ROOM) : -ENOMEM;

	for (int i = 0; i < nr && sessions->nr < FI_RUNDIR_ROOM; i++)
		add(sessions, dir, names[i]);
	return nr < 0 ? nr : 0;
}

static int find(char **words, enum fi_whose whose, struct fi_sessions *sessions,
		struct fi_error *err)
{
	int r = 0;

	sessions->dirs = calloc(1 + MAX_USERS, sizeof(sessions->dirs[0]));
	sessions->at = calloc(FI_RUNDIR_ROOM, sizeof(sessions->at[0]));
	if (!sessions->dirs || !sessions->at)
		return -ENOMEM;
	r = open_dirs(sessions, err);
	for (; r == 0 && *words; words++)
		r = add_named(sessions, *words, err);
	for (size_t i = 0; r == 0 && sessions->all && i < sessions->nr_dirs; i++)
		if (whose == FI_EVERYBODYS || sessions->dirs[i].uid == geteuid())
			r = add_all(sessions, &sessions->dirs[i]);
	return r;
}

int fi_sessions_find(char **words, enum fi_whose whose, struct fi_sessions *ret,
		     struct fi_error *err)
{
	struct fi_sessions found = { .all = !*words };
	int r;

	err->text[0] = '\0';
	r = find(words, whose, &found, err);
	if (r < 0) {
		fi_sessions_done(&found);
		return err->text[0] ? r : fi_error_set(err, r, "%s", strerror(-r));
	}
	err->text[0] = '\0';
	*ret = found;
	return 0;
}

void fi_sessions_done(struct fi_sessions *sessions)
{
	for (size_t i = 0; i < sessions->nr_dirs; i++)
		fi_close(&sessions->dirs[i].fd);
	free(sessions->dirs);
	free(sessions->at);
	*sessions = (struct fi_sessions){ .dirs = NULL };
}
