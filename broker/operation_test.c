// What an operator does with dead letters and with messages of the journal.
#include "broker/operation.h"
#include "broker/reading.h"
#include "broker/routing/permit.h"
#include "broker/testing_damage.h"
#include "broker/testing_routes.h"
#include "core/base/clock.h"
#include "core/journal/backend.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define REASON(name) HUTONG__BUS__V1__REASON__REASON_##name

// ---- The test's own routing: all goes to housing by "r", and what the test wants goes wrong. ----

static const struct policy *the_policy;
static int unmapped;   // so many first matches can't be mapped
static size_t matched; // how many a message has
static bool permitted; // the route may still give it
static const char *const no_fields[] = {"kind"};
static const struct policy_agreement agreement = {.id = "A-1", .fields = no_fields, .field_count = 1};

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from;
    (void)payload;
    (void)now_us;
    (void)error;
    for (size_t i = 0; i < matched; i++) {
        matcher->matches[i] = (struct match){.route = "r",
            .agreement = "A-1",
            .to = policy_system_named(the_policy, bytes_of_string(H)),
            .type = type,
            .subject = subject,
            .element = matched > 1 ? (uint32_t)i + 1 : 0,
            .payload = matched > 1 ? bytes_of("", 0) : bytes_of(NULL, 0),
            .retries = 2,
            .backoff_min_ms = 100,
            .backoff_max_ms = 1000};
        if ((int)i < unmapped) {
            matcher->matches[i].dead_reason = REASON(UNMAPPED);
            matcher->matches[i].dead_text = "unmapped code";
        }
    }
    *count = matched;
    *out = matcher->matches;
    return 0;
}

bool routes_permit(const struct routes *routes, struct bytes name, const struct policy_system *from,
    const struct policy_system *to, const struct schema_message *type, int64_t now_us, struct permit *out,
    struct error *why) {
    (void)routes;
    (void)from;
    (void)to;
    (void)type;
    (void)now_us;
    assert_true(bytes_equal_string(name, "r"));
    *out = (struct permit){.route = "r", .agreement = &agreement, .retries = 1, .backoff_min_ms = 1};
    if (!permitted)
        error_set(why, 0, "agreement A-1 is not in force");
    return permitted;
}

