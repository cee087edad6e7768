#include "broker/policy/testing.h"
#include "broker/routing/routing.h"

#include "test/support/alloc_fail.h"

// What is reported of a set of routes beside the tree's configuration: first its lines without excerpts.
static const char *report_of(const struct tree *tree, struct report *report) {
    char folder[128];
    struct policy *policy = tree_load(tree, report);
    assert_non_null(policy);
    snprintf(folder, sizeof folder, "%s/routes", tree->folder);
    struct routes *routes = routes_load(policy, folder, report);
    assert_true((routes == NULL) == (report_errors(report) > 0));
    routes_destroy(&routes);
    policy_destroy(&policy);
    return tree_printed(tree, report);
}

static void only(const char *source, const char *expected) {
    struct tree tree;
    char line[1024];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml", source);
    const char *all = report_of(&tree, report);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(all, "\n"), all);
    assert_string_equal(line, expected);
    assert_int_equal(report_size(report), expected[0] != '\0');
    report_destroy(&report);
    tree_remove(&tree);
}

#define ROUTE(name, on, from, rest) "routes:\n  - name: " name "\n    on: " on "\n    from: " from "\n" rest
#define RESIDENCE "gov.public_security.v1.ResidenceRegistered"
#define GOOD_MAP "        map: { citizen_number: msg.resident.citizen_number, since: msg.registered_at }\n"
#define TO(system, agreement, as, map)                                                                       \
    "    to:\n      - system: " system "\n        agreement: " agreement "\n        as: " as "\n" map
#define GOOD_TO TO("housing/tenancy", "A-1", "gov.housing.v1.OccupancyNotice", GOOD_MAP)
#define GOOD(rest) ROUTE("r", RESIDENCE, "public_security/population", rest GOOD_TO)

static void good_routes_load(void **state) {
    (void)state;
    only(GOOD(""), "");
    only(GOOD("    when: msg.kind != Kind.VISIT\n    order_by: msg.resident.citizen_number\n"
              "    deliver: { retries: 0, backoff: 500ms..1h, expires: 0 }\n"),
        "");
    only("# routes:\n", "");
}

static void mistakes_in_routes(void **state) {
    (void)state;
    only("queries:\n  - name: q\nroutes: []\n",
        "./routes/r.yaml:1:1: error: unknown key \"queries\"; a file of routes may have: routes");
    only(GOOD("    wen: true\n"), "./routes/r.yaml:5:5: error: unknown key \"wen\"; did you mean \"when\"?");
    only(ROUTE("a b", RESIDENCE, "public_security/population", GOOD_TO),
        "./routes/r.yaml:2:11: error: \"a b\" is no name of a route, which has letters, digits, \"-\", \"_\" "
        "and "
        "\".\"; did you mean \"a-b\"?");
    only(ROUTE("r", "gov.public_security.v1.ResidenceRegisterd", "public_security/population", GOOD_TO),
        "./routes/r.yaml:3:9: error: no type \"gov.public_security.v1.ResidenceRegisterd\" in the catalogue; "
        "did you mean "
        "\"gov.public_security.v1.ResidenceRegistered\"?");
    only(ROUTE("r", RESIDENCE, "public_security/populaton", GOOD_TO),
        "./routes/r.yaml:4:11: error: no system \"public_security/populaton\"; did you mean "
        "\"public_security/population\"?");
    only(GOOD("    deliver: { retrys: 3 }\n"),
        "./routes/r.yaml:5:16: error: unknown key \"retrys\"; did you mean \"retries\"?");
    only(GOOD("    deliver: { retries: -1 }\n"),
        "./routes/r.yaml:5:25: error: \"retries\" is from 0 to 1000000, not -1");
    only(GOOD("    deliver: { backoff: 1s..8d }\n"),
        "./routes/r.yaml:5:25: error: \"backoff\" is from 1ms to 7d");
    only(ROUTE("r", RESIDENCE, "public_security/population", "    to: []\n"),
        "./routes/r.yaml:5:9: error: a route has 1 to 1000 destinations");
}

