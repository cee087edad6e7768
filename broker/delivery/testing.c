#include "broker/delivery/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

const struct queue_limits test_limits = {
    .count = 1000, .bytes = 1 << 20, .age_us = 1000000, .window = 100, .held = 100};

static struct queue_time time_of(uint64_t now_ms) {
    return (struct queue_time){.ms = now_ms, .us = (int64_t)now_ms * 1000};
}

int test_push(struct queue *queue, uint64_t subject, const char *text) {
    struct record_delivery delivery = {.queue = 1,
        .position = queue->next_position,
        .subject_hash = subject,
        .rule = {.route = "r", .retries = 2, .backoff_min_ms = 100, .backoff_max_ms = 1000}};
    struct chunk *chunk = chunk_copy(bytes_of_string(text));
    assert_non_null(chunk);
    int rc = queue_push(queue, &delivery, queue->next_position, chunk, chunk->bytes);
    chunk_unref(&chunk);
    return rc;
}

static void load_one(
    struct queue *queue, uint64_t position, uint64_t (*subject_of)(uint64_t position), uint64_t now_ms) {
    char text[32];
    snprintf(text, sizeof text, "m%llu", (unsigned long long)position);
    struct record_delivery delivery = {.queue = 1,
        .position = position,
        .subject_hash = subject_of ? subject_of(position) : 0,
        .rule = {.retries = 2, .backoff_min_ms = 100, .backoff_max_ms = 1000}};
    struct chunk *chunk = chunk_copy(bytes_of_string(text));
    assert_non_null(chunk);
    assert_int_equal(queue_loaded(queue, &delivery, "r", chunk, chunk->bytes, time_of(now_ms)), 0);
    chunk_unref(&chunk);
}

size_t test_load(struct queue *queue, uint64_t (*subject_of)(uint64_t position), uint64_t now_ms) {
    struct queue_load wishes[QUEUE_LOADS];
    size_t wished = queue_loads(queue, wishes);
    size_t count = 0;
    for (size_t i = 0; i < wished; i++) {
        const struct queue_load *wish = &wishes[i];
        for (uint64_t p = wish->from; p < queue->next_position && p < wish->from + wish->count; p++, count++)
            load_one(queue, p, subject_of, now_ms);
    }
    return count;
}

size_t test_take_tail(struct queue *queue, uint64_t now_ms) {
    uint64_t before = queue->read_position;
    bool any;
    assert_int_equal(queue_take_tail(queue, time_of(now_ms), &any), 0);
    assert_int_equal(any, queue->read_position != before);
    return queue->read_position - before;
}

size_t test_send(struct queue *queue, struct receiver *receiver, char *out, size_t size) {
    static const struct queue_batch_limits batch = {.messages = 64, .bytes = 65536};
    struct queue_frame frame;
    assert_int_equal(queue_fill(queue, receiver, UINT64_MAX, 0, &batch, &frame), 0);
    struct bytes rest = frame.body.bytes;
    struct bytes raw;
    out[0] = '\0';
    while (rest.size && wire_body_next(&rest, &raw, NULL) == 0) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%.*s,", BYTES_ARGS(raw));
    }
    size_t count = frame.count;
    buffer_destroy(&frame.head);
    slice_drop(&frame.body);
    return count;
}

void test_settle(struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last) {
    struct spans spans = {0};
    uint64_t bytes = 0;
    assert_int_equal(queue_settle(queue, receiver, first, last, &spans, &bytes), 0);
    spans_destroy(&spans);
}

const struct failure *test_fail(struct queue *queue, const struct receiver *receiver, uint64_t position,
    uint32_t retry_ms, bool reject, const char *text, uint64_t now_ms) {
    const struct queue_verdict verdict = {
        .place = position, .retry_after_ms = retry_ms, .reject = reject, .text = text};
    const struct failure *failure;
    assert_int_equal(queue_fail(queue, receiver, &verdict, time_of(now_ms), &failure), 0);
    return failure;
}

uint64_t test_tick(struct queue *queue, uint64_t now_ms) {
    return queue_tick(queue, time_of(now_ms));
}

void test_bury(struct queue *queue, struct delivery *dead) {
    struct spans spans = {0};
    uint64_t bytes = 0;
    assert_int_equal(queue_bury(queue, dead, &spans, &bytes), 0);
    spans_destroy(&spans);
}

struct delivery *test_delivery(const struct queue *queue, uint64_t position) {
    return known_get(&queue->known, position);
}
