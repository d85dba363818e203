# libimages.a: what a checkpoint says.  Depends on common/ only; users link $(IMAGES_LIBS) too.
# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += libimages.a
libimages_a_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
libimages_a_SOURCES = \
	images/chain.c \
	images/chain.h \
	images/frozen.c \
	images/frozen.h \
	images/image.c \
	images/image.h \
	images/inventory.c \
	images/memory_files.c \
	images/memory_files.h \
	images/mm.c \
	images/mm.h \
	images/packed.c \
	images/packed.h \
	images/pagemap-file.c \
	images/pagemap-file.h \
	images/pagemap-writer.c \
	images/pagemap-writer.h \
	images/pagemap.c \
	images/pagemap.h \
	images/pages.c \
	images/pages.h \
	images/parts.h \
	images/pstree.c \
	images/reach.c \
	images/reach.h \
	images/record.c \
	images/record.h \
	images/resolve.c \
	images/segments.c \
	images/segments.h \
	images/sharers.c \
	images/sharers.h \
	images/slice.c \
	images/slice.h \
	images/touched.c \
	images/touched.h

IMAGES_LIBS = libimages.a libcommon.a $(PROTOBUF_C_LIBS)

# protobuf-c's compiler writes foo.pb-c.c and foo.pb-c.h at once, into the build tree.
images_protos = \
	images/proto/core.proto \
	images/proto/files.proto \
	images/proto/inventory.proto \
	images/proto/mm.proto \
	images/proto/namespaces.proto \
	images/proto/pagemap.proto \
	images/proto/pstree.proto \
	images/proto/records.proto
images_proto_sources = $(images_protos:.proto=.pb-c.c)
images_proto_headers = $(images_protos:.proto=.pb-c.h)

nodist_libimages_a_SOURCES = \
	images/proto/core.pb-c.c \
	images/proto/files.pb-c.c \
	images/proto/inventory.pb-c.c \
	images/proto/mm.pb-c.c \
	images/proto/namespaces.pb-c.c \
	images/proto/pagemap.pb-c.c \
	images/proto/pstree.pb-c.c \
	images/proto/records.pb-c.c

EXTRA_DIST += $(images_protos)
BUILT_SOURCES += $(images_proto_headers)
CLEANFILES += $(images_proto_sources) $(images_proto_headers)

images_protoc = $(AM_V_GEN)$(MKDIR_P) images/proto && \
	$(PROTOC_C) --proto_path=$(top_srcdir) --c_out=$(top_builddir)

images/proto/core.pb-c.c: $(top_srcdir)/images/proto/core.proto
	$(images_protoc) $(top_srcdir)/images/proto/core.proto
images/proto/files.pb-c.c: $(top_srcdir)/images/proto/files.proto
	$(images_protoc) $(top_srcdir)/images/proto/files.proto
images/proto/inventory.pb-c.c: $(top_srcdir)/images/proto/inventory.proto
	$(images_protoc) $(top_srcdir)/images/proto/inventory.proto
images/proto/mm.pb-c.c: $(top_srcdir)/images/proto/mm.proto
	$(images_protoc) $(top_srcdir)/images/proto/mm.proto
images/proto/namespaces.pb-c.c: $(top_srcdir)/images/proto/namespaces.proto
	$(images_protoc) $(top_srcdir)/images/proto/namespaces.proto
images/proto/pagemap.pb-c.c: $(top_srcdir)/images/proto/pagemap.proto
	$(images_protoc) $(top_srcdir)/images/proto/pagemap.proto
images/proto/pstree.pb-c.c: $(top_srcdir)/images/proto/pstree.proto
	$(images_protoc) $(top_srcdir)/images/proto/pstree.proto
images/proto/records.pb-c.c: $(top_srcdir)/images/proto/records.proto
	$(images_protoc) $(top_srcdir)/images/proto/records.proto

# A header that was lost comes back with its source.
images/proto/core.pb-c.h: images/proto/core.pb-c.c
	@test -f $@ || { rm -f images/proto/core.pb-c.c && $(MAKE) images/proto/core.pb-c.c; }
images/proto/files.pb-c.h: images/proto/files.pb-c.c
	@test -f $@ || { rm -f images/proto/files.pb-c.c && $(MAKE) images/proto/files.pb-c.c; }
images/proto/inventory.pb-c.h: images/proto/inventory.pb-c.c
	@test -f $@ || { rm -f images/proto/inventory.pb-c.c && $(MAKE) images/proto/inventory.pb-c.c; }
images/proto/mm.pb-c.h: images/proto/mm.pb-c.c
	@test -f $@ || { rm -f images/proto/mm.pb-c.c && $(MAKE) images/proto/mm.pb-c.c; }
images/proto/namespaces.pb-c.h: images/proto/namespaces.pb-c.c
	@test -f $@ || { rm -f images/proto/namespaces.pb-c.c && $(MAKE) images/proto/namespaces.pb-c.c; }
images/proto/pagemap.pb-c.h: images/proto/pagemap.pb-c.c
	@test -f $@ || { rm -f images/proto/pagemap.pb-c.c && $(MAKE) images/proto/pagemap.pb-c.c; }
images/proto/pstree.pb-c.h: images/proto/pstree.pb-c.c
	@test -f $@ || { rm -f images/proto/pstree.pb-c.c && $(MAKE) images/proto/pstree.pb-c.c; }
images/proto/records.pb-c.h: images/proto/records.pb-c.c
	@test -f $@ || { rm -f images/proto/records.pb-c.c && $(MAKE) images/proto/records.pb-c.c; }

include images/inspect/local.mk
