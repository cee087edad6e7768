#include "broker/testing_routes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define STREAM "0123456789abcdef"
#define WELCOME HUTONG__BUS__V1__FRAME__KIND_WELCOME
#define ACCEPTED HUTONG__BUS__V1__FRAME__KIND_ACCEPTED
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR

// ---- The test's own routing: all goes to housing; the subject says what else happens. ----

static const struct policy *the_policy;

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from;
    (void)payload;
    (void)now_us;
    if (bytes_equal_string(subject, "invalid"))
        return error_set(error, MATCH_REFUSED, "at kind: no");
    struct match *match = &matcher->matches[0];
    *match = (struct match){.route = "r",
        .to = policy_system_named(the_policy, bytes_of_string(H)),
        .type = type,
        .subject = subject,
        .retries = 2,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000};
    match->whole = bytes_equal_string(subject, "known");
    if (bytes_equal_string(subject, "mapped") || match->whole)
        match->payload = bytes_of("\x12\x00", 2);
    if (bytes_equal_string(subject, "dead")) {
        match->dead_reason = HUTONG__BUS__V1__REASON__REASON_UNMAPPED;
        match->dead_text = "unmapped code";
    }
    if (bytes_equal_string(subject, "hard")) {
        match[0].dead_reason = 0;
        match[1] = match[0];
        match[1].dead_reason = HUTONG__BUS__V1__REASON__REASON_UNMAPPED;
        match[1].dead_text = "unmapped code";
        *count = 2;
        *out = match;
        return 0;
    }
    if (bytes_equal_string(subject, "split")) {
        match[0].element = 1;
        match[0].payload = bytes_of("\x12\x00", 2);
        match[1] = match[0];
        match[1].element = 2;
        *count = 2;
        *out = match;
        return 0;
    }
    *count = bytes_equal_string(subject, "nowhere") ? 0 : 1;
    *out = match;
    return 0;
}

static int set_up(void **state) {
    static struct bench bench;
    bench_open(&bench);
    the_policy = bench.policy;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static uint64_t accepted_to(struct bench *bench, uint64_t connection) {
    uint64_t sequence = 0;
    for (wire_frame *frame; (frame = bench_take(bench, connection, ACCEPTED, NULL));) {
        sequence = frame->accepted->sequence;
        wire_frame_free(&frame);
    }
    return sequence;
}

static void expect_error(struct bench *bench, uint64_t connection, wire_reason reason) {
    wire_frame *frame = bench_take(bench, connection, ERROR_FRAME, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->error->reason, reason);
    assert_true(strlen(frame->error->text) > 5);
    wire_frame_free(&frame);
}

static uint64_t welcomed(struct bench *bench, uint64_t connection) {
    wire_frame *frame = bench_take(bench, connection, WELCOME, NULL);
    assert_non_null(frame);
    uint64_t last = frame->welcome->last_sequence;
    wire_frame_free(&frame);
    return last;
}

static const struct queue *queue_of(const struct bench *bench, const char *name) {
    const struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

// ---- Tests ----

static void a_message_goes_its_way(void **state) {
    struct bench *bench = *state;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    assert_int_equal(welcomed(bench, 1), 0);
    welcomed(bench, 2);
    bench_publish(bench, 1, PS, 1, 3, "s");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 3);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,"); // the others wait behind it: one subject
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m2,");
    assert_int_equal(queue_of(bench, H)->settled_durable, 1);
}

static void nothing_is_said_before_it_is_durable(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    bench->no_append = true;
    bench_publish(bench, 1, PS, 1, 2, "s");
    for (int i = 0; i < 3; i++) {
        struct event event = {.kind = EVENT_TURN, .now_ms = bench->now_ms, .now_us = 1000};
        assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    }
    assert_int_equal(bench_waiting(bench, 1, ACCEPTED), 0);
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 0);
    bench->no_append = false;
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 2);
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 1);
}

static void step_kind(struct bench *bench, enum event_kind kind, uint64_t durable) {
    struct event event = {.kind = kind, .now_ms = bench->now_ms, .now_us = 1000, .durable = durable};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
}

// A batch that a journal with a thread has taken. The last record in it.
static uint64_t hand_over(struct bench *bench) {
    struct error error;
    step_kind(bench, EVENT_TURN, 0);
    assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
    step_kind(bench, EVENT_APPENDED, 0);
    return journal_last(bench->journal);
}

