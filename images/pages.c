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

/* Says that @fd, of @size bytes, should have @want. */
static int wrong_size(const char *full, int fd, uint64_t size, uint32_t vpid, uint64_t want,
		      struct fi_error *err)
{
	const char *packed = NULL;
	uint8_t head[4];

	if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head))
		packed = fi_compression_name(head);
	if (packed)
		return fi_error_set(err, -EPROTONOSUPPORT,
				    "'%s' is compressed (%s), which is not supported", full,
				    packed);
	return fi_error_set(err, -EBADMSG,
			    "'%s' has %" PRIu64 " bytes, but 'pagemap-%" PRIu32
			    ".img' beside it places %" PRIu64 " in it",
			    full, size, vpid, want);
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
		 uint32_t vpid, uint64_t want, uint16_t *ret, struct fi_error *err)
{
	fi_auto_free char *name = NULL;
	char full[FI_FILE_NAME_MAX];
	fi_auto_close int fd = -EBADF;
	char plain[32];
	uint64_t size;
	void *map;
	int r;

	r = table_grow(table, err);
	if (r < 0)
		return r;

	file_name(plain, sizeof(plain), id);
	fi_image_file_name(dir, plain, full);
	r = fi_image_file_open(dir, plain, &fd, &size, err);
	if (r < 0)
		return r;
	if (size != want)
		return wrong_size(full, fd, size, vpid, want, err);

	name = strdup(full);
	if (!name)
		return fi_error_set(err, -ENOMEM, "'%s': no memory", full);
	if (size > SIZE_MAX)
		return fi_error_set(err, -ENOMEM, "'%s' is too large to map", full);
	map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fi_error_set(err, -errno, "cannot map '%s'", full);

	*ret = (uint16_t)table->nr;
	table->entries[table->nr] =
		(struct fi_pages_entry){ .level = dir->level, .id = id, .vpid = vpid };
	table->files[table->nr] = (struct fi_pages_file){
		.name = FI_TAKE(name),
		.map = map,
		.size = size,
		.fd = fi_take_fd(&fd),
	};
	table->nr++;
	return 0;
}

int fi_pages_check_none(const struct fi_image_dir *dir, uint32_t id, uint32_t vpid,
			struct fi_error *err)
{
	char full[FI_FILE_NAME_MAX];
	fi_auto_close int fd = -EBADF;
	char plain[32];
	uint64_t size;
	int r;

	file_name(plain, sizeof(plain), id);
	fi_image_file_name(dir, plain, full);
	r = fi_image_file_open(dir, plain, &fd, &size, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return size == 0 ? 0 : wrong_size(full, fd, size, vpid, 0, err);
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
					    ".img' belongs to both 'pagemap-%" PRIu32
					    ".img' and 'pagemap-%" PRIu32 ".img' (%u up the chain)",
					    entry->id, entry[-1].vpid, entry->vpid, entry->level);
	}
	return 0;
}

void fi_pages_done(struct fi_pages_table *table)
{
	struct fi_pages_file *file;
	size_t i;

	for (i = 0; i < table->nr; i++) {
		file = &table->files[i];
		(void)munmap((void *)file->map, (size_t)file->size);
		fi_close(&file->fd);
		free((void *)file->name);
	}
	free(table->files);
	free(table->entries);
	*table = (struct fi_pages_table){ 0 };
}
