# libinspect.a: reports about checkpoints, for people and programs.  Depends on libimages.a.
# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += libinspect.a
libinspect_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
libinspect_a_CFLAGS = $(AM_CFLAGS) $(JSON_C_CFLAGS) $(LIBARCHIVE_CFLAGS) $(XXHASH_CFLAGS) $(ZSTD_CFLAGS)
libinspect_a_SOURCES = \
	images/inspect/archive.c \
	images/inspect/archive.h \
	images/inspect/checkpoint.c \
	images/inspect/checkpoint.h \
	images/inspect/content.c \
	images/inspect/content.h \
	images/inspect/diff.c \
	images/inspect/diff.h \
	images/inspect/digest.c \
	images/inspect/digest.h \
	images/inspect/estimate.c \
	images/inspect/estimate.h \
	images/inspect/files.c \
	images/inspect/html.c \
	images/inspect/html.h \
	images/inspect/json.c \
	images/inspect/json.h \
	images/inspect/kinds.c \
	images/inspect/kinds.h \
	images/inspect/maps.c \
	images/inspect/maps.h \
	images/inspect/memory.c \
	images/inspect/memory.h \
	images/inspect/namespaces.c \
	images/inspect/overview.c \
	images/inspect/report.h \
	images/inspect/search.c \
	images/inspect/search.h \
	images/inspect/stream.c \
	images/inspect/stream.h \
	images/inspect/text.c \
	images/inspect/text.h \
	images/inspect/trace.c \
	images/inspect/trace.h \
	images/inspect/tracefile.c \
	images/inspect/tracefile.h \
	images/inspect/verify-files.c \
	images/inspect/verify-parts.h \
	images/inspect/verify-refs.c \
	images/inspect/verify.c \
	images/inspect/verify.h

# The page of html.c as bytes, with a zero at the end.
EXTRA_DIST += images/inspect/page.html
BUILT_SOURCES += images/inspect/page.h
CLEANFILES += images/inspect/page.h
images/inspect/page.h: $(top_srcdir)/images/inspect/page.html
	$(AM_V_GEN)$(MKDIR_P) images/inspect && { \
	echo 'static const unsigned char fi_page_html[] = {' && \
	od -An -v -tx1 $(top_srcdir)/images/inspect/page.html | $(SED) 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g' && \
	echo '0};'; } >$@.tmp && mv -f $@.tmp $@
images/inspect/libinspect_a-html.$(OBJEXT): images/inspect/page.h

INSPECT_LIBS = libinspect.a $(IMAGES_LIBS) $(JSON_C_LIBS) $(LIBARCHIVE_LIBS) $(XXHASH_LIBS) \
	$(ZSTD_LIBS)
