# tests/unit/plugin.mk - tests of the plugin, and of the process events.
check_PROGRAMS += tests/unit/test-procevents
TESTS += tests/unit/test-procevents

tests_unit_test_procevents_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_procevents_LDADD = librestore.a libcommon.a $(LIBNL_LIBS) $(CMOCKA_LIBS)
