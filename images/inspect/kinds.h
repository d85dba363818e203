/* images/inspect/kinds.h - which files an image is made of, and the shape of each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef FI_INSPECT_KINDS_H
#define FI_INSPECT_KINDS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "images/parts.h" /* has some of the magic numbers */

#define FI_MAGIC_CORE	    UINT32_C(0x55053847)
#define FI_MAGIC_FS	    UINT32_C(0x51403912)
#define FI_MAGIC_MM	    UINT32_C(0x57492820)
#define FI_MAGIC_MNTS	    UINT32_C(0x55563928)
#define FI_MAGIC_NETDEV	    UINT32_C(0x57373951)
#define FI_MAGIC_PIPES_DATA UINT32_C(0x56453709)
#define FI_MAGIC_PSTREE	    UINT32_C(0x50273030)
#define FI_MAGIC_REMAP	    UINT32_C(0x59133954)
#define FI_MAGIC_STATS	    UINT32_C(0x57093306)
#define FI_MAGIC_TTY_INFO   UINT32_C(0x59453036)
#define FI_MAGIC_UTSNS	    UINT32_C(0x54473203)

/* Service files begin with this in place of the common magic number. */
#define FI_MAGIC_SERVICE UINT32_C(0x55105940)

enum fi_shape {
	FI_SHAPE_ONE,	  /* exactly one record */
	FI_SHAPE_RECORDS, /* any number */
	FI_SHAPE_TAILS,	  /* any number, each with raw bytes after it */
	FI_SHAPE_HEAD,	  /* one record, then something of its own */
	FI_SHAPE_PAGEMAP, /* a head, then entries */
	FI_SHAPE_RAW,	  /* no records: pages, or another program's format */
};

struct fi_kind {
	const char *stem; /* of "STEM.img" or "STEM-....img" */
	uint32_t magic;
	enum fi_shape shape;
	const ProtobufCMessageDescriptor *type; /* of its records; NULL: only their form is known */
	/* FI_SHAPE_TAILS: how many bytes follow the record. */
	uint64_t (*tail)(const void *msg);
	const char *loss; /* what follows when it is not what it should be, for people */
};

/* The kind of the file @name, or NULL if it is none of an image's. */
const struct fi_kind *fi_kind_of(const char *name);

#endif
