# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/lab/sim   the core compiled a second time, for a processor that is
#                 simulated: hosts, vCPUs and threads in virtual time

SIM_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/lab/sim/test_*.c))
SIM := $(O)/tests/lab/sim
SIM_ARCH := -include tests/lab/sim/arch_sim.h
SIM_CORE := $(patsubst vdso/%.c,$(SIM)/vdso/%.o,$(filter-out vdso/image.c,$(wildcard vdso/*.c)))
SIM_ATTACH := $(patsubst lib/attach/%.c,$(SIM)/attach/%.o,$(wildcard lib/attach/*.c))

$(SIM)/vdso/%.o: vdso/%.c $(O)/.flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) $(SIM_ARCH) -c $< -o $@

$(SIM)/attach/%.o: lib/attach/%.c $(O)/.flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(SIM_ARCH) -c $< -o $@

$(SIM_TESTS): $(O)/tests/lab/sim/%: $(O)/tests/lab/sim/%.o $(SIM_CORE) $(SIM_ATTACH)
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(CMOCKA) -pthread

# Schedules of each scenario: a thousand take some seconds.
SIM_LONG ?= 100000

check-sim-long: $(SIM_TESTS)
	@echo "$(SIM_LONG) schedules of each simulated scenario: some hours"
	$(Q)for t in $(SIM_TESTS); do PVCLOCK_SEED=$$(date +%s)000000 PVCLOCK_SCHEDULES=$(SIM_LONG) $$t || exit 1; done
.PHONY: check-sim-long
