#include "broker/delivery/testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct queue_batch_limits batch = {.messages = 64, .bytes = 65536};

static void spans_merge(void **state) {
    (void)state;
    struct spans spans = {0};
    bool model[200] = {false};
    srand(7);
    for (int i = 0; i < 500; i++) {
        uint64_t first = 1 + (uint64_t)(rand() % 190);
        uint64_t last = first + (uint64_t)(rand() % 5);
        assert_int_equal(spans_add(&spans, first, last), 0);
        for (uint64_t p = first; p <= last; p++)
            model[p] = true;
        for (uint64_t p = 1; p < 200; p++)
            assert_int_equal(spans_has(&spans, p), model[p]);
        for (size_t k = 1; k < spans.count; k++)
            assert_true(spans.items[k - 1].last + 1 < spans.items[k].first);
    }
    spans_destroy(&spans);
    assert_int_equal(spans_add(&spans, 2, 4), 0);
    assert_int_equal(spans_add(&spans, 9, 9), 0);
    uint64_t cursor = 1;
    spans_absorb(&spans, &cursor);
    assert_int_equal(cursor, 4);
    assert_int_equal(spans.count, 1);
    spans_destroy(&spans);
}

static void sends_within_credit_and_keeps_the_rest_on_disk(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 2, 1000);
    for (int i = 1; i <= 4; i++) {
        char text[16];
        snprintf(text, sizeof text, "m%d", i);
        assert_int_equal(test_push(queue, 0, text), 0);
    }
    assert_int_equal(queue->known.size, 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m1,m2,");
    assert_int_equal(test_load(queue, NULL, 0), 0); // no credit, nothing wanted
    queue_grant(queue, receiver, 10, 1000);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m3,m4,");
    test_settle(queue, receiver, 2, 4);
    assert_int_equal(queue->settled, 0);
    assert_int_equal(queue->unsettled, 1);
    test_settle(queue, receiver, 1, UINT64_MAX);
    assert_int_equal(queue->settled, 4);
    assert_int_equal(queue->known.size, 0);
    assert_int_equal(queue->bytes, 0);
    queue_destroy(&queue);
}

// What an operator sends again is told from what is new, also next to it.
static void a_replay_says_that_it_is_one(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "q", &test_limits);
    struct receiver *receiver = queue_attach(queue, 9, 7, 100, 1 << 20);
    for (uint64_t position = 1; position <= 3; position++) {
        struct record_delivery delivery = {
            .queue = 1, .position = position, .rule = {.route = "r"}, .replay = position == 2};
        struct chunk *chunk = chunk_copy(bytes_of_string("m"));
        assert_int_equal(queue_push(queue, &delivery, position, chunk, chunk->bytes), 0);
        chunk_unref(&chunk);
    }
    struct queue_frame out;
    assert_int_equal(queue_fill(queue, receiver, UINT64_MAX, 0, &batch, &out), 0);
    wire_frame *frame;
    assert_int_equal(wire_frame_parse(buffer_bytes(&out.head), &frame, NULL), 0);
    assert_int_equal(frame->deliver->n_runs, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(frame->deliver->runs[i]->replay, i == 1);
    wire_frame_free(&frame);
    buffer_destroy(&out.head);
    slice_drop(&out.body);
    queue_destroy(&queue);
}

static void not_before_it_is_durable(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct receiver *receiver = queue_attach(queue, 1, 7, 10, 1000);
    test_push(queue, 0, "m1");
    struct queue_frame frame;
    assert_int_equal(queue_fill(queue, receiver, 0, 0, &batch, &frame), 0);
    assert_int_equal(frame.count, 0);
    char out[64];
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    queue_destroy(&queue);
}

