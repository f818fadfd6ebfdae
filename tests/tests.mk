# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/unit      the core and attach, on pages in memory: linked with the objects
# tests/live      the library as its users see it, on the real page: include/ only
# tests/shim      programs under the shim
# tests/build     what the objects, headers and install look like

UNIT_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
LIVE_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/live/test_*.c))
SHIM_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/shim/test_*.c))
BUILD_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/build/test_*.c))
# Programs that the shim's tests run; they know nothing of pvclock.
SHIM_PROGRAMS := $(patsubst %.c,$(O)/%,$(wildcard tests/shim/prog_*.c))
SHIM_LIBRARIES := $(patsubst %.c,$(O)/%.so,$(wildcard tests/shim/lib_*.c))

TESTS = $(UNIT_TESTS) $(LIVE_TESTS) $(SHIM_TESTS) $(BUILD_TESTS)
# A preloaded library must come after a sanitizer's runtime: not tested together
# with one, nor is the shape of instrumented objects, nor the image, which could
# not load the runtime.
SAN_TESTS = $(filter-out %/test_image_attached,$(UNIT_TESTS)) $(LIVE_TESTS)

CMOCKA = $(call pc,--libs cmocka)

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

# The tests find the tree and the build by these two.
run_tests = PVCLOCK_BUILD='$(abspath $(O))' PVCLOCK_SOURCE='$(CURDIR)' CC='$(CC)' \
	tests/run $(1)

check: all $(TESTS) $(SHIM_PROGRAMS) $(SHIM_LIBRARIES)
	$(Q)$(call run_tests,$(TESTS))

check-sanitized: $(SAN_TESTS)
	$(Q)$(call run_tests,$(SAN_TESTS))
.PHONY: check-sanitized

sanitize:
	$(MAKE) O=$(O)/asan CC=clang SAN=address,undefined check-sanitized
	$(MAKE) O=$(O)/tsan CC=clang SAN=thread check-sanitized
