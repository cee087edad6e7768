// One message for each element of a list.
#include "broker/routing/testing.h"

#define REPLY "gov.public_security.v1.HouseholdReply"

#define HEAD "routes:\n  - name: members\n    on: " REPLY "\n    from: " POPULATION "\n    when: msg.found\n"
#define TO_TENANCY                                                                                           \
    "    to:\n      - system: housing/tenancy\n        agreement: A-1\n"                                     \
    "        as: gov.housing.v1.OccupancyNotice\n        map:\n"
static const char members[] =
    HEAD "    split: msg.members.filter(m, m.status != HouseholdMember.Status.DECEASED)\n"
         "    order_by: item.person.citizen_number\n" TO_TENANCY
         "          citizen_number: item.person.citizen_number\n"
         "          unit_code: msg.address.unit_code + \"-\" + string(index)\n"
         "          relation: codes(\"letters\", item.relation)\n";

static int match(struct bench *bench, const char *json) {
    return match_json(bench, POPULATION, REPLY, json);
}

#define MEMBER(number, relation, status)                                                                     \
    "{\"person\": {\"citizenNumber\": \"" number "\"}, \"relation\": \"" relation                            \
    "\", \"status\": \"" status "\"}"

static void each_element_is_a_message(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, members);
    assert_int_equal(
        match(&bench,
            "{\"found\": true, \"address\": {\"unitCode\": \"U\"}, \"members\": [" MEMBER("1", "01",
                "REGISTERED") "," MEMBER("2", "10", "DECEASED") "," MEMBER("3", "10", "MOVED_OUT") "]}"),
        0);
    assert_int_equal(bench.count, 2);
    delivers(&bench.matches[0], "members", "housing/tenancy", "1");
    delivers(&bench.matches[1], "members", "housing/tenancy", "3");
    assert_int_equal(bench.matches[0].element, 1);
    assert_int_equal(bench.matches[1].element, 2);
    assert_string_equal(payload_of(&bench, &bench.matches[0]),
        "{\"citizenNumber\":\"1\",\"unitCode\":\"U-0\",\"relation\":\"SELF\"}");
    assert_string_equal(payload_of(&bench, &bench.matches[1]),
        "{\"citizenNumber\":\"3\",\"unitCode\":\"U-1\",\"relation\":\"SPOUSE\"}");
    bench_close(&bench);
}

static void an_empty_list_goes_nowhere(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, members);
    assert_int_equal(match(&bench, "{\"found\": true}"), 0);
    assert_int_equal(bench.count, 0);
    assert_int_equal(match(&bench, "{\"members\": [" MEMBER("1", "01", "REGISTERED") "]}"), 0);
    assert_int_equal(bench.count, 0); // `when` is asked of the whole
    bench_close(&bench);
}

// The others go on.
static void an_element_dies_alone(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, members);
    assert_int_equal(match(&bench, "{\"found\": true, \"members\": [" MEMBER(
                                       "1", "77", "REGISTERED") "," MEMBER("2", "10", "REGISTERED") "]}"),
        0);
    assert_int_equal(bench.count, 2);
    assert_int_equal(bench.matches[0].dead_reason, UNMAPPED);
    assert_int_equal(bench.matches[0].element, 1);
    if (strncmp(bench.matches[0].dead_text, "item 0: relation: ", 18) != 0)
        fail_msg("%s", bench.matches[0].dead_text);
    assert_string_equal(bench.matches[0].type->full_name, REPLY);
    delivers(&bench.matches[1], "members", "housing/tenancy", "2");
    bench_close(&bench);
}

static const char odd[] =
    HEAD "    split: '[4, 2, 1].map(x, 8 / (x - int(msg.household_number)))'\n"
         "    order_by: 100 / (item - 1)\n" TO_TENANCY "          citizen_number: string(item)\n";

static void dies(const struct match *match, int reason, const char *text) {
    assert_int_equal(match->dead_reason, reason);
    if (!strstr(match->dead_text, text))
        fail_msg("%s", match->dead_text);
}

static void what_fails_dies_with_its_reason(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, odd);
    // 8/4, 8/2, 8/1; none is 1.
    assert_int_equal(match(&bench, "{\"found\": true, \"householdNumber\": \"0\"}"), 0);
    assert_int_equal(bench.count, 3);
    delivers(&bench.matches[0], "members", "housing/tenancy", "100");
    delivers(&bench.matches[1], "members", "housing/tenancy", "33");
    // 8/8, 8/6, 8/5: all are 1.
    assert_int_equal(match(&bench, "{\"found\": true, \"householdNumber\": \"-4\"}"), 0);
    assert_int_equal(bench.count, 3);
    dies(&bench.matches[0], FILTER, "item 0: order_by: division by zero");
    dies(&bench.matches[2], FILTER, "item 2: order_by: division by zero");
    // The list itself.
    assert_int_equal(match(&bench, "{\"found\": true, \"householdNumber\": \"1\"}"), 0);
    assert_int_equal(bench.count, 1);
    assert_int_equal(bench.matches[0].element, 0);
    dies(&bench.matches[0], FILTER, "split: division by zero");
    bench_close(&bench);
}