static int set_up(void **state) {
    static struct bench bench;
    unmapped = 0;
    matched = 1;
    permitted = true;
    bench_open(&bench);
    the_policy = bench.policy;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static struct queue *queue_of(const struct bench *bench, const char *name) {
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

static uint64_t dead(const struct bench *bench) {
    struct broker_dead out;
    assert_true(broker_dead(bench->broker, H, &out));
    return out.waiting;
}

// ---- Acts ----

static struct operation act_of(enum operation_act act) {
    return (struct operation){.act = act, .system = H, .who = "li(1000)", .why = "mended", .filter = "--all"};
}

struct visit {
    struct bench *bench;
    struct operation *operation;
};

static int take(void *context, const struct journal_record *record, uint64_t position) {
    struct visit *visit = context;
    bench_step(visit->bench,
        (struct event){
            .kind = EVENT_OPERATE, .operation = visit->operation, .position = position, .record = record});
    return 0;
}

static void finish(struct bench *bench, struct operation *operation) {
    bench_step(bench, (struct event){.kind = EVENT_OPERATED, .operation = operation});
    if (!bench->failed)
        bench_turn(bench);
}

static void take_letters(struct bench *bench, struct operation *operation, uint64_t first, uint64_t last) {
    struct error error;
    struct broker_dead letters;
    struct visit visit = {.bench = bench, .operation = operation};
    assert_true(broker_dead(bench->broker, H, &letters));
    struct reading reading = {.broker = bench->broker,
        .journal = bench->journal,
        .queue = letters.queue,
        .last = last,
        .count = 1000,
        .bytes = 1 << 20,
        .visit = take,
        .context = &visit};
    assert_int_equal(reading_run(&reading, first, &error), 0);
    assert_int_equal(reading.next, 0);
}

static void operate(struct bench *bench, struct operation *operation, uint64_t first, uint64_t last) {
    take_letters(bench, operation, first, last);
    finish(bench, operation);
}

// Two letters that housing rejected, of one subject.
static void reject_two(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    for (uint64_t i = 1; i <= 2; i++) {
        bench_publish(bench, 1, PS, i, 1, "s");
        bench_turn(bench);
        bench_fail(bench, 2, H, i, 0, true);
        bench_turn(bench);
    }
    char out[64];
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,");
    assert_int_equal(dead(bench), 2);
}

static void expect_replay(struct bench *bench, uint64_t connection, const char *ids) {
    char out[64] = "";
    struct buffer body;
    for (wire_frame *frame; (frame = bench_take(bench, connection, DELIVER, &body));) {
        struct bytes rest = buffer_bytes(&body);
        struct bytes raw;
        struct wire_envelope envelope;
        for (size_t i = 0; i < frame->deliver->n_runs; i++)
            assert_true(frame->deliver->runs[i]->replay);
        while (rest.size && wire_body_next(&rest, &raw, NULL) == 0 &&
               wire_envelope_parse(raw, &envelope, NULL) == 0)
            snprintf(out + strlen(out), sizeof out - strlen(out), "%.*s,", BYTES_ARGS(envelope.id));
        buffer_destroy(&body);
        wire_frame_free(&frame);
    }
    assert_string_equal(out, ids);
}

static void expect_refused(const struct operation *operation, int reason, const char *text) {
    assert_int_equal(operation->refused, 1);
    assert_int_equal(operation->refusal_count, 1);
    assert_int_equal(operation->refusals[0].reason, reason);
    if (!strstr(operation->refusals[0].text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, operation->refusals[0].text);
    assert_int_equal(operation->done.count, 0);
}

// ---- Dead letters ----

static void a_letter_goes_again_and_is_settled(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 2);
    assert_true(operation.deliveries == 2 && operation.refused == 0 && operation.gone == 0);
    assert_true(operation.done.count == 1 && operation.done.items[0].last == 2);
    assert_int_equal(dead(bench), 0);
    assert_int_equal(queue_of(bench, "dead:" H)->bytes, 0);
    expect_replay(bench, 2, "m1,"); // the second waits behind its subject's first, as ever
    bench_settle(bench, 2, H, 3, 3);
    bench_turn(bench);
    expect_replay(bench, 2, "m2,");
    operation_clear(&operation);
    // After a crash both facts are there: what was not settled comes again, and says that it is a replay.
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(dead(bench), 0);
    bench_hello(bench, 3, H, NULL, true);
    bench_turn(bench);
    expect_replay(bench, 3, "m2,");
}

static void a_letter_that_makes_no_sense_can_only_be_dropped(void **state) {
    struct bench *bench = *state;
    struct damage damage;
    reject_two(bench);
    struct journal *real = bench->journal;
    bench->journal = damage_wrap(&damage, real);
    damage.queue = queue_of(bench, "dead:" H)->id;
    damage.position = 1;
    damage.body = bytes_of_string("\xff");
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    take_letters(bench, &operation, 1, 1);
    expect_refused(&operation, HUTONG__BUS__V1__REASON__REASON_DAMAGED, "can't be decoded");
    finish(bench, &operation);
    operation_clear(&operation);
    assert_int_equal(dead(bench), 2);
    operation = act_of(OPERATION_DEAD_DROP);
    operate(bench, &operation, 1, 2);
    assert_true(operation.refused == 0 && operation.done.items[0].last == 2);
    assert_int_equal(dead(bench), 0);
    operation_clear(&operation);
    bench->journal = real;
}

static void what_was_done_is_not_done_twice(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    take_letters(bench, &operation, 1, 1);
    take_letters(bench, &operation, 1, 1);
    finish(bench, &operation);
    assert_true(operation.deliveries == 1 && operation.gone == 1);
    operation_clear(&operation);
    operation = act_of(OPERATION_DEAD_DROP);
    operate(bench, &operation, 1, 2);
    assert_true(operation.gone == 0 && operation.done.items[0].first == 2); // the first was not read
    assert_int_equal(dead(bench), 0);
    assert_int_equal(queue_of(bench, H)->unsettled, 1);
    operation_clear(&operation);
}

static void before_it_is_on_disk_nothing_was_done(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    bench->no_append = true;
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 2);
    expect_replay(bench, 2, "");
    operation_clear(&operation);
    bench_stop(bench);
    bench->no_append = false;
    bench_start(bench);
    assert_int_equal(dead(bench), 2);
    assert_int_equal(queue_of(bench, H)->unsettled, 0);
}

static int see_operated(void *context, const struct journal_record *record, struct error *error) {
    Hutong__Bus__V1__OperatedRecord **out = context;
    (void)error;
    if (record->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_OPERATED)
        *out = hutong__bus__v1__operated_record__unpack(NULL, record->body.size, record->body.data);
    return 0;
}

static int see_nothing(void *context, struct bytes checkpoint, struct error *error) {
    (void)context;
    (void)checkpoint;
    (void)error;
    return 0;
}

static void who_and_why_are_recorded(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    uint32_t ids[] = {queue_of(bench, H)->id, queue_of(bench, "dead:" H)->id};
    struct operation operation = act_of(OPERATION_DEAD_DROP);
    operate(bench, &operation, 2, 2);
    operation_clear(&operation);
    bench_stop(bench);
    Hutong__Bus__V1__OperatedRecord *record = NULL;
    struct journal *journal;
    struct error error;
    const struct journal_owner owner = {.context = &record, .restore = see_nothing, .replay = see_operated};
    assert_int_equal(journal_memory_open(bench->store, &owner, &journal, &error), 0);
    journal_close(&journal);
    assert_non_null(record);
    assert_int_equal(record->act, HUTONG__BUS__V1__OPERATED_RECORD__ACT__ACT_DEAD_DROP);
    assert_string_equal(record->who, "li(1000)");
    assert_string_equal(record->why, "mended");
    assert_string_equal(record->filter, "--all");
    assert_true(record->queue == ids[0] && record->dead_queue == ids[1]);
    assert_true(record->n_done == 1 && record->done[0]->first == 2 && record->done[0]->count == 1);
    hutong__bus__v1__operated_record__free_unpacked(record, NULL);
    bench_start(bench);
    assert_int_equal(dead(bench), 1);
}

static void without_an_agreement_it_stays_dead(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    permitted = false;
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    expect_refused(&operation, REASON(NO_AGREEMENT), "A-1 is not in force");
    operation_clear(&operation);
    assert_int_equal(dead(bench), 2);
    expect_replay(bench, 2, "");
}

// What the catalogue does not know any more goes to nobody.
static void unknown_fields_are_left_out(void **state) {
    struct bench *bench = *state;
    struct buffer raw = {0};
    struct buffer body = {0};
    struct wire_envelope envelope = {.id = bytes_of_string("m1"),
        .type = bytes_of_string("gov.public_security.v1.ResidenceRegistered"),
        .source = bytes_of_string(PS),
        .payload = bytes_of("\xfa\x7f\x01x", 4)};
    assert_int_equal(wire_envelope_append(&envelope, &raw), 0);
    Hutong__Bus__V1__DeadRecord letter = HUTONG__BUS__V1__DEAD_RECORD__INIT;
    letter.queue = queue_of(bench, H)->id;
    letter.position = 1;
    letter.route = (char *)(uintptr_t)"r";
    letter.envelope.data = raw.data;
    letter.envelope.len = raw.size;
    assert_non_null(buffer_extend(&body, hutong__bus__v1__dead_record__get_packed_size(&letter)));
    hutong__bus__v1__dead_record__pack(&letter, body.data);
    queue_recover_push(queue_of(bench, "dead:" H), 1, raw.size);
    const struct journal_record record = {
        .sequence = 1, .kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, .body = buffer_bytes(&body)};
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    bench_hello(bench, 2, H, NULL, true);
    bench_step(bench,
        (struct event){.kind = EVENT_OPERATE, .operation = &operation, .position = 1, .record = &record});
    finish(bench, &operation);
    assert_int_equal(operation.deliveries, 1);
    operation_clear(&operation);
    struct buffer sent;
    wire_frame *frame = bench_take(bench, 2, DELIVER, &sent);
    assert_non_null(frame);
    struct bytes rest = buffer_bytes(&sent);
    struct bytes whole;
    assert_int_equal(wire_body_next(&rest, &whole, NULL), 0);
    assert_int_equal(wire_envelope_parse(whole, &envelope, NULL), 0);
    assert_int_equal(envelope.payload.size, 0);
    wire_frame_free(&frame);
    buffer_destroy(&sent);
    buffer_destroy(&raw);
    buffer_destroy(&body);
}

static void a_full_queue_takes_no_replay(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    queue_of(bench, H)->limits.count = 0;
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    expect_refused(&operation, REASON(QUEUE_FULL), "no room");
    operation_clear(&operation);
    assert_int_equal(dead(bench), 2);
}

static void what_could_not_be_mapped_goes_by_the_routes_of_today(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    unmapped = 1;
    bench_publish(bench, 1, PS, 1, 1, "s");
    bench_turn(bench);
    assert_int_equal(dead(bench), 1);
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    expect_refused(&operation, REASON(UNMAPPED), "unmapped code"); // still
    operation_clear(&operation);
    assert_int_equal(dead(bench), 1);
    unmapped = 0;
    operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    assert_int_equal(operation.deliveries, 1);
    operation_clear(&operation);
    assert_int_equal(dead(bench), 0);
    expect_replay(bench, 2, "m1,");
}

// Its element alone goes again, and nothing of the others.
static void an_element_goes_alone(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    matched = 2;
    unmapped = 1;
    bench_publish(bench, 1, PS, 1, 1, "");
    bench_turn(bench);
    assert_int_equal(dead(bench), 1);
    assert_int_equal(queue_of(bench, H)->unsettled, 1);
    unmapped = 0;
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    assert_int_equal(operation.deliveries, 1);
    operation_clear(&operation);
    assert_int_equal(queue_of(bench, H)->unsettled, 2);
}

static void a_route_that_is_gone_gives_nothing(void **state) {
    struct bench *bench = *state;
    bench_hello(bench, 1, PS, STREAM, false);
    unmapped = 1;
    bench_publish(bench, 1, PS, 1, 1, "");
    bench_turn(bench);
    matched = 0;
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 1);
    expect_refused(&operation, REASON(NO_AGREEMENT), "its route does not give it");
    operation_clear(&operation);
}

