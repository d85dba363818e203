/* tests/integration/tools/disk.c - a directory as if it was on a disk that has its troubles.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     disk DIRECTORY TROUBLES MOUNTPOINT
 *
 * Shows DIRECTORY at MOUNTPOINT, to be read.  The file TROUBLES, which need not exist and may change at
 * any time, has one trouble a line:
 *
 *     eio NAME FROM TO     what is asked for in [FROM, TO), bytes of that file, cannot be read
 *     hang NAME FROM TO    who asks for it waits until the line is gone
 *     slow NAME FROM TO    who asks for it waits for 10 ms
 *
 * The kernel's page cache is before it, as before any disk.  Ends, and takes the mount away, on SIGTERM.
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int directory = -1;
static char troubles[PATH_MAX];

/* Relative to the directory. */
static const char *name_of(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *info)
{
	(void)info;
	return fstatat(directory, name_of(path), st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int read_link(const char *path, char *to, size_t size)
{
	ssize_t len = readlinkat(directory, name_of(path), to, size - 1);

	if (len < 0)
		return -errno;
	to[len] = '\0';
	return 0;
}

static int list(const char *path, void *to, fuse_fill_dir_t add, off_t from,
		struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	int fd = openat(directory, name_of(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	(void)from;
	(void)info;
	(void)flags;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		(void)add(to, entry->d_name, NULL, 0, 0);
	(void)closedir(dir);
	return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
	int fd;

	if ((info->flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	fd = openat(directory, name_of(path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	info->fh = (uint64_t)fd;
	return 0;
}

static int close_file(const char *path, struct fuse_file_info *info)
{
	(void)path;
	(void)close((int)info->fh);
	return 0;
}

/* The trouble that reading [from, to) of @name meets; '\0' if none. */
static char trouble_at(const char *name, uint64_t from, uint64_t to)
{
	char line[PATH_MAX], kind[8], whose[NAME_MAX + 1], met = '\0';
	uint64_t begin, end;
	FILE *file = fopen(troubles, "re");

	while (file && !met && fgets(line, sizeof(line), file))
		if (sscanf(line, "%7s %255s %" SCNu64 " %" SCNu64, kind, whose, &begin, &end) ==
			    4 &&
		    strcmp(whose, name) == 0 && from < end && begin < to)
			met = kind[0];
	if (file)
		(void)fclose(file);
	return met;
}

static void nap_ms(long ms)
{
	const struct timespec ts = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static int read_file(const char *path, char *to, size_t size, off_t from,
		     struct fuse_file_info *info)
{
	uint64_t begin = (uint64_t)from;
	ssize_t len;
	char met;

	while ((met = trouble_at(name_of(path), begin, begin + size)) == 'h')
		nap_ms(2);
	if (met == 'e')
		return -EIO; /* less than was asked for would mean that the file ends there */
	if (met == 's')
		nap_ms(10);
	len = pread((int)info->fh, to, size, from);
	return len < 0 ? -errno : (int)len;
}

int main(int argc, char **argv)
{
	const struct fuse_operations operations = {
		.getattr = get_attributes,
		.readlink = read_link,
		.readdir = list,
		.open = open_file,
		.release = close_file,
		.read = read_file,
	};

	if (argc != 4) {
		(void)fputs("usage: disk DIRECTORY TROUBLES MOUNTPOINT\n", stderr);
		return 2;
	}
	directory = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0 ||
	    (size_t)snprintf(troubles, sizeof(troubles), "%s", argv[2]) >= sizeof(troubles)) {
		perror(argv[1]);
		return 1;
	}

	/* In the foreground; as many threads as may have to wait at a time. */
	char foreground[] = "-f", option[] = "-o", options[] = "ro,fsname=faultin-test";
	char *arguments[] = { argv[0], foreground, option, options, argv[3], NULL };

	return fuse_main(5, arguments, &operations, NULL);
}
