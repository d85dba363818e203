# tests/bench/local.mk - how fast it is, beside CRIU's own lazy pages and beside a plain restore.
# SPDX-License-Identifier: GPL-2.0-or-later

bench_programs = \
	tests/bench/programs/floor \
	tests/bench/programs/pidns \
	tests/bench/programs/redis-client \
	tests/bench/programs/workload

# In make check only so that they go on compiling; nothing is measured there.
check_PROGRAMS += $(bench_programs)
TESTS += tests/bench/test-bench.sh

# Never sanitized: what is dumped and restored has to be an ordinary program.
bench_cflags = $(WARNINGS_CFLAGS) $(PTHREAD_CFLAGS)

bench_common = \
	tests/bench/programs/memory.c \
	tests/bench/programs/talk.c \
	tests/bench/programs/workload.h

tests_bench_programs_floor_SOURCES = tests/bench/programs/floor.c $(bench_common)
tests_bench_programs_floor_CFLAGS = $(bench_cflags)
tests_bench_programs_floor_LDFLAGS = $(PTHREAD_CFLAGS)

tests_bench_programs_pidns_SOURCES = tests/bench/programs/pidns.c
tests_bench_programs_pidns_CFLAGS = $(bench_cflags)
tests_bench_programs_pidns_LDFLAGS =

tests_bench_programs_redis_client_SOURCES = tests/bench/programs/redis-client.c $(bench_common)
tests_bench_programs_redis_client_CFLAGS = $(bench_cflags)
tests_bench_programs_redis_client_LDFLAGS =

tests_bench_programs_workload_SOURCES = \
	$(bench_common) \
	tests/bench/programs/forks.c \
	tests/bench/programs/touches.c \
	tests/bench/programs/tree.c \
	tests/bench/programs/workload.c
tests_bench_programs_workload_CFLAGS = $(bench_cflags)
tests_bench_programs_workload_LDFLAGS = $(PTHREAD_CFLAGS)

EXTRA_DIST += \
	tests/bench/README.md \
	tests/bench/lib/images.py \
	tests/bench/lib/jobs.py \
	tests/bench/lib/plan.py \
	tests/bench/lib/plot.py \
	tests/bench/lib/processes.py \
	tests/bench/lib/report.py \
	tests/bench/lib/restores.py \
	tests/bench/programs/containers \
	tests/bench/programs/heap.py \
	tests/bench/run \
	tests/bench/test-bench.sh

bench_run = CRIU="$${CRIU:-$(CRIU)}" $(top_srcdir)/tests/bench/run --build '$(abs_top_builddir)'

if HAVE_STATIC
bench_guest = tests/runtimes/programs/guest
endif

bench-programs: $(bench_programs) $(bench_guest) tests/integration/tools/reap

# What a sanitizer costs is not a figure of ours.
bench-able: all bench-programs
	@test '$(SANITIZERS)' = no || { echo 'a build with sanitizers is not for measuring' >&2; exit 1; }

bench: bench-able
	$(bench_run) --json bench.json --plot bench.svg

bench-quick: bench-able
	$(bench_run) --quick --json bench-quick.json --plot bench-quick.svg

.PHONY: bench bench-able bench-programs bench-quick
CLEANFILES += bench.json bench.svg bench-quick.json bench-quick.svg
