/* restore/sessions.c - see sessions.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/sessions.h"

#include <string.h>

static int take_words(char **words, struct fi_sessions *sessions, struct fi_error *err)
{
	for (; *words; words++) {
		if (!fi_rundir_is_name(*words))
			return fi_error_set(err, -EINVAL, "'%s' is not the name of a session",
					    *words);
		if (sessions->nr == FI_RUNDIR_ROOM)
			return fi_error_set(err, -EINVAL, "more than %d sessions", FI_RUNDIR_ROOM);
		memcpy(sessions->names[sessions->nr++], *words, strlen(*words) + 1);
	}
	return 0;
}

int fi_sessions_find(char **words, struct fi_sessions *ret, struct fi_error *err)
{
	struct fi_sessions found = { .dir = -EBADF, .all = !*words };
	int r = 0;

	found.names = calloc(FI_RUNDIR_ROOM, sizeof(found.names[0]));
	if (!found.names)
		return fi_error_set(err, -ENOMEM, "out of memory");
	r = take_words(words, &found, err);
	if (r == 0)
		found.dir = fi_rundir_open(false, err);
	if (r == 0 && found.dir < 0 && found.dir != -ENOENT)
		r = found.dir;
	if (r == 0 && found.all && found.dir >= 0)
		r = fi_rundir_list(found.dir, found.names, FI_RUNDIR_ROOM);
	if (r < 0) {
		fi_sessions_done(&found);
		return err->text[0] ? r : fi_error_set(err, r, "%s", strerror(-r));
	}
	found.nr += (size_t)r;
	err->text[0] = '\0';
	*ret = found;
	return 0;
}

void fi_sessions_done(struct fi_sessions *sessions)
{
	fi_close(&sessions->dir);
	free(sessions->names);
	sessions->names = NULL;
}
