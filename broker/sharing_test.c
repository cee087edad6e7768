// One queue and several sessions, failures across restarts, and one agency beside another: in the whole core.
#include "broker/testing_housing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR

static int set_up(void **state) {
    static struct bench bench;
    bench_open(&bench);
    the_matcher = (struct matcher){.policy = bench.policy};
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static struct queue *queue_of(const struct bench *bench, const char *name) {
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

static void publish(struct bench *bench, uint64_t from, uint64_t count, const char *const *subjects) {
    for (uint64_t i = 0; i < count; i++)
        bench_publish(bench, 1, PS, from + i, 1, subjects[i]);
    bench_turn(bench);
}

// "m1:1,m2:1,": each id with its attempt.
static void delivered(struct bench *bench, uint64_t connection, char *out, size_t size) {
    out[0] = '\0';
    struct buffer body;
    for (wire_frame *frame; (frame = bench_take(bench, connection, DELIVER, &body)) != NULL;) {
        struct bytes rest = buffer_bytes(&body);
        for (size_t i = 0; i < frame->deliver->n_runs; i++)
            for (uint32_t n = 0; n < frame->deliver->runs[i]->count; n++) {
                struct bytes raw;
                struct wire_envelope envelope;
                assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
                assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
                snprintf(out + strlen(out), size - strlen(out), "%.*s:%u,", BYTES_ARGS(envelope.id),
                    frame->deliver->runs[i]->attempt);
            }
        buffer_destroy(&body);
        wire_frame_free(&frame);
    }
}

static void expect(struct bench *bench, uint64_t connection, const char *what) {
    char out[256];
    delivered(bench, connection, out, sizeof out);
    assert_string_equal(out, what);
}

static const char *const none[] = {"", "", "", "", "", "", "", ""};
static const char *const one[] = {"s", "s", "s", "s", "s", "s", "s", "s"};

static void sessions_share_within_their_credit(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 1);
    bench_receive(bench, 3, H, "b", 2);
    publish(bench, 1, 4, none);
    char first[64];
    char second[64];
    delivered(bench, 2, first, sizeof first);
    delivered(bench, 3, second, sizeof second);
    assert_int_equal(strlen(first), 5);
    assert_int_equal(strlen(second), 10);
    assert_int_equal(queue_of(bench, H)->in_flight, 3);
    bench_settle(bench, 2, H, 1, UINT64_MAX); // its own, and no other's
    assert_int_equal(queue_of(bench, H)->in_flight, 2);
    bench_gone(bench, 3);
    bench_receive(bench, 4, H, "b", 100);
    bench_turn(bench);
    delivered(bench, 4, first, sizeof first);
    assert_int_equal(strlen(first), 15); // the two that were lost, and the one that waited
    assert_non_null(strstr(first, ":2,"));
    assert_non_null(strstr(first, ":1,"));
    bench_settle(bench, 4, H, 1, 4);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->settled_durable, 4);
}

// What was in flight at a lost session comes again before the next of its subject, wherever.
static void a_lost_session_hands_over_in_order(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    publish(bench, 1, 3, one);
    expect(bench, 2, "m1:1,");
    bench_receive(bench, 3, H, "b", 100);
    bench_turn(bench);
    expect(bench, 3, "");
    bench_gone(bench, 2);
    bench_turn(bench);
    expect(bench, 3, "m1:2,");
    bench_settle(bench, 2, H, 1, 1); // the lost one says so too late
    bench_settle(bench, 3, H, 1, 1);
    bench_turn(bench);
    expect(bench, 3, "m2:1,");
    bench_settle(bench, 3, H, 2, 2);
    bench_turn(bench);
    expect(bench, 3, "m3:1,");
}

static void more_receivers_than_may_are_refused(void **state) {
    struct bench *bench = *state;
    struct queue *queue = queue_of(bench, H);
    queue->receiver_count += QUEUE_RECEIVERS; // as if so many were there
    bench_receive(bench, 2, H, "a", 1);
    queue->receiver_count -= QUEUE_RECEIVERS;
    wire_frame *frame = bench_take(bench, 2, ERROR_FRAME, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->error->reason, HUTONG__BUS__V1__REASON__REASON_TOO_MANY);
    wire_frame_free(&frame);
}

// ---- Failures across restarts ----

static void restart(struct bench *bench) {
    bench_stop(bench);
    bench_start(bench);
}