static void a_batch_without_room_leaves_the_rest(void **state) {
    struct bench *bench = *state;
    reject_two(bench);
    struct operation operation = act_of(OPERATION_DEAD_DROP);
    struct journal_record record = {
        .sequence = 1, .kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, .body = bytes_of("", 0)};
    struct event event = {.kind = EVENT_OPERATE,
        .operation = &operation,
        .position = 1,
        .record = &record,
        .now_ms = bench->now_ms};
    bench->broker->batch_hard = 100;
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), BROKER_NO_ROOM);
    assert_true(operation.done.count == 0 && operation.gone == 0 && operation.refused == 0);
    bench->broker->batch_hard = 1 << 20;
    operate(bench, &operation, 1, 2);
    assert_true(operation.done.count == 1 && operation.done.items[0].last == 2);
    operation_clear(&operation);
}

// ---- Where they lie ----

struct seen {
    char positions[128];
    uint8_t kind;
    uint64_t sequence;
};

static int see_letter(void *context, const struct journal_record *record, uint64_t position) {
    struct seen *seen = context;
    size_t used = strlen(seen->positions);
    snprintf(seen->positions + used, sizeof seen->positions - used, "%llu,", (unsigned long long)position);
    seen->kind = record->kind;
    seen->sequence = seen->sequence ? seen->sequence : record->sequence;
    return 0;
}

