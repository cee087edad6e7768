#include "bench/load.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_closed_loop(void **state) {
    (void)state;
    char path[] = "/tmp/hutong-load-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct load_options options = {
        .window = 10, .unconsumed = 20, .copies = 3, .seconds = 1000, .progress = path};
    struct load load;
    int64_t intended;
    load_start(&load, &options);
    load.sent = 9;
    assert_int_equal(load_next(&load, 0, &intended), LOAD_GO);
    assert_true(intended >= load.started_us);
    load.sent = 10;
    assert_int_equal(load_next(&load, 0, &intended), LOAD_FULL);
    assert_int_equal(load_next(&load, 1, &intended), LOAD_GO);
    // Each message is received three times: one is under way until all three came.
    load.sent = 20;
    assert_int_equal(load_next(&load, 20, &intended), LOAD_BEHIND);
    atomic_store(load.consumed, 2);
    assert_int_equal(load_next(&load, 20, &intended), LOAD_BEHIND);
    atomic_store(load.consumed, 3);
    assert_int_equal(load_next(&load, 20, &intended), LOAD_GO);
    load.sent = 21; // what was seen of the receipts is looked at anew where it is not enough
    assert_int_equal(load_next(&load, 21, &intended), LOAD_BEHIND);
    struct tally tally = {.progress = load.consumed};
    for (int i = 0; i < 6; i++)
        tally_receipt(&tally, intended);
    assert_int_equal(load_next(&load, 21, &intended), LOAD_BEHIND);
    tally_tell(&tally);
    assert_int_equal(load_next(&load, 21, &intended), LOAD_GO);
    unlink(path);
}

static void test_open_loop_counts_from_the_time_due(void **state) {
    (void)state;
    struct load_options options = {.window = 10, .unconsumed = 5, .copies = 1, .rate = 1000, .seconds = 1000};
    struct load load;
    int64_t intended;
    load_start(&load, &options);
    load.started_us -= 1000000;
    load.sent = 500;
    assert_int_equal(load_next(&load, 495, &intended), LOAD_GO);
    assert_int_equal(intended, load.started_us + 500000);
    assert_int_equal(load_next(&load, 490, &intended), LOAD_FULL);
    load.sent = 1000000;
    assert_int_equal(load_next(&load, load.sent, &intended), LOAD_EARLY);
    assert_int_equal(intended, load.started_us + 1000000000);
}

static void test_a_paced_publisher_wakes_for_all_that_is_due(void **state) {
    (void)state;
    struct load_options options = {.window = 1000, .copies = 1, .rate = 50000, .seconds = 1000};
    struct load load;
    int64_t intended;
    load_start(&load, &options);
    int64_t first_us = load.started_us + 1000000;
    load.sent = 50001; // due 20 us behind a wake
    load.started_us += 5000000;
    first_us += 5000000;
    assert_int_equal(load_next(&load, 50000, &intended), LOAD_EARLY);
    assert_int_equal(intended, first_us + LOAD_PACE_US);
    load.started_us -= 10000000; // all of them are due, each counts from its own time
    first_us -= 10000000;
    for (int i = 1; i <= 5; i++, load.sent++) {
        assert_int_equal(load_next(&load, 50000, &intended), LOAD_GO);
        assert_int_equal(intended, first_us + (int64_t)i * 20);
    }
}

static void test_load_ends(void **state) {
    (void)state;
    struct load load;
    struct load_options options = {.window = 1, .copies = 1, .messages = 3};
    load_start(&load, &options);
    assert_false(load_done(&load));
    load.sent = 3;
    assert_true(load_done(&load));
    options = (struct load_options){.window = 1, .copies = 1, .seconds = 1};
    load_start(&load, &options);
    assert_false(load_done(&load));
    load.started_us -= 1000000;
    assert_true(load_done(&load));
}

static void test_sequences_show_repeats_and_gaps(void **state) {
    (void)state;
    struct tally tally = {0};
    tally_sequence(&tally, 0, 0);
    tally_sequence(&tally, 1, 0);
    assert_int_equal(tally.repeated, 0);
    tally_sequence(&tally, 1, 0);
    assert_int_equal(tally.repeated, 1);
    tally_sequence(&tally, 0, 3);
    assert_int_equal(tally.gaps, 2);
    tally_sequence(&tally, 0, 2);
    tally_sequence(&tally, 0, 200000);
    assert_int_equal(tally.gaps, 1 + 199996);
    tally_sequence(&tally, 0, 200000);
    assert_int_equal(tally.repeated, 2);
    tally_free(&tally);
}

static void test_only_counted_seconds_count(void **state) {
    (void)state;
    struct tally tally = {.warm_s = 1000, .count_s = 1};
    tally_receipt(&tally, load_now_us());
    assert_int_equal(tally.total, 1);
    assert_int_equal(tally.counted, 0);
    tally.count_from_us = load_now_us() - 10;
    tally.count_until_us = load_now_us() + 1000000000;
    tally_receipt(&tally, load_now_us() - 5000);
    assert_int_equal(tally.counted, 1);
    uint64_t us = histogram_percentile(&tally.histogram, 50);
    assert_true(us >= 4900 && us < 1000000);
}

static void test_percentiles(void **state) {
    (void)state;
    static struct histogram histogram;
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&histogram, us);
    const double percents[] = {50, 99, 99.9};
    for (size_t i = 0; i < 3; i++) {
        double wanted = percents[i] * 1000;
        double found = (double)histogram_percentile(&histogram, percents[i]);
        assert_true(found > wanted * 0.98 && found < wanted * 1.02);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_loop),
        cmocka_unit_test(test_open_loop_counts_from_the_time_due),
        cmocka_unit_test(test_a_paced_publisher_wakes_for_all_that_is_due),
        cmocka_unit_test(test_load_ends),
        cmocka_unit_test(test_sequences_show_repeats_and_gaps),
        cmocka_unit_test(test_only_counted_seconds_count),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
