/* restore/container.c - see container.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/container.h"

#include <string.h>

/* Parts of a path that are longer than our line are the process's own choice: no runtime's. */
#define LINE 4096

/* "ID" or "word-ID.scope", but for those of the container's monitor. */
static bool take_part(char *part, fi_container_id ret)
{
	size_t len = strlen(part);
	char *id;

	if (len > 6 && strcmp(part + len - 6, ".scope") == 0)
		part[len - 6] = '\0';
	id = strrchr(part, '-');
	if (strstr(part, "conmon"))
		return false;
	id = id ? id + 1 : part;
	if (strlen(id) != FI_CONTAINER_ID || strspn(id, "0123456789abcdef") != FI_CONTAINER_ID)
		return false;
	memcpy(ret, id, FI_CONTAINER_ID + 1);
	return true;
}

/* The innermost, as there are containers in containers. */
static bool take_path(char *path, fi_container_id ret)
{
	char *slash;

	while ((slash = strrchr(path, '/'))) {
		if (take_part(slash + 1, ret))
			return true;
		*slash = '\0';
	}
	return false;
}

bool fi_container_find(FILE *cgroup, fi_container_id ret)
{
	char line[LINE];

	while (fgets(line, sizeof(line), cgroup)) {
		line[strcspn(line, "\n")] = '\0';
		if (take_path(line, ret))
			return true;
	}
	return false;
}

bool fi_container_of(pid_t pid, fi_container_id ret)
{
	char path[64];
	FILE *cgroup;
	bool found;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	cgroup = fopen(path, "re");
	if (!cgroup)
		return false;
	found = fi_container_find(cgroup, ret);
	(void)fclose(cgroup);
	return found;
}
