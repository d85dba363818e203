# faultin.so: where CRIU calls in.  Its libraries are libc and protobuf-c, which CRIU itself has loaded.
#
# It is built without the sanitizers, because the CRIU that loads it has no runtime for them; the
# tests link the same sources with them.
criuplugindir = $(plugindir)
criuplugin_LTLIBRARIES = plugin/faultin.la

# Without plugin.c, which is the descriptor, and what it shares with the engine.
plugin_parts = \
	common/bytes.c common/bytes.h \
	common/cleanup.h common/container.c common/container.h common/error.c common/error.h \
	common/settings.c common/settings.h \
	plugin/child.c plugin/child.h \
	plugin/complete.c plugin/complete.h \
	plugin/container.c plugin/container.h \
	plugin/criu_abi.h \
	plugin/criu_options.c plugin/criu_options.h \
	plugin/engine.c plugin/engine.h \
	plugin/handover.c plugin/handover.h \
	plugin/host_log.c plugin/host_log.h \
	plugin/inject.c plugin/inject.h \
	plugin/inject_aarch64.c plugin/inject_none.c plugin/inject_x86_64.c \
	plugin/inject_arch.h plugin/inject_regset.h \
	plugin/lazy_shared.c plugin/lazy_shared.h \
	plugin/lazy_socket.c plugin/lazy_socket.h \
	plugin/outside.c plugin/outside.h \
	plugin/pass.c plugin/pass.h \
	plugin/policy.c plugin/policy.h \
	plugin/program.c plugin/program.h \
	plugin/shared.c plugin/shared.h \
	plugin/task_call.c plugin/task_call.h \
	plugin/task_memory.c plugin/task_memory.h \
	plugin/task_uffd.c plugin/task_uffd.h \
	plugin/transparent.c plugin/transparent.h \
	plugin/view.c plugin/view.h \
	restore/smaps.c restore/smaps.h \
	restore/uffd.c restore/uffd.h
plugin_cppflags = $(AM_CPPFLAGS) -DFI_INSTALLED_PROGRAM='"$(bindir)/faultin"' \
	-DFI_SYSTEM_SETTINGS='"$(sysconfdir)/faultin.conf"'

plugin_faultin_la_SOURCES = $(plugin_parts) plugin/plugin.c $(libimages_a_SOURCES)
nodist_plugin_faultin_la_SOURCES = $(nodist_libimages_a_SOURCES)
plugin_faultin_la_CPPFLAGS = $(plugin_cppflags) $(PROTOBUF_C_CFLAGS)
plugin_faultin_la_CFLAGS = $(WARNINGS_CFLAGS) $(PTHREAD_CFLAGS)
plugin_faultin_la_LIBADD = $(PROTOBUF_C_LIBS)
plugin_faultin_la_LDFLAGS = -module -avoid-version -shared \
	-Wl,--version-script=$(srcdir)/plugin/faultin.map
EXTRA_plugin_faultin_la_DEPENDENCIES = plugin/faultin.map
EXTRA_DIST += plugin/faultin.map

# Where the plugin is, for those who start a CRIU.
pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = plugin/faultin.pc
