// Which topics there must be, and how each is kept. No cluster.
#include "broker/kafka/topics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const destinations[] = {"housing/tenancy", "civil_affairs/registration"};

static struct topics_wanted wanted_of(int replication) {
    return (struct topics_wanted){.destinations = destinations,
        .destination_count = 2,
        .partitions = 6,
        .replication = replication,
        .retention_ms = 1000};
}

static const struct topic *find(const struct topics *topics, const char *name) {
    for (size_t i = 0; i < topics->count; i++)
        if (strcmp(topics->items[i].name, name) == 0)
            return &topics->items[i];
    fail_msg("no topic %s", name);
    abort(); // it never comes here
}

static void expect(const struct topic *topic, const char *name, const char *value, enum topic_rule rule) {
    for (size_t i = 0; i < topic->setting_count; i++)
        if (strcmp(topic->settings[i].name, name) == 0) {
            assert_string_equal(topic->settings[i].value, value);
            assert_int_equal(topic->settings[i].rule, rule);
            return;
        }
    fail_msg("%s has no %s", topic->name, name);
}

static void test_plan(void **state) {
    (void)state;
    struct topics topics;
    struct error error;
    const struct topics_wanted wanted = wanted_of(3);
    assert_int_equal(topics_plan("b", &wanted, &topics, &error), 0);
    assert_int_equal(topics.count, 8);
    assert_int_equal(find(&topics, "b.bus")->partitions, 1);
    const struct topic *to = find(&topics, "b.to.housing.tenancy");
    assert_int_equal(to->partitions, 6);
    expect(to, "cleanup.policy", "delete", TOPIC_EXACTLY);
    expect(to, "retention.ms", "-1", TOPIC_EXACTLY);
    expect(to, "retention.bytes", "-1", TOPIC_EXACTLY);
    expect(to, "min.insync.replicas", "2", TOPIC_AT_LEAST);
    expect(to, "max.message.bytes", "9502720", TOPIC_AT_LEAST);
    expect(find(&topics, "b.dead.civil_affairs.registration"), "retention.ms", "-1", TOPIC_EXACTLY);
    expect(find(&topics, "b.record"), "retention.ms", "1000", TOPIC_AT_LEAST);
    expect(find(&topics, "b.streams"), "cleanup.policy", "compact", TOPIC_EXACTLY);
    assert_int_equal(find(&topics, "b.state")->setting_count, 4);
    topics_destroy(&topics);
}

static void test_replicas_and_retention(void **state) {
    (void)state;
    struct topics topics;
    struct error error;
    struct topics_wanted wanted = wanted_of(2);
    wanted.retention_ms = -1;
    wanted.record_limit = 1000;
    assert_int_equal(topics_plan("b", &wanted, &topics, &error), 0);
    expect(find(&topics, "b.record"), "retention.ms", "-1", TOPIC_EXACTLY);
    expect(find(&topics, "b.record"), "min.insync.replicas", "1", TOPIC_AT_LEAST);
    expect(find(&topics, "b.record"), "max.message.bytes", "66536", TOPIC_AT_LEAST);
    topics_destroy(&topics);
}

static void refuse(struct topics_wanted wanted, const char *says) {
    struct topics topics = {0};
    struct error error = {0};
    assert_int_equal(topics_plan("b", &wanted, &topics, &error), -EINVAL);
    assert_non_null(strstr(error.text, says));
    assert_null(topics.items);
}

static void test_what_cannot_be(void **state) {
    (void)state;
    static const char *const wrong[] = {"housing/tenancy", "nowhere"};
    struct topics_wanted wanted = wanted_of(3);
    wanted.partitions = 0;
    refuse(wanted, "1 to 10000 partitions, not 0");
    wanted.partitions = TOPICS_PARTITIONS + 1;
    refuse(wanted, "partitions, not 10001");
    refuse(wanted_of(0), "replicas, not 0");
    wanted = wanted_of(3);
    wanted.destinations = wrong;
    refuse(wanted, "\"nowhere\" has no topic");
    wanted.destination_count = TOPICS_DESTINATIONS + 1;
    refuse(wanted, "8000 destinations at most");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_replicas_and_retention),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
