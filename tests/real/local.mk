# tests/real/local.mk - checkpoints of Redis, PostgreSQL and containers; not part of `make check`.
# SPDX-License-Identifier: GPL-2.0-or-later
EXTRA_DIST += tests/real/run

check-real: all tests/integration/programs/scenarios tests/integration/tools/reap $(check_PROGRAMS)
	abs_top_srcdir='$(abs_top_srcdir)' abs_top_builddir='$(abs_top_builddir)' CRIU='$(CRIU)' CC='$(CC)' \
		$(top_srcdir)/tests/real/run
	abs_top_srcdir='$(abs_top_srcdir)' abs_top_builddir='$(abs_top_builddir)' CRIU='$(CRIU)' \
		FI_SERVER_MIB=1024 bash $(top_srcdir)/tests/runtimes/test-servers.sh

.PHONY: check-real