static void hash_needs_the_key_of_the_bus(void **state) {
    (void)state;
    struct tree tree;
    char path[128];
    static const char source[] = GOOD("    when: hash(msg.resident.citizen_number) != ''\n");
    struct report *report = report_new(0);
    only(source,
        "./routes/r.yaml:5:11: error: hash() has no key here: in routes it is the file that hash_key_file in "
        "broker.yaml names");
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml", source);
    tree_write(&tree, "broker.yaml", TREE_BROKER "hash_key_file: keys/hash.key\n");
    tree_write(&tree, "keys/hash.key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
    snprintf(path, sizeof path, "%s/keys/hash.key", tree.folder);
    assert_int_equal(chmod(path, 0600), 0);
    assert_string_equal(report_of(&tree, report), "");
    report_destroy(&report);
    tree_remove(&tree);
}

static void a_sender_must_have_the_right(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml", ROUTE("r", RESIDENCE, "housing/registry", GOOD_TO));
    const char *all = report_of(&tree, report);
    assert_int_equal(report_errors(report), 2);
    assert_non_null(
        strstr(all, "./routes/r.yaml:4:11: error: housing/registry may not publish "
                    "gov.public_security.v1.ResidenceRegistered: its agency's file doesn't allow it\n"));
    assert_non_null(
        strstr(all, "./routes/r.yaml:7:20: error: agreement A-1 is about what public_security/population "
                    "provides, not housing/registry\n"));
    report_destroy(&report);
    tree_remove(&tree);
}

static void mistakes_in_expressions_point_inside(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(
        &tree, "routes/r.yaml", GOOD("    when: msg.kid != Kind.VISIT # 中\n    order_by: msg.resident\n"));
    const char *all = report_of(&tree, report);
    assert_int_equal(report_size(report), 2);
    assert_int_equal(report_problem(report, 0)->mark.line, 5);
    assert_int_equal(report_problem(report, 0)->mark.column, 15);
    assert_non_null(strstr(all, "kind")); // the suggestion
    assert_non_null(
        strstr(all, "./routes/r.yaml:6:15: error: \"order_by\" is a string or a whole number, not "
                    "gov.common.v1.Person; messages of the same value stay in order"));
    report_destroy(&report);
    tree_remove(&tree);
}

#define DESTINATION(text)                                                                                    \
    ROUTE("r", RESIDENCE, "public_security/population", "    to:\n      - { " text " }\n")
#define MAP "as: gov.housing.v1.OccupancyNotice, map: { since: msg.registered_at }"

static void mistakes_in_destinations(void **state) {
    (void)state;
    only(DESTINATION("system: housing/tenency, agreement: A-1, " MAP),
        "./routes/r.yaml:6:19: error: no system \"housing/tenency\"; did you mean \"housing/tenancy\"?");
    only(DESTINATION("system: housing/tenancy, " MAP),
        "./routes/r.yaml:6:9: error: a destination needs \"agreement\"");
    only(DESTINATION("system: housing/tenancy, agreement: A1, " MAP),
        "./routes/r.yaml:6:47: error: no agreement \"A1\"; did you mean \"A-1\"?");
    only(DESTINATION("system: housing/registry, agreement: A-1, " MAP),
        "./routes/r.yaml:6:48: error: agreement A-1 lets housing/tenancy receive, not housing/registry");
    only(DESTINATION("system: housing/tenancy, agreement: A-1, map: { since: msg.registered_at }"),
        "./routes/r.yaml:6:57: error: \"map\" needs \"as\": the type whose fields it fills");
    only(DESTINATION("system: housing/tenancy, agreement: A-1, as: gov.housing.v1.OccupancyNotice"),
        "./routes/r.yaml:6:56: error: \"as\" names another type: add \"map\", which says how its fields are "
        "filled");
    only(DESTINATION(
             "system: housing/tenancy, agreement: A-1, as: gov.housing.v1.OccupancyNotise, map: { a: msg }"),
        "./routes/r.yaml:6:56: error: no type \"gov.housing.v1.OccupancyNotise\" in the catalogue; did you "
        "mean "
        "\"gov.housing.v1.OccupancyNotice\"?");
    only(DESTINATION("system: housing/tenancy, agreement: A-1, as: gov.housing.v1.TenantDeceasedNotice, "
                     "map: { died_on: msg.entry_number }"),
        "./routes/r.yaml:6:47: error: agreement A-1 is about gov.housing.v1.OccupancyNotice, not "
        "gov.housing.v1.TenantDeceasedNotice");
}

static void what_no_agreement_lists_is_refused(void **state) {
    (void)state;
    only(DESTINATION("system: housing/tenancy, agreement: A-1, as: gov.housing.v1.OccupancyNotice, map: { "
                     "entry_number: "
                     "msg.entry_number }"),
        "./routes/r.yaml:6:95: error: agreement A-1 doesn't list \"entry_number\" (./agreements/a.yaml:1); "
        "remove it here, or "
        "have the agreement changed");
}

// Each field is looked at where it stands: in a written-out list, a list made of another, and as a whole.
static void what_lies_in_lists_is_covered_too(void **state) {
    (void)state;
    static const struct {
        const char *map;
        const char *expected;
    } rows[] = {
        {"{ members: { for: m, in: msg.members, map: { citizen_number: m.person.citizen_number } },\n"
         "            vehicle_plates: ['msg.household_number'] }\n",
            ""},
        {"\n          members: { for: m, in: msg.members, map: { citizen_number: m.relation,\n"
         "              deceased: m.died_on != \"\" } }\n",
            "./routes/r.yaml:11:15: error: agreement R doesn't list \"members.deceased\" "
            "(./agreements/r.yaml:1); remove it here, or have the agreement changed"},
        {"\n          members:\n            - citizen_number: msg.members[0].relation\n"
         "            - citizen_number: '\"1\"'\n              deceased: 'true'\n",
            "./routes/r.yaml:13:15: error: agreement R doesn't list \"members.deceased\" "
            "(./agreements/r.yaml:1); remove it here, or have the agreement changed"},
        // How many there are is told by empty ones too.
        {"\n          members: { for: m, in: msg.members, map: {} }\n",
            "./routes/r.yaml:10:11: error: agreement R doesn't list \"members.relation\" "
            "(./agreements/r.yaml:1); remove it here, or have the agreement changed"},
        {"\n          members: '[gov.civil_affairs.v1.EconomicMember{citizen_number: \"1\"}]'\n",
            "./routes/r.yaml:10:11: error: agreement R doesn't list \"members.relation\" "
            "(./agreements/r.yaml:1); remove it here, or have the agreement changed"},
        {"'gov.civil_affairs.v1.EconomicStatusReport{vehicle_plates: [\"1\"]}'\n",
            "./routes/r.yaml:9:14: error: agreement R doesn't list \"check_number\" "
            "(./agreements/r.yaml:1); remove it here, or have the agreement changed"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tree tree;
        struct buffer source = {0};
        char line[1024];
        struct report *report = report_new(0);
        tree_make(&tree);
        tree_write(&tree, "agreements/r.yaml",
            "agreement: R\nprovider: public_security\nreceiver: housing/tenancy\n"
            "type: gov.civil_affairs.v1.EconomicStatusReport\nfields: [members.citizen_number, "
            "vehicle_plates]\n"
            "purpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
        buffer_append_format(&source, "%s        map: %s",
            ROUTE("r", "gov.public_security.v1.HouseholdReply", "public_security/population",
                TO("housing/tenancy", "R", "gov.civil_affairs.v1.EconomicStatusReport", "")),
            rows[i].map);
        tree_write(&tree, "routes/r.yaml", buffer_text(&source));
        const char *all = report_of(&tree, report);
        snprintf(line, sizeof line, "%.*s", (int)strcspn(all, "\n"), all);
        assert_string_equal(line, rows[i].expected);
        buffer_destroy(&source);
        report_destroy(&report);
        tree_remove(&tree);
    }
}

static void write_agreement(const struct tree *tree, const char *provider, const char *type,
    const char *fields, const char *from, const char *until) {
    char text[1024];
    snprintf(text, sizeof text,
        "agreement: B-2\nprovider: %s\nreceiver: housing/registry\ntype: %s\nfields: %s\npurpose: p\nbasis: "
        "b\nfrom: %s\n"
        "until: %s\n",
        provider, type, fields, from, until);
    tree_write(tree, "agreements/b.yaml", text);
}

// A route of the original message under an agreement B-2.
static void forwards(
    const char *provider, const char *fields, const char *from, const char *until, const char *expected) {
    struct tree tree;
    char line[1024];
    struct report *report = report_new(0);
    tree_make(&tree);
    write_agreement(&tree, provider, "gov.housing.v1.OccupancyNotice", fields, from, until);
    tree_write(&tree, "routes/r.yaml",
        ROUTE("r", "gov.housing.v1.OccupancyNotice", "housing/tenancy",
            "    to:\n      - { system: housing/registry, agreement: B-2 }\n"));
    const char *all = report_of(&tree, report);
    snprintf(line, sizeof line, "%.*s", (int)strcspn(all, "\n"), all);
    assert_string_equal(line, expected);
    assert_int_equal(report_size(report), expected[0] != '\0');
    report_destroy(&report);
    tree_remove(&tree);
}

static void the_original_needs_all_fields(void **state) {
    (void)state;
    const char *all = "[citizen_number, unit_code, relation, since, entry_number]";
    forwards("housing", all, "2020-01-01", "2099-01-01", "");
    forwards("housing/tenancy", "[citizen_number, unit_code, relation, since.seconds, entry_number]",
        "2020-01-01", "2099-01-01",
        "./routes/r.yaml:6:48: error: without \"map\" the whole message goes out, and agreement B-2 doesn't "
        "list "
        "\"since.nanos\"; add \"as\" and \"map\"");
    forwards("public_security", all, "2020-01-01", "2099-01-01",
        "./routes/r.yaml:6:48: error: agreement B-2 is about what public_security provides, not "
        "housing/tenancy");
    forwards("housing", all, "2020-01-01", "2024-02-29",
        "./routes/r.yaml:6:48: error: agreement B-2 has ended: its last day was 2024-02-29");
    forwards("housing", all, "2098-01-01", "2099-01-01",
        "./routes/r.yaml:6:48: warning: agreement B-2 begins on 2098-01-01; what is routed before becomes a "
        "dead letter");
}

static void names_are_unique_over_all_files(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/a.yaml", GOOD(""));
    tree_write(&tree, "routes/b.yaml", GOOD(""));
    tree_write(&tree, "routes/c.yaml", "routes: [\n");
    assert_non_null(strstr(report_of(&tree, report),
        "./routes/b.yaml:2:11: error: there is a route \"r\" already, at ./routes/a.yaml:2\n"));
    assert_int_equal(report_errors(report), 2);
    report_destroy(&report);
    tree_remove(&tree);
}

static void loops_are_refused_with_their_way(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "agreements/b.yaml",
        "agreement: B\nprovider: housing\nreceiver: housing/registry\ntype: "
        "gov.housing.v1.TenantDeceasedNotice\n"
        "fields: [citizen_number, died_on, entry_number]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: "
        "2099-01-01\n");
    tree_write(&tree, "agreements/c.yaml",
        "agreement: C\nprovider: housing\nreceiver: housing/tenancy\ntype: "
        "gov.housing.v1.TenantDeceasedNotice\n"
        "fields: [citizen_number, died_on, entry_number]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: "
        "2099-01-01\n");
    tree_write(&tree, "routes/r.yaml",
        "routes:\n"
        "  - name: one\n    on: gov.housing.v1.TenantDeceasedNotice\n    from: housing/tenancy\n"
        "    to: [{ system: housing/registry, agreement: B }]\n"
        "  - name: two\n    on: gov.housing.v1.TenantDeceasedNotice\n    from: housing/registry\n"
        "    to: [{ system: housing/tenancy, agreement: C }]\n");
    assert_string_equal(report_of(&tree, report),
        "./routes/r.yaml:9:20: error: a loop: housing/tenancy (gov.housing.v1.TenantDeceasedNotice) -> "
        "housing/registry "
        "(gov.housing.v1.TenantDeceasedNotice) -> housing/tenancy (gov.housing.v1.TenantDeceasedNotice); "
        "what goes round "
        "never ends\n"
        "    9 |     to: [{ system: housing/tenancy, agreement: C }]\n"
        "      |                    ^~~~~~~~~~~~~~~\n");
    report_destroy(&report);
    tree_remove(&tree);
}

static void the_digest_tells_sets_apart(void **state) {
    (void)state;
    struct tree tree;
    char folder[128];
    uint8_t first[32];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml", GOOD(""));
    struct policy *policy = tree_load(&tree, report);
    snprintf(folder, sizeof folder, "%s/routes", tree.folder);
    struct routes *routes = routes_load(policy, folder, report);
    memcpy(first, routes_digest(routes), 32);
    assert_int_equal(routes_count(routes), 1);
    routes_destroy(&routes);
    routes = routes_load(policy, folder, report);
    assert_memory_equal(first, routes_digest(routes), 32);
    routes_destroy(&routes);
    tree_write(&tree, "routes/r.yaml", GOOD("") "# a word more\n");
    routes = routes_load(policy, folder, report);
    assert_memory_not_equal(first, routes_digest(routes), 32);
    routes_destroy(&routes);
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

static void the_shipped_routes_load(void **state) {
    (void)state;
    struct report *report = report_new(0);
    struct policy *policy = policy_load_for_check(
        HUTONG_SOURCE_DIR "/conf/broker.yaml", HUTONG_BUILD_DIR "/catalogue.binpb", report);
    struct routes *routes = routes_load(policy, policy_settings(policy)->routes, report);
    if (report_errors(report))
        print_message("%s", printed(report));
    assert_non_null(routes);
    assert_int_equal(routes_count(routes), 4);
    routes_destroy(&routes);
    policy_destroy(&policy);
    report_destroy(&report);
}

static void without_memory_nothing_is_returned(void **state) {
    (void)state;
    struct tree tree;
    char folder[128];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml",
        GOOD("    when: msg.kind != Kind.VISIT\n    order_by: msg.resident.citizen_number\n"));
    struct policy *policy = tree_load(&tree, report);
    snprintf(folder, sizeof folder, "%s/routes", tree.folder);
    bool complete = false;
    for (size_t n = 0; !complete; n++) {
        struct report *problems = report_new(0);
        alloc_fail_after(n);
        struct routes *routes = routes_load(policy, folder, problems);
        complete = alloc_count() <= n;
        alloc_fail_never();
        assert_true(complete == (routes != NULL));
        assert_true(complete == (report_errors(problems) == 0));
        routes_destroy(&routes);
        report_destroy(&problems);
    }
    policy_destroy(&policy);
    report_destroy(&report);
    tree_remove(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_routes_load),
        cmocka_unit_test(hash_needs_the_key_of_the_bus),
        cmocka_unit_test(mistakes_in_routes),
        cmocka_unit_test(a_sender_must_have_the_right),
        cmocka_unit_test(mistakes_in_expressions_point_inside),
        cmocka_unit_test(mistakes_in_destinations),
        cmocka_unit_test(what_no_agreement_lists_is_refused),
        cmocka_unit_test(what_lies_in_lists_is_covered_too),
        cmocka_unit_test(the_original_needs_all_fields),
        cmocka_unit_test(names_are_unique_over_all_files),
        cmocka_unit_test(loops_are_refused_with_their_way),
        cmocka_unit_test(the_digest_tells_sets_apart),
        cmocka_unit_test(the_shipped_routes_load),
        cmocka_unit_test(without_memory_nothing_is_returned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
