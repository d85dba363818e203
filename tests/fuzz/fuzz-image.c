/* tests/fuzz/fuzz-image.c - opening a directory as a restore does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a pack.  What is accepted has to keep every promise of the headers, and to
 * be the same after it was frozen for an engine that comes later.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "images/frozen.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/image-builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack pack;
	struct fi_image *image = NULL;
	struct fi_error err = { "" };
	int dirfd, frozen, r;

	pack_read(&pack, data, size);
	pack.options &= (uint8_t)~PACK_ARCHIVE;
	if (pack.options & PACK_FIT)
		pack_fit(&pack);
	dirfd = open(pack_show(&pack), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(dirfd >= 0);
	r = fi_image_open(dirfd, &image, &err);
	if (r == 0) {
		assert_image_holds(image);
		frozen = fi_image_freeze(image, &err);
		FUZZ_CHECK(frozen >= 0);
		fi_image_free(image);
		image = NULL;
		FUZZ_CHECK(fi_image_thaw(frozen, &image, &err) == 0);
		assert_image_holds(image);
		(void)close(frozen);
	} else {
		FUZZ_CHECK(r < 0 && err.text[0] && !image);
	}
	fi_image_free(image);
	(void)close(dirfd);
	return 0;
}
