#include "broker/routing/testing.h"
#include "broker/routing/trial/cases.h"

#define RESIDENCE "gov.public_security.v1.ResidenceRegistered"

static const char set[] = "routes:\n"
                          "  - name: first\n"
                          "    on: " RESIDENCE "\n"
                          "    from: " POPULATION "\n"
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
                          "  - name: second\n"
                          "    on: gov.public_security.v1.HouseholdReply\n"
                          "    from: " POPULATION "\n"
                          "    split: msg.members\n"
                          "    to:\n"
                          "      - system: housing/tenancy\n"
                          "        agreement: A-1\n"
                          "        as: gov.housing.v1.OccupancyNotice\n"
                          "        map: { citizen_number: item.person.citizen_number }\n";

#define MESSAGES                                                                                             \
    "messages:\n"                                                                                            \
    "  in: { type: " RESIDENCE ", from: " POPULATION ", data: { resident: { citizen_number: 7, name: "       \
    "{ text: 汉 } }, kind: MOVE_IN, relation: \"10\" } }\n"                                                  \
    "cases:\n"

struct stage {
    struct bench bench;
    struct trial *trial;
    struct report *report;
    struct cases *cases;
    struct coverage *coverage;
    struct buffer out;
};

static void stage_open(struct stage *stage) {
    *stage = (struct stage){0};
    bench_open_with(&stage->bench, set);
    matcher_destroy(&stage->bench.matcher);
    assert_int_equal(trial_new(stage->bench.routes, &stage->trial), 0);
    stage->coverage = coverage_new(stage->bench.routes, NULL);
    stage->report = report_new(0);
    assert_non_null(stage->coverage);
}

static void stage_close(struct stage *stage) {
    cases_destroy(&stage->cases);
    coverage_destroy(&stage->coverage);
    report_destroy(&stage->report);
    trial_destroy(&stage->trial);
    buffer_destroy(&stage->out);
    bench_close(&stage->bench);
}

static bool load(struct stage *stage, const char *text) {
    char folder[128];
    tree_write(&stage->bench.tree, "routes/r.test.yaml", text);
    snprintf(folder, sizeof folder, "%s/routes", stage->bench.tree.folder);
    cases_destroy(&stage->cases);
    report_destroy(&stage->report);
    stage->report = report_new(0);
    stage->cases = cases_load_folder(stage->bench.routes, folder, stage->report);
    return stage->cases != NULL;
}

// The problems of all cases, one behind the other; "" when all passed.
static const char *run(struct stage *stage) {
    static char text[65536];
    text[0] = '\0';
    for (size_t i = 0; i < cases_count(stage->cases); i++) {
        struct case_outcome outcome;
        struct report *problems = report_new(0);
        buffer_clear(&stage->out);
        assert_int_equal(cases_run(stage->cases, i, stage->trial, NOW_US, stage->coverage, &stage->out,
                             problems, &outcome),
            0);
        assert_int_equal(outcome.passed, report_errors(problems) == 0);
        strncat(text, tree_printed(&stage->bench.tree, problems), sizeof text - strlen(text) - 1);
        report_destroy(&problems);
    }
    return text;
}

