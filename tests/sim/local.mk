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
TESTS += tests/sim/test-sim

# The long one: a million schedules, in two processes, from a fresh seed.
SIM_SCHEDULES = 1000000
check-sim: tests/sim/test-sim
	@seed=$${SEED:-$$(date +%s)000000000}; half=$$(($(SIM_SCHEDULES) / 2)); \
	echo "# seed $$seed"; \
	tests/sim/test-sim run $$seed $$half & first=$$!; \
	tests/sim/test-sim run $$((seed + half)) $$half; second=$$?; \
	wait $$first && test $$second -eq 0 && tests/sim/test-sim plants

.PHONY: check-sim
