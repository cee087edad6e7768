// A queue of a shared journal: what arrives, is settled by its place, and is withdrawn.
#include "broker/delivery/testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW (struct queue_time){.ms = 1000, .us = 1000000}
#define LANE(n) ((uint64_t)(n) << JOURNAL_LANE_SHIFT)

// Positions of one lane stand two apart, as where something else stands between them.
static uint64_t place_of(uint64_t position) {
    return LANE(position % 2 + 1) | 2 * position;
}

static struct queue *queue_with(uint64_t arrivals) {
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    assert_non_null(queue);
    queue->shared = true;
    for (uint64_t i = 0; i < arrivals; i++)
        queue_arrive(queue, 2, false);
    return queue;
}

static int load_one(struct queue *queue, uint64_t position, uint64_t subject) {
    const struct record_delivery delivery = {.queue = 1,
        .position = position,
        .place = place_of(position),
        .subject_hash = subject,
        .rule = {.retries = 2, .backoff_min_ms = 100, .backoff_max_ms = 1000}};
    char text[32];
    snprintf(text, sizeof text, "m%llu", (unsigned long long)position);
    struct chunk *chunk = chunk_copy(bytes_of_string(text));
    assert_non_null(chunk);
    int rc = queue_loaded(queue, &delivery, "r", chunk, chunk->bytes, NOW);
    chunk_unref(&chunk);
    return rc;
}

static void load(struct queue *queue, uint64_t subject) {
    struct queue_load wishes[QUEUE_LOADS];
    size_t count = queue_loads(queue, wishes);
    for (size_t i = 0; i < count; i++)
        for (uint64_t p = wishes[i].from; p < queue->next_position && p < wishes[i].from + wishes[i].count;
            p++)
            assert_int_equal(load_one(queue, p, subject), 0);
}

// Settles these places; returns how many spans of positions that were, the last in `*out`.
static size_t settle(
    struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last, struct span *out) {
    struct spans spans = {0};
    uint64_t bytes = 0;
    assert_int_equal(queue_settle(queue, receiver, first, last, &spans, &bytes), 0);
    size_t count = spans.count;
    if (count)
        *out = spans.items[count - 1];
    spans_destroy(&spans);
    return count;
}

static wire_frame *sent_frame(struct queue *queue, struct receiver *receiver) {
    static const struct queue_batch_limits batch = {.messages = 64, .bytes = 65536};
    struct queue_frame sent;
    struct error error;
    wire_frame *frame = NULL;
    assert_int_equal(queue_fill(queue, receiver, UINT64_MAX, 0, &batch, &sent), 0);
    assert_int_equal(wire_frame_parse(buffer_bytes(&sent.head), &frame, &error), 0);
    buffer_destroy(&sent.head);
    slice_drop(&sent.body);
    return frame;
}

static void receivers_hear_and_say_places(void **state) {
    (void)state;
    struct queue *queue = queue_with(4);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
    load(queue, 0);
    wire_frame *frame = sent_frame(queue, receiver);
    assert_int_equal(frame->deliver->n_runs, 4);
    assert_int_equal(frame->deliver->settled, 0);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(frame->deliver->runs[i]->first_position, place_of(i + 1));
    wire_frame_free(&frame);
    struct span span;
    assert_int_equal(settle(queue, receiver, 1, 4, &span), 0); // positions say nothing
    assert_int_equal(settle(queue, receiver, place_of(2), place_of(2), &span), 1);
    assert_int_equal(span.first, 2);
    assert_int_equal(span.last, 2);
    assert_int_equal(
        settle(queue, receiver, LANE(1), LANE(3) - 1, &span), 2); // all that is left, of both lanes
    assert_int_equal(queue->settled, 4);
    assert_int_equal(queue->unsettled, 0);
    assert_int_equal(queue->bytes, 0);
    assert_int_equal(queue->places.size, 0);
    queue_destroy(&queue);
}

