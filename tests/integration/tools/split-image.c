/* tests/integration/tools/split-image.c - makes a chain of parent images out of one dump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *     split-image SEED LAZY IMAGE LEVEL0 LEVEL1 [LEVEL2...]
 *
 * Where the kernel tracks no dirty memory, CRIU makes no incremental dumps; this makes what they
 * would be.  Reads each pagemap-N.img and pagemap-shmem-N.img of IMAGE and its pages file, and writes both into every LEVEL
 * directory, LEVEL0 being the newest: for every stretch of pages one level is drawn (from SEED)
 * that holds its bytes.  Levels above it say PE_PARENT there, as CRIU does; levels below it may
 * hold what the pages were earlier, which is any bytes but the right ones, so that a reader who
 * stops at the wrong level is found out.  Stretches are cut elsewhere at each level.
 *
 * CRIU writes PE_PARENT without PE_LAZY, so pages of a parent are restored at once.  LAZY says how
 * many in 100 of the stretches that were lazy keep PE_LAZY beside PE_PARENT, which CRIU's restore
 * and lazy-pages understand as well.
 *
 * The other files of the image, and the links named "parent", are the caller's.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE	   ((size_t)4096)
#define MAX_LEVELS 8
/* CRIU's flags of a pagemap entry. */
#define PE_PARENT  1
#define PE_LAZY	   2
#define PE_PRESENT 4

struct buffer {
	uint8_t *data;
	size_t len;
};

struct entry {
	uint64_t vaddr, nr_pages;
	uint64_t flags;
};

/* A level's two files, and the entry that is not written yet because it may still grow. */
struct level {
	const char *dir;
	FILE *pagemap, *pages;
	struct entry pending;
};

static struct level levels[MAX_LEVELS];
static unsigned nr_levels;
static uint64_t random_state;
static unsigned lazy_percent;

static uint64_t draw(uint64_t limit)
{
	uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) % limit;
}

static struct buffer read_file(const char *dir, const char *name)
{
	struct buffer file = { NULL, 0 };
	char path[PATH_MAX];
	struct stat st;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "cannot open '%s'", path);
	file.len = (size_t)st.st_size;
	if (file.len > 0) {
		file.data = mmap(NULL, file.len, PROT_READ, MAP_PRIVATE, fd, 0);
		if (file.data == MAP_FAILED)
			err(1, "cannot map '%s'", path);
	}
	(void)close(fd);
	return file;
}

/* --- records: u32 size, then protobuf; all fields here are varints -------------------------- */

static uint64_t get_varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (*at == end)
			errx(1, "a varint ends early");
		byte = *(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	errx(1, "a varint is too long");
}

/* The fields of the record at *@at by their numbers; the record before the end of @file. */
static void get_record(const struct buffer *file, size_t *at, uint64_t fields[8])
{
	const uint8_t *p = file->data + *at + 4, *end;
	uint32_t size;

	if (file->len - *at < 4)
		errx(1, "a record ends early");
	memcpy(&size, file->data + *at, 4);
	if (file->len - *at - 4 < size)
		errx(1, "a record ends early");
	end = p + size;
	memset(fields, 0, 8 * sizeof(fields[0]));
	while (p < end) {
		uint64_t key = get_varint(&p, end);

		if (key & 7 || key >> 3 > 7)
			errx(1, "a field of an unknown kind (key %#llx)", (unsigned long long)key);
		fields[key >> 3] = get_varint(&p, end);
	}
	*at += 4 + size;
}

static void put_field(struct buffer *record, unsigned number, uint64_t value)
{
	record->data[record->len++] = (uint8_t)(number << 3);
	for (; value >= 0x80; value >>= 7)
		record->data[record->len++] = (uint8_t)(value | 0x80);
	record->data[record->len++] = (uint8_t)value;
}

static void put_record(FILE *to, const struct buffer *record)
{
	uint32_t size = (uint32_t)record->len;

	if (fwrite(&size, 4, 1, to) != 1 || fwrite(record->data, record->len, 1, to) != 1)
		err(1, "cannot write");
}

/* --- levels ------------------------------------------------------------------------------------
 */

static void flush_entry(struct level *level)
{
	uint8_t data[64];
	struct buffer record = { data, 0 };

	if (level->pending.nr_pages == 0)
		return;
	put_field(&record, 1, level->pending.vaddr);
	put_field(&record, 2, 0);
	put_field(&record, 4, level->pending.flags);
	put_field(&record, 5, level->pending.nr_pages);
	put_record(level->pagemap, &record);
	level->pending.nr_pages = 0;
}

static void add_entry(struct level *level, uint64_t vaddr, uint64_t nr_pages, uint64_t flags)
{
	struct entry *pending = &level->pending;

	if (pending->nr_pages && pending->flags == flags &&
	    pending->vaddr + pending->nr_pages * PAGE == vaddr) {
		pending->nr_pages += nr_pages;
		return;
	}
	flush_entry(level);
	*pending = (struct entry){ vaddr, nr_pages, flags };
}

