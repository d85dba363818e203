/* images/image.c - see image.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only puts the parts together and owns them.
 */
#include "images/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "images/memory_files.h"
#include "images/parts.h"
#include "images/segments.h"

void fi_image_free(struct fi_image *image)
{
	size_t i;

	if (!image)
		return;
	for (i = 0; image->memory && !image->frozen && i < image->nr_tasks; i++) {
		fi_pagemap_done(&image->memory[i].pagemap);
		fi_mm_done(&image->memory[i].mm);
	}
	for (i = 0; !image->frozen && i < image->nr_segments; i++)
		fi_pagemap_done(&image->segments[i].pagemap);
	free(image->segments);
	free(image->anonymous);
	free(image->memory);
	free(image->by_vpid);
	free(image->tasks);
	fi_pages_done(&image->pages);
	if (image->frozen)
		(void)munmap(image->frozen, image->frozen_size);
	free(image);
}

static int read_tasks(struct fi_image *image, const struct fi_image_dir *dir, struct fi_error *err)
{
	int r;

	r = fi_pstree_read(dir, &image->tasks, &image->nr_tasks, err);
	if (r < 0)
		return r;
	image->memory = calloc(image->nr_tasks, sizeof(*image->memory));
	image->by_vpid = calloc(image->nr_tasks, sizeof(*image->by_vpid));
	if (!image->memory || !image->by_vpid)
		return fi_error_set(err, -ENOMEM, "no memory for %zu tasks", image->nr_tasks);
	return fi_pstree_index(image->tasks, image->nr_tasks, image->by_vpid, err);
}

static int read_task(struct fi_image *image, size_t i, const struct fi_chain *chain,
		     struct fi_error *err)
{
	struct fi_task_image *task = &image->tasks[i];
	struct fi_image_memory *memory = &image->memory[i];
	char name[FI_PAGEMAP_NAME_MAX];
	int r;

	r = fi_core_read(&chain->dirs[0], task, err);
	if (r < 0 || task->zombie)
		return r;
	r = fi_mm_read(&chain->dirs[0], task->vpid, &memory->mm, err);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "pagemap-%" PRIu32 ".img", task->vpid);
	r = fi_pagemap_resolve(chain, name, &memory->mm, &image->pages, &memory->pagemap, err);
	if (r < 0)
		return r;
	task->mm = &memory->mm;
	task->pagemap = &memory->pagemap;
	return 0;
}

static int read_segments(struct fi_image *image, const struct fi_chain *chain, struct fi_error *err)
{
	struct fi_segments segments = { 0 };
	int r = fi_segments_read_into(chain, &image->pages, &segments, err);

	image->segments = segments.at;
	image->nr_segments = segments.nr;
	return r;
}

/* It can be reached by the descriptor, so its inode is no anonymous memory. */
static int note_open(void *arg, uint32_t fd, uint32_t id)
{
	const struct fi_memory_files *files = arg;
	const struct fi_memory_file *open = fi_memory_files_find(files, id);

	(void)fd;
	for (size_t i = 0; open && i < files->nr; i++)
		if (files->at[i].inode == open->inode)
			files->at[i].nameless = false;
	return 0;
}

static int read_anonymous(struct fi_image *image, const struct fi_chain *chain,
			  struct fi_error *err)
{
	fi_cleanup(fi_memory_files_done) struct fi_memory_files files = { 0 };
	int r = fi_memory_files_read(&chain->dirs[0], &files, err);

	for (size_t i = 0; r == 0 && files.nr > 0 && i < image->nr_tasks; i++)
		if (!image->tasks[i].zombie)
			r = fi_descriptors_read(&chain->dirs[0], image->tasks[i].vpid, note_open,
						&files, err);
	if (r < 0 || files.nr == 0)
		return r;
	image->anonymous = calloc(files.nr, sizeof(image->anonymous[0]));
	if (!image->anonymous)
		return fi_error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < files.nr; i++)
		if (files.at[i].usable && files.at[i].nameless)
			image->anonymous[image->nr_anonymous++] =
				(struct fi_anonymous){ files.at[i].id, files.at[i].segment };
	return 0;
}

