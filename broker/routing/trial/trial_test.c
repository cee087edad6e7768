#include "broker/routing/testing.h"
#include "broker/routing/trial/trial.h"

#include <jansson.h>

#define RESIDENCE "gov.public_security.v1.ResidenceRegistered"
#define REPLY "gov.public_security.v1.HouseholdReply"
#define ROUTE(name, type, condition)                                                                         \
    "  - name: " name "\n    on: " type "\n    from: " POPULATION "\n" condition                             \
    "    to:\n      - system: housing/tenancy\n        agreement: A-1\n"                                     \
    "        as: gov.housing.v1.OccupancyNotice\n        map:\n"

static const char set[] = "routes:\n" ROUTE("plain", RESIDENCE,
    "    order_by: msg.resident.citizen_number\n") "          relation: "
                                                   "codes(\"letters\", msg.relation)\n"
                                                   "          citizen_number: "
                                                   "msg.resident.citizen_"
                                                   "number\n" ROUTE("both", RESIDENCE,
                                                       "    when: >\n      msg.kind "
                                                       "!= Kind.VISIT &&\n      "
                                                       "msg.address.text.startsWith('"
                                                       "杭州')\n") "          "
                                                                   "unit_code: "
                                                                   "msg.address.unit_"
                                                                   "code\n" ROUTE("fai"
                                                                                  "ls",
                                                                       RESIDENCE,
                                                                       "    when: 10 "
                                                                       "/ "
                                                                       "size(msg."
                                                                       "household_"
                                                                       "number) > 1\n") "          "
                                                                                        "unit_code: "
                                                                                        "msg.address.unit_"
                                                                                        "code\n" ROUTE("orde"
                                                                                                       "r",
                                                                                            RESIDENCE,
                                                                                            "    order_by: "
                                                                                            "6 / "
                                                                                            "(size(msg."
                                                                                            "household_"
                                                                                            "number) - "
                                                                                            "3)\n") "      "
                                                                                                    "    "
                                                                                                    "unit_"
                                                                                                    "code: "
                                                                                                    "msg."
                                                                                                    "addres"
                                                                                                    "s."
                                                                                                    "unit_"
                                                                                                    "code"
                                                                                                    "\n" ROUTE(
                                                                                                        "memb"
                                                                                                        "ers",
                                                                                                        REPLY,
                                                                                                        "  "
                                                                                                        "  "
                                                                                                        "sp"
                                                                                                        "li"
                                                                                                        "t:"
                                                                                                        " m"
                                                                                                        "sg"
                                                                                                        ".m"
                                                                                                        "em"
                                                                                                        "be"
                                                                                                        "rs"
                                                                                                        "\n") "          relation: codes(\"letters\", item.relation)\n";

struct stage {
    struct bench bench;
    struct trial *trial;
    struct buffer out;
    struct error error;
};

static void stage_open(struct stage *stage, const char *routes) {
    *stage = (struct stage){0};
    bench_open_with(&stage->bench, routes);
    matcher_destroy(&stage->bench.matcher);
    assert_int_equal(trial_new(stage->bench.routes, &stage->trial), 0);
    assert_ptr_equal(trial_routes(stage->trial), stage->bench.routes);
}

static void stage_close(struct stage *stage) {
    trial_destroy(&stage->trial);
    buffer_destroy(&stage->out);
    bench_close(&stage->bench);
}

