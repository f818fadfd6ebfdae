# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make               library, shim, image and programs, in $(O)
# make deps          what building, benchmarks and tests need, by the system's package manager
# make bench         the table: what a nanosecond costs on this machine
# make check         all tests
# make check-programs  databases, runtimes and debuggers under the shim (make deps-programs first)
# make check-shim-often  the shim's tests TIMES (100) times in a row, to the first failure
# make check-long    10^9 readings of each clock against the kernel's, and hours of simulation
# make check-adjtime the same while the kernel's rate is changed (root; puts it back)
# make check-clocksource  the same under each clocksource (root; puts it back)
# make lint          format, clang-tidy, cppcheck, man pages (make deps-lint first)
# make sanitize      the tests under ASan+UBSan and under TSan
# make model         the core's protocols, every order of events of a small case (spin)
# make coverage      what of the core no test reaches and nobody has argued away (clang)
# make fuzz          hostile pages, maps, images and environments (clang)
# make install       DESTDIR= PREFIX=
#
# O=dir builds elsewhere, V=1 shows commands, CC=clang, WERROR=1, SAN=address,undefined

O ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
PKG_CONFIG ?= pkg-config
VERSION := 0.1.0

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= -O2 -g

# A tree of objects belongs to one compiler and one set of flags: another one
# rebuilds it, so that make CC=clang after make is what it says.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(O)/%,%,$@)')

