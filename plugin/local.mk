# What the plugin is made of.
plugin_parts = \
	common/cleanup.h common/error.c common/error.h \
	plugin/criu_options.c plugin/criu_options.h \
	plugin/lazy_socket.c plugin/lazy_socket.h \
	plugin/program.c plugin/program.h
plugin_cppflags = $(AM_CPPFLAGS)
