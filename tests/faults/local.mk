# tests/faults/local.mk - engine and keepers are killed, and the programs judge their memory.
# SPDX-License-Identifier: GPL-2.0-or-later

faults_tests = tests/faults/test-faults.sh
TESTS += $(faults_tests)
EXTRA_DIST += $(faults_tests) tests/faults/neighbour tests/faults/run

# FAULTS_TRIALS in all; what came of each is in faults.json.
FAULTS_TRIALS = 320
CLEANFILES += faults.json

check-faults: all tests/integration/programs/scenarios tests/integration/tools/reap
	abs_top_srcdir='$(abs_top_srcdir)' abs_top_builddir='$(abs_top_builddir)' CRIU='$(CRIU)' \
		$(top_srcdir)/tests/faults/run -n $(FAULTS_TRIALS) -j faults.json

.PHONY: check-faults
