# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make coverage   what of the core no test reaches and tests/coverage/argued does not argue
#                 away (clang)
#
# Tests that have the core in them, or the library that has: not those of shim and builds,
# and not the bare guest's, where nobody writes counts down.

COVERED_TESTS = $(filter-out %/test_image_attached,$(UNIT_TESTS)) $(LIVE_TESTS) \
	$(filter-out %_payload,$(LAB_TESTS))
JUDGE := $(O)/tests/coverage/judge

$(JUDGE): tests/coverage/judge.c $(O)/.flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(LDFLAGS) -o $@ $< $(call pc,--libs jansson)

coverage-run: $(JUDGE) $(COVERED_TESTS) $(SIM_TESTS)
	$(Q)$(TESTS_FIND) tests/coverage/run '$(O)' '$(COVERED_TESTS)' '$(SIM_TESTS)'

# Counts are atomic: one that is lost, when it is subtracted from others, looks like many.
coverage:
	$(MAKE) O=$(O)/coverage CC=clang LDFLAGS=-fprofile-instr-generate CFLAGS="-O1 -g \
		-fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic" coverage-run
.PHONY: coverage coverage-run
