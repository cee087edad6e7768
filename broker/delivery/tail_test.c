// The newest of a backlog stay in memory where a receiver works, and are no different for it.
#include "broker/delivery/testing.h"
#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char out[1024];

// With one message under way and no credit left.
static struct queue *working(uint64_t tail, struct receiver **receiver) {
    struct queue_limits limits = test_limits;
    limits.tail = tail;
    struct queue *queue = queue_new(1, "a/b", &limits);
    *receiver = queue_attach(queue, 1, 7, 1, 100000);
    assert_int_equal(test_push(queue, 0, "m1"), 0);
    assert_int_equal(test_send(queue, *receiver, out, sizeof out), 1);
    return queue;
}

static void push(struct queue *queue, uint64_t subject, int count) {
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "m%llu", (unsigned long long)queue->next_position);
        assert_int_equal(test_push(queue, subject, text), 0);
    }
}

static void nothing_is_read_back_that_came_meanwhile(void **state) {
    (void)state;
    struct receiver *receiver;
    struct queue *queue = working(1000, &receiver);
    push(queue, 0, 4);
    assert_int_equal(queue->known.size, 1); // the window is what the credit covers
    assert_int_equal(test_take_tail(queue, 0), 0);
    queue_grant(queue, receiver, 3, 100000);
    assert_int_equal(test_load(queue, NULL, 0), 0);
    assert_int_equal(test_take_tail(queue, 0), 2);
    push(queue, 0, 1); // not caught up: behind the others
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m2,m3,");
    queue_grant(queue, receiver, 100, 100000);
    assert_int_equal(test_take_tail(queue, 0), 3);
    push(queue, 0, 1); // caught up
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 4);
    assert_string_equal(out, "m4,m5,m6,m7,");
    assert_int_equal(queue->tail.count + queue->tail.pinned, 0);
    test_settle(queue, receiver, 1, 7);
    assert_int_equal(queue->settled, 7);
    queue_destroy(&queue);
}

// The bound is on the memory that messages hold: a chunk counts once, however many lie in it. What is older
// is read.
static void the_oldest_give_way(void **state) {
    (void)state;
    struct receiver *receiver;
    struct queue *queue = working(20, &receiver);
    struct chunk *chunk = chunk_copy(bytes_of_string("m2m3m4m5m6")); // 10 bytes
    assert_non_null(chunk);
    for (uint64_t position = 2; position <= 6; position++) {
        struct record_delivery delivery = {.queue = 1, .position = position, .rule = {.route = "r"}};
        struct bytes text = bytes_of(chunk->bytes.data + 2 * (position - 2), 2);
        assert_int_equal(queue_push(queue, &delivery, position, chunk, text), 0);
    }
    chunk_unref(&chunk);
    assert_int_equal(queue->tail.pinned, 10);
    push(queue, 0, 5); // m7 … m11, 2 to 3 bytes each
    assert_int_equal(queue->tail.pinned, 12);
    assert_int_equal(queue->tail.count, 5);
    queue_grant(queue, receiver, 100, 100000);
    assert_int_equal(test_take_tail(queue, 0), 0); // not before the older ones
    assert_int_equal(test_load(queue, NULL, 0), 5);
    assert_int_equal(test_take_tail(queue, 0), 0); // there is enough to send
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 5);
    assert_int_equal(test_take_tail(queue, 0), 5);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 5);
    assert_string_equal(out, "m7,m8,m9,m10,m11,");
    queue_destroy(&queue);
}

static void a_receiver_that_does_nothing_has_no_tail(void **state) {
    (void)state;
    struct receiver *receiver;
    struct queue *queue = working(1000, &receiver);
    push(queue, 0, 3);
    assert_int_equal(queue->tail.count, 3);
    test_settle(queue, receiver, 1, 1);
    push(queue, 0, 1); // nothing is under way: there would be a gap
    assert_int_equal(queue->tail.count, 0);
    queue_grant(queue, receiver, 3, 100000);
    assert_int_equal(test_load(queue, NULL, 0), 2);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    push(queue, 0, 1);
    assert_int_equal(queue->tail.count, 1);
    queue_detach(queue, &receiver);
    assert_int_equal(queue->tail.count, 0);
    assert_int_equal(queue->tail.pinned, 0);
    queue_destroy(&queue);
}

// What frees a subject is a later record than that of the message behind, which was pushed before.
static void one_of_the_same_subject_waits_for_the_settlement(void **state) {
    (void)state;
    struct queue_limits limits = test_limits;
    limits.tail = 1000;
    struct queue *queue = queue_new(1, "a/b", &limits);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1, 100000);
    assert_int_equal(test_push(queue, 77, "m1"), 0);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    push(queue, 77, 2); // records 2 and 3
    queue_grant(queue, receiver, 2, 100000);
    assert_int_equal(test_take_tail(queue, 0), 1);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 0); // behind m1
    queue->settling = 9;
    test_settle(queue, receiver, 1, 1);
    assert_int_equal(test_delivery(queue, 2)->record, 9);
    assert_int_equal(test_load(queue, NULL, 0), 1); // the bytes of those that wait are not kept
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
    queue->settling = 10;
    test_settle(queue, receiver, 2, 2); // the last known of its subject
    queue_grant(queue, receiver, 3, 100000);
    assert_int_equal(test_take_tail(queue, 0), 1);
    assert_int_equal(test_delivery(queue, 3)->record, 10);
    queue_destroy(&queue);
}

static void what_was_settled_meanwhile_is_passed_over(void **state) {
    (void)state;
    struct receiver *receiver;
    struct queue *queue = working(1000, &receiver);
    push(queue, 0, 4);
    assert_int_equal(queue_recover_settled(queue, 2, 3), 0);
    queue_grant(queue, receiver, 100, 100000);
    assert_int_equal(test_take_tail(queue, 0), 4); // positions; two of them entered
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 2);
    assert_string_equal(out, "m4,m5,");
    queue_destroy(&queue);
}

static void without_memory_it_is_read_back(void **state) {
    (void)state;
    struct receiver *receiver;
    struct queue *queue = working(1000, &receiver);
    push(queue, 0, 2);
    struct record_delivery delivery = {.queue = 1, .position = 4, .rule = {.route = "r"}};
    struct chunk *chunk = chunk_copy(bytes_of_string("m4"));
    alloc_fail_once(0);
    assert_int_equal(queue_push(queue, &delivery, 4, chunk, chunk->bytes), 0);
    alloc_fail_never();
    chunk_unref(&chunk);
    assert_int_equal(queue->tail.count, 0);
    queue_grant(queue, receiver, 100, 100000);
    assert_int_equal(test_load(queue, NULL, 0), 3);
    assert_int_equal(test_send(queue, receiver, out, sizeof out), 3);
    assert_string_equal(out, "m2,m3,m4,");
    queue_destroy(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_read_back_that_came_meanwhile),
        cmocka_unit_test(the_oldest_give_way),
        cmocka_unit_test(a_receiver_that_does_nothing_has_no_tail),
        cmocka_unit_test(one_of_the_same_subject_waits_for_the_settlement),
        cmocka_unit_test(what_was_settled_meanwhile_is_passed_over),
        cmocka_unit_test(without_memory_it_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
