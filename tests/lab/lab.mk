# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tests/lab/kvm   virtual machines of the tests' own: the library on them, by include/ only;
#                 and the core as inside of them (machine, payload), by its objects

LAB_TESTS := $(patsubst %.c,$(O)/%,$(wildcard tests/lab/kvm/test_*.c))
LAB_CORE_TESTS := $(patsubst %,$(O)/tests/lab/kvm/test_kvm_%,machine payload)
LAB_API_TESTS := $(filter-out $(LAB_CORE_TESTS),$(LAB_TESTS))
LAB_PAYLOAD := $(O)/tests/lab/kvm/payload

$(LAB_API_TESTS): $(O)/tests/lab/kvm/%: $(O)/tests/lab/kvm/%.o $(LIB) $(O)/libpvclock.so
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $< -L$(O) -lpvclock -Wl,-rpath,'$$ORIGIN/../../..' \
		$(CMOCKA) -pthread

$(LAB_CORE_TESTS): $(O)/tests/lab/kvm/%: $(O)/tests/lab/kvm/%.o $(ATTACH_OBJ) $(CORE_OBJ)
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(CMOCKA) -pthread

# For a machine on which nobody has enabled SSE; the core's objects are as they are.
$(LAB_PAYLOAD).o: tests/lab/kvm/payload.c $(O)/.flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) -mgeneral-regs-only -c $< -o $@

$(LAB_PAYLOAD).elf: $(LAB_PAYLOAD).o $(CORE_OBJ) tests/lab/kvm/payload.ld
	$(call say,LD)
	$(Q)ld -static -z noexecstack -T tests/lab/kvm/payload.ld -o $@ $(filter %.o,$^)

$(LAB_PAYLOAD).bin: $(LAB_PAYLOAD).elf
	$(Q)objcopy -O binary $< $@

$(O)/tests/lab/kvm/test_kvm_payload: $(LAB_PAYLOAD).bin