static uint64_t read_some(
    struct bench *bench, uint64_t from, uint64_t last, size_t count, struct seen *seen) {
    struct error error;
    struct reading reading = {.broker = bench->broker,
        .journal = bench->journal,
        .queue = queue_of(bench, "dead:" H)->id,
        .last = last,
        .count = count,
        .bytes = SIZE_MAX,
        .visit = see_letter,
        .context = seen};
    *seen = (struct seen){0};
    assert_int_equal(reading_run(&reading, from, &error), 0);
    assert_true(seen->kind == 0 || seen->kind == HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD);
    return reading.next;
}

static void bury(struct bench *bench, uint64_t first, uint64_t last) {
    unmapped = 1;
    for (uint64_t i = first; i <= last; i++)
        bench_publish(bench, 1, PS, i, 1, "s");
    bench_turn(bench);
    unmapped = 0;
}

static void drop(struct bench *bench, uint64_t first, uint64_t last) {
    struct operation operation = act_of(OPERATION_DEAD_DROP);
    operate(bench, &operation, first, last);
    operation_clear(&operation);
}

static void letters_are_read_in_portions(void **state) {
    struct bench *bench = *state;
    struct seen seen;
    bench_hello(bench, 1, PS, STREAM, false);
    bury(bench, 1, 6);
    drop(bench, 2, 2);
    drop(bench, 4, 4);
    assert_int_equal(read_some(bench, 1, UINT64_MAX, 100, &seen), 0);
    assert_string_equal(seen.positions, "1,3,5,6,");
    assert_int_equal(read_some(bench, 1, 5, 100, &seen), 0);
    assert_string_equal(seen.positions, "1,3,5,");
    assert_int_equal(read_some(bench, 2, 4, 100, &seen), 0);
    assert_string_equal(seen.positions, "3,");
    assert_int_equal(read_some(bench, 1, UINT64_MAX, 3, &seen), 4); // one of them was settled
    assert_string_equal(seen.positions, "1,3,");
    assert_int_equal(read_some(bench, 7, UINT64_MAX, 3, &seen), 0);
    assert_string_equal(seen.positions, "");
    bench->no_append = true; // what is not on disk is not there yet
    bury(bench, 7, 7);
    assert_int_equal(read_some(bench, 5, UINT64_MAX, 100, &seen), 0);
    assert_string_equal(seen.positions, "5,6,");
}

