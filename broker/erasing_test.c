// An erasure that is asked for while the bus works: it neither waits for a quiet moment nor overtakes the
// record of what settled the message.
#include "broker/daemon_internal.h"
#include "broker/testing_damage.h"
#include "broker/testing_housing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"

// ---- A daemon without sockets ----

static struct bench bench;
static struct daemon daemon_;
static size_t answers;

int daemon_step(struct daemon *daemon, struct event event) {
    (void)daemon;
    bench_step(&bench, event);
    return 0;
}

int router_control_answer(struct router *router, struct bytes answer) {
    (void)router, (void)answer;
    answers++;
    return 0;
}

static int set_up(void **state) {
    (void)state;
    bench_open(&bench);
    journal_store_set_segment(bench.store, 1 << 20); // a restart replays all of it
    the_matcher = (struct matcher){.policy = bench.policy};
    daemon_ = (struct daemon){.policy = bench.policy,
        .broker = bench.broker,
        .journal = bench.journal,
        .batch = bench.batch,
        .durable = journal_durable(bench.journal)};
    daemon_.update.batch = bench.batch;
    answers = 0;
    bench_hello(&bench, 1, PS, STREAM, false);
    bench_hello(&bench, 2, H, NULL, true);
    bench_turn(&bench);
    bench_publish(&bench, 1, PS, 1, 2, "");
    bench_turn(&bench);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    update_destroy(&daemon_.update);
    bench_close(&bench);
    return 0;
}

static struct erasing asked_for(uint64_t behind) {
    return (struct erasing){
        .sequence = journal_last(bench.journal) - behind, .who = "somebody(1)", .why = "an order"};
}

static void expect_settled_after_restart(uint64_t position) {
    bench_stop(&bench);
    bench_start(&bench);
    const struct queue *queue = map_get(bench.broker->queues_by_name, bytes_of_string(H));
    assert_int_equal(queue->settled, position);
}

static void expect_erased(struct erasing *erasing) {
    assert_string_equal(erasing->problem, "");
    assert_int_equal(answers, 0); // it is told when all is done
    assert_int_equal(erasing_committed(&daemon_), 0);
    assert_int_equal(answers, 1);
    assert_string_equal(erasing->problem, "");
    assert_true(erasing->done);
}

// ---- Tests ----

static void what_settled_it_is_written_at_once(void **state) {
    (void)state;
    struct erasing erasing = asked_for(1);
    bench_settle(&bench, 2, H, 1, 1);
    assert_int_equal(journal_batch_count(bench.batch), 1); // it waits for company
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    expect_erased(&erasing);
    expect_settled_after_restart(1);
}

// Records of anything until not even a small one finds room.
static void fill_batch(void) {
    char why[4096];
    struct journal_record any = {.kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_DEAD, .sequence = 1};
    for (size_t size = sizeof why - 1; size > 0; size /= 2) {
        memset(why, 'x', size);
        why[size] = '\0';
        while (broker_record_erased(bench.broker, &any, "x", why, &bench.update) == 0)
            ;
    }
    while (broker_record_erased(bench.broker, &any, "", "", &bench.update) == 0)
        ;
}

static void what_waits_for_room_in_the_batch_is_written_before(void **state) {
    (void)state;
    const struct queue *queue = map_get(bench.broker->queues_by_name, bytes_of_string(H));
    struct erasing erasing = asked_for(1);
    fill_batch();
    bench_settle(&bench, 2, H, 1, 1);
    assert_int_equal(queue->unwritten.settled.count, 1);
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    assert_int_equal(queue->unwritten.settled.count, 0);
    expect_erased(&erasing);
    expect_settled_after_restart(1);
}

static void a_look_alone_writes_nothing(void **state) {
    (void)state;
    struct erasing erasing = asked_for(1);
    erasing.check = true;
    bench_settle(&bench, 2, H, 1, 1);
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    assert_string_equal(erasing.problem, "");
    assert_int_equal(answers, 1);
    assert_int_equal(journal_batch_count(bench.batch), 1);
    assert_null(daemon_.erasing);
}

static void a_full_journal_is_said(void **state) {
    (void)state;
    struct erasing erasing = asked_for(1);
    bench_settle(&bench, 2, H, 1, 1);
    journal_store_set_limit(bench.store, 1);
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    assert_non_null(strstr(erasing.problem, "the journal is full"));
    assert_int_equal(answers, 1);
    assert_null(daemon_.erasing);
}

static void what_is_unsettled_stays(void **state) {
    (void)state;
    struct erasing erasing = asked_for(0);
    bench_settle(&bench, 2, H, 1, 1);
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    assert_non_null(strstr(erasing.problem, "is not settled"));
    assert_int_equal(answers, 1);
}

static void what_makes_no_sense_stays(void **state) {
    (void)state;
    struct damage damage;
    struct erasing erasing = asked_for(1);
    bench_settle(&bench, 2, H, 1, 1);
    bench_turn(&bench);
    daemon_.journal = damage_wrap(&damage, bench.journal);
    damage.sequence = erasing.sequence;
    damage.body = bytes_of_string("\xff");
    assert_int_equal(erasing_start(&daemon_, &erasing), 0);
    assert_non_null(strstr(erasing.problem, "can't be decoded"));
    assert_int_equal(answers, 1);
    assert_null(daemon_.erasing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_settled_it_is_written_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_waits_for_room_in_the_batch_is_written_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_look_alone_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_journal_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_unsettled_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_makes_no_sense_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
