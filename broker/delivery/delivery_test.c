#include "broker/delivery/queue.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct queue_limits limits = {.count = 1000, .bytes = 1 << 20, .age_us = 1000000, .window = 100};
static const struct queue_batch_limits batch = {.messages = 64, .bytes = 65536};

static struct chunk *chunk_of(const char *text) {
    return chunk_copy(bytes_of_string(text));
}

static int push(struct queue *queue, uint64_t subject, const char *text) {
    struct record_delivery delivery = {.queue = 1,
        .position = queue->next_position,
        .subject_hash = subject,
        .rule = {.route = "r", .agreement = "", .retries = 2, .backoff_min_ms = 100, .backoff_max_ms = 1000}};
    struct chunk *chunk = chunk_of(text);
    int rc = queue_push(queue, &delivery, queue->next_position, chunk, chunk->bytes);
    chunk_unref(&chunk);
    return rc;
}

// Answers the queue's wish to load from positions of which each has its number as text.
static size_t load(struct queue *queue, uint64_t (*subject_of)(uint64_t position)) {
    struct queue_load wish;
    if (!queue_wants_load(queue, &wish))
        return 0;
    size_t count = 0;
    for (uint64_t p = wish.from; p < queue->next_position && count < wish.count; p++, count++) {
        char text[32];
        snprintf(text, sizeof text, "m%llu", (unsigned long long)p);
        struct record_delivery delivery = {.queue = 1,
            .position = p,
            .subject_hash = subject_of ? subject_of(p) : 0,
            .rule = {.retries = 2, .backoff_min_ms = 100, .backoff_max_ms = 1000}};
        struct chunk *chunk = chunk_of(text);
        assert_int_equal(queue_loaded(queue, &delivery, "r", chunk, chunk->bytes), 0);
        chunk_unref(&chunk);
    }
    return count;
}

// Sends what may go; appends "body,body," to `out`.
static size_t send_all(struct queue *queue, char *out, size_t size) {
    struct queue_frame frame;
    assert_int_equal(queue_fill(queue, UINT64_MAX, 0, &batch, &frame), 0);
    struct bytes rest = buffer_bytes(&frame.body);
    struct bytes raw;
    out[0] = '\0';
    while (rest.size && wire_body_next(&rest, &raw, NULL) == 0) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%.*s,", BYTES_ARGS(raw));
    }
    size_t count = frame.count;
    buffer_destroy(&frame.head);
    buffer_destroy(&frame.body);
    return count;
}

static void settle(struct queue *queue, uint64_t first, uint64_t last) {
    struct spans spans = {0};
    uint64_t bytes = 0;
    assert_int_equal(queue_settle(queue, first, last, &spans, &bytes), 0);
    spans_destroy(&spans);
}

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
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    queue_attach(queue, 1, 2, 1000);
    for (int i = 1; i <= 4; i++) {
        char text[16];
        snprintf(text, sizeof text, "m%d", i);
        assert_int_equal(push(queue, 0, text), 0);
    }
    assert_int_equal(queue->known.size, 2);
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    assert_string_equal(out, "m1,m2,");
    assert_int_equal(load(queue, NULL), 0); // no credit, nothing wanted
    queue_grant(queue, 10, 1000);
    assert_int_equal(load(queue, NULL), 2);
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    assert_string_equal(out, "m3,m4,");
    settle(queue, 2, 4);
    assert_int_equal(queue->settled, 0);
    assert_int_equal(queue->unsettled, 1);
    settle(queue, 1, UINT64_MAX);
    assert_int_equal(queue->settled, 4);
    assert_int_equal(queue->known.size, 0);
    assert_int_equal(queue->bytes, 0);
    queue_destroy(&queue);
}

// What an operator sends again is told from what is new, also next to it.
static void a_replay_says_that_it_is_one(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "q", &limits);
    queue_attach(queue, 9, 100, 1 << 20);
    for (uint64_t position = 1; position <= 3; position++) {
        struct record_delivery delivery = {.queue = 1,
            .position = position,
            .rule = {.route = "r", .agreement = ""},
            .replay = position == 2};
        struct chunk *chunk = chunk_of("m");
        assert_int_equal(queue_push(queue, &delivery, position, chunk, chunk->bytes), 0);
        chunk_unref(&chunk);
    }
    struct queue_frame out;
    assert_int_equal(queue_fill(queue, UINT64_MAX, 0, &batch, &out), 0);
    wire_frame *frame;
    assert_int_equal(wire_frame_parse(buffer_bytes(&out.head), &frame, NULL), 0);
    assert_int_equal(frame->deliver->n_runs, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(frame->deliver->runs[i]->replay, i == 1);
    wire_frame_free(&frame);
    buffer_destroy(&out.head);
    buffer_destroy(&out.body);
    queue_destroy(&queue);
}

static void not_before_it_is_durable(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    queue_attach(queue, 1, 10, 1000);
    push(queue, 0, "m1");
    struct queue_frame frame;
    assert_int_equal(queue_fill(queue, 0, 0, &batch, &frame), 0);
    assert_int_equal(frame.count, 0);
    char out[64];
    assert_int_equal(send_all(queue, out, sizeof out), 1);
    queue_destroy(&queue);
}

