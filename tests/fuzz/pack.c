/* tests/fuzz/pack.c - see pack.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What fails here is the machine's fault, not the input's: it ends the process.
 */
#include "config.h"

#include "tests/fuzz/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/pagemap-file.h"
#include "images/parts.h"

/* --- bytes -------------------------------------------------------------------------------------- */

struct cursor {
	const uint8_t *at;
	size_t left;
};

static bool take(struct cursor *from, void *to, size_t len)
{
	if (from->left < len)
		return false;
	memcpy(to, from->at, len);
	from->at += len;
	from->left -= len;
	return true;
}

static bool read_file(struct cursor *from, struct pack_file *file)
{
	uint8_t kind, name_len;
	uint32_t len;

	*file = (struct pack_file){ .kind = 0 };
	if (!take(from, &kind, 1) || !take(from, &name_len, 1) || name_len >= PACK_NAME ||
	    !take(from, file->name, name_len) || !take(from, &len, 4))
		return false;
	file->kind = (char)kind;
	if (file->kind == 'P' && !take(from, &file->size, 4))
		return false;
	if (!strchr("FPL", kind) || kind == 0 || len > from->left)
		return false;
	file->data = from->at;
	file->len = len;
	from->at += len;
	from->left -= len;
	if (file->size > PACK_SIZE)
		file->size = PACK_SIZE;
	if (file->size < len)
		file->size = len;
	return true;
}

void pack_read(struct pack *pack, const uint8_t *data, size_t size)
{
	struct cursor from = { data, size };

	pack->options = 0;
	pack->nr = 0;
	(void)take(&from, &pack->options, 1);
	while (pack->nr < PACK_FILES && read_file(&from, &pack->files[pack->nr]))
		pack->nr++;
}

size_t pack_write(const struct pack *pack, uint8_t *to, size_t max)
{
	size_t at = 0, i;

	if (max == 0)
		return 0;
	to[at++] = pack->options;
	for (i = 0; i < pack->nr; i++) {
		const struct pack_file *file = &pack->files[i];
		const uint8_t name_len = (uint8_t)strlen(file->name);
		const uint32_t len = (uint32_t)file->len;

		if (max - at < 2 + name_len + 8 + file->len)
			continue;
		to[at++] = (uint8_t)file->kind;
		to[at++] = name_len;
		memcpy(to + at, file->name, name_len);
		at += name_len;
		memcpy(to + at, &len, 4);
		at += 4;
		if (file->kind == 'P') {
			memcpy(to + at, &file->size, 4);
			at += 4;
		}
		if (len)
			memcpy(to + at, file->data, len);
		at += len;
	}
	return at;
}

const struct pack_file *pack_find(const struct pack *pack, const char *name)
{
	size_t i;

	for (i = pack->nr; i > 0; i--)
		if (strcmp(pack->files[i - 1].name, name) == 0)
			return &pack->files[i - 1];
	return NULL;
}

/* --- as a table --------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct fi_packed_file *)a)->name,
		      ((const struct fi_packed_file *)b)->name);
}

/* A copy with a zero behind it, of the very size, so that no reader strays unseen. */
static void *copy(const struct pack_file *file)
{
	uint8_t *data = calloc(1, (size_t)file->size + 1);

	if (!data)
		err(1, "no memory");
	if (file->len)
		memcpy(data, file->data, file->len);
	return data;
}

struct fi_packed pack_table(const struct pack *pack)
{
	struct fi_packed_file *files = calloc(pack->nr + 1, sizeof(*files));
	size_t i, nr = 0;

	if (!files)
		err(1, "no memory");
	for (i = 0; i < pack->nr; i++) {
		const struct pack_file *file = &pack->files[i];

		if (pack_find(pack, file->name) != file)
			continue;
		files[nr] = (struct fi_packed_file){ .name = file->name, .order = i };
		if (file->kind == 'L') {
			files[nr].link = copy(file);
		} else {
			files[nr].size = file->size;
			files[nr].data = file->kind == 'P' ? NULL : copy(file);
		}
		nr++;
	}
	if (nr > 0)
		qsort(files, nr, sizeof(*files), compare_names);
	return (struct fi_packed){ .files = files, .nr = nr };
}

