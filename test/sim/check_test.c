// The checker, on histories that are made up: a right one passes, and each promise that is broken is told.
#include "test/sim/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define REJECTED HUTONG__BUS__V1__REASON__REASON_REJECTED
#define RETRIES HUTONG__BUS__V1__REASON__REASON_RETRIES
#define UNMAPPED HUTONG__BUS__V1__REASON__REASON_UNMAPPED
#define FULL HUTONG__BUS__V1__REASON__REASON_QUEUE_FULL
#define EXPIRED HUTONG__BUS__V1__REASON__REASON_EXPIRED

struct story {
    struct world world;
    struct history history;
};

static int setup(void **state) {
    struct story *story = calloc(1, sizeof *story);
    assert_non_null(story);
    world_init(&story->world, 1, false);
    history_init(&story->history, &story->world);
    story->history.queues[0].retries = 1;
    *state = story;
    return 0;
}

static int teardown(void **state) {
    struct story *story = *state;
    history_destroy(&story->history);
    world_destroy(&story->world);
    free(story);
    return 0;
}

// A message of publisher 0 to queue 0, sent with this sequence.
static size_t sent(struct story *story, uint64_t sequence, unsigned subject) {
    struct fact_message message = {.publisher = 0, .subject = subject};
    size_t made = history_publish(&story->history, &message);
    history_may_go(&story->history, made, 1u << 0);
    history_sent(&story->history, made, sequence);
    return made;
}

// … and durable, at this position.
static size_t recorded(struct story *story, uint64_t sequence, unsigned subject, uint64_t position) {
    size_t made = sent(story, sequence, subject);
    history_recorded(&story->history, made);
    history_entered(&story->history, made, 0, position);
    return made;
}

static void told(struct story *story, const char *what) {
    if (!story->world.failed || !strstr(story->world.failure, what))
        fail_msg("\"%s\" was to be told, and was: \"%s\"", what, story->world.failure);
}

static void is_right(struct story *story) {
    history_finish(&story->history);
    if (story->world.failed)
        fail_msg("nothing is wrong, and was told: %s", story->world.failure);
}

static void test_right(void **state) {
    struct story *story = *state;
    struct history *history = &story->history;
    size_t a = recorded(story, 1, 0, 1);
    size_t b = recorded(story, 2, 0, 2);
    size_t c = recorded(story, 4, 1, 3); // a gap is allowed
    history_accepted(history, 0, 4);
    history_told(history, a, false);
    history_delivered(history, 0, 1, a, 1);
    history_delivered(history, 0, 3, c, 1); // of another subject: it overtakes
    history_failed(history, 0, 1, false);
    history_delivered(history, 0, 1, a, 2);
    history_effect(history, 0, 3, c);
    history_effect(history, 0, 1, a);
    history_settled(history, 0, 1);
    history_delivered(history, 0, 2, b, 1);
    history_failed(history, 0, 2, true);
    history_dead(history, b, 0, 2, REJECTED);
    history_settled(history, 0, 2);
    history_settled(history, 0, 3);
    history_settled_told(history, 0, 3);
    history_welcomed(history, 0, 4);
    is_right(story);
}

static void test_accepted_before_durable(void **state) {
    struct story *story = *state;
    size_t a = sent(story, 1, 0);
    history_told(&story->history, a, false);
    told(story, "promise 1: message 0 is called accepted, and the journal has it not");
}

static void test_stream_accepted_before_durable(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    sent(story, 2, 0);
    history_accepted(&story->history, 0, 2);
    told(story, "promise 1: publisher 0 is told that 2 is accepted, and the journal has only 1 of it");
    teardown(state);
    setup(state);
    story = *state;
    sent(story, 1, 0);
    history_welcomed(&story->history, 0, 1);
    told(story, "promise 1: publisher 0 is told that 1 is accepted, and the journal has only 0 of it");
}

