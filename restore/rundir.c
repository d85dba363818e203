/* restore/rundir.c - see rundir.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config.h"

#include "restore/rundir.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* Names to try for one pid. */
#define TRIES 10

/* A socket that is younger may be one that its maker does not listen at yet: seconds. */
#define YOUNG 10

static int find_path(char *path, size_t room, struct fi_error *err)
{
	const char *said = getenv("FAULTIN_RUNTIME_DIR"), *users = getenv("XDG_RUNTIME_DIR");
	int len;

	if (said && said[0])
		len = snprintf(path, room, "%s", said);
	else if (geteuid() == 0)
		len = snprintf(path, room, "/run/faultin");
	else if (users && users[0] == '/')
		len = snprintf(path, room, "%s/faultin", users);
	else
		return fi_error_set(err, -ENOENT, "XDG_RUNTIME_DIR is not set");
	return (size_t)len < room ? 0 : fi_error_set(err, -ENAMETOOLONG, "the path is too long");
}

/* Whether it is the user's, and nobody else can enter it. */
static bool is_private(int fd, uid_t uid)
{
	struct stat found;

	return fstat(fd, &found) == 0 && found.st_uid == uid && !(found.st_mode & 077);
}

int fi_rundir_open(bool make, struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	char path[4096];
	int r = find_path(path, sizeof(path), err);

	if (r < 0)
		return r;
	if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
		return fi_error_set(err, -errno, "cannot make '%s': %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fi_error_set(err, -errno, "cannot open '%s': %s", path, strerror(errno));
	if (!is_private(fd, geteuid()))
		return fi_error_set(err, -EPERM, "'%s' must be ours alone (mode 0700)", path);
	return fi_take_fd(&fd);
}

/* That of a user whose runtime directory is called @word; negative: there is none. */
static int open_users(int users, const char *word, uid_t uid)
{
	fi_auto_close int own = openat(users, word, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fi_auto_close int fd = -EBADF;

	if (own < 0)
		return -errno;
	fd = openat(own, "faultin", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && is_private(fd, uid) ? fi_take_fd(&fd) : -EPERM;
}

size_t fi_rundir_open_others(struct fi_rundir *at, size_t room)
{
	const char *said = getenv("FAULTIN_RUNTIME_DIR");
	DIR *users = geteuid() == 0 && !(said && said[0]) ? opendir("/run/user") : NULL;
	const struct dirent *entry;
	size_t nr = 0;

	while (users && nr < room && (entry = readdir(users))) {
		char *end;
		unsigned long uid = strtoul(entry->d_name, &end, 10);
		int fd;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || *end || (uid_t)uid == 0)
			continue;
		fd = open_users(dirfd(users), entry->d_name, (uid_t)uid);
		if (fd >= 0)
			at[nr++] = (struct fi_rundir){ .fd = fd, .uid = (uid_t)uid };
	}
	if (users)
		(void)closedir(users);
	return nr;
}

/* "12" or "12-3". */
bool fi_rundir_is_name(const char *word)
{
	static const char digits[] = "0123456789";
	size_t len = strspn(word, digits);

	if (len == 0 || strlen(word) >= FI_RUNDIR_NAME_MAX)
		return false;
	if (word[len] != '-')
		return word[len] == '\0';
	word += len + 1;
	return word[0] && word[strspn(word, digits)] == '\0';
}

/* By the directory's descriptor, so that no other can come to be in its place, and however long its
 * path is. */
static void set_addr(struct sockaddr_un *addr, int dir, const char *name)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(addr->sun_path, sizeof(addr->sun_path), "/proc/self/fd/%d/%s", dir, name);
}

int fi_rundir_bind(int dir, int socket, pid_t pid, fi_session_name ret)
{
	struct sockaddr_un addr;

	for (int i = 0; i < TRIES; i++) {
		int len = snprintf(ret, FI_RUNDIR_NAME_MAX, "%d", (int)pid);

		if (i > 0)
			(void)snprintf(ret + len, FI_RUNDIR_NAME_MAX - (size_t)len, "-%d", i);
		set_addr(&addr, dir, ret);
		if (bind(socket, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

/* Whether who listens there is root or the owner of the directory. */
static bool is_owners(int fd, int dir)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct stat found;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       fstat(dir, &found) == 0 && (peer.uid == 0 || peer.uid == found.st_uid);
}

int fi_rundir_connect(int dir, const char *name)
{
	fi_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	fi_auto_close int file = -EBADF;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (fd < 0)
		return -errno;
	if (dir < 0 || !fi_rundir_is_name(name))
		return -ESRCH;
	file = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", file);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? -ESRCH : -errno;
	return is_owners(fd, dir) ? fi_take_fd(&fd) : -EPERM;
}

static int compare(const void *a, const void *b)
{
	const char *one = a, *other = b;
	size_t len = strspn(one, "0123456789"), other_len = strspn(other, "0123456789");

	if (len != other_len)
		return len < other_len ? -1 : 1;
	return strcmp(one, other);
}

int fi_rundir_list(int dir, fi_session_name *at, size_t room)
{
	fi_auto_close int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	size_t nr = 0;
	DIR *names;

	if (again < 0)
		return -errno;
	names = fdopendir(again);
	if (!names)
		return -errno;
	(void)fi_take_fd(&again);
	while (nr < room && (entry = readdir(names)))
		if (fi_rundir_is_name(entry->d_name))
			memcpy(at[nr++], entry->d_name, strlen(entry->d_name) + 1);
	(void)closedir(names);
	qsort(at, nr, sizeof(at[0]), compare);
	return (int)nr;
}

static bool is_dead(int dir, const char *name)
{
	fi_auto_close int fd = -EBADF;
	struct stat found;

	if (fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(found.st_mode) ||
	    time(NULL) - found.st_mtime < YOUNG)
		return false;
	fd = fi_rundir_connect(dir, name);
	return fd == -ESRCH;
}

void fi_rundir_sweep(int dir)
{
	fi_auto_free fi_session_name *names = calloc(FI_RUNDIR_ROOM, sizeof(names[0]));
	int nr = names ? fi_rundir_list(dir, names, FI_RUNDIR_ROOM) : 0;

	for (int i = 0; i < nr; i++)
		if (is_dead(dir, names[i]))
			(void)unlinkat(dir, names[i], 0);
}
