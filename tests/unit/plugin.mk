# tests/unit/plugin.mk - tests of the plugin, and of the process events.
check_PROGRAMS += \
	tests/unit/fake-engine \
	tests/unit/stub-criu \
	tests/unit/stub-criu-linked \
	tests/unit/test-criu-options \
	tests/unit/test-inject \
	tests/unit/test-plugin \
	tests/unit/test-plugin-parts \
	tests/unit/test-procevents
TESTS += \
	tests/unit/test-criu-options \
	tests/unit/test-inject \
	tests/unit/test-plugin \
	tests/unit/test-plugin-parts \
	tests/unit/test-procevents

# The plugin's sources once more, with the sanitizers and all names to be seen.
check_LIBRARIES += tests/unit/libplugin.a
tests_unit_libplugin_a_SOURCES = $(plugin_parts)
tests_unit_libplugin_a_CPPFLAGS = $(plugin_cppflags) $(PROTOBUF_C_CFLAGS)

# It calls back into the program that loads it; so does the stub's plugin.
tests_unit_stub_criu_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_unit_stub_criu_linked_SOURCES = tests/unit/stub-criu.c plugin/plugin.c
tests_unit_stub_criu_linked_CPPFLAGS = $(plugin_cppflags) -DSTUB_LINKED
tests_unit_stub_criu_linked_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
tests_unit_stub_criu_linked_LDADD = tests/unit/libplugin.a $(IMAGES_LIBS)

tests_unit_test_criu_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_criu_options_LDADD = tests/unit/libplugin.a $(IMAGES_LIBS) $(CMOCKA_LIBS)

tests_unit_test_inject_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PTHREAD_CFLAGS)
tests_unit_test_inject_LDADD = tests/unit/libplugin.a $(IMAGES_LIBS) $(CMOCKA_LIBS)

tests_unit_test_plugin_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_plugin_LDADD = tests/unit/libplugin.a $(IMAGES_LIBS) $(CMOCKA_LIBS)

tests_unit_test_plugin_parts_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_plugin_parts_LDADD = tests/unit/libplugin.a $(IMAGES_LIBS) $(CMOCKA_LIBS)

tests_unit_test_procevents_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_procevents_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=clock_gettime
tests_unit_test_procevents_LDADD = librestore.a libcommon.a $(LIBNL_LIBS) $(CMOCKA_LIBS)
