/* images/chain.c - see chain.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A parent that does not say its version is read like its child: a pre-dump's inventory has 0 there
 * (seen in CRIU 4.2.1), and older CRIUs wrote none at all.
 */
#include "images/chain.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "images/parts.h"

#define PARENT_LINK "parent"

void fi_image_file_name(const struct fi_image_dir *dir, const char *name,
			char ret[FI_FILE_NAME_MAX])
{
	size_t len = 0;
	unsigned i;

	for (i = 0; i < dir->level; i++, len += strlen(PARENT_LINK "/"))
		memcpy(ret + len, PARENT_LINK "/", sizeof(PARENT_LINK "/"));
	(void)snprintf(ret + len, FI_FILE_NAME_MAX - len, "%s", name);
}

int fi_image_file_open(const struct fi_image_dir *dir, const char *name, int *ret_fd,
		       uint64_t *ret_size, struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	char full[FI_FILE_NAME_MAX];
	struct stat st;
	int r;

	fi_image_file_name(dir, name, full);
	fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		r = -errno;
		if (r == -ENOENT)
			return fi_error_set(err, r, "'%s' is missing", full);
		if (r == -ELOOP)
			return fi_error_set(err, r, "'%s' is a symbolic link", full);
		return fi_error_set(err, r, "cannot open '%s'", full);
	}
	if (fstat(fd, &st) < 0)
		return fi_error_set(err, -errno, "cannot stat '%s'", full);
	if (!S_ISREG(st.st_mode))
		return fi_error_set(err, -EBADMSG, "'%s' is not a regular file", full);

	*ret_fd = fi_take_fd(&fd);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

const char *fi_compression_name(const uint8_t head[4])
{
	static const struct {
		uint8_t len, magic[4];
		const char *name;
	} formats[] = {
		{ 2, { 0x1f, 0x8b }, "gzip" },
		{ 4, { 0x28, 0xb5, 0x2f, 0xfd }, "zstd" },
		{ 4, { 0x04, 0x22, 0x4d, 0x18 }, "lz4" },
		{ 4, { 0xfd, '7', 'z', 'X' }, "xz" },
		{ 3, { 'B', 'Z', 'h' }, "bzip2" },
	};
	size_t i;

	for (i = 0; i < FI_ARRAY_SIZE(formats); i++)
		if (memcmp(head, formats[i].magic, formats[i].len) == 0)
			return formats[i].name;
	return NULL;
}

/* Opens the parent directory of @dir.  Returns 1 and sets *@ret, or 0 if there is none. */
static int open_parent(const struct fi_image_dir *dir, int *ret, struct fi_error *err)
{
	char full[FI_FILE_NAME_MAX];
	struct stat st;
	int fd, r;

	fi_image_file_name(dir, PARENT_LINK, full);
	if (fstatat(dir->fd, PARENT_LINK, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return fi_error_set(err, -errno, "cannot stat '%s'", full);
	}
	fd = openat(dir->fd, PARENT_LINK, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		if (r == -ENOENT)
			return fi_error_set(err, r, "'%s' leads to a directory that is missing",
					    full);
		return fi_error_set(err, r, "cannot open the directory '%s'", full);
	}
	*ret = fd;
	return 1;
}

static int check_no_loop(const struct fi_chain *chain, int fd, struct fi_error *err)
{
	struct stat st, seen;
	size_t i;

	if (fstat(fd, &st) < 0)
		return fi_error_set(err, -errno, "cannot stat a parent directory");
	for (i = 0; i < chain->nr; i++) {
		if (fstat(chain->dirs[i].fd, &seen) < 0)
			return fi_error_set(err, -errno, "cannot stat an image directory");
		if (st.st_dev == seen.st_dev && st.st_ino == seen.st_ino)
			return fi_error_set(err, -EBADMSG,
					    "the chain of '" PARENT_LINK
					    "' links is a loop: parent %zu is the same directory "
					    "as parent %zu (0 is the image itself)",
					    chain->nr, i);
	}
	return 0;
}

void fi_chain_close(struct fi_chain *chain)
{
	size_t i;

	for (i = 1; i < chain->nr; i++)
		fi_close(&chain->dirs[i].fd);
	chain->nr = 0;
}

int fi_chain_open(struct fi_chain *chain, int dirfd, struct fi_error *err)
{
	struct fi_image_dir *dir = &chain->dirs[0];
	fi_auto_close int fd = -EBADF;
	int r;

	*dir = (struct fi_image_dir){ .fd = dirfd };
	chain->nr = 1;
	r = fi_inventory_read(dir, err);
	if (r < 0)
		return r;

	while ((r = open_parent(dir, &fd, err)) > 0) {
		if (chain->nr > FI_CHAIN_MAX)
			return fi_error_set(err, -EPROTONOSUPPORT,
					    "more than %d parent images in a chain", FI_CHAIN_MAX);
		r = check_no_loop(chain, fd, err);
		if (r < 0)
			return r;

		dir++;
		*dir = dir[-1];
		dir->fd = fi_take_fd(&fd);
		dir->level++;
		chain->nr++;
		r = fi_inventory_read(dir, err);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return r;
}
