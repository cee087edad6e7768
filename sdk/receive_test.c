#include "core/base/clock.h"
#include "sdk/fake_broker.h"
#include "sdk/hutong.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define SETTLE HUTONG__BUS__V1__FRAME__KIND_SETTLE
#define CREDIT HUTONG__BUS__V1__FRAME__KIND_CREDIT
#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR
#define PATIENCE_MS 10000

struct seen {
    unsigned count;
    uint64_t last;
    uint64_t settled;
    uint32_t attempt;
    bool replay;
    char id[32];
    char trace[32];
    enum hutong_verdict verdict;
};

static void see(void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct seen *seen = context;
    // Nothing is left in it of the delivery before.
    assert_int_equal(settlement->verdict, HUTONG_DONE);
    assert_true(settlement->retry_after_ms == 0 && !settlement->text[0]);
    seen->count++;
    seen->last = delivery->position;
    seen->settled = delivery->settled;
    seen->attempt = delivery->attempt;
    seen->replay = delivery->replay;
    snprintf(seen->id, sizeof seen->id, "%s", delivery->id);
    if (delivery->attributes[0])
        snprintf(seen->trace, sizeof seen->trace, "%s=%s", delivery->attributes[0], delivery->attributes[1]);
    settlement->verdict = seen->verdict;
    settlement->retry_after_ms = 70;
    snprintf(settlement->text, sizeof settlement->text, "because");
}

static struct hutong *open_receiver(struct fake_broker *fake, uint32_t window) {
    fake_start(fake, NULL);
    struct hutong_options options = {.endpoint = fake->endpoint,
        .system = "test/sink",
        .receive = true,
        .receive_messages = window,
        .reconnect_min_ms = 10,
        .reconnect_max_ms = 40};
    struct hutong *hutong;
    assert_int_equal(hutong_open(&options, &hutong, NULL), HUTONG_OK);
    return hutong;
}

static void dispatch_until(struct hutong *hutong, const unsigned *counter, unsigned wanted) {
    uint64_t until = clock_monotonic_ns() + PATIENCE_MS * CLOCK_MILLISECOND_NS;
    while (*counter < wanted) {
        hutong_dispatch(hutong, 100);
        assert_true(clock_monotonic_ns() < until);
    }
}

static void finish(struct hutong *hutong, struct fake_broker *fake) {
    assert_int_equal(hutong_close(&hutong, PATIENCE_MS), HUTONG_OK);
    fake_stop(fake);
}

static void deliveries_are_handled(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_DONE};
    struct seen others = {.verdict = HUTONG_DONE};
    struct hutong *hutong = open_receiver(&fake, 0);
    assert_int_equal(hutong_handle(hutong, "test.v1.Thing", see, &seen, NULL), HUTONG_OK);
    assert_int_equal(hutong_handle(hutong, NULL, see, &others, NULL), HUTONG_OK);
    assert_int_equal(hutong_handle(hutong, "x", NULL, NULL, NULL), HUTONG_INVALID);
    assert_int_equal(hutong_handle(hutong, "", see, NULL, NULL), HUTONG_INVALID);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_true(fake.frame->hello->receive);
    assert_int_equal(fake.frame->hello->credit->messages, 1000);
    assert_int_equal(fake.frame->hello->credit->bytes, 16u << 20);
    fake_deliver(&fake, 5, 3, 2, "test.v1.Thing");
    struct pollfd fd = {.fd = hutong_fd(hutong), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    dispatch_until(hutong, &seen.count, 3);
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_true(seen.last == 7 && seen.settled == 4 && seen.attempt == 2 && !seen.replay);
    assert_string_equal(seen.id, "m-7");
    assert_string_equal(seen.trace, "trace=7");
    const Hutong__Bus__V1__Settle *settle = fake_expect(&fake, SETTLE)->settle;
    assert_true(settle->n_done == 1 && settle->done[0]->first == 5 && settle->done[0]->last == 7);
    fake.replay = true;
    fake_deliver(&fake, 8, 1, 1, "test.v1.Other");
    dispatch_until(hutong, &others.count, 1);
    assert_true(others.replay);
    assert_int_equal(seen.count, 3);
    fake_expect(&fake, SETTLE);
    struct hutong_status status;
    hutong_status(hutong, &status);
    assert_true(status.received == 4 && status.settled == 4);
    finish(hutong, &fake);
}