static void test_refusal_of_what_is_right(void **state) {
    struct story *story = *state;
    struct fact_message wrong = {.invalid = true};
    size_t a = history_publish(&story->history, &wrong);
    history_sent(&story->history, a, 1);
    history_refusal(&story->history, a);
    history_accepted(&story->history, 0, 1);
    is_right(story);
    history_refusal(&story->history, sent(story, 2, 0));
    told(story, "message 1 is right, and its refusal is recorded");
}

static void test_accepted_and_gone_after_a_power_cut(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    recorded(story, 2, 0, 2);
    history_accepted(&story->history, 0, 2);
    history_welcomed(&story->history, 0, 1);
    told(story, "promise 1: publisher 0 was told that 2 is accepted");
}

static void test_welcomed_and_gone_after_a_power_cut(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    recorded(story, 2, 0, 2);
    history_welcomed(&story->history, 0, 2);
    history_welcomed(&story->history, 0, 1);
    told(story, "promise 1: publisher 0 was told that 2 is accepted");
}

static void test_accepted_what_was_never_sent(void **state) {
    struct story *story = *state;
    sent(story, 1, 0);
    history_accepted(&story->history, 0, 2);
    told(story, "of which it sent only 1");
}

static void test_delivered_before_durable(void **state) {
    struct story *story = *state;
    size_t a = sent(story, 1, 0);
    history_delivered(&story->history, 0, 1, a, 1);
    told(story, "promise 1: message 0 was delivered before it was durable");
}

static void test_lost(void **state) {
    struct story *story = *state;
    sent(story, 1, 0);
    recorded(story, 2, 0, 1);
    history_accepted(&story->history, 0, 2);
    history_finish(&story->history);
    told(story, "promise 2: message 0 was accepted, and is lost");
}

static void test_destination_forgotten(void **state) {
    struct story *story = *state;
    size_t a = sent(story, 1, 0);
    history_recorded(&story->history, a);
    history_finish(&story->history);
    told(story, "promise 2: message 0 goes to destinations 0x0");
}

static void test_no_effect_at_the_end(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    history_finish(&story->history);
    told(story, "promise 2: queue 0 position 1 (message 0) had no effect and is no dead letter");
}

static void test_settled_without_an_effect(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    history_settled(&story->history, 0, 1);
    told(story, "promise 2: queue 0 position 1 is settled, had no effect");
}

static void test_settled_twice(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_effect(&story->history, 0, 1, a);
    history_settled(&story->history, 0, 1);
    history_settled(&story->history, 0, 1);
    told(story, "is settled twice");
}

static void test_told_settled_too_early(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_effect(&story->history, 0, 1, a);
    history_settled_told(&story->history, 0, 1);
    told(story, "told that all up to 1 is settled, and 1 is not");
}

static void test_second_effect(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_effect(&story->history, 0, 1, a);
    history_effect(&story->history, 0, 1, a);
    told(story, "promise 3: queue 0 position 1: a second effect");
}

static void test_repeat_accepted(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_recorded(&story->history, a);
    told(story, "promise 3: message 0 is in the journal twice");
}

static void test_recorded_out_of_order(void **state) {
    struct story *story = *state;
    recorded(story, 2, 0, 1);
    recorded(story, 1, 0, 2);
    told(story, "sequence 1 is recorded behind 2");
}

static void test_sent_out_of_turn(void **state) {
    struct story *story = *state;
    recorded(story, 1, 5, 1);
    size_t b = recorded(story, 2, 5, 2);
    history_delivered(&story->history, 0, 2, b, 1);
    told(story, "promise 4: queue 0 position 2 was sent while 1 of its subject is unsettled");
}

static void test_sent_out_of_turn_in_a_retry(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 5, 1);
    size_t b = recorded(story, 2, 5, 2);
    history_delivered(&story->history, 0, 1, a, 1);
    history_failed(&story->history, 0, 1, false);
    history_delivered(&story->history, 0, 2, b, 1);
    told(story, "promise 4: queue 0 position 2 was sent while 1 of its subject is unsettled");
}

