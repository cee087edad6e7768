// A queue that several receivers share: what is whose, what moves, what stays in order.
#include "broker/delivery/testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SUBJECTS = 64 };

static uint64_t subject_at(uint64_t position) {
    return (position % SUBJECTS + 1) * 0x9E3779B97F4A7C15u;
}

static uint64_t no_subject(uint64_t position) {
    (void)position;
    return 0;
}

static uint64_t one_subject(uint64_t position) {
    (void)position;
    return 77;
}

static void push_many(struct queue *queue, uint64_t count, uint64_t (*subject_of)(uint64_t position)) {
    for (uint64_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "m%llu", (unsigned long long)queue->next_position);
        assert_int_equal(test_push(queue, subject_of(queue->next_position), text), 0);
    }
}

// What was sent to each: the positions, in order.
struct log {
    struct receiver *receiver;
    uint64_t positions[4000];
    size_t count;
};

static void note(struct log *log, const char *text) {
    for (const char *at = text; (at = strchr(at, 'm')) != NULL; at++)
        log->positions[log->count++] = strtoull(at + 1, NULL, 10);
}

static size_t send(struct queue *queue, struct log *log) {
    char out[2048];
    size_t count = test_send(queue, log->receiver, out, sizeof out);
    note(log, out);
    return count;
}

static void each_subject_goes_to_one(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct log logs[3] = {0};
    for (uint64_t i = 0; i < 3; i++)
        logs[i].receiver = queue_attach(queue, i + 1, (i + 1) * 0xABCDEF, 1000, 100000);
    push_many(queue, SUBJECTS, subject_at);
    size_t total = 0;
    for (size_t i = 0; i < 3; i++)
        total += send(queue, &logs[i]);
    assert_int_equal(total, SUBJECTS);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(logs[i].count, SUBJECTS / 6, SUBJECTS / 2); // about a third each
    // The next of each goes where the one before went.
    for (size_t i = 0; i < 3; i++)
        test_settle(queue, logs[i].receiver, 1, SUBJECTS);
    push_many(queue, SUBJECTS, subject_at);
    for (size_t i = 0; i < 3; i++) {
        size_t first = logs[i].count;
        assert_int_equal(send(queue, &logs[i]), first);
        for (size_t k = 0; k < first; k++)
            assert_int_equal(logs[i].positions[k] + SUBJECTS, logs[i].positions[first + k]);
    }
    queue_destroy(&queue);
}

static void without_a_subject_whoever_has_credit_gets_it(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct log a = {.receiver = queue_attach(queue, 1, 5, 2, 1000)};
    struct log b = {.receiver = queue_attach(queue, 2, 6, 3, 1000)};
    push_many(queue, 6, no_subject);
    assert_int_equal(send(queue, &a), 2);
    assert_int_equal(send(queue, &b), 3);
    assert_int_equal(a.positions[0], 1);
    assert_int_equal(b.positions[0], 3);
    queue_grant(queue, a.receiver, 4, 1000);
    assert_int_equal(test_load(queue, no_subject, 0), 1);
    assert_int_equal(send(queue, &b), 0);
    assert_int_equal(send(queue, &a), 1);
    queue_destroy(&queue);
}

static void only_its_own_may_be_settled(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct log a = {.receiver = queue_attach(queue, 1, 5, 1, 1000)};
    struct log b = {.receiver = queue_attach(queue, 2, 6, 1, 1000)};
    push_many(queue, 2, no_subject);
    send(queue, &a);
    send(queue, &b);
    test_settle(queue, a.receiver, 2, 2);
    test_settle(queue, a.receiver, 2, UINT64_MAX);
    assert_null(test_fail(queue, a.receiver, 2, 1, false, "mine", 0));
    assert_int_equal(queue->unsettled, 2);
    test_settle(queue, b.receiver, 0, UINT64_MAX);
    assert_int_equal(queue->unsettled, 1);
    assert_int_equal(a.receiver->in_flight, 1);
    queue_destroy(&queue);
}

// The share of the one that is lost comes again, before what is newer of its subjects; the others' shares
// stay.
static void a_lost_one_leaves_its_share_to_the_others(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct log logs[3] = {0};
    for (uint64_t i = 0; i < 3; i++)
        logs[i].receiver = queue_attach(queue, i + 1, (i + 1) * 0xABCDEF, 1000, 100000);
    push_many(queue, SUBJECTS + 8, subject_at); // eight have a second one behind
    for (size_t i = 0; i < 3; i++)
        send(queue, &logs[i]);
    size_t lost = logs[1].count;
    size_t before[3] = {logs[0].count, logs[1].count, logs[2].count};
    queue_detach(queue, &logs[1].receiver);
    assert_int_equal(queue->in_flight, SUBJECTS - lost);
    assert_int_equal(test_load(queue, subject_at, 0) > 0, 1);
    size_t again = send(queue, &logs[0]) + send(queue, &logs[2]);
    assert_int_equal(again, lost);
    for (size_t i = 0; i < 3; i += 2)
        for (size_t k = before[i]; k < logs[i].count; k++) {
            bool was_its = false;
            for (size_t n = 0; n < lost; n++)
                was_its |= logs[1].positions[n] == logs[i].positions[k];
            assert_true(was_its);
            assert_int_equal(test_delivery(queue, logs[i].positions[k])->attempt, 2);
        }
    for (size_t i = 0; i < 3; i += 2)
        test_settle(queue, logs[i].receiver, 1, SUBJECTS);
    test_load(queue, subject_at, 0);
    assert_int_equal(send(queue, &logs[0]) + send(queue, &logs[2]), 8);
    queue_destroy(&queue);
}