static void a_subject_waits_for_its_own_only(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    uint64_t deadline = UINT64_MAX;
    queue_attach(queue, 1, 100, 10000);
    push(queue, 7, "m1");
    push(queue, 7, "m2");
    push(queue, 8, "m3");
    push(queue, 7, "m4");
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    assert_string_equal(out, "m1,m3,");
    queue_fail(queue, 1, 50, false, "later", 1000);
    settle(queue, 3, 3);
    assert_int_equal(send_all(queue, out, sizeof out), 0);
    queue_tick(queue, 1049, 0, &deadline);
    assert_int_equal(deadline, 1050);
    queue_tick(queue, 1050, 0, &deadline);
    load(queue, NULL);
    assert_int_equal(send_all(queue, out, sizeof out), 1);
    assert_string_equal(out, "m1,");
    settle(queue, 1, 1);
    load(queue, NULL);
    assert_int_equal(send_all(queue, out, sizeof out), 1);
    assert_string_equal(out, "m2,");
    settle(queue, 2, 2);
    load(queue, NULL);
    assert_int_equal(send_all(queue, out, sizeof out), 1);
    assert_string_equal(out, "m4,");
    queue_destroy(&queue);
}

static void a_lost_receiver_gets_it_again(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    queue_attach(queue, 1, 100, 10000);
    push(queue, 1, "m1");
    push(queue, 2, "m2");
    push(queue, 1, "m3");
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    queue_detach(queue);
    assert_int_equal(queue->in_flight, 0);
    assert_int_equal(load(queue, NULL), 0);
    queue_attach(queue, 2, 100, 10000);
    assert_int_equal(load(queue, NULL), 3);
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    assert_string_equal(out, "m1,m2,");
    struct delivery *delivery = number_map_get(&queue->known, 1);
    assert_int_equal(delivery->attempt, 2);
    queue_destroy(&queue);
}

static void what_comes_again_comes_before_what_is_newer(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    queue_attach(queue, 1, 100, 10000);
    push(queue, 0, "m1");
    push(queue, 0, "m2");
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    queue_detach(queue);
    queue_attach(queue, 2, 100, 10000);
    push(queue, 0, "m3");
    assert_int_equal(send_all(queue, out, sizeof out), 0);
    assert_int_equal(load(queue, NULL), 3);
    assert_int_equal(send_all(queue, out, sizeof out), 3);
    assert_string_equal(out, "m1,m2,m3,");
    queue_destroy(&queue);
}

static void bury(struct queue *queue, struct delivery *dead) {
    struct spans spans = {0};
    uint64_t bytes = 0;
    assert_int_equal(queue_bury(queue, dead, &spans, &bytes), 0);
    spans_destroy(&spans);
}

// However much a receiver grants: what may wait in sockets has the broker's own bound.
static void unsettled_bytes_are_bounded(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[64];
    queue_attach(queue, 1, UINT64_MAX, UINT64_MAX);
    push(queue, 0, "m1");
    queue->in_flight_bytes = QUEUE_IN_FLIGHT_BYTES;
    assert_int_equal(send_all(queue, out, sizeof out), 0);
    queue->in_flight_bytes = QUEUE_IN_FLIGHT_BYTES - 1;
    assert_int_equal(send_all(queue, out, sizeof out), 1);
    queue_destroy(&queue);
}

static void any_range_may_come(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[64];
    queue_attach(queue, 1, 10, 1000);
    push(queue, 0, "m1");
    push(queue, 0, "m2");
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    settle(queue, UINT64_MAX, UINT64_MAX);
    settle(queue, 3, UINT64_MAX);
    settle(queue, 2, 1);
    assert_int_equal(queue->unsettled, 2);
    settle(queue, 0, UINT64_MAX);
    assert_int_equal(queue->unsettled, 0);
    assert_int_equal(queue->in_flight_bytes, 0);
    settle(queue, 0, UINT64_MAX);
    queue_destroy(&queue);
}

static void failures_end_as_dead_letters(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    uint64_t deadline = UINT64_MAX;
    queue_attach(queue, 1, 100, 10000);
    push(queue, 1, "m1");
    push(queue, 1, "m2");
    for (uint64_t now = 0; now < 3; now++) {
        queue_tick(queue, now * 10000, 0, &deadline);
        load(queue, NULL);
        assert_int_equal(send_all(queue, out, sizeof out), 1);
        queue_fail(queue, 1, 0, false, "no luck", now * 10000);
    }
    assert_null(queue_next_dead(queue));
    load(queue, NULL);
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_RETRIES);
    assert_string_equal(dead->text, "no luck");
    assert_int_equal(dead->attempt, 3);
    assert_true(bytes_equal_string(dead->envelope, "m1"));
    settle(queue, 1, 1); // the peer says so too late: it stays a dead letter
    assert_ptr_equal(queue_next_dead(queue), dead);
    bury(queue, dead);
    assert_int_equal(send_all(queue, out, sizeof out) || load(queue, NULL), 1);
    queue_fail(queue, 2, 0, true, "bad", 0);
    queue_destroy(&queue);
}

