// Several types, several senders, and the loops between them.
#include "broker/routing/testing.h"

#define RESIDENCE "gov.public_security.v1.ResidenceRegistered"
#define LEFT "gov.public_security.v1.ResidentDeregistered"

static const char entered_and_left[] =
    "routes:\n  - name: both\n    on: [" RESIDENCE ", " LEFT "]\n    from: " POPULATION "\n"
    "    when: msg.household_number != \"\"\n    order_by: msg.resident.citizen_number\n"
    "    to:\n      - system: housing/tenancy\n        agreement: A-1\n"
    "        as: gov.housing.v1.OccupancyNotice\n        map:\n"
    "          citizen_number: msg.resident.citizen_number\n";

static void each_type_is_matched(void **state) {
    (void)state;
    struct bench bench;
    bench_open_with(&bench, entered_and_left);
    assert_int_equal(routes_count(bench.routes), 1);
    static const char *const types[] = {RESIDENCE, LEFT};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(match_json(&bench, POPULATION, types[i],
                             "{\"resident\": {\"citizenNumber\": \"1\"}, \"householdNumber\": \"2\"}"),
            0);
        assert_int_equal(bench.count, 1);
        delivers(&bench.matches[0], "both", "housing/tenancy", "1");
        assert_string_equal(payload_of(&bench, &bench.matches[0]), "{\"citizenNumber\":\"1\"}");
        assert_int_equal(match_json(&bench, POPULATION, types[i], "{}"), 0);
        assert_int_equal(bench.count, 0);
    }
    bench_close(&bench);
}

// ---- What is wrong with them ----

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

// All that is reported, without the excerpts.
static void reports(const struct tree *tree, const char *routes, const char *expected) {
    static char lines[65536];
    size_t used = 0;
    struct report *report = report_new(0);
    tree_write(tree, "routes/r.yaml", routes);
    for (const char *p = report_of(tree, report); *p;) {
        size_t line = strcspn(p, "\n") + 1;
        if (*p == '.')
            memcpy(lines + used, p, line);
        used += *p == '.' ? line : 0;
        p += line;
    }
    lines[used] = '\0';
    assert_string_equal(lines, expected);
    report_destroy(&report);
}

#define ROUTE(on, from, rest)                                                                                \
    "routes:\n  - name: r\n    on: " on "\n    from: " from "\n" rest                                        \
    "    to:\n      - { system: housing/tenancy, agreement: A-1, as: gov.housing.v1.OccupancyNotice, map: "  \
    "{ relation: '\"x\"' } }\n"

static void mistakes_in_types(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    reports(&tree, ROUTE("[" RESIDENCE ", " LEFT "]", POPULATION, ""), "");
    reports(&tree, ROUTE("[" RESIDENCE ", " RESIDENCE "]", POPULATION, ""),
        "./routes/r.yaml:3:54: error: " RESIDENCE " is in \"on\" already\n");
    reports(&tree, ROUTE("[]", POPULATION, ""),
        "./routes/r.yaml:3:9: error: \"on\" is a type, a list of them, or \"package.*\"\n");
    reports(&tree, ROUTE("gov.public_securty.v1.*", POPULATION, ""),
        "./routes/r.yaml:3:9: error: no package \"gov.public_securty.v1.*\"; did you mean "
        "\"gov.public_security.v1.*\"?\n");
    reports(&tree, ROUTE("[" RESIDENCE ", [a]]", POPULATION, ""),
        "./routes/r.yaml:3:54: error: this is a text, not a list\n");
    reports(&tree, ROUTE("gov.housing.v1.*", POPULATION, ""),
        "./routes/r.yaml:3:9: error: no system of \"from\" may publish a type of gov.housing.v1\n");
    // One without the field, both without sense, and a type that differs.
    reports(&tree, ROUTE("[" RESIDENCE ", " LEFT "]", POPULATION, "    when: msg.relation == \"01\"\n"),
        "./routes/r.yaml:5:15: error: " LEFT " has no field relation\n");
    reports(&tree, ROUTE("[" RESIDENCE ", " LEFT "]", POPULATION, "    when: msg.resident ==\n"),
        "./routes/r.yaml:5:26: error: a value is missing at the end\n");
    reports(&tree,
        ROUTE("[" RESIDENCE ", gov.public_security.v1.HouseholdReply]", POPULATION,
            "    when: has(msg.address)\n    order_by: msg.address.division + "
            "string(size(msg.household_number))\n"
            "    split: msg.household_number\n"),
        "./routes/r.yaml:7:12: error: \"split\" is a list, whose elements become messages of their own; this "
        "is "
        "string\n");
    reports(&tree,
        ROUTE("[gov.public_security.v1.HouseholdQuery, gov.public_security.v1.ResidenceCheckReply]",
            POPULATION, "    when: 'true'\n    order_by: msg.permit_valid\n"),
        "./routes/r.yaml:6:15: error: \"order_by\" is a string or a whole number, not bool; messages of the "
        "same value stay in order; with gov.public_security.v1.ResidenceCheckReply\n"
        "./routes/r.yaml:6:19: error: gov.public_security.v1.HouseholdQuery has no field permit_valid\n");
    tree_remove(&tree);
}

