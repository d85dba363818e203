/* images/chain.c - see chain.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A parent that does not say its version is read like its child: a pre-dump's inventory has 0 there
 * (seen in CRIU 4.2.1), and older CRIUs wrote none at all.
 */
#include "images/chain.h"

#include <dirent.h>
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

/* The same in an archive. */
static int packed_open(const struct fi_image_dir *dir, const char *name, const char *full,
		       struct fi_image_file *ret, struct fi_error *err)
{
	char path[FI_PREFIX_MAX + FI_FILE_NAME_MAX];
	const struct fi_packed_file *file;

	(void)snprintf(path, sizeof(path), "%s%s", dir->prefix, name);
	file = fi_packed_find(dir->packed, path);
	if (!file)
		return fi_error_set(err, -ENOENT, "'%s' is missing", full);
	if (file->link)
		return fi_error_set(err, -ELOOP, "'%s' is a symbolic link", full);
	*ret = (struct fi_image_file){ .fd = -EBADF, .data = file->data, .size = file->size };
	return 0;
}

int fi_image_file_open(const struct fi_image_dir *dir, const char *name, struct fi_image_file *ret,
		       struct fi_error *err)
{
	fi_auto_close int fd = -EBADF;
	char full[FI_FILE_NAME_MAX];
	struct stat st;
	int r;

	fi_image_file_name(dir, name, full);
	if (dir->packed)
		return packed_open(dir, name, full, ret, err);

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

	*ret = (struct fi_image_file){ .fd = fi_take_fd(&fd), .size = (uint64_t)st.st_size };
	return 0;
}

static int packed_list(const struct fi_image_dir *dir,
		       int (*each)(const char *name, uint64_t size, void *arg), void *arg)
{
	size_t i, len = strlen(dir->prefix);
	int r;

	for (i = fi_packed_lower_bound(dir->packed, dir->prefix); i < dir->packed->nr; i++) {
		const struct fi_packed_file *file = &dir->packed->files[i];

		if (strncmp(file->name, dir->prefix, len) != 0)
			break;
		if (file->link || strchr(file->name + len, '/'))
			continue;
		r = each(file->name + len, file->size, arg);
		if (r != 0)
			return r;
	}
	return 0;
}

int fi_image_dir_list(const struct fi_image_dir *dir,
		      int (*each)(const char *name, uint64_t size, void *arg), void *arg,
		      struct fi_error *err)
{
	struct dirent *entry;
	struct stat st;
	int r = 0, fd;
	DIR *stream;

	if (dir->packed)
		return packed_list(dir, each, arg);

	fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fi_error_set(err, -errno, "cannot open the image directory");
	stream = fdopendir(fd);
	if (!stream) {
		fi_close(&fd);
		return fi_error_set(err, -ENOMEM, "cannot list the image directory");
	}
	while (r == 0 && (entry = readdir(stream)))
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			r = each(entry->d_name, (uint64_t)st.st_size, arg);
	(void)closedir(stream);
	return r;
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

/* Makes of @path, a link in the directory @prefix of an archive, the name of a directory in it,
 * with a "/" at the end unless it is the archive's own.  False if it leads out of the archive. */
static bool packed_resolve(const char *prefix, const char *path, char ret[FI_PREFIX_MAX])
{
	size_t len = path[0] == '/' ? 0 : strlen(prefix), n;

	memcpy(ret, prefix, len);
	for (; *path; path += n + (path[n] == '/')) {
		n = strcspn(path, "/");
		if (n == 0 || (n == 1 && path[0] == '.'))
			continue;
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			if (len == 0)
				return false;
			for (len--; len > 0 && ret[len - 1] != '/'; len--)
				;
			continue;
		}
		if (len + n + 2 > FI_PREFIX_MAX)
			return false;
		memcpy(ret + len, path, n);
		len += n;
		ret[len++] = '/';
	}
	ret[len] = '\0';
	return true;
}

/* Finds the parent of @dir in the same archive.  As open_parent. */
static int packed_parent(const struct fi_image_dir *dir, const char *full, struct fi_image_dir *ret,
			 struct fi_error *err)
{
	char path[FI_PREFIX_MAX + sizeof(PARENT_LINK)];
	const struct fi_packed_file *file;
	size_t i;

	(void)snprintf(path, sizeof(path), "%s" PARENT_LINK, dir->prefix);
	file = fi_packed_find(dir->packed, path);
	if (!file)
		return 0;
	if (!file->link)
		return fi_error_set(err, -EBADMSG, "'%s' is not a link", full);
	if (!packed_resolve(dir->prefix, file->link, ret->prefix))
		return fi_error_set(err, -ENOENT, "'%s' leads out of the archive", full);
	i = fi_packed_lower_bound(dir->packed, ret->prefix);
	if (i == dir->packed->nr ||
	    strncmp(dir->packed->files[i].name, ret->prefix, strlen(ret->prefix)) != 0)
		return fi_error_set(err, -ENOENT, "'%s' leads to a directory that is missing",
				    full);
	return 1;
}

/* Opens the parent directory of @dir.  Returns 1 and fills the place in *@ret, or 0 if there is
 * none. */
static int open_parent(const struct fi_image_dir *dir, struct fi_image_dir *ret,
		       struct fi_error *err)
{
	char full[FI_FILE_NAME_MAX];
	struct stat st;
	int fd, r;

	fi_image_file_name(dir, PARENT_LINK, full);
	if (dir->packed)
		return packed_parent(dir, full, ret, err);

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
	ret->fd = fd;
	return 1;
}

/* True if both are the same place; -errno if that cannot be told. */
static int same_place(const struct fi_image_dir *a, const struct fi_image_dir *b)
{
	struct stat st, other;

	if (a->packed)
		return strcmp(a->prefix, b->prefix) == 0;
	if (fstat(a->fd, &st) < 0 || fstat(b->fd, &other) < 0)
		return -errno;
	return st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}

/* Checks that the last directory of @chain is none of those before it. */
static int check_no_loop(const struct fi_chain *chain, struct fi_error *err)
{
	const size_t last = chain->nr - 1;
	size_t i;
	int r;

	for (i = 0; i < last; i++) {
		r = same_place(&chain->dirs[last], &chain->dirs[i]);
		if (r < 0)
			return fi_error_set(err, r, "cannot stat an image directory");
		if (r)
			return fi_error_set(err, -EBADMSG,
					    "the chain of '" PARENT_LINK
					    "' links is a loop: parent %zu is the same directory "
					    "as parent %zu (0 is the image itself)",
					    last, i);
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

int fi_chain_open(struct fi_chain *chain, const struct fi_image_dir *first, struct fi_error *err)
{
	struct fi_image_dir *dir = &chain->dirs[0];
	int r;

	*dir = *first;
	dir->level = 0;
	chain->nr = 1;
	r = fi_inventory_read(dir, err);
	if (r < 0)
		return r;

	for (;;) {
		struct fi_image_dir parent = *dir;

		r = open_parent(dir, &parent, err);
		if (r <= 0)
			return r;
		if (chain->nr > FI_CHAIN_MAX) {
			if (!parent.packed)
				fi_close(&parent.fd);
			return fi_error_set(err, -EPROTONOSUPPORT,
					    "more than %d parent images in a chain", FI_CHAIN_MAX);
		}
		parent.level++;
		*++dir = parent;
		chain->nr++;
		r = check_no_loop(chain, err);
		if (r < 0)
			return r;
		r = fi_inventory_read(dir, err);
		if (r < 0 && r != -ENOENT)
			return r;
	}
}