static void what_is_on_disk_is_told_while_the_next_batch_gathers(void **state) {
    struct bench *bench = *state;
    char out[64];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    welcomed(bench, 1);
    bench_publish(bench, 1, PS, 1, 1, "a");
    bench_publish(bench, 1, PS, 2, 1, "invalid");
    uint64_t first = hand_over(bench);
    bench_publish(bench, 1, PS, 3, 1, "b");
    bench_publish(bench, 1, PS, 4, 1, "invalid");
    step_kind(bench, EVENT_TURN, 0);
    assert_int_equal(bench_waiting(bench, 1, ACCEPTED), 0);
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 0);
    step_kind(bench, EVENT_DURABLE, first);
    wire_frame *frame = bench_take(bench, 1, ACCEPTED, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->accepted->sequence, 2);
    assert_int_equal(frame->accepted->n_refusals, 1);
    wire_frame_free(&frame);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,");
    bench_hello(bench, 3, PS, STREAM, false);
    assert_int_equal(welcomed(bench, 3), 2); // the rest may still be lost
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m3,");
    assert_int_equal(bench->broker->publishers.items[0]->durable, 4);
}

static void what_a_settlement_frees_waits_for_its_record(void **state) {
    struct bench *bench = *state;
    char out[64];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 3, "s");
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,");
    bench_settle(bench, 2, H, 1, 1);
    uint64_t first = hand_over(bench);
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 0); // m1 may come again after a crash, before m2
    assert_int_equal(queue_of(bench, H)->settled, 1);
    assert_int_equal(queue_of(bench, H)->settled_durable, 0);
    bench_publish(bench, 1, PS, 4, 1, "s");
    step_kind(bench, EVENT_TURN, 0);
    step_kind(bench, EVENT_DURABLE, first);
    assert_int_equal(queue_of(bench, H)->settled_durable, 1);
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m2,");
}

static void what_is_read_from_the_journal_waits_for_it_too(void **state) {
    struct bench *bench = *state;
    char out[64];
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(H));
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    queue->limits.window = 1; // m2 stays in the journal until m1 is settled
    bench_publish(bench, 1, PS, 1, 2, "s");
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,");
    bench->no_append = true;
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    assert_int_equal(queue->known.size, 1);                // m2 was read
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 0); // m1 may come again after a crash, before m2
    uint64_t first = hand_over(bench);
    bench_publish(bench, 1, PS, 3, 1, "t");
    step_kind(bench, EVENT_TURN, 0);
    assert_int_equal(bench_waiting(bench, 2, DELIVER), 0);
    step_kind(bench, EVENT_DURABLE, first);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m2,");
    bench->no_append = false;
    bench_settle(bench, 2, H, 2, 2);
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m3,"); // of another subject
    bench_settle(bench, 2, H, 3, 3);
    bench_turn(bench);
    assert_int_equal(queue->freed[0].size + queue->freed[1].size, 0);
}

static void repeats_are_dropped_also_after_a_crash(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 3, "a");
    bench_turn(bench);
    bench_publish(bench, 1, PS, 2, 3, "a");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 4);
    assert_int_equal(bench->broker->counters.repeats, 2);
    bench_stop(bench);
    bench_start(bench);
    bench_hello(bench, 7, PS, STREAM, false);
    bench_turn(bench);
    assert_int_equal(welcomed(bench, 7), 4);
    bench_publish(bench, 7, PS, 3, 3, "a");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 7), 5);
    assert_int_equal(queue_of(bench, H)->unsettled, 5);
}

static void what_was_not_appended_is_asked_for_again(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "a");
    bench_turn(bench);
    bench->no_append = true;
    bench_publish(bench, 1, PS, 2, 1, "a");
    struct event event = {.kind = EVENT_TURN, .now_ms = bench->now_ms, .now_us = 1000};
    broker_step(bench->broker, &event, &bench->update);
    bench->no_append = false;
    bench_stop(bench);
    bench_start(bench);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_turn(bench);
    assert_int_equal(welcomed(bench, 1), 1);
}