static void mistakes_in_senders(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    reports(&tree, ROUTE(RESIDENCE, "[" POPULATION ", housing/registry]", ""),
        "./routes/r.yaml:4:40: error: housing/registry may publish none of the types of \"on\"\n");
    reports(&tree, ROUTE(RESIDENCE, "housing/*", ""),
        "./routes/r.yaml:3:9: error: no system of \"from\" may publish " RESIDENCE "\n");
    reports(&tree, ROUTE(RESIDENCE, "public_security/*", ""), "");
    reports(&tree, ROUTE(RESIDENCE, "[public_security/*, " POPULATION "]", ""),
        "./routes/r.yaml:4:31: error: " POPULATION " is in \"from\" already\n");
    reports(&tree, ROUTE(RESIDENCE, "public_securty/*", ""),
        "./routes/r.yaml:4:11: error: no agency \"public_securty/*\"; did you mean \"public_security/*\"?\n");
    tree_remove(&tree);
}

// ---- A package, many senders ----

static void write_agreement(
    const struct tree *tree, const char *id, const char *provider, const char *type, const char *fields) {
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "agreements/%s.yaml", id);
    snprintf(text, sizeof text,
        "agreement: %s\nprovider: %s\nreceiver: housing/tenancy\ntype: %s\nfields: [%s]\npurpose: p\n"
        "basis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n",
        id, provider, type, fields);
    tree_write(tree, path, text);
}

#define CHECK "gov.public_security.v1.ResidenceCheckQuery"
#define QUESTION "citizen_number, unit_code, lease_number"
#define OWN_TYPES                                                                                            \
    "agency: public_security\ntitle: t\nsystems:\n"                                                          \
    "  - { name: population, title: t, may_publish: [" CHECK "] }\n"                                         \
    "  - { name: check, title: t, may_publish: [" CHECK ", " RESIDENCE "] }\n"

// Only what somebody may publish counts, and each sender has its own agreement.
static void a_package_is_what_its_senders_may_publish(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    tree_write(&tree, "agencies/public_security.yaml", OWN_TYPES);
    write_agreement(&tree, "B", POPULATION, CHECK, QUESTION);
    write_agreement(&tree, "C", "public_security/check", CHECK, QUESTION);
    write_agreement(&tree, "D", POPULATION, "gov.housing.v1.OccupancyNotice", "citizen_number");
#define PACKAGE(from, agreement)                                                                             \
    "routes:\n  - name: r\n    on: gov.public_security.v1.*\n    from: " from "\n"                           \
    "    to:\n      - { system: housing/tenancy, agreement: " agreement " }\n"
    reports(&tree, PACKAGE(POPULATION, "B"), "");
    reports(&tree, PACKAGE(POPULATION, "[B, C, D]"), "");
    reports(&tree, PACKAGE("public_security/*", "[B, D]"),
        "./routes/r.yaml:6:47: error: none of these agreements is about " CHECK
        " from public_security/check\n"
        "./routes/r.yaml:6:47: error: none of these agreements is about " RESIDENCE
        " from public_security/check\n");
    reports(&tree, PACKAGE(POPULATION, "[B, B]"),
        "./routes/r.yaml:6:51: error: agreements B and B are both about " CHECK " from " POPULATION "\n");
    tree_remove(&tree);
}

// ---- Loops ----

#define SYSTEMS 1500

