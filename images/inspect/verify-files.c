/* images/inspect/verify-files.c - each file of an image by itself, and pagemaps against pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "images/inspect/verify-parts.h"
#include "images/pagemap-file.h"
#include "images/proto/records.pb-c.h"

/* The largest that any kind of record is read with elsewhere. */
#define RECORD_MAX (128 * 1024 * 1024)

struct walk {
	struct fi_verifier *v;
	const struct fi_image_dir *dir;
};

static const ProtobufCMessageDescriptor *type_of(const struct fi_kind *kind)
{
	return kind->type ? kind->type : &fi__pb__anything__descriptor;
}

/* Reads all that the kind says there is.  Returns 0 or an error. */
static int read_records(struct fi_verifier *v, const struct fi_kind *kind, struct fi_records *rd,
			struct fi_error *err)
{
	const void *msg;
	int r;

	while ((r = fi_records_next(rd, type_of(kind), RECORD_MAX, &msg, err)) > 0) {
		v->verdict->records++;
		if (kind->shape == FI_SHAPE_HEAD)
			return 0;
		if (kind->shape == FI_SHAPE_TAILS) {
			r = fi_records_skip(rd, kind->tail(msg), err);
			if (r < 0)
				return r;
		}
		if (kind->shape == FI_SHAPE_ONE && rd->next != rd->size)
			return fi_records_error(rd, err, -EBADMSG,
						"%" PRIu64
						" bytes follow what should be the only record",
						rd->size - rd->next);
	}
	if (r == 0 && rd->nr == 0 && kind->shape != FI_SHAPE_RECORDS &&
	    kind->shape != FI_SHAPE_TAILS)
		return fi_error_set(err, -EBADMSG, "'%s' is truncated: it holds no record",
				    rd->name);
	return r;
}

static int read_pagemap(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
			struct fi_error *err)
{
	fi_auto_pagemap_file struct fi_pagemap_file file;
	int r;

	r = fi_pagemap_file_open(&file, dir, name, err);
	if (r == 0)
		r = fi_pagemap_file_rest(&file, err);
	if (r == 0)
		v->verdict->records += file.nr + 1;
	return r;
}

static int read_file(struct fi_verifier *v, const struct fi_image_dir *dir, const char *name,
		     const struct fi_kind *kind, struct fi_error *err)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	int r;

	if (kind->shape == FI_SHAPE_PAGEMAP)
		return read_pagemap(v, dir, name, err);
	if (kind->magic == FI_MAGIC_STATS)
		r = fi_records_open_as(&rd, dir, name, FI_MAGIC_SERVICE, kind->magic, err);
	else if (strcmp(kind->stem, "inventory") == 0)
		r = fi_records_open_as(&rd, dir, name, 0, kind->magic, err);
	else
		r = fi_records_open(&rd, dir, name, kind->magic, err);
	return r < 0 ? r : read_records(v, kind, &rd, err);
}

static int verify_file(const char *name, uint64_t size, void *arg)
{
	const struct walk *walk = arg;
	const struct fi_kind *kind = fi_kind_of(name);
	struct fi_error err = { "" };
	int r;

	if (!kind)
		return 0;
	walk->v->verdict->files++;
	if (kind->shape == FI_SHAPE_RAW)
		return 0;
	r = read_file(walk->v, walk->dir, name, kind, &err);
	if (r < 0 && r != -EFBIG) /* too bulky to be looked at in an archive */
		fi_found_error(walk->v, walk->dir, name, kind->loss, r, &err);
	return 0;
}

void fi_verify_files(struct fi_verifier *v, const struct fi_image_dir *dir)
{
	struct walk walk = { v, dir };
	struct fi_error err = { "" };
	int r = fi_image_dir_list(dir, verify_file, &walk, &err);

	if (r < 0)
		fi_found_error(v, dir, ".", "nothing can be restored", r, &err);
}

/* --- pagemaps and pages ------------------------------------------------------------------------- */

#define LOSS "the memory of that task is missing or wrong"

struct pages {
	uint32_t id;
	bool owned, left; /* by a pagemap that counts; by one that is left over */
	char owner[FI_PAGEMAP_NAME_MAX];
};

struct census {
	struct fi_verifier *v;
	const struct fi_image_dir *dir;
	struct pages *pages; /* the files that there are */
	size_t nr;
	uint64_t present; /* pages that the tasks' pagemaps place in them */
	bool incomplete;  /* a pagemap could not be read */
};

static int list_pages(const char *name, uint64_t size, void *arg)
{
	struct census *census = arg;
	unsigned long long id;
	void *grown;
	char *end;

	if (strncmp(name, "pages-", 6) != 0 || name[6] < '0' || name[6] > '9')
		return 0;
	id = strtoull(name + 6, &end, 10);
	if (strcmp(end, ".img") != 0 || id > UINT32_MAX)
		return 0;
	grown = reallocarray(census->pages, census->nr + 1, sizeof(*census->pages));
	if (!grown)
		return -ENOMEM;
	census->pages = grown;
	census->pages[census->nr++] = (struct pages){ .id = (uint32_t)id };
	census->v->verdict->pages += size >> FI_PAGE_SHIFT;
	return 0;
}