// When one joins, what is under way stays where it is, and so does what waits behind it until that is
// settled.
static void a_share_moves_to_a_new_one_without_overtaking(void **state) {
    (void)state;
    struct queue *queue = queue_new(1, "a/b", &test_limits);
    struct log old = {.receiver = queue_attach(queue, 1, 5, 1000, 100000)};
    push_many(queue, 3, one_subject);
    assert_int_equal(send(queue, &old), 1);
    struct log new = {0};
    // Some instance is heavier for this subject than the old one.
    for (uint64_t instance = 100; !new.receiver; instance++) {
        struct receiver *receiver = queue_attach(queue, 2, instance, 1000, 100000);
        test_settle(queue, old.receiver, 0, 0);
        struct delivery *waiting = test_delivery(queue, 2);
        assert_int_equal(waiting->state, DELIVERY_WAITING);
        test_load(queue, one_subject, 0);
        new.receiver = receiver;
        assert_int_equal(send(queue, &new), 0); // the old one has the subject in flight
        test_settle(queue, old.receiver, 1, 3);
        bool moved = test_delivery(queue, 2)->receiver == receiver;
        test_load(queue, one_subject, 0);
        if (moved)
            break;
        assert_int_equal(send(queue, &old), 1);
        push_many(queue, 1, one_subject);
        queue_detach(queue, &new.receiver);
        queue_destroy(&queue);
        queue = queue_new(1, "a/b", &test_limits);
        old = (struct log){.receiver = queue_attach(queue, 1, 5, 1000, 100000)};
        push_many(queue, 3, one_subject);
        assert_int_equal(send(queue, &old), 1);
    }
    assert_int_equal(send(queue, &old), 0);
    assert_int_equal(send(queue, &new), 1);
    assert_int_equal(new.positions[0], 2);
    // And when the old one is lost, nothing of the subject is its.
    queue_detach(queue, &old.receiver);
    test_settle(queue, new.receiver, 2, 2);
    test_load(queue, one_subject, 0);
    assert_int_equal(send(queue, &new), 1);
    assert_int_equal(new.positions[1], 3);
    queue_destroy(&queue);
}

// A receiver without credit holds up its own share; the others' go on, far beyond the window.
static void a_slow_one_slows_only_its_share(void **state) {
    (void)state;
    struct queue_limits limits = test_limits;
    limits.count = 100000;
    limits.held = 1000;
    struct queue *queue = queue_new(1, "a/b", &limits);
    struct log slow = {.receiver = queue_attach(queue, 1, 5, 1, 100000)};
    struct log fast = {.receiver = queue_attach(queue, 2, 6, UINT64_MAX, UINT64_MAX)};
    push_many(queue, 1000, subject_at);
    for (int i = 0; i < 200; i++) {
        test_tick(queue, 0);
        test_load(queue, subject_at, 0);
        send(queue, &slow);
        send(queue, &fast);
        test_settle(queue, fast.receiver, 1, UINT64_MAX);
    }
    assert_int_equal(slow.count, 1);
    for (size_t k = 0; k < fast.count; k++)
        assert_false(subject_at(fast.positions[k]) == subject_at(slow.positions[0]));
    assert_int_equal(queue->read_position, queue->next_position); // all was seen, none stopped the reading
    assert_int_equal(queue->unsettled + fast.count, 1000);
    assert_true(queue->unsettled < 700);
    // Its share waited for it, in order.
    queue_grant(queue, slow.receiver, 10000, 100000);
    uint64_t last[SUBJECTS] = {0};
    for (int i = 0; i < 2000 && queue->unsettled; i++) {
        test_tick(queue, 0);
        test_load(queue, subject_at, 0);
        send(queue, &slow);
        test_settle(queue, slow.receiver, 1, UINT64_MAX);
    }
    assert_int_equal(queue->unsettled, 0);
    for (size_t k = 0; k < slow.count; k++) {
        uint64_t *of = &last[slow.positions[k] % SUBJECTS];
        assert_true(*of < slow.positions[k]);
        *of = slow.positions[k];
    }
    queue_destroy(&queue);
}

