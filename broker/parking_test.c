#include "broker/lanes.h"

#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#define STREAM "0123456789abcdef"
#define OTHER_STREAM "fedcba9876543210"
#define FULL HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL
#define PARK "{ count: 8, when_full: park }"

static int set_up(void **state) {
    static struct bench bench;
    lanes_open(&bench, "  credit_messages: 16\n", PARK);
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    lanes_close(*state);
    return 0;
}

static size_t notices(struct bench *bench, int kind) {
    size_t count = 0;
    for (size_t i = 0; i < bench->update.notice_count; i++)
        count += (int)bench->update.notices[i].kind == kind;
    return count;
}

// The queue is full, the publisher of connection 1 has two messages that wait.
static void fill(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 10, "h");
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
}

static void receive(struct bench *bench, uint64_t connection, const char *system) {
    bench_hello(bench, connection, system, NULL, true);
    bench_turn(bench);
}

// ---- Tests ----

// In a shared journal: told by others, at any time.
static void what_others_have_counts_too(void **state) {
    struct bench *bench = *state;
    const struct queue *housing = lanes_queue(bench, H);
    const struct queue *letters = lanes_queue(bench, "dead:" H);
    assert_true(shared_weighed(bench->broker, housing->id));
    assert_false(shared_weighed(bench->broker, letters->id));
    assert_false(shared_weighed(bench->broker, lanes_queue(bench, C)->id)); // its oldest would die
    assert_false(shared_weighed(bench->broker, 1000));
    assert_int_equal(shared_waiting(bench->broker, 1000, 8), 0);
    bench_hello(bench, 1, PS, STREAM, false);
    assert_int_equal(shared_waiting(bench->broker, housing->id, 8), 0);
    bench_publish(bench, 1, PS, 1, 2, "h");
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, FULL);
    assert_int_equal(housing->unsettled, 0);
    assert_int_equal(shared_waiting(bench->broker, housing->id, 7), 0); // not below seven eighths yet
    bench_turn(bench);
    assert_int_equal(housing->unsettled, 0);
    assert_int_equal(shared_waiting(bench->broker, housing->id, 6), 0);
    bench_turn(bench);
    assert_int_equal(housing->unsettled, 2);
    assert_int_equal(lanes_told(bench, 1).sequence, 2);
}

static void a_full_queue_parks_its_publisher(void **state) {
    struct bench *bench = *state;
    fill(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.sequence, 8);
    assert_int_equal(told.credit_messages, 8 + 16); // as far as it was decided
    assert_int_equal(told.hold, FULL);
    assert_string_equal(told.text, H " is full");
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, 0);
    bench_publish(bench, 1, PS, 11, 14, "h"); // all the credit that there is
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).frames, 0); // no more of it
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
    bench_publish(bench, 1, PS, 25, 1, "h");
    wire_frame *frame = bench_take(bench, 1, HUTONG__BUS__V1__FRAME__KIND_ERROR, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->error->reason, HUTONG__BUS__V1__REASON__REASON_CREDIT);
    wire_frame_free(&frame);
}

static void it_resumes_by_itself_below_seven_eighths(void **state) {
    struct bench *bench = *state;
    char out[512];
    fill(bench);
    receive(bench, 2, H);
    assert_int_equal(lanes_told(bench, 1).hold, FULL);
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 7);
    assert_int_equal(lanes_told(bench, 1).frames, 0);
    bench_settle(bench, 2, H, 2, 2);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8); // both came in
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.hold, 0);
    assert_int_equal(told.sequence, 10);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,m3,m4,m5,m6,m7,m8,m9,m10,");
    assert_int_equal(notices(bench, NOTICE_PARKED), 1);
    assert_int_equal(notices(bench, NOTICE_RESUMED), 1);
    assert_true(list_empty(&bench->broker->parked));
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 0);
}

static void bytes_are_a_limit_too(void **state) {
    struct bench *bench = *state;
    lanes_reload(bench, "{ bytes: 1MiB, when_full: park }", false);
    bench->payload = 60 * (size_t)1024;
    bench_hello(bench, 1, PS, STREAM, false);
    for (uint64_t i = 1; i <= 20; i++) {
        bench_publish(bench, 1, PS, i, 1, "h");
        bench_turn(bench);
    }
    const struct queue *queue = lanes_queue(bench, H);
    assert_true(queue->bytes >= 1 << 20 && queue->bytes < (1 << 20) + 64 * 1024); // one may overshoot
    assert_int_equal(queue->parking.publishers, 1);
}