static void what_is_expected_passes(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    assert_true(load(&stage, MESSAGES
        "  - name: all\n    message: in\n    subject: s\n    expect:\n"
        "      - { to: housing/registry, has: { resident: { name: { text: 汉 } }, address: null, organ: ~ } "
        "}\n"
        "      - { to: housing/tenancy, order_by: 7, agreement: A-1, route: first,\n"
        "          as: gov.housing.v1.OccupancyNotice, message: { citizenNumber: 7, relation: SPOUSE, since: "
        "null } }\n"
        "  - { name: visit, message: in, with: { kind: 6 }, expect: nobody }\n"
        "  - { name: unmapped, message: in, with: { relation: x, resident: { name: null } }, expect: [\n"
        "      { to: housing/tenancy, dead: UNMAPPED, text: 'unmapped code \"x\"' },\n"
        "      { to: housing/registry, message: { resident: { citizen_number: 7 }, kind: MOVE_IN, relation: "
        "x } }] }\n"
        "  - { name: ended, message: in, at: 2098-12-31T23:59:59Z, expect: [ { to: housing/tenancy }, { to: "
        "housing/registry } ] }\n"
        "  - { name: later, message: in, at: 2100-01-01, expect: [\n"
        "      { to: housing/tenancy, dead: NOT_ALLOWED }, { to: housing/registry, dead: NOT_ALLOWED, text: "
        "A-2 } ] }\n"
        "  - { name: refused, message: in, from: housing/tenancy, expect: { refused: may not publish } }\n"
        "  - name: split\n"
        "    message: { type: gov.public_security.v1.HouseholdReply, from: " POPULATION
        ", data: { members: [ { person: { citizen_number: 1 } }, { person: { citizen_number: 2 } } ] } }\n"
        "    expect:\n"
        "      - { to: housing/tenancy, message: { citizen_number: 2 }, item: 1 }\n"
        "      - { to: housing/tenancy, message: { citizen_number: 1 } }\n"));
    assert_int_equal(report_size(stage.report), 0);
    assert_int_equal(cases_count(stage.cases), 7);
    assert_int_equal(cases_file_count(stage.cases), 1);
    assert_string_equal(run(&stage), "");
    assert_int_equal(coverage_percent(stage.coverage), 100);
    assert_int_equal(coverage_total(stage.coverage), 6);
    assert_true(cases_concern(stage.cases, 0, "first"));
    assert_false(cases_concern(stage.cases, 0, "second"));
    stage_close(&stage);
}

static void each_difference_is_told_at_its_place(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    assert_true(load(&stage, MESSAGES "  - name: a\n    message: in\n    expect:\n"
                                      "      - to: housing/tenancy\n"
                                      "        order_by: 8\n"
                                      "        route: second\n"
                                      "        message: { citizen_number: 8, unit_code: U }\n"
                                      "      - to: housing/registry\n"
                                      "        agreement: A-1\n"
                                      "        item: 0\n"
                                      "        has: { resident: { name: { text: 字 }, sex: 1 }, kind: VISIT, "
                                      "address: {}, organ: null }\n"));
    assert_string_equal(run(&stage),
        "./routes/r.test.yaml:8:19: error: housing/tenancy: order_by: expected \"8\", got \"7\"\n"
        "    8 |         order_by: 8\n"
        "      |                   ^\n"
        "./routes/r.test.yaml:9:16: error: housing/tenancy: route: expected \"second\", got \"first\"\n"
        "    9 |         route: second\n"
        "      |                ^~~~~~\n"
        "./routes/r.test.yaml:10:18: error: housing/tenancy: relation: expected nothing, got \"SPOUSE\"\n"
        "   10 |         message: { citizen_number: 8, unit_code: U }\n"
        "      |                  ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n"
        "./routes/r.test.yaml:10:36: error: housing/tenancy: citizen_number: expected \"8\", got \"7\"\n"
        "   10 |         message: { citizen_number: 8, unit_code: U }\n"
        "      |                                    ^\n"
        "./routes/r.test.yaml:10:50: error: housing/tenancy: unit_code: expected \"U\", got nothing\n"
        "   10 |         message: { citizen_number: 8, unit_code: U }\n"
        "      |                                                  ^\n"
        "./routes/r.test.yaml:12:20: error: housing/registry: agreement: expected \"A-1\", got \"A-2\"\n"
        "   12 |         agreement: A-1\n"
        "      |                    ^~~\n"
        "./routes/r.test.yaml:13:15: error: housing/registry: the route has no \"split\"\n"
        "   13 |         item: 0\n"
        "      |               ^\n"
        "./routes/r.test.yaml:14:42: error: housing/registry: resident.name.text: expected \"字\", got "
        "\"汉\"\n"
        "   14 |         has: { resident: { name: { text: 字 }, sex: 1 }, kind: VISIT, address: {}, organ: "
        "null }\n"
        "      |                                          ^~\n"
        "./routes/r.test.yaml:14:52: error: housing/registry: resident.sex: expected \"1\", got \"\"\n"
        "   14 |         has: { resident: { name: { text: 字 }, sex: 1 }, kind: VISIT, address: {}, organ: "
        "null }\n"
        "      |                                                     ^\n"
        "./routes/r.test.yaml:14:63: error: housing/registry: kind: expected \"VISIT\", got \"MOVE_IN\"\n"
        "   14 |         has: { resident: { name: { text: 字 }, sex: 1 }, kind: VISIT, address: {}, organ: "
        "null }\n"
        "      |                                                                ^~~~~\n"
        "./routes/r.test.yaml:14:79: error: housing/registry: address: expected a message, got nothing\n"
        "   14 |         has: { resident: { name: { text: 字 }, sex: 1 }, kind: VISIT, address: {}, organ: "
        "null }\n"
        "      |                                                                                ^~\n");
    const char *why = buffer_text(&stage.out);
    assert_non_null(strstr(why, "first matches ("));
    assert_null(strstr(why, "second"));
    stage_close(&stage);
}

