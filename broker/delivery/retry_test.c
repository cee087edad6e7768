// What fails: back-off, what is kept of it, expiry in every state, and that it stops nothing behind it.
#include "broker/delivery/testing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t one_in_two(uint64_t position) { // odd ones are of one subject, even ones of none
    return position % 2 ? 7 : 0;
}

static void push_many(struct queue *queue, uint64_t count, uint64_t (*subject_of)(uint64_t position)) {
    for (uint64_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "m%llu", (unsigned long long)queue->next_position);
        assert_int_equal(test_push(queue, subject_of ? subject_of(queue->next_position) : 0, text), 0);
    }
}

static struct queue *queue_with(size_t window, size_t held) {
    struct queue_limits limits = {
        .count = 1000000, .bytes = 1 << 30, .age_us = 1000000, .window = window, .held = held};
    struct queue *queue = queue_new(1, "a/b", &limits);
    assert_non_null(queue);
    return queue;
}

// Doubled from the rule's least (100 ms) to its most (1 s), less up to a quarter.
static void back_off_doubles_with_jitter(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[64];
    test_push(queue, 0, "m1");
    test_delivery(queue, 1)->rule.retries = 20;
    uint64_t now = 5000;
    uint64_t expect = 100;
    for (uint32_t n = 1; n <= 8; n++) {
        assert_int_equal(test_send(queue, receiver, out, sizeof out), 1);
        const struct failure *failure = test_fail(queue, receiver, 1, 0, false, "x", now);
        assert_int_equal(failure->failures, n);
        assert_int_equal(failure->attempt, n);
        assert_in_range(failure->delay_ms, expect - expect / 4, expect);
        assert_int_equal(failure->due_us, (int64_t)(now + failure->delay_ms) * 1000);
        now += failure->delay_ms;
        assert_int_equal(test_tick(queue, now - 1), now);
        assert_int_equal(test_delivery(queue, 1)->state, DELIVERY_RETRY);
        test_tick(queue, now);
        test_load(queue, NULL, now);
        expect = expect * 2 < 1000 ? expect * 2 : 1000;
    }
    queue_destroy(&queue);
}

static void what_the_receiver_asks_for_is_bounded(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[64];
    test_push(queue, 0, "m1");
    test_push(queue, 0, "m2");
    test_send(queue, receiver, out, sizeof out);
    assert_int_equal(test_fail(queue, receiver, 1, 1234, false, "", 0)->delay_ms, 1234);
    assert_int_equal(test_fail(queue, receiver, 2, UINT32_MAX, false, "", 0)->delay_ms, QUEUE_RETRY_LIMIT_MS);
    queue_destroy(&queue);
}

// Words are kept within their bound, and whole characters.
static void words_are_cut(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[WIRE_TEXT_LIMIT + 1];
    char words[1000] = "x";
    for (size_t i = 0; i < 300; i++)
        memcpy(words + 1 + i * 3, "错", 4);
    test_push(queue, 0, "m1");
    test_push(queue, 0, "m2");
    test_send(queue, receiver, out, sizeof out);
    const struct failure *failure = test_fail(queue, receiver, 1, 0, false, words, 0);
    assert_int_equal(strlen(failure->text), 256 - (256 - 1) % 3);
    assert_int_equal(strlen(test_fail(queue, receiver, 2, 0, true, words, 0)->text), 901);
    queue_destroy(&queue);
}