static void a_subject_waits_for_its_own_only(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 10000);
    test_push(queue, 7, "m1");
    test_push(queue, 7, "m2");
    test_push(queue, 8, "m3");
    test_push(queue, 7, "m4");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m1,m3,");
    test_fail(queue, receiver, 1, 50, false, "later", 1000);
    test_settle(queue, receiver, 3, 3);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 0);
    assert_int_equal(test_tick(queue, 1049), 1050);
    test_tick(queue, 1050);
    test_load(queue, NULL, 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_string_equal(out, "m1,");
    test_settle(queue, receiver, 1, 1);
    test_load(queue, NULL, 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_string_equal(out, "m2,");
    test_settle(queue, receiver, 2, 2);
    test_load(queue, NULL, 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_string_equal(out, "m4,");
    queue_destroy(&queue);
}

static void a_lost_receiver_gets_it_again(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 10000);
    test_push(queue, 1, "m1");
    test_push(queue, 2, "m2");
    test_push(queue, 1, "m3");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    queue_detach(queue, &receiver);
    assert_int_equal(queue->in_flight, 0);
    assert_int_equal(test_load(queue, NULL, 0), 0);
    receiver = queue_attach(queue, 2, 7, 100, 10000);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m1,m2,");
    struct delivery *delivery = test_delivery(queue, 1);
    assert_int_equal(delivery->attempt, 2);
    queue_destroy(&queue);
}

static void what_comes_again_comes_before_what_is_newer(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 10000);
    test_push(queue, 0, "m1");
    test_push(queue, 0, "m2");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    queue_detach(queue, &receiver);
    receiver = queue_attach(queue, 2, 7, 100, 10000);
    test_push(queue, 0, "m3");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 0);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 3);
    assert_string_equal(out, "m1,m2,m3,");
    queue_destroy(&queue);
}

// What is fresh has all of the credit, what was lost lacks its bytes: it goes on all the same, and is not
// asked for in vain.
static void what_comes_again_stops_nothing(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 2, 10000);
    test_push(queue, 0, "m1");
    test_push(queue, 0, "m2");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    queue_detach(queue, &receiver);
    receiver = queue_attach(queue, 2, 7, 2, 10000);
    test_push(queue, 0, "m3");
    test_push(queue, 0, "m4");
    assert_int_equal(test_load(queue, NULL, 0), 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    queue_grant(queue, receiver, 4, 10000);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m1,m2,");
    queue_destroy(&queue);
}

// However much a receiver grants: what may wait in sockets has the broker's own bound.
static void unsettled_bytes_are_bounded(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[64];
    struct receiver *receiver = queue_attach(queue, 1, 7, UINT64_MAX, UINT64_MAX);
    test_push(queue, 0, "m1");
    receiver->in_flight_bytes = QUEUE_IN_FLIGHT_BYTES;
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 0);
    receiver->in_flight_bytes = QUEUE_IN_FLIGHT_BYTES - 1;
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    queue_destroy(&queue);
}

static void any_range_may_come(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[64];
    struct receiver *receiver = queue_attach(queue, 1, 7, 10, 1000);
    test_push(queue, 0, "m1");
    test_push(queue, 0, "m2");
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    test_settle(queue, receiver, UINT64_MAX, UINT64_MAX);
    test_settle(queue, receiver, 3, UINT64_MAX);
    test_settle(queue, receiver, 2, 1);
    assert_int_equal(queue->unsettled, 2);
    test_settle(queue, receiver, 0, UINT64_MAX);
    assert_int_equal(queue->unsettled, 0);
    assert_int_equal(receiver->in_flight_bytes, 0);
    test_settle(queue, receiver, 0, UINT64_MAX);
    queue_destroy(&queue);
}

static void failures_end_as_dead_letters(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 10000);
    test_push(queue, 1, "m1");
    test_push(queue, 1, "m2");
    for (uint64_t now = 0; now < 3; now++) {
        test_tick(queue, now * 10000);
        test_load(queue, NULL, 0);
        assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
        test_fail(queue, receiver, 1, 0, false, "no luck", now * 10000);
    }
    assert_null(queue_next_dead(queue));
    test_load(queue, NULL, 0);
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_RETRIES);
    delivery_dead_text(dead, out, sizeof out);
    assert_string_equal(out, "no luck");
    assert_int_equal(dead->attempt, 3);
    assert_true(bytes_equal_string(dead->envelope, "m1"));
    test_settle(queue, receiver, 1, 1); // the peer says so too late: it stays a dead letter
    assert_ptr_equal(queue_next_dead(queue), dead);
    test_bury(queue, dead);
    assert_int_equal(test_send(queue, receiver, out, sizeof out) || test_load(queue, NULL, 0), 1);
    test_fail(queue, receiver, 2, 0, true, "bad", 0);
    queue_destroy(&queue);
}

