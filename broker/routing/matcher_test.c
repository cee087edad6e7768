#include "broker/routing/testing.h"

static const char routes[] = "routes:\n"
                             "  - name: first\n"
                             "    on: gov.public_security.v1.ResidenceRegistered\n"
                             "    from: public_security/population\n"
                             "    when: msg.kind != Kind.VISIT\n"
                             "    order_by: msg.resident.citizen_number\n"
                             "    to:\n"
                             "      - system: housing/tenancy\n"
                             "        agreement: A-1\n"
                             "        as: gov.housing.v1.OccupancyNotice\n"
                             "        map:\n"
                             "          citizen_number: msg.resident.citizen_number\n"
                             "          relation: codes(\"letters\", msg.relation)\n"
                             "      - { system: housing/registry, agreement: A-2 }\n"
                             "    deliver: { retries: 3, backoff: 2s..4s, expires: 1h }\n"
                             "  - name: second\n"
                             "    on: gov.public_security.v1.ResidenceRegistered\n"
                             "    from: public_security/population\n"
                             "    when: 10 / size(msg.household_number) > 1\n"
                             "    order_by: size(msg.household_number)\n"
                             "    to:\n"
                             "      - { system: housing/registry, agreement: A-2 }\n";

static void bench_open(struct bench *bench) {
    bench_open_with(bench, routes);
}

static int match(struct bench *bench, const char *json) {
    return match_json(bench, POPULATION, "gov.public_security.v1.ResidenceRegistered", json);
}

static void dies(const struct match *match, const char *to, int reason, const char *text) {
    assert_string_equal(match->to->address, to);
    assert_int_equal(match->dead_reason, reason);
    assert_null(match->payload.data);
    assert_string_equal(match->type->full_name, "gov.public_security.v1.ResidenceRegistered");
    if (!strstr(match->dead_text, text))
        fail_msg("%s", match->dead_text);
}

#define PERSON "\"resident\": {\"citizenNumber\": \"33010620200101001X\"}"

static void a_message_goes_where_its_routes_lead(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    assert_int_equal(
        match(&bench,
            "{" PERSON ", \"kind\": \"MOVE_IN\", \"relation\": \"10\", \"householdNumber\": \"123\"}"),
        0);
    assert_int_equal(bench.count, 3);
    delivers(&bench.matches[0], "first", "housing/tenancy", "33010620200101001X");
    delivers(&bench.matches[1], "first", "housing/registry", "33010620200101001X");
    delivers(&bench.matches[2], "second", "housing/registry", "3");
    assert_string_equal(bench.matches[0].type->full_name, "gov.housing.v1.OccupancyNotice");
    assert_string_equal(bench.matches[0].agreement, "A-1");
    assert_int_equal(bench.matches[0].retries, 3);
    assert_int_equal(bench.matches[0].backoff_min_ms, 2000);
    assert_int_equal(bench.matches[0].backoff_max_ms, 4000);
    assert_int_equal(bench.matches[0].expires_us, 3600000000);
    assert_int_equal(bench.matches[2].expires_us, 7LL * 86400 * 1000000);
    assert_null(bench.matches[1].payload.data);
    assert_string_equal(payload_of(&bench, &bench.matches[0]),
        "{\"citizenNumber\":\"33010620200101001X\",\"relation\":\"SPOUSE\"}");
    bench_close(&bench);
}

// What the route says nothing of is as the receiver's agency has it.
static void a_system_says_how_it_is_tried(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    struct policy_system *to = // not shared with anybody here
        (void *)(uintptr_t)policy_system_named(bench.policy, bytes_of_string("housing/registry"));
    to->deliver = (struct policy_deliver){
        .retries = 77, .backoff_min_ms = 5, .backoff_max_ms = 6, .expires_us = 8000000};
    assert_int_equal(match(&bench, "{" PERSON ", \"kind\": \"MOVE_IN\", \"relation\": \"10\", "
                                   "\"householdNumber\": \"123\"}"),
        0);
    assert_int_equal(bench.count, 3);
    assert_int_equal(bench.matches[1].retries, 3); // of route "first"
    assert_int_equal(bench.matches[1].expires_us, 3600000000);
    assert_int_equal(bench.matches[2].retries, 77); // route "second" says nothing
    assert_int_equal(bench.matches[2].backoff_min_ms, 5);
    assert_int_equal(bench.matches[2].backoff_max_ms, 6);
    assert_int_equal(bench.matches[2].expires_us, 8000000);
    bench_close(&bench);
}

