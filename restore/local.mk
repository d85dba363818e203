# librestore.a: how memory comes back.  Depends on images/ and common/.
noinst_LIBRARIES += librestore.a

librestore_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBNL_CFLAGS)
librestore_a_SOURCES = \
	restore/procevents.c restore/procevents.h
