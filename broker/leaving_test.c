// What a journal on files leaves, for who takes it elsewhere.
#include "broker/leaving.h"
#include "broker/testing_damage.h"
#include "broker/testing_housing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define STREAM "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define ENOUGH 77

static int set_up(void **state) {
    static struct bench bench;
    bench_open(&bench);
    the_matcher = (struct matcher){.policy = bench.policy};
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    return 0;
}

// ---- A sink that writes down what it gets: "S2 housing/tenancy:1 …" ----

struct seen {
    char text[512];
    size_t stop_after; // items; 0: never
    size_t items;
};

static int note(struct seen *seen, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int note(struct seen *seen, const char *format, ...) {
    size_t size = strlen(seen->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(seen->text + size, sizeof seen->text - size, format, arguments);
    va_end(arguments);
    return ++seen->items == seen->stop_after ? ENOUGH : 0;
}

static int see_stream(void *context, const char *system, const uint8_t stream[16], uint64_t sequence,
    int64_t time_us, struct error *error) {
    (void)time_us, (void)error;
    return note(context, "%s/%c=%d ", system, stream[0], (int)sequence);
}

static int see_delivery(void *context, const struct leaving_item *item, struct error *error) {
    struct record_message message;
    struct record_delivery delivery;
    (void)error;
    assert_int_equal(
        record_message_read(item->record->body, item->queue, item->position, &message, &delivery), 0);
    return note(context, "%s:%d%s ", item->system, (int)item->position, item->failed ? "!" : "");
}

static int see_letter(void *context, const struct leaving_item *item, struct error *error) {
    (void)error;
    return note(context, "dead %s:%d ", item->system, (int)item->position);
}

static int walk(struct bench *bench, uint64_t from, struct seen *seen, struct error *error) {
    const struct leaving_sink sink = {
        .context = seen, .stream = see_stream, .delivery = see_delivery, .letter = see_letter};
    const struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(H));
    return leaving_walk(bench->broker, bench->journal, from ? queue->id : 0, from, &sink, error);
}

// 1 and 3 are settled, 2 failed, 4 died, 5 to 7 wait; and one is back at the publisher's own system.
static void leave_some(struct bench *bench) {
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "a", 100);
    bench_publish(bench, 1, PS, 1, 6, "");
    bench_turn(bench);
    bench_settle(bench, 2, H, 1, 1);
    bench_fail(bench, 2, H, 2, 60000, false);
    bench_settle(bench, 2, H, 3, 3);
    bench_fail(bench, 2, H, 4, 0, true);
    bench_hello(bench, 3, PS, OTHER, false); // the one before ends
    bench_publish(bench, 3, PS, 1, 1, "+");
    bench_turn(bench);
    bench_stop(bench);
    bench_start(bench);
}

static void all_that_is_left_comes_in_order(void **state) {
    struct bench *bench = *state;
    struct seen seen = {0};
    struct error error = {0};
    leave_some(bench);
    assert_int_equal(walk(bench, 0, &seen, &error), 0);
    const char *const parts[] = {
        PS "/0=6 ", PS "/f=1 ", H ":2! " H ":5 " H ":6 " H ":7 ", PS ":1 ", "dead " H ":1 "};
    size_t size = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_non_null(strstr(seen.text, parts[i]));
        size += strlen(parts[i]);
    }
    assert_int_equal(strlen(seen.text), size); // and nothing else
}

static void it_goes_on_behind_a_position(void **state) {
    struct bench *bench = *state;
    struct seen seen = {0};
    struct error error = {0};
    leave_some(bench);
    assert_int_equal(walk(bench, 5, &seen, &error), 0);
    assert_null(strstr(seen.text, H ":5 "));
    assert_non_null(strstr(seen.text, H ":6 " H ":7 "));
    assert_non_null(strstr(seen.text, PS "/0=6 ")); // streams always
}

static void the_sink_may_end_it(void **state) {
    struct bench *bench = *state;
    struct error error = {0};
    leave_some(bench);
    for (size_t n = 1; n <= 8; n++) {
        struct seen seen = {.stop_after = n};
        assert_int_equal(walk(bench, 0, &seen, &error), ENOUGH);
        assert_int_equal(seen.items, n);
    }
}

static void what_can_not_be_read_ends_it(void **state) {
    struct bench *bench = *state;
    struct damage damage;
    struct seen seen = {0};
    struct error error = {0};
    leave_some(bench);
    bench->journal = damage_wrap(&damage, bench->journal);
    damage.queue = ((struct queue *)map_get(bench->broker->queues_by_name, bytes_of_string(H)))->id;
    damage.position = 5;
    damage.failures = 1;
    assert_int_equal(walk(bench, 0, &seen, &error), JOURNAL_UNREAD);
    assert_null(strstr(seen.text, H ":5 "));
}

static int read_nothing(struct journal *journal, uint32_t queue, uint64_t from, size_t max_count,
    size_t max_bytes, journal_visit *visit, void *context, struct error *error) {
    (void)journal, (void)queue, (void)from, (void)max_count, (void)max_bytes, (void)visit, (void)context;
    (void)error;
    return 0;
}

// What is not there is never passed over.
static void what_is_missing_ends_it(void **state) {
    struct bench *bench = *state;
    static const struct journal_operations operations = {.read_queue = read_nothing};
    struct journal empty = {.operations = &operations};
    struct seen seen = {0};
    struct error error = {0};
    leave_some(bench);
    struct journal *real = bench->journal;
    bench->journal = &empty;
    assert_int_equal(walk(bench, 0, &seen, &error), JOURNAL_DAMAGED);
    assert_non_null(strstr(error.text, "position "));
    bench->journal = real;
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_that_is_left_comes_in_order),
        TEST(it_goes_on_behind_a_position),
        TEST(the_sink_may_end_it),
        TEST(what_can_not_be_read_ends_it),
        TEST(what_is_missing_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
