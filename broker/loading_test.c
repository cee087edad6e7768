// What the core wished for is read: where a record can't be, its delivery becomes a dead letter that says
// where and what, and all others go on.
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
static struct damage damage;

struct event daemon_now(struct event event) {
    event.now_ms = bench.now_ms;
    event.now_us = (int64_t)bench.now_ms * 1000;
    return event;
}

static struct queue *queue_of(const char *name) {
    struct queue *queue = map_get(bench.broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

// Three messages wait on the disk, in nobody's memory.
static int set_up(void **state) {
    (void)state;
    bench_prepare(&bench);
    bench_write(&bench, "broker.yaml", BENCH_BROKER "heartbeat: 10m\n"); // nobody goes while a test waits
    bench_write(&bench, "agencies/public_security.yaml",
        "agency: public_security\ntitle: PS\nsystems:\n  - { name: population, title: P }\n");
    bench_write(&bench, "agencies/housing.yaml",
        "agency: housing\ntitle: H\nsystems:\n  - { name: tenancy, title: T }\n");
    bench_begin(&bench);
    the_matcher = (struct matcher){.policy = bench.policy};
    bench.journal = damage_wrap(&damage, bench.journal);
    bench_hello(&bench, 1, PS, STREAM, false);
    for (uint64_t i = 1; i <= 3; i++)
        bench_publish(&bench, 1, PS, i, 1, "");
    bench_turn(&bench);
    damage.queue = queue_of(H)->id;
    daemon_ = (struct daemon){.policy = bench.policy, .broker = bench.broker, .journal = bench.journal};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bench_close(&bench);
    return 0;
}

// A turn of the daemon: what is wished for is read by it. Whether there was anything.
static bool run_loads(void) {
    struct error error = {0};
    size_t wished = bench.update.load_count;
    daemon_.update = bench.update;
    int rc = loading_run(&daemon_, &error);
    bench.update = daemon_.update;
    if (rc)
        fail_msg("%d %s", rc, error.text);
    assert_string_equal(error.text, ""); // else what ends the process later would say this
    return wished > 0;
}

static void run(void) {
    struct error error;
    for (int i = 0; i < 100; i++) {
        bench.update.more = false;
        bench.update.deadline_ms = UINT64_MAX;
        bench_step(&bench, (struct event){.kind = EVENT_TURN});
        if (journal_batch_count(bench.batch)) {
            assert_int_equal(journal_append(bench.journal, bench.batch, &error), 0);
            bench_step(
                &bench, (struct event){.kind = EVENT_DURABLE, .durable = journal_durable(bench.journal)});
        }
        if (!run_loads() && !bench.update.more)
            return;
    }
    fail_msg("it never comes to rest");
}

struct letter {
    unsigned reason;
    char text[512];
};

static int take_letter(void *context, const struct journal_record *record, uint64_t position) {
    struct letter *letter = context;
    (void)position;
    Hutong__Bus__V1__DeadRecord *dead =
        hutong__bus__v1__dead_record__unpack(NULL, record->body.size, record->body.data);
    assert_non_null(dead);
    letter->reason = dead->reason;
    snprintf(letter->text, sizeof letter->text, "%s", dead->text);
    hutong__bus__v1__dead_record__free_unpacked(dead, NULL);
    return 0;
}

static void expect_letter(const char *says) {
    struct letter letter = {0};
    struct error error;
    assert_int_equal(queue_of("dead:" H)->unsettled, 1);
    assert_int_equal(journal_read_queue(
                         bench.journal, queue_of("dead:" H)->id, 1, 1, 1 << 20, take_letter, &letter, &error),
        0);
    assert_int_equal(letter.reason, HUTONG__BUS__V1__REASON__REASON_DAMAGED);
    if (!strstr(letter.text, says) || !strstr(letter.text, "record "))
        fail_msg("\"%s\" doesn't say \"%s\" and where", letter.text, says);
}

static void expect_delivered(const char *ids) {
    char got[256];
    bench_delivered(&bench, 2, got, sizeof got);
    assert_string_equal(got, ids);
}

// ---- Records that make no sense ----

// A message record's fields, up to the delivery's.
#define DELIVERY(fields) "\x22" fields

static void what_can_not_be_decoded_is_a_dead_letter(void **state) {
    (void)state;
    static const struct {
        const char *body;
        size_t size;
        const char *says;
    } rows[] = {
        {"\xff\xff", 2, "a message that can't be decoded"},
        {"\x7a\x7f", 2, "a message that can't be decoded"},                 // an envelope beyond the end
        {DELIVERY("\x02\x08\x01"), 4, "or not with this delivery"},         // another queue's
        {DELIVERY("\x04\x08\x7f\x10\x02"), 6, "or not with this delivery"}, // the same
        {"\x0a\x02\x41\x42", 4, "or not with this delivery"},               // no delivery at all
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        damage.position = 2;
        damage.body = bytes_of(rows[i].body, rows[i].size);
        bench_hello(&bench, 2, H, NULL, true);
        run();
        expect_letter(rows[i].says);
        expect_delivered("m1,m3,");
        assert_int_equal(daemon_.unreadable, 1);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

// Of a mapped envelope, what it repeats of the original.
static void a_copy_from_outside_is_a_dead_letter(void **state) {
    (void)state;
    static const char *const copies[] = {
        "\x5a\x03\x09\x00\x01",                 // more of its own than there is
        "\x5a\x03\x00\x09\x01",                 // behind the original
        "\x5a\x07\x00\x00\xff\xff\xff\xff\x0f", // 4 GiB of it, for which nobody looks for memory
        "\x5a\x02\x00\x00",                     // two numbers
    };
    static const size_t sizes[] = {5, 5, 9, 4};
    static const uint8_t rest[] = {0x7a, 1, 'x', 0x7a, 3, 'r', 'a', 'w'}; // its own; the original
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t body[64] = {0x22, (uint8_t)(4 + sizes[i] + 3), 0x08, (uint8_t)damage.queue, 0x10, 2};
        memcpy(body + 6, copies[i], sizes[i]);
        memcpy(body + 6 + sizes[i], rest, sizeof rest);
        damage.position = 2;
        damage.body = bytes_of(body, 6 + sizes[i] + sizeof rest);
        bench_hello(&bench, 2, H, NULL, true);
        run();
        expect_letter("its envelope repeats what the message does not have");
        expect_delivered("m1,m3,");
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

static int keep_body(void *context, const struct journal_record *record, uint64_t position) {
    (void)position;
    return buffer_append_bytes(context, record->body);
}

static void try_body(struct bytes body) {
    const struct journal_record record = {.sequence = 9, .kind = 1, .body = body};
    struct event event = {.kind = EVENT_RECORD,
        .queue = damage.queue,
        .position = 2,
        .of = damage.queue,
        .wanted = 2,
        .record = &record};
    event = daemon_now(event);
    int rc = broker_step(bench.broker, &event, &bench.update);
    assert_true(rc == 0 || (rc == BROKER_DAMAGED && bench.update.damage));
}

// Whatever a record says, it ends nothing.
static void no_byte_of_a_record_ends_the_broker(void **state) {
    (void)state;
    struct buffer body = {0};
    struct error error;
    assert_int_equal(
        journal_read_queue(bench.journal, damage.queue, 2, 1, 1 << 20, keep_body, &body, &error), 0);
    assert_true(body.size > 30);
    bench_hello(&bench, 2, H, NULL, true);
    for (size_t at = 0; at < body.size; at++) {
        const uint8_t was = body.data[at];
        const uint8_t instead[] = {0, 0xff, 0x80, (uint8_t)(was + 1), (uint8_t)(was ^ 7), (uint8_t)(was ^ 8)};
        for (size_t i = 0; i < sizeof instead; i++) {
            body.data[at] = instead[i];
            try_body(buffer_bytes(&body));
        }
        body.data[at] = was;
        uint8_t *cut = malloc(at + 1); // so that a sanitizer sees its end
        assert_non_null(cut);
        memcpy(cut, body.data, at);
        try_body(bytes_of(cut, at));
        free(cut);
    }
    buffer_destroy(&body);
}

// Of what was carried only the map says whose it is.
static void a_carried_record_of_another_is_damage(void **state) {
    (void)state;
    struct buffer body = {0};
    const struct carried_record carried = {
        .queue = damage.queue, .position = 3, .kind = 1, .body = bytes_of_string("\xff")};
    assert_int_equal(carried_front(&carried, &body), 0);
    assert_int_equal(buffer_append_bytes(&body, carried.body), 0);
    const struct journal_record record = {
        .kind = HUTONG__BUS__V1__RECORD_KIND__RECORD_CARRIED, .body = buffer_bytes(&body)};
    struct event event = {
        .kind = EVENT_RECORD, .queue = 99, .position = 1, .of = damage.queue, .wanted = 2, .record = &record};
    event = daemon_now(event);
    assert_int_equal(broker_step(bench.broker, &event, &bench.update), BROKER_DAMAGED);
    assert_string_equal(bench.update.damage, "the carried record of another delivery");
    event.wanted = 0; // it is only read over, and then what it says counts
    assert_int_equal(broker_step(bench.broker, &event, &bench.update), BROKER_DAMAGED);
    assert_string_equal(bench.update.damage, "a message that can't be decoded, or not with this delivery");
    buffer_destroy(&body);
}

// ---- A disk that fails ----

static void fail_readings(unsigned failures) {
    damage.position = 2;
    damage.failures = failures;
    bench_hello(&bench, 2, H, NULL, true);
    run();
}

static void pause_once(void) {
    bench.now_ms += QUEUE_READ_PAUSE_MS - 1;
    unsigned left = damage.failures;
    run();
    assert_int_equal(damage.failures, left); // not before its time
    bench.now_ms++;
    run();
}

// All from it on waits, what lies before goes out; and nobody hears of it but who asks.
static void what_the_disk_fails_to_read_is_tried_again(void **state) {
    (void)state;
    fail_readings(3);
    expect_delivered("m1,");
    assert_string_equal(daemon_.unread, "the disk fails");
    assert_in_range(bench.update.deadline_ms, bench.now_ms + 1, bench.now_ms + QUEUE_READ_PAUSE_MS);
    for (unsigned tries = 2; tries <= 3; tries++) {
        assert_int_equal(broker_unread(bench.broker, damage.queue), tries - 1);
        pause_once();
        assert_int_equal(daemon_.read_failures, tries);
    }
    expect_delivered("");
    pause_once();
    expect_delivered("m2,m3,");
    assert_int_equal(broker_unread(bench.broker, damage.queue), 0);
    assert_int_equal(queue_of("dead:" H)->unsettled, 0);
    assert_int_equal(daemon_.unreadable, 0);
}

static void what_the_disk_never_reads_is_a_dead_letter(void **state) {
    (void)state;
    fail_readings(UINT32_MAX);
    for (unsigned tries = 1; tries < QUEUE_READ_TRIES; tries++) {
        assert_int_equal(daemon_.read_failures, tries);
        assert_int_equal(queue_of("dead:" H)->unsettled, 0);
        pause_once();
    }
    expect_letter("the disk fails");
    expect_delivered("m1,m3,");
    assert_int_equal(daemon_.unreadable, 1);
    assert_int_equal(queue_of(H)->unsettled, 2);
}

// The next ones that can't be read die at once for a while; then they are waited for again.
static void a_disk_that_failed_for_good_is_asked_again(void **state) {
    (void)state;
    fail_readings(UINT32_MAX);
    while (queue_of("dead:" H)->unsettled == 0)
        pause_once();
    for (unsigned long at_once = 0; at_once < 2; at_once++) {
        bench_settle(&bench, 2, H, 1, 9);
        bench_gone(&bench, 2);
        damage.position = 4 + at_once;
        bench_publish(&bench, 1, PS, damage.position, 1, ""); // nobody receives: it lies on the disk alone
        run();
        bench.now_ms += at_once ? QUEUE_READ_BEAR_MS : 0;
        bench_hello(&bench, 2, H, NULL, true);
        run();
        assert_int_equal(queue_of("dead:" H)->unsettled, 2);
    }
    assert_int_equal(broker_unread(bench.broker, damage.queue), 1);
    char before[64];
    bench_delivered(&bench, 2, before, sizeof before);
    damage.failures = 0;
    bench.now_ms += QUEUE_READ_PAUSE_MS;
    run();
    expect_delivered("m5,");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_can_not_be_decoded_is_a_dead_letter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_from_outside_is_a_dead_letter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_byte_of_a_record_ends_the_broker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_carried_record_of_another_is_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_disk_fails_to_read_is_tried_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_disk_never_reads_is_a_dead_letter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_failed_for_good_is_asked_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
