/* images/inspect/archive.c - see archive.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libarchive's filters are named one by one, because for some that it lacks it would run programs.
 */
#include "images/inspect/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE  ((size_t)128 * 1024)
#define BLOCK_SIZE ((size_t)1024 * 1024)

/* What is kept in memory: of one file, and of all. */
#define KEEP_MAX  (UINT64_C(64) * 1024 * 1024)
#define TOTAL_MAX (UINT64_C(256) * 1024 * 1024)
#define FILES_MAX 1000000

struct fi_archive {
	int fd;
	off_t start; /* where in @fd it begins; -1: a pipe */
	struct fi_packed_file *files;
	struct fi_packed packed;
	size_t size;
	uint64_t kept;
};

static void close_handle(struct archive **handle)
{
	(void)archive_read_free(*handle);
}

void fi_archive_free(struct fi_archive *archive)
{
	size_t i;

	if (!archive)
		return;
	for (i = 0; i < archive->packed.nr; i++) {
		free((void *)archive->files[i].name);
		free((void *)archive->files[i].link);
		free((void *)archive->files[i].data);
	}
	free(archive->files);
	free(archive);
}

const struct fi_packed *fi_archive_files(const struct fi_archive *archive)
{
	return &archive->packed;
}

static int archive_failed(struct archive *handle, struct fi_error *err)
{
	const char *said = archive_error_string(handle);
	int code = archive_errno(handle);

	/* libarchive's own numbers are negative or EILSEQ; what is wrong is the archive then. */
	return fi_error_set(err, code == ENOMEM || code == EIO ? -code : -EBADMSG,
			    "the archive: %s", said ? said : "cannot be read");
}

static int open_handle(const struct fi_archive *archive, struct archive **ret, struct fi_error *err)
{
	struct archive *handle = archive_read_new();

	if (!handle)
		return fi_error_set(err, -ENOMEM, "no memory for an archive");
	*ret = handle;
	(void)archive_read_support_filter_gzip(handle);
	(void)archive_read_support_filter_zstd(handle);
	(void)archive_read_support_filter_xz(handle);
	(void)archive_read_support_filter_bzip2(handle);
	(void)archive_read_support_filter_lz4(handle);
	(void)archive_read_support_format_tar(handle);
	if (archive_read_open_fd(handle, archive->fd, READ_SIZE) != ARCHIVE_OK)
		return archive_failed(handle, err);
	return 0;
}

/* The next entry that has a name.  1, 0 at the end, or a negative errno. */
static int next_entry(struct archive *handle, struct archive_entry **ret, const char **ret_name,
		      struct fi_error *err)
{
	const char *name;
	int r;

	for (;;) {
		r = archive_read_next_header(handle, ret);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return archive_failed(handle, err);
		name = archive_entry_pathname(*ret);
		if (!name)
			continue;
		while (name[0] == '/' || (name[0] == '.' && name[1] == '/'))
			name++;
		if (!name[0])
			continue;
		*ret_name = name;
		return 1;
	}
}

/* True for what the readers of images may want whole.  Bulky are the pages, and the contents of
 * file systems and of deleted files. */
static bool is_small(const char *name, uint64_t size)
{
	static const char *const others[] = { "stats-dump", "dump.log", "config.dump",
					      "spec.dump" };
	const char *base = strrchr(name, '/');
	size_t len, i;

	base = base ? base + 1 : name;
	if (size > KEEP_MAX)
		return false;
	for (i = 0; i < FI_ARRAY_SIZE(others); i++)
		if (strcmp(base, others[i]) == 0)
			return size <= 4 * 1024 * 1024;
	len = strlen(base);
	if (len < 4 || strcmp(base + len - 4, ".img") != 0)
		return false;
	return strncmp(base, "pages-", 6) != 0 && strncmp(base, "tmpfs-", 6) != 0 &&
	       strncmp(base, "ghost-file-", 11) != 0;
}

static int keep_data(struct fi_archive *archive, struct archive *handle,
		     struct fi_packed_file *file, struct fi_error *err)
{
	fi_auto_free uint8_t *data = NULL;
	uint64_t have = 0;
	la_ssize_t got;