static void test_effects_out_of_order(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 5, 1);
    size_t b = recorded(story, 2, 5, 2);
    history_effect(&story->history, 0, 2, b);
    history_effect(&story->history, 0, 1, a);
    told(story, "promise 4: queue 0 position 1 had its effect after 2 of the same subject");
}

static void test_delivery_of_nothing(void **state) {
    struct story *story = *state;
    history_delivered(&story->history, 0, 1, 7, 1);
    told(story, "is no message that was published");
}

static void test_position_of_two(void **state) {
    struct story *story = *state;
    recorded(story, 1, 0, 1);
    recorded(story, 2, 1, 1);
    told(story, "position 1 is message 1, and was message 0");
}

static void test_destination_of_no_route(void **state) {
    struct story *story = *state;
    size_t a = sent(story, 1, 0);
    history_recorded(&story->history, a);
    history_entered(&story->history, a, 2, 1);
    told(story, "which no route names");
}

static void test_twice_to_one(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_entered(&story->history, a, 0, 2);
    told(story, "promise 3: message 0 goes to destination 0 twice");
}

static void test_first_attempt_twice(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_delivered(&story->history, 0, 1, a, 1);
    history_delivered(&story->history, 0, 1, a, 1);
    told(story, "came before, and this is called attempt 1");
}

// A message that was sent and failed, which is durable: to be tried again in `wait_ms`.
static size_t failed(struct story *story, uint32_t failures, int64_t wait_ms, bool last) {
    size_t made = recorded(story, 1, 0, 1);
    struct fact_failure failure = {.attempt = 1,
        .failures = failures,
        .due_us = world_wall_ns(&story->world) / 1000 + wait_ms * 1000,
        .last = last};
    history_delivered(&story->history, 0, 1, made, 1);
    history_failure(&story->history, 0, 1, &failure);
    return made;
}

static void test_comes_before_it_is_due(void **state) {
    struct story *story = *state;
    size_t a = failed(story, 1, 500, false);
    world_pass(&story->world, 400 * MS_NS);
    history_delivered(&story->history, 0, 1, a, 2);
    told(story, "position 1 comes again 100000 us before it is due");
}

static void test_comes_when_it_is_due(void **state) {
    struct story *story = *state;
    size_t a = failed(story, 1, 500, false);
    world_pass(&story->world, 500 * MS_NS);
    history_delivered(&story->history, 0, 1, a, 2);
    story->world.skew -= (int64_t)(10 * S_NS); // it was due by the clock as it was
    history_delivered(&story->history, 0, 1, a, 3);
    history_effect(&story->history, 0, 1, a);
    is_right(story);
}

static void test_due_by_a_clock_that_jumped(void **state) {
    struct story *story = *state;
    size_t a = failed(story, 1, 500, false);
    world_count(&story->world, COUNT_CLOCK_JUMPS, 1);
    history_delivered(&story->history, 0, 1, a, 2);
    history_effect(&story->history, 0, 1, a);
    is_right(story);
}

static void test_comes_after_its_last_failure(void **state) {
    struct story *story = *state;
    size_t a = failed(story, 1, 0, true);
    history_delivered(&story->history, 0, 1, a, 2);
    told(story, "position 1 comes again, after it failed for the last time");
}

static void test_attempts_forgotten(void **state) {
    struct story *story = *state;
    struct fact_failure again = {.attempt = 5, .failures = 1};
    failed(story, 1, 0, false);
    history_failure(&story->history, 0, 1, &again);
    told(story, "a failure is recorded as number 1, and the one before was 1");
    teardown(state);
    setup(state);
    story = *state;
    again = (struct fact_failure){.attempt = 1, .failures = 2};
    failed(story, 1, 0, false);
    history_failure(&story->history, 0, 1, &again);
    told(story, "attempt 1 failed after attempt 1 had");
    teardown(state);
    setup(state);
    story = *state;
    size_t a = failed(story, 1, 0, false);
    again = (struct fact_failure){.attempt = 4, .failures = 2};
    history_failure(&story->history, 0, 1, &again);
    history_delivered(&story->history, 0, 1, a, 4);
    told(story, "position 1 is called attempt 4, and attempt 4 had failed");
}

