/* restore/smaps.c - see smaps.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/smaps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "start-end " begins the first line of a mapping.  Other lines leave *@from and *@to alone. */
static bool parse_range(const char *line, uint64_t *from, uint64_t *to)
{
	char *at, *last;
	uint64_t start, end;

	start = strtoull(line, &at, 16);
	if (at == line || *at != '-')
		return false;
	end = strtoull(at + 1, &last, 16);
	if (last == at + 1 || *last != ' ')
		return false;
	*from = start;
	*to = end;
	return true;
}

bool fi_smaps_find_wipes(FILE *smaps, uint64_t addr, uint64_t *end, bool *ret)
{
	char line[4096];
	bool here = false, begins, ended = true;
	uint64_t from, to = 0;

	/* "VmFlags: aa bb ..." is a mapping's last line.  The name of a file can be longer than our
	 * line, and what comes then is the process's choice. */
	while (fgets(line, sizeof(line), smaps)) {
		begins = ended;
		ended = strchr(line, '\n') != NULL;
		if (!begins)
			continue;
		if (strncmp(line, "VmFlags:", 8) == 0) {
			if (!here)
				continue;
			*ret = strstr(line, " wf") != NULL;
			*end = to;
			return true;
		}
		if (parse_range(line, &from, &to))
			here = from <= addr && addr < to;
	}
	return false;
}

bool fi_smaps_wipes(pid_t pid, uint64_t addr, uint64_t *end, bool *ret)
{
	char path[64];
	FILE *smaps;
	bool found;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	smaps = fopen(path, "re");
	if (!smaps)
		return false;
	found = fi_smaps_find_wipes(smaps, addr, end, ret);
	(void)fclose(smaps);
	return found;
}

bool fi_smaps_alone(pid_t pid)
{
	char path[64];
	struct stat st;

	/* A directory has a link from itself, one from its parent, and one from each directory in it:
	 * one for each thread. */
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	return stat(path, &st) == 0 && st.st_nlink == 2 + 1;
}
