// What is unsettled outlives its segment: in its place, in order, through restarts, and more than once.
#include "broker/leaving.h"
#include "broker/testing_damage.h"
#include "broker/testing_routes.h"
#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER

// ---- The test's own routing: all goes to housing, as it came, mapped, or not at all ----

static const struct policy *the_policy;

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from, (void)payload, (void)now_us, (void)error;
    struct match *match = &matcher->matches[0];
    *match = (struct match){.route = "r",
        .to = policy_system_named(the_policy, bytes_of_string(H)),
        .type = type,
        .subject = subject,
        .retries = 2,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000};
    if (bytes_equal_string(subject, "mapped")) {
        match->payload = bytes_of("\x12\x00", 2);
        match->subject = bytes_of(NULL, 0); // of no order
    }
    if (bytes_equal_string(subject, "dead")) {
        match->dead_reason = HUTONG__BUS__V1__REASON__REASON_UNMAPPED;
        match->dead_text = "unmapped code";
    }
    *out = match;
    *count = 1;
    return 0;
}

static int set_up(void **state) {
    struct bench *bench = malloc(sizeof *bench);
    if (!bench)
        return -1;
    bench_open(bench);
    the_policy = bench->policy;
    journal_store_set_segment(bench->store, 4096);
    *state = bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    bench_close(bench);
    free(bench);
    return 0;
}

// ---- Helpers ----

static struct queue *queue_of(struct bench *bench, const char *name) {
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

static uint64_t first_record(struct bench *bench) {
    struct journal_status status;
    journal_status(bench->journal, &status);
    return status.first;
}

// Looks for segments to let go until there is nothing more to do. How many portions it took.
static int retire_all(struct bench *bench) {
    struct retirement done = {.more = true};
    struct event now = {.now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
    int looks = 0;
    int64_t keep = clock_realtime_ns(); // what is carried now is young
    for (; done.more && looks < 1000; looks++) {
        struct error error = {0};
        done = (struct retirement){0};
        int rc = broker_retire(
            bench->broker, bench->journal, keep, BROKER_ROOM, &now, &bench->update, &done, &error);
        if (rc)
            fail_msg("%d %s", rc, error.text);
        bench_turn(bench);
    }
    assert_true(looks < 1000);
    return looks;
}

// Messages that make the journal longer, and are gone at once: their types are not there.
static void make_noise(struct bench *bench, uint64_t *sequence, int segments) {
    struct journal_status status;
    journal_status(bench->journal, &status);
    for (uint64_t until = status.segments + (uint64_t)segments; status.segments < until;) {
        bench_publish(bench, 1, PS, ++*sequence, 1, "noise");
        bench_turn(bench);
        uint64_t last = queue_of(bench, H)->next_position - 1;
        bench_settle(bench, 2, H, last, last);
        bench_turn(bench);
        journal_status(bench->journal, &status);
    }
}

static void restart(struct bench *bench) {
    bench_stop(bench);
    bench_start(bench);
}

// What comes when housing is there again: its ids in order.
static void assert_delivered(struct bench *bench, const char *expected) {
    char ids[2048];
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    bench_delivered(bench, 2, ids, sizeof ids);
    assert_string_equal(ids, expected);
}

// ---- Tests ----

// Three are sent and stay unsettled; of those behind them all are settled.
static void make_three(struct bench *bench, uint64_t *sequence) {
    char ids[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 2, "a");
    bench_turn(bench);
    bench_publish(bench, 1, PS, 3, 1, "mapped");
    bench_turn(bench);
    *sequence = 3;
    bench_delivered(bench, 2, ids, sizeof ids);
}

static void what_is_unsettled_outlives_its_segment(void **state) {
    struct bench *bench = *state;
    uint64_t sequence;
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 3);
    assert_int_equal(first_record(bench), 1);
    retire_all(bench);
    assert_true(first_record(bench) > 6);
    struct queue *queue = queue_of(bench, H);
    assert_int_equal(queue->unsettled, 3);
    assert_int_equal(carried_total(&queue->carried), 3);
    assert_int_equal(queue->carried.runs[0].first, 1);
    restart(bench);
    assert_int_equal(queue_of(bench, H)->unsettled, 3);
    assert_delivered(bench, "m1,m3,"); // m2 waits behind m1, of one subject
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    assert_delivered(bench, "m2,");
}

static int count_left(void *context, const struct leaving_item *item, struct error *error) {
    struct record_message message;
    struct record_delivery delivery;
    (void)error;
    assert_int_equal(item->position, ++*(uint64_t *)context);
    assert_int_equal(
        record_message_read(item->record->body, item->queue, item->position, &message, &delivery), 0);
    return 0;
}

static int pass_stream(void *context, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error) {
    (void)context, (void)system, (void)stream, (void)sequence, (void)time_us, (void)error;
    return 0;
}

// Who takes the bus elsewhere finds it where it was.
static void what_was_carried_is_left(void **state) {
    struct bench *bench = *state;
    struct error error = {0};
    uint64_t sequence;
    uint64_t left = 0;
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 3);
    retire_all(bench);
    assert_int_equal(carried_total(&queue_of(bench, H)->carried), 3);
    const struct leaving_sink sink = {.context = &left, .stream = pass_stream, .delivery = count_left};
    assert_int_equal(leaving_walk(bench->broker, bench->journal, 0, 0, &sink, &error), 0);
    assert_int_equal(left, 3);
}

