#include "test/sim/thread.h"

#include "core/journal/writer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE ((size_t)1 << 20)
#define WAKES_LATEST (300 * (MS_NS / 1000)) // a thread that was asked runs after so long at most

struct writer {
    void (*work)(void *context);
    void *context;
    bool busy;
    bool told;
    bool locked;
    bool waits; // the thread, for the lock
};

static struct {
    struct world *world;
    const bool *dead;
    struct writer *writer; // there is one at most
    ucontext_t inner, outer;
    bool inside;
    uint64_t wake; // the one that is expected; others are of before
    char *stack;
    const void *outer_stack; // for the address sanitizer
    size_t outer_size;
} thread;

void thread_init(struct world *world, const bool *dead) {
    static _Alignas(64) char stack[STACK_SIZE];
    thread.world = world;
    thread.dead = dead;
    thread.writer = NULL;
    thread.inside = false;
    thread.stack = stack;
}

bool thread_busy(void) {
    return thread.writer && thread.writer->busy;
}

bool thread_told(void) {
    return thread.writer && thread.writer->told;
}

// ---- From stack to stack ----

static void leaving(void **kept, const void *stack, size_t size) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(kept, stack, size);
#else
    (void)kept;
    (void)stack;
    (void)size;
#endif
}

// NOLINTNEXTLINE(readability-non-const-parameter): the sanitizer writes there
static void arrived(void *kept, const void **from, size_t *size) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(kept, from, size);
#else
    (void)kept;
    (void)from;
    (void)size;
#endif
}

// The thread runs until it waits or has done its work.
static void go_in(void) {
    void *kept = NULL;
    thread.inside = true;
    leaving(&kept, thread.stack, STACK_SIZE);
    if (swapcontext(&thread.outer, &thread.inner) != 0)
        abort();
    arrived(kept, NULL, NULL);
    thread.inside = false;
}

static void go_out(bool for_good) {
    void *kept = NULL;
    leaving(for_good ? NULL : &kept, thread.outer_stack, thread.outer_size);
    if (swapcontext(&thread.inner, &thread.outer) != 0)
        abort();
    arrived(kept, &thread.outer_stack, &thread.outer_size);
}

static void run(void) {
    struct writer *writer = thread.writer;
    arrived(NULL, &thread.outer_stack, &thread.outer_size);
    writer->work(writer->context);
    writer->busy = false;
    writer->told = true;
    go_out(true);
}

// ---- Waiting ----

static void wake(void *context, uint64_t number) {
    (void)context;
    if (thread.writer && thread.wake == number)
        go_in();
}

static void wake_in(uint64_t ns) {
    world_at(thread.world, thread.world->now + ns, wake, NULL, ++thread.wake);
}

void thread_pass(struct world *world, uint64_t ns) {
    if (!thread.inside) {
        world_pass(world, ns);
        return;
    }
    if (*thread.dead)
        return;
    wake_in(ns);
    go_out(false);
}

// The owner waits for the thread: the world turns, or, where the end has come, only the thread goes on.
static void turn(void) {
    if (*thread.dead) {
        thread.wake++;
        go_in();
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

void writer_start(struct writer *writer) {
    writer->busy = true;
    if (getcontext(&thread.inner) != 0)
        abort();
    thread.inner.uc_stack.ss_sp = thread.stack;
    thread.inner.uc_stack.ss_size = STACK_SIZE;
    thread.inner.uc_link = NULL;
    makecontext(&thread.inner, run, 0);
    wake_in(world_skewed(thread.world, 0, WAKES_LATEST));
}

bool writer_busy(const struct writer *writer) {
    return writer->busy;
}

void writer_wait(struct writer *writer) {
    while (writer->busy)
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
    while (writer->locked && !thread.inside)
        turn();
    while (writer->locked) {
        writer->waits = true;
        go_out(false);
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