#define LANE(lane, offset) ((uint64_t)(lane) << HUTONG_LANE_SHIFT | (offset))

struct floors {
    unsigned count;
    uint64_t positions[16];
    uint64_t settled[16];
};

static void note_floor(
    void *context, const struct hutong_delivery *delivery, struct hutong_settlement *settlement) {
    struct floors *floors = context;
    (void)settlement;
    assert_true(floors->count < 16);
    floors->positions[floors->count] = delivery->position;
    floors->settled[floors->count++] = delivery->settled;
}

// Runs of three lanes in turn, with gaps: each delivery is told its own lane's floor.
static void a_floor_is_its_lanes(void **state) {
    (void)state;
    struct fake_broker fake;
    struct floors floors = {0};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, NULL, note_floor, &floors, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    static const struct fake_lane_run runs[] = {{LANE(2, 40), 2, LANE(2, 39)}, {LANE(1, 7), 1, LANE(1, 3)},
        {LANE(2, 44), 1, 0}, {LANE(5, 1), 1, 0}, {LANE(1, 8), 1, 0}};
    static const uint64_t positions[] = {
        LANE(2, 40), LANE(2, 41), LANE(1, 7), LANE(2, 44), LANE(5, 1), LANE(1, 8)};
    static const uint64_t settled[] = {
        LANE(2, 39), LANE(2, 39), LANE(1, 3), LANE(2, 39), LANE(5, 0), LANE(1, 3)};
    fake_deliver_lanes(&fake, runs, 5, "t");
    dispatch_until(hutong, &floors.count, 6);
    assert_memory_equal(floors.positions, positions, sizeof positions);
    assert_memory_equal(floors.settled, settled, sizeof settled);
    static const struct fake_lane_run later[] = {{LANE(1, 20), 1, LANE(1, 8)}};
    fake_expect(&fake, SETTLE);
    fake_deliver_lanes(&fake, later, 1, "t");
    dispatch_until(hutong, &floors.count, 7);
    assert_int_equal(floors.settled[6], LANE(1, 8));
    finish(hutong, &fake);
}

// A lane's last position and the next lane's first are not neighbours.
static void settlements_stay_in_their_lanes(void **state) {
    (void)state;
    struct fake_broker fake;
    struct floors floors = {0};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, NULL, note_floor, &floors, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    static const struct fake_lane_run runs[] = {{LANE(1, 0) - 2, 2, 0}, {LANE(1, 1), 2, 0},
        {LANE(1, 4), 1, 0}, {LANE(2, 0) - 1, 1, 0}, {LANE(2, 1), 1, 0}};
    fake_deliver_lanes(&fake, runs, 5, "t");
    dispatch_until(hutong, &floors.count, 7);
    const Hutong__Bus__V1__Settle *settle = fake_expect(&fake, SETTLE)->settle;
    assert_int_equal(settle->n_done, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(settle->done[i]->first, runs[i].first);
        assert_int_equal(settle->done[i]->last, runs[i].first + runs[i].count - 1);
    }
    static const struct fake_lane_run over[] = {{LANE(3, 0) - 1, 3, 0}};
    fake_deliver_lanes(&fake, over, 1, "t");
    assert_int_equal(
        fake_expect(&fake, ERROR_FRAME)->error->reason, HUTONG__BUS__V1__REASON__REASON_PROTOCOL);
    assert_int_equal(floors.count, 7);
    finish(hutong, &fake);
}

