#include "broker/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR

static int set_up(void **state) {
    static struct bench bench;
    lanes_open(&bench, "", "{}");
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    lanes_close(*state);
    return 0;
}

// Frames behind the end of a session begin new ones: the key is right, the frames are not.
static void come_and_go(struct bench *bench, const char *system, uint64_t from, uint64_t count) {
    for (uint64_t i = from; i < from + count; i++) {
        bench_hello(bench, i, system, NULL, false);
        bench_bytes(bench, i, system, bytes_of_string("?"), NULL);
        update_clear(&bench->update);
    }
}

static void coming_and_going_fills_no_journal(void **state) {
    struct bench *bench = *state;
    uint64_t before = bench->broker->next_record;
    come_and_go(bench, PS, 1, 1000);
    assert_int_equal(bench->broker->next_record - before, 2 * PEER_NEWS); // up and down
    assert_int_equal(bench->broker->counters.unsaid, 1000 - PEER_NEWS);
    assert_int_equal(bench->broker->session_count, 0);
    come_and_go(bench, H, 2000, 10); // another system's news are said
    assert_int_equal(bench->broker->next_record - before, 2 * PEER_NEWS + 20);
    bench->now_ms += 5000;
    come_and_go(bench, PS, 3000, 100);
    assert_int_equal(bench->broker->next_record - before, 2 * PEER_NEWS + 20 + 10);
    bench->now_ms += 3600 * UINT64_C(1000); // no more than at first, however long it was quiet
    come_and_go(bench, PS, 4000, 100);
    assert_int_equal(bench->broker->next_record - before, 4 * PEER_NEWS + 20 + 10);
}

static void frames_without_a_session_fill_no_log(void **state) {
    struct bench *bench = *state;
    uint64_t before = bench->broker->next_record;
    size_t notices = bench->update.notice_count;
    for (uint64_t i = 1; i <= 1000; i++)
        bench_bytes(bench, i, PS, bytes_of_string("?"), NULL);
    assert_int_equal(bench_waiting(bench, 1000, ERROR_FRAME), 1); // each is answered
    assert_int_equal(bench->update.notice_count - notices, PEER_NEWS);
    assert_int_equal(bench->broker->next_record, before);
}

// The disk holds the broker up for a minute: what peers sent meanwhile is still to be read.
static void a_stall_of_the_broker_ends_no_session(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, NULL, false);
    bench_turn(bench);
    bench->now_ms += 60000;
    bench_turn(bench);
    assert_int_equal(bench->broker->session_count, 1);
    for (int i = 0; i < 4; i++) { // a peer that stays silent is gone all the same
        bench->now_ms += 5000;
        bench_turn(bench);
    }
    assert_int_equal(bench->broker->session_count, 0);
}

static void say_hello(struct bench *bench, uint64_t connection, unsigned stream) {
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    char instance[32];
    uint8_t bytes[WIRE_STREAM_SIZE] = {(uint8_t)stream, (uint8_t)(stream >> 8), 1};
    snprintf(instance, sizeof instance, "i%llu", (unsigned long long)connection);
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)PS;
    hello.instance = instance;
    hello.stream.data = bytes;
    hello.stream.len = sizeof bytes;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    bench_frame(bench, connection, PS, &frame, NULL);
}

// A session that publishes nothing for a hundred days keeps its stream, however many new ones come.
static void a_stream_in_use_is_not_forgotten(void **state) {
    struct bench *bench = *state;
    say_hello(bench, 1, 0);
    bench_publish(bench, 1, PS, 1, 3, "h");
    bench_turn(bench);
    for (unsigned i = 1; i < PUBLISHERS_PER_SYSTEM; i++) {
        say_hello(bench, 100 + i, i);
        struct event gone = {
            .kind = EVENT_GONE, .connection = 100 + i, .now_ms = bench->now_ms, .now_us = 1000000};
        assert_int_equal(broker_step(bench->broker, &gone, &bench->update), 0);
    }
    bench->now_ms += 100ull * 24 * 3600 * 1000;
    for (unsigned i = 0; i < 2 * PUBLISHERS_PER_SYSTEM; i++) {
        say_hello(bench, 1000 + i, 1000 + i);
        update_clear(&bench->update);
    }
    const struct session *session = number_map_get(&bench->broker->by_connection, 1);
    assert_non_null(session);
    assert_ptr_equal(
        publishers_by_id(&bench->broker->publishers, session->publisher->id), session->publisher);
    bench_publish(bench, 1, PS, 3, 2, "h");
    bench_turn(bench);
    assert_int_equal(bench->broker->counters.repeats, 1);
    assert_int_equal(lanes_told(bench, 1).sequence, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(coming_and_going_fills_no_journal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(frames_without_a_session_fill_no_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stall_of_the_broker_ends_no_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_in_use_is_not_forgotten, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