static void others_flow_on(void **state) {
    struct bench *bench = *state;
    fill(bench);
    bench_hello(bench, 3, PS2, OTHER_STREAM, false);
    for (uint64_t round = 0; round < 10; round++) {
        bench_publish(bench, 3, PS2, 1 + round * 10, 10, "c");
        bench_turn(bench);
        struct told told = lanes_told(bench, 3);
        assert_int_equal(told.sequence, 10 + round * 10);
        assert_int_equal(told.hold, 0);
    }
    assert_int_equal(lanes_queue(bench, C)->unsettled, 100);
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 1);
}

// A publisher that sends to several waits only while its next message is for the full queue: those behind it
// wait too, since a stream has an order.
static void only_the_next_message_counts(void **state) {
    struct bench *bench = *state;
    fill(bench);
    lanes_told(bench, 1);
    bench_publish(bench, 1, PS, 11, 2, "c"); // behind the two that wait
    bench_hello(bench, 3, PS2, OTHER_STREAM, false);
    bench_publish(bench, 3, PS2, 1, 2, "c");
    bench_publish(bench, 3, PS2, 3, 1, "ch"); // one of its two destinations is full
    bench_publish(bench, 3, PS2, 4, 1, "c");
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, C)->unsettled, 2);
    struct told told = lanes_told(bench, 3);
    assert_int_equal(told.sequence, 2);
    assert_int_equal(told.hold, FULL);
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 2);
    receive(bench, 2, H);
    bench_settle(bench, 2, H, 1, 8);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, C)->unsettled, 6);
    assert_int_equal(lanes_told(bench, 1).sequence, 12);
    assert_int_equal(lanes_told(bench, 3).sequence, 4);
}

static void repeats_and_refusals_need_no_room(void **state) {
    struct bench *bench = *state;
    fill(bench);
    bench_hello(bench, 3, PS, STREAM, false); // ends the first session: what waited is sent again
    bench_turn(bench);
    bench_publish(bench, 3, PS, 5, 6, "h");
    bench_turn(bench);
    struct told told = lanes_told(bench, 3);
    assert_int_equal(told.sequence, 8);
    assert_int_equal(told.hold, FULL);
    assert_int_equal(bench->broker->counters.repeats, 4);
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 1);
}

static void a_lost_publisher_leaves_nothing(void **state) {
    struct bench *bench = *state;
    char out[512];
    fill(bench);
    struct event gone = {.kind = EVENT_GONE, .connection = 1, .now_ms = bench->now_ms, .now_us = 1000000};
    assert_int_equal(broker_step(bench->broker, &gone, &bench->update), 0);
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 0);
    assert_true(list_empty(&bench->broker->parked));
    receive(bench, 2, H);
    bench_settle(bench, 2, H, 1, 8);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 0); // its two were never decided
    bench_hello(bench, 3, PS, STREAM, false);
    bench_publish(bench, 3, PS, 9, 2, "h"); // the spool sends again
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,m3,m4,m5,m6,m7,m8,m9,m10,");
}

static void a_crash_loses_and_repeats_nothing(void **state) {
    struct bench *bench = *state;
    fill(bench);
    bench_stop(bench);
    bench_start(bench);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 9, 2, "h");
    bench_turn(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.sequence, 8); // as welcome said
    assert_int_equal(told.hold, FULL);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
}

static void a_drain_does_not_wait_for_it(void **state) {
    struct bench *bench = *state;
    fill(bench);
    struct event drain = {.kind = EVENT_DRAIN, .now_ms = bench->now_ms, .now_us = 1000000};
    assert_int_equal(broker_step(bench->broker, &drain, &bench->update), 0);
    bench_turn(bench);
    assert_true(bench->update.drained);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
}

static void a_reload_to_dead_lanes_lets_it_go_on(void **state) {
    struct bench *bench = *state;
    fill(bench);
    lanes_reload(bench, "{ count: 8, when_full: dead_letter }", false);
    bench_turn(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.sequence, 10);
    assert_int_equal(told.hold, 0);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, 2);
    assert_int_equal(lanes_queue(bench, H)->parking.publishers, 0);
}

