/* tests/unit/inspect-sample.h - an image with something for every reader of images/inspect/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Include after cmocka.h.
 */
#ifndef FI_TESTS_INSPECT_SAMPLE_H
#define FI_TESTS_INSPECT_SAMPLE_H

#include "images/inspect/checkpoint.h"
#include "tests/unit/image-builder.h"

/* builder_sample with open files, sockets, shared memory, namespaces and mounts: an image in which
 * fi_verify finds nothing. */
void inspect_sample(struct builder *b, struct builder *parent);

/* Its files that are made of records, those of the parent not included. */
extern const char *const inspect_files[];
extern const size_t inspect_nr_files;

/* Makes a tar of the directory, packed by @filter (ARCHIVE_FILTER_*), in a file of a temporary name
 * that is gone already; returns its descriptor. */
int inspect_tar(const struct builder *b, int filter);

#endif