// ---- In a journal that brokers share ----

// Three letters, two lanes; the second is the one that was asked for.
static const uint64_t places[] = {1ULL << 48 | 7, 2ULL << 48 | 3, 2ULL << 48 | 9};

static int read_shared(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    (void)journal, (void)queue, (void)error;
    int rc = 0;
    for (size_t i = 0; i < 3 && rc == 0 && max_count && max_bytes; i++) {
        const struct journal_record record = {.sequence = places[i],
            .kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD,
            .body = bytes_of("", 0),
            .place = places[i]};
        if (places[i] < from)
            continue;
        max_count--;
        rc = visit(context, &record, places[i]);
    }
    return rc;
}

static int serve_nobody(
    struct journal *journal, uint32_t queue, const char *name, bool served, struct error *error) {
    (void)journal, (void)queue, (void)name, (void)served, (void)error;
    return 0;
}

static void letters_of_a_shared_journal_are_places(void **state) {
    static const struct journal_operations operations = {.read_queue = read_shared, .serve = serve_nobody};
    struct journal shared = {.operations = &operations};
    struct bench *bench = *state;
    struct journal *real = bench->journal;
    struct seen seen;
    reject_two(bench); // so many the core knows of
    bench->journal = &shared;
    assert_int_equal(read_some(bench, 1, UINT64_MAX, 100, &seen), 0);
    assert_string_equal(seen.positions, "281474976710663,562949953421315,562949953421321,");
    assert_int_equal(read_some(bench, places[0], places[1], 100, &seen), 0);
    assert_string_equal(seen.positions, "281474976710663,562949953421315,");
    assert_true(read_some(bench, 1, UINT64_MAX, 1, &seen) == places[0] + 1);
    struct queue *letters = queue_of(bench, "dead:" H);
    letters->shared = bench->broker->shared = true;
    struct operation operation = act_of(OPERATION_DEAD_DROP);
    take_letters(bench, &operation, places[1], places[2]);
    take_letters(bench, &operation, places[1], places[1]); // it is done
    assert_true(
        operation.gone == 1 && operation.done.count == 2 && operation.done.items[0].first == places[1]);
    bench->journal = real;
    finish(bench, &operation);
    assert_int_equal(dead(bench), 0);
    assert_true(letters->settled_beyond.count == 0); // the journal keeps that
    operation_clear(&operation);
}