static void write_ring(const struct tree *tree, bool closed) {
    static char text[1 << 20];
    size_t n = (size_t)sprintf(text, "agency: civil_affairs\ntitle: t\nsystems:\n");
    for (int i = 0; i < SYSTEMS; i++)
        n += (size_t)sprintf(
            text + n, "  - { name: s%d, title: t, may_publish: [gov.civil_affairs.v1.LeaseNotice] }\n", i);
    tree_write(tree, "agencies/civil_affairs.yaml", text);
    for (int i = 0; i < SYSTEMS; i++) {
        char path[64];
        snprintf(path, sizeof path, "agreements/ring%d.yaml", i);
        snprintf(text, sizeof text,
            "agreement: R-%d\nprovider: civil_affairs\nreceiver: civil_affairs/s%d\n"
            "type: gov.civil_affairs.v1.LeaseNotice\nfields: [citizen_number, lease_number]\npurpose: p\n"
            "basis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n",
            i, i);
        tree_write(tree, path, text);
    }
    n = (size_t)sprintf(text, "routes:\n");
    for (int i = 0; i < SYSTEMS - !closed; i++)
        n += (size_t)sprintf(text + n,
            "  - name: r%d\n    on: gov.civil_affairs.v1.LeaseNotice\n    from: civil_affairs/s%d\n"
            "    to:\n      - system: civil_affairs/s%d\n        agreement: R-%d\n"
            "        as: gov.civil_affairs.v1.LeaseNotice\n"
            "        map: { citizen_number: msg.citizen_number }\n",
            i, i, (i + 1) % SYSTEMS, (i + 1) % SYSTEMS);
    tree_write(tree, "routes/ring.yaml", text);
}

// As long as all senders together: nothing is deep, and nothing slow.
static void a_long_way_is_followed(void **state) {
    (void)state;
    struct tree tree;
    struct report *report = report_new(0);
    tree_make(&tree);
    write_ring(&tree, false);
    assert_string_equal(report_of(&tree, report), "");
    write_ring(&tree, true);
    report_of(&tree, report);
    assert_int_equal(report_errors(report), 1);
    const struct report_problem *problem = report_problem(report, 0);
    assert_int_equal(
        strncmp(problem->text, "a loop: civil_affairs/s0 (gov.civil_affairs.v1.LeaseNotice) -> ", 62), 0);
    report_destroy(&report);
    tree_remove(&tree);
}

static void loops_lead_through_types_and_senders(void **state) {
    (void)state;
    struct tree tree;
    tree_make(&tree);
    write_agreement(&tree, "B", "housing", "gov.housing.v1.OccupancyNotice", "citizen_number");
    tree_write(&tree, "agreements/c.yaml",
        "agreement: C\nprovider: housing\nreceiver: housing/registry\ntype: gov.housing.v1.TenancyMarked\n"
        "fields: [citizen_number]\npurpose: p\nbasis: b\nfrom: 2020-01-01\nuntil: 2099-12-31\n");
    reports(&tree,
        "routes:\n"
        "  - name: a\n    on: [gov.housing.v1.LeaseMismatchFound, gov.housing.v1.TenancyMarked]\n"
        "    from: housing/*\n    to:\n"
        "      - { system: housing/tenancy, agreement: B, as: gov.housing.v1.OccupancyNotice,\n"
        "          map: { citizen_number: msg.citizen_number } }\n"
        "  - name: b\n    on: gov.housing.v1.OccupancyNotice\n    from: housing/tenancy\n"
        "    split: '[msg.citizen_number]'\n    to:\n"
        "      - { system: housing/registry, agreement: C, as: gov.housing.v1.TenancyMarked,\n"
        "          map: { citizen_number: item } }\n",
        "./routes/r.yaml:6:19: error: a loop: housing/tenancy (gov.housing.v1.OccupancyNotice) -> "
        "housing/registry (gov.housing.v1.TenancyMarked) -> housing/tenancy "
        "(gov.housing.v1.OccupancyNotice); what goes round never ends\n");
    tree_remove(&tree);
}

// ---- Without memory ----

static void without_memory_nothing_is_loaded(void **state) {
    (void)state;
    struct tree tree;
    char folder[128];
    struct report *report = report_new(0);
    tree_make(&tree);
    tree_write(&tree, "routes/r.yaml",
        ROUTE("[" RESIDENCE ", " LEFT "]", "public_security/*",
            "    when: msg.household_number != \"\"\n    split: '[msg.resident]'\n"
            "    order_by: item.citizen_number\n"));
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
        cmocka_unit_test(each_type_is_matched),
        cmocka_unit_test(mistakes_in_types),
        cmocka_unit_test(mistakes_in_senders),
        cmocka_unit_test(a_package_is_what_its_senders_may_publish),
        cmocka_unit_test(loops_lead_through_types_and_senders),
        cmocka_unit_test(a_long_way_is_followed),
        cmocka_unit_test(without_memory_nothing_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
