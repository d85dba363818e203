/* images/segments.c - see segments.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "images/segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/chain.h"
#include "images/pagemap-writer.h"

#define BEGIN "pagemap-shmem-"

static void name_of(uint32_t id, char ret[FI_PAGEMAP_NAME_MAX])
{
	(void)snprintf(ret, FI_PAGEMAP_NAME_MAX, BEGIN "%" PRIu32 ".img", id);
}

static int add_named(const char *name, uint64_t size, void *arg)
{
	struct fi_segments *segments = arg;
	unsigned long long id;
	void *grown;
	char *end;

	(void)size;
	if (strncmp(name, BEGIN, strlen(BEGIN)) != 0)
		return 0;
	errno = 0;
	id = strtoull(name + strlen(BEGIN), &end, 10);
	if (errno || id > UINT32_MAX || end == name + strlen(BEGIN) || strcmp(end, ".img") != 0)
		return 0;
	if ((segments->nr & (segments->nr - 1)) == 0) { /* grown at each power of two */
		grown = reallocarray(segments->at, segments->nr ? segments->nr * 2 : 1,
				     sizeof(*segments->at));
		if (!grown)
			return -ENOMEM;
		segments->at = grown;
	}
	segments->at[segments->nr++] = (struct fi_segment){ .id = (uint32_t)id };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct fi_segment *left = a, *right = b;

	return left->id < right->id ? -1 : left->id > right->id;
}

int fi_segments_read_into(const struct fi_chain *chain, struct fi_pages_table *pages,
			  struct fi_segments *ret, struct fi_error *err)
{
	/* A segment as if it were one large mapping, since its pagemap has the same shape. */
	const struct fi_vma vma = {
		.start = 0,
		.end = UINT64_MAX & ~(FI_PAGE_SIZE - 1),
		.status = FI_VMA_REGULAR | FI_VMA_ANON_PRIVATE,
		.lazy = true,
	};
	const struct fi_mm mm = { .vmas = &vma, .nr_vmas = 1 };
	char name[FI_PAGEMAP_NAME_MAX];
	int r;

	r = fi_image_dir_list(&chain->dirs[0], add_named, ret, err);
	if (r < 0)
		return r;
	if (ret->nr > 0)
		qsort(ret->at, ret->nr, sizeof(*ret->at), compare);
	for (size_t i = 0; r == 0 && i < ret->nr; i++) {
		name_of(ret->at[i].id, name);
		r = fi_pagemap_resolve(chain, name, &mm, pages, &ret->at[i].pagemap, err);
	}
	return r;
}

int fi_segments_read(const struct fi_chain *chain, struct fi_segments *ret, struct fi_error *err)
{
	return fi_segments_read_into(chain, &ret->pages, ret, err);
}

int fi_segments_open(int dirfd, struct fi_segments *ret, struct fi_error *err)
{
	const struct fi_image_dir first = { .fd = dirfd };
	fi_auto_chain struct fi_chain chain = { .nr = 0 };
	int r = fi_chain_open(&chain, &first, err);

	return r < 0 ? r : fi_segments_read(&chain, ret, err);
}

void fi_segments_done(struct fi_segments *segments)
{
	for (size_t i = 0; i < segments->nr; i++)
		fi_pagemap_done(&segments->at[i].pagemap);
	free(segments->at);
	fi_pages_done(&segments->pages);
	*segments = (struct fi_segments){ 0 };
}

const struct fi_segment *fi_segments_find(const struct fi_segments *segments, uint64_t id)
{
	const struct fi_segment key = { .id = (uint32_t)id };

	if (id > UINT32_MAX || segments->nr == 0)
		return NULL;
	return bsearch(&key, segments->at, segments->nr, sizeof(key), compare);
}

int fi_segment_write(const struct fi_segments *segments, const struct fi_segment *segment,
		     bool with_pages, const struct fi_image *image, int dirfd, int to,
		     struct fi_error *err)
{
	fi_cleanup(fi_pagemap_writer_done) struct fi_pagemap_writer writer;
	const struct fi_pagemap *pm = &segment->pagemap;
	char name[FI_PAGEMAP_NAME_MAX];
	int r;

	name_of(segment->id, name);
	r = fi_pagemap_writer_begin(&writer, fi_image_inventory(image), dirfd, to, name, err);
	for (size_t i = 0; with_pages && r == 0 && i < pm->nr_runs; i++)
		r = fi_pagemap_writer_put(&writer, &pm->runs[i], segments->pages.files, err);
	return r == 0 ? fi_pagemap_writer_end(&writer, err) : r;
}
