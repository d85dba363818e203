/* images/inventory.c - inventory.img: which kind of image this is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>

#include "images/parts.h"
#include "images/proto/inventory.pb-c.h"
#include "images/record.h"

#define INVENTORY_MAGIC UINT32_C(0x58313116)
#define INVENTORY_MAX	(1024 * 1024)

/* The values of img_version that CRIU has given out. */
enum {
	PRE_DUMP = 0,	 /* `criu pre-dump` leaves it unset */
	IMAGES_V1 = 1,	 /* one magic number */
	IMAGES_V1_1 = 2, /* the common magic number, then its own */
	IMAGES_V1_2 = 3, /* pages may be compressed */
};

int fi_inventory_read(struct fi_image_dir *dir, struct fi_error *err)
{
	/* The inventory itself has one magic number in every version. */
	struct fi_image_dir plain = *dir;
	fi_auto_records struct fi_records rd;
	const Fi__Pb__Inventory *inventory;
	const void *msg;
	int r;

	plain.common_magic = false;
	r = fi_records_read_only(&rd, &plain, "inventory.img", INVENTORY_MAGIC,
				 &fi__pb__inventory__descriptor, INVENTORY_MAX, &msg, err);
	if (r < 0)
		return r;

	inventory = msg;
	switch (inventory->img_version) {
	case PRE_DUMP:
		if (dir->level > 0)
			return 0;
		return fi_records_error(&rd, err, -EPROTONOSUPPORT,
					"a pre-dump, which only serves as the parent of a dump");
	case IMAGES_V1:
	case IMAGES_V1_1:
		break;
	case IMAGES_V1_2:
		return fi_records_error(&rd, err, -EPROTONOSUPPORT,
					"image version 3 (compressed pages) is not supported");
	default:
		return fi_records_error(&rd, err, -EPROTONOSUPPORT,
					"image version %" PRIu32 " is not supported",
					inventory->img_version);
	}
	dir->version = inventory->img_version;
	dir->common_magic = inventory->img_version != IMAGES_V1;
	return 0;
}