// Letters that outlived their segment are found and sent again like any other.
static void what_was_carried_forward_is_found(void **state) {
    struct bench *bench = *state;
    struct seen before;
    struct seen seen;
    bench_stop(bench);
    journal_store_set_segment(bench->store, 4096);
    bench_start(bench);
    bench_hello(bench, 1, PS, STREAM, false);
    bury(bench, 1, 8);
    drop(bench, 3, 3);
    for (uint64_t i = 9; i < 80; i++) {
        matched = 0; // nobody gets it: only the journal grows
        bench_publish(bench, 1, PS, i, 1, "noise");
        bench_turn(bench);
    }
    matched = 1;
    read_some(bench, 1, UINT64_MAX, 100, &before);
    struct retirement done = {.more = true};
    struct event now = {.now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
    for (int looks = 0; done.more && looks < 1000; looks++) {
        struct error error = {0};
        done = (struct retirement){0};
        assert_int_equal(broker_retire(bench->broker, bench->journal, clock_realtime_ns(), BROKER_ROOM, &now,
                             &bench->update, &done, &error),
            0);
        bench_turn(bench);
    }
    assert_true(queue_of(bench, "dead:" H)->carried.count > 0);
    assert_int_equal(read_some(bench, 1, UINT64_MAX, 100, &seen), 0);
    assert_string_equal(seen.positions, "1,2,4,5,6,7,8,");
    assert_string_equal(before.positions, seen.positions);
    assert_int_equal(seen.sequence, before.sequence); // of the record that it was first
    struct operation operation = act_of(OPERATION_DEAD_REPLAY);
    operate(bench, &operation, 1, 8);
    assert_int_equal(operation.deliveries, 7);
    operation_clear(&operation);
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(dead(bench), 0);
    assert_int_equal(queue_of(bench, H)->unsettled, 7);
}

// ---- The journal ----

struct found {
    struct journal_record record;
    struct buffer body;
    size_t count;
};

static int find_message(void *context, const struct journal_record *record, uint64_t position) {
    struct found *found = context;
    (void)position;
    found->record = *record;
    buffer_clear(&found->body);
    assert_int_equal(buffer_append_bytes(&found->body, record->body), 0);
    found->record.body = buffer_bytes(&found->body);
    found->count++;
    return 0;
}

static void find(struct bench *bench, uint64_t position, struct found *out) {
    struct error error;
    out->count = 0;
    assert_int_equal(journal_read_queue(bench->journal, queue_of(bench, H)->id, position, 1, 1 << 20,
                         find_message, out, &error),
        0);
    assert_int_equal(out->count, 1);
}

static void replay(struct bench *bench, struct operation *operation, const struct journal_record *record) {
    bench_step(bench, (struct event){.kind = EVENT_OPERATE, .operation = operation, .record = record});
    finish(bench, operation);
}

static void a_message_of_the_journal_goes_again(void **state) {
    struct bench *bench = *state;
    struct found found = {0};
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 1, "s");
    bench_turn(bench);
    bench_settle(bench, 2, H, 1, 1);
    bench_turn(bench);
    char out[64];
    bench_delivered(bench, 2, out, sizeof out);
    find(bench, 1, &found);
    struct operation operation = act_of(OPERATION_REPLAY);
    replay(bench, &operation, &found.record);
    assert_true(operation.deliveries == 1 && operation.done.items[0].first == found.record.sequence);
    operation_clear(&operation);
    expect_replay(bench, 2, "m1,");
    // What was sent again is no message that could be sent again once more.
    find(bench, 2, &found);
    operation = act_of(OPERATION_REPLAY);
    replay(bench, &operation, &found.record);
    expect_refused(&operation, REASON(UNSPECIFIED), "a replay itself");
    operation_clear(&operation);
    buffer_destroy(&found.body);
}