static void failures_are_told(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen retry = {.verdict = HUTONG_RETRY};
    struct seen reject = {.verdict = HUTONG_REJECT};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, "test.v1.Retry", see, &retry, NULL);
    hutong_handle(hutong, "test.v1.Reject", see, &reject, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_deliver(&fake, 1, 1, 1, "test.v1.Retry");
    dispatch_until(hutong, &retry.count, 1);
    const Hutong__Bus__V1__Settle *settle = fake_expect(&fake, SETTLE)->settle;
    assert_true(settle->n_done == 0 && settle->n_failures == 1 && settle->failures[0]->position == 1);
    assert_true(settle->failures[0]->retry_after_ms == 70 && !settle->failures[0]->reject);
    fake_deliver(&fake, 2, 1, 1, "test.v1.Reject");
    dispatch_until(hutong, &reject.count, 1);
    settle = fake_expect(&fake, SETTLE)->settle;
    assert_true(settle->failures[0]->position == 2 && settle->failures[0]->reject);
    assert_string_equal(settle->failures[0]->text, "because");
    fake_deliver(&fake, 3, 1, 1, "test.v1.Nobody");
    while (!fake_try(&fake, SETTLE, 1))
        hutong_dispatch(hutong, 10);
    settle = fake.frame->settle;
    assert_true(settle->failures[0]->reject);
    assert_string_equal(settle->failures[0]->text, "test/sink has no handler for test.v1.Nobody");
    finish(hutong, &fake);
}

static void credit_is_renewed(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_DONE};
    struct hutong *hutong = open_receiver(&fake, 100);
    hutong_handle(hutong, NULL, see, &seen, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_deliver(&fake, 1, 20, 1, "t");
    dispatch_until(hutong, &seen.count, 20);
    fake_expect(&fake, SETTLE);
    assert_false(fake_try(&fake, CREDIT, 50));
    fake_deliver(&fake, 21, 80, 1, "t");
    dispatch_until(hutong, &seen.count, 100);
    fake_expect(&fake, SETTLE);
    assert_int_equal(fake_expect(&fake, CREDIT)->credit->messages, 200);
    finish(hutong, &fake);
}

static void later_is_settled_later(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_LATER};
    struct hutong *hutong = open_receiver(&fake, 4);
    hutong_handle(hutong, NULL, see, &seen, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_deliver(&fake, 1, 4, 1, "t");
    dispatch_until(hutong, &seen.count, 4);
    assert_false(fake_try(&fake, SETTLE, 30));
    struct hutong_settlement done = {.verdict = HUTONG_DONE};
    struct hutong_settlement retry = {.verdict = HUTONG_RETRY};
    struct hutong_settlement later = {.verdict = HUTONG_LATER};
    assert_int_equal(hutong_settle(hutong, 0, &done), HUTONG_INVALID);
    assert_int_equal(hutong_settle(hutong, 1, &later), HUTONG_INVALID);
    assert_int_equal(hutong_settle(hutong, 1, &done), HUTONG_OK);
    assert_int_equal(fake_expect(&fake, SETTLE)->settle->done[0]->first, 1);
    assert_int_equal(hutong_settle(hutong, 2, &retry), HUTONG_OK);
    while (!fake_try(&fake, SETTLE, 10)) // the credit for the first may come in between
        ;
    assert_int_equal(fake.frame->settle->failures[0]->position, 2);
    assert_int_equal(fake_expect(&fake, CREDIT)->credit->messages, 6);
    finish(hutong, &fake);
}

struct rounds {
    unsigned count;
    size_t deliveries;
    enum hutong_verdict verdict;
};

static void end_of_round(void *context, size_t deliveries, struct hutong_settlement *settlement) {
    struct rounds *rounds = context;
    rounds->count++;
    rounds->deliveries += deliveries;
    settlement->verdict = rounds->verdict;
    settlement->retry_after_ms = 9;
}

