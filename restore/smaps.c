/* restore/smaps.c - see smaps.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/smaps.h"

#include <errno.h>
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

/* A file's name can be longer than our line, and what comes then is the process's choice: only what is
 * at the beginning of a line counts. */
struct reading {
	FILE *smaps;
	char line[4096];
	bool inside; /* of a line whose beginning has been read */
};

/* The next beginning of a line, in reading->line; false at the end. */
static bool next_line(struct reading *reading)
{
	bool begins;

	do {
		begins = !reading->inside;
		if (!fgets(reading->line, sizeof(reading->line), reading->smaps))
			return false;
		reading->inside = !strchr(reading->line, '\n');
	} while (!begins);
	return true;
}

/* "VmFlags: aa bb ..." is a mapping's last line. */
static bool are_flags(const char *line)
{
	return strncmp(line, "VmFlags:", 8) == 0;
}

bool fi_smaps_find_wipes(FILE *smaps, uint64_t addr, uint64_t *end, bool *ret)
{
	struct reading reading = { .smaps = smaps };
	uint64_t from, to = 0;
	bool here = false;

	while (next_line(&reading)) {
		if (here && are_flags(reading.line)) {
			*ret = strstr(reading.line, " wf") != NULL;
			*end = to;
			return true;
		}
		if (parse_range(reading.line, &from, &to))
			here = from <= addr && addr < to;
	}
	return false;
}

bool fi_smaps_find_watched(FILE *smaps)
{
	struct reading reading = { .smaps = smaps };

	while (next_line(&reading))
		if (are_flags(reading.line) && strstr(reading.line, " um"))
			return true;
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

int fi_smaps_watched(pid_t pid)
{
	char path[64];
	FILE *smaps;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	smaps = fopen(path, "re");
	if (!smaps)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	errno = 0;
	r = fi_smaps_find_watched(smaps);
	if (!r && ferror(smaps) && errno != ESRCH)
		r = errno ? -errno : -EIO;
	(void)fclose(smaps);
	return r;
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