static void expired_and_overfull_ones_die(void **state) {
    (void)state;
    struct queue_limits small = {.count = 2, .bytes = 1 << 20, .age_us = 1, .window = 100, .held = 100};
    struct queue *queue = queue_new(1, "a/b", &small);
    for (int i = 1; i <= 4; i++)
        test_push(queue, 0, "mx");
    assert_int_equal(queue->known.size, 0);
    test_tick(queue, 0);
    test_load(queue, NULL, 0);
    test_tick(queue, 0);
    test_load(queue, NULL, 0); // bytes are read when it is known who needs them
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->position, 1);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL);
    test_bury(queue, dead);
    dead = queue_next_dead(queue);
    assert_int_equal(dead->position, 2);
    test_bury(queue, dead);
    test_tick(queue, 0);
    assert_null(queue_next_dead(queue));
    queue_destroy(&queue);
}

static void recovery_knows_what_is_left(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    char out[256];
    for (uint64_t p = 1; p <= 5; p++)
        queue_recover_push(queue, p, 2);
    queue_recover_push(queue, 3, 2); // again, behind a checkpoint
    assert_int_equal(queue_recover_settled(queue, 2, 3), 0);
    assert_int_equal(queue_recover_settled(queue, 1, 1), 0);
    assert_int_equal(queue->settled, 3);
    assert_int_equal(queue->unsettled, 2);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 10000);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m4,m5,");
    struct delivery *delivery = test_delivery(queue, 4);
    assert_int_equal(delivery->attempt, 2); // an earlier process may have sent it
    queue_destroy(&queue);
}

static void append_record(struct buffer *out, const struct record_message *message,
    const struct record_delivery *deliveries, size_t count) {
    struct buffer room = {0};
    struct bytes parts[RECORD_PARTS(2, 2)];
    size_t parts_count;
    assert_true(count <= 2);
    assert_int_equal(record_message_parts(message, deliveries, count, &room, parts, &parts_count), 0);
    for (size_t i = 0; i < parts_count; i++)
        assert_int_equal(buffer_append_bytes(out, parts[i]), 0);
    buffer_destroy(&room);
}

static void records_are_read_as_written(void **state) {
    (void)state;
    struct record_message message = {.publisher = 3,
        .sequence = 1000000,
        .source = bytes_of_string("a/b"),
        .replay_of = 77,
        .envelope = bytes_of_string("the original")};
    struct record_delivery deliveries[] = {
        {.queue = 1,
            .position = 300,
            .route = bytes_of_string("r1"),
            .agreement = bytes_of_string("A-1"),
            .rule = {.retries = 4, .expires_us = 99}},
        {.queue = 2,
            .position = 1,
            .subject_hash = UINT64_MAX,
            .route = bytes_of_string("r2"),
            .replay = true,
            .envelope = bytes_of_string("mapped")},
    };
    struct buffer out = {0};
    append_record(&out, &message, deliveries, 2);
    struct record_message read;
    struct record_delivery delivery;
    assert_int_equal(record_message_read(buffer_bytes(&out), 2, 1, &read, &delivery), 0);
    assert_true(bytes_equal_string(delivery.envelope, "mapped"));
    assert_true(bytes_equal_string(delivery.route, "r2"));
    assert_true(delivery.subject_hash == UINT64_MAX);
    assert_int_equal(read.sequence, 1000000);
    assert_true(delivery.replay && read.replay_of == 77);
    assert_int_equal(record_message_read(buffer_bytes(&out), 1, 300, &read, &delivery), 0);
    assert_int_equal(delivery.envelope.size, 0);
    uint8_t whole[12];
    assert_int_equal(record_envelope_put(&read, &delivery, whole), 0);
    assert_memory_equal(whole, "the original", sizeof whole);
    assert_int_equal(delivery.rule.retries, 4);
    assert_false(delivery.replay);
    assert_int_equal(record_message_read(buffer_bytes(&out), 1, 301, &read, &delivery), -EBADMSG);
    // It is the protobuf that journal.proto says.
    Hutong__Bus__V1__MessageRecord *unpacked =
        hutong__bus__v1__message_record__unpack(NULL, out.size, out.data);
    assert_non_null(unpacked);
    assert_int_equal(unpacked->n_deliveries, 2);
    assert_string_equal(unpacked->deliveries[0]->agreement, "A-1");
    assert_true(unpacked->replay_of == 77 && unpacked->deliveries[1]->replay);
    assert_int_equal(unpacked->envelope.len, 12);
    hutong__bus__v1__message_record__free_unpacked(unpacked, NULL);
    for (size_t cut = 0; cut < out.size; cut++)
        record_message_read(bytes_of(out.data, cut), 2, 1, &read, &delivery);
    buffer_destroy(&out);
}

