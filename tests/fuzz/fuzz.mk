# tests/fuzz/fuzz.mk - builds the fuzz targets, with clang, beside the normal build.
# SPDX-License-Identifier: GPL-2.0-or-later
#
# GNU make runs it in the build tree; local.mk says what is built, of what, and where things are.
# Everything is compiled anew, because the normal build has another compiler and other sanitizers.
VPATH = $(srcdir)
dir = tests/fuzz/build

sanitize = -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
flags = -g -O1 -fno-omit-frame-pointer -D_GNU_SOURCE -DHAVE_CONFIG_H -I$(srcdir) -I. -MMD -MP \
	-Wall -Wno-unused-parameter $(FUZZ_CPPFLAGS) $(sanitize)

library = $(dir)/libfaultin.a
library_objects = $(patsubst %.c,$(dir)/%.o,$(filter %.c,$(FUZZ_SOURCES)))
programs = $(patsubst %,$(dir)/fuzz-%,$(FUZZ_TARGETS))

all: $(programs) $(dir)/seeds

$(dir)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  FUZZ_CC  $@'
	@$(FUZZ_CC) $(flags) -fsanitize=fuzzer-no-link -c -o $@ $<

$(library): $(library_objects)
	@rm -f $@
	@$(AR) cr $@ $^

# Whose input is a pack has the mutator for it.
packs = $(patsubst %,$(dir)/fuzz-%,image inspect readers verify)
$(packs): $(dir)/tests/fuzz/mutate.o
$(dir)/fuzz-procevents: wrap = -Wl,--wrap=nl_recv

$(programs): $(dir)/fuzz-%: $(dir)/tests/fuzz/fuzz-%.o $(library)
	@echo '  FUZZ_LD  $@'
	@$(FUZZ_CC) $(sanitize) -fsanitize=fuzzer $(wrap) -o $@ $(filter %.o,$^) $(library) $(FUZZ_LIBS)

$(dir)/seeds: $(dir)/tests/fuzz/seeds.o $(library)
	@$(FUZZ_CC) $(sanitize) -o $@ $< $(library) $(FUZZ_LIBS)

.PHONY: all
.SECONDARY:
-include $(library_objects:.o=.d) $(wildcard $(dir)/tests/fuzz/*.d)
