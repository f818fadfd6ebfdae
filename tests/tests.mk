# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/unit      the core and attach, on pages in memory: linked with the objects
# tests/live      the library as its users see it, on the real page: include/ only
# tests/shim      programs under the shim
# tests/programs  databases, runtimes, debuggers under the shim (programs.mk): make check-programs
# tests/build     what the objects, headers and install look like
# tests/lab       hosts, simulated (sim.mk) and real (lab.mk)
# tests/fuzz      libFuzzer targets, and the inputs that they begin with: make fuzz alone
# tests/model     the core's protocols in Promela: make model alone
# tests/coverage  what of the core none of them reaches: make coverage alone
# tests/adjtime   a program that changes the kernel's rate: make check-adjtime alone

UNIT_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
LIVE_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/live/test_*.c))
SHIM_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/shim/test_*.c))
BUILD_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/build/test_*.c))
include tests/lab/lab.mk
# Programs that the shim's tests run; they know nothing of pvclock.
SHIM_PROGRAMS := $(patsubst %.c,$(O)/%,$(wildcard tests/shim/prog_*.c))
SHIM_LIBRARIES := $(patsubst %.c,$(O)/%.so,$(wildcard tests/shim/lib_*.c))

TESTS = $(UNIT_TESTS) $(LIVE_TESTS) $(SIM_TESTS) $(LAB_TESTS) $(SHIM_TESTS) $(BUILD_TESTS)
# A preloaded library must come after a sanitizer's runtime: not tested together
# with one, nor is the shape of instrumented objects, nor the image, which could
# not load the runtime.
# TSan's own code, of which atomic accesses are calls, cannot be entered anywhere, as the
# tests do that go instruction by instruction.
SAN_TESTS = $(filter-out %/test_image_attached $(NOT_THREAD),$(UNIT_TESTS)) $(LIVE_TESTS) \
	$(SIM_TESTS)
NOT_THREAD = $(if $(findstring thread,$(SAN)),$(patsubst %.c,$(O)/%, \
	$(shell grep -l simstep.h tests/unit/test_*.c)))

CMOCKA = $(call pc,--libs cmocka)

include tests/lab/sim.mk

$(UNIT_TESTS): $(O)/tests/unit/%: $(O)/tests/unit/%.o $(ATTACH_OBJ) $(CORE_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(CMOCKA) -pthread

$(LIVE_TESTS): $(O)/tests/live/%: $(O)/tests/live/%.o $(LIB) $(O)/libpvclock.so
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< -L$(O) -lpvclock -Wl,-rpath,'$$ORIGIN/../..' \
		$(CMOCKA) -pthread

$(SHIM_TESTS) $(BUILD_TESTS): $(O)/tests/%: $(O)/tests/%.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< $(CMOCKA) -pthread -ldl

$(SHIM_PROGRAMS): $(O)/tests/shim/%: $(O)/tests/shim/%.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< -pthread -ldl

$(SHIM_LIBRARIES): $(O)/tests/shim/%.so: $(O)/tests/shim/%.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -shared -o $@ $<

ADJTIME := $(O)/tests/adjtime/flip

$(ADJTIME): $(O)/tests/adjtime/flip.o $(LIB) $(O)/libpvclock.so
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< -L$(O) -lpvclock -Wl,-rpath,'$$ORIGIN/../..'

# The tests find the tree and the build by these two.
TESTS_FIND = PVCLOCK_BUILD='$(abspath $(O))' PVCLOCK_SOURCE='$(CURDIR)' CC='$(CC)'
run_tests = $(TESTS_FIND) tests/run $(1)

check: all $(TESTS) $(SHIM_PROGRAMS) $(SHIM_LIBRARIES)
	$(Q)$(call run_tests,$(TESTS))

check-sanitized: $(SAN_TESTS)
	$(Q)$(call run_tests,$(SAN_TESTS))
.PHONY: check-sanitized

sanitize:
	$(MAKE) O=$(O)/asan CC=clang SAN=address,undefined check-sanitized
	$(MAKE) O=$(O)/tsan CC=clang SAN=thread check-sanitized

# ---- not part of check -------------------------------------------------------

# What happens once in a thousand starts of a program: the shim's tests, TIMES times in
# a row, and no further than the first that fails.
TIMES ?= 100

check-shim-often: all $(SHIM_TESTS) $(SHIM_PROGRAMS) $(SHIM_LIBRARIES)
	$(Q)n=0; while [ $$n -lt $(TIMES) ]; do n=$$((n + 1)); \
		$(call run_tests,$(SHIM_TESTS)) || \
		{ echo "failed: run $$n of $(TIMES)" >&2; exit 1; }; \
		echo "run $$n of $(TIMES): well"; done

# Readings of each clock, pinned and then again moved about under load. As many
# threads as there are CPUs share them. A reading of five clocks takes about a
# microsecond, on a loaded CPU two.
LONG ?= 1000000000
CPUS := $(shell n=$$(nproc); echo $$((n < 64 ? n : 64)))
AGREE = $(O)/pvclock-bench agree --count=$$((($(LONG) + $(CPUS) - 1) / $(CPUS))) --threads=$(CPUS)

check-long: all $(SIM_TESTS)
	@echo "$(LONG) readings of each of 5 clocks on $(CPUS) CPUs, twice: about" \
		"$$(($(LONG) / $(CPUS) * 3 / 60000000 + 1)) minutes"
	$(AGREE)
	$(AGREE) --migrate --load
	$(MAKE) check-sim-long

# Seconds of each of its three parts.
ADJTIME_SECONDS ?= 5

check-adjtime: all $(ADJTIME)
	@echo "This changes the rate of this machine's clocks for about" \
		"$$((3 * $(ADJTIME_SECONDS))) seconds, by adjtimex(2): frequency -500/+500 ppm"
	@echo "every 0.5 s, tick -10/+10 % every 0.1 s. The rate is put back at the end, also when"
	@echo "this is interrupted or killed; the time may then be off by up to 10 ms. Needs root."
	$(ADJTIME) $(O)/pvclock-bench $(ADJTIME_SECONDS)

check-clocksource: all
	@echo "This changes this machine's clocksource to each that it has, for some seconds, and"
	@echo "puts it back at the end, also when it is interrupted or killed. Needs root."
	tests/check-clocksource $(O)/pvclock-bench
.PHONY: check-shim-often check-long check-adjtime check-clocksource
