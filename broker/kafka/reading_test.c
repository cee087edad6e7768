// A group and a followed topic on librdkafka's own stand-in for a cluster, which answers with the errors that
// it is told to. What a real one does is test/scenario/test_kafka_journal.py.
#include "broker/kafka/follow.h"
#include "broker/kafka/group.h"
#include "core/base/clock.h"

#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIST_OFFSETS = 2, OFFSET_FETCH = 9, HEARTBEAT = 12 };
#define PATIENCE_NS (60 * CLOCK_SECOND_NS)
#define TOPIC "p.to.a.b"

struct testing {
    rd_kafka_t *rk; // the stand-in lives in it
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_t *producer;
    struct cluster cluster;
    struct group *group;
    struct follow *follow;
    struct group_event event;
    struct error error;
};

static int set_up(void **state) {
    static struct testing testing;
    static const struct cluster_setting quick[] = {{"retry.backoff.ms", "10"},
        {"reconnect.backoff.max.ms", "100"}, {"heartbeat.interval.ms", "100"},
        {"session.timeout.ms", "6000"}};
    static const struct cluster_setting none[] = {{NULL, NULL}};
    testing = (struct testing){
        .cluster = {.prefix = "p", .name = "n", .settings = quick, .setting_count = 4, .tell = NULL}};
    testing.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, testing.error.text, sizeof testing.error.text);
    testing.mock = rd_kafka_mock_cluster_new(testing.rk, 1);
    testing.cluster.brokers = rd_kafka_mock_cluster_bootstraps(testing.mock);
    rd_kafka_mock_topic_create(testing.mock, TOPIC, 2, 1);
    assert_int_equal(
        cluster_handle(&testing.cluster, RD_KAFKA_PRODUCER, none, none, &testing.producer, &testing.error),
        0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    group_close(&testing->group);
    follow_close(&testing->follow);
    rd_kafka_destroy(testing->producer);
    rd_kafka_mock_cluster_destroy(testing->mock);
    rd_kafka_destroy(testing->rk);
    return 0;
}

static void write_one(struct testing *testing, int32_t partition, const char *key, const char *value) {
    assert_int_equal(
        rd_kafka_producev(testing->producer, RD_KAFKA_V_TOPIC(TOPIC), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_KEY(key, strlen(key)),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value ? strlen(value) : 0),
            RD_KAFKA_V_HEADER("rule", "r1", -1), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
        0);
    assert_int_equal(rd_kafka_flush(testing->producer, 30000), 0);
}

// ---- The group ----

static void join(struct testing *testing) {
    const struct group_options options = {.name = TOPIC, .topic = TOPIC, .limit = (size_t)1 << 20};
    assert_int_equal(group_open(&testing->cluster, &options, &testing->group, &testing->error), 0);
}

static void wait_on(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    poll(&one, 1, 100);
}

static void expect_event(struct testing *testing, enum group_event_kind kind) {
    uint64_t until = clock_monotonic_ns() + PATIENCE_NS;
    do {
        assert_true(clock_monotonic_ns() < until);
        assert_int_equal(group_next(testing->group, &testing->event, &testing->error), 0);
        if (testing->event.kind == GROUP_NOTHING)
            wait_on(group_fd(testing->group));
    } while (testing->event.kind != kind);
}

static void start(struct testing *testing) {
    expect_event(testing, GROUP_ASSIGNED);
    assert_int_equal(testing->event.partition_count, 2);
    assert_int_equal(group_start(testing->group, testing->event.partitions, 2, &testing->error), 0);
}

static void expect_record(struct testing *testing, const char *value) {
    expect_event(testing, GROUP_RECORD);
    assert_true(bytes_equal_string(testing->event.value, value));
}

static void test_records_with_their_place(void **state) {
    struct testing *testing = *state;
    struct bytes rule;
    write_one(testing, 1, "key", "v0");
    write_one(testing, 1, "key", NULL);
    join(testing);
    start(testing);
    expect_record(testing, "v0");
    assert_int_equal(testing->event.partition, 1);
    assert_int_equal(testing->event.offset, 0);
    assert_true(testing->event.time_ms > 0);
    assert_true(bytes_equal_string(testing->event.key, "key"));
    assert_true(group_header(testing->group, "rule", &rule) && bytes_equal_string(rule, "r1"));
    assert_false(group_header(testing->group, "none", &rule));
    expect_event(testing, GROUP_RECORD);
    assert_null(testing->event.value.data);
    expect_event(testing, GROUP_END);
    assert_false(group_header(testing->group, "rule", &rule)); // of no record
}

