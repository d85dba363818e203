/* restore/faulter.c - see faulter.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/faulter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

/* Fields of a stat file, proc(5). */
enum { MINFLT = 10, MAJFLT = 12, NUM_THREADS = 20, PROCESSOR = 39 };

struct account {
	uint64_t faults;
	long nr_threads;
	int cpu;
};

static bool parse(const char *line, struct account *ret)
{
	const char *at = strrchr(line, ')'); /* the name, field 2, may hold anything */
	uint64_t values[PROCESSOR + 1] = { 0 };

	for (int field = 3; field <= PROCESSOR; field++) {
		at = at ? strchr(at, ' ') : NULL;
		if (!at)
			return false;
		at++;
		values[field] = strtoull(at, NULL, 10);
	}
	*ret = (struct account){ values[MINFLT] + values[MAJFLT], (long)values[NUM_THREADS],
				 (int)values[PROCESSOR] };
	return true;
}

static bool read_account(const char *path, struct account *ret)
{
	char line[1024];
	fi_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (len <= 0)
		return false;
	line[len] = '\0';
	return parse(line, ret);
}

/* How often thread @tid has faulted since it was looked at last; all its faults if it never was. */
static uint64_t faults_since(const struct fi_faulter *before, pid_t tid, uint64_t faults)
{
	for (size_t i = 0; i < before->nr; i++)
		if (before->seen[i].tid == tid)
			return faults - before->seen[i].faults;
	return faults;
}

static int cpu_among_threads(struct fi_faulter *faulter, pid_t pid)
{
	struct fi_faulter now = { .pid = pid };
	uint64_t most = 0;
	char path[64];
	struct dirent *entry;
	int cpu = -1;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (now.nr < FI_FAULTER_THREADS && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct account account;
		uint64_t faults;

		(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)tid);
		if (tid <= 0 || !read_account(path, &account))
			continue;
		faults = faults_since(faulter, tid, account.faults);
		if (cpu < 0 || faults > most) {
			most = faults;
			cpu = account.cpu;
		}
		now.seen[now.nr].tid = tid;
		now.seen[now.nr++].faults = account.faults;
	}
	(void)closedir(dir);
	*faulter = now;
	return cpu;
}

int fi_faulter_cpu(struct fi_faulter *faulter, pid_t pid)
{
	struct account account;
	char path[64];

	if (faulter->pid != pid)
		*faulter = (struct fi_faulter){ .pid = pid };
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (!read_account(path, &account) || account.nr_threads > FI_FAULTER_THREADS)
		return -1;
	return account.nr_threads > 1 ? cpu_among_threads(faulter, pid) : account.cpu;
}