	archive->kept += file->size;
	if (archive->kept > TOTAL_MAX)
		return fi_error_set(err, -EFBIG,
				    "the archive: more than %" PRIu64 " MiB beside the pages",
				    TOTAL_MAX >> 20);
	data = calloc(1, (size_t)file->size + 1); /* one more, so that text has an end */
	if (!data)
		return fi_error_set(err, -ENOMEM, "'%s': no memory", file->name);
	while (have < file->size) {
		got = archive_read_data(handle, data + have, (size_t)(file->size - have));
		if (got < 0)
			return archive_failed(handle, err);
		if (got == 0)
			return fi_error_set(err, -EBADMSG, "the archive: '%s' is truncated",
					    file->name);
		have += (uint64_t)got;
	}
	file->data = FI_TAKE(data);
	return 0;
}

static int add_entry(struct fi_archive *archive, struct archive *handle,
		     struct archive_entry *entry, const char *name, size_t order,
		     struct fi_error *err)
{
	const bool is_link = archive_entry_filetype(entry) == AE_IFLNK;
	const char *target = is_link ? archive_entry_symlink(entry) : NULL;
	struct fi_packed_file *file;
	void *grown;

	if (archive->packed.nr == FILES_MAX)
		return fi_error_set(err, -EFBIG, "the archive: more than %d files", FILES_MAX);
	if (archive->packed.nr == archive->size) {
		size_t more = archive->size ? archive->size * 2 : 64;

		grown = reallocarray(archive->files, more, sizeof(*archive->files));
		if (!grown)
			return fi_error_set(err, -ENOMEM, "no memory for an archive");
		archive->files = grown;
		archive->size = more;
	}
	file = &archive->files[archive->packed.nr];
	*file = (struct fi_packed_file){ .name = strdup(name), .order = order };
	if (target)
		file->link = strdup(target);
	archive->packed.nr++;
	if (!file->name || (target && !file->link))
		return fi_error_set(err, -ENOMEM, "no memory for an archive");
	if (is_link)
		return 0;
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
		file->size = (uint64_t)archive_entry_size(entry);
	return is_small(name, file->size) ? keep_data(archive, handle, file, err) : 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct fi_packed_file *left = a, *right = b;
	int r = strcmp(left->name, right->name);

	return r ? r : left->order < right->order ? -1 : 1;
}

/* Sorts by name.  Of files with one name the last is the one that unpacking would leave. */
static void index_files(struct fi_archive *archive)
{
	size_t i, nr = 0;

	if (archive->packed.nr > 0)
		qsort(archive->files, archive->packed.nr, sizeof(*archive->files), compare_files);
	for (i = 0; i < archive->packed.nr; i++) {
		struct fi_packed_file *file = &archive->files[i];

		if (nr > 0 && strcmp(archive->files[nr - 1].name, file->name) == 0) {
			nr--;
			free((void *)archive->files[nr].name);
			free((void *)archive->files[nr].link);
			free((void *)archive->files[nr].data);
		}
		archive->files[nr++] = *file;
	}
	archive->packed = (struct fi_packed){ .files = archive->files, .nr = nr };
}