// At the bound of what is held, what the slow one can't take goes to the others: but for what it has in
// flight.
static void at_the_bound_others_take_over(void **state) {
    (void)state;
    struct queue_limits limits = test_limits;
    limits.count = 100000;
    limits.held = 50;
    struct queue *queue = queue_new(1, "a/b", &limits);
    struct log slow = {.receiver = queue_attach(queue, 1, 5, 1, 100000)};
    struct log fast = {.receiver = queue_attach(queue, 2, 6, UINT64_MAX, UINT64_MAX)};
    push_many(queue, 1000, subject_at);
    for (int i = 0; i < 500; i++) {
        test_tick(queue, 0);
        test_load(queue, subject_at, 0);
        send(queue, &slow);
        send(queue, &fast);
        test_settle(queue, fast.receiver, 1, UINT64_MAX);
        assert_true(queue->held <= limits.held + QUEUE_LOADS);
    }
    assert_int_equal(slow.count, 1);
    uint64_t stuck = subject_at(slow.positions[0]);
    for (size_t k = 0; k < fast.count; k++)
        assert_false(subject_at(fast.positions[k]) == stuck);
    // Of 1,000 messages: those of its one subject, and as many of its share as may wait.
    assert_in_range(queue->unsettled, 16, limits.held);
    queue_destroy(&queue);
}

// Receivers come and go, settle, fail, are lost, by dice: each subject's come in order, none is lost.
static void order_and_completeness_by_dice(void **state) {
    (void)state;
    enum { COUNT = 600, RECEIVERS = 4, OWN = 7 };
    for (unsigned seed = 1; seed <= 40; seed++) {
        srand(seed);
        struct queue_limits limits = test_limits;
        limits.window = 20;
        limits.held = 30;
        limits.count = 100000;
        struct queue *queue = queue_new(1, "a/b", &limits);
        struct receiver *receivers[RECEIVERS] = {0};
        uint64_t now = 0;
        uint64_t done[SUBJECTS] = {0};
        bool dead[COUNT + 1] = {false};
        uint64_t instance = 1;
        size_t pushed = 0;
        for (int turn = 0; queue->unsettled || pushed < COUNT; turn++) {
            assert_true(turn < 20000);
            now += (uint64_t)(rand() % 200);
            if (pushed < COUNT && rand() % 2) {
                push_many(queue, 3, subject_at);
                pushed += 3;
            }
            size_t who = (size_t)(rand() % RECEIVERS);
            if (!receivers[who])
                receivers[who] =
                    queue_attach(queue, who + 1, instance++ * OWN, (uint64_t)(rand() % 20 + 1), 1 << 20);
            else if (rand() % 20 == 0)
                queue_detach(queue, &receivers[who]);
            test_tick(queue, now);
            test_load(queue, subject_at, now);
            for (struct delivery *doomed; (doomed = queue_next_dead(queue)) != NULL;) {
                dead[doomed->position] = true;
                test_bury(queue, doomed);
            }
            struct log log = {.receiver = receivers[who]};
            if (!log.receiver)
                continue;
            queue_grant(queue, log.receiver, log.receiver->sent_messages + (uint64_t)(rand() % 8), 1 << 20);
            send(queue, &log);
            for (size_t k = 0; k < log.count; k++) {
                uint64_t position = log.positions[k];
                for (uint64_t before = position; before > SUBJECTS;) {
                    before -= SUBJECTS; // all earlier ones of its subject are over
                    assert_true(dead[before] || done[before % SUBJECTS] >= before);
                }
                if (rand() % 5 == 0)
                    test_fail(queue, log.receiver, position, 0, rand() % 10 == 0, "dice", now);
                else if (rand() % 10) {
                    done[position % SUBJECTS] = position;
                    test_settle(queue, log.receiver, position, position);
                }
            }
            if (rand() % 30 == 0)
                for (uint64_t p = 1; p < queue->next_position; p++) {
                    const struct delivery *late = test_delivery(queue, p);
                    if (late && late->state == DELIVERY_SENT && late->receiver == log.receiver) {
                        done[p % SUBJECTS] = p;
                        test_settle(queue, log.receiver, p, p);
                    }
                }
        }
        assert_int_equal(queue->settled, queue->next_position - 1);
        assert_int_equal(queue->known.size, 0);
        assert_int_equal(queue->subjects.size, 0);
        assert_int_equal(queue->failures.size, 0);
        assert_int_equal(queue->held, 0);
        assert_int_equal(queue->in_flight, 0);
        assert_int_equal(queue->retries.size, 0);
        queue_destroy(&queue);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_subject_goes_to_one),
        cmocka_unit_test(without_a_subject_whoever_has_credit_gets_it),
        cmocka_unit_test(only_its_own_may_be_settled),
        cmocka_unit_test(a_lost_one_leaves_its_share_to_the_others),
        cmocka_unit_test(a_share_moves_to_a_new_one_without_overtaking),
        cmocka_unit_test(a_slow_one_slows_only_its_share),
        cmocka_unit_test(at_the_bound_others_take_over),
        cmocka_unit_test(order_and_completeness_by_dice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
