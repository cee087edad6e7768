// Every allocation of the broker's core fails in turn, through a whole life: sessions, publishing, delivery,
// retries, dead letters, carrying forward, an erasure; and through the recovery behind it. The process ends
// there, and what the journal has makes a right state: nothing accepted is lost, nothing stands twice.
#include "broker/testing_routes.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define STREAM "0123456789abcdef"
#define ACCEPTED HUTONG__BUS__V1__FRAME__KIND_ACCEPTED

// ---- The test's own routing: all goes to housing, as it came, mapped, or not at all ----

static const struct policy *the_policy;

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from, (void)payload, (void)now_us;
    struct match *match = &matcher->matches[0];
    if (bytes_equal_string(subject, "invalid"))
        return error_set(error, MATCH_REFUSED, "at kind: no");
    *match = (struct match){.route = "r",
        .to = policy_system_named(the_policy, bytes_of_string(H)),
        .type = type,
        .subject = subject,
        .retries = 3,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000};
    if (bytes_equal_string(subject, "mapped"))
        match->payload = bytes_of("\x12\x00", 2);
    if (bytes_equal_string(subject, "dead")) {
        match->dead_reason = HUTONG__BUS__V1__REASON__REASON_UNMAPPED;
        match->dead_text = "unmapped code";
    }
    *out = match;
    *count = 1;
    return 0;
}