int fi_image_read(const struct fi_chain *chain, bool shared, struct fi_image **ret,
		  struct fi_error *err)
{
	fi_auto_image struct fi_image *image = NULL;
	size_t i;
	int r;

	image = calloc(1, sizeof(*image));
	if (!image)
		return fi_error_set(err, -ENOMEM, "no memory for an image");
	image->inventory = (struct fi_inventory){
		.version = chain->dirs[0].version,
		.common_magic = chain->dirs[0].common_magic,
	};
	r = read_tasks(image, &chain->dirs[0], err);
	if (r < 0)
		return r;
	for (i = 0; i < image->nr_tasks; i++) {
		r = read_task(image, i, chain, err);
		if (r < 0)
			return r;
	}
	r = shared ? read_segments(image, chain, err) : 0;
	if (r == 0 && shared)
		r = read_anonymous(image, chain, err);
	if (r == 0)
		r = fi_pages_check_owners(&image->pages, err);
	if (r < 0)
		return r;

	*ret = FI_TAKE(image);
	return 0;
}

static int open_image(int dirfd, bool shared, struct fi_image **ret, struct fi_error *err)
{
	const struct fi_image_dir first = { .fd = dirfd };
	fi_auto_chain struct fi_chain chain = { .nr = 0 };
	int r;

	r = fi_chain_open(&chain, &first, err);
	if (r < 0)
		return r;
	return fi_image_read(&chain, shared, ret, err);
}

int fi_image_open(int dirfd, struct fi_image **ret, struct fi_error *err)
{
	return open_image(dirfd, false, ret, err);
}

int fi_image_open_shared(int dirfd, struct fi_image **ret, struct fi_error *err)
{
	return open_image(dirfd, true, ret, err);
}

void fi_image_ignore_marks(struct fi_image *image)
{
	for (size_t i = 0; i < image->nr_tasks; i++)
		if (!image->tasks[i].zombie)
			fi_pagemap_ignore_marks(&image->memory[i].pagemap, &image->memory[i].mm);
}

const struct fi_inventory *fi_image_inventory(const struct fi_image *image)
{
	return &image->inventory;
}

size_t fi_image_nr_tasks(const struct fi_image *image)
{
	return image->nr_tasks;
}

const struct fi_task_image *fi_image_task(const struct fi_image *image, size_t i)
{
	return &image->tasks[i];
}

uint64_t fi_image_nr_lazy_pages(const struct fi_image *image)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < fi_image_nr_tasks(image); i++) {
		const struct fi_task_image *task = fi_image_task(image, i);
		uint64_t nr = task->pagemap ? task->pagemap->nr_lazy_pages : 0;

		sum = nr > UINT64_MAX - sum ? UINT64_MAX : sum + nr;
	}
	return sum;
}

const struct fi_task_image *fi_image_find_task(const struct fi_image *image, uint32_t vpid)
{
	return fi_pstree_find(image->by_vpid, image->nr_tasks, vpid);
}

const struct fi_pagemap *fi_image_segment(const struct fi_image *image, uint32_t id)
{
	const struct fi_segments segments = { .at = image->segments, .nr = image->nr_segments };
	const struct fi_segment *segment = fi_segments_find(&segments, id);

	return segment ? &segment->pagemap : NULL;
}

bool fi_image_is_anonymous(const struct fi_image *image, uint64_t id, uint32_t *segment)
{
	for (size_t i = 0; i < image->nr_anonymous; i++) {
		if (image->anonymous[i].id == id) {
			*segment = image->anonymous[i].segment;
			return true;
		}
	}
	return false;
}

size_t fi_image_nr_pages_files(const struct fi_image *image)
{
	return image->pages.nr;
}

const struct fi_pages_file *fi_image_pages_file(const struct fi_image *image, size_t i)
{
	return &image->pages.files[i];
}
