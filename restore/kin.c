/* restore/kin.c - see kin.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/kin.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int fi_pids_add(struct fi_pids *pids, pid_t pid)
{
	if (pids->nr == pids->room) {
		size_t room = pids->room ? 2 * pids->room : 64;
		pid_t *at = realloc(pids->at, room * sizeof(at[0]));

		if (!at)
			return -ENOMEM;
		pids->at = at;
		pids->room = room;
	}
	pids->at[pids->nr++] = pid;
	return 0;
}

bool fi_pids_has(const struct fi_pids *pids, int64_t pid)
{
	for (size_t i = 0; i < pids->nr; i++)
		if (pids->at[i] == pid)
			return true;
	return false;
}

/* The children of one thread. */
static int add_thread(struct fi_pids *pids, pid_t pid, const char *thread)
{
	char path[320];
	FILE *children;
	long child;
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)pid, thread);
	children = fopen(path, "re");
	if (!children)
		return 0; /* it has ended */
	while (r == 0 && fscanf(children, "%ld", &child) == 1)
		if (!fi_pids_has(pids, child))
			r = fi_pids_add(pids, (pid_t)child);
	(void)fclose(children);
	return r;
}

int fi_pids_add_children(struct fi_pids *pids, pid_t pid)
{
	const struct dirent *entry;
	char path[64];
	DIR *threads;
	int r = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	if (!threads)
		return 0;
	while (r == 0 && (entry = readdir(threads)))
		if (entry->d_name[0] != '.')
			r = add_thread(pids, pid, entry->d_name);
	(void)closedir(threads);
	return r;
}