static void a_round_may_fail_whole(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_DONE};
    struct rounds rounds = {.verdict = HUTONG_RETRY};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, NULL, see, &seen, NULL);
    hutong_on_round_end(hutong, end_of_round, &rounds);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_deliver(&fake, 1, 3, 1, "t");
    dispatch_until(hutong, &rounds.count, 1);
    const Hutong__Bus__V1__Settle *settle = fake_expect(&fake, SETTLE)->settle;
    assert_true(settle->n_done == 0 && settle->n_failures == 3 && settle->failures[2]->retry_after_ms == 9);
    rounds.verdict = HUTONG_DONE;
    fake_deliver(&fake, 1, 3, 2, "t");
    dispatch_until(hutong, &rounds.count, 2);
    settle = fake_expect(&fake, SETTLE)->settle;
    assert_true(settle->n_done == 1 && settle->n_failures == 0 && rounds.deliveries == 6);
    finish(hutong, &fake);
}

// What waits for its handler when the session ends is dropped: the broker sends it again.
static void an_old_session_is_forgotten(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_DONE};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, NULL, see, &seen, NULL);
    fake_welcome(&fake, 0, FAKE_CREDIT);
    fake_deliver(&fake, 1, 5, 1, "t");
    struct pollfd fd = {.fd = hutong_fd(hutong), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
    fake_error(&fake, HUTONG__BUS__V1__REASON__REASON_INTERNAL, "");
    fake_welcome(&fake, 0, FAKE_CREDIT);
    assert_int_equal(hutong_wait_connected(hutong, PATIENCE_MS), HUTONG_OK);
    hutong_dispatch(hutong, 0);
    assert_int_equal(seen.count, 0);
    fake_deliver(&fake, 1, 5, 2, "t");
    dispatch_until(hutong, &seen.count, 5);
    assert_int_equal(seen.attempt, 2);
    assert_int_equal(fake_expect(&fake, SETTLE)->settle->done[0]->last, 5);
    finish(hutong, &fake);
}

static void a_bad_body_ends_the_session(void **state) {
    (void)state;
    struct fake_broker fake;
    struct seen seen = {.verdict = HUTONG_DONE};
    struct hutong *hutong = open_receiver(&fake, 0);
    hutong_handle(hutong, NULL, see, &seen, NULL);
    static const struct bytes bodies[] = {{(const uint8_t *)"\x05x", 2}, {(const uint8_t *)"\x01x\x01y", 4}};
    for (int i = 0; i < 2; i++) {
        fake_welcome(&fake, 0, FAKE_CREDIT);
        Hutong__Bus__V1__DeliveryRun run = HUTONG__BUS__V1__DELIVERY_RUN__INIT;
        Hutong__Bus__V1__DeliveryRun *runs[] = {&run};
        run.first_position = run.count = run.attempt = 1;
        Hutong__Bus__V1__Deliver deliver = HUTONG__BUS__V1__DELIVER__INIT;
        deliver.n_runs = 1;
        deliver.runs = runs;
        wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
        frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_DELIVER;
        frame.deliver = &deliver;
        fake_send(&fake, &frame, bodies[i]);
        hutong_dispatch(hutong, PATIENCE_MS);
        if (i == 1) // its envelope can't be read either: a dead letter
            assert_true(fake_expect(&fake, SETTLE)->settle->failures[0]->reject);
    }
    fake_expect(&fake, HUTONG__BUS__V1__FRAME__KIND_HELLO);
    assert_int_equal(seen.count, 0);
    finish(hutong, &fake);
}

static void *stop_soon(void *context) {
    usleep(20000);
    hutong_stop(context);
    return NULL;
}

static void running_stops(void **state) {
    (void)state;
    struct fake_broker fake;
    struct hutong *hutong = open_receiver(&fake, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, hutong), 0);
    hutong_run(hutong);
    pthread_join(thread, NULL);
    finish(hutong, &fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deliveries_are_handled),
        cmocka_unit_test(a_floor_is_its_lanes),
        cmocka_unit_test(settlements_stay_in_their_lanes),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(credit_is_renewed),
        cmocka_unit_test(later_is_settled_later),
        cmocka_unit_test(a_round_may_fail_whole),
        cmocka_unit_test(an_old_session_is_forgotten),
        cmocka_unit_test(a_bad_body_ends_the_session),
        cmocka_unit_test(running_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