static void expiry_works_in_every_state(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, 2, 100000);
    char out[256];
    push_many(queue, 2, NULL);
    test_push(queue, 7, "m3"); // no credit for it: backlog
    test_send(queue, receiver, out, sizeof out);
    queue_grant(queue, receiver, 3, 100000);
    test_load(queue, one_in_two, 0);
    test_send(queue, receiver, out, sizeof out);
    assert_string_equal(out, "m3,");
    queue_grant(queue, receiver, 1000, 100000);
    test_push(queue, 7, "m4"); // waits behind m3
    test_push(queue, 7, "m5");
    test_push(queue, 0, "m6"); // ready
    test_fail(queue, receiver, 1, 60000, false, "down", 0);
    for (uint64_t p = 1; p <= 6; p++) {
        test_delivery(queue, p)->rule.expires_us = p == 5 ? 9000000 : 5000000;
        if (p != 5)
            queue->expiry_us = 5000000;
    }
    assert_int_equal(test_delivery(queue, 1)->state, DELIVERY_RETRY);
    assert_int_equal(test_delivery(queue, 4)->state, DELIVERY_WAITING);
    assert_int_equal(test_delivery(queue, 6)->state, DELIVERY_READY);
    assert_int_equal(test_tick(queue, 4000), 5001);
    assert_int_equal(queue->counters.expired, 0);
    test_tick(queue, 5001);
    assert_int_equal(queue->counters.expired, 3);
    assert_int_equal(test_delivery(queue, 1)->state, DELIVERY_DYING);
    assert_int_equal(test_delivery(queue, 2)->state, DELIVERY_SENT); // its receiver has it
    assert_int_equal(test_delivery(queue, 4)->state, DELIVERY_DYING);
    assert_int_equal(test_delivery(queue, 5)->state, DELIVERY_WAITING);
    test_load(queue, one_in_two, 5001);
    for (struct delivery *dead; (dead = queue_next_dead(queue)) != NULL;) {
        delivery_dead_text(dead, out, sizeof out);
        if (dead->position == 1)
            assert_string_equal(out, "it expired while it waited to be tried again; it had failed: down");
        test_bury(queue, dead);
    }
    assert_int_equal(queue->unsettled, 3);
    test_settle(queue, receiver, 3, 3); // the one that left the middle of its chain broke nothing
    test_load(queue, one_in_two, 5001);
    test_send(queue, receiver, out, sizeof out);
    assert_string_equal(out, "m5,");
    test_settle(queue, receiver, 1, UINT64_MAX);
    assert_int_equal(queue->unsettled, 0);
    assert_int_equal(queue->subjects.size, 0);
    queue_destroy(&queue);
}

// What came back from a lost receiver expires without one.
static void expiry_works_without_a_receiver(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[64];
    push_many(queue, 2, NULL);
    test_send(queue, receiver, out, sizeof out);
    test_delivery(queue, 1)->rule.expires_us = test_delivery(queue, 2)->rule.expires_us = 5000000;
    test_tick(queue, 6000);
    assert_int_equal(queue->counters.expired, 0);
    queue_detach(queue, &receiver);
    test_tick(queue, 7000);
    assert_int_equal(queue->counters.expired, 2);
    test_load(queue, NULL, 7000);
    for (struct delivery *dead; (dead = queue_next_dead(queue)) != NULL;)
        test_bury(queue, dead);
    assert_int_equal(queue->unsettled, 0);
    queue_destroy(&queue);
}

// More poison than the window has places: all others pass it.
static void poison_stops_nothing(void **state) {
    (void)state;
    enum { POISON = 40, OTHERS = 200 };
    struct queue *queue = queue_with(20, 100);
    struct receiver *receiver = queue_attach(queue, 1, 7, UINT64_MAX, UINT64_MAX);
    char out[2048];
    push_many(queue, POISON + OTHERS, NULL);
    size_t passed = 0;
    for (int turn = 0; turn < 100; turn++) {
        test_tick(queue, 0);
        test_load(queue, NULL, 0);
        test_send(queue, receiver, out, sizeof out);
        for (uint64_t p = 1; p <= POISON; p++)
            test_fail(queue, receiver, p, 3600000, false, "poison", 0);
        uint64_t before = queue->unsettled;
        test_settle(queue, receiver, POISON + 1, UINT64_MAX);
        passed += before - queue->unsettled;
    }
    assert_int_equal(passed, OTHERS);
    assert_int_equal(queue->retries.size, POISON);
    assert_int_equal(queue->unsettled, POISON);
    queue_destroy(&queue);
}

