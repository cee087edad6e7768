// What of a destination's topic waits, by the core's positions.
#include "broker/kafka/destination.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void arrive(struct destination *destination, struct part *part, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        const struct arrival one = {.part = part, .number = destination_next(destination), .size = 1};
        assert_int_equal(destination_arrive(destination, &one, bytes_of_string("x")), 0);
    }
}

static void forget(struct destination *destination, uint64_t position) {
    struct arrival *arrival = destination_at(destination, position);
    assert_non_null(arrival);
    destination_forget(destination, arrival);
}

// As one does that is tried again for days.
static void one_that_stays_holds_back_no_memory(void **state) {
    (void)state;
    struct destination *destination = destination_new(1, "a/b", 0);
    struct part *part = destination_add_part(destination, 0);
    arrive(destination, part, 1);
    for (uint64_t position = 2; position < 100000; position++) {
        arrive(destination, part, 1);
        forget(destination, position);
    }
    assert_true(destination->capacity <= 1024);
    assert_int_equal(destination->bytes, 1);
    assert_int_equal(destination_at(destination, 1)->number, 1);
    assert_null(destination_from(destination, 2));
    forget(destination, 1);
    assert_int_equal(destination->count, 0);
    assert_int_equal(destination_next(destination), 100000);
    destination_destroy(&destination);
}

static void what_stays_is_found_by_its_position(void **state) {
    (void)state;
    struct destination *destination = destination_new(1, "a/b", 0);
    struct part *part = destination_add_part(destination, 0);
    arrive(destination, part, 1000);
    for (uint64_t position = 1000; position > 0; position--)
        if (position % 7 != 0)
            forget(destination, position);
    for (uint64_t position = 0; position <= 1001; position++) {
        const struct arrival *at = destination_at(destination, position);
        const struct arrival *from = destination_from(destination, position);
        uint64_t next = (position + 6) / 7 * 7;
        next = next ? next : 7;
        assert_true((at != NULL) == (position && position % 7 == 0 && position <= 1000));
        assert_true(next > 1000 ? !from : from && from->position == next && from->number == next);
    }
    destination_destroy(&destination);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_stays_holds_back_no_memory),
        cmocka_unit_test(what_stays_is_found_by_its_position),
    };
    return cmocka_run_group_tests_name("destination", tests, NULL, NULL);
}