// Attempts and failures go on counting, the wait goes on, the subject waits.
static void failures_survive_a_kill(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    publish(bench, 1, 2, one);
    expect(bench, 2, "m1:1,");
    for (unsigned n = 1; n <= 3; n++) {
        char again[16];
        bench_fail(bench, 2, H, 1, 500, false);
        bench_turn(bench);
        bench->now_ms += 200;
        restart(bench);
        const struct failure *kept = number_map_get(&queue_of(bench, H)->failures, 1);
        assert_non_null(kept);
        assert_int_equal(kept->failures, n);
        assert_string_equal(kept->text, "no such household");
        bench_receive(bench, 2, H, "a", 100);
        bench->now_ms += 299;
        bench_turn(bench);
        expect(bench, 2, "");
        bench->now_ms += 1;
        bench_turn(bench);
        snprintf(again, sizeof again, "m1:%u,", n + 1);
        expect(bench, 2, again);
    }
    bench_fail(bench, 2, H, 1, 500, false); // the rule allows three retries
    bench_turn(bench);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 1);
    assert_int_equal(queue_of(bench, H)->failures.size, 0);
    expect(bench, 2, "m2:2,"); // a process before this one may have sent it
    restart(bench);
    assert_int_equal(queue_of(bench, H)->failures.size, 0);
    assert_int_equal(queue_of(bench, H)->unsettled, 1);
}

// A failure that was not appended never was: it comes again as before.
static void a_failure_that_is_not_on_disk_is_none(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    publish(bench, 1, 1, none);
    expect(bench, 2, "m1:1,");
    bench->no_append = true;
    bench_fail(bench, 2, H, 1, 60000, false);
    bench->no_append = false;
    journal_batch_clear(bench->batch);
    restart(bench);
    assert_int_equal(queue_of(bench, H)->failures.size, 0);
    bench_receive(bench, 2, H, "a", 100);
    bench_turn(bench);
    expect(bench, 2, "m1:2,");
}

// The state at the head of a segment says as much as the records before it.
static void a_checkpoint_has_them(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    publish(bench, 1, 2, none);
    bench_fail(bench, 2, H, 1, 500, false);
    bench_turn(bench);
    struct journal_owner owner = broker_journal_owner(bench->broker);
    struct buffer state_of = {0};
    struct error error = {0};
    assert_int_equal(owner.checkpoint(owner.context, &state_of), 0);
    struct broker *other = broker_new(&bench->configuration);
    assert_non_null(other);
    struct journal_owner its = broker_journal_owner(other);
    assert_int_equal(its.restore(its.context, buffer_bytes(&state_of), &error), 0);
    const struct queue *queue = map_get(other->queues_by_name, bytes_of_string(H));
    const struct failure *was = number_map_get(&queue_of(bench, H)->failures, 1);
    const struct failure *is = number_map_get(&queue->failures, 1);
    assert_non_null(is);
    assert_int_equal(is->attempt, was->attempt);
    assert_int_equal(is->failures, was->failures);
    assert_int_equal(is->due_us, was->due_us);
    assert_int_equal(is->delay_ms, was->delay_ms);
    assert_string_equal(is->text, was->text);
    buffer_destroy(&state_of);
    broker_destroy(&other);
}

// ---- One agency beside another ----

// One has no credit, one fails everything, one is away: the other gets its own in every turn.
static void a_dead_agency_slows_no_other(void **state) {
    struct bench *bench = *state;
    static const char *const both[] = {"+1", "+2", "+3", "+4"};
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 3, PS, "receiver", 1000);
    bench_receive(bench, 2, H, "stuck", 1);
    publish(bench, 1, 4, both);
    expect(bench, 3, "m1:1,m2:1,m3:1,m4:1,");
    expect(bench, 2, "m1:1,");
    bench_settle(bench, 3, PS, 1, 4);
    bench_gone(bench, 2);
    bench_receive(bench, 2, H, "failing", 1000);
    for (uint64_t i = 0; i < 10; i++) {
        bench_turn(bench);
        delivered(bench, 2, out, sizeof out);
        for (uint64_t p = 1; p <= 4 * (i + 1); p++)
            bench_fail(bench, 2, H, p, 3600000, false);
        publish(bench, 5 + 4 * i, 4, both);
        assert_int_equal(queue_of(bench, PS)->in_flight, 4);
        bench_settle(bench, 3, PS, 1, 1000);
        assert_int_equal(queue_of(bench, PS)->unsettled, 0);
    }
    bench_gone(bench, 2);
    publish(bench, 45, 4, both);
    assert_int_equal(queue_of(bench, PS)->in_flight, 4);
    assert_int_equal(queue_of(bench, H)->unsettled, 48);
    // What has nothing to do is not looked at: the queue of the one that is away waits for its next probe.
    bench_settle(bench, 3, PS, 1, 1000);
    bench_turn(bench);
    bench_turn(bench);
    assert_true(list_empty(&bench->broker->agenda));
    assert_true(bench->broker->timers.size >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sessions_share_within_their_credit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_session_hands_over_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_receivers_than_may_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_survive_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_that_is_not_on_disk_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_checkpoint_has_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_agency_slows_no_other, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