// Its segment stays, and with it all of what is behind; the bus goes on.
static void what_makes_no_sense_is_not_carried(void **state) {
    struct bench *bench = *state;
    struct damage damage;
    uint64_t sequence;
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 3);
    struct journal *real = bench->journal;
    bench->journal = damage_wrap(&damage, real);
    damage.queue = queue_of(bench, H)->id;
    damage.position = 2;
    damage.body = bytes_of_string("\xff");
    struct event now = {.now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
    int damaged = 0;
    for (int looks = 0; looks < 6; looks++) {
        struct error error = {0};
        struct retirement done = {0};
        assert_int_equal(broker_retire(bench->broker, bench->journal, clock_realtime_ns(), BROKER_ROOM, &now,
                             &bench->update, &done, &error),
            0);
        assert_int_equal(done.retired, 0);
        assert_true(!done.damaged || strstr(error.text, "a message that can't be decoded"));
        damaged += done.damaged;
        bench_turn(bench);
    }
    assert_true(damaged > 2);
    assert_int_equal(first_record(bench), 1);
    bench->journal = real;
    retire_all(bench);
    assert_true(first_record(bench) > 6);
    restart(bench);
    assert_delivered(bench, "m1,m3,");
}

static void it_is_carried_again_and_again(void **state) {
    struct bench *bench = *state;
    uint64_t sequence;
    make_three(bench, &sequence);
    uint64_t first = 1;
    for (int i = 0; i < 4; i++) {
        make_noise(bench, &sequence, 3);
        retire_all(bench);
        assert_true(first_record(bench) > first + 3);
        first = first_record(bench);
        struct queue *queue = queue_of(bench, H);
        assert_int_equal(carried_total(&queue->carried), 3);
        if (i == 1) {
            restart(bench);
            bench_hello(bench, 1, PS, STREAM, false);
            bench_hello(bench, 2, H, NULL, true);
            bench_turn(bench);
        }
        if (i == 2) { // one less to carry
            bench_settle(bench, 2, H, 1, 1);
            bench_turn(bench);
        }
        queue = queue_of(bench, H);
        assert_int_equal(queue->unsettled, i < 2 ? 3 : 2);
        if (i >= 2)
            break;
    }
    make_noise(bench, &sequence, 3);
    retire_all(bench);
    assert_int_equal(carried_total(&queue_of(bench, H)->carried), 2);
    restart(bench);
    assert_delivered(bench, "m2,m3,");
    bench_settle(bench, 2, H, 2, 3);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
    bench_hello(bench, 1, PS, STREAM, false);
    make_noise(bench, &sequence, 3);
    uint64_t carried = bench->broker->counters.carried;
    retire_all(bench);
    assert_int_equal(bench->broker->counters.carried, carried); // nothing is left to carry
    assert_true(first_record(bench) > first + 3);
}