static void a_reload_to_parking_keeps_what_is_there(void **state) {
    struct bench *bench = *state;
    lanes_reload(bench, "{ count: 12, when_full: dead_letter }", false);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 12, "h");
    bench_turn(bench);
    lanes_reload(bench, "{ count: 4, when_full: park }", false);
    bench_publish(bench, 1, PS, 13, 1, "h");
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 12);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, 0);
    assert_int_equal(lanes_told(bench, 1).hold, FULL);
}

static void a_reload_asks_the_routes_again(void **state) {
    struct bench *bench = *state;
    fill(bench);
    lanes_reload(bench, PARK, false);
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, FULL);   // told once, before
    assert_int_equal(notices(bench, NOTICE_RESUMED), 0); // nothing has changed for it
    assert_int_equal(lanes_queue(bench, H)->parking.count, 1);
    lanes_reload(bench, PARK, true); // what waits goes nowhere now
    bench_turn(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.sequence, 10);
    assert_int_equal(told.hold, 0);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 8);
}

// The age of what waits is a limit for a queue that parks as well: it makes room in the end.
static void age_makes_room(void **state) {
    struct bench *bench = *state;
    lanes_reload(bench, "{ count: 8, age: 1h, when_full: park }", false);
    fill(bench);
    bench->now_ms += 3601 * UINT64_C(1000);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, 8);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 2); // what waited came in by itself
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.sequence, 10);
    assert_int_equal(told.hold, 0);
}

// Under lasting overload a queue parks and releases all the time: the log says so once in a while.
static void the_log_is_not_flooded(void **state) {
    struct bench *bench = *state;
    receive(bench, 2, H);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_turn(bench);
    uint64_t sequence = 1;
    for (uint64_t round = 0; round < 50; round++) {
        bench_publish(bench, 1, PS, sequence, 10, "h");
        sequence += 10;
        bench_turn(bench);
        bench_settle(bench, 2, H, 1, sequence);
        bench_turn(bench);
        bench_settle(bench, 2, H, 1, sequence);
        bench_turn(bench);
    }
    assert_int_equal(lanes_told(bench, 1).sequence, 500);
    assert_int_equal(lanes_queue(bench, H)->parking.count, 50);
    assert_int_equal(notices(bench, NOTICE_PARKED), 1);
    assert_int_equal(notices(bench, NOTICE_RESUMED), 1);
    bench->now_ms += 10000;
    bench_publish(bench, 1, PS, sequence, 10, "h");
    bench_turn(bench);
    assert_int_equal(notices(bench, NOTICE_PARKED), 2);
}

static void the_status_says_who_waits(void **state) {
    struct bench *bench = *state;
    fill(bench);
    json_t *status = broker_describe(bench->broker);
    const char *queue = NULL;
    json_int_t since = 0;
    assert_int_equal(json_unpack(json_array_get(json_object_get(status, "peers"), 0), "{s:{s:s, s:I}}",
                         "parked", "queue", &queue, "since_us", &since),
        0);
    assert_string_equal(queue, H);
    assert_int_equal(since, 1000000);
    size_t i;
    json_t *item;
    bool found = false;
    json_array_foreach(json_object_get(status, "queues"), i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        json_int_t parked = json_integer_value(json_object_get(item, "parked"));
        found |= strcmp(name, H) == 0;
        assert_int_equal(parked, strcmp(name, H) == 0);
    }
    assert_true(found);
    json_decref(status);
}

static void live_a_little(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 10, "h");
    bench_turn(bench);
    bench_settle(bench, 2, H, 1, 8);
    bench_turn(bench);
}

static void every_allocation_may_fail(void **state) {
    struct bench *bench = *state;
    for (size_t n = 0; n < 10000; n++) {
        bench_stop(bench);
        journal_store_destroy(&bench->store);
        bench->store = journal_store_new();
        bench_start(bench);
        bench->may_fail = true;
        bench->allocations = n;
        live_a_little(bench);
        bool lived = !bench->failed;
        bench->may_fail = bench->failed = false;
        if (lived) {
            assert_int_equal(lanes_queue(bench, H)->unsettled, 2);
            assert_true(n > 20);
            return;
        }
    }
    fail_msg("it never lives");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_others_have_counts_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_parks_its_publisher, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_resumes_by_itself_below_seven_eighths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_are_a_limit_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_flow_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_next_message_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_and_refusals_need_no_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_publisher_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_loses_and_repeats_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drain_does_not_wait_for_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_to_dead_lanes_lets_it_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_to_parking_keeps_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_asks_the_routes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(age_makes_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_is_not_flooded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_status_says_who_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