int fi_archive_open(int fd, struct fi_archive **ret, struct fi_error *err)
{
	fi_auto_archive struct fi_archive *archive = calloc(1, sizeof(*archive));
	fi_cleanup(close_handle) struct archive *handle = NULL;
	struct archive_entry *entry;
	const char *name;
	size_t order = 0;
	int r;

	if (!archive)
		return fi_error_set(err, -ENOMEM, "no memory for an archive");
	archive->fd = fd;
	archive->start = lseek(fd, 0, SEEK_CUR);
	r = open_handle(archive, &handle, err);
	if (r < 0)
		return r;
	for (; (r = next_entry(handle, &entry, &name, err)) > 0; order++) {
		const mode_t type = archive_entry_filetype(entry);

		if (type != AE_IFREG && type != AE_IFLNK)
			continue;
		if (archive_entry_hardlink(entry))
			continue;
		r = add_entry(archive, handle, entry, name, order, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	index_files(archive);
	*ret = FI_TAKE(archive);
	return 0;
}

/* Length of the directory of @file if it is a tree's, else -1. */
static int tree_prefix(const struct fi_packed_file *file)
{
	const char *base = strrchr(file->name, '/');

	base = base ? base + 1 : file->name;
	return !file->link && strcmp(base, "pstree.img") == 0 ? (int)(base - file->name) : -1;
}

/* True if @prefix, of @len bytes, is where the "parent" of another image seems to lead. */
static bool is_parent(const struct fi_packed *packed, const char *prefix, size_t len)
{
	const char *link, *name;
	size_t i, n;

	while (len > 0 && prefix[len - 1] == '/')
		len--;
	for (i = 0; i < packed->nr; i++) {
		name = strrchr(packed->files[i].name, '/');
		name = name ? name + 1 : packed->files[i].name;
		link = packed->files[i].link;
		if (!link || strcmp(name, "parent") != 0)
			continue;
		while (strncmp(link, "../", 3) == 0 || strncmp(link, "./", 2) == 0)
			link = strchr(link, '/') + 1;
		n = strlen(link);
		while (n > 0 && link[n - 1] == '/')
			n--;
		if (n > 0 && n <= len && memcmp(prefix + len - n, link, n) == 0 &&
		    (n == len || prefix[len - n - 1] == '/'))
			return true;
	}
	return false;
}

int fi_archive_find_image(const struct fi_archive *archive, char ret[FI_PREFIX_MAX],
			  struct fi_error *err)
{
	const struct fi_packed_file *found = NULL;
	size_t i;
	int len;

	for (i = 0; i < archive->packed.nr; i++) {
		const struct fi_packed_file *file = &archive->packed.files[i];

		len = tree_prefix(file);
		if (len < 0 || is_parent(&archive->packed, file->name, (size_t)len))
			continue;
		if (found)
			return fi_error_set(err, -ENOENT,
					    "the archive holds more than one image: '%s' and '%s'",
					    found->name, file->name);
		found = file;
	}
	if (!found)
		return fi_error_set(err, -ENOENT, "the archive holds no 'pstree.img'");

	len = tree_prefix(found);
	if (len >= FI_PREFIX_MAX)
		return fi_error_set(err, -ENOENT, "the archive: '%s' is too deep", found->name);
	memcpy(ret, found->name, (size_t)len);
	ret[len] = '\0';
	return 0;
}

/* Passes one entry on, cut into blocks; what a sparse archive leaves out is zeros. */
static int pass_entry(struct archive *handle, const struct fi_packed_file *file,
		      const struct fi_archive_reader *reader, uint8_t *buf, struct fi_error *err)
{
	uint64_t off = 0;
	la_ssize_t got;
	size_t have, want;
	int r;

	while (off < file->size) {
		want = file->size - off < BLOCK_SIZE ? (size_t)(file->size - off) : BLOCK_SIZE;
		for (have = 0; have < want; have += (size_t)got) {
			got = archive_read_data(handle, buf + have, want - have);
			if (got < 0)
				return archive_failed(handle, err);
			if (got == 0)
				return fi_error_set(err, -EBADMSG, "the archive: '%s' is truncated",
						    file->name);
		}
		r = reader->block(file, off, buf, want, reader->arg);
		if (r != 0)
			return r;
		off += want;
	}
	return 0;
}

int fi_archive_read(const struct fi_archive *archive, const struct fi_archive_reader *reader,
		    struct fi_error *err)
{
	fi_cleanup(close_handle) struct archive *handle = NULL;
	fi_auto_free uint8_t *buf = malloc(BLOCK_SIZE);
	const struct fi_packed_file *file;
	struct archive_entry *entry;
	const char *name;
	size_t order = 0;
	int r;

	if (!buf)
		return fi_error_set(err, -ENOMEM, "no memory for an archive");
	if (archive->start < 0 || lseek(archive->fd, archive->start, SEEK_SET) < 0)
		return fi_error_set(
			err, -ESPIPE,
			"an archive from a pipe can be read once only, and this takes a "
			"second time: name a file");
	r = open_handle(archive, &handle, err);
	if (r < 0)
		return r;
	for (; (r = next_entry(handle, &entry, &name, err)) > 0; order++) {
		file = fi_packed_find(&archive->packed, name);
		if (!file || file->order != order || file->link ||
		    !reader->wants(file, reader->arg))
			continue;
		r = pass_entry(handle, file, reader, buf, err);
		if (r != 0)
			return r;
	}
	return r;
}
