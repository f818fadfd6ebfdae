/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that run only when they are told to: one at a time, from one point to
 * the next, so that a schedule can be repeated from its seed.
 */
#ifndef PVC_LAB_COROUTINE_H
#define PVC_LAB_COROUTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

#define CORO_STACK (256u * 1024)

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define CORO_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define CORO_TSAN 1
#endif

struct coro {
	ucontext_t context, caller;
	void (*run)(void *);
	void *arg;
	bool done;
	void *fiber, *caller_fiber; /* TSan's names of the two */
	void *fake, *caller_fake;   /* ASan's */
	const void *caller_stack;   /* which ASan wants to know */
	size_t caller_size;
	unsigned char stack[CORO_STACK] __attribute__((aligned(64)));
};

static struct coro *coro_self; /* NULL: the scheduler runs */

/* Back to whoever has resumed this one. */
static inline void coro_yield(void)
{
	struct coro *c = coro_self;

#ifdef CORO_ASAN
	__sanitizer_start_switch_fiber(c->done ? NULL : &c->fake, c->caller_stack, c->caller_size);
#endif
#ifdef CORO_TSAN
	__tsan_switch_to_fiber(c->caller_fiber, 0);
#endif
	coro_self = NULL;
	swapcontext(&c->context, &c->caller);
#ifdef CORO_ASAN
	__sanitizer_finish_switch_fiber(c->fake, &c->caller_stack, &c->caller_size);
#endif
}

static inline void coro_main(void)
{
	struct coro *c = coro_self;

#ifdef CORO_ASAN
	__sanitizer_finish_switch_fiber(NULL, &c->caller_stack, &c->caller_size);
#endif
	c->run(c->arg);
	c->done = true;
	coro_yield();
}

static inline void coro_resume(struct coro *c)
{
	coro_self = c;
#ifdef CORO_ASAN
	__sanitizer_start_switch_fiber(&c->caller_fake, c->stack, sizeof(c->stack));
#endif
#ifdef CORO_TSAN
	c->caller_fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(c->fiber, 0);
#endif
	swapcontext(&c->caller, &c->context);
#ifdef CORO_ASAN
	__sanitizer_finish_switch_fiber(c->caller_fake, NULL, NULL);
#endif
}

static inline void coro_begin(struct coro *c, void (*run)(void *), void *arg)
{
	c->run = run;
	c->arg = arg;
	c->done = false;
	getcontext(&c->context);
	c->context.uc_stack.ss_sp = c->stack;
	c->context.uc_stack.ss_size = sizeof(c->stack);
	c->context.uc_link = NULL;
	makecontext(&c->context, coro_main, 0);
#ifdef CORO_TSAN
	c->fiber = __tsan_create_fiber(0);
#endif
}

static inline void coro_end(struct coro *c)
{
#ifdef CORO_TSAN
	__tsan_destroy_fiber(c->fiber);
#else
	(void)c;
#endif
}

#endif /* PVC_LAB_COROUTINE_H */