static void null_is_no_order(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, "routes:\n  - name: maybe\n    on: gov.public_security.v1.ResidenceRegistered\n"
                            "    from: public_security/population\n"
                            "    order_by: 'msg.kind == Kind.MOVE_IN ? null : size(msg.household_number)'\n"
                            "    to:\n      - { system: housing/registry, agreement: A-2 }\n");
    assert_int_equal(match(&bench, "{\"kind\": \"VISIT\", \"householdNumber\": \"123\"}"), 0);
    delivers(&bench.matches[0], "maybe", "housing/registry", "3");
    assert_int_equal(match(&bench, "{\"kind\": \"MOVE_IN\", \"householdNumber\": \"123\"}"), 0);
    delivers(&bench.matches[0], "maybe", "housing/registry", "");
    bench_close(&bench);
}

// What the catalogue doesn't know, no agreement lists.
static void unknown_fields_go_to_nobody(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    const char *type = "gov.public_security.v1.ResidenceRegistered";
    assert_int_equal(match(&bench, "{" PERSON ", \"kind\": \"MOVE_IN\", \"relation\": \"10\"}"), 0);
    struct buffer more = {0};
    assert_int_equal(buffer_append_bytes(&more, buffer_bytes(&bench.payload)), 0);
    assert_int_equal(buffer_append(&more, "\xba\x3e\x06secret", 9), 0);
    assert_int_equal(match_bytes(&bench, POPULATION, type, buffer_bytes(&more), NOW_US), 0);
    assert_int_equal(bench.count, 3);
    assert_false(bench.matches[0].whole);
    assert_string_equal(payload_of(&bench, &bench.matches[0]),
        "{\"citizenNumber\":\"33010620200101001X\",\"relation\":\"SPOUSE\"}");
    assert_true(bench.matches[1].whole);
    assert_true(bytes_equal(bench.matches[1].payload, buffer_bytes(&bench.payload)));
    // and of the message after it nothing is left
    assert_int_equal(match_bytes(&bench, POPULATION, type, buffer_bytes(&bench.payload), NOW_US), 0);
    assert_false(bench.matches[1].whole);
    assert_null(bench.matches[1].payload.data);
    // nothing at all is known
    assert_int_equal(match_bytes(&bench, POPULATION, type, bytes_of("\xba\x3e\x06secret", 9), NOW_US), 0);
    assert_true(bench.matches[1].whole);
    assert_non_null(bench.matches[1].payload.data);
    assert_int_equal(bench.matches[1].payload.size, 0);
    buffer_destroy(&more);
    bench_close(&bench);
}

static void what_no_route_wants_goes_nowhere(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    assert_int_equal(match(&bench, "{\"kind\": \"VISIT\", \"householdNumber\": \"1234567890\"}"), 0);
    assert_int_equal(bench.count, 0);
    const char *lease = "gov.housing.v1.LeaseFiled";
    assert_int_equal(match_bytes(&bench, "housing/tenancy", lease, bytes_of("", 0), NOW_US), 0);
    assert_int_equal(bench.count, 0);
    bench_close(&bench);
}

static void malformed_bytes_are_refused_with_or_without_routes(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    const char *residence = "gov.public_security.v1.ResidenceRegistered";
    const struct bytes cut = bytes_of("\x0a\x05x", 3);
    assert_int_equal(
        match_bytes(&bench, "public_security/population", residence, cut, NOW_US), MATCH_REFUSED);
    assert_true(bench.error.text[0] != '\0');
    bench.error.text[0] = '\0';
    assert_int_equal(match_bytes(&bench, "housing/tenancy", residence, cut, NOW_US), MATCH_REFUSED);
    assert_true(bench.error.text[0] != '\0');
    // Bad UTF-8 in a field that no route reads.
    assert_int_equal(
        match_bytes(&bench, "public_security/population", residence, bytes_of("\x4a\x01\xff", 3), NOW_US),
        MATCH_REFUSED);
    bench_close(&bench);
}

static void what_fails_becomes_a_dead_letter(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    // An unmapped code: only that destination. An empty household number divides by zero: all of the route's
    // destinations.
    assert_int_equal(match(&bench, "{" PERSON ", \"kind\": \"MOVE_IN\", \"relation\": \"77\"}"), 0);
    assert_int_equal(bench.count, 3);
    dies(&bench.matches[0], "housing/tenancy", UNMAPPED, "relation");
    delivers(&bench.matches[1], "first", "housing/registry", "33010620200101001X");
    dies(&bench.matches[2], "housing/registry", FILTER, "when: ");
    bench_close(&bench);
}