static void too_much_and_too_little_is_told(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    assert_true(load(&stage,
        MESSAGES "  - { name: a, message: in, expect: nobody }\n"
                 "  - { name: b, message: in, with: { kind: VISIT }, expect: [ { to: housing/tenancy } ] }\n"
                 "  - { name: c, message: in, expect: [ { to: housing/tenancy, dead: FILTER }, { to: "
                 "housing/registry } ] }\n"
                 "  - { name: d, message: in, expect: { refused: x } }\n"
                 "  - { name: e, message: in, from: housing/tenancy, expect: nobody }\n"
                 "  - { name: f, message: in, from: housing/tenancy, expect: { refused: x } }\n"
                 "  - name: g\n    message: in\n    with: { relation: '' }\n    expect:\n"
                 "      - { to: housing/tenancy, dead: FILTER, text: nothing }\n"
                 "      - { to: housing/registry }\n"));
    const char *said = run(&stage);
    static const char *const lines[] = {
        "4:37: error: housing/tenancy: expected nothing, got gov.housing.v1.OccupancyNotice by route first\n",
        "4:37: error: housing/registry: expected nothing, got " RESIDENCE " by route first\n",
        "5:68: error: housing/tenancy: expected a delivery, got nothing\n",
        "6:45: error: housing/tenancy: expected a dead letter, got gov.housing.v1.OccupancyNotice\n",
        "7:48: error: expected to be refused, but it is routed: 2 delivered, 0 dead letters\n",
        "8:60: error: the message is refused: NOT_ALLOWED: housing/tenancy may not publish " RESIDENCE "\n",
        "9:71: error: it is refused, but the text is \"NOT_ALLOWED: ",
        "14:38: error: housing/tenancy: dead: expected \"FILTER\", got \"UNMAPPED\"\n",
        "14:52: error: housing/tenancy: the dead letter says \"relation: unmapped code \"\" in map ",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(said, lines[i]))
            fail_msg("not told: %s in\n%s", lines[i], said);
    stage_close(&stage);
}