// Under full load: a batch is always under way, and what the next one gathers settles more of the same queue.
static bool retires_under_load(struct bench *bench, uint64_t *sequence, int rounds) {
    uint64_t last_in_first = first_record(bench);
    for (int i = 0; i < rounds && first_record(bench) == last_in_first; i++) {
        struct error error = {0};
        struct retirement done = {0};
        struct event now = {.now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
        uint64_t under_way = journal_durable(bench->journal);
        uint64_t sent = queue_of(bench, H)->next_position - 2; // what came last is still under way
        bench_publish(bench, 1, PS, ++*sequence, 1, "");
        bench_settle(bench, 2, H, sent, sent);
        bench_step(bench, (struct event){.kind = EVENT_TURN});
        bench_step(bench, (struct event){.kind = EVENT_DURABLE, .durable = under_way});
        if (i >= 2) { // it has something to settle in each
            assert_true(queue_of(bench, H)->settle_record > bench->broker->durable);
            assert_int_equal(broker_retire(bench->broker, bench->journal, clock_realtime_ns(), BROKER_ROOM,
                                 &now, &bench->update, &done, &error),
                0);
        }
        assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
        bench_step(bench, (struct event){.kind = EVENT_APPENDED});
        bench_load(bench);
    }
    return first_record(bench) > last_in_first;
}

static void a_segment_goes_under_full_load_past_a_stuck_front(void **state) {
    struct bench *bench = *state;
    uint64_t sequence;
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 3);
    assert_true(retires_under_load(bench, &sequence, 8));
    assert_int_equal(queue_of(bench, H)->settled, 0); // its front is where it was
    restart(bench);
    char ids[2048];
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    bench_delivered(bench, 2, ids, sizeof ids);
    assert_int_equal(strncmp(ids, "m1,m3,", 6), 0); // and behind them what came last
}

// What waits only for the disk is looked at again, also where nothing is gathered at the moment.
static void what_waits_for_the_disk_alone_is_looked_at_again(void **state) {
    struct bench *bench = *state;
    uint64_t sequence;
    struct error error = {0};
    struct event now = {.now_ms = bench->now_ms, .now_us = 1};
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 2);
    struct retirement done = {0};
    assert_int_equal(broker_retire(bench->broker, bench->journal, INT64_MAX, BROKER_ROOM, &now,
                         &bench->update, &done, &error),
        0);
    assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
    bench_step(bench, (struct event){.kind = EVENT_APPENDED}); // under way
    for (int i = 0; i < 2; i++) {
        done = (struct retirement){0};
        assert_int_equal(broker_retire(bench->broker, bench->journal, INT64_MAX, BROKER_ROOM, &now,
                             &bench->update, &done, &error),
            0);
    }
    assert_int_equal(done.retired, 0);
    assert_true(done.more);
}

static void dead_letters_are_carried_too(void **state) {
    struct bench *bench = *state;
    uint64_t sequence = 1;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "dead");
    bench_turn(bench);
    make_noise(bench, &sequence, 3);
    retire_all(bench);
    assert_true(first_record(bench) > 4);
    restart(bench);
    uint64_t at;
    uint64_t rest;
    struct queue *dead = queue_of(bench, "dead:" H);
    assert_int_equal(dead->unsettled, 1);
    uint32_t place = broker_place(bench->broker, dead->id, 1, &at, &rest);
    assert_string_equal(registry_queue(bench->broker, place)->name, "carried:dead:" H);
    assert_int_equal(at, 1);
    assert_int_equal(rest, 1);
}

