#include "core/base/heap.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { COUNT = 300 };

// Of the first, which must be there.
static uint64_t first_key(const struct heap *heap) {
    const struct heap_node *first = heap_first(heap);
    return first ? first->key : UINT64_MAX;
}

static void check(const struct heap *heap) {
    for (size_t place = 1; place <= heap->size; place++) {
        assert_int_equal(heap->nodes[place - 1]->place, place);
        if (place > 1)
            assert_true(heap->nodes[place / 2 - 1]->key <= heap->nodes[place - 1]->key);
    }
}

// Puts, moves and removals at random, against the lowest key of a plain array.
static void the_lowest_is_on_top(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node nodes[COUNT] = {0};
    srand(11);
    for (int i = 0; i < 20000; i++) {
        struct heap_node *node = &nodes[rand() % COUNT];
        if (rand() % 3 == 0)
            heap_remove(&heap, node);
        else
            assert_int_equal(heap_put(&heap, node, (uint64_t)(rand() % 1000)), 0);
        uint64_t lowest = UINT64_MAX;
        size_t count = 0;
        for (size_t k = 0; k < COUNT; k++) {
            count += nodes[k].place != 0;
            if (nodes[k].place && nodes[k].key < lowest)
                lowest = nodes[k].key;
        }
        assert_int_equal(heap.size, count);
        if (count)
            assert_int_equal(first_key(&heap), lowest);
        else
            assert_null(heap_first(&heap));
        if (i % 100 == 0)
            check(&heap);
    }
    heap_destroy(&heap);
}

static void comes_out_in_order(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node nodes[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(heap_put(&heap, &nodes[i], (i * 7919) % COUNT), 0);
    for (uint64_t key = 0; key < COUNT; key++) {
        assert_int_equal(first_key(&heap), key);
        heap_remove(&heap, heap_first(&heap));
    }
    assert_null(heap_first(&heap));
    heap_remove(&heap, &nodes[0]); // it is gone already
    heap_destroy(&heap);
}

static void no_memory_changes_nothing(void **state) {
    (void)state;
    struct heap heap = {0};
    struct heap_node node = {0};
    alloc_fail_after(0);
    assert_int_equal(heap_put(&heap, &node, 5), -ENOMEM);
    alloc_fail_never();
    assert_int_equal(node.place, 0);
    assert_int_equal(heap_reserve(&heap, 1), 0);
    alloc_fail_after(0);
    assert_int_equal(heap_put(&heap, &node, 5), 0);
    alloc_fail_never();
    heap_destroy(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_is_on_top),
        cmocka_unit_test(comes_out_in_order),
        cmocka_unit_test(no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