static void expired_and_overfull_ones_die(void **state) {
    (void)state;
    struct queue_limits small = {.count = 2, .bytes = 1 << 20, .age_us = 1, .window = 100};
    struct queue *queue = queue_new(1, "a/b", &small);
    uint64_t deadline = UINT64_MAX;
    for (int i = 1; i <= 4; i++)
        push(queue, 0, "mx");
    assert_int_equal(queue->known.size, 0);
    queue_tick(queue, 0, 0, &deadline);
    load(queue, NULL);
    queue_tick(queue, 0, 0, &deadline);
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->position, 1);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL);
    bury(queue, dead);
    dead = queue_next_dead(queue);
    assert_int_equal(dead->position, 2);
    bury(queue, dead);
    queue_tick(queue, 0, 0, &deadline);
    assert_null(queue_next_dead(queue));
    queue_destroy(&queue);
}

static void recovery_knows_what_is_left(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &limits);
    char out[256];
    for (uint64_t p = 1; p <= 5; p++)
        queue_recover_push(queue, p, 2);
    queue_recover_push(queue, 3, 2); // again, behind a checkpoint
    assert_int_equal(queue_recover_settled(queue, 2, 3), 0);
    assert_int_equal(queue_recover_settled(queue, 1, 1), 0);
    assert_int_equal(queue->settled, 3);
    assert_int_equal(queue->unsettled, 2);
    queue_attach(queue, 1, 100, 10000);
    assert_int_equal(load(queue, NULL), 2);
    assert_int_equal(send_all(queue, out, sizeof out), 2);
    assert_string_equal(out, "m4,m5,");
    struct delivery *delivery = number_map_get(&queue->known, 4);
    assert_int_equal(delivery->attempt, 2); // an earlier process may have sent it
    queue_destroy(&queue);
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
            .rule = {.route = "r1", .agreement = "A-1", .retries = 4, .expires_us = 99}},
        {.queue = 2,
            .position = 1,
            .subject_hash = UINT64_MAX,
            .rule = {.route = "r2", .agreement = ""},
            .replay = true,
            .envelope = bytes_of_string("mapped")},
    };
    struct buffer out = {0};
    assert_int_equal(record_message_front(&message, deliveries, 2, &out), 0);
    assert_int_equal(buffer_append_bytes(&out, message.envelope), 0);
    struct record_message read;
    struct record_delivery delivery;
    assert_int_equal(record_message_read(buffer_bytes(&out), 2, 1, &read, &delivery), 0);
    assert_true(bytes_equal_string(delivery.envelope, "mapped"));
    assert_true(bytes_equal_string(delivery.route, "r2"));
    assert_true(delivery.subject_hash == UINT64_MAX);
    assert_int_equal(read.sequence, 1000000);
    assert_true(delivery.replay && read.replay_of == 77);
    assert_int_equal(record_message_read(buffer_bytes(&out), 1, 300, &read, &delivery), 0);
    assert_true(bytes_equal_string(delivery.envelope, "the original"));
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

static void no_memory_is_said(void **state) {
    (void)state;
    alloc_fail_after(0);
    assert_null(queue_new(1, "a/b", &limits));
    alloc_fail_after(1);
    assert_null(queue_new(1, "a/b", &limits));
    alloc_fail_never();
    for (size_t n = 0;; n++) {
        struct queue *queue = queue_new(1, "a/b", &limits);
        queue_attach(queue, 1, 10, 1000);
        struct chunk *chunk = chunk_of("m1");
        struct record_delivery delivery = {
            .queue = 1, .position = 1, .subject_hash = 5, .rule = {.route = "r", .agreement = ""}};
        alloc_fail_after(n);
        int rc = queue_push(queue, &delivery, 1, chunk, chunk->bytes);
        struct queue_frame frame = {0};
        int filled = rc ? rc : queue_fill(queue, 1, 0, &batch, &frame);
        alloc_fail_never();
        buffer_destroy(&frame.head);
        buffer_destroy(&frame.body);
        chunk_unref(&chunk);
        queue_destroy(&queue);
        if (filled == 0)
            break;
        assert_int_equal(filled, -ENOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_merge),
        cmocka_unit_test(sends_within_credit_and_keeps_the_rest_on_disk),
        cmocka_unit_test(a_replay_says_that_it_is_one),
        cmocka_unit_test(not_before_it_is_durable),
        cmocka_unit_test(a_subject_waits_for_its_own_only),
        cmocka_unit_test(a_lost_receiver_gets_it_again),
        cmocka_unit_test(what_comes_again_comes_before_what_is_newer),
        cmocka_unit_test(unsettled_bytes_are_bounded),
        cmocka_unit_test(any_range_may_come),
        cmocka_unit_test(failures_end_as_dead_letters),
        cmocka_unit_test(expired_and_overfull_ones_die),
        cmocka_unit_test(recovery_knows_what_is_left),
        cmocka_unit_test(records_are_read_as_written),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
