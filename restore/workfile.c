/* restore/workfile.c - see workfile.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/workfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Goes down from @fd, which is taken, to the next part of a path: [@part, @part + @len). */
static int step(int fd, const char *part, size_t len)
{
	fi_auto_close int from = fd;
	char name[NAME_MAX + 1];
	int to;

	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, part, len);
	name[len] = '\0';
	to = openat(from, name, DIRECTORY | O_NOFOLLOW);
	return to < 0 ? -errno : to;
}

/* The directory of @path, and what @path is called in there. */
static int open_parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/'), *part = path;
	char whole[PATH_MAX];
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (path[0] == '/') {
		size_t len = (size_t)(slash - path) + 1;

		if (len >= sizeof(whole))
			return -ENAMETOOLONG;
		memcpy(whole, path, len);
		whole[len] = '\0';
		fd = open(whole, DIRECTORY);
		return fd < 0 ? -errno : fd;
	}
	fd = open(".", DIRECTORY);
	if (fd < 0)
		return -errno;
	while (fd >= 0 && part < *ret_name) {
		size_t len = strcspn(part, "/");

		if (len > 0)
			fd = step(fd, part, len);
		part += len + 1;
	}
	return fd;
}

static int only_ours(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_nlink > 1)
		return -EMLINK;
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

int fi_workfile_log(const char *path)
{
	const char *name;
	fi_auto_close int dir = open_parent(path, &name);
	fi_auto_close int fd = -EBADF;
	int r;

	if (dir < 0)
		return dir;
	/* Not emptied before it is known, and no wait for a pipe's other end. */
	fd = openat(dir, name,
		    O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	r = only_ours(fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, O_APPEND) < 0)
		return -errno;
	return fi_take_fd(&fd);
}

static int create_in(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	return fd < 0 ? -errno : fd;
}

int fi_workfile_create(const char *path)
{
	const char *name;
	fi_auto_close int dir = open_parent(path, &name);

	return dir < 0 ? dir : create_in(dir, name, 0600);
}

static int copy(int from, int to)
{
	char bytes[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, bytes, sizeof(bytes), at)) > 0) {
		ssize_t done = write(to, bytes, (size_t)n);

		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		at += done;
	}
	return n < 0 ? -errno : 0;
}

int fi_workfile_publish(int fd, const char *path, mode_t mode)
{
	const char *name;
	fi_auto_close int dir = open_parent(path, &name);
	fi_auto_close int to = -EBADF;
	char temporary[64];
	uint64_t number;
	int r;

	if (dir < 0)
		return dir;
	do {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		(void)snprintf(temporary, sizeof(temporary), ".faultin-%016" PRIx64, number);
		to = create_in(dir, temporary, mode);
	} while (to == -EEXIST);
	if (to < 0)
		return to;
	r = copy(fd, to);
	if (r == 0 && renameat(dir, temporary, dir, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dir, temporary, 0);
	return r;
}