static void a_repeat_is_told_no_sooner_than_what_it_repeats(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_turn(bench);
    bench->no_append = true;
    bench_publish(bench, 1, PS, 1, 2, "a");
    struct event event = {.kind = EVENT_TURN, .now_ms = bench->now_ms, .now_us = 1000};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    bench_hello(bench, 2, PS, STREAM, false);
    assert_int_equal(welcomed(bench, 2), 0); // nothing of it is on disk
    bench_publish(bench, 2, PS, 1, 2, "a");
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    assert_int_equal(bench_waiting(bench, 2, ACCEPTED), 0);
    bench->no_append = false;
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 2), 2);
    assert_int_equal(queue_of(bench, H)->unsettled, 2);
}

static void a_crash_keeps_what_is_unsettled_in_order(void **state) {
    struct bench *bench = *state;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    for (uint64_t i = 1; i <= 5; i++) {
        char subject[8];
        snprintf(subject, sizeof subject, "s%d", (int)i % 3);
        bench_publish(bench, 1, PS, i, 1, subject);
    }
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,m3,");
    bench_settle(bench, 2, H, 2, 2);
    bench_turn(bench);
    bench_stop(bench);
    bench_start(bench);
    bench_hello(bench, 3, H, NULL, true);
    bench_turn(bench);
    struct buffer body;
    wire_frame *frame = bench_take(bench, 3, DELIVER, &body);
    assert_non_null(frame);
    assert_int_equal(frame->deliver->runs[0]->first_position, 1);
    assert_int_equal(frame->deliver->runs[0]->attempt, 2); // an earlier process may have sent it
    buffer_destroy(&body);
    wire_frame_free(&frame);
    bench_settle(bench, 3, H, 1, 5); // only what was delivered is settled by it
    bench_turn(bench);
    bench_delivered(bench, 3, out, sizeof out);
    assert_int_equal(queue_of(bench, H)->unsettled, 1);
    assert_string_equal(out, "m4,");
}

static void refusals_have_reasons(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "invalid");
    bench_publish(bench, 1, PS, 2, 1, "fine");
    bench_turn(bench);
    wire_frame *frame = bench_take(bench, 1, ACCEPTED, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->accepted->sequence, 2);
    assert_int_equal(frame->accepted->n_refusals, 1);
    assert_int_equal(frame->accepted->refusals[0]->sequence, 1);
    assert_int_equal(frame->accepted->refusals[0]->reason, HUTONG__BUS__V1__REASON__REASON_INVALID);
    wire_frame_free(&frame);
    // Housing may not say what belongs to public security.
    bench_hello(bench, 2, H, NULL, false);
    bench_publish(bench, 2, H, 1, 1, "fine");
    bench_turn(bench);
    frame = bench_take(bench, 2, ACCEPTED, NULL);
    assert_int_equal(frame->accepted->refusals[0]->reason, HUTONG__BUS__V1__REASON__REASON_NOT_ALLOWED);
    wire_frame_free(&frame);
    assert_int_equal(bench->broker->counters.refused, 2);
}

static void identity_is_the_keys(void **state) {
    struct bench *bench = *state;
    Hutong__Bus__V1__Hello hello = HUTONG__BUS__V1__HELLO__INIT;
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)H;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HELLO;
    frame.hello = &hello;
    bench_frame(bench, 1, PS, &frame, NULL);
    expect_error(bench, 1, HUTONG__BUS__V1__REASON__REASON_IDENTITY);
    hello.protocol = 9;
    bench_frame(bench, 2, H, &frame, NULL);
    expect_error(bench, 2, HUTONG__BUS__V1__REASON__REASON_VERSION);
    hello.protocol = WIRE_PROTOCOL;
    hello.system = (char *)(uintptr_t)"nobody/nothing";
    bench_frame(bench, 3, NULL, &frame, NULL);
    expect_error(bench, 3, HUTONG__BUS__V1__REASON__REASON_IDENTITY);
    assert_int_equal(bench->broker->session_count, 0);
}

