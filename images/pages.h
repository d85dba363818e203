/* images/pages.h - pages-N.img: the bytes of a checkpoint's pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file has no header; page k of it is at byte k * FI_PAGE_SIZE.  It is opened and mapped when
 * the image is opened, so that a later deletion of the image does not matter.  The mapping is for
 * the kernel to copy from (UFFDIO_COPY answers EFAULT when a file was truncated behind our back);
 * a program that reads it itself must be ready for SIGBUS.
 */
#ifndef FI_IMAGES_PAGES_H
#define FI_IMAGES_PAGES_H

#include <stdint.h>

#define FI_PAGE_SHIFT 12
#define FI_PAGE_SIZE  (UINT64_C(1) << FI_PAGE_SHIFT)

/* No pages file has more than 2^FI_PAGES_BITS bytes (64 TiB; a process could map the double of it, if nothing
 * else). */
#define FI_PAGES_BITS 46

struct fi_pages_file {
	const char
		*name; /* "pages-1.img", with one "parent/" before it for each level up the chain */
	const uint8_t *map; /* whole file, PROT_READ, MAP_SHARED; NULL when it is in an archive */
	uint64_t size;	    /* bytes, more than 0, a multiple of FI_PAGE_SIZE */
	unsigned level;	    /* 0: of the image itself, 1: of its parent, ... */
	int fd;		    /* -EBADF when it is in an archive */
};

#endif
