# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/programs  what people run, under the shim: databases, runtimes, debuggers

PROGRAM_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/programs/test_*.c))
PROGRAM_LIBRARIES := $(patsubst %.c,$(O)/%.so,$(wildcard tests/programs/lib_*.c))
# A program as it is, and with each sanitizer of which the compiler has the runtime; with
# debug information that a valgrind reads that is older than the compiler.
PROGRAM_CLOCK := $(addprefix $(O)/tests/programs/prog_clock, -plain -address -undefined -thread)

$(PROGRAM_TESTS): $(O)/tests/programs/%: $(O)/tests/programs/%.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< $(CMOCKA)

$(PROGRAM_LIBRARIES): $(O)/tests/programs/%.so: $(O)/tests/programs/%.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -shared -o $@ $<

$(PROGRAM_CLOCK): $(O)/tests/programs/prog_clock-%: tests/programs/prog_clock.c $(O)/.flags \
		tests/programs/programs.mk
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -gdwarf-4 -MMD -MP -MF $@.d -MT $@ \
		$(addprefix -fsanitize=,$(filter-out plain,$*)) $(LDFLAGS) -o $@ $< -pthread \
		$(if $(filter-out plain,$*),2>/dev/null || rm -f $@)

check-programs: all $(PROGRAM_TESTS) $(PROGRAM_LIBRARIES) $(PROGRAM_CLOCK)
	$(Q)$(call run_tests,$(PROGRAM_TESTS))