void pack_free_table(struct fi_packed *table)
{
	size_t i;

	for (i = 0; i < table->nr; i++) {
		free((void *)table->files[i].link);
		free((void *)table->files[i].data);
	}
	free((void *)table->files);
}

/* --- fitting ------------------------------------------------------------------------------------ */

static void fit_one(struct pack *pack, const char *prefix, const struct fi_pagemap_file *pagemap)
{
	char name[PACK_NAME];
	struct pack_file *file;
	int len;

	len = snprintf(name, sizeof(name), "%spages-%" PRIu32 ".img", prefix, pagemap->pages_id);
	if (pagemap->size == 0 || pagemap->size > PACK_SIZE || len >= PACK_NAME)
		return;
	file = (struct pack_file *)pack_find(pack, name);
	if (!file && pack->nr == PACK_FILES)
		return;
	if (!file) {
		file = &pack->files[pack->nr++];
		*file = (struct pack_file){ .kind = 'P' };
		memcpy(file->name, name, sizeof(name));
	}
	if (file->kind == 'L')
		return;
	file->kind = 'P';
	file->size = (uint32_t)pagemap->size;
	if (file->len > file->size)
		file->len = file->size;
}

void pack_fit(struct pack *pack)
{
	struct fi_packed table = pack_table(pack);
	struct fi_image_dir dir = { .fd = -EBADF, .packed = &table };
	const size_t nr = pack->nr;
	size_t i;

	for (i = 0; i < nr; i++) {
		const char *slash = strrchr(pack->files[i].name, '/');
		const char *base = slash ? slash + 1 : pack->files[i].name;
		struct fi_pagemap_file pagemap;
		bool fits = false;
		int tries;

		if (strncmp(base, "pagemap-", 8) != 0)
			continue;
		(void)snprintf(dir.prefix, sizeof(dir.prefix), "%.*s",
			       (int)(base - pack->files[i].name), pack->files[i].name);
		for (tries = 0; tries < 2 && !fits; tries++) {
			dir.common_magic = tries == 0;
			fits = fi_pagemap_file_open(&pagemap, &dir, base, NULL) == 0 &&
			       fi_pagemap_file_rest(&pagemap, NULL) == 0;
			if (fits)
				fit_one(pack, dir.prefix, &pagemap);
			fi_pagemap_file_close(&pagemap);
		}
	}
	pack_free_table(&table);
}

/* --- as a directory ----------------------------------------------------------------------------- */

/* True for one component, or two, neither of them "." or "..". */
static bool is_inside(const char *name, bool link)
{
	const char *slash = strchr(name, '/');

	if (name[0] == '\0' || name[0] == '/' || strstr(name, ".."))
		return false;
	if (strcmp(name, ".") == 0 || strncmp(name, "./", 2) == 0)
		return link; /* "." as a parent is a loop, which is worth trying */
	if (slash && (slash[1] == '\0' || slash[1] == '.' || strchr(slash + 1, '/')))
		return false;
	return true;
}

static void write_out(int fd, const struct pack_file *file)
{
	if (file->len && write(fd, file->data, file->len) != (ssize_t)file->len)
		err(1, "cannot write");
	if (file->size > file->len && ftruncate(fd, file->size) < 0)
		err(1, "cannot lengthen a file");
}

static void unpack_file(int dirfd, const struct pack_file *file)
{
	const char *inner;
	char target[256];
	int fd;

	if (file->kind == 'L') {
		(void)snprintf(target, sizeof(target), "%.*s", (int)file->len,
			       (const char *)file->data);
		/* From a directory inside, one step up is still inside. */
		inner = strchr(file->name, '/') && strncmp(target, "../", 3) == 0 ? target + 3
										  : target;
		if (is_inside(inner, true))
			(void)symlinkat(target, dirfd, file->name);
		return;
	}
	/* It may be there, as a file or as a link of the same pack, or be no name at all. */
	fd = openat(dirfd, file->name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	write_out(fd, file);
	(void)close(fd);
}

void pack_unpack(const struct pack *pack, int dirfd)
{
	char folder[PACK_NAME];
	const char *slash;
	size_t i;

	for (i = 0; i < pack->nr; i++) {
		const struct pack_file *file = &pack->files[i];

		if (!is_inside(file->name, false))
			continue;
		slash = strchr(file->name, '/');
		if (slash) {
			(void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file->name),
				       file->name);
			(void)mkdirat(dirfd, folder, 0700);
		}
		unpack_file(dirfd, file);
	}
}

