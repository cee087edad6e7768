#include "broker/delivery/queue.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 4096 };

static struct delivery *deliveries; // each at its own position; `state` DYING: it should be in the set

static bool present(size_t position) {
    return deliveries[position].state == DELIVERY_DYING;
}

static void put(struct known *known, size_t position) {
    deliveries[position] = (struct delivery){.position = position, .state = DELIVERY_DYING};
    assert_int_equal(known_put(known, &deliveries[position]), 0);
}

static void take(struct known *known, size_t position) {
    known_remove(known, &deliveries[position]);
    deliveries[position].state = DELIVERY_WAITING;
}

// Each of the set is found, and nothing else; a walk meets each once.
static void check(const struct known *known) {
    size_t count = 0;
    for (size_t position = 0; position < COUNT; position++) {
        assert_ptr_equal(known_get(known, position), present(position) ? &deliveries[position] : NULL);
        count += present(position);
        deliveries[position].attempt = 0;
    }
    assert_int_equal(known->size, count);
    size_t cursor = 0;
    for (struct delivery *delivery; (delivery = known_next(known, &cursor)) != NULL; count--) {
        assert_true(present(delivery->position));
        assert_int_equal(delivery->attempt++, 0);
    }
    assert_int_equal(count, 0);
}

// A window moves on while some of it stay behind for long, so that later ones find their slots taken; a hole
// is closed in any order.
static void a_window_with_stragglers(void **state) {
    (void)state;
    struct known known = {0};
    size_t behind = 0;
    srand(11);
    memset(deliveries, 0, COUNT * sizeof *deliveries);
    assert_null(known_get(&known, 1));
    for (size_t next = 0; next < COUNT; next++) {
        put(&known, next);
        for (size_t i = 0; i < 2; i++) {
            size_t position = next - (size_t)rand() % (next < 60 ? next + 1 : 60);
            if (present(position) && position % 17)
                take(&known, position);
        }
        if (next % 100 == 0)
            check(&known);
        behind = known.aside.size > behind ? known.aside.size : behind;
    }
    assert_true(behind > 0); // else it tested nothing
    for (size_t position = 0; position < COUNT; position++)
        if (present(position) && rand() % 2)
            take(&known, position);
    check(&known);
    for (size_t position = 0; position < COUNT; position++)
        if (present(position))
            take(&known, position);
    check(&known);
    known_destroy(&known);
    check(&known);
}

static void positions_that_share_a_slot(void **state) {
    (void)state;
    struct known known = {0};
    memset(deliveries, 0, COUNT * sizeof *deliveries);
    put(&known, 1);
    put(&known, 1 + 16);
    put(&known, 1 + 32);
    check(&known);
    take(&known, 1); // the slot is free, and the others are still found
    check(&known);
    put(&known, 1 + 64);
    check(&known);
    for (size_t position = 1000; position < 1100; position++) // it grows meanwhile
        put(&known, position);
    check(&known);
    take(&known, 1 + 16);
    take(&known, 1 + 64);
    check(&known);
    known_destroy(&known);
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    struct known known = {0};
    memset(deliveries, 0, COUNT * sizeof *deliveries);
    alloc_fail_after(0);
    assert_int_equal(known_put(&known, &deliveries[0]), -ENOMEM);
    alloc_fail_never();
    check(&known);
    put(&known, 1);
    deliveries[1 + 16].position = 1 + 16;
    alloc_fail_after(0); // its slot is taken, and the map has no room yet
    assert_int_equal(known_put(&known, &deliveries[1 + 16]), -ENOMEM);
    alloc_fail_never();
    check(&known);
    for (size_t position = 2; position < 9; position++)
        put(&known, position);
    deliveries[9].position = 9;
    alloc_fail_after(0); // it would have to grow
    assert_int_equal(known_put(&known, &deliveries[9]), -ENOMEM);
    alloc_fail_never();
    check(&known);
    put(&known, 9);
    check(&known);
    known_destroy(&known);
}

static int setup(void **state) {
    (void)state;
    deliveries = calloc(COUNT, sizeof *deliveries);
    return deliveries ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    free(deliveries);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_with_stragglers),
        cmocka_unit_test(positions_that_share_a_slot),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
