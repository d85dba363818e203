# tests/unit/images.mk - tests of images/.
# SPDX-License-Identifier: GPL-2.0-or-later

# What writes the images: good ones, and bad ones on request.
check_LIBRARIES += tests/unit/libimagebuilder.a
tests_unit_libimagebuilder_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
tests_unit_libimagebuilder_a_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_libimagebuilder_a_SOURCES = tests/unit/image-builder.c tests/unit/image-builder.h

images_tests = \
	tests/unit/test-images-bad \
	tests/unit/test-images-good \
	tests/unit/test-images-model \
	tests/unit/test-images-mutants \
	tests/unit/test-images-nomem \
	tests/unit/test-images-segments \
	tests/unit/test-images-slice \
	tests/unit/test-pagemap-file
check_PROGRAMS += $(images_tests)
TESTS += $(images_tests)

images_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PROTOBUF_C_CFLAGS)
images_test_ldadd = tests/unit/libimagebuilder.a $(IMAGES_LIBS) $(CMOCKA_LIBS)

tests_unit_test_images_bad_CFLAGS = $(images_test_cflags)
tests_unit_test_images_bad_LDADD = $(images_test_ldadd)

tests_unit_test_images_good_CFLAGS = $(images_test_cflags)
tests_unit_test_images_good_LDADD = $(images_test_ldadd)

tests_unit_test_images_model_CFLAGS = $(images_test_cflags)
tests_unit_test_images_model_LDADD = $(images_test_ldadd)

tests_unit_test_images_mutants_CFLAGS = $(images_test_cflags)
tests_unit_test_images_mutants_LDADD = $(images_test_ldadd)

tests_unit_test_images_segments_CFLAGS = $(images_test_cflags)
tests_unit_test_images_segments_LDADD = $(images_test_ldadd)

tests_unit_test_images_slice_CFLAGS = $(images_test_cflags)
tests_unit_test_images_slice_LDADD = $(images_test_ldadd)

tests_unit_test_pagemap_file_CFLAGS = $(images_test_cflags)
tests_unit_test_pagemap_file_LDADD = $(images_test_ldadd)

# Their allocator fails when it is told to.
nomem_ldflags = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup
tests_unit_test_images_nomem_SOURCES = \
	tests/unit/nomem.c \
	tests/unit/nomem.h \
	tests/unit/test-images-nomem.c
tests_unit_test_images_nomem_CFLAGS = $(images_test_cflags)
tests_unit_test_images_nomem_LDADD = $(images_test_ldadd)
tests_unit_test_images_nomem_LDFLAGS = $(nomem_ldflags)

# images/inspect/, on an image that has something for each of its readers.
inspect_tests = tests/unit/test-inspect tests/unit/test-inspect-nomem
check_PROGRAMS += $(inspect_tests)
TESTS += $(inspect_tests)
inspect_test_cflags = $(images_test_cflags) $(JSON_C_CFLAGS) $(LIBARCHIVE_CFLAGS)
inspect_test_ldadd = tests/unit/libimagebuilder.a $(INSPECT_LIBS) $(CMOCKA_LIBS)

tests_unit_test_inspect_SOURCES = \
	tests/unit/inspect-sample.c \
	tests/unit/inspect-sample.h \
	tests/unit/test-inspect.c
tests_unit_test_inspect_CFLAGS = $(inspect_test_cflags)
tests_unit_test_inspect_LDADD = $(inspect_test_ldadd)

tests_unit_test_inspect_nomem_SOURCES = \
	tests/unit/inspect-sample.c \
	tests/unit/inspect-sample.h \
	tests/unit/nomem.c \
	tests/unit/nomem.h \
	tests/unit/test-inspect-nomem.c
tests_unit_test_inspect_nomem_CFLAGS = $(inspect_test_cflags)
tests_unit_test_inspect_nomem_LDADD = $(inspect_test_ldadd)
tests_unit_test_inspect_nomem_LDFLAGS = $(nomem_ldflags)