static void sessions_hold_to_the_protocol(void **state) {
    struct bench *bench = *state;
    bench_publish(bench, 1, PS, 1, 1, "s");
    expect_error(bench, 1, HUTONG__BUS__V1__REASON__REASON_PROTOCOL);
    bench_bytes(bench, 2, PS, bytes_of("\xff\xff\xff", 3), NULL);
    expect_error(bench, 2, HUTONG__BUS__V1__REASON__REASON_PROTOCOL);
    bench_hello(bench, 3, PS, NULL, false);
    bench_publish(bench, 3, PS, 1, 8, "s");
    bench_publish(bench, 3, PS, 9, 1, "s"); // more than the eight that were granted
    expect_error(bench, 3, HUTONG__BUS__V1__REASON__REASON_CREDIT);
    for (uint64_t c = 10; c < 14; c++)
        bench_hello(bench, c, PS, NULL, false);
    assert_int_equal(bench->broker->session_count, 1); // each the same instance: superseded
    bench_bytes(bench, 20, H, bytes_of(NULL, 0), NULL);
    expect_error(bench, 20, HUTONG__BUS__V1__REASON__REASON_PROTOCOL);
}

static void a_silent_peer_is_gone(void **state) {
    struct bench *bench = *state;
    char out[64];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "s");
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,");
    bench->now_ms += 6000;
    bench_turn(bench);
    assert_int_equal(bench_waiting(bench, 2, HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT), 1);
    bench->now_ms += 10000;
    bench_turn(bench);
    assert_int_equal(bench->broker->session_count, 0);
    assert_int_equal(queue_of(bench, H)->in_flight, 0);
    bench_hello(bench, 5, H, NULL, true);
    bench_turn(bench);
    bench_delivered(bench, 5, out, sizeof out);
    assert_string_equal(out, "m1,");
}

static void failures_are_retried_then_dead(void **state) {
    struct bench *bench = *state;
    char out[64];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 2, "s");
    bench_turn(bench);
    for (int i = 0; i < 3; i++) {
        bench_delivered(bench, 2, out, sizeof out);
        assert_string_equal(out, "m1,");
        bench_fail(bench, 2, H, 1, 500, false);
        bench_turn(bench);
        bench->now_ms += 500;
        bench_turn(bench);
    }
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 1);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m2,"); // the poison message did not stop its subject
    bench_fail(bench, 2, H, 2, 0, true);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 2);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 2);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
}

static void what_can_not_be_mapped_is_dead_at_once(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "dead");
    bench_publish(bench, 1, PS, 2, 1, "nowhere");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 2);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 1);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
    assert_int_equal(bench->broker->counters.unrouted, 1);
}

static void check_own(struct bench *bench, const char *id, const char *subject) {
    struct buffer body;
    wire_frame *frame = bench_take(bench, 2, DELIVER, &body);
    assert_non_null(frame);
    struct bytes rest = buffer_bytes(&body);
    struct bytes raw;
    struct wire_envelope envelope;
    assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
    assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
    assert_true(bytes_equal_string(envelope.source, PS));
    assert_true(bytes_equal_string(envelope.id, id));
    assert_true(bytes_equal_string(envelope.subject, subject));
    assert_int_equal(envelope.payload.size, 2);
    buffer_destroy(&body);
    wire_frame_free(&frame);
}

static void mapped_envelopes_carry_the_proved_source(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "mapped");
    bench_turn(bench);
    check_own(bench, "m1", "mapped");
    bench_publish(bench, 1, PS, 2, 1, "known"); // the original, but for its payload
    bench_turn(bench);
    check_own(bench, "m2", "known");
}

static void delivers_one(struct bench *bench, uint64_t position, const char *id) {
    struct buffer body;
    wire_frame *frame = bench_take(bench, 2, DELIVER, &body);
    assert_non_null(frame);
    assert_int_equal(frame->deliver->n_runs, 1);
    assert_int_equal(frame->deliver->runs[0]->first_position, position);
    assert_int_equal(frame->deliver->runs[0]->count, 1);
    struct bytes rest = buffer_bytes(&body);
    struct bytes raw;
    struct wire_envelope envelope;
    assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
    assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
    assert_true(bytes_equal_string(envelope.id, id));
    buffer_destroy(&body);
    wire_frame_free(&frame);
}

// Elements of one message are told apart by their ids, and settled each for itself. These two have one
// subject.
static void elements_have_ids_of_their_own(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "split");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 1);
    assert_int_equal(queue_of(bench, H)->unsettled, 2);
    delivers_one(bench, 1, "m1#0");
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    delivers_one(bench, 2, "m1#1");
    bench_settle(bench, 2, H, 2, 2);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
}

