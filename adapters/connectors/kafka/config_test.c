// The examples of docs/adapters-kafka.md are right, and mistakes are told at their place.
#include "adapters/connectors/kafka/kafka.h"

#include "adapters/runtime/config_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_examples(void **state) {
    (void)state;
    testing_examples(&kafka_connector, HUTONG_SOURCE_DIR "/docs/adapters-kafka.md", 2);
}

static void check(const char *yaml, const char *const *expected) {
    struct buffer out = {0};
    testing_configure(&kafka_connector, "a.yaml", bytes_of_string(yaml), &out);
    assert_non_null(buffer_text(&out));
    for (; *expected; expected++) {
        if (!strstr((const char *)out.data, *expected))
            fprintf(stderr, "%s\nhas no \"%s\"\n", (const char *)out.data, *expected);
        assert_non_null(strstr((const char *)out.data, *expected));
    }
    buffer_destroy(&out);
}

static void test_mistakes(void **state) {
    (void)state;
    static const char *const expected[] = {
        "a.yaml:4:5: error: librdkafka has no setting \"security.protcol\"; did you mean",
        "a.yaml:5:5: error: sasl.password is no setting here; say password_file or password_env",
        "a.yaml:6:5: error: acks is no setting here: the connector depends on how it is set",
        "a.yaml:7:16: error: Invalid value for configuration property",
        "a.yaml:9:17: error: a secret is in a file or in the environment, not in both",
        "a.yaml:10:11: error: ",
        "a.yaml:12:22: error: the catalogue has no type \"gov.housing.v1.LeaseField\"; did you mean",
        "\"gov.housing.v1.LeaseFiled\"?",
        "a.yaml:13:57: error: expected a whole number",
        "a.yaml:14:10: error: ",
        "\"read\" needs \"group\"",
        "a.yaml:16:16: error: a topic has 1 to 249 letters",
        "error: format json needs \"as\"",
        "a.yaml:17:29: error: \"subject\" reads the fields of one type: say \"as\"",
        "a.yaml:18:67: error: ",
        "did you mean lease_number?",
        "a.yaml:19:43: error: with format confluent the type is what \"schemas\" says",
        "a.yaml:20:28: error: ",
        "\"take\" needs \"positions\"",
        "a.yaml:22:61: error: \"schemas\" has no id for gov.housing.v1.TenancyMarked",
        "a.yaml:23:73: error: \"mode\" and \"data\" are of format cloudevents",
        "a.yaml:24:59: error: ",
        NULL,
    };
    check("kafka:\n"
          "  brokers: x:1\n"
          "  settings:\n"
          "    security.protcol: SASL_SSL\n"
          "    sasl.password: secret\n"
          "    acks: 1\n"
          "    linger.ms: often\n"
          "  password_file: a\n"
          "  password_env: A\n"
          "  record: 1 GiB\n"
          "  schemas:\n"
          "    - { id: 1, type: gov.housing.v1.LeaseField }\n"
          "    - { id: 2, type: gov.housing.v1.LeaseFiled, index: [a] }\n"
          "  start: begin\n"
          "  read:\n"
          "    - { topic: a b, format: json }\n"
          "    - { topic: ok, subject: msg.x }\n"
          "    - { topic: t1, as: gov.housing.v1.TenancyMarked, subject: msg.lease_numbr }\n"
          "    - { topic: t2, format: confluent, as: gov.housing.v1.LeaseFiled }\n"
          "    - { topic: t3, format: avro }\n"
          "  take:\n"
          "    - { on: gov.housing.v1.TenancyMarked, topic: x, format: confluent }\n"
          "    - { on: gov.housing.v1.TenancyMarked, topic: x, format: json, mode: binary }\n"
          "    - { on: gov.housing.v1.TenancyMarked, topic: x, mode: whole }\n",
        expected);
}

static void test_nothing_to_do(void **state) {
    (void)state;
    check("kafka:\n  brokers: x:1\n", (const char *const[]){"say read: or take:", NULL});
    check("kafka:\n  group: x\n", (const char *const[]){"brokers", NULL});
    check("kafka:\n  brokers: x:1\n  group: g\n  read:\n    - topic: a\n    - topic: a\n",
        (const char *const[]){"a.yaml:6:14: error: topic a is read above already", NULL});
    check("kafka:\n  brokers: x:1\n  group: g\n  read: []\n",
        (const char *const[]){"lists at least one topic", NULL});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
