# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make fuzz       each target for FUZZ_SECONDS (60) on a copy of its corpus, two at a time
#
# libFuzzer is clang's: nothing here is part of make check, which must do with any
# compiler. The core is compiled anew, with coverage, under $(O)/fuzz.

FUZZ_TARGETS := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
# Of the library what describes a block.
FUZZ_LIB := $(patsubst %,$(O)/lib/%.o,status events node)

$(FUZZ_TARGETS): $(O)/tests/fuzz/%: $(O)/tests/fuzz/%.o $(FUZZ_LIB) $(ATTACH_OBJ) $(CORE_OBJ)
	$(call say,LD)
	$(Q)$(CC) -fsanitize=fuzzer $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(call pc,--libs numa)

fuzz-run: $(FUZZ_TARGETS)
	$(Q)tests/fuzz/run '$(FUZZ_SECONDS)' $^

fuzz:
	$(MAKE) O=$(O)/fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzz-run
.PHONY: fuzz fuzz-run
