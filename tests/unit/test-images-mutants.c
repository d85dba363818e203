/* tests/unit/test-images-mutants.c - every small file cut at every byte, with every bit flipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing may crash or leak; an error has a text; and an image that is accepted all the same (a bit
 * of a name flipped) keeps every promise of the headers.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/image-builder.h"

struct victim {
	const char *name;
	bool in_parent;
	bool of_records; /* cut after a record, it is a shorter file like another */
};

static const struct victim victims[] = {
	{ "inventory.img", false, false }, { "pstree.img", false, true },
	{ "core-10.img", false, false },   { "core-11.img", false, false },
	{ "mm-10.img", false, false },	   { "mm-12.img", false, false },
	{ "pagemap-10.img", false, true }, { "pagemap-12.img", false, true },
	{ "inventory.img", true, false },  { "pagemap-10.img", true, true },
};

/* Opens an image that may be bad; true if it was taken for good. */
static bool try_open(const struct builder *b)
{
	struct fi_error err = { "" };
	struct fi_image *image = NULL;
	int r = fi_image_open(b->dirfd, &image, &err);

	if (r == 0) {
		assert_image_holds(image);
		fi_image_free(image);
		return true;
	}
	assert_null(image);
	assert_in_set(-r, ((const unsigned long[]){ ENOENT, EBADMSG, EPROTONOSUPPORT }), 3);
	assert_non_null(strchr(err.text, '\''));
	return false;
}

/* True if a record of the file ends at @len. */
static bool is_whole(const uint8_t *data, size_t len)
{
	size_t at = 8;
	uint32_t record;

	while (at < len) {
		memcpy(&record, data + at, sizeof(record));
		at += sizeof(record) + record;
	}
	return at == len;
}

static void cut_everywhere(void **state)
{
	const struct victim *victim = *state;
	struct builder image, parent, *b;
	uint8_t *data;
	size_t len, i;

	builder_sample(&image, &parent);
	b = victim->in_parent ? &parent : &image;
	data = builder_read(b, victim->name, &len);
	for (i = 0; i < len; i++) {
		builder_write(b, victim->name, data, i);
		if (try_open(&image) && !(victim->of_records && is_whole(data, i)))
			fail_msg("'%s' was accepted when cut at %zu", victim->name, i);
	}
	builder_write(b, victim->name, data, len);
	assert_true(try_open(&image));
	free(data);
	builder_done(&parent);
	builder_done(&image);
}

static void flip_every_bit(void **state)
{
	const struct victim *victim = *state;
	size_t before = nr_open_fds(), len, i;
	struct builder image, parent, *b;
	uint8_t *data;

	builder_sample(&image, &parent);
	b = victim->in_parent ? &parent : &image;
	data = builder_read(b, victim->name, &len);
	for (i = 0; i < len * 8; i++) {
		data[i / 8] ^= (uint8_t)(1 << i % 8);
		builder_write(b, victim->name, data, len);
		(void)try_open(&image);
		data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	free(data);
	builder_done(&parent);
	builder_done(&image);
	assert_int_equal(nr_open_fds(), before);
}

/* Bytes that have nothing to do with an image, behind the right magic numbers. */
static void noise(void **state)
{
	struct builder image, parent;
	size_t len, i, k, round;
	uint8_t *data;

	srand(1);
	for (i = 0; i < FI_ARRAY_SIZE(victims); i++) {
		const struct victim *victim = &victims[i];
		struct builder *b = victim->in_parent ? &parent : &image;

		builder_sample(&image, &parent);
		data = builder_read(b, victim->name, &len);
		for (round = 0; round < 300; round++) {
			for (k = 8; k < len; k++)
				if (rand() % 16 == 0)
					data[k] = (uint8_t)rand();
			builder_write(b, victim->name, data, len);
			(void)try_open(&image);
		}
		free(data);
		builder_done(&parent);
		builder_done(&image);
	}
}

int main(void)
{
	struct CMUnitTest tests[2 * FI_ARRAY_SIZE(victims) + 1];
	char names[2 * FI_ARRAY_SIZE(victims)][64];
	size_t i, nr = 0;

	for (i = 0; i < 2 * FI_ARRAY_SIZE(victims); i++) {
		const struct victim *victim = &victims[i / 2];

		(void)snprintf(names[nr], sizeof(names[nr]), "%s of %s%s",
			       i % 2 ? "every bit" : "every length",
			       victim->in_parent ? "parent/" : "", victim->name);
		tests[nr] = (struct CMUnitTest){
			.name = names[nr],
			.test_func = i % 2 ? flip_every_bit : cut_everywhere,
			.initial_state = (void *)victim,
		};
		nr++;
	}
	tests[nr] = (struct CMUnitTest)cmocka_unit_test(noise);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