static void an_original_without_a_source_gets_the_proved_one(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "plain");
    bench_turn(bench);
    struct buffer body;
    wire_frame *frame = bench_take(bench, 2, DELIVER, &body);
    assert_non_null(frame);
    struct bytes rest = buffer_bytes(&body);
    struct bytes raw;
    struct wire_envelope envelope;
    assert_int_equal(wire_body_next(&rest, &raw, NULL), 0);
    assert_int_equal(wire_envelope_parse(raw, &envelope, NULL), 0);
    assert_true(bytes_equal_string(envelope.source, PS));
    assert_true(bytes_equal_string(envelope.type, "gov.public_security.v1.ResidenceRegistered"));
    assert_int_equal(LIST_ITEM(queue_of(bench, H)->receivers.next, struct receiver, link)->sent_bytes,
        body.size); // as the receiver counts its credit
    buffer_destroy(&body);
    wire_frame_free(&frame);
}

static void a_full_queue_lets_its_oldest_die(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    for (uint64_t i = 0; i < 10; i++) {
        bench_publish(bench, 1, PS, 1 + i * 6, 6, "");
        bench_turn(bench);
    }
    assert_int_equal(accepted_to(bench, 1), 60);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->unsettled, 50);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 10);
}

// One of everything: messages, mapped and dead ones, settlements, a retry, a lost session.
static void live_a_little(struct bench *bench) {
    static const char *const subjects[] = {"s", "mapped", "dead", "invalid", "s"};
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    for (uint64_t i = 0; i < 5; i++)
        bench_publish(bench, 1, PS, 1 + i, 1, subjects[i]);
    bench_turn(bench);
    bench_settle(bench, 2, H, 1, 1);
    bench_fail(bench, 2, H, 2, 0, true);
    bench_turn(bench);
    bench_hello(bench, 3, H, NULL, true); // the same instance: the older session ends
    bench_turn(bench);
}

static void a_message_that_no_batch_takes_is_refused_whole(void **state) {
    struct bench *bench = *state;
    bench->broker->batch_hard = 2500; // one record fits, a second does not
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "hard");
    bench_publish(bench, 1, PS, 2, 1, "fine");
    bench_turn(bench);
    assert_int_equal(accepted_to(bench, 1), 2);
    assert_int_equal(bench->broker->counters.refused, 1);
    assert_int_equal(queue_of(bench, H)->unsettled, 1);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 0);
}

static void who_says_bye_is_forgotten(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_turn(bench);
    Hutong__Bus__V1__Bye bye = HUTONG__BUS__V1__BYE__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_BYE;
    frame.bye = &bye;
    update_clear(&bench->update);
    bench_frame(bench, 1, PS, &frame, NULL);
    assert_int_equal(bench->update.frame_count, 1);
    assert_true(bench->update.frames[0].last && bench->update.frames[0].head.size == 0);
    assert_int_equal(bench->broker->publishers.items[0]->users, 0);
}

static void every_allocation_may_fail(void **state) {
    struct bench *bench = *state;
    for (size_t n = 0;; n++) {
        bench_stop(bench);
        journal_store_destroy(&bench->store);
        bench->store = journal_store_new();
        bench_start(bench);
        bench->may_fail = true;
        bench->allocations = n;
        live_a_little(bench);
        bool lived = !bench->failed;
        bench->may_fail = bench->failed = false;
        bench_stop(bench); // as the process would end; what it left behind recovers
        bench_start(bench);
        assert_true(queue_of(bench, H)->unsettled <= 3);
        if (lived) {
            assert_true(n > 20); // it did fail before
            return;
        }
        assert_true(n < 10000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_goes_its_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_said_before_it_is_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_on_disk_is_told_while_the_next_batch_gathers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_settlement_frees_waits_for_its_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_read_from_the_journal_waits_for_it_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_dropped_also_after_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_not_appended_is_asked_for_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeat_is_told_no_sooner_than_what_it_repeats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_keeps_what_is_unsettled_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refusals_have_reasons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(identity_is_the_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sessions_hold_to_the_protocol, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_peer_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_retried_then_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_can_not_be_mapped_is_dead_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mapped_envelopes_carry_the_proved_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(elements_have_ids_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_original_without_a_source_gets_the_proved_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_lets_its_oldest_die, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_no_batch_takes_is_refused_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_says_bye_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