static void empty(int dirfd)
{
	int copy_of = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;
	struct dirent *entry;
	DIR *dir;

	dir = fdopendir(copy_of);
	if (!dir)
		err(1, "cannot list a directory");
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd, entry->d_name, 0) == 0)
			continue;
		fd = openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			err(1, "cannot remove '%s'", entry->d_name);
		empty(fd);
		(void)close(fd);
		(void)unlinkat(dirfd, entry->d_name, AT_REMOVEDIR);
	}
	(void)closedir(dir);
}

/* --- as an archive ------------------------------------------------------------------------------ */

static void tar_one(struct archive *to, const struct pack_file *file)
{
	struct archive_entry *entry = archive_entry_new();
	char target[256];
	void *data;

	if (!entry)
		err(1, "no memory");
	archive_entry_set_pathname(entry, file->name);
	archive_entry_set_perm(entry, 0600);
	if (file->kind == 'L') {
		(void)snprintf(target, sizeof(target), "%.*s", (int)file->len,
			       (const char *)file->data);
		archive_entry_set_filetype(entry, AE_IFLNK);
		archive_entry_set_symlink(entry, target);
	} else {
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_entry_set_size(entry, file->size);
	}
	/* Some names are none for an archive. */
	if (archive_write_header(to, entry) == ARCHIVE_OK && file->kind != 'L') {
		data = copy(file);
		(void)archive_write_data(to, data, file->size);
		free(data);
	}
	archive_entry_free(entry);
}

int pack_tar(const struct pack *pack)
{
	struct archive *to = archive_write_new();
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	size_t i;

	if (fd < 0 || !to || archive_write_set_format_pax_restricted(to) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(to, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(to, fd) != ARCHIVE_OK)
		err(1, "cannot write an archive");
	for (i = 0; i < pack->nr; i++)
		tar_one(to, &pack->files[i]);
	(void)archive_write_free(to);
	if (lseek(fd, 0, SEEK_SET) != 0)
		err(1, "cannot go back");
	return fd;
}

/* --- either ------------------------------------------------------------------------------------- */

static struct {
	char path[128];
	int dirfd;
} shown = { .dirfd = -EBADF };

static void remove_shown(void)
{
	empty(shown.dirfd);
	(void)rmdir(shown.path);
}

static void make_shown(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(shown.path, sizeof(shown.path), "%s/faultin-fuzz-XXXXXX",
		       tmp ? tmp : "/tmp");
	if (!mkdtemp(shown.path))
		err(1, "cannot make '%s'", shown.path);
	shown.dirfd = open(shown.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (shown.dirfd < 0)
		err(1, "cannot open '%s'", shown.path);
	(void)atexit(remove_shown);
}

/* A path for an archive, which is closed when the next one takes its place. */
static void show_tar(const struct pack *pack, int *fd, char path[64])
{
	fi_close(fd);
	*fd = pack_tar(pack);
	(void)snprintf(path, 64, "/proc/self/fd/%d", *fd);
}

const char *pack_show(const struct pack *pack)
{
	static char path[64];
	static int archive = -EBADF;

	if (pack->options & PACK_ARCHIVE) {
		show_tar(pack, &archive, path);
		return path;
	}
	if (shown.dirfd < 0)
		make_shown();
	empty(shown.dirfd);
	pack_unpack(pack, shown.dirfd);
	return shown.path;
}

const char *pack_show_other(const struct pack *pack)
{
	static int archive = -EBADF;
	static struct pack other;
	static char path[64];
	size_t i;

	other = *pack;
	for (i = 0; i < other.nr; i++)
		if (other.files[i].name[0] == '~')
			memmove(other.files[i].name, other.files[i].name + 1, PACK_NAME - 1);
	show_tar(&other, &archive, path); /* of two with one name, the last counts */
	return path;
}
