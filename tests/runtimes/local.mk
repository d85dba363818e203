# tests/runtimes/local.mk - faultin beside container runtimes: settings, hooks, set-up, the real ones.
# SPDX-License-Identifier: GPL-2.0-or-later

runtimes_tests = \
	tests/runtimes/test-config.sh \
	tests/runtimes/test-hook.sh \
	tests/runtimes/test-podman.sh \
	tests/runtimes/test-runtimes.sh \
	tests/runtimes/test-servers.sh \
	tests/runtimes/test-setup.sh

TESTS += $(runtimes_tests)
EXTRA_DIST += $(runtimes_tests) tests/runtimes/functions.sh tests/runtimes/podman.sh

# What the containers hold: ordinary, and without a library.
if HAVE_STATIC
check_PROGRAMS += tests/runtimes/programs/guest
endif
tests_runtimes_programs_guest_SOURCES = tests/runtimes/programs/guest.c
tests_runtimes_programs_guest_CFLAGS = $(WARNINGS_CFLAGS)
tests_runtimes_programs_guest_LDFLAGS = -all-static