WARN := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla \
	$(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
BASE_CFLAGS = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -MMD -MP -fvisibility=hidden -fPIC \
	-ffunction-sections
# GCC warns that TSan does not model fences; every access around ours is atomic.
ifneq (,$(findstring thread,$(SAN)))
BASE_CFLAGS += $(if $(findstring clang,$(CC)),,-Wno-tsan)
endif

# The core calls nothing and is loaded by nobody: no compiler may add a call of
# memcpy, a stack guard that lives in TLS, or a red herring of a PLT.
CORE_CFLAGS = $(BASE_CFLAGS) -ffreestanding -fno-stack-protector -fcf-protection=none \
	$(if $(findstring clang,$(CC)),,-fno-tree-loop-distribute-patterns)
HOST_CFLAGS = $(BASE_CFLAGS) -D_GNU_SOURCE -Iinclude

# What runs once, or once in a millisecond, is better small: each page of code that
# the shim touches is memory of every program under it.
SMALL := $(if $(findstring -O2,$(CFLAGS)),-Os)
$(patsubst %,$(O)/vdso/%.o,change continuity discipline doubt edge exact interval line now prove \
	record sampled service) $(patsubst %,$(O)/lib/preload/%.o,report stats text) \
$(patsubst %.c,$(O)/%.o,$(wildcard lib/attach/*.c)): BASE_CFLAGS += $(SMALL)

pc = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)

CORE_OBJ := $(patsubst %.c,$(O)/%.o,$(filter-out vdso/image.c,$(wildcard vdso/*.c)))
ATTACH_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard lib/attach/*.c))
LIB_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard lib/*.c))
# Not run.c: that is pvclock-run.
REPORT_OBJ := $(patsubst %,$(O)/lib/preload/%.o,report count stats text)
SHIM_OBJ := $(patsubst %,$(O)/lib/preload/%.o,call set shim) $(REPORT_OBJ)
IMAGE_OBJ := $(O)/vdso/image.o

LIB := $(O)/libpvclock.so.1
SHIM := $(O)/libpvclock-preload.so
IMAGE := $(O)/pvclock-vdso.so
PROGRAMS := $(O)/pvclock-bench $(O)/pvclockstat $(O)/pvclock-run

.PHONY: all deps deps-lint deps-programs deps-programs-only bench check check-programs lint sanitize install uninstall clean help
.DELETE_ON_ERROR:
all: $(LIB) $(O)/libpvclock.so $(O)/libpvclock.a $(SHIM) $(IMAGE) $(PROGRAMS) $(O)/pvclock.pc

help:
	@sed -n '3,21s/^# \{0,1\}//p' Makefile

# ---- what must be there before anything is compiled -------------------------

APT_BUILD := pkg-config liburcu-dev libnuma-dev libcmocka-dev libjansson-dev
APT_CHECK := binutils g++ strace python3 perl libjemalloc2 libtcmalloc-minimal4 libfaketime
# What runs under the shim in check-programs. Python's own tests have its version in their
# name. Three of these bring a server, which is not started; and chrony takes the place of
# another daemon that keeps the time.
APT_PROGRAMS = chrony default-jdk-headless gcc gdb libc6-dbg \
	libpython$(PYTHON_VERSION)-testsuite nodejs perl postgresql python3 redis-server sqlite3 \
	strace stress-ng valgrind
PYTHON_VERSION = $(shell /usr/bin/python3 -c \
	'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo 3)
APT_LINT := clang clang-tidy clang-format cppcheck mandoc libclang-rt-dev llvm spin

apt_install = DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(1)
# Quiet where all is there already; an old list of packages is renewed once.
define install_packages
	@if ! command -v apt-get >/dev/null; then \
		echo "make $@: no apt-get here; install the equivalents of: $(1)" >&2; exit 1; fi
	@missing=; for p in $(1); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || \
		missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ]; then \
			echo "make $@: as root: apt-get install$$missing" >&2; exit 1; fi; \
		$(call apt_install,$$missing) >/dev/null 2>&1 || \
		{ apt-get update -q && $(call apt_install,$$missing); }; fi
endef

deps:
	$(call install_packages,$(APT_BUILD) $(APT_CHECK))
deps-lint:
	$(call install_packages,$(APT_LINT))
# Debian's way to forbid packages to start what they bring.
POLICY := /usr/sbin/policy-rc.d
deps-programs:
	@made=; if [ "$$(id -u)" = 0 ] && [ ! -e $(POLICY) ]; then \
		made=$(POLICY); printf '#!/bin/sh\nexit 101\n' >$$made && chmod 755 $$made; fi; \
	$(MAKE) --no-print-directory deps-programs-only; status=$$?; \
	rm -f $$made; exit $$status
deps-programs-only:
	$(call install_packages,$(APT_PROGRAMS))

PACKAGES := $(O)/.packages
$(PACKAGES): $(filter deps,$(MAKECMDGOALS))
	$(Q)command -v $(PKG_CONFIG) >/dev/null || \
		{ echo 'pkg-config is missing: apt-get install pkg-config' >&2; exit 1; }
	$(Q)for p in liburcu-bp:liburcu-dev numa:libnuma-dev cmocka:libcmocka-dev \
		jansson:libjansson-dev; do \
		$(PKG_CONFIG) --exists $${p%%:*} || \
		{ echo "$${p%%:*} is missing: apt-get install $${p##*:}" >&2; exit 1; }; done
	@mkdir -p $(@D) && touch $@

FLAGS := $(CC) $(CFLAGS) $(SANFLAGS) $(WARN)
$(O)/.flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FLAGS)' | cmp -s - $@ || echo '$(FLAGS)' >$@
.PHONY: FORCE
FORCE:

# ---- objects -----------------------------------------------------------------

$(O)/vdso/%.o: vdso/%.c $(O)/.flags
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE_CFLAGS) -c $< -o $@

$(O)/lib/%.o: lib/%.c $(O)/.flags | $(PACKAGES)
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(call pc,--cflags liburcu-bp numa) -c $< -o $@

# liburcu keeps each thread's reader state in TLS of its own: one load instead
# of a call on every read through a handle.
$(O)/lib/handle.o: BASE_CFLAGS += -ftls-model=initial-exec
# It also allocates that state less aligned than it declares it.
ifneq (,$(findstring undefined,$(SAN)))
$(O)/lib/handle.o: BASE_CFLAGS += -fno-sanitize=alignment
endif

$(O)/bench/%.o: bench/%.c $(O)/.flags | $(PACKAGES)
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(call pc,--cflags numa jansson) -c $< -o $@

$(O)/tests/%.o: tests/%.c $(O)/.flags | $(PACKAGES)
	$(call say,CC)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) $(call pc,--cflags cmocka) -c $< -o $@

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# ---- what is shipped ---------------------------------------------------------

LDFLAGS_SO = $(SANFLAGS) $(LDFLAGS) -shared -Wl,-z,now,-z,relro,-z,noexecstack \
	$(if $(SAN),,-Wl,-z,defs)

$(LIB): $(LIB_OBJ) $(ATTACH_OBJ) $(CORE_OBJ) lib/libpvclock.map
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_SO) -Wl,-soname,libpvclock.so.1 -Wl,--version-script=lib/libpvclock.map \
		-o $@ $(filter %.o,$^) $(call pc,--libs liburcu-bp numa)

$(O)/libpvclock.so: $(LIB)
	@ln -sf libpvclock.so.1 $@

# One object with its internals made local: a static program sees the API only.
$(O)/libpvclock.a: $(LIB_OBJ) $(ATTACH_OBJ) $(CORE_OBJ)
	$(call say,AR)
	$(Q)ld -r -o $(O)/libpvclock.o $^ && objcopy --localize-hidden $(O)/libpvclock.o
	$(Q)rm -f $@ && ar rcs $@ $(O)/libpvclock.o

# Small, as above: what it does not call is left out, and no part begins a page.
$(SHIM): $(SHIM_OBJ) $(ATTACH_OBJ) $(CORE_OBJ) lib/preload/shim.map
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS_SO) -Wl,-soname,libpvclock-preload.so -Wl,--gc-sections \
		-Wl,-z,noseparate-code \
		-Wl,--version-script=lib/preload/shim.map -o $@ $(filter %.o,$^)

# Loaded by hand, like the kernel's: nothing may be left to a dynamic linker.
$(IMAGE): $(IMAGE_OBJ) $(CORE_OBJ) vdso/image.map
	$(call say,LD)
	$(Q)$(CC) -shared -nostdlib -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both \
		-Wl,-z,noexecstack,-z,max-page-size=4096 -Wl,-Bsymbolic \
		-Wl,--version-script=vdso/image.map $(if $(SAN),,-Wl,-z,defs) -o $@ $(filter %.o,$^)

$(O)/pvclock-bench: $(patsubst %.c,$(O)/%.o,$(wildcard bench/bench_*.c)) $(LIB) $(O)/libpvclock.so
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -L$(O) -lpvclock \
		-Wl,-rpath,'$$ORIGIN' -Wl,-rpath,'$$ORIGIN/../lib' $(call pc,--libs numa jansson) -pthread

$(O)/pvclockstat: $(O)/bench/pvclockstat.o $(patsubst %.c,$(O)/%.o,$(wildcard bench/stat_*.c)) \
		$(LIB) $(O)/libpvclock.so
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) -L$(O) -lpvclock \
		-Wl,-rpath,'$$ORIGIN' -Wl,-rpath,'$$ORIGIN/../lib' $(call pc,--libs jansson)

$(O)/pvclock-run: $(O)/lib/preload/run.o $(O)/lib/attach/options.o
	$(call say,LD)
	$(Q)$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^

# Written anew each time: install may be given another PREFIX than the build.
$(O)/pvclock.pc: lib/pvclock.pc.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

# ---- benchmark and tests -----------------------------------------------------

bench: all
	$(O)/pvclock-bench $(BENCH_ARGS)

include tests/tests.mk
include tests/programs/programs.mk
include tests/lint.mk
include tests/fuzz/fuzz.mk
include tests/model/model.mk
include tests/coverage/coverage.mk

# ---- install -----------------------------------------------------------------

MAN1 := $(wildcard man/*.1)
MAN3 := $(wildcard man/*.3)
MAN7 := $(wildcard man/*.7)

install: all
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/pvclock $(DESTDIR)$(BINDIR)
	install -d $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 $(DESTDIR)$(MANDIR)/man7
	install -m 755 $(LIB) $(SHIM) $(IMAGE) $(DESTDIR)$(LIBDIR)
	ln -sf libpvclock.so.1 $(DESTDIR)$(LIBDIR)/libpvclock.so
	install -m 644 $(O)/libpvclock.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(O)/pvclock.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/pvclock.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 include/pvclock/abi.h $(DESTDIR)$(INCLUDEDIR)/pvclock
	install -m 755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	install -m 644 $(MAN1) $(DESTDIR)$(MANDIR)/man1
	install -m 644 $(MAN3) $(DESTDIR)$(MANDIR)/man3
	install -m 644 $(MAN7) $(DESTDIR)$(MANDIR)/man7

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,$(notdir $(LIB) $(SHIM) $(IMAGE)) libpvclock.so \
		libpvclock.a pkgconfig/pvclock.pc)
	rm -f $(DESTDIR)$(INCLUDEDIR)/pvclock.h $(DESTDIR)$(INCLUDEDIR)/pvclock/abi.h
	rmdir $(DESTDIR)$(INCLUDEDIR)/pvclock || true
	rm -f $(addprefix $(DESTDIR)$(BINDIR)/,$(notdir $(PROGRAMS)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(MAN1)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man3/,$(notdir $(MAN3)))
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(MAN7)))

# Only what a build puts there, whatever O names.
clean:
	rm -rf $(addprefix $(O)/,vdso lib bench tests fuzz model coverage .packages .flags *.so *.so.1 *.a *.o *.pc \
		$(notdir $(PROGRAMS)))
	-@rmdir $(O) 2>/dev/null || true
