#include "test/support/fiber.h"

#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE ((size_t)1 << 20)

static struct {
    void (*work)(void *context);
    void *context;
    ucontext_t inner, outer;
    bool inside;
    bool under_way;
    const void *outer_stack; // for the address sanitizer
    size_t outer_size;
} fiber;

static _Alignas(64) char stack[STACK_SIZE];

static void leaving(void **kept, const void *to, size_t size) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(kept, to, size);
#else
    (void)kept;
    (void)to;
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

static void go_out(bool for_good) {
    void *kept = NULL;
    leaving(for_good ? NULL : &kept, fiber.outer_stack, fiber.outer_size);
    if (swapcontext(&fiber.inner, &fiber.outer) != 0)
        abort();
    arrived(kept, &fiber.outer_stack, &fiber.outer_size);
}

static void run(void) {
    arrived(NULL, &fiber.outer_stack, &fiber.outer_size);
    fiber.work(fiber.context);
    fiber.under_way = false;
    go_out(true);
}

void fiber_start(void (*work)(void *context), void *context) {
    if (fiber.under_way || getcontext(&fiber.inner) != 0)
        abort();
    fiber.work = work;
    fiber.context = context;
    fiber.under_way = true;
    fiber.inner.uc_stack.ss_sp = stack;
    fiber.inner.uc_stack.ss_size = sizeof stack;
    fiber.inner.uc_link = NULL;
    makecontext(&fiber.inner, run, 0);
}

void fiber_go_on(void) {
    void *kept = NULL;
    if (fiber.inside || !fiber.under_way)
        abort();
    fiber.inside = true;
    leaving(&kept, stack, sizeof stack);
    if (swapcontext(&fiber.outer, &fiber.inner) != 0)
        abort();
    arrived(kept, NULL, NULL);
    fiber.inside = false;
}

void fiber_pause(void) {
    go_out(false);
}

bool fiber_inside(void) {
    return fiber.inside;
}

bool fiber_ended(void) {
    return !fiber.under_way;
}
