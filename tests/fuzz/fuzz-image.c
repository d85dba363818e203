/* tests/fuzz/fuzz-image.c - opening a directory as a restore does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The input is a pack.  What is accepted has to keep every promise of the headers.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/image-builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pack pack;
	struct fi_image *image = NULL;
	struct fi_error err = { "" };
	int dirfd, r;

	pack_read(&pack, data, size);
	pack.options &= (uint8_t)~PACK_ARCHIVE;
	if (pack.options & PACK_FIT)
		pack_fit(&pack);
	dirfd = open(pack_show(&pack), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(dirfd >= 0);
	r = fi_image_open(dirfd, &image, &err);
	if (r == 0)
		assert_image_holds(image);
	else
		FUZZ_CHECK(r < 0 && err.text[0] && !image);
	fi_image_free(image);
	(void)close(dirfd);
	return 0;
}
