// Looks that fail, on librdkafka's own stand-in for a cluster, which knows no deletion (and librdkafka loses
// memory when it asks for one, so that none is asked for). What a real one does
// is test/scenario/test_kafka_journal.py.
#include "broker/kafka/shorten.h"
#include "core/base/clock.h"
#include "test/support/alloc_fail.h"

#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LIST_OFFSETS = 2 };
#define TOPIC "p.to.a.b"
#define OTHER "p.to.a.c"

struct testing {
    rd_kafka_t *rk; // the stand-in lives in it
    rd_kafka_mock_cluster_t *mock;
    struct cluster cluster;
    struct admin *admin;
    struct shortening *shortening;
    struct error error;
    char said[2048]; // by the look's thread, read when it is over
};

static void listen_to(void *context, int level, const char *facility, const char *text) {
    struct testing *testing = context;
    (void)level;
    if (strcmp(facility, "RETENTION") != 0)
        return;
    size_t size = strlen(testing->said);
    snprintf(testing->said + size, sizeof testing->said - size, "%s\n", text);
}

static int set_up(void **state) {
    static struct testing testing;
    testing = (struct testing){.cluster = {.prefix = "p", .name = "n", .tell = listen_to}};
    testing.cluster.tell_context = &testing;
    testing.rk = rd_kafka_new(RD_KAFKA_PRODUCER, NULL, testing.error.text, sizeof testing.error.text);
    testing.mock = rd_kafka_mock_cluster_new(testing.rk, 1);
    testing.cluster.brokers = rd_kafka_mock_cluster_bootstraps(testing.mock);
    rd_kafka_mock_topic_create(testing.mock, TOPIC, 2, 1);
    rd_kafka_mock_topic_create(testing.mock, OTHER, 1, 1);
    assert_int_equal(topics_open(&testing.cluster, 2000, &testing.admin, &testing.error), 0);
    assert_int_equal(shortening_open(testing.admin, &testing.shortening, &testing.error), 0);
    *state = &testing;
    return 0;
}

static int tear_down(void **state) {
    struct testing *testing = *state;
    shortening_close(&testing->shortening);
    topics_close(&testing->admin);
    rd_kafka_mock_cluster_destroy(testing->mock);
    rd_kafka_destroy(testing->rk);
    return 0;
}

static void look(struct testing *testing) {
    testing->said[0] = '\0';
    shortening_start(testing->shortening, INT64_MAX);
    while (shortening_busy(testing->shortening))
        poll(NULL, 0, 10);
}

static void refuse(struct testing *testing, size_t requests) {
    for (size_t i = 0; i < requests; i++)
        rd_kafka_mock_push_request_errors(
            testing->mock, LIST_OFFSETS, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

static void without_anything_to_look_at_it_is_over(void **state) {
    struct testing *testing = *state;
    look(testing);
    assert_string_equal(testing->said, "");
}

static void what_a_topic_refuses_is_told_and_others_go_on(void **state) {
    struct testing *testing = *state;
    assert_int_equal(shortening_add(testing->shortening, OTHER, 0, 0), 0);
    assert_int_equal(shortening_add(testing->shortening, TOPIC, 1, 0), 0);
    assert_int_equal(shortening_add(testing->shortening, "p.to.nobody.there", 0, 0), 0);
    refuse(testing, 2);
    look(testing);
    assert_non_null(strstr(testing->said, "topic " TOPIC ": "));
    assert_non_null(strstr(testing->said, "topic " OTHER ": "));
    assert_null(strstr(testing->said, "nobody"));
    look(testing); // once more, and nothing is in the way
    assert_string_equal(testing->said, "");
}

static void a_cluster_that_is_away_ends_the_look(void **state) {
    struct testing *testing = *state;
    assert_int_equal(shortening_add(testing->shortening, TOPIC, 0, 0), 0);
    look(testing);
    refuse(testing, 1);
    rd_kafka_mock_broker_set_down(testing->mock, 1);
    look(testing);
    assert_null(strstr(testing->said, TOPIC));
    rd_kafka_mock_broker_set_up(testing->mock, 1);
    do // until librdkafka has connected again, and one comes as far as the refusal
        look(testing);
    while (!strstr(testing->said, TOPIC));
    rd_kafka_mock_broker_set_down(testing->mock, 1);
    shortening_start(testing->shortening, INT64_MAX); // and ends within its time
}

static void no_memory_is_said(void **state) {
    struct testing *testing = *state;
    struct shortening *other = NULL;
    int rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = shortening_add(testing->shortening, TOPIC, 0, 1);
        alloc_fail_never();
        assert_true(rc == 0 || rc == -ENOMEM);
    }
    rc = -ENOMEM;
    for (size_t n = 0; rc; n++) {
        alloc_fail_once(n);
        rc = shortening_open(testing->admin, &other, &testing->error);
        alloc_fail_never();
        assert_true(rc == 0 || (rc == -ENOMEM && !other));
    }
    shortening_close(&other);
    shortening_clear(testing->shortening);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_anything_to_look_at_it_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_topic_refuses_is_told_and_others_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cluster_that_is_away_ends_the_look, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory_is_said, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
