/* images/pages.c - opening and checking the pages files of an image and its parents.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A pages file has no header, so its size is the only check there is: it must be exactly what its
 * pagemap says.  CRIU itself reads a truncated one for ever.
 */
#include "images/pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "images/parts.h"

static void file_name(char *name, size_t size, uint32_t id)
{
	(void)snprintf(name, size, "pages-%" PRIu32 ".img", id);
}

/* Says that a file should have @want bytes, and not @size. */
static int wrong_size(const char *full, int fd, uint64_t size, const char *owner, uint64_t want,
		      struct fi_error *err)
{
	const char *packed = NULL;
	uint8_t head[4];

	if (fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head))
		packed = fi_compression_name(head);
	if (packed)
		return fi_error_set(err, -EPROTONOSUPPORT,
				    "'%s' is compressed (%s), which is not supported", full,
				    packed);
	return fi_error_set(err, -EBADMSG,
			    "'%s' has %" PRIu64 " bytes, but '%s' beside it places %" PRIu64
			    " in it",
			    full, size, owner, want);
}

/* Room for one more file. */
static int table_grow(struct fi_pages_table *table, struct fi_error *err)
{
	size_t size = table->size ? table->size * 2 : 16;
	void *grown;

	if (table->nr > UINT16_MAX)
		return fi_error_set(err, -EPROTONOSUPPORT, "more than %u pages files",
				    UINT16_MAX + 1U);
	if (table->nr < table->size)
		return 0;

	grown = reallocarray(table->entries, size, sizeof(*table->entries));
	if (!grown)
		return fi_error_set(err, -ENOMEM, "no memory for %zu pages files", size);
	table->entries = grown;
	grown = reallocarray(table->files, size, sizeof(*table->files));
	if (!grown)
		return fi_error_set(err, -ENOMEM, "no memory for %zu pages files", size);
	table->files = grown;
	table->size = size;
	return 0;
}

int fi_pages_add(struct fi_pages_table *table, const struct fi_image_dir *dir, uint32_t id,
		 const char *owner, uint16_t *ret, struct fi_error *err)
{
	fi_auto_image_file struct fi_image_file file = { .fd = -EBADF };
	struct fi_pages_entry *entry;
	fi_auto_free char *name = NULL;
	char full[FI_FILE_NAME_MAX];
	char plain[32];
	void *map = NULL;
	int r;

	r = table_grow(table, err);
	if (r < 0)
		return r;

	file_name(plain, sizeof(plain), id);
	fi_image_file_name(dir, plain, full);
	r = fi_image_file_open(dir, plain, &file, err);
	if (r < 0)
		return r;
	if (file.size > UINT64_C(1) << FI_PAGES_BITS)
		return fi_error_set(err, -EPROTONOSUPPORT,
				    "'%s' has %" PRIu64 " bytes, more than 2^%d", full, file.size,
				    FI_PAGES_BITS);

	name = strdup(full);
	if (!name)
		return fi_error_set(err, -ENOMEM, "'%s': no memory", full);
	if (file.size > SIZE_MAX)
		return fi_error_set(err, -ENOMEM, "'%s' is too large to map", full);
	if (file.fd >= 0 && file.size > 0)
		map = mmap(NULL, (size_t)file.size, PROT_READ, MAP_SHARED, file.fd, 0);
	if (map == MAP_FAILED)
		return fi_error_set(err, -errno, "cannot map '%s'", full);

	*ret = (uint16_t)table->nr;
	entry = &table->entries[table->nr];
	*entry = (struct fi_pages_entry){ .level = dir->level, .id = id };
	(void)snprintf(entry->owner, sizeof(entry->owner), "%s", owner);
	table->files[table->nr] = (struct fi_pages_file){
		.name = FI_TAKE(name),
		.map = map,
		.size = file.size,
		.level = dir->level,
		.fd = fi_take_fd(&file.fd),
	};
	table->nr++;
	return 0;
}

int fi_pages_check_size(const struct fi_pages_table *table, uint16_t index, uint64_t want,
			struct fi_error *err)
{
	const struct fi_pages_file *file = &table->files[index];

	if (file->size == want)
		return 0;
	return wrong_size(file->name, file->fd, file->size, table->entries[index].owner, want, err);
}

int fi_pages_check_none(const struct fi_image_dir *dir, uint32_t id, const char *owner,
			struct fi_error *err)
{
	fi_auto_image_file struct fi_image_file file = { .fd = -EBADF };
	char full[FI_FILE_NAME_MAX];
	char plain[32];
	int r;

	file_name(plain, sizeof(plain), id);
	fi_image_file_name(dir, plain, full);
	r = fi_image_file_open(dir, plain, &file, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return file.size == 0 ? 0 : wrong_size(full, file.fd, file.size, owner, 0, err);
}

static int compare_entries(const void *a, const void *b)
{
	const struct fi_pages_entry *left = a, *right = b;

	if (left->level != right->level)
		return left->level < right->level ? -1 : 1;
	return left->id < right->id ? -1 : left->id > right->id;
}

int fi_pages_check_owners(struct fi_pages_table *table, struct fi_error *err)
{
	const struct fi_pages_entry *entry;
	size_t i;

	if (table->nr == 0)
		return 0;

	qsort(table->entries, table->nr, sizeof(*table->entries), compare_entries);
	for (i = 1; i < table->nr; i++) {
		entry = &table->entries[i];
		if (compare_entries(entry - 1, entry) == 0)
			return fi_error_set(err, -EBADMSG,
					    "'pages-%" PRIu32
					    ".img' belongs to both '%s' and '%s' (%u up the chain)",
					    entry->id, entry[-1].owner, entry->owner, entry->level);
	}
	return 0;
}

void fi_pages_done(struct fi_pages_table *table)
{
	struct fi_pages_file *file;
	size_t i;

	for (i = 0; i < table->nr; i++) {
		file = &table->files[i];
		if (file->map)
			(void)munmap((void *)file->map, (size_t)file->size);
		fi_close(&file->fd);
		free((void *)file->name);
	}
	free(table->files);
	free(table->entries);
	*table = (struct fi_pages_table){ 0 };
}
