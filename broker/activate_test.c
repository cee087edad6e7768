#include "broker/testing.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PS "public_security/population"
#define H "housing/tenancy"
#define NEW "civil_affairs/registration"
#define STREAM "0123456789abcdef"
#define DELIVER HUTONG__BUS__V1__FRAME__KIND_DELIVER
#define ERROR_FRAME HUTONG__BUS__V1__FRAME__KIND_ERROR

// ---- The test's own routing: each set has a name for its route, and sends all to one system. ----

struct matcher {
    const struct policy *policy;
    const char *to;
    char *route; // owned, so that a use after the set went is found
    struct match match;
};
static struct matcher first = {.to = H};

struct matcher *matcher_new(const struct routes *routes) {
    (void)routes;
    return &first;
}

void matcher_destroy(struct matcher **self) {
    *self = NULL;
}

const uint8_t *routes_digest(const struct routes *routes) {
    (void)routes;
    return NULL;
}

size_t routes_count(const struct routes *routes) {
    (void)routes;
    return 1;
}

int matcher_match(struct matcher *matcher, const struct policy_system *from,
    const struct schema_message *type, struct bytes subject, struct bytes payload, int64_t now_us,
    const struct match **out, size_t *count, struct error *error) {
    (void)from;
    (void)payload;
    (void)now_us;
    (void)error;
    matcher->match = (struct match){.route = matcher->route,
        .agreement = matcher->route,
        .to = policy_system_named(matcher->policy, bytes_of_string(matcher->to)),
        .type = type,
        .subject = subject,
        .backoff_min_ms = 100,
        .backoff_max_ms = 1000};
    *count = matcher->match.to ? 1 : 0;
    *out = &matcher->match;
    return 0;
}

// ---- Another set of the same folder ----

struct set {
    struct configuration configuration;
    struct matcher matcher;
};

static void write_text(const struct bench *bench, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    FILE *file = fopen(path, "w");
    bool written = file && fputs(text, file) >= 0;
    if (!file || fclose(file) != 0 || !written)
        fail_msg("can't write %s", path);
}

static void set_load(const struct bench *bench, struct set *set, const char *route, const char *to) {
    char path[256];
    struct report *report = report_new(0);
    snprintf(path, sizeof path, "%s/broker.yaml", bench->folder);
    *set = (struct set){.configuration = {.policy = policy_load(path, report), .matcher = &set->matcher}};
    assert_non_null(set->configuration.policy);
    report_destroy(&report);
    set->matcher = (struct matcher){.policy = set->configuration.policy, .to = to, .route = strdup(route)};
    memset(set->configuration.digest, route[0], DIGEST_SIZE);
    assert_int_equal(buffer_append_string(&set->configuration.record, ""), 0);
}

static void set_free(struct set *set) {
    policy_destroy(&set->configuration.policy);
    buffer_destroy(&set->configuration.record);
    free(set->matcher.route);
    set->matcher.route = NULL;
}

static int take_over(struct bench *bench, const struct set *set, const char *why) {
    const struct activation activation = {.configuration = &set->configuration, .who = "root(0)", .why = why};
    struct event event = {.kind = EVENT_CONFIGURATION,
        .now_ms = bench->now_ms,
        .now_us = (int64_t)bench->now_ms * 1000,
        .activation = &activation};
    return broker_step(bench->broker, &event, &bench->update);
}

static int set_up(void **state) {
    static struct bench bench;
    first.route = strdup("old");
    bench_open(&bench);
    first.policy = bench.policy;
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    bench_close(*state);
    free(first.route);
    return 0;
}

// What a loader does with the set that was replaced: nobody may point to it any more.
static void forget_first(struct bench *bench) {
    policy_destroy(&bench->policy);
    free(first.route);
    first.route = NULL;
}

static const struct queue *queue_of(const struct bench *bench, const char *name) {
    const struct queue *queue = map_get(bench->broker->queues_by_name, bytes_of_string(name));
    assert_non_null(queue);
    return queue;
}

static void add_civil_affairs(const struct bench *bench) {
    write_text(bench, "agencies/civil_affairs.yaml",
        "agency: civil_affairs\ntitle: C\nsystems:\n  - { name: registration, title: R }\n");
}