static struct trial_message message_of(struct stage *stage, const char *type, const char *json) {
    const struct policy *policy = stage->bench.policy;
    struct error error = {0};
    struct trial_message message = {.from = policy_system_named(policy, bytes_of_string(POPULATION)),
        .type = catalogue_message(policy_catalogue(policy), bytes_of_string(type)),
        .subject = bytes_of_string("S"),
        .now_us = NOW_US};
    buffer_clear(&stage->bench.payload);
    int rc = json_to_message(message.type, bytes_of_string(json), &stage->bench.payload, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(rc, 0);
    message.payload = buffer_bytes(&stage->bench.payload);
    return message;
}

// What is printed, with the folder of the test written as ".".
static const char *explained(
    struct stage *stage, const char *type, const char *json, const struct trial_options *options) {
    const struct trial_result *result;
    struct trial_message message = message_of(stage, type, json);
    assert_int_equal(trial_run(stage->trial, &message, true, &result, &stage->error), 0);
    buffer_clear(&stage->out);
    assert_int_equal(trial_print(stage->trial, &message, result, options, &stage->out), 0);
    char *text = (char *)(uintptr_t)buffer_text(&stage->out);
    const char *folder = stage->bench.tree.folder;
    for (char *at = text; (at = strstr(at, folder));)
        memmove(at, at + strlen(folder) - 1, strlen(at + strlen(folder) - 1) + 1), *at = '.';
    return text;
}

static const char *only(struct stage *stage, const char *route, const char *type, const char *json) {
    const struct trial_options options = {.only = route};
    const char *text = explained(stage, type, json, &options);
    const char *start = strstr(text, "\n\n");
    return start ? start + 2 : text;
}

static void a_match_is_printed_with_its_bytes(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    const struct trial_options options = {.only = "plain", .bytes = true};
    assert_string_equal(explained(&stage, RESIDENCE,
                            "{\"resident\": {\"citizenNumber\": \"7\"}, \"relation\": \"10\", "
                            "\"householdNumber\": \"1234\"}",
                            &options),
        RESIDENCE "\n  from public_security/population, 15 bytes, subject \"S\", at 2026-09-21T14:13:20Z\n\n"
                  "plain matches (./routes/r.yaml:2)\n"
                  "  -> housing/tenancy, under A-1\n"
                  "     gov.housing.v1.OccupancyNotice, 11 bytes\n"
                  "     in order of \"7\"; 10 retries, 1s..10m apart; expires after 7d\n"
                  "       {\n"
                  "         \"citizen_number\": \"7\",\n"
                  "         \"relation\": \"SPOUSE\"\n"
                  "       }\n"
                  "       0000  0a 01 37 1a 06 53 50 4f  55 53 45                 |..7..SPOUSE|\n\n"
                  "1 of 1 route matches: 1 delivery, 0 dead letters\n");
    stage_close(&stage);
}

static void a_dead_letter_is_printed_with_its_reason(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    assert_string_equal(
        only(&stage, "plain", RESIDENCE, "{\"relation\": \"99\", \"householdNumber\": \"1\"}"),
        "plain matches (./routes/r.yaml:2)\n"
        "  -x housing/tenancy: dead letter UNMAPPED\n"
        "     relation: unmapped code \"99\" in map letters\n\n"
        "1 of 1 route matches: 0 deliveries, 1 dead letter\n");
    stage_close(&stage);
}

static void the_false_part_is_underlined(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    assert_string_equal(
        only(&stage, "both", RESIDENCE, "{\"address\": {\"text\": \"宁波\"}, \"householdNumber\": \"1\"}"),
        "both doesn't match (./routes/r.yaml:13)\n"
        "  ./routes/r.yaml:18:7: this was false\n"
        "   18 |       msg.address.text.startsWith('杭州')\n"
        "      |       ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "      | msg.address.text is \"宁波\"\n\n"
        "0 of 1 route match: 0 deliveries, 0 dead letters\n");
    stage_close(&stage);
}

static void what_fails_is_underlined(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    assert_string_equal(only(&stage, "fails", RESIDENCE, "{\"relation\": \"01\"}"),
        "fails failed (./routes/r.yaml:25)\n"
        "  ./routes/r.yaml:28:11: failed: division by zero\n"
        "   28 |     when: 10 / size(msg.household_number) > 1\n"
        "      |           ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "      | msg.household_number is \"\"\n"
        "  -x housing/tenancy: dead letter FILTER\n"
        "     when: division by zero\n\n"
        "0 of 1 route match: 0 deliveries, 1 dead letter\n");
    assert_string_equal(only(&stage, "order", RESIDENCE, "{\"householdNumber\": \"123\"}"),
        "order failed (./routes/r.yaml:35)\n"
        "  ./routes/r.yaml:38:15: failed: division by zero\n"
        "   38 |     order_by: 6 / (size(msg.household_number) - 3)\n"
        "      |               ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "  -x housing/tenancy: dead letter FILTER\n"
        "     order_by: division by zero\n\n"
        "0 of 1 route match: 0 deliveries, 1 dead letter\n");
    stage_close(&stage);
}

static void elements_have_their_number(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    assert_string_equal(
        only(&stage, "members", REPLY, "{\"members\": [{\"relation\": \"01\"}, {\"relation\": \"9\"}]}"),
        "members matches (./routes/r.yaml:45)\n"
        "  -> housing/tenancy, item 0, under A-1\n"
        "     gov.housing.v1.OccupancyNotice, 6 bytes\n"
        "     in order of \"S\"; 10 retries, 1s..10m apart; expires after 7d\n"
        "       {\n"
        "         \"relation\": \"SELF\"\n"
        "       }\n"
        "  -x housing/tenancy, item 1: dead letter UNMAPPED\n"
        "     item 1: relation: unmapped code \"9\" in map letters\n\n"
        "1 of 1 route matches: 1 delivery, 1 dead letter\n");
    assert_string_equal(only(&stage, "members", REPLY, "{}"),
        "members matches (./routes/r.yaml:45)\n"
        "  -> nobody: \"split\" gives no element\n\n"
        "1 of 1 route matches: 0 deliveries, 0 dead letters\n");
    stage_close(&stage);
}

static void other_routes_are_named(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    assert_string_equal(explained(&stage, "gov.public_security.v1.DeathRegistered", "{}",
                            &(struct trial_options){.only = "members"}),
        "gov.public_security.v1.DeathRegistered\n"
        "  from public_security/population, 0 bytes, subject \"S\", at 2026-09-21T14:13:20Z\n\n"
        "Not looked at:\n"
        "  members (./routes/r.yaml:45): is on gov.public_security.v1.HouseholdReply\n\n"
        "No route takes it: it is accepted, recorded, and delivered to nobody.\n");
    struct trial_message message = message_of(&stage, RESIDENCE, "{}");
    const struct trial_result *result;
    // Routes take it, but not the one that is asked for: nothing is added up.
    assert_string_equal(only(&stage, "members", RESIDENCE, "{}"),
        "Not looked at:\n  members (./routes/r.yaml:45): is on gov.public_security.v1.HouseholdReply\n");
    message.from = policy_system_named(stage.bench.policy, bytes_of_string("housing/tenancy"));
    assert_int_equal(trial_run(stage.trial, &message, true, &result, &stage.error), MATCH_REFUSED);
    assert_string_equal(stage.error.text, "NOT_ALLOWED: housing/tenancy may not publish " RESIDENCE);
    stage_close(&stage);
}

static void what_the_broker_refuses_is_refused(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    const struct trial_result *result;
    struct trial_message message = message_of(&stage, RESIDENCE, "{}");
    message.payload = bytes_of("\x0a\x05zz", 4);
    assert_int_equal(trial_run(stage.trial, &message, true, &result, &stage.error), MATCH_REFUSED);
    assert_non_null(strstr(stage.error.text, "INVALID: "));
    assert_non_null(strstr(stage.error.text, "resident"));
    message.payload.size = ((size_t)8 << 20) + 1;
    assert_int_equal(trial_run(stage.trial, &message, true, &result, &stage.error), MATCH_REFUSED);
    assert_string_equal(stage.error.text, "TOO_LARGE: a payload of 8388609 bytes; 8388608 are allowed");
    stage_close(&stage);
}

static void as_an_object_it_says_the_same(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    const struct trial_result *result;
    struct trial_message message =
        message_of(&stage, RESIDENCE, "{\"kind\": \"VISIT\", \"relation\": \"01\"}");
    assert_int_equal(trial_run(stage.trial, &message, true, &result, &stage.error), 0);
    json_t *object = trial_json(stage.trial, &message, result, &(struct trial_options){0});
    char *text = json_dumps(object, JSON_COMPACT);
    assert_non_null(strstr(text, "\"verdict\":\"not_matched\""));
    assert_non_null(strstr(text, "\"expression\":\"msg.kind != Kind.VISIT\",\"failed\":null,\"values\":"
                                 "[{\"expression\":\"msg.kind\",\"value\":\"VISIT (6)\"}]"));
    assert_non_null(strstr(text, "\"data\":{\"relation\":\"SELF\"},\"bytes\":\"1a0453454c46\""));
    assert_non_null(strstr(text, "\"dead\":\"FILTER\",\"text\":\"when: division by zero\""));
    assert_non_null(strstr(text, "\"why\":\"type\",\"on\":\"" REPLY "\",\"from\":\"" POPULATION "\""));
    assert_non_null(strstr(text, "\"delivered\":2,\"dead\":1}"));
    free(text);
    json_decref(object);
    stage_close(&stage);
}

// Each allocation fails once: -ENOMEM, and the next run is whole.
static void without_memory_it_fails_whole(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage, set);
    struct trial_message message = message_of(&stage, RESIDENCE, "{\"kind\": \"VISIT\"}");
    trial_destroy(&stage.trial);
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        const struct trial_result *result = NULL;
        buffer_destroy(&stage.out);
        alloc_fail_after(n);
        rc = trial_new(stage.bench.routes, &stage.trial);
        rc = rc ? rc : trial_run(stage.trial, &message, true, &result, &stage.error);
        rc = rc ? rc
                : trial_print(
                      stage.trial, &message, result, &(struct trial_options){.bytes = true}, &stage.out);
        alloc_fail_never();
        trial_destroy(&stage.trial);
        assert_true(n < 5000);
    }
    assert_int_equal(rc, 0);
    assert_non_null(strstr(buffer_text(&stage.out), "2 of 4 routes match: 1 delivery, 2 dead letters\n"));
    stage_close(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_is_printed_with_its_bytes),
        cmocka_unit_test(a_dead_letter_is_printed_with_its_reason),
        cmocka_unit_test(the_false_part_is_underlined),
        cmocka_unit_test(what_fails_is_underlined),
        cmocka_unit_test(elements_have_their_number),
        cmocka_unit_test(other_routes_are_named),
        cmocka_unit_test(what_the_broker_refuses_is_refused),
        cmocka_unit_test(as_an_object_it_says_the_same),
        cmocka_unit_test(without_memory_it_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