static int set_up(void **state) {
    static struct bench bench;
    bench_open(&bench);
    the_policy = bench.policy;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

static void start_anew(struct bench *bench) {
    bench_stop(bench);
    journal_store_destroy(&bench->store);
    bench->store = journal_store_new();
    journal_store_set_segment(bench->store, 3000); // a few messages
    bench_start(bench);
}

static struct queue *queue_of(const struct bench *bench, const char *name) {
    struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

// The highest that any frame to the publisher accepts. The step that failed may have left a frame cut.
static uint64_t accepted_to(const struct bench *bench) {
    uint64_t sequence = 0;
    for (size_t i = 0; i < bench->update.frame_count; i++) {
        wire_frame *frame;
        struct error error;
        const struct outgoing *outgoing = &bench->update.frames[i];
        if (outgoing->connection != 1 || wire_frame_parse(buffer_bytes(&outgoing->head), &frame, &error))
            continue;
        if (frame->kind_case == ACCEPTED && frame->accepted->sequence > sequence)
            sequence = frame->accepted->sequence;
        wire_frame_free(&frame);
    }
    return sequence;
}

// ---- The life ----

static const char *const subjects[] = {"a", "a", "mapped", "dead", "invalid", "", "b", "a", "mapped", "dead",
    "", "b", "noise", "noise", "noise", "noise", "noise", "noise", "noise", "noise"};

#define MESSAGES (sizeof subjects / sizeof *subjects)
#define REFUSED 1
#define UNMAPPED 2 // dead at once

static void retire(struct bench *bench, int64_t keep) {
    struct event now = {.now_ms = bench->now_ms, .now_us = (int64_t)bench->now_ms * 1000};
    struct retirement done = {.more = true};
    for (int looks = 0; looks < 50 && done.more && !bench->failed; looks++) {
        struct error error = {0};
        done = (struct retirement){0};
        if (bench->may_fail)
            alloc_fail_after(bench->allocations);
        int rc = broker_retire(
            bench->broker, bench->journal, keep, BROKER_ROOM, &now, &bench->update, &done, &error);
        size_t used = alloc_count();
        alloc_fail_never();
        if (bench->may_fail)
            bench->allocations -= used < bench->allocations ? used : bench->allocations;
        bench->failed = rc != 0;
        assert_true(rc == 0 || (bench->may_fail && rc == -ENOMEM));
        bench_turn(bench);
    }
}

static void live(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    for (uint64_t i = 0; i < 12; i++) {
        bench_publish(bench, 1, PS, i + 1, 1, subjects[i]);
        if (i % 3 == 2)
            bench_turn(bench);
    }
    bench_turn(bench);
    bench_settle(bench, 2, H, 1, 1);
    bench_fail(bench, 2, H, 3, 0, false);  // tried again
    bench_fail(bench, 2, H, 4, 50, false); // later
    bench_turn(bench);
    bench->now_ms += 300;
    bench_turn(bench);
    bench_hello(bench, 3, H, NULL, true); // the same instance: the older session ends
    bench_turn(bench);
    for (uint64_t i = 12; i < MESSAGES; i++) {
        bench_publish(bench, 1, PS, i + 1, 1, subjects[i]);
        bench_turn(bench);
    }
    retire(bench, INT64_MAX - 1);
    bench->now_ms += 2000;
    bench_turn(bench);
}

// ---- What must be true behind any end of it ----

// The publisher sends all of it again, the receiver settles whatever comes.
static void complete(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    for (uint64_t i = 0; i < MESSAGES; i++) {
        bench_publish(bench, 1, PS, i + 1, 1, subjects[i]);
        bench_turn(bench);
    }
    for (int i = 0; i < 100 && queue_of(bench, H)->unsettled; i++) {
        bench_settle(bench, 2, H, 1, queue_of(bench, H)->next_position - 1);
        bench->now_ms += 100;
        bench_turn(bench);
    }
}

static void assert_whole(struct bench *bench, size_t n) {
    const struct queue *queue = queue_of(bench, H);
    const struct queue *dead = queue_of(bench, "dead:" H);
    uint64_t routed = MESSAGES - REFUSED - UNMAPPED;
    if (queue->unsettled || queue->next_position - 1 != routed || dead->next_position - 1 != UNMAPPED ||
        dead->unsettled != UNMAPPED || queue->bytes)
        fail_msg("allocation %zu: %llu deliveries of %llu, %llu unsettled; %llu dead letters, %llu bytes", n,
            (unsigned long long)queue->next_position - 1, (unsigned long long)routed,
            (unsigned long long)queue->unsettled, (unsigned long long)dead->next_position - 1,
            (unsigned long long)queue->bytes);
}

static void every_allocation_of_a_life_may_fail(void **state) {
    struct bench *bench = *state;
    for (size_t n = 0;; n++) {
        start_anew(bench);
        bench->may_fail = true;
        bench->allocations = n;
        live(bench);
        bool lived = !bench->failed;
        uint64_t accepted = accepted_to(bench);
        bench->may_fail = bench->failed = false;
        bench_stop(bench); // as the process ends; what was not appended is gone
        bench_start(bench);
        uint64_t kept = bench->broker->publishers.count ? bench->broker->publishers.items[0]->sequence : 0;
        if (kept < accepted)
            fail_msg("allocation %zu: %llu were accepted, %llu are there", n, (unsigned long long)accepted,
                (unsigned long long)kept);
        complete(bench);
        assert_whole(bench, n);
        bench_stop(bench);
        bench_start(bench); // and the end of it is what a restart finds
        assert_whole(bench, n);
        if (lived) {
            printf("%zu allocations\n", n);
            assert_true(n > 200);
            return;
        }
    }
}

// ---- Recovery and checkpoint ----

static int nothing_known(void *context, struct bytes checkpoint, struct error *error) {
    (void)context, (void)checkpoint, (void)error;
    return 0;
}

static int try_recovery(struct bench *bench, size_t n, bool *failed) {
    struct error error = {0};
    struct journal *journal = NULL;
    alloc_fail_after(n);
    struct broker *broker = broker_new(&bench->configuration);
    int rc = broker ? 0 : -ENOMEM;
    struct journal_batch *batch = rc ? NULL : journal_batch_new(1 << 20);
    struct update update = {.batch = batch};
    struct journal_owner owner = {.restore = nothing_known};
    if (broker)
        owner = broker_journal_owner(broker);
    rc = rc || batch ? rc : -ENOMEM;
    rc = rc ? rc : journal_memory_open(bench->store, &owner, &journal, &error);
    rc = rc ? rc : broker_start(broker, journal, (int64_t)bench->now_ms * 1000, &update, &error);
    struct buffer checkpoint = {0};
    rc = rc ? rc : owner.checkpoint(owner.context, &checkpoint);
    *failed = alloc_count() > n;
    alloc_fail_never();
    buffer_destroy(&checkpoint);
    update_destroy(&update);
    journal_close(&journal);
    journal_batch_destroy(&batch);
    broker_destroy(&broker);
    return rc;
}

static void every_allocation_of_a_recovery_may_fail(void **state) {
    struct bench *bench = *state;
    start_anew(bench);
    live(bench);
    bench_stop(bench);
    bool failed = true;
    size_t n = 0;
    for (; failed; n++) {
        int rc = try_recovery(bench, n, &failed);
        if (failed ? rc == 0 : rc != 0)
            fail_msg("allocation %zu: %d", n, rc);
        // What restores says damaged of a body that it can't unpack: memory and damage look alike there.
        assert_true(rc == 0 || rc == -ENOMEM || rc == -EBADMSG);
    }
    printf("%zu allocations of a recovery\n", n - 1);
    bench_start(bench);
    complete(bench);
    assert_whole(bench, n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_allocation_of_a_life_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_of_a_recovery_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