// Offsets that are about to change, and a coordinator that isn't ready: asked again until there is an answer.
static void test_committed_offsets_are_asked_for_until_they_are_known(void **state) {
    struct testing *testing = *state;
    rd_kafka_mock_push_request_errors(testing->mock, OFFSET_FETCH, 3,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
        RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    join(testing);
    start(testing);
    assert_true(group_token(testing->group).size > 0);
}

static void test_an_owner_answers_what_it_was_asked(void **state) {
    struct testing *testing = *state;
    const struct group_partition other[] = {{0, 0}, {7, 0}};
    join(testing);
    assert_int_equal(group_start(testing->group, other, 2, &testing->error), -EINVAL);
    assert_int_equal(group_token(testing->group).size, 0);
    expect_event(testing, GROUP_ASSIGNED);
    assert_int_equal(group_start(testing->group, other, 1, &testing->error), -EINVAL);
    assert_int_equal(group_start(testing->group, other, 2, &testing->error), -EINVAL);
    assert_int_equal(group_release(testing->group, &testing->error), -EINVAL);
}

static void test_a_member_that_was_thrown_out_begins_again(void **state) {
    struct testing *testing = *state;
    join(testing);
    start(testing);
    rd_kafka_mock_push_request_errors(testing->mock, HEARTBEAT, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    expect_event(testing, GROUP_REVOKED);
    assert_true(testing->event.lost);
    assert_int_equal(testing->event.partition_count, 2);
    assert_int_equal(group_token(testing->group).size, 0);
    assert_int_equal(group_release(testing->group, &testing->error), 0);
    start(testing);
    write_one(testing, 0, "k", "after");
    expect_record(testing, "after");
}

static void test_leaving(void **state) {
    struct testing *testing = *state;
    join(testing);
    start(testing);
    assert_int_equal(group_leave(testing->group, &testing->error), 0);
    assert_int_equal(group_leave(testing->group, &testing->error), 0);
    expect_event(testing, GROUP_LEFT);
    assert_int_equal(group_next(testing->group, &testing->event, &testing->error), 0);
    assert_int_equal(testing->event.kind, GROUP_NOTHING);
}

// ---- Following ----

static void note_change(void *context, int32_t partition, struct bytes key, struct bytes value) {
    int *changes = context;
    (void)key;
    changes[partition] += value.data ? 1 : 100;
}

static void follow_it(struct testing *testing, size_t limit, int *changes) {
    const struct follow_options options = {.topic = TOPIC,
        .partitions = 2,
        .limit = limit,
        .changed = changes ? note_change : NULL,
        .context = changes};
    assert_int_equal(follow_open(&testing->cluster, &options, &testing->follow, &testing->error), 0);
}

// Until this question is answered, or it fails.
static int work_until(struct testing *testing, uint64_t token) {
    uint64_t until = clock_monotonic_ns() + PATIENCE_NS;
    uint64_t answered;
    bool more;
    for (;;) {
        assert_true(clock_monotonic_ns() < until);
        int rc = follow_work(testing->follow, &more, &testing->error);
        if (rc)
            return rc;
        if (follow_answered(testing->follow, &answered)) {
            assert_int_equal(answered, token);
            return 0;
        }
        if (!more)
            wait_on(follow_fd(testing->follow));
    }
}

static struct bytes get(const struct testing *testing, const char *key) {
    return follow_get(testing->follow, bytes_of_string(key));
}

static void test_the_last_value_of_each_key(void **state) {
    struct testing *testing = *state;
    int changes[2] = {0, 0};
    write_one(testing, 0, "a", "1");
    write_one(testing, 0, "a", "22");
    write_one(testing, 1, "b", "1");
    write_one(testing, 1, "b", NULL);
    write_one(testing, 1, "never", NULL);
    follow_it(testing, 0, changes);
    assert_int_equal(follow_ask(testing->follow, FOLLOW_ALL, 5), 0);
    assert_int_equal(work_until(testing, 5), 0);
    assert_true(bytes_equal_string(get(testing, "a"), "22"));
    assert_null(get(testing, "b").data);
    assert_int_equal(follow_count(testing->follow), 1);
    assert_int_equal(follow_size(testing->follow), FOLLOW_ENTRY_COST + 3);
    assert_int_equal(changes[0], 2);
    assert_int_equal(changes[1], 201);
    size_t cursor = 0;
    struct bytes key;
    struct bytes value;
    assert_true(follow_next(testing->follow, &cursor, &key, &value));
    assert_true(bytes_equal_string(key, "a") && bytes_equal_string(value, "22"));
    assert_false(follow_next(testing->follow, &cursor, &key, &value));
}

static struct bytes first_byte(struct bytes key) {
    return bytes_of(key.data, key.size ? 1 : 0);
}

static bool is_higher(struct bytes before, struct bytes value) {
    return value.data[0] > before.data[0];
}

static void test_of_several_keys_the_value_that_counts(void **state) {
    struct testing *testing = *state;
    const struct follow_options options = {
        .topic = TOPIC, .partitions = 2, .kept_as = first_byte, .counts = is_higher};
    write_one(testing, 0, "a1", "5");
    write_one(testing, 0, "a2", "3"); // it came late
    write_one(testing, 1, "b1", "1");
    write_one(testing, 1, "b2", "2");
    write_one(testing, 1, "b2", NULL); // what another said goes on to hold
    write_one(testing, 1, "never", NULL);
    assert_int_equal(follow_open(&testing->cluster, &options, &testing->follow, &testing->error), 0);
    assert_int_equal(follow_ask(testing->follow, FOLLOW_ALL, 5), 0);
    assert_int_equal(work_until(testing, 5), 0);
    assert_true(bytes_equal_string(get(testing, "a"), "5"));
    assert_true(bytes_equal_string(get(testing, "b"), "2"));
    assert_int_equal(follow_count(testing->follow), 2);
}

static void test_the_end_is_asked_for_until_it_is_known(void **state) {
    struct testing *testing = *state;
    write_one(testing, 0, "a", "1");
    follow_it(testing, 0, NULL);
    assert_int_equal(follow_ask(testing->follow, 0, 1), 0);
    assert_int_equal(work_until(testing, 1), 0);
    rd_kafka_mock_push_request_errors(testing->mock, LIST_OFFSETS, 2,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    write_one(testing, 1, "b", "2");
    assert_int_equal(follow_ask(testing->follow, 1, 2), 0);
    assert_int_equal(work_until(testing, 2), 0);
    assert_true(bytes_equal_string(get(testing, "b"), "2"));
    assert_int_equal(follow_ask(testing->follow, 2, 3), -EINVAL); // no such partition
}

static void test_over_the_limit(void **state) {
    struct testing *testing = *state;
    bool more;
    write_one(testing, 0, "a", "1");
    write_one(testing, 0, "b", "1");
    follow_it(testing, FOLLOW_ENTRY_COST + 20, NULL);
    assert_int_equal(follow_ask(testing->follow, 0, 1), 0);
    assert_int_equal(work_until(testing, 1), KAFKA_FULL);
    assert_non_null(strstr(testing->error.text, "more than 116 bytes"));
    assert_int_equal(follow_work(testing->follow, &more, &testing->error), KAFKA_FULL);
}

static void test_questions_are_bounded(void **state) {
    struct testing *testing = *state;
    rd_kafka_mock_broker_set_down(testing->mock, -1);
    follow_it(testing, 0, NULL);
    for (uint64_t i = 0; i < FOLLOW_QUESTIONS; i++)
        assert_int_equal(follow_ask(testing->follow, 0, i), 0);
    assert_int_equal(follow_ask(testing->follow, 0, 0), KAFKA_FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_with_their_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_committed_offsets_are_asked_for_until_they_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_owner_answers_what_it_was_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_member_that_was_thrown_out_begins_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaving, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_value_of_each_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_of_several_keys_the_value_that_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_is_asked_for_until_it_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_over_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_questions_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
