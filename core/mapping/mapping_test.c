#include "core/mapping/mapping.h"
#include "core/schema/json.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// The catalogue of the build, a message of one type as "msg", and room for what comes out.
struct bench {
    struct catalogue *catalogue;
    struct paths *paths;
    struct cel_env *env;
    const struct schema_message *source;
    const struct schema_message *target;
};

static int set_up(void **state) {
    static struct bench bench;
    struct error error;
    size_t index;
    assert_int_equal(catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &bench.catalogue, &error), 0);
    bench.source =
        catalogue_message(bench.catalogue, bytes_of_string("gov.public_security.v1.ResidenceRegistered"));
    bench.target = catalogue_message(bench.catalogue, bytes_of_string("gov.housing.v1.OccupancyNotice"));
    bench.paths = paths_new(bench.source);
    bench.env = cel_env_new(bench.catalogue, NULL, NULL);
    assert_int_equal(cel_env_declare_message(bench.env, "msg", bench.paths, &index), 0);
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *bench = *state;
    cel_env_destroy(&bench->env);
    paths_destroy(&bench->paths);
    catalogue_destroy(&bench->catalogue);
    return 0;
}

static struct mapping *load(struct bench *bench, const struct schema_message *target, const char *yaml,
    struct config_file **file, struct report *report) {
    *file = config_parse("map.yaml", bytes_of_string(yaml), NULL, report);
    return *file ? mapping_load(config_root(*file), target, bench->env, report) : NULL;
}

// Maps a message given as JSON and gives the result as JSON (owned), or the refusal's text.
static char *map_json(
    struct bench *bench, const struct schema_message *target, const char *yaml, const char *json) {
    struct report *report = report_new(0);
    struct config_file *file;
    struct mapping *mapping = load(bench, target, yaml, &file, report);
    struct buffer text = {0};
    if (!mapping)
        report_print(report, &text);
    struct buffer wire = {0};
    struct buffer out = {0};
    struct error error = {0};
    assert_int_equal(json_to_message(bench->source, bytes_of_string(json), &wire, &error), 0);
    struct scan *scan = scan_new(bench->paths);
    struct cel_activation *activation = cel_activation_new(bench->env);
    assert_int_equal(scan_run(scan, buffer_bytes(&wire), false, &error), 0);
    cel_activation_set_scan(activation, 0, scan);
    int rc = mapping ? mapping_run(mapping, activation, &out, NULL, &error) : -1;
    if (rc == 0)
        assert_int_equal(json_from_message(target, buffer_bytes(&out), NULL, &text, &error), 0);
    else if (mapping)
        buffer_append_string(&text, error.text);
    char *result = strdup(buffer_text(&text));
    cel_activation_destroy(&activation);
    scan_destroy(&scan);
    buffer_destroy(&wire);
    buffer_destroy(&out);
    buffer_destroy(&text);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
    return result;
}

static void expect(struct bench *bench, const struct schema_message *target, const char *yaml,
    const char *json, const char *expected) {
    char *result = map_json(bench, target, yaml, json);
    if (!result || !strstr(result, expected))
        fail_msg("not \"%s\" but \"%s\"", expected, result ? result : "nothing");
    free(result);
}

static void fields_are_filled(void **state) {
    struct bench *bench = *state;
    expect(bench, bench->target,
        "since: msg.registered_at\n"
        "citizen_number: msg.resident.citizen_number\n"
        "relation: \"'R-' + msg.relation\"\n",
        "{\"resident\": {\"citizen_number\": \"11010519491231002X\"}, \"relation\": \"01\","
        " \"registered_at\": \"2026-11-24T08:00:00Z\"}",
        "{\"citizenNumber\":\"11010519491231002X\",\"relation\":\"R-01\",\"since\":\"2026-11-24T08:00:"
        "00Z\"}");
}

// `copies` of what a mapping makes of the message; whether each is what stands in the output.
static void expect_copies(
    struct bench *bench, const char *yaml, struct bytes wire, struct mapping_copies *copies, size_t count) {
    struct report *report = report_new(0);
    struct config_file *file;
    struct mapping *mapping = load(bench, bench->source, yaml, &file, report);
    struct buffer out = {0};
    struct error error;
    assert_non_null(mapping);
    assert_int_equal(buffer_append_string(&out, "before"), 0);
    struct scan *scan = scan_new(bench->paths);
    struct cel_activation *activation = cel_activation_new(bench->env);
    assert_int_equal(scan_run(scan, wire, false, &error), 0);
    cel_activation_set_scan(activation, 0, scan);
    assert_int_equal(mapping_run(mapping, activation, &out, copies, &error), 0);
    assert_int_equal(copies->count, count);
    for (size_t i = 0; i < copies->count; i++) {
        const struct mapping_copy *copy = &copies->items[i];
        assert_true(copy->from >= wire.data && copy->from + copy->size <= wire.data + wire.size);
        assert_true(i == 0 || copy->at >= copy[-1].at + copy[-1].size);
        assert_memory_equal(out.data + strlen("before") + copy->at, copy->from, copy->size);
    }
    cel_activation_destroy(&activation);
    scan_destroy(&scan);
    buffer_destroy(&out);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
}

