noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/bytes.c common/bytes.h \
	common/cleanup.h common/clock.h \
	common/container.c common/container.h \
	common/error.c common/error.h \
	common/settings.c common/settings.h
