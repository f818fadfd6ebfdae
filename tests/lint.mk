# SPDX-License-Identifier: LGPL-2.1-or-later

C_FILES := $(sort $(shell find include vdso lib bench tests -name '*.c' -o -name '*.h'))
MAN_PAGES := $(wildcard man/*.[137])
LINT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude

lint: $(PACKAGES)
	@echo '  LINT    clang-format'
	$(Q)clang-format --dry-run -Werror $(C_FILES)
	@echo '  LINT    clang-tidy'
	$(Q)printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P 2 -n 1 sh -c \
		'clang-tidy --quiet "$$@" -- $(LINT_CFLAGS) 2>/dev/null' sh
	@echo '  LINT    cppcheck'
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -Iinclude $(filter %.c,$(C_FILES))
	@echo '  LINT    mandoc'
	$(Q)mandoc -T lint -W warning $(MAN_PAGES)
	@for f in $(C_FILES); do head -n 1 $$f | grep -q SPDX || { echo "$$f: no SPDX line"; exit 1; }; done