static void long_texts_that_go_over_are_told(void **state) {
    struct bench *bench = *state;
    struct buffer json = {0};
    struct buffer wire = {0};
    struct error error;
    struct mapping_copy items[3];
    struct mapping_copies copies = {.items = items, .capacity = 3};
    assert_int_equal(buffer_append_format(&json,
                         "{\"relation\": \"%0100d\", \"kind\": \"VISIT\", \"address\": {\"text\": "
                         "\"%0500d\", \"room\": \"%063d\", \"division\": \"%064d\"}}",
                         1, 2, 3, 4),
        0);
    assert_int_equal(json_to_message(bench->source, buffer_bytes(&json), &wire, &error), 0);
    // Nested, so that the lengths before them move them; one too short; one that is made, not taken.
    const char *yaml = "relation: msg.relation\n"
                       "previous_division: \"'+' + msg.address.division\"\n"
                       "resident:\n  name:\n    text: msg.address.text\n  citizen_number: msg.address.room\n"
                       "address:\n  division: msg.address.division\n";
    expect_copies(bench, yaml, buffer_bytes(&wire), &copies, 3);
    copies = (struct mapping_copies){.items = items, .capacity = 1};
    expect_copies(bench, yaml, buffer_bytes(&wire), &copies, 1);
    buffer_destroy(&json);
    buffer_destroy(&wire);
}

static void what_is_absent_is_left_out(void **state) {
    struct bench *bench = *state;
    expect(bench, bench->target, "since: msg.registered_at\ncitizen_number: msg.resident.citizen_number\n",
        "{}", "{}");
}

static void nested_mappings_and_whole_messages(void **state) {
    struct bench *bench = *state;
    expect(bench, bench->source,
        "resident:\n  citizen_number: msg.relation\n  name:\n    text: \"'张三'\"\n"
        "address: msg.address\nkind: msg.kind\n",
        "{\"relation\": \"02\", \"kind\": \"VISIT\", \"address\": {\"division\": \"330106\", \"room\": "
        "\"401\"}}",
        "{\"resident\":{\"citizenNumber\":\"02\",\"name\":{\"text\":\"张三\"}},"
        "\"address\":{\"division\":\"330106\",\"room\":\"401\"},\"kind\":\"VISIT\"}");
    expect(bench, bench->source, "resident:\n  citizen_number: msg.relation\n", "{}", "{}");
}

static void mistakes_have_their_place(void **state) {
    struct bench *bench = *state;
    expect(bench, bench->target, "citizen_numer: msg.relation\n", "{}",
        "map.yaml:1:1: error: gov.housing.v1.OccupancyNotice has no field \"citizen_numer\"; did you mean "
        "\"citizen_number\"?");
    expect(bench, bench->target, "citizen_number: msg.registered_at\n", "{}", "map.yaml:1:17: error:");
    expect(bench, bench->target, "citizen_number: msg.resident.citizen_numbr\n", "{}", "did you mean");
    expect(bench, bench->target, "since:\n  seconds: '1'\n", "{}", "is no message");
    expect(bench, bench->target, "citizen_number: [1]\n", "{}", "expected an expression");
    expect(bench, bench->target, "[]\n", "{}", "expected a mapping");
}

static void a_failed_expression_names_its_field(void **state) {
    struct bench *bench = *state;
    expect(
        bench, bench->target, "citizen_number: string(1 / size(msg.relation))\n", "{}", "citizen_number: ");
}

static void every_allocation_may_fail(void **state) {
    struct bench *bench = *state;
    struct report *report = report_new(0);
    const struct schema_message *target =
        catalogue_message(bench->catalogue, bytes_of_string("gov.public_security.v1.HouseholdReply"));
    struct config_file *file = config_parse("map.yaml",
        bytes_of_string("found: 'true'\naddress: { division: msg.relation }\n"
                        "members: { for: m, in: '[msg.resident]', map: { person: m } }\n"
                        "vehicles: [{ model: msg.relation }]\n"),
        NULL, report);
    for (size_t n = 0;; n++) {
        struct report *problems = report_new(0);
        alloc_fail_after(n);
        struct mapping *mapping = mapping_load(config_root(file), target, bench->env, problems);
        bool complete = alloc_count() <= n;
        alloc_fail_never();
        assert_int_equal(mapping != NULL, complete);
        assert_int_equal(report_errors(problems) == 0, complete);
        mapping_destroy(&mapping);
        report_destroy(&problems);
        if (complete)
            break;
        assert_true(n < 10000);
    }
    config_destroy(&file);
    report_destroy(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_filled),
        cmocka_unit_test(long_texts_that_go_over_are_told),
        cmocka_unit_test(what_is_absent_is_left_out),
        cmocka_unit_test(nested_mappings_and_whole_messages),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(a_failed_expression_names_its_field),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
