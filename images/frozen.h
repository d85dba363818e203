/* images/frozen.h - an image as one sealed file in memory, for engines that come later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An image is read and checked once.  Its tables are then written to a memfd, which is sealed, and a
 * later process with the same descriptors has the same image without reading the directory again:
 * that may have been deleted or changed meanwhile.  The pages files stay the open files that they
 * are; the frozen image names their descriptors.
 */
#ifndef FI_IMAGES_FROZEN_H
#define FI_IMAGES_FROZEN_H

#include "images/image.h"

/* Writes @image down.  Returns the memfd, the caller's, and @image can only be freed: that leaves the
 * pages files open, for whoever thaws.  Or a negative errno, said in @err. */
int fi_image_freeze(struct fi_image *image, struct fi_error *err);

/* The image in @frozen, which stays the caller's.  To free it closes the pages files, so it is the
 * end for all who share the descriptors.  Returns 0; -EBADMSG when this is no image frozen by the same version; -ENOMEM or what
 * mmap(2) gave.  It is not checked again: only fi_image_freeze's own files may be given. */
int fi_image_thaw(int frozen, struct fi_image **ret, struct fi_error *err);

/* Calls @each with the descriptor of each pages file that @frozen, which stays the caller's, names, until that
 * returns a negative number.  Returns 0, that number, -EBADMSG or what mmap(2) gave.  Allocates nothing, and
 * looks at nothing outside: the file may be of somebody who was hostile. */
int fi_image_frozen_files(int frozen, int (*each)(void *arg, int fd), void *arg);

/* Whether @fd is one of the image's pages files. */
bool fi_image_holds_fd(const struct fi_image *image, int fd);

#endif
