// When what was gathered goes to disk: at once where somebody waits for it; settlements alone wait for
// company.
#include "broker/daemon_internal.h"
#include "broker/testing_housing.h"
#include "core/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define MANY 1700u // settlements, each with a record of its own: more than may wait

// ---- A daemon without sockets ----

static struct bench bench;
static struct daemon daemon_;

int daemon_step(struct daemon *daemon, struct event event) {
    (void)daemon;
    bench_step(&bench, event);
    return 0;
}

static int set_up(void **state) {
    (void)state;
    bench_prepare(&bench);
    bench_write(&bench, "broker.yaml", BENCH_BROKER "limits:\n  connections: 4\n  credit_messages: 4000\n");
    bench_write(&bench, "agencies/public_security.yaml",
        "agency: public_security\ntitle: PS\nsystems:\n  - { name: population, title: P }\n");
    bench_write(&bench, "agencies/housing.yaml",
        "agency: housing\ntitle: H\nsystems:\n  - { name: tenancy, title: T }\n");
    bench_begin(&bench);
    the_matcher = (struct matcher){.policy = bench.policy};
    daemon_ = (struct daemon){.policy = bench.policy,
        .broker = bench.broker,
        .journal = bench.journal,
        .batch = bench.batch,
        .durable = journal_durable(bench.journal)};
    bench_hello(&bench, 1, PS, STREAM, false);
    bench_receive(&bench, 2, H, "one", 2ull * MANY);
    bench_turn(&bench);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bench_close(&bench);
    return 0;
}

static void publish(uint64_t sequence, uint32_t count, const char *subject) {
    bench_publish(&bench, 1, PS, sequence, count, subject);
}

// Turns, and whether that left nothing behind for a later append.
static bool commits(void) {
    struct error error = {0};
    bench_step(&bench, (struct event){.kind = EVENT_TURN});
    assert_int_equal(commit_run(&daemon_, &error), 0);
    return journal_batch_count(bench.batch) == 0;
}

static uint64_t now_ms(void) {
    return clock_monotonic_ns() / CLOCK_MILLISECOND_NS;
}

// Two messages are in flight, and the first of them is settled.
static void settle_one(void) {
    publish(1, 1, "a");
    publish(2, 1, "b");
    bench_turn(&bench);
    bench_settle(&bench, 2, H, 1, 1);
}

static void expect_settled(uint64_t position) {
    const struct queue *queue = map_get(bench.broker->queues_by_name, bytes_of_string(H));
    assert_int_equal(queue->settled_durable, position);
}

// ---- Tests ----

static void settlements_wait_for_a_message(void **state) {
    (void)state;
    settle_one();
    uint64_t last = journal_last(bench.journal);
    assert_false(commits());
    assert_in_range(commit_deadline_ms(&daemon_), 1, now_ms() + 10);
    expect_settled(0);
    publish(3, 1, "c");
    assert_true(commits()); // both with one sync
    assert_int_equal(journal_last(bench.journal), last + 2);
    assert_true(commit_deadline_ms(&daemon_) == UINT64_MAX);
    expect_settled(1);
}

static void they_do_not_wait_for_ever(void **state) {
    (void)state;
    settle_one();
    assert_false(commits());
    daemon_.company_until_ms = now_ms(); // the time is over
    assert_true(commits());
    expect_settled(1);
    assert_true(commit_deadline_ms(&daemon_) == UINT64_MAX);
}

// The next one of the subject goes out when the disk has that this one is settled.
static void what_frees_a_message_goes_at_once(void **state) {
    (void)state;
    publish(1, 2, "a");
    bench_turn(&bench);
    assert_int_equal(bench_waiting(&bench, 2, DELIVER), 1);
    bench_settle(&bench, 2, H, 1, 1);
    assert_true(commits());
    bench_turn(&bench);
    assert_int_equal(bench_waiting(&bench, 2, DELIVER), 2);
}

// As above, where the next one still lies in the journal.
static void what_frees_one_in_the_journal_goes_at_once(void **state) {
    (void)state;
    struct queue *queue = map_get(bench.broker->queues_by_name, bytes_of_string(H));
    queue->limits.window = 1;
    publish(1, 2, "a");
    bench_turn(&bench);
    bench_settle(&bench, 2, H, 1, 1);
    assert_true(commits());
}

// A repeat is told when all before it is on disk, settlements too.
static void a_repeat_goes_at_once(void **state) {
    (void)state;
    settle_one();
    assert_false(commits());
    publish(1, 1, "a");
    assert_true(commits());
}

static void a_failure_goes_at_once(void **state) {
    (void)state;
    settle_one();
    assert_false(commits());
    bench_fail(&bench, 2, H, 2, 1000, false);
    assert_true(commits());
}

static void so_many_go_at_once(void **state) {
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        char subject[16];
        snprintf(subject, sizeof subject, "s%u", i);
        publish(i + 1, 1, subject);
    }
    bench_turn(&bench);
    bench_settle(&bench, 2, H, 1, 1);
    assert_false(commits());
    for (uint32_t i = 2; i <= MANY; i++)
        bench_settle(&bench, 2, H, i, i);
    assert_true(commits());
}

static void nothing_waits_where_the_broker_waits(void **state) {
    (void)state;
    bool *const flags[] = {&daemon_.draining, &daemon_.paused};
    settle_one();
    assert_false(commits());
    daemon_.answer_at = commit_gathered(&daemon_); // an operator is told when it is on disk
    assert_true(commits());
    for (size_t i = 0; i < 2; i++) {
        publish(3 + i, 1, i ? "c" : "d");
        bench_turn(&bench);
        bench_settle(&bench, 2, H, 2 + i, 2 + i);
        assert_false(commits());
        *flags[i] = true;
        assert_true(commits());
        *flags[i] = false;
    }
}

static void an_end_waits_for_nothing(void **state) {
    (void)state;
    struct error error = {0};
    settle_one();
    assert_false(commits());
    assert_int_equal(commit_all(&daemon_, &error), 0);
    assert_int_equal(journal_batch_count(bench.batch), 0);
    expect_settled(1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settlements_wait_for_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(they_do_not_wait_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_frees_a_message_goes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_frees_one_in_the_journal_goes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeat_goes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_goes_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_go_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_waits_where_the_broker_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_waits_for_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
