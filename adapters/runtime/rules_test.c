#include "adapters/runtime/rules.h"
#include "adapters/runtime/settings.h"
#include "core/codes/codes.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
// cmocka needs some of the above
#include <cmocka.h>

#define LEASE "gov.public_security.v1.LeaseNotice"

struct fixture {
    struct connector_host host;
    struct report *report;
    struct config_file *file;
    struct row_type *type;
    struct give_rules *give;
    struct take_rules *take;
    char published[256]; // "type subject time position" of the last
};

static struct catalogue *load_catalogue(void) {
    struct catalogue *catalogue = NULL;
    struct error error = {0};
    if (catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &catalogue, &error))
        fail_msg("%s", error.text);
    return catalogue;
}

static int publish(void *runtime, const struct schema_message *type, struct bytes subject, int64_t time_us,
    struct bytes payload, struct bytes position, struct error *error) {
    struct fixture *fixture = runtime;
    assert_int_equal(view_check(type, payload, &view_default_limits, error), 0);
    snprintf(fixture->published, sizeof fixture->published, "%s %.*s %lld %.*s", type->full_name,
        BYTES_ARGS(subject), (long long)time_us, BYTES_ARGS(position));
    return 0;
}

static struct codes *make_codes(void) {
    static const struct code_entry entry = {.code = {(const uint8_t *)"1", 1},
        .name = {(const uint8_t *)"x", 1},
        .from = CODES_ALWAYS_FROM,
        .until = CODES_ALWAYS_UNTIL};
    struct codes *codes = codes_new();
    struct code_list *list = NULL;
    assert_int_equal(codes_add_list(codes, bytes_of_string("sex"), &list, NULL), 0);
    assert_int_equal(code_list_add(list, &entry, NULL), 0);
    return codes;
}

static void open_fixture(
    struct fixture *fixture, struct catalogue *catalogue, const struct codes *codes, const char *yaml) {
    *fixture = (struct fixture){.report = report_new(0)};
    fixture->host = (struct connector_host){
        .runtime = fixture, .catalogue = catalogue, .codes = codes, .publish = publish, .zone = 8 * 3600};
    fixture->file =
        fixture->report ? config_parse("a.yaml", bytes_of_string(yaml), NULL, fixture->report) : NULL;
}

static void close_fixture(struct fixture *fixture) {
    give_rules_destroy(&fixture->give);
    take_rules_destroy(&fixture->take);
    row_type_destroy(&fixture->type);
    config_destroy(&fixture->file);
    report_destroy(&fixture->report);
}

static const struct config_node *part(const struct fixture *fixture, const char *key) {
    return config_get(config_root(fixture->file), key);
}

static void load_source(struct fixture *fixture, const char *name) {
    fixture->type = row_type_load(part(fixture, "columns"), name, NULL, &fixture->host, fixture->report);
    if (fixture->type)
        fixture->give =
            give_rules_load(part(fixture, "give"), fixture->type, &fixture->host, fixture->report);
}

static const char *problems(const struct fixture *fixture) {
    static char text[8192];
    struct buffer out = {0};
    report_print(fixture->report, &out);
    snprintf(text, sizeof text, "%s", out.size ? buffer_text(&out) : "");
    buffer_destroy(&out);
    return text;
}

#define SOURCE                                                                                               \
    "columns:\n"                                                                                             \
    "  number: { from: 备案号, required: true }\n"                                                           \
    "  tenant: { from: 身份证号, check: citizen_number }\n"                                                  \
    "  filed: { from: 备案日期, type: time }\n"                                                              \
    "  rent: { from: 月租金, type: decimal, scale: 2 }\n"                                                    \
    "  sex: { from: 性别, check: sex }\n"                                                                    \
    "give:\n"                                                                                                \
    "  - as: gov.housing.v1.Tenancy\n"                                                                       \
    "    when: row.rent > 100000\n"                                                                          \
    "    subject: row.number\n"                                                                              \
    "    map: { lease_number: row.number, monthly_rent_fen: row.rent, status: Status.RUNNING }\n"            \
    "  - as: " LEASE "\n"                                                                                    \
    "    when: row.rent > 0\n"                                                                               \
    "    subject: row.number\n"                                                                              \
    "    time: row.filed\n"                                                                                  \
    "    map: { lease_number: row.number }\n"

static int give(struct fixture *fixture, const char *const values[5], struct error *error) {
    struct row row;
    struct bytes wire;
    int rc = 0;
    assert_int_equal(row_init(&row, fixture->type), 0);
    row_clear(&row);
    for (size_t i = 0; i < 5 && rc == 0; i++)
        rc = row_set_text(&row, i, bytes_of_string(values[i]), error);
    rc = rc ? rc : row_finish(&row, &wire, error);
    rc = rc ? rc : give_rules_publish(fixture->give, wire, bytes_of_string("p"), error);
    row_destroy(&row);
    return rc;
}

