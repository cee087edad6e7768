// Offsets as a position.
#include "adapters/connectors/kafka/offsets.h"

#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_round_trip(void **state) {
    (void)state;
    struct offsets offsets = {0};
    struct offsets back = {0};
    struct buffer text = {0};
    assert_int_equal(offsets_set(&offsets, "b", 7, 0), 0);
    assert_int_equal(offsets_set(&offsets, "a", 2, INT64_MAX), 0);
    assert_int_equal(offsets_set(&offsets, "a", 0, 300), 0);
    assert_int_equal(offsets_set(&offsets, "a", 0, 301), 0);
    assert_int_equal(offsets_write(&offsets, &text), 0);
    assert_int_equal(offsets_read(&back, buffer_bytes(&text)), 0);
    assert_int_equal(back.count, 3);
    assert_int_equal(offsets_get(&back, "a", 0), 301);
    assert_int_equal(offsets_get(&back, "a", 2), INT64_MAX);
    assert_int_equal(offsets_get(&back, "b", 7), 0);
    assert_int_equal(offsets_get(&back, "b", 0), OFFSET_NONE);
    offsets_remove(&back, "a", 2);
    offsets_remove(&back, "a", 2);
    assert_int_equal(back.count, 2);
    assert_int_equal(offsets_get(&back, "b", 7), 0);
    offsets_destroy(&offsets);
    offsets_destroy(&back);
    buffer_destroy(&text);
}

// Every cut of a right one is refused or holds fewer partitions; nothing reads beyond it.
static void test_broken(void **state) {
    (void)state;
    struct offsets offsets = {0};
    struct offsets back = {0};
    struct buffer text = {0};
    assert_int_equal(offsets_set(&offsets, "topic", 1, 1000), 0);
    assert_int_equal(offsets_set(&offsets, "topic", 2, 1000), 0);
    assert_int_equal(offsets_write(&offsets, &text), 0);
    for (size_t size = 2; size < text.size; size++) {
        assert_int_equal(offsets_read(&back, bytes_of(text.data, size)), -EINVAL);
        assert_int_equal(back.count, 0);
    }
    assert_int_equal(offsets_read(&back, bytes_of("{}", 2)), -EINVAL); // another connector's
    assert_int_equal(offsets_read(&back, (struct bytes){0}), 0);
    offsets_destroy(&offsets);
    buffer_destroy(&text);
}

static void test_too_many(void **state) {
    (void)state;
    struct offsets offsets = {0};
    struct buffer text = {0};
    for (int32_t i = 0; i < 400; i++)
        assert_int_equal(offsets_set(&offsets, "city.residence", i, (int64_t)1 << 40), 0);
    assert_int_equal(offsets_write(&offsets, &text), 0);
    for (int32_t i = 400; i < 1000; i++)
        assert_int_equal(offsets_set(&offsets, "city.residence", i, (int64_t)1 << 40), 0);
    buffer_clear(&text);
    assert_int_equal(offsets_write(&offsets, &text), -EMSGSIZE);
    offsets_destroy(&offsets);
    buffer_destroy(&text);
}

static void test_no_memory(void **state) {
    (void)state;
    struct offsets offsets = {0};
    alloc_fail_once(0);
    assert_int_equal(offsets_set(&offsets, "a", 0, 1), -ENOMEM);
    alloc_fail_never();
    assert_int_equal(offsets.count, 0);
    assert_int_equal(offsets_set(&offsets, "a", 0, 1), 0);
    offsets_destroy(&offsets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
