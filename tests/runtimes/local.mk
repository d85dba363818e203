# tests/runtimes/local.mk - faultin beside container runtimes: settings, hooks, set-up, the real ones.
# SPDX-License-Identifier: GPL-2.0-or-later

runtimes_tests = \
	tests/runtimes/test-config.sh

TESTS += $(runtimes_tests)
EXTRA_DIST += $(runtimes_tests)