// Crashes between all the steps: what was carried in memory counts for nothing.
static void what_is_not_on_disk_lets_nothing_go(void **state) {
    struct bench *bench = *state;
    uint64_t sequence;
    make_three(bench, &sequence);
    make_noise(bench, &sequence, 2);
    bench_step(bench, (struct event){.kind = EVENT_CARRY}); // what is in force goes first
    bench_turn(bench);
    struct event now = {.now_ms = bench->now_ms, .now_us = 1};
    struct retirement done = {0};
    struct error error = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(broker_retire(bench->broker, bench->journal, INT64_MAX, BROKER_ROOM, &now,
                             &bench->update, &done, &error),
            0);
    assert_true(done.more);
    assert_int_equal(carried_total(&queue_of(bench, H)->carried), 3);
    assert_int_equal(first_record(bench), 1);
    restart(bench);
    assert_int_equal(carried_total(&queue_of(bench, H)->carried), 0);
    assert_delivered(bench, "m1,m3,");
}

// How many segments went.
static size_t look_twice(struct bench *bench, enum broker_room room) {
    struct event now = {.now_ms = bench->now_ms, .now_us = 1};
    struct retirement done[2] = {0};
    struct error error = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(broker_retire(bench->broker, bench->journal, INT64_MAX, room, &now, &bench->update,
                             &done[i], &error),
            0);
    return done[0].retired + done[1].retired;
}

// Whether the record of what is in force had to be written again.
static bool proves_active(struct bench *bench) {
    struct event now = {.now_ms = bench->now_ms, .now_us = 1};
    struct error error = {0};
    bool again;
    assert_int_equal(
        broker_prove_active(bench->broker, bench->journal, &now, &bench->update, &again, &error), 0);
    bench_turn(bench);
    return again;
}

static void what_is_in_force_goes_behind_the_record_that_takes_its_place(void **state) {
    struct bench *bench = *state;
    uint64_t sequence = 0;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    make_noise(bench, &sequence, 2);
    assert_int_equal(look_twice(bench, BROKER_ROOM), 0); // carried, and only in memory
    assert_int_equal(look_twice(bench, BROKER_ROOM_LAST), 0);
    assert_int_equal(bench->broker->active.position, 2);
    bench_turn(bench);
    assert_int_not_equal(look_twice(bench, BROKER_ROOM_LAST), 0);
    restart(bench);
    assert_false(proves_active(bench));
}

static void what_is_in_force_is_written_again_where_a_full_disk_took_it(void **state) {
    struct bench *bench = *state;
    uint64_t sequence = 0;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    make_noise(bench, &sequence, 2);
    assert_false(proves_active(bench));
    assert_int_not_equal(look_twice(bench, BROKER_ROOM_NONE), 0);
    restart(bench); // what was gathered is gone
    assert_true(proves_active(bench));
    restart(bench);
    assert_false(proves_active(bench));
    assert_int_equal(bench->broker->active.number, 1);
}

static void a_long_backlog_is_carried_in_portions_and_read_in_order(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    char expected[2048] = "";
    for (int i = 1; i <= 48; i++) { // no receiver: all of it is backlog
        bench_publish(bench, 1, PS, (uint64_t)i, 1, i % 3 ? "" : "mapped");
        bench_turn(bench);
    }
    assert_int_equal(queue_of(bench, H)->unsettled, 48);
    retire_all(bench);
    struct queue *queue = queue_of(bench, H);
    assert_true(queue->carried.count >= 1);
    assert_true(carried_total(&queue->carried) > 20); // all but what is in the last segment
    restart(bench);
    uint64_t settled = 0;
    char all[2048] = "";
    bench_hello(bench, 2, H, NULL, true);
    while (settled < 48) {
        char ids[2048];
        bench_turn(bench);
        bench_delivered(bench, 2, ids, sizeof ids);
        if (!ids[0])
            break;
        strcat(all, ids); // NOLINT: both are this test's own
        settled = queue_of(bench, H)->read_position - 1;
        bench_settle(bench, 2, H, 1, settled);
    }
    for (int i = 1; i <= 48; i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "m%d,", i);
    assert_string_equal(all, expected);
}