// In a shared journal no position bounds what a peer may name.
static void the_largest_numbers_are_looked_at_once(void **state) {
    (void)state;
    struct queue *queue = queue_with(2);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
    struct span span;
    char out[64];
    load(queue, 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    alarm(10);
    assert_int_equal(settle(queue, receiver, UINT64_MAX, UINT64_MAX, &span), 0);
    assert_int_equal(settle(queue, receiver, UINT64_MAX - 1, UINT64_MAX, &span), 0);
    assert_int_equal(settle(queue, receiver, 1, UINT64_MAX, &span), 1);
    alarm(0);
    assert_int_equal(queue->unsettled, 0);
    queue_destroy(&queue);
}

static void a_failure_is_kept_by_its_position(void **state) {
    (void)state;
    struct queue *queue = queue_with(2);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
    char out[64];
    load(queue, 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_null(test_fail(queue, receiver, 1, 0, false, "x", 1000));
    const struct failure *failure = test_fail(queue, receiver, place_of(1), 0, false, "x", 1000);
    assert_non_null(failure);
    assert_int_equal(failure->position, 1);
    queue_destroy(&queue);
}

static void what_another_may_have_sent_says_so(void **state) {
    (void)state;
    struct queue *queue = queue_with(0);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
    queue_arrive(queue, 2, true);
    queue_arrive(queue, 2, false);
    load(queue, 0);
    wire_frame *frame = sent_frame(queue, receiver);
    assert_int_equal(frame->deliver->runs[0]->attempt, 2);
    assert_int_equal(frame->deliver->runs[1]->attempt, 1);
    wire_frame_free(&frame);
    queue_destroy(&queue);
}

// In whatever state: sent, behind another of its subject, to be tried again, not read, settled.
static void what_is_withdrawn_never_came(void **state) {
    (void)state;
    struct queue *queue = queue_with(6);
    struct receiver *receiver = queue_attach(queue, 1, 7, 5, 100000);
    char out[64];
    struct span span;
    load(queue, 9);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_int_equal(test_delivery(queue, 2)->state, DELIVERY_WAITING);
    assert_int_equal(settle(queue, receiver, place_of(1), place_of(1), &span), 1);
    load(queue, 9);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_non_null(test_fail(queue, receiver, place_of(2), 500, false, "x", 1000));
    assert_int_equal(test_delivery(queue, 2)->state, DELIVERY_RETRY);
    for (uint64_t position = 1; position <= 6; position++)
        assert_int_equal(queue_withdraw(queue, position, 2), 0);
    assert_int_equal(queue->unsettled, 0);
    assert_int_equal(queue->bytes, 0);
    assert_int_equal(queue->settled, 6);
    assert_int_equal(queue->known.size + queue->places.size + queue->subjects.size + queue->failures.size, 0);
    assert_int_equal(queue->counters.settled, 1);
    assert_int_equal(settle(queue, receiver, place_of(2), place_of(2), &span), 0);
    // And the next that arrives goes out.
    queue_arrive(queue, 2, false);
    test_tick(queue, 2000);
    load(queue, 9);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_string_equal(out, "m7,");
    queue_destroy(&queue);
}

static void one_of_a_subject_goes_when_the_one_before_was_withdrawn(void **state) {
    (void)state;
    struct queue *queue = queue_with(2);
    struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
    char out[64];
    load(queue, 9);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_int_equal(queue_withdraw(queue, 1, 2), 0);
    load(queue, 9);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    assert_string_equal(out, "m2,");
    queue_destroy(&queue);
}

static void without_memory_nothing_is_half_known(void **state) {
    (void)state;
    int rc = -ENOMEM;
    for (unsigned n = 0; rc != 0; n++) {
        struct queue *queue = queue_with(1);
        struct receiver *receiver = queue_attach(queue, 1, 7, 100, 100000);
        const struct record_delivery delivery = {.queue = 1, .position = 1, .place = place_of(1)};
        struct chunk *chunk = chunk_copy(bytes_of_string("m1"));
        assert_non_null(chunk);
        alloc_fail_after(n);
        rc = queue_loaded(queue, &delivery, "r", chunk, chunk->bytes, NOW);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(queue->known.size, rc ? 0 : 1);
        assert_int_equal(queue->places.size, rc ? 0 : 1);
        chunk_unref(&chunk);
        queue_detach(queue, &receiver);
        queue_destroy(&queue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(receivers_hear_and_say_places),
        cmocka_unit_test(the_largest_numbers_are_looked_at_once),
        cmocka_unit_test(a_failure_is_kept_by_its_position),
        cmocka_unit_test(what_another_may_have_sent_says_so),
        cmocka_unit_test(what_is_withdrawn_never_came),
        cmocka_unit_test(one_of_a_subject_goes_when_the_one_before_was_withdrawn),
        cmocka_unit_test(without_memory_nothing_is_half_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