// One poison message with more of its subject behind it than may wait in memory: while they fit, all others
// pass; at the bound it is not tried again, and says why.
static void at_the_bound_what_is_in_the_way_dies(void **state) {
    (void)state;
    struct queue *queue = queue_with(20, 30);
    struct receiver *receiver = queue_attach(queue, 1, 7, UINT64_MAX, UINT64_MAX);
    char out[2048];
    push_many(queue, 200, one_in_two);
    size_t passed = 0;
    uint64_t dead = 0;
    for (int turn = 0; turn < 400 && queue->unsettled; turn++) {
        test_tick(queue, 0);
        test_load(queue, one_in_two, 0);
        struct delivery *next = queue_next_dead(queue);
        if (next) {
            assert_int_equal(next->position, 1);
            assert_int_equal(next->reason, HUTONG__BUS__V1__REASON__REASON_RETRIES);
            delivery_dead_text(next, out, sizeof out);
            assert_non_null(strstr(out, "queue_held"));
            assert_non_null(strstr(out, "it had failed: poison"));
            dead = next->position;
            assert_true(passed > 20); // others passed until then
            test_bury(queue, next);
        }
        test_send(queue, receiver, out, sizeof out);
        test_fail(queue, receiver, 1, 3600000, false, "poison", 0);
        uint64_t before = queue->unsettled;
        test_settle(queue, receiver, 2, UINT64_MAX);
        passed += before - queue->unsettled;
        assert_true(queue->held <= 30 + 20);
    }
    assert_int_equal(dead, 1);
    assert_int_equal(passed, 199);
    queue_destroy(&queue);
}

// ---- Across restarts ----

static struct queue *after_restart(const struct failure *failure) {
    struct queue *queue = queue_with(100, 100);
    for (uint64_t p = 1; p <= 3; p++)
        queue_recover_push(queue, p, 2);
    assert_int_equal(queue_recover_failure(queue, failure), 0);
    return queue;
}

static void expect_due(
    int64_t due_us, uint32_t delay_ms, uint64_t now_ms, uint64_t due_ms, uint32_t attempt) {
    char words[] = "down";
    const struct failure failure = {
        .position = 1, .attempt = 4, .failures = 2, .due_us = due_us, .delay_ms = delay_ms, .text = words};
    struct queue *queue = after_restart(&failure);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[64];
    test_load(queue, NULL, now_ms);
    test_tick(queue, now_ms);
    if (due_ms > now_ms) {
        assert_int_equal(test_delivery(queue, 1)->state, DELIVERY_RETRY);
        test_tick(queue, due_ms - 1);
        test_load(queue, NULL, due_ms - 1);
        test_send(queue, receiver, out, sizeof out);
        assert_string_equal(out, "m2,m3,");
        test_tick(queue, due_ms);
        test_load(queue, NULL, due_ms);
    }
    test_send(queue, receiver, out, sizeof out);
    assert_string_equal(out, due_ms > now_ms ? "m1," : "m1,m2,m3,");
    assert_int_equal(test_delivery(queue, 1)->attempt, attempt);
    // It goes on counting: the rule allows two retries, this is the third failure.
    const struct failure *last = test_fail(queue, receiver, 1, 0, false, "down again", due_ms);
    assert_int_equal(last->failures, 3);
    assert_int_equal(last->reason, HUTONG__BUS__V1__REASON__REASON_RETRIES);
    queue_destroy(&queue);
}

static void a_restart_makes_it_neither_earlier_nor_later(void **state) {
    (void)state;
    expect_due(9000000, 8000, 2000, 9000, 5);
    expect_due(9000000, 8000, 9000, 9000, 6);     // it was due: it may have been sent already
    expect_due(9000000, 8000, 50000, 50000, 6);   // the clock jumped ahead, or the broker was away
    expect_due(9000000000, 8000, 2000, 10000, 5); // it jumped back: no longer than it had to wait at first
}

