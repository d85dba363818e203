noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = common/cleanup.h common/error.c common/error.h
