// More comes back than the journal's batch has room for.
#include "broker/lanes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"
#define OTHER_STREAM "fedcba9876543210"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define MESSAGES ((size_t)4000)

static int set_up(void **state) {
    static struct bench bench;
    // The smallest batch that may be, and intake fills it to the brim.
    lanes_open(&bench, "  message: 1KiB\njournal:\n  batch: 65KiB\n  batch_limit: 65KiB\n", "{}");
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    lanes_close(*state);
    return 0;
}

static struct queue *housing(struct bench *bench) {
    return map_get(bench->broker->queues_by_name, bytes_of_string(H));
}

static void publish(struct bench *bench, uint64_t connection, const char *system, uint64_t from) {
    for (size_t i = 0; i < MESSAGES / 1000; i++)
        bench_publish(bench, connection, system, from + i * 1000, 1000, "h");
}

// All of housing's messages are in flight at connection 2.
static void send_all(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    publish(bench, 1, PS, 1);
    bench_turn(bench);
    bench_receive(bench, 2, H, "one", MESSAGES);
    bench_turn(bench);
    assert_int_equal(housing(bench)->in_flight, MESSAGES);
}

// A batch that can't be appended yet has no room for anything more.
static void fill_batch(struct bench *bench) {
    bench_hello(bench, 3, PS2, OTHER_STREAM, false);
    bench_turn(bench);
    publish(bench, 3, PS2, 1);
    bench_step(bench, (struct event){.kind = EVENT_TURN});
    assert_true(bench->update.more);
    assert_true(journal_batch_size(bench->batch) + 1024 > bench->broker->batch_hard / 2);
    const Hutong__Bus__V1__PeerRecord peer = HUTONG__BUS__V1__PEER_RECORD__INIT;
    while (record_add_packed(bench->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_PEER, &peer.base, NULL) == 0)
        bench->broker->next_record++;
}

static size_t frame_size(const Hutong__Bus__V1__Settle *settle) {
    return hutong__bus__v1__settle__get_packed_size(settle) + 16;
}

// The largest frame that there may be: every other message is done, as many of the rest as fit failed, each
// with as many words as may be. Returns how many failed.
static size_t send_largest(struct bench *bench) {
    static Hutong__Bus__V1__PositionRange ranges[MESSAGES / 2];
    static Hutong__Bus__V1__PositionRange *range_pointers[MESSAGES / 2];
    static Hutong__Bus__V1__Failure failures[MESSAGES / 2];
    static Hutong__Bus__V1__Failure *failure_pointers[MESSAGES / 2];
    static char words[WIRE_TEXT_LIMIT + 1];
    memset(words, 'w', WIRE_TEXT_LIMIT);
    Hutong__Bus__V1__Settle settle = HUTONG__BUS__V1__SETTLE__INIT;
    settle.done = range_pointers;
    settle.n_done = MESSAGES / 2;
    for (size_t i = 0; i < MESSAGES / 2; i++) {
        hutong__bus__v1__position_range__init(&ranges[i]);
        ranges[i].first = ranges[i].last = 2 * i + 1;
        range_pointers[i] = &ranges[i];
        hutong__bus__v1__failure__init(&failures[i]);
        failures[i].position = 2 * i + 2;
        failures[i].reject = i % 2 == 0;
        failures[i].retry_after_ms = 3600 * 1000;
        failures[i].text = words;
        failure_pointers[i] = &failures[i];
    }
    settle.failures = failure_pointers;
    while (frame_size(&settle) + WIRE_TEXT_LIMIT + 32 <= WIRE_FRAME_LIMIT && settle.n_failures < MESSAGES / 2)
        settle.n_failures++;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_SETTLE;
    frame.settle = &settle;
    bench_frame(bench, 2, H, &frame, NULL);
    return settle.n_failures;
}

// One batch goes to disk. What waits for room is not taken for durable.
static void append(struct bench *bench) {
    struct error error;
    struct queue *queue = housing(bench);
    assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
    bool waits = queue->unwritten.settled.count > 0;
    bench_step(bench, (struct event){.kind = EVENT_DURABLE, .durable = journal_durable(bench->journal)});
    if (waits) {
        assert_int_equal(queue->settled_durable, 0);
        assert_false(broker_settled(bench->broker, queue->id, 1));
    }
}

// ---- Tests ----

static void the_largest_frame_at_a_full_batch_waits_for_room(void **state) {
    struct bench *bench = *state;
    send_all(bench);
    fill_batch(bench);
    struct queue *queue = housing(bench);
    uint64_t unsettled = queue->unsettled;
    size_t failed = send_largest(bench);
    assert_in_range(failed, 150, MESSAGES / 2);
    assert_int_equal(queue->unsettled, unsettled - MESSAGES / 2); // it happened
    assert_true(settlement_waits(queue));                         // and stands nowhere
    assert_int_equal(bench_waiting(bench, 2, HUTONG__BUS__V1__FRAME__KIND_ERROR), 0);
    size_t appends = 0;
    while (settlement_waits(queue)) {
        append(bench);
        appends++;
        assert_true(appends < 20);
    }
    assert_true(appends > 2); // more than one batch's worth
    bench_turn(bench);
    assert_int_equal(queue->settled_durable, queue->settled);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, (failed + 1) / 2);
    assert_int_equal(queue->failures.size, failed / 2);
    unsettled = queue->unsettled;
    uint64_t bytes = queue->bytes;
    bench_stop(bench); // as a kill; the journal has it all
    bench_start(bench);
    assert_int_equal(housing(bench)->unsettled, unsettled);
    assert_int_equal(housing(bench)->bytes, bytes);
    assert_int_equal(housing(bench)->failures.size, failed / 2);
    assert_int_equal(lanes_queue(bench, "dead:" H)->unsettled, (failed + 1) / 2);
}

