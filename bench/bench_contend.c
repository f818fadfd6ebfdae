// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The thread that contends. It sleeps while other rows are measured, so that it
 * takes nothing from them, and runs for all of the batch that it is there for.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define CHUNK 32 /* calls between two looks at whether to stop */

struct bench_contender {
	pthread_t thread;
	sem_t go;  /* run the loop, or end if there is none */
	sem_t ack; /* it is there; it runs; it has stopped */
	bench_loop *loop;
	int handle;
	int cpu, error;
	_Atomic bool stop;
};

/* Nobody handles signals here, but a debugger interrupts as well. */
static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

static void *contend(void *data)
{
	struct bench_contender *c = data;

	c->error = bench_place_pin(c->cpu);
	sem_post(&c->ack);
	for (;;) {
		wait_for(&c->go);
		if (!c->loop)
			return NULL;
		c->loop(CHUNK, c->handle);
		sem_post(&c->ack);
		while (!atomic_load_explicit(&c->stop, memory_order_relaxed))
			c->loop(CHUNK, c->handle);
		sem_post(&c->ack);
	}
}

struct bench_contender *bench_contender_new(const struct bench_place *place, char *reason)
{
	struct bench_contender *c;
	int err;

	if (place->other < 0) {
		snprintf(reason, BENCH_REASON, "only one CPU is allowed, %s", place->allowed.text);
		return NULL;
	}
	c = bench_place_alloc(place, sizeof(*c));
	c->cpu = place->other;
	sem_init(&c->go, 0, 0);
	sem_init(&c->ack, 0, 0);
	err = pthread_create(&c->thread, NULL, contend, c);
	if (!err) {
		wait_for(&c->ack);
		if (!c->error)
			return c;
		err = c->error;
		bench_contender_free(place, c);
	} else {
		bench_place_free(place, c, sizeof(*c));
	}
	snprintf(reason, BENCH_REASON, "no thread on CPU %d: %s", place->other, strerror(err));
	return NULL;
}

void bench_contender_free(const struct bench_place *place, struct bench_contender *c)
{
	c->loop = NULL;
	sem_post(&c->go);
	pthread_join(c->thread, NULL);
	bench_place_free(place, c, sizeof(*c));
}

uint64_t bench_contended_batch(struct bench_contender *c, bench_loop *loop, unsigned calls,
                               int handle)
{
	uint64_t ticks;

	c->loop = loop;
	c->handle = handle;
	atomic_store_explicit(&c->stop, false, memory_order_relaxed);
	sem_post(&c->go);
	wait_for(&c->ack);
	ticks = bench_batch(loop, calls, handle);
	atomic_store_explicit(&c->stop, true, memory_order_relaxed);
	wait_for(&c->ack);
	return ticks;
}
