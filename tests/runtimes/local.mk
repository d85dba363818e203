# tests/runtimes/local.mk - faultin beside container runtimes: settings, hooks, set-up, the real ones.
# SPDX-License-Identifier: GPL-2.0-or-later

runtimes_tests = \
	tests/runtimes/test-config.sh \
	tests/runtimes/test-hook.sh \
	tests/runtimes/test-setup.sh

TESTS += $(runtimes_tests)
EXTRA_DIST += $(runtimes_tests)