// What could not be written before the end comes again; nothing else is lost.
static void what_waits_at_a_kill_comes_again(void **state) {
    struct bench *bench = *state;
    send_all(bench);
    fill_batch(bench);
    send_largest(bench);
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(housing(bench)->unsettled, MESSAGES);
    assert_int_equal(housing(bench)->failures.size, 0);
    bench_receive(bench, 2, H, "one", MESSAGES);
    bench_turn(bench);
    assert_int_equal(housing(bench)->in_flight, MESSAGES);
}

// A segment begins behind a batch that had no room for what was settled.
static void settle_at_a_roll(struct bench *bench, uint64_t *bytes) {
    send_all(bench);
    fill_batch(bench);
    *bytes = housing(bench)->bytes;
    bench_settle(bench, 2, H, 1, 3);
    bench_settle(bench, 2, H, 6, 9);
    assert_int_equal(housing(bench)->settled, 3);
    assert_true(settlement_waits(housing(bench)));
    journal_store_set_segment(bench->store, 1);
    append(bench);
    journal_store_set_segment(bench->store, 1 << 30);
}

// It starts with what the records say, not with what memory does.
static void what_waits_is_not_in_a_checkpoint(void **state) {
    struct bench *bench = *state;
    uint64_t bytes;
    settle_at_a_roll(bench, &bytes);
    uint64_t unsettled = housing(bench)->unsettled;
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(housing(bench)->settled, 0);
    assert_int_equal(housing(bench)->unsettled, unsettled + 7);
    assert_int_equal(housing(bench)->bytes, bytes);
}

static void what_waited_is_settled_once(void **state) {
    struct bench *bench = *state;
    uint64_t bytes;
    settle_at_a_roll(bench, &bytes);
    bench_turn(bench); // its record stands behind the checkpoint
    assert_false(settlement_waits(housing(bench)));
    uint64_t unsettled = housing(bench)->unsettled;
    bytes = housing(bench)->bytes;
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(housing(bench)->settled, 3);
    assert_int_equal(housing(bench)->unsettled, unsettled);
    assert_int_equal(housing(bench)->bytes, bytes);
}

// A session that ends takes nothing with it of what it settled.
static void what_waits_outlives_its_session(void **state) {
    struct bench *bench = *state;
    send_all(bench);
    fill_batch(bench);
    bench_settle(bench, 2, H, 1, 10);
    bench_gone(bench, 2);
    assert_true(settlement_waits(housing(bench)));
    bench_step(bench, (struct event){.kind = EVENT_TURN});
    assert_true(settlement_waits(housing(bench))); // there was no room
    bench_receive(bench, 5, H, "two", MESSAGES);
    append(bench);
    assert_false(settlement_waits(housing(bench)));
    bench_step(bench, (struct event){.kind = EVENT_TURN});
    // What may stand behind a settled one goes out when it is on the disk that that one is.
    assert_int_equal(bench_waiting(bench, 5, DELIVER), 0);
    bench_turn(bench);
    assert_int_equal(housing(bench)->settled_durable, 10);
    assert_true(bench_waiting(bench, 5, DELIVER) > 0);
}

// A new stream that finds no room is refused whole: the next hello finds nothing half known.
static void a_new_stream_at_a_full_batch(void **state) {
    struct bench *bench = *state;
    send_all(bench);
    fill_batch(bench);
    size_t publishers = bench->broker->publishers.count;
    bench_hello(bench, 4, C, STREAM, false);
    assert_int_equal(bench_waiting(bench, 4, HUTONG__BUS__V1__FRAME__KIND_ERROR), 1);
    assert_int_equal(bench->broker->publishers.count, publishers);
    append(bench);
    bench_turn(bench);
    bench_hello(bench, 5, C, STREAM, false);
    bench_publish(bench, 5, C, 1, 1, "-");
    bench_turn(bench);
    assert_int_equal(lanes_told(bench, 5).sequence, 1);
    bench_stop(bench);
    bench_start(bench);
    bench_hello(bench, 6, C, STREAM, false);
    wire_frame *welcome = bench_take(bench, 6, HUTONG__BUS__V1__FRAME__KIND_WELCOME, NULL);
    assert_non_null(welcome);
    assert_int_equal(welcome->welcome->last_sequence, 1);
    wire_frame_free(&welcome);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_largest_frame_at_a_full_batch_waits_for_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_at_a_kill_comes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_is_not_in_a_checkpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waited_is_settled_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_outlives_its_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_stream_at_a_full_batch, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
