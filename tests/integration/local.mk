# tests/integration/local.mk - the real CRIU: dump, restore, and let the programs judge their memory.
# SPDX-License-Identifier: GPL-2.0-or-later

# The demonstration is run under it, too.
noinst_PROGRAMS += tests/integration/tools/reap
check_PROGRAMS += \
	tests/integration/programs/scenarios \
	tests/integration/tools/manager \
	tests/integration/tools/split-image

# Never sanitized: what is dumped and restored has to be an ordinary program, and a sanitizer's
# terabytes of shadow memory are not.
integration_cflags = $(WARNINGS_CFLAGS) $(PTHREAD_CFLAGS)

tests_integration_programs_scenarios_SOURCES = \
	tests/integration/programs/advises.c \
	tests/integration/programs/confined.c \
	tests/integration/programs/forks.c \
	tests/integration/programs/lives.c \
	tests/integration/programs/main.c \
	tests/integration/programs/moves.c \
	tests/integration/programs/neighbours.c \
	tests/integration/programs/pattern.c \
	tests/integration/programs/protects.c \
	tests/integration/programs/scenario.h \
	tests/integration/programs/shapes.c \
	tests/integration/programs/pools.c \
	tests/integration/programs/shared.c \
	tests/integration/programs/survives.c \
	tests/integration/programs/syscalls.c \
	tests/integration/programs/threads.c \
	tests/integration/programs/unmaps.c
tests_integration_programs_scenarios_CFLAGS = $(integration_cflags)
tests_integration_programs_scenarios_LDFLAGS = $(PTHREAD_CFLAGS)

tests_integration_tools_manager_SOURCES = tests/integration/tools/manager.c
tests_integration_tools_manager_CFLAGS = $(integration_cflags)

tests_integration_tools_reap_SOURCES = tests/integration/tools/reap.c
tests_integration_tools_reap_CFLAGS = $(integration_cflags)
tests_integration_tools_reap_LDFLAGS = $(PTHREAD_CFLAGS)

tests_integration_tools_split_image_SOURCES = tests/integration/tools/split-image.c
tests_integration_tools_split_image_CFLAGS = $(integration_cflags)
tests_integration_tools_split_image_LDFLAGS = $(PTHREAD_CFLAGS)

# A disk with troubles, for those that can have one.
if HAVE_FUSE
check_PROGRAMS += tests/integration/tools/disk
tests_integration_tools_disk_SOURCES = tests/integration/tools/disk.c
tests_integration_tools_disk_CFLAGS = $(integration_cflags) $(FUSE_CFLAGS)
tests_integration_tools_disk_LDFLAGS = $(PTHREAD_CFLAGS)
tests_integration_tools_disk_LDADD = $(FUSE_LIBS)
else
EXTRA_DIST += tests/integration/tools/disk.c
endif

integration_tests = \
	tests/integration/test-again.sh \
	tests/integration/test-advises.sh \
	tests/integration/test-bad-images.sh \
	tests/integration/test-chains.sh \
	tests/integration/test-cli.sh \
	tests/integration/test-confined.sh \
	tests/integration/test-control.sh \
	tests/integration/test-disks.sh \
	tests/integration/test-forks.sh \
	tests/integration/test-huge.sh \
	tests/integration/test-inspect.sh \
	tests/integration/test-kills.sh \
	tests/integration/test-large.sh \
	tests/integration/test-lengths.sh \
	tests/integration/test-lives.sh \
	tests/integration/test-metrics.sh \
	tests/integration/test-moves.sh \
	tests/integration/test-protects.sh \
	tests/integration/test-repeats.sh \
	tests/integration/test-sandbox.sh \
	tests/integration/test-scenarios.sh \
	tests/integration/test-sessions.sh \
	tests/integration/test-shapes.sh \
	tests/integration/test-shared-lazy.sh \
	tests/integration/test-shared.sh \
	tests/integration/test-store.sh \
	tests/integration/test-strangers.sh \
	tests/integration/test-syscalls.sh \
	tests/integration/test-threads.sh \
	tests/integration/test-top.sh \
	tests/integration/test-trace.sh \
	tests/integration/test-transparent.sh \
	tests/integration/test-troubles.sh \
	tests/integration/test-unmaps.sh \
	tests/integration/test-upgrades.sh \
	tests/integration/test-verify.sh

TESTS += $(integration_tests)
EXTRA_DIST += \
	$(integration_tests) \
	tests/integration/disk.sh \
	tests/integration/functions.sh \
	tests/integration/programs/rich.py \
	tests/integration/tools/check-metrics.py \
	tests/integration/tools/check-report.py \
	tests/integration/tools/check-trace.py \
	tests/integration/tools/claim-zeros.py \
	tests/integration/tools/criu_image.py \
	tests/integration/tools/plant.py \
	tests/integration/tools/screen.py \
	tests/integration/tools/sessions.py