static struct pages *find_pages(const struct census *census, uint32_t id)
{
	size_t i;

	for (i = 0; i < census->nr; i++)
		if (census->pages[i].id == id)
			return &census->pages[i];
	return NULL;
}

/* The pages file that a pagemap wants: is it there, is it its own, is it as large? */
static void verify_pagemap(struct census *census, const char *name,
			   const struct fi_pagemap_file *file)
{
	struct pages *pages = find_pages(census, file->pages_id);
	struct fi_pages_table table = { .nr = 0 };
	struct fi_error err = { "" };
	char plain[40];
	uint16_t index;
	int r;

	(void)snprintf(plain, sizeof(plain), "pages-%" PRIu32 ".img", file->pages_id);
	if (pages && pages->owned)
		fi_found(census->v, census->dir, name, 1, LOSS,
			 "its pages are in '%s', which '%s' says of itself, too", plain,
			 pages->owner);
	if (pages && !pages->owned) {
		pages->owned = true;
		(void)snprintf(pages->owner, sizeof(pages->owner), "%s", name);
	}
	if (file->size == 0)
		r = fi_pages_check_none(census->dir, file->pages_id, name, &err);
	else
		r = fi_pages_add(&table, census->dir, file->pages_id, name, &index, &err);
	if (r == 0 && file->size > 0)
		r = fi_pages_check_size(&table, index, file->size, &err);
	fi_pages_done(&table);
	if (r == 0)
		return;
	fi_found_error(census->v, census->dir, plain, LOSS, r, &err);
	/* So that nothing more is built on the pagemap, it has a finding of its own. */
	fi_found(census->v, census->dir, name, 1, LOSS, "'%s' is not what it describes", plain);
}

/* Of a task that is not in the tree: whoever makes checkpoints into one directory again and again, as
 * podman does of a container that goes on running, leaves those of tasks that have ended meanwhile.
 * Nobody reads them. */
static bool is_left_over(const struct census *census, const char *name)
{
	const struct fi_verifier *v = census->v;
	unsigned long long vpid;
	char *end;

	if (!v->tasks || census->dir->level > 0 || name[8] < '0' || name[8] > '9')
		return false;
	vpid = strtoull(name + 8, &end, 10);
	for (size_t i = 0; i < v->nr_tasks; i++)
		if (v->tasks[i].vpid == vpid)
			return false;
	return strcmp(end, ".img") == 0;
}

static int list_pagemaps(const char *name, uint64_t size, void *arg)
{
	struct census *census = arg;
	fi_auto_pagemap_file struct fi_pagemap_file file = { .rd = { .fd = -EBADF } };
	struct fi_error err = { "" };
	int r;

	if (strncmp(name, "pagemap-", 8) != 0)
		return 0;
	r = fi_pagemap_file_open(&file, census->dir, name, &err);
	if (r == 0)
		r = fi_pagemap_file_rest(&file, &err);
	if (r < 0) { /* it has its finding */
		census->v->no_memory |= r == -ENOMEM;
		census->incomplete = true;
		return 0;
	}
	if (is_left_over(census, name)) {
		struct pages *pages = find_pages(census, file.pages_id);

		if (pages)
			pages->left = true;
		return 0;
	}
	if (strncmp(name, "pagemap-shmem-", 14) != 0)
		census->present += file.size >> FI_PAGE_SHIFT;
	verify_pagemap(census, name, &file);
	return 0;
}

/* What the dump counted, where it left its figures beside the image. */
static void verify_stats(const struct census *census)
{
	fi_auto_records struct fi_records rd = { .fd = -EBADF };
	const Fi__Pb__Stats *stats;
	struct fi_error err = { "" };
	const void *msg;

	if (census->incomplete || fi_is_bad(census->v, census->dir, "stats-dump"))
		return;
	if (fi_records_open_as(&rd, census->dir, "stats-dump", FI_MAGIC_SERVICE, FI_MAGIC_STATS,
			       &err) < 0 ||
	    fi_records_next(&rd, &fi__pb__stats__descriptor, 4096, &msg, &err) <= 0)
		return;
	stats = msg;
	if (stats->dump && stats->dump->pages_written != census->present)
		fi_found(census->v, census->dir, "stats-dump", 1, LOSS,
			 "the dump wrote %" PRIu64
			 " pages of tasks, but the pagemaps place %" PRIu64,
			 stats->dump->pages_written, census->present);
}

void fi_verify_pages(struct fi_verifier *v, const struct fi_image_dir *dir)
{
	struct census census = { .v = v, .dir = dir };
	struct fi_error err = { "" };
	char name[40];
	size_t i;

	if (fi_image_dir_list(dir, list_pages, &census, &err) < 0 ||
	    fi_image_dir_list(dir, list_pagemaps, &census, &err) < 0)
		v->no_memory = true;
	for (i = 0; i < census.nr && !census.incomplete; i++) {
		if (census.pages[i].owned || census.pages[i].left)
			continue;
		(void)snprintf(name, sizeof(name), "pages-%" PRIu32 ".img", census.pages[i].id);
		fi_found(v, dir, name, 0, LOSS, "belongs to no pagemap");
	}
	verify_stats(&census);
	free(census.pages);
}