static void add_pages(struct level *level, const uint8_t *bytes, uint64_t nr_pages, bool right)
{
	uint8_t page[PAGE];

	for (uint64_t i = 0; i < nr_pages; i++) {
		for (size_t j = 0; j < PAGE; j++)
			page[j] = bytes[i * PAGE + j] ^ (right ? 0 : 0xff);
		if (fwrite(page, PAGE, 1, level->pages) != 1)
			err(1, "cannot write");
	}
}

/* One stretch of pages that are in the dump. */
static void put_stretch(uint64_t vaddr, uint64_t nr_pages, uint64_t flags, const uint8_t *bytes)
{
	unsigned holder = (unsigned)draw(nr_levels), i;
	bool lazy = flags & PE_LAZY;

	for (i = 0; i < holder; i++)
		add_entry(&levels[i], vaddr, nr_pages,
			  PE_PARENT | (lazy && draw(100) < lazy_percent ? PE_LAZY : 0));
	add_entry(&levels[holder], vaddr, nr_pages, flags);
	add_pages(&levels[holder], bytes, nr_pages, true);
	for (i = holder + 1; i < nr_levels; i++) {
		if (draw(2))
			continue;
		add_entry(&levels[i], vaddr, nr_pages, flags);
		add_pages(&levels[i], bytes, nr_pages, false);
	}
}

static FILE *create_file(const char *dir, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "we");
	if (!file)
		err(1, "cannot create '%s'", path);
	return file;
}

static void begin_levels(const char *pagemap, const char *pages, const struct buffer *file,
			 size_t head_len)
{
	for (unsigned i = 0; i < nr_levels; i++) {
		levels[i].pagemap = create_file(levels[i].dir, pagemap);
		levels[i].pages = create_file(levels[i].dir, pages);
		if (fwrite(file->data, head_len, 1, levels[i].pagemap) != 1)
			err(1, "cannot write");
	}
}

static void end_levels(void)
{
	for (unsigned i = 0; i < nr_levels; i++) {
		flush_entry(&levels[i]);
		if (fclose(levels[i].pagemap) || fclose(levels[i].pages))
			err(1, "cannot write in '%s'", levels[i].dir);
	}
}

static void split(const char *dir, const char *pagemap_name)
{
	struct buffer pagemap = read_file(dir, pagemap_name), pages;
	uint64_t fields[8], page = 0;
	char pages_name[32];
	size_t at = 8; /* after the magic numbers */

	get_record(&pagemap, &at, fields);
	(void)snprintf(pages_name, sizeof(pages_name), "pages-%u.img", (unsigned)fields[1]);
	pages = read_file(dir, pages_name);
	begin_levels(pagemap_name, pages_name, &pagemap, at);

	while (at < pagemap.len) {
		uint64_t nr_pages, done = 0;

		get_record(&pagemap, &at, fields);
		nr_pages = fields[5] ? fields[5] : fields[2];
		if (!(fields[4] & PE_PRESENT))
			errx(1, "'%s' is not a plain dump", pagemap_name);
		if (nr_pages > pages.len / PAGE - page)
			errx(1, "'%s' is too short", pages_name);
		while (done < nr_pages) {
			uint64_t nr = 1 + draw(draw(8) ? 24 : 300);

			if (nr > nr_pages - done)
				nr = nr_pages - done;
			put_stretch(fields[1] + done * PAGE, nr, fields[4],
				    pages.data + page * PAGE);
			page += nr;
			done += nr;
		}
	}
	end_levels();
	(void)munmap(pagemap.data, pagemap.len);
	if (pages.len)
		(void)munmap(pages.data, pages.len);
}

static bool is_pagemap(const char *name)
{
	static const char shared[] = "pagemap-shmem-";

	if (strncmp(name, shared, strlen(shared)) == 0)
		return true;
	return strncmp(name, "pagemap-", 8) == 0 && isdigit((unsigned char)name[8]);
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	DIR *dir;

	if (argc < 6 || argc > 4 + MAX_LEVELS)
		errx(2, "usage: split-image SEED LAZY IMAGE LEVEL0 LEVEL1 [LEVEL2...]");
	random_state = strtoull(argv[1], NULL, 10);
	lazy_percent = (unsigned)strtoul(argv[2], NULL, 10);
	for (int i = 4; i < argc; i++)
		levels[nr_levels++].dir = argv[i];

	dir = opendir(argv[3]);
	if (!dir)
		err(1, "cannot open '%s'", argv[3]);
	while ((entry = readdir(dir)))
		if (is_pagemap(entry->d_name))
			split(argv[3], entry->d_name);
	(void)closedir(dir);
	return 0;
}
