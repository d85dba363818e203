# tests/unit/common.mk - tests of common/.
check_PROGRAMS += tests/unit/test-cleanup tests/unit/test-error
TESTS += tests/unit/test-cleanup tests/unit/test-error

tests_unit_test_cleanup_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cleanup_LDADD = libcommon.a $(CMOCKA_LIBS)

tests_unit_test_error_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_error_LDADD = libcommon.a $(CMOCKA_LIBS)
