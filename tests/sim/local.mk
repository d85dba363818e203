# tests/sim/local.mk - the engine on the model of the kernel, explored.
# SPDX-License-Identifier: GPL-2.0-or-later
check_PROGRAMS += tests/sim/test-sim
tests_sim_test_sim_SOURCES = \
	tests/sim/door.c \
	tests/sim/door.h \
	tests/sim/sim.c \
	tests/unit/toy-image.c \
	tests/unit/toy-image.h
tests_sim_test_sim_LDADD = librestore.a libmodel.a $(RESTORE_BASE_LIBS)
tests_sim_test_sim_CFLAGS = $(AM_CFLAGS)