// ---- What was erased ----

static int keep(void *context, const struct journal_record *record, uint64_t position) {
    (void)position;
    struct bench *bench = context;
    char problem[BROKER_PROBLEM_SIZE] = "";
    if (broker_may_erase(bench->broker, record, problem) != BROKER_ERASABLE)
        fail_msg("%s", problem);
    return broker_record_erased(bench->broker, record, "somebody(1)", "an order", &bench->update);
}

struct refusal {
    struct bench *bench;
    char problem[BROKER_PROBLEM_SIZE];
};

static int refuse(void *context, const struct journal_record *record, uint64_t position) {
    (void)position;
    struct refusal *refusal = context;
    assert_int_equal(broker_may_erase(refusal->bench->broker, record, refusal->problem), BROKER_NOT_ERASABLE);
    return 0;
}

// What stands in the way of an erasure of the record.
static const char *problem_of(struct bench *bench, uint64_t sequence) {
    static struct refusal refusal;
    struct error error;
    refusal.bench = bench;
    assert_int_equal(journal_read_record(bench->journal, sequence, refuse, &refusal, &error), 0);
    return refusal.problem;
}

static void erase(struct bench *bench, uint64_t sequence) {
    struct error error;
    assert_int_equal(journal_read_record(bench->journal, sequence, keep, bench, &error), 0);
    bench_turn(bench);
    assert_int_equal(journal_erase(bench->journal, sequence, &error), 0);
}

static uint64_t last_record(struct bench *bench) {
    return journal_last(bench->journal);
}

static void what_is_settled_can_be_erased_and_a_restart_knows_its_place(void **state) {
    struct bench *bench = *state;
    journal_store_set_segment(bench->store, 1 << 20); // the last segment has it all
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    bench_publish(bench, 1, PS, 1, 1, "");
    bench_turn(bench);
    uint64_t m1 = last_record(bench);
    bench_publish(bench, 1, PS, 2, 2, "");
    bench_turn(bench);
    assert_non_null(strstr(problem_of(bench, m1), "not settled"));
    assert_non_null(strstr(problem_of(bench, 1), "holds no message"));
    bench_settle(bench, 2, H, 1, 1);
    bench_settle(bench, 2, H, 3, 3);
    bench_turn(bench);
    erase(bench, m1);
    erase(bench, m1 + 2); // m3; m2 stays before it
    restart(bench);
    struct queue *queue = queue_of(bench, H);
    assert_int_equal(queue->next_position, 4);
    assert_int_equal(queue->unsettled, 1);
    assert_delivered(bench, "m2,"); // the reading passes over what is gone
    bench_settle(bench, 2, H, 2, 2);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 3, 2, ""); // m3 is a repeat, although its record can't say so
    bench_turn(bench);
    assert_delivered(bench, "m4,");
}

static void a_dead_letter_is_erased_when_it_was_dropped(void **state) {
    struct bench *bench = *state;
    journal_store_set_segment(bench->store, 1 << 20);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "dead");
    bench_turn(bench);
    uint64_t letter = last_record(bench);
    while (strstr(problem_of(bench, letter), "holds no message"))
        letter--;
    assert_non_null(strstr(problem_of(bench, letter), "hutong dead drop --system " H " 1"));
}

// ---- The map alone ----

