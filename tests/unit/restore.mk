# tests/unit/restore.mk - tests of restore/, without kernel and threads where that is possible.
# SPDX-License-Identifier: GPL-2.0-or-later

restore_tests = \
	tests/unit/test-container \
	tests/unit/test-control \
	tests/unit/test-custody \
	tests/unit/test-demand \
	tests/unit/test-drain \
	tests/unit/test-engine \
	tests/unit/test-events \
	tests/unit/test-faulter \
	tests/unit/test-gate \
	tests/unit/test-priority \
	tests/unit/test-keeper \
	tests/unit/test-latency \
	tests/unit/test-layout \
	tests/unit/test-lazysock \
	tests/unit/test-names \
	tests/unit/test-owed \
	tests/unit/test-placement \
	tests/unit/test-pool \
	tests/unit/test-report \
	tests/unit/test-request \
	tests/unit/test-serve-options \
	tests/unit/test-smaps \
	tests/unit/test-share \
	tests/unit/test-source \
	tests/unit/test-takeover \
	tests/unit/test-trace \
	tests/unit/test-uffd \
	tests/unit/test-workfile
# With sanitizers nothing is refused.
if !SANITIZED
restore_tests += tests/unit/test-sandbox
endif
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
fail_alloc = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc \
	-Wl,--wrap=fi_durable_alloc

tests_unit_test_control_CFLAGS = $(restore_test_cflags) $(JSON_C_CFLAGS)
tests_unit_test_control_LDADD = $(restore_test_libs)

tests_unit_test_container_CFLAGS = $(restore_test_cflags)
tests_unit_test_container_LDADD = $(restore_test_libs)

tests_unit_test_latency_CFLAGS = $(restore_test_cflags)
tests_unit_test_latency_LDADD = $(restore_test_libs)

tests_unit_test_request_CFLAGS = $(restore_test_cflags)
tests_unit_test_request_LDADD = $(restore_test_libs)

tests_unit_test_priority_CFLAGS = $(restore_test_cflags)
tests_unit_test_priority_LDADD = $(restore_test_libs)
tests_unit_test_gate_CFLAGS = $(restore_test_cflags)
tests_unit_test_gate_LDADD = $(restore_test_libs)

tests_unit_test_keeper_CFLAGS = $(restore_test_cflags)
tests_unit_test_keeper_LDADD = $(restore_test_libs)

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
tests_unit_test_drain_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc) -Wl,--wrap=fi_source_fetch
tests_unit_test_drain_LDADD = $(restore_test_libs)

tests_unit_test_faulter_CFLAGS = $(restore_test_cflags)
tests_unit_test_faulter_LDADD = $(restore_test_libs)

tests_unit_test_engine_CFLAGS = $(restore_test_cflags)
tests_unit_test_engine_LDADD = $(restore_test_libs)

tests_unit_test_lazysock_CFLAGS = $(restore_test_cflags)
tests_unit_test_lazysock_LDADD = $(restore_test_libs)

tests_unit_test_names_CFLAGS = $(restore_test_cflags)
tests_unit_test_names_LDADD = $(restore_test_libs)

tests_unit_test_report_CFLAGS = $(restore_test_cflags) $(JSON_C_CFLAGS)
tests_unit_test_report_LDADD = $(restore_test_libs)

tests_unit_test_sandbox_CFLAGS = $(restore_test_cflags) $(SECCOMP_CFLAGS)
tests_unit_test_sandbox_LDADD = $(restore_test_libs) $(SECCOMP_LIBS)

tests_unit_test_serve_options_CFLAGS = $(restore_test_cflags)
tests_unit_test_serve_options_LDADD = $(restore_test_libs)

tests_unit_test_smaps_CFLAGS = $(restore_test_cflags)
tests_unit_test_smaps_LDADD = $(restore_test_libs)

tests_unit_test_placement_CFLAGS = $(restore_test_cflags)
tests_unit_test_placement_LDADD = $(restore_test_libs)

tests_unit_test_share_CFLAGS = $(restore_test_cflags)
tests_unit_test_share_LDADD = $(restore_test_libs)
tests_unit_test_source_CFLAGS = $(restore_test_cflags)
tests_unit_test_source_LDADD = $(restore_test_libs)

tests_unit_test_takeover_CFLAGS = $(restore_test_cflags)
tests_unit_test_takeover_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fi_uffd_read
tests_unit_test_takeover_LDADD = $(restore_test_libs)

tests_unit_test_trace_CFLAGS = $(restore_test_cflags) $(JSON_C_CFLAGS)
tests_unit_test_trace_LDADD = $(restore_test_libs)

tests_unit_test_workfile_CFLAGS = $(restore_test_cflags)
tests_unit_test_workfile_LDADD = $(restore_test_libs)

# Those with the real door, which is found first because they call it themselves.
tests_unit_test_custody_CFLAGS = $(restore_test_cflags)
tests_unit_test_custody_LDADD = libuffd.a $(restore_test_libs)

tests_unit_test_pool_SOURCES = tests/unit/test-pool.c plugin/pass.c plugin/pass.h
tests_unit_test_pool_CFLAGS = $(restore_test_cflags)
tests_unit_test_pool_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fi_source_fetch \
	-Wl,--wrap=fi_uffd_copy -Wl,--wrap=fi_uffd_fault_waits
tests_unit_test_pool_LDADD = libuffd.a $(restore_test_libs)

tests_unit_test_uffd_CFLAGS = $(restore_test_cflags)
tests_unit_test_uffd_LDADD = libuffd.a $(restore_test_libs)