static struct bytes household(struct bench *bench, size_t count) {
    static const uint8_t found[] = {0x08, 0x01};
    static const uint8_t member[] = {0x22, 0x09, 0x0a, 0x03, 0x0a, 0x01, '7', 0x12, 0x02, '0', '1'};
    buffer_clear(&bench->payload);
    assert_int_equal(buffer_append(&bench->payload, found, sizeof found), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buffer_append(&bench->payload, member, sizeof member), 0);
    return buffer_bytes(&bench->payload);
}

// An element that has the wanted type needs no list of its fields.
static void an_element_goes_as_it_is(void **state) {
    (void)state;
    struct bench bench;
    char folder[128];
    struct report *report = report_new(0);
    bench_open_with(&bench, members);
    tree_write(&bench.tree, "agreements/v.yaml",
        "agreement: V\nprovider: public_security\nreceiver: housing/tenancy\n"
        "type: gov.public_security.v1.Vehicle\nfields: [plate_number, plate_type, vin, model, registered_on, "
        "owner_citizen_number]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
    tree_write(&bench.tree, "routes/r.yaml",
        HEAD "    split: msg.vehicles\n    to:\n      - system: housing/tenancy\n        agreement: V\n"
             "        as: gov.public_security.v1.Vehicle\n        map: item\n");
    struct policy *policy = tree_load(&bench.tree, report);
    snprintf(folder, sizeof folder, "%s/routes", bench.tree.folder);
    struct routes *routes = routes_load(policy, folder, report);
    assert_string_equal(tree_printed(&bench.tree, report), "");
    struct matcher *matcher = matcher_new(routes);
    static const uint8_t payload[] = {0x08, 0x01, 0x2a, 0x03, 0x0a, 0x01, 'A', 0x2a, 0x00};
    assert_int_equal(
        matcher_match(matcher, policy_system_named(policy, bytes_of_string(POPULATION)),
            catalogue_message(policy_catalogue(policy), bytes_of_string(REPLY)), (struct bytes){0},
            bytes_of(payload, sizeof payload), NOW_US, &bench.matches, &bench.count, &bench.error),
        0);
    assert_int_equal(bench.count, 2);
    assert_string_equal(payload_of(&bench, &bench.matches[0]), "{\"plateNumber\":\"A\"}");
    assert_string_equal(payload_of(&bench, &bench.matches[1]), "{}");
    matcher_destroy(&matcher);
    routes_destroy(&routes);
    policy_destroy(&policy);
    report_destroy(&report);
    bench_close(&bench);
}

static void there_is_a_limit(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, members);
    assert_int_equal(match_bytes(&bench, POPULATION, REPLY, household(&bench, 1000), NOW_US), 0);
    assert_int_equal(bench.count, 1000);
    delivers(&bench.matches[999], "members", "housing/tenancy", "7");
    assert_int_equal(bench.matches[999].element, 1000);
    assert_int_equal(match_bytes(&bench, POPULATION, REPLY, household(&bench, 1001), NOW_US), 0);
    assert_int_equal(bench.count, 1);
    dies(&bench.matches[0], TOO_LARGE, "split: 1001 elements; a message is split into at most 1000");
    bench_close(&bench);
}

// All routes together.
static void a_message_has_its_limit(void **state) {
    (void)state;
    struct bench bench;
    struct buffer routes = {0};
    assert_int_equal(buffer_append_string(&routes, "routes:\n"), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(buffer_append_format(&routes,
                             "  - name: r%d\n    on: " REPLY "\n    from: " POPULATION
                             "\n    split: msg.members\n" TO_TENANCY
                             "          citizen_number: item.person.citizen_number\n",
                             i),
            0);
    bench_open_with(&bench, buffer_text(&routes));
    assert_int_equal(match_bytes(&bench, POPULATION, REPLY, household(&bench, 819), NOW_US), 0);
    assert_int_equal(bench.count, 4095);
    assert_int_equal(match_bytes(&bench, POPULATION, REPLY, household(&bench, 820), NOW_US), MATCH_TOO_LARGE);
    assert_string_equal(bench.error.text, "the routes make more than 4096 deliveries of it");
    buffer_destroy(&routes);
    bench_close(&bench);
}

static void without_memory_matching_fails_whole(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, members);
    struct bytes payload = household(&bench, 100); // more than the first room for matches
    bool complete = false;
    for (size_t n = 0; !complete; n++) {
        alloc_fail_after(n);
        struct matcher *matcher = matcher_new(bench.routes);
        int rc = -ENOMEM;
        size_t count = 99;
        if (matcher)
            rc = matcher_match(matcher, policy_system_named(bench.policy, bytes_of_string(POPULATION)),
                type_named(&bench, REPLY), (struct bytes){0}, payload, NOW_US, &bench.matches, &count,
                &bench.error);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_int_equal(rc, complete ? 0 : -ENOMEM);
        matcher_destroy(&matcher);
    }
    bench_close(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_is_a_message),
        cmocka_unit_test(an_empty_list_goes_nowhere),
        cmocka_unit_test(an_element_dies_alone),
        cmocka_unit_test(what_fails_dies_with_its_reason),
        cmocka_unit_test(an_element_goes_as_it_is),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(a_message_has_its_limit),
        cmocka_unit_test(without_memory_matching_fails_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
