// A queue in memory for tests: pushes, loads and sends without a broker around it.
#pragma once

#include "broker/delivery/queue.h"

extern const struct queue_limits test_limits;

int test_push(struct queue *queue, uint64_t subject, const char *text);
// Answers what the queue wants to load from positions of which each has its number as text ("m5"), with the
// subject that `subject_of` says (NULL: none); returns how many were read. `now_ms`: both clocks.
size_t test_load(struct queue *queue, uint64_t (*subject_of)(uint64_t position), uint64_t now_ms);
// How many enter the window from memory.
size_t test_take_tail(struct queue *queue, uint64_t now_ms);
// Sends what may go to the receiver; `out` becomes "body,body,".
size_t test_send(struct queue *queue, struct receiver *receiver, char *out, size_t size);
void test_settle(struct queue *queue, struct receiver *receiver, uint64_t first, uint64_t last);
// `retry_ms` 0: the back-off. Returns what is kept of it, or NULL.
const struct failure *test_fail(struct queue *queue, const struct receiver *receiver, uint64_t position,
    uint32_t retry_ms, bool reject, const char *text, uint64_t now_ms);
uint64_t test_tick(struct queue *queue, uint64_t now_ms);
void test_bury(struct queue *queue, struct delivery *dead);
struct delivery *test_delivery(const struct queue *queue, uint64_t position); // or NULL