static void remove_file(const struct bench *bench, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->folder, name);
    assert_int_equal(unlink(path), 0);
}

static void frame_of(
    struct bench *bench, uint64_t connection, const struct policy_system *proved, const char *key) {
    Hutong__Bus__V1__Heartbeat beat = HUTONG__BUS__V1__HEARTBEAT__INIT;
    wire_frame frame = HUTONG__BUS__V1__FRAME__INIT;
    frame.kind_case = HUTONG__BUS__V1__FRAME__KIND_HEARTBEAT;
    frame.heartbeat = &beat;
    struct buffer head = {0};
    assert_int_equal(wire_frame_append(&frame, &head), 0);
    struct event event = {.kind = EVENT_FRAME,
        .now_ms = bench->now_ms,
        .now_us = (int64_t)bench->now_ms * 1000,
        .connection = connection,
        .proved = proved,
        .key = key,
        .head = buffer_bytes(&head)};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    buffer_destroy(&head);
}

static void expect_identity_error(struct bench *bench, uint64_t connection) {
    wire_frame *frame = bench_take(bench, connection, ERROR_FRAME, NULL);
    assert_non_null(frame);
    assert_int_equal(frame->error->reason, HUTONG__BUS__V1__REASON__REASON_IDENTITY);
    wire_frame_free(&frame);
}

// ---- Tests ----

static void from_the_next_message_on(void **state) {
    struct bench *bench = *state;
    struct set set;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_turn(bench);
    bench_publish(bench, 1, PS, 1, 2, "");
    bench_turn(bench); // in flight
    add_civil_affairs(bench);
    set_load(bench, &set, "new", NEW);
    assert_int_equal(take_over(bench, &set, "a reason"), 0);
    forget_first(bench);
    bench->policy = NULL;
    // From here on bench_frame can't look systems up in the old policy: without CURVE none is proved.
    bench->policy = set.configuration.policy;
    bench_publish(bench, 1, PS, 3, 2, "");
    bench_turn(bench);
    bench_delivered(bench, 2, out, sizeof out);
    assert_string_equal(out, "m1,m2,");
    assert_int_equal(queue_of(bench, H)->unsettled, 2);
    assert_int_equal(queue_of(bench, NEW)->unsettled, 2);
    // What was in flight dies under the name of the route that sent it.
    bench_fail(bench, 2, H, 1, 0, true);
    bench_settle(bench, 2, H, 2, 2);
    bench_turn(bench);
    assert_int_equal(queue_of(bench, "dead:" H)->unsettled, 1);
    assert_int_equal(bench->broker->active.number, 2);
    assert_string_equal(bench->broker->active.why, "a reason");
    bench->policy = NULL;
    bench_stop(bench);
    set_free(&set);
    first.route = strdup("x");
    add_civil_affairs(bench);
    struct report *report = report_new(0);
    char path[256];
    snprintf(path, sizeof path, "%s/broker.yaml", bench->folder);
    first.policy = bench->policy = policy_load(path, report);
    report_destroy(&report);
    bench_start(bench);
    assert_int_equal(bench->broker->active.number, 3); // by another digest
    assert_string_equal(bench->broker->active.who, "start");
}

// What a busy queue keeps of its backlog points to names of the old set: it is read back under its own.
static void what_waits_in_memory_outlives_its_set(void **state) {
    struct bench *bench = *state;
    struct set set;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_receive(bench, 2, H, "i", 1);
    bench_turn(bench);
    bench_publish(bench, 1, PS, 1, 1, "");
    bench_turn(bench); // in flight, and no credit for more
    bench_publish(bench, 1, PS, 2, 3, "");
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->tail.count, 3);
    set_load(bench, &set, "new", H);
    assert_int_equal(take_over(bench, &set, "a reason"), 0);
    forget_first(bench);
    bench->policy = set.configuration.policy;
    assert_int_equal(queue_of(bench, H)->tail.count, 0);
    bench_gone(bench, 2);
    bench_hello(bench, 3, H, NULL, true);
    bench_turn(bench);
    bench_delivered(bench, 3, out, sizeof out);
    assert_string_equal(out, "m1,m2,m3,m4,");
    bench->policy = NULL;
    bench_stop(bench);
    set_free(&set);
}

