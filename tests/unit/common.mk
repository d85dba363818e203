# tests/unit/common.mk - tests of common/.
common_tests = tests/unit/test-cleanup tests/unit/test-error tests/unit/test-settings
check_PROGRAMS += $(common_tests)
TESTS += $(common_tests)

tests_unit_test_cleanup_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cleanup_LDADD = libcommon.a $(CMOCKA_LIBS)

tests_unit_test_error_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_error_LDADD = libcommon.a $(CMOCKA_LIBS)

tests_unit_test_settings_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_settings_LDADD = libcommon.a $(CMOCKA_LIBS)
