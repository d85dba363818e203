# tests/sim/local.mk - the engine on the model of the kernel, explored.
# SPDX-License-Identifier: GPL-2.0-or-later
check_PROGRAMS += tests/sim/test-sim
tests_sim_test_sim_SOURCES = \
	tests/sim/door.c \
	tests/sim/door.h \
	tests/sim/sim.c \
	tests/unit/fail-alloc.c \
	tests/unit/fail-alloc.h \
	tests/unit/toy-image.c \
	tests/unit/toy-image.h
tests_sim_test_sim_LDADD = librestore.a libmodel.a $(RESTORE_BASE_LIBS)
tests_sim_test_sim_CFLAGS = $(AM_CFLAGS)
tests_sim_test_sim_LDFLAGS = $(AM_LDFLAGS) $(fail_alloc)
TESTS += tests/sim/test-sim

# The long one: a million schedules, in two processes, from a fresh seed; then small cases, all of each.
SIM_SCHEDULES = 1000000
SIM_DELAYS = 3
check-sim: tests/sim/test-sim
	@seed=$${SEED:-$$(date +%s)000000000}; half=$$(($(SIM_SCHEDULES) / 2)); \
	echo "# seed $$seed"; \
	tests/sim/test-sim run $$seed $$half & first=$$!; \
	tests/sim/test-sim run $$((seed + half)) $$half; second=$$?; \
	wait $$first && test $$second -eq 0 && \
	tests/sim/test-sim explore $(SIM_DELAYS) && tests/sim/test-sim plants

# What of the engine's decisions the simulation reaches, for builds with CFLAGS='--coverage -O1': what
# it does not is explained in doc/model.md.
GCOV = gcov
SIM_COVERAGE = 40000
SIM_COVERED = demand drain events fate fill layout newborn owed past space takeover
coverage-sim: tests/sim/test-sim
	@rm -f restore/*.gcda
	@FI_SIM_SCHEDULES=$(SIM_COVERAGE) tests/sim/test-sim > tests/sim/coverage.log
	@for name in $(SIM_COVERED); do \
		$(GCOV) -b -o restore restore/librestore_a-$$name.gcda 2>/dev/null | \
		awk -v name=restore/$$name.c \
			'index($$0, name "\047") { hit = 1; next } \
			 hit && /Lines|Taken/ { print name, $$0; if (/Taken/) exit }'; \
	done
CLEANFILES += tests/sim/coverage.log

.PHONY: check-sim coverage-sim