// A time that is none, which protobuf can hold.
static void a_time_out_of_range_is_not_passed_on(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, "routes:\n  - name: r\n    on: gov.public_security.v1.ResidenceRegistered\n"
                            "    from: public_security/population\n    to:\n      - system: housing/tenancy\n"
                            "        agreement: A-1\n        as: gov.housing.v1.OccupancyNotice\n"
                            "        map: { since: msg.registered_at }\n");
    const struct bytes payload = bytes_of("\x2a\x08\x08\x80\x80\x80\x80\x80\x80\x40", 10); // 2^48 seconds
    assert_int_equal(
        match_bytes(&bench, POPULATION, "gov.public_security.v1.ResidenceRegistered", payload, NOW_US), 0);
    assert_int_equal(bench.count, 1);
    dies(&bench.matches[0], "housing/tenancy", UNMAPPED, "since: ");
    bench_close(&bench);
}

static void a_subject_has_its_limit(void **state) {
    (void)state;
    struct bench bench;
    char json[600];
    char number[300];
    bench_open(&bench);
    memset(number, '7', sizeof number - 1);
    number[sizeof number - 1] = '\0';
    snprintf(json, sizeof json,
        "{\"resident\": {\"citizenNumber\": \"%s\"}, \"relation\": \"01\", \"householdNumber\": \"1\"}",
        number);
    assert_int_equal(match(&bench, json), 0);
    assert_int_equal(bench.count, 3);
    dies(&bench.matches[0], "housing/tenancy", FILTER, "order_by: 299 bytes");
    dies(&bench.matches[1], "housing/registry", FILTER, "order_by: 299 bytes");
    delivers(&bench.matches[2], "second", "housing/registry", "1");
    bench_close(&bench);
}

static void an_agreement_that_ended_discloses_nothing(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    assert_int_equal(match(&bench, "{" PERSON ", \"relation\": \"01\", \"householdNumber\": \"1\"}"), 0);
    // In 2099 only A-1 holds, in 2100 none.
    const int64_t year_2099 = 4072000000000000;
    const char *type = "gov.public_security.v1.ResidenceRegistered";
    struct bytes payload = buffer_bytes(&bench.payload);
    assert_int_equal(match_bytes(&bench, "public_security/population", type, payload, year_2099), 0);
    assert_int_equal(bench.count, 3);
    delivers(&bench.matches[0], "first", "housing/tenancy", "33010620200101001X");
    dies(&bench.matches[1], "housing/registry", NOT_ALLOWED, "agreement A-2 is not in force");
    assert_int_equal(
        match_bytes(&bench, "public_security/population", type, payload, year_2099 + 31536000000000), 0);
    dies(&bench.matches[0], "housing/tenancy", NOT_ALLOWED, "agreement A-1 is not in force");
    bench_close(&bench);
}

static void without_memory_matching_fails_whole(void **state) {
    (void)state;
    struct bench bench;
    bench_open(&bench);
    assert_int_equal(match(&bench, "{" PERSON ", \"relation\": \"77\", \"householdNumber\": \"1\"}"), 0);
    assert_int_equal(buffer_append(&bench.payload, "\xba\x3e\x06secret", 9), 0); // known to nobody
    bool complete = false;
    for (size_t n = 0; !complete; n++) {
        alloc_fail_after(n);
        struct matcher *matcher = matcher_new(bench.routes);
        int rc = -ENOMEM;
        const struct match *matches;
        size_t count = 99;
        if (matcher)
            rc = matcher_match(matcher,
                policy_system_named(bench.policy, bytes_of_string("public_security/population")),
                type_named(&bench, "gov.public_security.v1.ResidenceRegistered"), (struct bytes){0},
                buffer_bytes(&bench.payload), NOW_US, &matches, &count, &bench.error);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_int_equal(rc, complete ? 0 : -ENOMEM);
        matcher_destroy(&matcher);
    }
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_where_its_routes_lead),
        cmocka_unit_test(a_system_says_how_it_is_tried),
        cmocka_unit_test(null_is_no_order),
        cmocka_unit_test(unknown_fields_go_to_nobody),
        cmocka_unit_test(what_no_route_wants_goes_nowhere),
        cmocka_unit_test(malformed_bytes_are_refused_with_or_without_routes),
        cmocka_unit_test(what_fails_becomes_a_dead_letter),
        cmocka_unit_test(a_time_out_of_range_is_not_passed_on),
        cmocka_unit_test(a_subject_has_its_limit),
        cmocka_unit_test(an_agreement_that_ended_discloses_nothing),
        cmocka_unit_test(without_memory_matching_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
