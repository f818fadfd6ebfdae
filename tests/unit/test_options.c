// SPDX-License-Identifier: LGPL-2.1-or-later
/* The PVCLOCK_* environment: what is taken, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../lib/attach/attach.h"

static unsigned complaints;
static char about[64];

static void complain(const char *name, const char *value, const char *expected)
{
	assert_non_null(value);
	assert_true(strlen(expected) > 0);
	strncpy(about, name, sizeof(about) - 1);
	complaints++;
}

static struct pvc_options with(const char *name, const char *value)
{
	struct pvc_options o;

	complaints = 0;
	about[0] = '\0';
	assert_int_equal(setenv(name, value, 1), 0);
	pvc_options_default(&o);
	pvc_options_environment(&o, complain);
	unsetenv(name);
	return o;
}

static void accepted(void **state)
{
	(void)state;
	assert_int_equal(with("PVCLOCK_MODE", "auto").mode, PVC_WISH_AUTO);
	assert_int_equal(with("PVCLOCK_MODE", "stable").mode, PVC_WISH_STABLE);
	assert_int_equal(with("PVCLOCK_MODE", "percpu").mode, PVC_WISH_PERCPU);
	assert_int_equal(with("PVCLOCK_MODE", "kernel").mode, PVC_WISH_KERNEL);
	assert_int_equal(with("PVCLOCK_SCOPE", "thread").scope, PVC_SCOPE_THREAD);
	assert_int_equal(with("PVCLOCK_SCOPE", "process").scope, PVC_SCOPE_PROCESS);
	assert_int_equal(with("PVCLOCK_RESYNC_US", "100").resync_us, 100);
	assert_int_equal(with("PVCLOCK_RESYNC_US", "100000").resync_us, 100000);
	assert_int_equal(with("PVCLOCK_VERBOSE", "2").verbose, 2);
	assert_int_equal(with("PVCLOCK_VERBOSE", "0").verbose, 0);
	assert_null(with("PVCLOCK_VERBOSE", "0").stats);
	/* In environ, which with() has taken it from again. */
	assert_non_null(with("PVCLOCK_STATS", "a file").stats);
	assert_int_equal(with("PVCLOCK_SYSCALL", "1").syscall, 1);
	assert_int_equal(with("PVCLOCK_SYSCALL", "0").syscall, 0);
	assert_int_equal(complaints, 0);
}

static void refuse(const char *name, const char *value)
{
	struct pvc_options o = with(name, value), d;

	pvc_options_default(&d);
	assert_int_equal(complaints, 1);
	assert_string_equal(about, name);
	assert_int_equal(o.mode, d.mode);
	assert_int_equal(o.scope, d.scope);
	assert_int_equal(o.resync_us, d.resync_us);
	assert_int_equal(o.verbose, d.verbose);
	assert_ptr_equal(o.stats, d.stats);
	assert_int_equal(o.syscall, d.syscall);
}

static void refused(void **state)
{
	(void)state;
	refuse("PVCLOCK_MODE", "");
	refuse("PVCLOCK_MODE", "Stable");
	refuse("PVCLOCK_MODE", "stable ");
	refuse("PVCLOCK_SCOPE", "cpu");
	refuse("PVCLOCK_RESYNC_US", "");
	refuse("PVCLOCK_RESYNC_US", "99");
	refuse("PVCLOCK_RESYNC_US", "100001");
	refuse("PVCLOCK_RESYNC_US", "-1000");
	refuse("PVCLOCK_RESYNC_US", "1000us");
	refuse("PVCLOCK_RESYNC_US", " 1000");
	refuse("PVCLOCK_RESYNC_US", "18446744073709552616");
	refuse("PVCLOCK_SYSCALL", "2");
	refuse("PVCLOCK_SYSCALL", "yes");
	refuse("PVCLOCK_SYSCALL", "");
	refuse("PVCLOCK_VERBOSE", "3");
	refuse("PVCLOCK_VERBOSE", "yes");
	refuse("PVCLOCK_STATS", "");
}

/* Several wrong ones: a complaint each; and nobody needs to listen. */
static void each_by_itself(void **state)
{
	struct pvc_options o;
	(void)state;

	setenv("PVCLOCK_MODE", "x", 1);
	setenv("PVCLOCK_RESYNC_US", "x", 1);
	o = with("PVCLOCK_SCOPE", "thread");
	assert_int_equal(complaints, 2);
	assert_int_equal(o.scope, PVC_SCOPE_THREAD);
	pvc_options_environment(&o, NULL);
	unsetenv("PVCLOCK_MODE");
	unsetenv("PVCLOCK_RESYNC_US");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(each_by_itself),
	};
	static const char *const names[] = {"PVCLOCK_MODE",    "PVCLOCK_SCOPE", "PVCLOCK_RESYNC_US",
	                                    "PVCLOCK_VERBOSE", "PVCLOCK_STATS", "PVCLOCK_SYSCALL"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
