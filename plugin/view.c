/* plugin/view.c - see view.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Links would not do: symbolic ones are resolved where the restored task has its root by then, hard
 * ones do not leave a file system.
 */
#include "config.h"

#include "plugin/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mount that @context makes, as an O_PATH descriptor with which it ends.  The context is closed. */
static int mount_of(int context, unsigned int attributes)
{
	fi_auto_close int owned = context;
	int fd;

	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, attributes);
	return fd < 0 ? -errno : fd;
}

/* The root of a mount, which from then on ends with what is returned. */
static int root_of(int mount)
{
	int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int dress_like(int fd, int dirfd)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(fd, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

/* What the memory's mount has in it: what the view shows in front of the image, and what an overlay
 * needs beside that. */
#define UPPER "upper"
#define WORK  "work"

/* A mount in memory, in *@mount, and in it an empty directory with owner and mode of the image's, which
 * is returned. */
static int open_memory(int dirfd, int *mount, struct fi_error *err)
{
	const int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	fi_auto_close int fd = -EBADF, upper = -EBADF;
	int r;

	fd = context < 0 ? -errno : mount_of(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	r = fd < 0 ? fd : 0;
	if (r == 0 && (mkdirat(fd, UPPER, 0700) < 0 || mkdirat(fd, WORK, 0700) < 0))
		r = -errno;
	if (r == 0) {
		upper = openat(fd, UPPER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = upper < 0 ? -errno : dress_like(upper, dirfd);
	}
	if (r < 0)
		return fi_error_set(err, r, "tmpfs: %s", strerror(-r));
	*mount = fi_take_fd(&fd);
	return fi_take_fd(&upper);
}

static int set_layer(int context, const char *key, int dirfd, const char *name)
{
	char path[80];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	return fsconfig(context, FSCONFIG_SET_STRING, key, path, 0) < 0 ? -errno : 0;
}

/* The memory of @mount over @lower. */
static int stack(int mount, int lower, struct fi_error *err)
{
	fi_auto_close int context = fsopen("overlay", FSOPEN_CLOEXEC), fd = -EBADF;
	int r;

	if (context < 0)
		return fi_error_set(err, -errno, "overlay: %s", strerror(errno));
	r = set_layer(context, "lowerdir", lower, "");
	if (r == 0)
		r = set_layer(context, "upperdir", mount, UPPER);
	if (r == 0)
		r = set_layer(context, "workdir", mount, WORK);
	if (r < 0)
		return fi_error_set(err, r, "layers of an overlay: %s", strerror(-r));
	fd = mount_of(fi_take_fd(&context), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	r = fd < 0 ? fd : root_of(fd);
	return r < 0 ? fi_error_set(err, r, "overlay over the image: %s", strerror(-r)) : r;
}

static bool has(int dirfd, const char *name)
{
	struct stat st;

	return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* A device like this hides what lower layers have by its name. */
static int hide(int upper, int lower, const char *name, struct fi_error *err)
{
	if (!has(lower, name))
		return 0;
	if (mknodat(upper, name, S_IFCHR, 0) < 0)
		return fi_error_set(err, -errno, "'%s' cannot be hidden: %s", name,
				    strerror(errno));
	return 0;
}

int fi_view_open(int dirfd, const struct fi_image *image, const struct fi_slice *slices,
		 size_t nr_slices, const struct fi_shared *shared, struct fi_error *err)
{
	fi_auto_close int mount = -EBADF, memory = open_memory(dirfd, &mount, err);
	int r = memory < 0 ? memory : 0;

	for (size_t i = 0; r == 0 && i < nr_slices; i++)
		r = fi_slice_write(&slices[i], image, dirfd, memory, err);
	if (r == 0)
		r = fi_shared_write(shared, image, dirfd, memory, has(dirfd, "parent"), err);
	/* A relative link would lead out of the view, where nothing is; and CRIU minds. */
	if (r == 0)
		r = hide(memory, dirfd, "parent", err);
	return r < 0 ? r : stack(mount, dirfd, err);
}
