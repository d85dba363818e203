# tests/harness/local.mk - what runs the tests, and tests of the tree itself.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every test says TAP.  Programs without an extension are cmocka's, those named *.sh are bash.

TAP_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .sh
LOG_DRIVER = $(TAP_DRIVER)
LOG_COMPILER = $(top_srcdir)/tests/harness/run-cmocka
SH_LOG_DRIVER = $(TAP_DRIVER)
SH_LOG_COMPILER = $(top_srcdir)/tests/harness/run-shell

if HAVE_CXX
CXX_IF_ANY = $(CXX)
else
CXX_IF_ANY =
endif

# CRIU in the environment of `make check` wins over the one that configure found.
AM_TESTS_ENVIRONMENT = \
	abs_top_srcdir='$(abs_top_srcdir)'; export abs_top_srcdir; \
	abs_top_builddir='$(abs_top_builddir)'; export abs_top_builddir; \
	CC='$(CC)'; export CC; \
	MAKE='$(MAKE)'; export MAKE; \
	INSTALL_DIRS='bindir=$(bindir) plugindir=$(plugindir) libdir=$(libdir) \
		pkglibexecdir=$(pkglibexecdir) datadir=$(datadir) mandir=$(mandir) docdir=$(docdir)'; export INSTALL_DIRS; \
	CXX_IF_ANY='$(CXX_IF_ANY)'; export CXX_IF_ANY; \
	HEADER_CPPFLAGS='$(PROTOBUF_C_CFLAGS) $(LIBNL_CFLAGS) $(JSON_C_CFLAGS)'; export HEADER_CPPFLAGS; \
	CRIU="$${CRIU:-$(CRIU)}"; export CRIU; \
	SANITIZERS='$(SANITIZERS)'; export SANITIZERS; \
	ASAN_OPTIONS="$${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}"; \
	export ASAN_OPTIONS; \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS:-print_stacktrace=1}"; export UBSAN_OPTIONS;

harness_tests = \
	tests/harness/test-aarch64.sh \
	tests/harness/test-banned.sh \
	tests/harness/test-completion.sh \
	tests/harness/test-headers.sh \
	tests/harness/test-install.sh \
	tests/harness/test-listed.sh \
	tests/harness/test-man.sh \
	tests/harness/test-probes.sh

TESTS += $(harness_tests)
EXTRA_DIST += \
	$(harness_tests) \
	tests/harness/run-cmocka \
	tests/harness/run-shell \
	tests/harness/skips-expected \
	tests/harness/tap.sh
CLEANFILES += tests/integration.lock
