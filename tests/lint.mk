# SPDX-License-Identifier: LGPL-2.1-or-later

C_FILES := $(sort $(shell find include vdso lib bench tests -name '*.c' -o -name '*.h'))
MAN_PAGES := $(wildcard man/*.[137])
LINT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude

lint: $(PACKAGES)
	clang-format --dry-run -Werror $(C_FILES)
	clang-tidy --quiet $(filter %.c,$(C_FILES)) -- $(LINT_CFLAGS) 2>&1 | \
		grep -v 'warnings generated' ; exit $${PIPESTATUS[0]}
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -Iinclude $(filter %.c,$(C_FILES))
	mandoc -T lint -W warning $(MAN_PAGES)
	@for f in $(C_FILES); do head -n 1 $$f | grep -q SPDX || { echo "$$f: no SPDX line"; exit 1; }; done
lint: SHELL := /bin/bash
