# tests/demo/local.mk - the demonstration.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without the sanitizers: CRIU dumps and restores these, and their address spaces are to be ordinary.

noinst_PROGRAMS += tests/demo/client tests/demo/sample
TESTS += tests/integration/test-demo.sh
EXTRA_DIST += tests/demo/run tests/integration/test-demo.sh

tests_demo_client_SOURCES = tests/demo/client.c tests/demo/resp.c tests/demo/resp.h
tests_demo_client_CFLAGS = $(WARNINGS_CFLAGS)
tests_demo_client_LDFLAGS =

tests_demo_sample_SOURCES = tests/demo/sample.c
tests_demo_sample_CFLAGS = $(WARNINGS_CFLAGS)
tests_demo_sample_LDFLAGS =