static void what_died_before_a_restart_is_not_sent_again(void **state) {
    (void)state;
    char words[] = "no such household";
    const struct failure failure = {.position = 2,
        .attempt = 1,
        .failures = 1,
        .reason = HUTONG__BUS__V1__REASON__REASON_REJECTED,
        .text = words};
    struct queue *queue = after_restart(&failure);
    struct receiver *receiver = queue_attach(queue, 1, 7, 1000, 100000);
    char out[64];
    test_load(queue, NULL, 0);
    test_send(queue, receiver, out, sizeof out);
    assert_string_equal(out, "m1,m3,");
    test_load(queue, NULL, 0);
    struct delivery *dead = queue_next_dead(queue);
    assert_non_null(dead);
    assert_int_equal(dead->reason, HUTONG__BUS__V1__REASON__REASON_REJECTED);
    assert_int_equal(dead->attempt, 1);
    delivery_dead_text(dead, out, sizeof out);
    assert_string_equal(out, "no such household");
    test_bury(queue, dead);
    assert_int_equal(queue->failures.size, 0);
    queue_destroy(&queue);
}

// Settled in the journal: nothing is kept, however many spans say so.
static void what_is_settled_is_forgotten(void **state) {
    (void)state;
    struct queue *queue = queue_with(100, 100);
    for (uint64_t p = 1; p <= 100; p++)
        queue_recover_push(queue, p, 2);
    for (uint64_t p = 1; p <= 100; p += 3) {
        const struct failure failure = {.position = p, .attempt = 1, .failures = 1};
        assert_int_equal(queue_recover_failure(queue, &failure), 0);
        assert_int_equal(queue_recover_failure(queue, &failure), 0); // again, behind a checkpoint
    }
    assert_int_equal(queue->failures.size, 34);
    assert_int_equal(queue_recover_settled(queue, 1, 60), 0);
    assert_int_equal(queue->failures.size, 14);
    assert_int_equal(queue_recover_settled(queue, 61, 61), 0);
    assert_int_equal(queue->failures.size, 13);
    assert_int_equal(queue_recover_settled(queue, 62, 99), 0);
    assert_int_equal(queue->failures.size, 1);
    queue_destroy(&queue);
}

static void failures_are_read_as_written(void **state) {
    (void)state;
    char words[] = "down";
    const struct failure failure = {.position = 9,
        .attempt = 4,
        .failures = 2,
        .due_us = 77,
        .delay_ms = 8,
        .reason = HUTONG__BUS__V1__REASON__REASON_REJECTED,
        .text = words};
    Hutong__Bus__V1__FailedDelivery record;
    record_failure(&failure, &record);
    struct failure read = record_failure_read(&record);
    assert_memory_equal(&read, &failure, sizeof read);
}

// Ten thousand retries cost a turn no more than those that are due.
static void a_turn_costs_what_is_due(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    struct queue *queue = queue_with(20000, 20000);
    struct receiver *receiver = queue_attach(queue, 1, 7, UINT64_MAX, UINT64_MAX);
    char out[4096];
    push_many(queue, COUNT, NULL);
    while (test_send(queue, receiver, out, sizeof out))
        ;
    for (uint64_t p = 1; p <= COUNT; p++)
        test_fail(queue, receiver, p, (uint32_t)(1000 + (p * 7919) % COUNT), false, "", 0);
    for (uint64_t now = 1000; now < 1000 + COUNT; now++) {
        assert_int_equal(queue->retries.size, COUNT - (now - 1000));
        test_tick(queue, now); // exactly one is due in each millisecond
    }
    assert_int_equal(queue->retries.size, 0);
    queue_destroy(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_off_doubles_with_jitter),
        cmocka_unit_test(what_the_receiver_asks_for_is_bounded),
        cmocka_unit_test(words_are_cut),
        cmocka_unit_test(expiry_works_in_every_state),
        cmocka_unit_test(expiry_works_without_a_receiver),
        cmocka_unit_test(poison_stops_nothing),
        cmocka_unit_test(at_the_bound_what_is_in_the_way_dies),
        cmocka_unit_test(a_restart_makes_it_neither_earlier_nor_later),
        cmocka_unit_test(what_died_before_a_restart_is_not_sent_again),
        cmocka_unit_test(what_is_settled_is_forgotten),
        cmocka_unit_test(failures_are_read_as_written),
        cmocka_unit_test(a_turn_costs_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