static void the_map_splits_and_joins(void **state) {
    (void)state;
    struct carried carried = {0};
    uint64_t at;
    uint64_t rest;
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(carried_add(&carried, 5 + i, 1 + i), 0);
    assert_int_equal(carried.count, 1);
    assert_int_equal(carried_add(&carried, 8, 11), 0); // again, from the middle
    assert_int_equal(carried.count, 3);
    assert_true(carried_find(&carried, 8, &at, &rest) && at == 11 && rest == 1);
    assert_true(carried_find(&carried, 9, &at, &rest) && at == 5 && rest == 6);
    assert_int_equal(carried_add(&carried, 9, 12), 0);
    assert_int_equal(carried.count, 3);
    assert_true(carried_find(&carried, 8, &at, &rest) && at == 11 && rest == 2);
    assert_false(carried_find(&carried, 4, &at, &rest));
    assert_false(carried_find(&carried, 15, &at, &rest));
    carried_drop(&carried, 8);
    assert_int_equal(carried_total(&carried), 6);
    assert_false(carried_find(&carried, 8, &at, &rest));
    assert_true(carried_find(&carried, 9, &at, &rest) && at == 12 && rest == 1);
    carried_drop(&carried, 100);
    assert_int_equal(carried.count, 0);
    carried_destroy(&carried);
}

static void append_record(struct buffer *out, const struct record_message *message,
    const struct record_delivery *deliveries, size_t count) {
    struct buffer room = {0};
    struct bytes parts[RECORD_PARTS(2, 1)];
    size_t parts_count;
    assert_true(count <= 2);
    assert_int_equal(record_message_parts(message, deliveries, count, &room, parts, &parts_count), 0);
    for (size_t i = 0; i < parts_count; i++)
        assert_int_equal(buffer_append_bytes(out, parts[i]), 0);
    buffer_destroy(&room);
}

static void a_record_is_reduced_to_one_delivery(void **state) {
    (void)state;
    const uint32_t copies[] = {10, 0, 8};
    struct record_delivery deliveries[2] = {{.queue = 1,
                                                .position = 7,
                                                .route = bytes_of_string("a"),
                                                .agreement = bytes_of_string("x"),
                                                .subject_hash = 9},
        {.queue = 2,
            .position = 8,
            .route = bytes_of_string("b"),
            .agreement = bytes_of_string("y"),
            .envelope = bytes_of_string("mapped of original"),
            .copies = copies,
            .copy_count = 1}};
    struct record_message message = {.publisher = 3, .sequence = 4, .envelope = bytes_of_string("original")};
    struct buffer body = {0};
    append_record(&body, &message, deliveries, 2);
    for (uint32_t queue = 1; queue <= 2; queue++) {
        struct buffer reduced = {0};
        struct record_delivery delivery;
        assert_int_equal(carried_reduce(buffer_bytes(&body), queue, 6 + queue, &reduced), 0);
        assert_int_equal(
            record_message_read(buffer_bytes(&reduced), queue, 6 + queue, &message, &delivery), 0);
        assert_true(bytes_equal_string(delivery.envelope, queue == 1 ? "" : "mapped of original"));
        assert_int_equal(delivery.packed.size, 0); // what it shares with the original is there too
        assert_int_equal(message.envelope.size, queue == 1 ? 8 : 0);
        assert_int_equal(message.sequence, 4);
        assert_int_not_equal(
            record_message_read(buffer_bytes(&reduced), 3 - queue, 9 - queue, &message, &delivery), 0);
        buffer_destroy(&reduced);
    }
    struct buffer none = {0};
    assert_int_not_equal(carried_reduce(buffer_bytes(&body), 3, 1, &none), 0);
    assert_int_not_equal(carried_reduce(bytes_of_string("\x7a\x7f"), 3, 1, &none), 0);
    buffer_destroy(&none);
    buffer_destroy(&body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_unsettled_outlives_its_segment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_is_carried_again_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_segment_goes_under_full_load_past_a_stuck_front, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_for_the_disk_alone_is_looked_at_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dead_letters_are_carried_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_on_disk_lets_nothing_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_in_force_goes_behind_the_record_that_takes_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_in_force_is_written_again_where_a_full_disk_took_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_long_backlog_is_carried_in_portions_and_read_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_settled_can_be_erased_and_a_restart_knows_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_letter_is_erased_when_it_was_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_carried_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_is_not_carried, set_up, tear_down),
        cmocka_unit_test(the_map_splits_and_joins),
        cmocka_unit_test(a_record_is_reduced_to_one_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
