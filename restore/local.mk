# librestore.a: how memory comes back; and the program.  Depends on images/ and common/.
noinst_LIBRARIES += librestore.a
librestore_a_SOURCES = \
	restore/complain.c \
	restore/complain.h \
	restore/container.c \
	restore/container.h \
	restore/control.c \
	restore/control.h \
	restore/counters.h \
	restore/custody.c \
	restore/custody.h \
	restore/demand.c \
	restore/demand.h \
	restore/demand_worker.c \
	restore/drain.c \
	restore/drain.h \
	restore/drain_worker.c \
	restore/durable.c \
	restore/durable.h \
	restore/engine.c \
	restore/engine.h \
	restore/events.c \
	restore/events.h \
	restore/fate.c \
	restore/fate.h \
	restore/faulter.c \
	restore/faulter.h \
	restore/fill.c \
	restore/fill.h \
	restore/gate.c \
	restore/gate.h \
	restore/keeper.c \
	restore/keeper.h \
	restore/kin.c \
	restore/kin.h \
	restore/latency.c \
	restore/latency.h \
	restore/layout.c \
	restore/layout.h \
	restore/lazysock.c \
	restore/lazysock.h \
	restore/ledger.c \
	restore/ledger.h \
	restore/log.c \
	restore/log.h \
	restore/member.c \
	restore/member.h \
	restore/metrics.c \
	restore/metrics.h \
	restore/names.c \
	restore/names.h \
	restore/newborn.c \
	restore/newborn.h \
	restore/options.c \
	restore/options.h \
	restore/owed.c \
	restore/owed.h \
	restore/past.c \
	restore/past.h \
	restore/pidfd.c \
	restore/pidfd.h \
	restore/placement.c \
	restore/placement.h \
	restore/pool.c \
	restore/pool.h \
	restore/pools.c \
	restore/pools.h \
	restore/priority.c \
	restore/priority.h \
	restore/probes.h \
	restore/procevents.c \
	restore/procevents.h \
	restore/relief.c \
	restore/relief.h \
	restore/report.c \
	restore/report.h \
	restore/request.c \
	restore/request.h \
	restore/room.c \
	restore/room.h \
	restore/runnable.c \
	restore/runnable.h \
	restore/rundir.c \
	restore/rundir.h \
	restore/sandbox.c \
	restore/sandbox.h \
	restore/serve.c \
	restore/serve.h \
	restore/serve_options.c \
	restore/session.c \
	restore/session.h \
	restore/smaps.c \
	restore/smaps.h \
	restore/share.c \
	restore/share.h \
	restore/source.c \
	restore/source.h \
	restore/space.c \
	restore/space.h \
	restore/status.c \
	restore/status.h \
	restore/store.c \
	restore/store.h \
	restore/store_entry.c \
	restore/store_entry.h \
	restore/store_return.c \
	restore/takeover.c \
	restore/takeover.h \
	restore/trace.c \
	restore/trace.h \
	restore/trace_writer.c \
	restore/trace_writer.h \
	restore/witness.h \
	restore/upgrade.c \
	restore/upgrade.h \
	restore/workers.h \
	restore/workfile.c \
	restore/workfile.h

# The lists of sandbox.c, by a program for the machine that builds.
EXTRA_DIST += restore/sandbox_lists.c
BUILT_SOURCES += restore/sandbox_lists.h
CLEANFILES += restore/sandbox_lists.h restore/sandbox_lists
restore/sandbox_lists: $(top_srcdir)/restore/sandbox_lists.c $(top_srcdir)/common/cleanup.h config.h
	$(AM_V_CC)$(MKDIR_P) restore && $(CC_FOR_BUILD) $(AM_CPPFLAGS) -I. $(WARNINGS_CFLAGS) \
		$(SECCOMP_CFLAGS) -o $@ $(top_srcdir)/restore/sandbox_lists.c $(SECCOMP_LIBS)
restore/sandbox_lists.h: restore/sandbox_lists
	$(AM_V_GEN)restore/sandbox_lists $(processor) >$@.tmp && mv -f $@.tmp $@
restore/librestore_a-sandbox.$(OBJEXT): restore/sandbox_lists.h

# The door to userfaultfd is apart: tests link a model of the kernel in its place.
noinst_LIBRARIES += libuffd.a
libuffd_a_SOURCES = restore/uffd.c restore/uffd.h

librestore_a_CFLAGS = $(AM_CFLAGS) $(LIBNL_CFLAGS) $(JSON_C_CFLAGS) $(PTHREAD_CFLAGS)
libuffd_a_CFLAGS = $(AM_CFLAGS) $(PTHREAD_CFLAGS)

# What a user of librestore.a links beside its door.
RESTORE_LIBS = librestore.a
RESTORE_BASE_LIBS = libinspect.a $(IMAGES_LIBS) $(LIBNL_LIBS) $(JSON_C_LIBS)

# What verbs of both programs need.
client_sources = \
	restore/client.c \
	restore/client.h \
	restore/look.c \
	restore/look.h \
	restore/sessions.c \
	restore/sessions.h \
	restore/show_text.c \
	restore/show_text.h

bin_PROGRAMS += faultin
faultin_SOURCES = $(client_sources) \
	restore/annotations.c \
	restore/annotations.h \
	restore/criu_conf.c \
	restore/criu_conf.h \
	restore/effective.c \
	restore/effective.h \
	restore/hook.c \
	restore/hook.h \
	restore/main.c \
	restore/renew.c \
	restore/renew.h \
	restore/scrape.c \
	restore/scrape.h \
	restore/setup.c \
	restore/setup.h \
	restore/show.c \
	restore/show.h \
	restore/steer.c \
	restore/steer.h \
	restore/tools.c \
	restore/tools.h \
	restore/tree.c \
	restore/tree.h
faultin_CPPFLAGS = $(AM_CPPFLAGS) -DFI_SYSTEM_SETTINGS='"$(sysconfdir)/faultin.conf"' \
	-DFI_PLUGINDIR='"$(plugindir)"' -DFI_TOOLSDIR='"$(pkglibexecdir)"'
faultin_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS)
faultin_LDADD = $(RESTORE_LIBS) libuffd.a $(RESTORE_BASE_LIBS)

# The verbs whose libraries take a while to load.
pkglibexec_PROGRAMS = faultin-tools
faultin_tools_SOURCES = $(client_sources) \
	restore/inspect.c \
	restore/inspect.h \
	restore/inspect_options.c \
	restore/terminal.c \
	restore/terminal.h \
	restore/tools.h \
	restore/tools_main.c \
	restore/top.c \
	restore/top.h \
	restore/top_frame.c \
	restore/top_frame.h \
	restore/verify.c \
	restore/verify.h
faultin_tools_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS) $(NCURSES_CFLAGS)
faultin_tools_LDADD = $(RESTORE_LIBS) $(INSPECT_LIBS) $(NCURSES_LIBS)
