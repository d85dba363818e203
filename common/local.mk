noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = common/cleanup.h common/clock.h common/error.c common/error.h
