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
	tests/unit/test-images-nomem
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

# Its allocator fails when it is told to.
tests_unit_test_images_nomem_CFLAGS = $(images_test_cflags)
tests_unit_test_images_nomem_LDADD = $(images_test_ldadd)
tests_unit_test_images_nomem_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup

# images/inspect/, on an image that has something for each of its readers.
check_PROGRAMS += tests/unit/test-inspect
TESTS += tests/unit/test-inspect
tests_unit_test_inspect_SOURCES = \
	tests/unit/inspect-sample.c \
	tests/unit/inspect-sample.h \
	tests/unit/test-inspect.c
tests_unit_test_inspect_CFLAGS = $(images_test_cflags) $(JSON_C_CFLAGS) $(LIBARCHIVE_CFLAGS)
tests_unit_test_inspect_LDADD = tests/unit/libimagebuilder.a $(INSPECT_LIBS) $(CMOCKA_LIBS)
