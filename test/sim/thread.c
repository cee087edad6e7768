#include "test/sim/thread.h"

#include "core/journal/writer.h"
#include "test/support/fiber.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define WAKES_LATEST (300 * (MS_NS / 1000)) // a thread that was asked runs after so long at most

struct writer {
    void (*work)(void *context);
    void *context;
    bool told;
    bool locked;
    bool waits; // the thread, for the lock
};

static struct {
    struct world *world;
    const bool *dead;
    struct writer *writer; // there is one at most
    uint64_t wake;         // the one that is expected; others are of before
} thread;

void thread_init(struct world *world, const bool *dead) {
    thread.world = world;
    thread.dead = dead;
    thread.writer = NULL;
}

bool thread_busy(void) {
    return thread.writer && !fiber_ended();
}

bool thread_told(void) {
    return thread.writer && thread.writer->told;
}

// ---- Waiting ----

static void wake(void *context, uint64_t number) {
    (void)context;
    if (thread_busy() && thread.wake == number)
        fiber_go_on();
}

static void wake_in(uint64_t ns) {
    world_at(thread.world, thread.world->now + ns, wake, NULL, ++thread.wake);
}

void thread_pass(struct world *world, uint64_t ns) {
    if (!fiber_inside()) {
        world_pass(world, ns);
        return;
    }
    if (*thread.dead)
        return;
    wake_in(ns);
    fiber_pause();
}

// The owner waits for the thread: the world turns, or, where the end has come, only the thread goes on.
static void turn(void) {
    if (*thread.dead) {
        thread.wake++;
        fiber_go_on();
    } else
        world_next(thread.world, UINT64_MAX);
}

// ---- core/journal/writer.h ----

int writer_new(void (*work)(void *context), void *context, struct writer **out) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    *writer = (struct writer){.work = work, .context = context};
    thread.writer = writer;
    *out = writer;
    return 0;
}

void writer_destroy(struct writer **self) {
    if (!*self)
        return;
    writer_wait(*self);
    thread.writer = NULL;
    free(*self);
    *self = NULL;
}

static void work(void *context) {
    struct writer *writer = context;
    writer->work(writer->context);
    writer->told = true;
}

void writer_start(struct writer *writer) {
    fiber_start(work, writer);
    wake_in(world_skewed(thread.world, 0, WAKES_LATEST));
}

bool writer_busy(const struct writer *writer) {
    (void)writer;
    return !fiber_ended();
}

void writer_wait(struct writer *writer) {
    while (writer_busy(writer))
        turn();
}

int writer_fd(const struct writer *writer) {
    (void)writer;
    return INT_MAX; // router.c knows
}

void writer_tell(struct writer *writer) {
    writer->told = true;
}

void writer_heard(struct writer *writer) {
    writer->told = false;
}

void writer_lock(struct writer *writer) {
    if (!writer)
        return;
    while (writer->locked && !fiber_inside())
        turn();
    while (writer->locked) {
        writer->waits = true;
        fiber_pause();
    }
    writer->locked = true;
}

void writer_unlock(struct writer *writer) {
    if (!writer)
        return;
    writer->locked = false;
    if (!writer->waits)
        return;
    writer->waits = false;
    wake_in(0);
}