static void no_route_of_today_no_replay(void **state) {
    struct bench *bench = *state;
    struct found found = {0};
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "s");
    bench_turn(bench);
    find(bench, 1, &found);
    matched = 0;
    struct operation operation = act_of(OPERATION_REPLAY);
    replay(bench, &operation, &found.record);
    expect_refused(&operation, REASON(NO_AGREEMENT), "no route of today");
    operation_clear(&operation);
    matched = 2;
    unmapped = 1; // one of two can't be made: it is told, and makes no dead letter
    operation = act_of(OPERATION_REPLAY);
    replay(bench, &operation, &found.record);
    assert_true(operation.deliveries == 1 && operation.refusal_count == 1 && operation.refused == 0);
    assert_int_equal(operation.refusals[0].reason, REASON(UNMAPPED));
    operation_clear(&operation);
    assert_int_equal(dead(bench), 0);
    operation = act_of(OPERATION_REPLAY);
    operation.system = "housing/nobody";
    replay(bench, &operation, &found.record);
    expect_refused(&operation, REASON(NO_AGREEMENT), "is no system any more");
    operation_clear(&operation);
    buffer_destroy(&found.body);
}

static void only_messages_on_disk_are_sent_again(void **state) {
    struct bench *bench = *state;
    struct found found = {0};
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 1, "s");
    bench_turn(bench);
    find(bench, 1, &found);
    struct operation operation = act_of(OPERATION_REPLAY);
    struct journal_record wrong = found.record;
    wrong.sequence = bench->broker->durable + 1;
    replay(bench, &operation, &wrong);
    wrong = found.record;
    wrong.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_SETTLED;
    replay(bench, &operation, &wrong);
    assert_true(operation.gone == 2 && operation.done.count == 0);
    wrong = found.record;
    wrong.body = bytes_of(NULL, 0);
    replay(bench, &operation, &wrong);
    expect_refused(&operation, REASON(UNSPECIFIED), "erased");
    operation_clear(&operation);
    buffer_destroy(&found.body);
}

// ---- Memory ----

static void every_allocation_may_fail(void **state) {
    struct bench *bench = *state;
    for (size_t n = 0;; n++) {
        bench_stop(bench);
        journal_store_destroy(&bench->store);
        bench->store = journal_store_new();
        bench_start(bench);
        reject_two(bench);
        bench->may_fail = true;
        bench->allocations = n;
        struct operation operation = act_of(OPERATION_DEAD_REPLAY);
        operate(bench, &operation, 1, 2);
        operation_clear(&operation);
        bool lived = !bench->failed;
        bench->may_fail = bench->failed = false;
        bench_stop(bench); // as the process would end
        bench_start(bench);
        uint64_t again = queue_of(bench, H)->unsettled;
        assert_int_equal(dead(bench) + again, 2); // each the one or the other
        if (lived) {
            assert_true(n > 5 && again == 2);
            return;
        }
        assert_true(n < 10000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_letter_goes_again_and_is_settled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_done_is_not_done_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(before_it_is_on_disk_nothing_was_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_and_why_are_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_an_agreement_it_stays_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_fields_are_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_takes_no_replay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_could_not_be_mapped_goes_by_the_routes_of_today, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_element_goes_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_route_that_is_gone_gives_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_batch_without_room_leaves_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(letters_are_read_in_portions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_carried_forward_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(letters_of_a_shared_journal_are_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_of_the_journal_goes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_route_of_today_no_replay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_messages_on_disk_are_sent_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_letter_that_makes_no_sense_can_only_be_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