static void a_restart_with_the_same_set_is_no_activation(void **state) {
    struct bench *bench = *state;
    assert_int_equal(bench->broker->active.number, 1);
    uint64_t last = journal_last(bench->journal);
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(bench->broker->active.number, 1);
    assert_int_equal(bench->broker->active.position, 1);
    assert_int_equal(journal_last(bench->journal), last);
}

// As versions before live change wrote it: no number, no entry.
static void an_old_record_is_followed_by_one_that_is_found(void **state) {
    struct bench *bench = *state;
    Hutong__Bus__V1__ActivatedRecord old = HUTONG__BUS__V1__ACTIVATED_RECORD__INIT;
    old.digest.data = bench->configuration.digest;
    old.digest.len = DIGEST_SIZE;
    old.who = (char *)(uintptr_t)"start";
    struct error error = {0};
    assert_int_equal(
        record_add_packed(bench->batch, HUTONG__BUS__V1__RECORD_KIND__RECORD_ACTIVATED, &old.base, NULL), 0);
    assert_int_equal(journal_append(bench->journal, bench->batch, &error), 0);
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(bench->broker->active.number, 3);
    assert_int_equal(bench->broker->active.position, 2);
}

static void who_left_is_told_and_keeps_its_backlog(void **state) {
    struct bench *bench = *state;
    struct set without;
    struct set with;
    char out[256];
    bench_hello(bench, 1, PS, STREAM, false);
    bench_publish(bench, 1, PS, 1, 2, "");
    bench_turn(bench);
    bench_hello(bench, 2, H, NULL, true);
    remove_file(bench, "agencies/housing.yaml");
    set_load(bench, &without, "without", H);
    assert_int_equal(take_over(bench, &without, ""), 0);
    expect_identity_error(bench, 2);
    forget_first(bench);
    bench->policy = without.configuration.policy;
    bench_turn(bench);
    assert_int_equal(queue_of(bench, H)->unsettled, 2);
    bench_hello(bench, 3, NULL, NULL, true); // refused: hello names nobody
    bench_turn(bench);
    write_text(bench, "agencies/housing.yaml",
        "agency: housing\ntitle: H\nsystems:\n  - { name: tenancy, title: T }\n");
    set_load(bench, &with, "with", H);
    assert_int_equal(take_over(bench, &with, ""), 0);
    set_free(&without);
    bench->policy = with.configuration.policy;
    bench_hello(bench, 4, H, NULL, true);
    bench_turn(bench);
    bench_delivered(bench, 4, out, sizeof out);
    assert_string_equal(out, "m1,m2,");
    assert_int_equal(bench->broker->session_count, 2);
    bench->policy = NULL;
    bench_stop(bench);
    set_free(&with);
    // For tear_down: something to stop and close.
    first.route = strdup("x");
    char path[256];
    snprintf(path, sizeof path, "%s/broker.yaml", bench->folder);
    struct report *report = report_new(0);
    first.policy = bench->policy = policy_load(path, report);
    report_destroy(&report);
    bench_start(bench);
}

static void a_key_that_left_is_refused(void **state) {
    struct bench *bench = *state;
    frame_of(bench, 9, NULL, "a key that nobody owns");
    expect_identity_error(bench, 9);
    assert_int_equal(bench->broker->session_count, 0);
}

static void without_room_nothing_changes(void **state) {
    struct bench *bench = *state;
    struct set set;
    set_load(bench, &set, "new", H);
    uint8_t *filler = buffer_extend(&set.configuration.record, 33u << 20);
    assert_non_null(filler);
    memset(filler, 0, 33u << 20);
    assert_int_equal(take_over(bench, &set, ""), BROKER_NO_ROOM);
    assert_ptr_equal(bench->broker->policy, bench->policy);
    assert_int_equal(bench->broker->active.number, 1);
    set_free(&set);
}

