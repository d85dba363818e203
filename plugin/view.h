/* plugin/view.h - an image directory without the memory that is left out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CRIU restores from whatever directory its image descriptor refers to.  A view looks like the
 * image, but the pagemap and pages files of some tasks are those of their slices (images/slice.h), there
 * are none of the pages of shared memory that is filled here (shared.h), and it has no parent.
 * It is an overlay of a tmpfs over the image's directory, mounted nowhere: it has no path, nothing
 * that is written there reaches the image (CRIU punches holes into pages files that it has read, if it
 * was told --auto-dedup), and it is gone with the last descriptor, however that comes about.
 */
#ifndef FI_PLUGIN_VIEW_H
#define FI_PLUGIN_VIEW_H

#include <stddef.h>

#include "images/slice.h"
#include "plugin/shared.h"

/* Makes a view of the image in @dirfd with @slices in it, and without @shared.  Returns its directory's descriptor
 * (CLOEXEC), or a negative errno, said in @err: the kernel has to be able to stack an overlay on the
 * image's file system. */
int fi_view_open(int dirfd, const struct fi_image *image, const struct fi_slice *slices,
		 size_t nr_slices, const struct fi_shared *shared, struct fi_error *err);

#endif
