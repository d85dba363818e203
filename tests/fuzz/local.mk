# tests/fuzz/local.mk - fuzzing with libFuzzer; README.md beside this says how.
# SPDX-License-Identifier: GPL-2.0-or-later
fuzz_targets = archive image inspect lazysock options proc procevents readers request settings trace verify

FUZZ_SECONDS = 60

EXTRA_DIST += \
	tests/fuzz/README.md \
	tests/fuzz/fuzz-archive.c \
	tests/fuzz/fuzz-image.c \
	tests/fuzz/fuzz-inspect.c \
	tests/fuzz/fuzz-lazysock.c \
	tests/fuzz/fuzz-options.c \
	tests/fuzz/fuzz-proc.c \
	tests/fuzz/fuzz-procevents.c \
	tests/fuzz/fuzz-readers.c \
	tests/fuzz/fuzz-request.c \
	tests/fuzz/fuzz-settings.c \
	tests/fuzz/fuzz-trace.c \
	tests/fuzz/fuzz-verify.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/fuzz.mk \
	tests/fuzz/mutate.c \
	tests/fuzz/pack.c \
	tests/fuzz/pack.h \
	tests/fuzz/quiet.h \
	tests/fuzz/run \
	tests/fuzz/seeds.c \
	tests/fuzz/test-fuzz.sh

if HAVE_FUZZ
fuzz_sources = $(libcommon_a_SOURCES) $(libimages_a_SOURCES) $(nodist_libimages_a_SOURCES) \
	$(libinspect_a_SOURCES) \
	restore/complain.c restore/durable.c restore/inspect.c restore/inspect_options.c restore/lazysock.c \
	restore/options.c restore/request.c \
	restore/serve_options.c restore/smaps.c restore/verify.c plugin/criu_options.c tests/unit/image-builder.c tests/unit/inspect-sample.c tests/fuzz/pack.c

fuzz-build: $(BUILT_SOURCES) $(images_proto_sources)
	+$(AM_V_at)$(MAKE) --no-print-directory -f $(top_srcdir)/tests/fuzz/fuzz.mk \
		srcdir='$(top_srcdir)' AR='$(AR)' FUZZ_CC='$(FUZZ_CC)' \
		FUZZ_TARGETS='$(fuzz_targets)' FUZZ_SOURCES='$(fuzz_sources)' \
		FUZZ_CPPFLAGS='$(PROTOBUF_C_CFLAGS) $(LIBNL_CFLAGS) $(JSON_C_CFLAGS) \
		$(LIBARCHIVE_CFLAGS) $(XXHASH_CFLAGS) $(ZSTD_CFLAGS) $(CMOCKA_CFLAGS)' \
		FUZZ_LIBS='$(PROTOBUF_C_LIBS) $(LIBNL_LIBS) $(JSON_C_LIBS) $(LIBARCHIVE_LIBS) \
		$(XXHASH_LIBS) $(ZSTD_LIBS) $(CMOCKA_LIBS) -lpthread'

fuzz: fuzz-build
	$(AM_V_at)$(top_srcdir)/tests/fuzz/run -t $(FUZZ_SECONDS) $(fuzz_targets)

tests/fuzz/test-fuzz.log: fuzz-build
else
fuzz fuzz-build:
	@echo 'this needs a clang with libFuzzer (Debian: clang libclang-rt-dev), and cmocka' >&2; exit 1
endif
.PHONY: fuzz fuzz-build

# They bring their own sanitizers: one build of them is enough.
if !SANITIZED
TESTS += tests/fuzz/test-fuzz.sh
endif
AM_TESTS_ENVIRONMENT += FUZZ_TARGETS='$(fuzz_targets)'; export FUZZ_TARGETS;

clean-local: clean-fuzz
clean-fuzz:
	rm -rf tests/fuzz/build tests/fuzz/corpus tests/fuzz/findings
.PHONY: clean-fuzz