static void limits_change_at_once(void **state) {
    struct bench *bench = *state;
    struct set set;
    write_text(bench, "broker.yaml",
        "listen: tcp://127.0.0.1:0\ncurve: false\ncatalogue: " HUTONG_BUILD_DIR "/catalogue.binpb\n"
        "limits:\n  connections: 2\n  credit_messages: 4\n  queue_count: 7\n");
    set_load(bench, &set, "new", H);
    assert_int_equal(take_over(bench, &set, ""), 0);
    assert_int_equal(bench->broker->connections, 2);
    assert_int_equal(queue_of(bench, H)->limits.count, 7);
    assert_int_equal(queue_of(bench, "dead:" H)->limits.count, UINT64_MAX);
    bench->broker->policy = bench->policy;
    set_free(&set);
}

static void the_active_record_is_carried_forward(void **state) {
    struct bench *bench = *state;
    uint32_t queue = queue_of(bench, BROKER_CONFIGURATIONS)->id;
    assert_false(broker_settled(bench->broker, queue, 1));
    bench->now_ms += 1000;
    struct event event = {.kind = EVENT_CARRY, .now_ms = bench->now_ms, .now_us = 1};
    assert_int_equal(broker_step(bench->broker, &event, &bench->update), 0);
    bench_turn(bench);
    assert_true(broker_settled(bench->broker, queue, 1));
    assert_false(broker_settled(bench->broker, queue, 2));
    bench_stop(bench);
    bench_start(bench);
    assert_int_equal(bench->broker->active.number, 1);
    assert_int_equal(bench->broker->active.position, 2);
    assert_int_equal(bench->broker->active.time_us, 1000000); // when it took over
}

// Wholly swapped, or unchanged; and in either case the broker goes on, or recovers.
static void every_allocation_of_a_swap_may_fail(void **state) {
    struct bench *bench = *state;
    struct set set;
    size_t refused = 0;
    add_civil_affairs(bench);
    set_load(bench, &set, "new", NEW);
    bench_hello(bench, 1, PS, STREAM, false);
    bench_hello(bench, 2, H, NULL, true);
    bench_publish(bench, 1, PS, 1, 3, "");
    bench_turn(bench);
    for (size_t n = 0;; n++) {
        uint64_t before = bench->broker->active.number;
        alloc_fail_after(n);
        int rc = take_over(bench, &set, "");
        bool failed = rc != 0;
        alloc_fail_never();
        if (!failed)
            break;
        assert_int_equal(rc, BROKER_NO_MEMORY);
        assert_ptr_equal(bench->broker->policy, bench->policy);
        assert_int_equal(bench->broker->active.number, before);
        refused++;
        bench_publish(bench, 1, PS, 4 + n, 1, "");
        bench_turn(bench);
        assert_int_equal(queue_of(bench, H)->unsettled, 4 + n);
    }
    assert_true(refused > 5);
    assert_ptr_equal(bench->broker->policy, set.configuration.policy);
    bench_turn(bench);
    bench_stop(bench);
    bench_start(bench); // the journal tells a history that fits
    assert_int_equal(queue_of(bench, H)->unsettled, 3 + refused);
    set_free(&set);
}

// Where a long reason is cut, the status must stay a text.
static void a_long_reason_is_cut_between_characters(void **state) {
    struct bench *bench = *state;
    struct set set;
    char why[1200] = "";
    for (size_t i = 0; i < 300; i++)
        memcpy(why + 3 * i, "换", sizeof "换");
    set_load(bench, &set, "new", H);
    assert_int_equal(take_over(bench, &set, why), 0);
    bench_turn(bench);
    json_t *status = broker_describe(bench->broker);
    const json_t *active = json_object_get(status, "configuration");
    assert_int_equal(json_string_length(json_object_get(active, "why")), 255);
    json_decref(status);
    set_free(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(from_the_next_message_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_in_memory_outlives_its_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restart_with_the_same_set_is_no_activation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_old_record_is_followed_by_one_that_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_left_is_told_and_keeps_its_backlog, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_left_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_room_nothing_changes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_change_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_active_record_is_carried_forward, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_reason_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_allocation_of_a_swap_may_fail, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
