/* tests/unit/image-builder.h - writes small checkpoint directories, good ones and, by request,
 * others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For tests: what fails here ends the test program.  Include after cmocka.h.
 */
#ifndef FI_TESTS_IMAGE_BUILDER_H
#define FI_TESTS_IMAGE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/image.h"
#include "images/proto/pagemap.pb-c.h"

/* A temporary directory. */
struct builder {
	char path[64];
	int dirfd;
	uint32_t version; /* of the images written: 2, or 1 for files without the common magic */
};

void builder_init(struct builder *b);
void builder_done(struct builder *b); /* removes the directory and all in it */

/* A directory inside @b, for a parent image; release with builder_done before @b. */
void builder_subdir(const struct builder *b, const char *name, struct builder *ret);

/* Writes a whole file. */
void builder_write(const struct builder *b, const char *name, const void *data, size_t len);

/* Cuts a file, or lengthens it with a hole. */
void builder_resize(const struct builder *b, const char *name, uint64_t size);

/* Reads a whole file, to be freed. */
uint8_t *builder_read(const struct builder *b, const char *name, size_t *ret_len);

/* A file being composed in memory: magic numbers first, then messages. */
struct builder_file {
	uint8_t *data;
	size_t len, size;
};

void builder_magic(const struct builder *b, struct builder_file *file, uint32_t magic);
void builder_bytes(struct builder_file *file, const void *data, size_t len);
void builder_record(struct builder_file *file, const void *msg); /* a protobuf-c message */
/* Writes it as @name and forgets it. */
void builder_flush(const struct builder *b, struct builder_file *file, const char *name);

void builder_inventory(const struct builder *b, uint32_t version);

struct builder_task {
	uint32_t pid, ppid;
	uint32_t nr_threads;
};

void builder_pstree(const struct builder *b, const struct builder_task *tasks, size_t nr);
void builder_core(const struct builder *b, uint32_t vpid, uint32_t state, const char *comm);

/* Of each VMA, everything but `lazy` is written. */
void builder_mm(const struct builder *b, uint32_t vpid, const struct fi_vma *vmas, size_t nr);

/* An entry in the way CRIU 4.2 writes it. */
#define PE_PARENT  1
#define PE_LAZY	   2
#define PE_PRESENT 4
Fi__Pb__PagemapEntry builder_entry(uint64_t addr, uint64_t nr_pages, uint32_t flags);

void builder_pagemap(const struct builder *b, uint32_t vpid, uint32_t pages_id,
		     const Fi__Pb__PagemapEntry *entries, size_t nr);

/* pages-ID.img with a stamp at the start of each page. */
void builder_pages(const struct builder *b, uint32_t id, uint64_t nr_pages, uint64_t tag);
uint64_t builder_stamp(uint64_t tag, uint64_t page);

/* A VMA as CRIU describes private anonymous memory, and others. */
struct fi_vma builder_anon(uint64_t start, uint64_t end);

/* The image that most tests begin with: tasks 10 (two threads, a parent image), 11 (zombie) and 12
 * (stopped), with VMAs and entries of every kind.  image-builder.c draws it. */
void builder_sample(struct builder *b, struct builder *parent);

/* Opens the image; says in the test's output what was wrong if it cannot be. */
struct fi_image *builder_open(const struct builder *b);

/* Checks every promise of the headers on an open image. */
void assert_image_holds(const struct fi_image *image);

/* Descriptors open in this process. */
size_t nr_open_fds(void);

#endif