static const struct {
    const char *text;
    const char *said;
} wrongs[] = {
    {"", "there are no cases; a file of tests begins with \"cases:\""},
    {"cases: 1\n", "1:8: error: "},
    {"messages: []\ncases: []\n", "1:11: error: \"messages\" is a mapping of names to messages"},
    {MESSAGES "  - { name: a, message: inn, expect: nobody }\n",
        "4:25: error: no message \"inn\" under \"messages\"; did you mean \"in\"?"},
    {MESSAGES "  - { name: a, message: in, with: { kin: 1 }, expect: nobody }\n",
        "4:37: error: " RESIDENCE " has no field \"kin\"; did you mean \"kind\"?"},
    {MESSAGES "  - { name: a, message: in, with: { kind: MOVE_I }, expect: nobody }\n",
        "4:43: error: " RESIDENCE ".Kind has no value \"MOVE_I\"; did you mean \"MOVE_IN\"?"},
    {MESSAGES "  - { name: a, message: in, with: { kind: 7, registered_at: now }, expect: nobody }\n",
        "4:61: error: expected a time such as"},
    {MESSAGES "  - { name: a, message: in, with: 3, expect: nobody }\n",
        "4:35: error: \"with\" is a mapping of fields of " RESIDENCE},
    {MESSAGES "  - { name: a, message: in, with: { resident: 1 }, expect: nobody }\n",
        "4:47: error: resident is a message, not a plain value"},
    {MESSAGES "  - { name: a, message: in, expect: [] }\n",
        "an empty list says nothing; write \"expect: nobody\""},
    {MESSAGES "  - { name: a, message: in, expect: none }\n",
        "4:37: error: \"expect\" is a list of deliveries, \"nobody\", or { refused: TEXT }"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenanc } ] }\n",
        "4:45: error: no system \"housing/tenanc\"; did you mean \"housing/tenancy\"?"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, dead: FILTRE } ] }\n",
        "4:68: error: \"dead\" can't be \"FILTRE\"; did you mean \"FILTER\"?"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, dead: FILTER, has: {} } ] }\n",
        "4:81: error: a dead letter has no \"has\": it holds the message as it came"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, text: x } ] }\n",
        "4:68: error: \"text\" is about dead letters; add \"dead\""},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, has: { relatio: x } } ] }\n",
        "4:69: error: gov.housing.v1.OccupancyNotice has no field \"relatio\"; did you mean \"relation\"?"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, has: {}, message: {} } ] }\n",
        "4:67: error: \"message\" says all of it already; use one of both"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: housing/tenancy, route: frist } ] }\n",
        "4:69: error: no route \"frist\"; did you mean \"first\"?"},
    {MESSAGES "  - { name: a, message: in, expect: [ { to: " POPULATION ", has: {} } ] }\n",
        "4:45: error: no route of " RESIDENCE " from " POPULATION " leads to " POPULATION},
    {MESSAGES "  - { name: a, message: in, expect: { refused: } }\n", "\"refused\" has no value"},
    {MESSAGES "  - { name: a, message: in, at: 2026-02-30, expect: nobody }\n",
        "4:33: error: there is no such day"},
    {MESSAGES "  - { name: a, message: in, expect: nobody }\n  - { name: a, message: in, expect: nobody }\n",
        "5:13: error: there is a case \"a\" already, at line 4"},
    {"cases:\n  - { name: a, message: { type: " RESIDENCE ", from: " POPULATION
     ", file: none.json }, expect: nobody }\n",
        "routes/none.json can't be read: No such file or directory"},
    {"cases:\n  - { name: a, message: { type: " RESIDENCE ", from: " POPULATION
     ", file: r.test.yaml }, expect: nobody }\n",
        "r.test.yaml: line 1, column "},
    {"cases:\n  - { name: a, message: { type: " RESIDENCE ", from: " POPULATION
     ", file: x, data: {} }, expect: nobody }\n",
        "a message has \"data\" or \"file\", not both"},
};

static void what_is_wrong_is_told_at_its_place(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        assert_false(load(&stage, wrongs[i].text));
        const char *said = tree_printed(&stage.bench.tree, stage.report);
        if (!strstr(said, wrongs[i].said))
            fail_msg("not told: %s of\n%sin\n%s", wrongs[i].said, wrongs[i].text, said);
        assert_int_equal(report_errors(stage.report), 1);
        assert_null(strstr(said, "no case sends"));
    }
    assert_true(load(&stage, "messages: { m: { type: " RESIDENCE ", from: " POPULATION " } }\ncases: []\n"));
    assert_non_null(
        strstr(tree_printed(&stage.bench.tree, stage.report), "1:13: warning: no case sends \"m\""));
    stage_close(&stage);
}

