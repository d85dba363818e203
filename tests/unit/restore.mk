# tests/unit/restore.mk - tests of restore/, without kernel and threads where that is possible.
# SPDX-License-Identifier: GPL-2.0-or-later

restore_tests = \
	tests/unit/test-demand \
	tests/unit/test-drain \
	tests/unit/test-engine \
	tests/unit/test-events \
	tests/unit/test-gate \
	tests/unit/test-layout \
	tests/unit/test-owed
check_PROGRAMS += $(restore_tests)
TESTS += $(restore_tests)

# A scripted door, an image of C tables, and allocations that fail.
check_LIBRARIES += tests/unit/libfake.a
tests_unit_libfake_a_SOURCES = \
	tests/unit/cmocka-first.h \
	tests/unit/fail-alloc.c \
	tests/unit/fail-alloc.h \
	tests/unit/fake-uffd.c \
	tests/unit/fake-uffd.h \
	tests/unit/toy-image.c \
	tests/unit/toy-image.h

# The toy takes the place of images/image.c and the fake that of libuffd.a, so they are found before.
# libtool forgets an archive that is named twice: a test that needs the door calls fake_reset.
restore_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
restore_test_libs = tests/unit/libfake.a librestore.a $(RESTORE_BASE_LIBS) $(CMOCKA_LIBS)
fail_alloc = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc

tests_unit_test_gate_CFLAGS = $(restore_test_cflags)
tests_unit_test_gate_LDADD = $(restore_test_libs)

tests_unit_test_layout_CFLAGS = $(restore_test_cflags)
tests_unit_test_layout_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc)
tests_unit_test_layout_LDADD = $(restore_test_libs)

tests_unit_test_owed_CFLAGS = $(restore_test_cflags)
tests_unit_test_owed_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc)
tests_unit_test_owed_LDADD = $(restore_test_libs)

tests_unit_test_events_CFLAGS = $(restore_test_cflags)
tests_unit_test_events_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc)
tests_unit_test_events_LDADD = $(restore_test_libs)

tests_unit_test_demand_CFLAGS = $(restore_test_cflags)
tests_unit_test_demand_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc)
tests_unit_test_demand_LDADD = $(restore_test_libs)

tests_unit_test_drain_CFLAGS = $(restore_test_cflags)
tests_unit_test_drain_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc) -Wl,--wrap=fi_source_populate
tests_unit_test_drain_LDADD = $(restore_test_libs)

tests_unit_test_engine_CFLAGS = $(restore_test_cflags)
tests_unit_test_engine_LDADD = $(restore_test_libs)