static void what_an_envelope_shares_stands_once(void **state) {
    (void)state;
    const uint32_t copies[] = {3, 4, 8, 1, 0, 4}; // "my " "original" "," "the "
    struct record_message message = {.envelope = bytes_of_string("the original")};
    struct record_delivery written = {.queue = 1,
        .position = 1,
        .envelope = bytes_of_string("my original,the end"),
        .copies = copies,
        .copy_count = 2};
    struct buffer out = {0};
    append_record(&out, &message, &written, 1);
    struct record_delivery delivery;
    size_t size;
    uint8_t whole[19];
    assert_int_equal(record_message_read(buffer_bytes(&out), 1, 1, &message, &delivery), 0);
    assert_true(bytes_equal_string(delivery.envelope, "my ,end"));
    assert_int_equal(record_own_size(&delivery, &size), 0);
    assert_int_equal(size, sizeof whole);
    assert_int_equal(record_envelope_put(&message, &delivery, whole), 0);
    assert_memory_equal(whole, written.envelope.data, sizeof whole);
    // It is the protobuf that journal.proto says.
    Hutong__Bus__V1__MessageRecord *unpacked =
        hutong__bus__v1__message_record__unpack(NULL, out.size, out.data);
    assert_non_null(unpacked);
    assert_int_equal(unpacked->deliveries[0]->n_copies, 6);
    assert_memory_equal(unpacked->deliveries[0]->copies, copies, sizeof copies);
    hutong__bus__v1__message_record__free_unpacked(unpacked, NULL);
    buffer_destroy(&out);
}

static void copies_that_can_not_be_are_damage(void **state) {
    (void)state;
    static const struct {
        const char *packed;
        size_t size;
        bool fits; // only the original says what is wrong
    } rows[] = {
        {"\1\0", 2, false},                     // two numbers
        {"\1\0\x80", 3, false},                 // cut
        {"\0\0\xff\xff\xff\xff\x7f", 7, false}, // more than 32 bits
        {"\4\0\1", 3, true},                    // more of its own than there is
        {"\1\x0d\1", 3, true},                  // behind the original
        {"\1\0\x0d", 3, true},                  // more than the original
        {"\2\0\1\2\0\1", 6, true},              // more of its own, by the second
    };
    const struct record_message message = {.envelope = bytes_of_string("the original")};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct record_delivery delivery = {
            .envelope = bytes_of_string("own"), .packed = bytes_of(rows[i].packed, rows[i].size)};
        uint8_t whole[64];
        size_t size;
        assert_int_equal(record_own_size(&delivery, &size), rows[i].fits ? 0 : -EBADMSG);
        assert_int_equal(record_envelope_put(&message, &delivery, whole), -EBADMSG);
    }
    uint8_t many[3 * (WIRE_COPIES_LIMIT + 1)] = {0};
    struct record_delivery delivery = {.packed = bytes_of(many, sizeof many)};
    size_t size;
    assert_int_equal(record_own_size(&delivery, &size), -EBADMSG);
}

