// Where topics end, on librdkafka's own stand-in for a cluster.
#include "broker/kafka/heights.h"
#include "test/support/alloc_fail.h"

#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIST_OFFSETS = 2, TEN = 10, TWENTY = 20 };
#define TOPIC "p.to.a.b"
#define OTHER "p.to.a.c"

struct testing {
    rd_kafka_t *rk; // the stand-in lives in it
    rd_kafka_mock_cluster_t *mock;
    rd_kafka_t *producer;
    struct cluster cluster;
    struct admin *admin;
    struct heights *heights;
    struct error error;
};

static int set_up(void **state) {
    static struct testing testing;
    static const struct cluster_setting none[] = {{NULL, NULL}};
    testing = (struct testing){.cluster = {.prefix = "p", .name = "n"}};
    testing.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, testing.error.text, sizeof testing.error.text);
    testing.mock = rd_kafka_mock_cluster_new(testing.rk, 1);
    testing.cluster.brokers = rd_kafka_mock_cluster_bootstraps(testing.mock);
    rd_kafka_mock_topic_create(testing.mock, TOPIC, 2, 1);
    rd_kafka_mock_topic_create(testing.mock, OTHER, 1, 1);
    assert_int_equal(
        cluster_handle(&testing.cluster, RD_KAFKA_PRODUCER, none, none, &testing.producer, &testing.error),
        0);
    assert_int_equal(topics_open(&testing.cluster, 2000, &testing.admin, &testing.error), 0);
    assert_int_equal(heights_open(testing.admin, &testing.heights, &testing.error), 0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    heights_close(&testing->heights);
    topics_close(&testing->admin);
    rd_kafka_destroy(testing->producer);
    rd_kafka_mock_cluster_destroy(testing->mock);
    rd_kafka_destroy(testing->rk);
    return 0;
}

static void write_some(struct testing *testing, const char *topic, int32_t partition, int count) {
    static char value[] = "v";
    for (int i = 0; i < count; i++)
        assert_int_equal(rd_kafka_producev(testing->producer, RD_KAFKA_V_TOPIC(topic),
                             RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE(value, sizeof value),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
            0);
    assert_int_equal(rd_kafka_flush(testing->producer, 30000), 0);
}

static void ask(struct testing *testing) {
    heights_start(testing->heights);
    while (heights_busy(testing->heights))
        poll(NULL, 0, 10);
}

static const int64_t *answer_at(struct testing *testing, size_t index, uint32_t expected) {
    const int64_t *ends = NULL;
    uint32_t token = 0;
    assert_true(heights_answer(testing->heights, index, &token, &ends));
    assert_int_equal(token, expected);
    return ends;
}

static void the_ends_of_topics_are_told(void **state) {
    struct testing *testing = *state;
    const int64_t *ends;
    uint32_t token;
    write_some(testing, TOPIC, 1, 3);
    write_some(testing, OTHER, 0, 2);
    assert_int_equal(heights_add(testing->heights, TOPIC, 2, TEN), 0);
    assert_int_equal(heights_add(testing->heights, OTHER, 1, TWENTY), 0);
    ask(testing);
    ends = answer_at(testing, 0, TEN);
    assert_true(ends && ends[0] == 0 && ends[1] == 3);
    ends = answer_at(testing, 1, TWENTY);
    assert_true(ends && ends[0] == 2);
    assert_false(heights_answer(testing->heights, 2, &token, &ends));
    heights_clear(testing->heights);
    assert_false(heights_answer(testing->heights, 0, &token, &ends));
}

static void what_fails_has_no_answer_and_others_have(void **state) {
    struct testing *testing = *state;
    assert_int_equal(heights_add(testing->heights, TOPIC, 2, TEN), 0);
    assert_int_equal(heights_add(testing->heights, OTHER, 1, TWENTY), 0);
    rd_kafka_mock_push_request_errors(
        testing->mock, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ask(testing);
    assert_null(answer_at(testing, 0, TEN));
    assert_non_null(answer_at(testing, 1, TWENTY));
    ask(testing);
    assert_non_null(answer_at(testing, 0, TEN));
    rd_kafka_mock_broker_set_down(testing->mock, 1);
    ask(testing);
    assert_null(answer_at(testing, 0, TEN));
    assert_null(answer_at(testing, 1, TWENTY));
}

static void no_memory_is_said(void **state) {
    struct testing *testing = *state;
    struct heights *other = NULL;
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = heights_add(testing->heights, TOPIC, 2, TEN);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = heights_open(testing->admin, &other, &testing->error);
        alloc_fail_never();
        assert_true(rc == 0 || (rc == -ENOMEM && !other));
    }
    heights_close(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_ends_of_topics_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fails_has_no_answer_and_others_have, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
