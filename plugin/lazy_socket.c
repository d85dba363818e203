/* plugin/lazy_socket.c - see lazy_socket.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The question is put with a socket of another type.  connect(2) then finds the socket that is
 * bound to the file, if any, and says EPROTOTYPE before its owner could notice; where no process
 * has it bound any more, it says ECONNREFUSED.  This tells by the file itself.  /proc/net/unix
 * knows the name that was passed to bind(2) only, which is the same relative one for every work
 * directory, and unix_diag may be missing from a kernel.
 */
#include "config.h"

#include "plugin/lazy_socket.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

int fi_lazy_socket_look(const char *path, struct fi_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	fi_auto_close int fd = -EBADF;
	struct stat st;
	int n, r;

	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return fi_error_set(err, -ENAMETOOLONG, "'%s'", path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fi_error_set(err, -errno, "socket: %s", strerror(errno));

	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EPROTOTYPE)
		return FI_LAZY_SOCKET_SERVED;
	r = -errno;
	if (r == -ENOENT)
		return FI_LAZY_SOCKET_NONE;
	if (r != -ECONNREFUSED)
		return fi_error_set(err, r, "'%s': %s", path, strerror(-r));

	if (lstat(path, &st) < 0) {
		r = -errno;
		return r == -ENOENT ? FI_LAZY_SOCKET_NONE
				    : fi_error_set(err, r, "'%s': %s", path, strerror(-r));
	}
	if (!S_ISSOCK(st.st_mode))
		return fi_error_set(err, -EEXIST, "'%s' in CRIU's work directory is not a socket",
				    path);
	return FI_LAZY_SOCKET_STALE;
}

struct fi_socket_file fi_socket_file(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return (struct fi_socket_file){ 0 };
	return (struct fi_socket_file){ .dev = st.st_dev, .ino = st.st_ino };
}

void fi_socket_file_remove(const struct fi_socket_file *file, const char *path)
{
	struct fi_socket_file now = fi_socket_file(path);

	if (now.ino != 0 && now.ino == file->ino && now.dev == file->dev)
		(void)unlink(path);
}