static void no_memory_is_said(void **state) {
    (void)state;
    alloc_fail_after(0);
    assert_null(queue_new(1, "a/b", &test_limits));
    alloc_fail_after(1);
    assert_null(queue_new(1, "a/b", &test_limits));
    alloc_fail_never();
    for (size_t n = 0;; n++) {
        struct queue *queue = queue_new(1, "a/b", &test_limits);
        struct receiver *receiver = queue_attach(queue, 1, 7, 10, 1000);
        struct chunk *chunk = chunk_copy(bytes_of_string("m1"));
        struct record_delivery delivery = {
            .queue = 1, .position = 1, .subject_hash = 5, .rule = {.route = "r"}};
        alloc_fail_after(n);
        int rc = queue_push(queue, &delivery, 1, chunk, chunk->bytes);
        struct queue_frame frame = {0};
        int filled = rc ? rc : queue_fill(queue, receiver, 1, 0, &batch, &frame);
        alloc_fail_never();
        buffer_destroy(&frame.head);
        slice_drop(&frame.body);
        chunk_unref(&chunk);
        queue_destroy(&queue);
        if (filled == 0)
            break;
        assert_int_equal(filled, -ENOMEM);
    }
}

// ---- What can't be read ----

static void what_cannot_be_read_dies_and_the_rest_goes_on(void **state) {
    (void)state;
    struct queue_limits limits = test_limits;
    limits.tail = 0;
    struct queue *queue = queue_new(1, "a/b", &limits);
    struct queue_time now = {.ms = 1, .us = 1000};
    char text[WIRE_TEXT_LIMIT + 1];
    for (int i = 0; i < 3; i++)
        queue_recover_push(queue, queue->next_position, 10);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    assert_int_equal(queue_unreadable(queue, 2, "at 7", now), 0); // not its turn: it is wished for again
    assert_null(queue_next_dead(queue));
    assert_int_equal(queue_unreadable(queue, 1, "at 7", now), 0);
    assert_int_equal(queue_unreadable(queue, 1, "at 7", now), 0); // once
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->position, 1);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_DAMAGED);
    assert_int_equal(dead->envelope.size, 0);
    delivery_dead_text(dead, text, sizeof text);
    assert_string_equal(text, "at 7");
    test_bury(queue, dead);
    assert_int_equal(queue->settled, 1);
    assert_int_equal(queue->bytes, 20); // it counts as one of the average
    assert_int_equal(test_load(queue, NULL, 1), 2);
    char out[64];
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m2,m3,");
    assert_int_equal(queue_unreadable(queue, 2, "at 7", now), 0); // it has gone out
    assert_null(queue_next_dead(queue));
    queue_destroy(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_read_dies_and_the_rest_goes_on),
        cmocka_unit_test(spans_merge),
        cmocka_unit_test(sends_within_credit_and_keeps_the_rest_on_disk),
        cmocka_unit_test(a_replay_says_that_it_is_one),
        cmocka_unit_test(not_before_it_is_durable),
        cmocka_unit_test(a_subject_waits_for_its_own_only),
        cmocka_unit_test(a_lost_receiver_gets_it_again),
        cmocka_unit_test(what_comes_again_comes_before_what_is_newer),
        cmocka_unit_test(what_comes_again_stops_nothing),
        cmocka_unit_test(unsettled_bytes_are_bounded),
        cmocka_unit_test(any_range_may_come),
        cmocka_unit_test(failures_end_as_dead_letters),
        cmocka_unit_test(expired_and_overfull_ones_die),
        cmocka_unit_test(recovery_knows_what_is_left),
        cmocka_unit_test(records_are_read_as_written),
        cmocka_unit_test(what_an_envelope_shares_stands_once),
        cmocka_unit_test(copies_that_can_not_be_are_damage),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
