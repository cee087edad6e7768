#include "broker/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"
#define BUSY HUTONG__BUS__V1__REASON__REASON_BUSY
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER

static int set_up(void **state) {
    static struct bench bench;
    lanes_open(&bench, "  credit_messages: 16\n", "{}");
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    lanes_close(*state);
    return 0;
}

static void paused_turn(struct bench *bench) {
    struct event event = {
        .kind = EVENT_PAUSED, .now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
    bench->update.more = false;
    bench->update.deadline_ms = UINT64_MAX;
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    assert_false(bench->update.more);
}

static void publishers_are_told_and_kept(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 3, "h");
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).sequence, 3);
    bench_publish(bench, 1, PS, 4, 2, "h");
    for (int i = 0; i < 10; i++)
        paused_turn(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.frames, 1); // once
    assert_int_equal(told.hold, BUSY);
    assert_int_equal(told.sequence, 3);
    assert_string_equal(told.text, "the broker's journal has no room");
    assert_int_equal(journal_batch_count(bench->batch), 0);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 3);
    bench->now_ms += 3600 * UINT64_C(1000); // however long it takes, nobody is taken for gone
    paused_turn(bench);
    assert_int_equal(bench_waiting(bench, 1, HUTONG__BUS__V1__FRAME__KIND_ERROR), 0);
    bench_turn(bench); // room
    told = lanes_told(bench, 1);
    assert_int_equal(told.hold, 0);
    assert_int_equal(told.sequence, 5);
    assert_int_equal(bench->broker->session_count, 1);
}

static void one_that_comes_meanwhile_is_told_too(void **state) {
    struct bench *bench = *state;
    paused_turn(bench);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    paused_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, BUSY);
    assert_int_equal(lanes_told(bench, 2).frames, 0); // it publishes nothing
    bench_turn(bench);
    struct told told = lanes_told(bench, 1);
    assert_int_equal(told.frames, 1);
    assert_int_equal(told.hold, 0);
}

// A receiver that comes while there is no room gets what is durable and settles it: what it settles waits in
// the batch.
static void what_is_durable_is_delivered_and_settled(void **state) {
    struct bench *bench = *state;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 3, "h");
    bench_turn(bench);
    bench_hello(bench, 2, H, NULL, true);
    bench->no_append = true;
    paused_turn(bench);
    assert_true(bench_load(bench));
    paused_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,m3,");
    bench_settle(bench, 2, H, 1, 3);
    paused_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 0);
    assert_int_equal(lanes_queue(bench, H)->settled_durable, 0);
    assert_true(journal_batch_count(bench->batch) > 0);
    bench->no_append = false;
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->settled_durable, 3);
}

// What dies while there is no room is buried when there is; until then nothing turns in circles.
static void the_dying_wait(void **state) {
    struct bench *bench = *state;
    char out[64];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "h");
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,");
    bench_fail(bench, 2, H, 1, 0, true);
    paused_turn(bench);
    assert_true(bench_load(bench));
    for (int i = 0; i < 3; i++) {
        paused_turn(bench); // nothing is to be done at once
        assert_false(bench_load(bench));
    }
    assert_int_equal(lanes_queue(bench, H)->unsettled, 1);
    bench_turn(bench);
    assert_int_equal(lanes_queue(bench, H)->unsettled, 0);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, 1);
}

static void a_pause_and_a_full_queue(void **state) {
    struct bench *bench = *state;
    lanes_reload(bench, "{ count: 2, when_full: park }", false);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 3, "h");
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL);
    paused_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, BUSY);
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 1).hold, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(publishers_are_told_and_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_comes_meanwhile_is_told_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_durable_is_delivered_and_settled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_dying_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pause_and_a_full_queue, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
