# tests/model/local.mk - the kernel's half as a model, and its conformance with the kernel.
# SPDX-License-Identifier: GPL-2.0-or-later
check_LIBRARIES += libmodel.a
libmodel_a_SOURCES = \
	tests/model/memory.c \
	tests/model/model.h \
	tests/model/parts.h \
	tests/model/task.c \
	tests/model/uffd.c

if HAVE_CMOCKA
check_PROGRAMS += tests/model/test-conformance
TESTS += tests/model/test-conformance
tests_model_test_conformance_SOURCES = \
	tests/model/cases.c \
	tests/model/compare.c \
	tests/model/conformance.c \
	tests/model/conformance.h \
	tests/model/random.c \
	tests/model/script.c \
	tests/model/script.h \
	tests/model/world.h \
	tests/model/world-kernel.c \
	tests/model/world-model.c
tests_model_test_conformance_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(PTHREAD_CFLAGS)
tests_model_test_conformance_LDADD = libmodel.a $(CMOCKA_LIBS)
endif

# The long one, from a fresh seed.
CONFORMANCE_STEPS = 2000000
check-conformance: tests/model/test-conformance
	tests/model/test-conformance random $${SEED:-$$(date +%s)000000} $(CONFORMANCE_STEPS)

.PHONY: check-conformance