static void data_may_lie_in_files(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    tree_write(&stage.bench.tree, "routes/m.json",
        "{\"type\": \"t\", \"data\": {\"kind\": 1, \"relation\": \"10\"}}");
    tree_write(&stage.bench.tree, "routes/m.binpb", "\x18\x06");
    tree_write(&stage.bench.tree, "routes/bad.binpb", "\x0a\x06");
#define FILED(name) "  " name ": { type: " RESIDENCE ", from: " POPULATION ", file: "
    assert_true(load(&stage,
        "messages:\n" FILED("json") "m.json }\n" FILED("bytes") "m.binpb }\n" FILED(
            "bad") "bad.binpb }\n"
                   "cases:\n"
                   "  - { name: a, message: json, with: { relation: \"01\" }, expect: [ { to: "
                   "housing/tenancy, message: { relation: SELF } }, { to: housing/registry } ] }\n"
                   "  - { name: b, message: bytes, expect: nobody }\n"
                   "  - { name: c, message: bad, expect: { refused: \"INVALID: \" } }\n"));
    assert_string_equal(run(&stage), "");
    stage_close(&stage);
}

static void what_no_case_has_seen_is_told(void **state) {
    (void)state;
    struct stage stage;
    struct coverage_gap gap;
    stage_open(&stage);
    assert_true(load(&stage, MESSAGES "  - { name: a, message: in, with: { relation: x }, expect: [ { to: "
                                      "housing/registry }, { to: housing/tenancy, dead: UNMAPPED } ] }\n"));
    assert_string_equal(run(&stage), "");
    assert_int_equal(coverage_total(stage.coverage), 6);
    assert_int_equal(coverage_seen(stage.coverage), 2);
    assert_int_equal(coverage_percent(stage.coverage), 33);
    static const struct {
        unsigned line;
        const char *text;
    } gaps[] = {{5, "\"when\" was never false"}, {8, "nothing was delivered to housing/tenancy"},
        {15, "never matched"}, {20, "nothing was delivered to housing/tenancy"}};
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        assert_true(coverage_gap(stage.coverage, i, &gap));
        assert_string_equal(gap.text, gaps[i].text);
        assert_int_equal(gap.at->mark.line, gaps[i].line);
        assert_string_equal(gap.route, i < 2 ? "first" : "second");
    }
    assert_false(coverage_gap(stage.coverage, 4, &gap));
    struct coverage *one = coverage_new(stage.bench.routes, "second");
    assert_int_equal(coverage_total(one), 2);
    coverage_destroy(&one);
    stage_close(&stage);
}

// Each allocation of loading and running fails once; nothing passes that could not be looked at.
static void without_memory_nothing_passes(void **state) {
    (void)state;
    struct stage stage;
    stage_open(&stage);
    const char *text = MESSAGES "  - { name: a, message: in, with: { relation: x }, expect: [ { to: "
                                "housing/registry, has: { kind: MOVE_IN } }, { to: housing/tenancy } ] }\n";
    char folder[128];
    tree_write(&stage.bench.tree, "routes/r.test.yaml", text);
    snprintf(folder, sizeof folder, "%s/routes", stage.bench.tree.folder);
    bool whole = false;
    for (size_t n = 0; !whole; n++) {
        struct case_outcome outcome = {0};
        struct report *report = report_new(0);
        struct report *problems = report_new(0);
        buffer_destroy(&stage.out);
        alloc_fail_after(n);
        struct cases *cases = cases_load_folder(stage.bench.routes, folder, report);
        int rc =
            cases ? cases_run(cases, 0, stage.trial, NOW_US, NULL, &stage.out, problems, &outcome) : -ENOMEM;
        whole = alloc_count() <= n;
        alloc_fail_never();
        assert_true(cases || report_errors(report) > 0);
        assert_false(rc == 0 && outcome.passed);
        cases_destroy(&cases);
        report_destroy(&report);
        report_destroy(&problems);
        assert_true(n < 5000);
    }
    stage_close(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_expected_passes),
        cmocka_unit_test(each_difference_is_told_at_its_place),
        cmocka_unit_test(too_much_and_too_little_is_told),
        cmocka_unit_test(what_is_wrong_is_told_at_its_place),
        cmocka_unit_test(data_may_lie_in_files),
        cmocka_unit_test(what_no_case_has_seen_is_told),
        cmocka_unit_test(without_memory_nothing_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