static void the_first_rule_that_holds_makes_the_message(void **state) {
    struct fixture fixture;
    struct error error = {0};
    struct catalogue *catalogue = load_catalogue();
    struct codes *codes = make_codes();
    (void)state;
    open_fixture(&fixture, catalogue, codes, SOURCE);
    load_source(&fixture, "row.t");
    if (!fixture.give)
        fail_msg("%s", problems(&fixture));
    assert_int_equal(give(&fixture, (const char *[]){"L1", NULL, NULL, "2,000.50", "1"}, &error), 0);
    assert_string_equal(fixture.published, "gov.housing.v1.Tenancy L1 0 p");
    assert_int_equal(
        give(&fixture, (const char *[]){"L2", NULL, "2026-11-24 09:30:00", "1", NULL}, &error), 0);
    assert_string_equal(fixture.published, LEASE " L2 1795483800000000 p");
    assert_int_equal(give(&fixture, (const char *[]){"L3", NULL, NULL, NULL, NULL}, &error), GIVE_NOTHING);
    close_fixture(&fixture);
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
}

static void a_row_that_does_not_fit_says_why(void **state) {
    static const struct {
        const char *values[5];
        const char *text;
    } cases[] = {{{NULL, NULL, NULL, "1", NULL}, "number: is missing"},
        {{"L", "330106198001010011", NULL, "1", NULL}, "tenant: is no citizen number (GB 11643)"},
        {{"L", NULL, "2026-13-01", "1", NULL}, "filed: must be a time"},
        {{"L", NULL, NULL, "1.005", NULL}, "rent: must be an amount"},
        {{"L", NULL, NULL, "1", "7"}, "sex: is no code of the list sex"},
        {{"", NULL, NULL, "1", NULL}, "subject: is empty"}, {{"L", NULL, NULL, "1", NULL}, "time: "},
        {{"\xff", NULL, "20261124", "1", NULL}, "the row: "}};
    struct fixture fixture;
    struct catalogue *catalogue = load_catalogue();
    struct codes *codes = make_codes();
    (void)state;
    open_fixture(&fixture, catalogue, codes, SOURCE);
    load_source(&fixture, "row.t");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        assert_int_equal(give(&fixture, cases[i].values, &error), CONNECTOR_BAD_ROW);
        assert_int_equal(error.code, CONNECTOR_BAD_ROW);
        if (strncmp(error.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("expected \"%s\": %s", cases[i].text, error.text);
    }
    close_fixture(&fixture);
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
}

static void mistakes_have_their_place(void **state) {
    static const char *const cases[][2] = {
        {"columns: [a]\ngive: [{as: " LEASE ", subject: row.b, map: {}}]\n", "a.yaml:2:"},
        {"columns: [a]\ngive: [{as: nothing.Here, subject: row.a, map: {}}]\n", "no type \"nothing.Here\""},
        {"columns: [a]\ngive: [{as: " LEASE ", when: row.a, subject: row.a, map: {}}]\n", "a.yaml:2:"},
        {"columns: [{name: a, type: int}]\ngive: [{as: " LEASE ", time: row.a, subject: row.a, map: {}}]\n",
            "a timestamp or a string"},
        {"columns: [{name: a, check: nolist}]\ngive: []\n", "unknown check \"nolist\""},
        {"columns: [{name: a, type: int, check: sex}]\ngive: []\n", "only a string can be checked"},
        {"columns: [{name: a, format: \"%Y\"}]\ngive: []\n", "only a date or time has a format"},
        {"columns: [{name: a, scale: 2}]\ngive: []\n", "only a decimal has a scale"},
        {"columns: [in]\ngive: []\n", "can't be the name of a column"}, {"columns: []\ngive: []\n", "1 to"},
        {"columns: a\ngive: []\n", "1 to"}};
    struct catalogue *catalogue = load_catalogue();
    struct codes *codes = make_codes();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        char name[16];
        snprintf(name, sizeof name, "row.c%zu", i);
        open_fixture(&fixture, catalogue, codes, cases[i][0]);
        assert_non_null(fixture.file);
        load_source(&fixture, name);
        assert_null(fixture.give);
        if (!strstr(problems(&fixture), cases[i][1]))
            fail_msg("expected \"%s\":\n%s", cases[i][1], problems(&fixture));
        close_fixture(&fixture);
    }
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
}