static void test_deaths(void **state) {
    static const struct {
        uint32_t reason;
        unsigned fails;
        bool reject, effect;
        const char *told;
    } cases[] = {
        {REJECTED, 0, false, false, "rejected, which no receiver did"},
        {RETRIES, 1, false, false, "failed less often than its route allows"},
        {FULL, 0, false, false, "over a limit that its queue is far from"},
        {EXPIRED, 0, false, false, "expired long before its time"},
        {UNMAPPED, 0, false, false, "without a reason that can be"},
        {REJECTED, 0, true, true, "had its effect, and is a dead letter"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        teardown(state);
        setup(state);
        struct story *story = *state;
        size_t a = recorded(story, 1, 0, 1);
        for (unsigned k = 0; k < cases[i].fails; k++)
            history_failed(&story->history, 0, 1, false);
        if (cases[i].reject)
            history_failed(&story->history, 0, 1, true);
        if (cases[i].effect)
            history_effect(&story->history, 0, 1, a);
        history_dead(&story->history, a, 0, 1, cases[i].reason);
        history_finish(&story->history);
        told(story, cases[i].told);
    }
}

static void test_died_twice(void **state) {
    struct story *story = *state;
    size_t a = recorded(story, 1, 0, 1);
    history_failed(&story->history, 0, 1, true);
    history_dead(&story->history, a, 0, 1, REJECTED);
    history_dead(&story->history, a, 0, 1, REJECTED);
    told(story, "died twice");
}

static void test_died_on_its_way(void **state) {
    struct story *story = *state;
    size_t a = sent(story, 1, 0);
    history_recorded(&story->history, a);
    history_dead(&story->history, a, 0, 0, UNMAPPED);
    told(story, "died on its way");
}

static void test_wrong_accepted_and_right_refused(void **state) {
    struct story *story = *state;
    struct fact_message wrong = {.invalid = true};
    size_t a = history_publish(&story->history, &wrong);
    history_sent(&story->history, a, 1);
    history_recorded(&story->history, a);
    told(story, "is wrong, and was accepted");
    teardown(state);
    setup(state);
    story = *state;
    a = sent(story, 1, 0);
    history_told(&story->history, a, true);
    told(story, "is right, and was refused");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(right), TEST(accepted_before_durable),
        TEST(accepted_and_gone_after_a_power_cut), TEST(welcomed_and_gone_after_a_power_cut),
        TEST(stream_accepted_before_durable), TEST(refusal_of_what_is_right),
        TEST(accepted_what_was_never_sent), TEST(delivered_before_durable), TEST(lost),
        TEST(destination_forgotten), TEST(no_effect_at_the_end), TEST(settled_without_an_effect),
        TEST(settled_twice), TEST(told_settled_too_early), TEST(second_effect), TEST(repeat_accepted),
        TEST(recorded_out_of_order), TEST(sent_out_of_turn), TEST(sent_out_of_turn_in_a_retry),
        TEST(effects_out_of_order), TEST(delivery_of_nothing), TEST(position_of_two),
        TEST(destination_of_no_route), TEST(twice_to_one), TEST(first_attempt_twice),
        TEST(comes_before_it_is_due), TEST(comes_when_it_is_due), TEST(due_by_a_clock_that_jumped),
        TEST(comes_after_its_last_failure), TEST(attempts_forgotten), TEST(deaths), TEST(died_twice),
        TEST(died_on_its_way), TEST(wrong_accepted_and_right_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