static void the_first_take_rule_that_holds(void **state) {
    struct fixture fixture;
    struct error error = {0};
    struct catalogue *catalogue = load_catalogue();
    struct take_rule *rule = NULL;
    struct buffer payload = {0};
    (void)state;
    open_fixture(&fixture, catalogue, NULL,
        "take:\n  - on: " LEASE "\n    when: msg.lease_number == \"a\"\n"
        "  - on: " LEASE "\n    when: msg.lease_number == \"b\" && id == \"m1\" && position == 7u && subject "
        "== \"s\" && replay\n");
    fixture.take = take_rules_load(part(&fixture, "take"), NULL, &fixture.host, fixture.report);
    if (!fixture.take)
        fail_msg("%s", problems(&fixture));
    struct connector_delivery delivery = {.position = 7,
        .replay = true,
        .id = bytes_of_string("m1"),
        .source = bytes_of_string("x/y"),
        .subject = bytes_of_string("s"),
        .type = catalogue_message(catalogue, bytes_of_string(LEASE))};
    static const char *const numbers[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        buffer_clear(&payload);
        view_put_bytes(&payload, &delivery.type->fields[0], bytes_of_string(numbers[i]));
        delivery.payload = buffer_bytes(&payload);
        assert_int_equal(take_rules_begin(fixture.take, &delivery, &rule, &error), 0);
        assert_ptr_equal(rule, i < 2 ? take_rules_at(fixture.take, i) : NULL);
    }
    delivery.payload = bytes_of("\x0a", 1);
    assert_int_equal(take_rules_begin(fixture.take, &delivery, &rule, &error), CONNECTOR_REJECT);
    delivery.type = catalogue_message(catalogue, bytes_of_string("gov.housing.v1.Tenancy"));
    assert_int_equal(take_rules_begin(fixture.take, &delivery, &rule, &error), CONNECTOR_REJECT);
    buffer_destroy(&payload);
    close_fixture(&fixture);
    catalogue_destroy(&catalogue);
}

// Every allocation of loading and of one row fails once: a problem or -ENOMEM comes back, and nothing leaks.
static void no_memory_anywhere(void **state) {
    bool whole = false;
    (void)state;
    for (size_t n = 0; !whole; n++) {
        struct fixture fixture;
        struct error error = {0};
        struct catalogue *catalogue = load_catalogue();
        struct codes *codes = make_codes();
        open_fixture(&fixture, catalogue, codes, SOURCE);
        alloc_fail_after(n);
        load_source(&fixture, "row.t");
        struct row row = {0};
        struct bytes wire;
        int rc = fixture.give ? row_init(&row, fixture.type) : -ENOMEM;
        if (!rc) {
            rc = row_set_text(&row, 0, bytes_of_string("L1"), &error);
            rc = rc ? rc : row_set_text(&row, 3, bytes_of_string("1"), &error);
            rc = rc ? rc : row_set_text(&row, 2, bytes_of_string("20261124"), &error);
            rc = rc ? rc : row_finish(&row, &wire, &error);
            rc = rc ? rc : give_rules_publish(fixture.give, wire, bytes_of_string("p"), &error);
        }
        alloc_fail_never();
        if (!fixture.give)
            assert_true(report_errors(fixture.report) > 0);
        assert_true(rc == 0 || rc == -ENOMEM);
        whole = rc == 0;
        row_destroy(&row);
        close_fixture(&fixture);
        codes_destroy(&codes);
        catalogue_destroy(&catalogue);
        assert_true(n < 5000);
    }
}

static void texts_from_the_environment(void **state) {
    struct fixture fixture;
    (void)state;
    setenv("HUTONG_TEST_A", "v", 1);
    setenv("HUTONG_TEST_EMPTY", "", 1);
    unsetenv("HUTONG_TEST_NONE");
    open_fixture(&fixture, NULL, NULL,
        "a: x${HUTONG_TEST_A}y$$\nb: ${HUTONG_TEST_NONE:-d/e}\nc: ${HUTONG_TEST_NONE}\nd: "
        "${HUTONG_TEST_EMPTY}\n"
        "e: ${HUTONG\nf: /r/${HUTONG_TEST_A}\ng: $x\nh: ${HUTONG_TEST_EMPTY:-z}\n");
    const struct config_node *root = config_root(fixture.file);
    char *out = NULL;
    assert_true(settings_text(root, "a", &out, fixture.report));
    assert_string_equal(out, "xvy$");
    free(out);
    assert_true(settings_path(root, "b", "/base", &out, fixture.report));
    assert_string_equal(out, "/base/d/e");
    free(out);
    assert_true(settings_path(root, "f", "/base", &out, fixture.report));
    assert_string_equal(out, "/r/v");
    free(out);
    assert_true(settings_text(root, "h", &out, fixture.report));
    assert_string_equal(out, "z");
    free(out);
    out = NULL;
    assert_true(settings_text(root, "d", &out, fixture.report));
    assert_true(settings_text(root, "absent", &out, fixture.report));
    assert_null(out);
    assert_int_equal(report_errors(fixture.report), 0);
    assert_false(settings_text(root, "c", &out, fixture.report));
    assert_false(settings_text(root, "e", &out, fixture.report));
    assert_false(settings_text(root, "g", &out, fixture.report));
    assert_null(out);
    assert_non_null(
        strstr(problems(&fixture), "a.yaml:3:4: error: the environment variable HUTONG_TEST_NONE"));
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_holds_makes_the_message),
        cmocka_unit_test(a_row_that_does_not_fit_says_why),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(the_first_take_rule_that_holds),
        cmocka_unit_test(no_memory_anywhere),
        cmocka_unit_test(texts_from_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
