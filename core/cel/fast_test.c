// The shorter ways of comparing (fast.c) against the general one, which dyn() asks for.
#include "core/cel/cel_testing.h"
#include "core/cel/program.h"
#include "core/schema/json.h"

static struct buffer message; // of test.three.All

static void set_message(const char *json) {
    struct error error = {0};
    buffer_clear(&message);
    int rc = json_to_message(paths_root(world.paths[0]), bytes_of_string(json), &message, &error);
    if (rc != 0)
        fail_msg("%s: %s", json, error.text);
}

static void compile(const char *source, const struct cel_limits *limits) {
    cel_program_destroy(&world.program);
    world.problems.count = 0;
    if (cel_compile(world.env, bytes_of_string(source), limits, &world.program, &world.problems) != 0)
        fail_msg("%s: %s", source, world.problems.items[0].text);
}

// 0, 1, or the error's text in `failure`: 2.
static int outcome(const char *source, const struct cel_limits *limits, bool fast, char failure[512]) {
    struct error error = {0};
    bool out = false;
    compile(source, limits);
    if (fast && world.program->root->eval == eval_call_2)
        fail_msg("%s takes the general way", source);
    cel_activation_reset(world.activation);
    assert_int_equal(scan_run(world.scans[0], buffer_bytes(&message), false, &error), 0);
    cel_activation_set_scan(world.activation, 0, world.scans[0]);
    int rc = cel_eval_bool(world.program, world.activation, &out, &error);
    snprintf(failure, 512, "%s", error.text);
    assert_true(rc == 0 || rc == CEL_FAILED);
    return rc == 0 ? out : 2;
}

// `left` and `right` with what stands between them and behind.
static int compared(const char *left, const char *between, const char *right, const char *behind) {
    char source[400];
    char general[400];
    char failure[512];
    char other[512];
    snprintf(source, sizeof source, "%s%s%s%s", left, between, right, behind);
    snprintf(general, sizeof general, "dyn(%s)%s%s%s", left, between, right, behind);
    int fast = outcome(source, NULL, true, failure);
    int slow = outcome(general, NULL, false, other);
    if (fast != slow || strcmp(failure, other) != 0)
        fail_msg("%s: %d %s, but the general way %d %s", source, fast, failure, slow, other);
    return fast;
}

static void numbers(void **state) {
    (void)state;
    static const char *const messages[] = {
        "{}",
        "{\"anInt64\": \"5\", \"aUint64\": \"5\", \"aDouble\": 1.5, \"kind\": \"KIND_VISIT\"}",
        "{\"anInt64\": \"-9223372036854775808\", \"aDouble\": \"NaN\", \"kind\": -1}",
        "{\"aUint64\": \"18446744073709551615\"}",
        "{\"anInt64\": \"9223372036854775807\", \"aDouble\": \"-Infinity\", \"aFloat\": 1.5}",
        "{\"aDouble\": -0.0, \"kind\": 77}",
    };
    static const char *const pairs[][2] = {{"msg.an_int64", "5"}, {"msg.an_int64", "-9223372036854775808"},
        {"msg.a_uint64", "5u"}, {"msg.a_uint64", "18446744073709551615u"}, {"msg.a_double", "1.5"},
        {"msg.a_double", "0.0"}, {"msg.a_float", "1.5"}, {"msg.kind", "Kind.KIND_VISIT"}, {"msg.kind", "77"},
        {"msg.an_int64 - 1", "4"}, {"msg.a_uint64 / 2u", "2u"}, {"msg.a_double * 2.0", "3.0"}};
    static const char *const operators[] = {" == ", " != ", " < ", " <= ", " > ", " >= "};
    size_t seen[3] = {0};
    for (size_t m = 0; m < sizeof messages / sizeof *messages; m++) {
        set_message(messages[m]);
        for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
            for (size_t o = 0; o < sizeof operators / sizeof *operators; o++)
                seen[compared(pairs[p][0], operators[o], pairs[p][1], "")]++;
    }
    assert_true(seen[0] > 50 && seen[1] > 50 && seen[2] > 5); // the last: -2^63 - 1
}

static void times(void **state) {
    (void)state;
    static const char *const operators[] = {" == ", " != ", " < ", " <= ", " > ", " >= "};
    static const char *const values[] = {"2026-11-24T00:00:00Z", "2026-11-24T00:00:00.5Z",
        "2026-11-23T23:59:59.9Z", "1969-12-31T23:59:59.5Z", "0001-01-01T00:00:00Z"};
    for (size_t a = 0; a < 5; a++)
        for (size_t b = 0; b < 5; b++)
            for (size_t o = 0; o < sizeof operators / sizeof *operators; o++) {
                char left[160];
                char right[80];
                set_message("{}");
                // As a string the time is only known when evaluating.
                snprintf(left, sizeof left, "timestamp('%s' + msg.a_string)", values[a]);
                snprintf(right, sizeof right, "timestamp('%s')", values[b]);
                compared(left, operators[o], right, "");
                snprintf(left, sizeof left,
                    "(timestamp('%s') - timestamp('1970-01-01T00:00:00Z' + msg.a_string))", values[a]);
                compared(left, operators[o], "duration('1795478400s')", "");
            }
}

// Texts of all short lengths, equal and with one byte that differs, at every place.
static void texts(void **state) {
    (void)state;
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
    static const char *const ways[][2] = {
        {" == ", ""}, {" != ", ""}, {".startsWith(", ")"}, {".endsWith(", ")"}};
    char json[80];
    char literal[40];
    for (int size = 0; size <= 20; size++)
        for (int other = -1; other < size; other++)
            for (int more = 0; more < 3; more++) {
                snprintf(json, sizeof json, "{\"aString\": \"%.*s%.*s\"}", more, "..", size, alphabet);
                if (more == 2)
                    snprintf(json, sizeof json, "{\"aString\": \"%.*s..\"}", size, alphabet);
                set_message(json);
                snprintf(literal, sizeof literal, "'%.*s'", size, alphabet);
                if (other >= 0)
                    literal[1 + other] = '~';
                for (size_t w = 0; w < 4; w++)
                    compared("msg.a_string", ways[w][0], literal, ways[w][1]);
                compared("(msg.a_string + msg.a_string)", ".startsWith(", literal, ")");
            }
}

// What lies before and behind a text in the message belongs to other fields.
static void neighbours_are_no_part_of_a_text(void **state) {
    (void)state;
    set_message("{\"aString\": \"ab\", \"inner\": {}}");
    assert_int_equal(compared("msg.a_string", ".startsWith(", "'abZ'", ")"), 0);
    assert_int_equal(compared("msg.a_string", ".endsWith(", "'\\u0002ab'", ")"), 0);
    assert_int_equal(compared("msg.a_string", ".startsWith(", "'ab'", ")"), 1);
}

static void lists(void **state) {
    (void)state;
    char failure[512];
    const struct cel_limits few = {.steps = 2};
    set_message("{\"aString\": \"02\", \"anInt64\": \"7\", \"kind\": \"KIND_MOVE\"}");
    assert_int_equal(compared("msg.a_string", " in ", "['01', '02', '03']", ""), 1);
    assert_int_equal(compared("msg.a_string", " in ", "['01', '', '020']", ""), 0);
    assert_int_equal(compared("msg.an_int64", " in ", "[1, 7]", ""), 1);
    assert_int_equal(compared("msg.an_int64", " in ", "[1, -7]", ""), 0);
    assert_int_equal(compared("msg.kind", " in ", "[Kind.KIND_VISIT, Kind.KIND_MOVE]", ""), 1);
    assert_int_equal(outcome("msg.an_int64 in [dyn(1), 7u]", NULL, false, failure), 1);
    assert_int_equal(outcome("msg.a_string in ['1', '2', '3']", &few, true, failure), 2);
    assert_non_null(strstr(failure, "steps"));
}

static void what_has_no_value_is_told_the_same(void **state) {
    (void)state;
    char failure[512];
    static const char *const sources[] = {"msg.a_string == 'a'", "msg.an_int64 < 1", "msg.a_double > 0.0",
        "msg.a_string in ['a']", "msg.a_string.startsWith('a')", "has(msg.a_string)", "msg.a_bool"};
    set_message("{}");
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        compile(sources[i], NULL);
        struct cel_activation *activation = cel_activation_new(world.env);
        struct error error = {0};
        bool out;
        assert_non_null(activation);
        assert_int_equal(cel_eval_bool(world.program, activation, &out, &error), CEL_FAILED);
        assert_string_equal(error.text, "the variable msg has no value");
        cel_activation_destroy(&activation);
    }
    assert_int_equal(outcome("msg.an_int64 == 1 && 1 / msg.an_int64 == 0", NULL, false, failure), 0);
    assert_int_equal(outcome("1 / msg.an_int64 == 0 && msg.an_int64 == 1", NULL, false, failure), 0);
    assert_int_equal(outcome("1 / msg.an_int64 == 0 || msg.an_int64 == 0", NULL, false, failure), 1);
    assert_int_equal(outcome("1 / msg.an_int64 == 0 && msg.an_int64 == 0", NULL, false, failure), 2);
}

static int finish(void **state) {
    buffer_destroy(&message);
    return world_destroy(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
        cmocka_unit_test(texts),
        cmocka_unit_test(neighbours_are_no_part_of_a_text),
        cmocka_unit_test(lists),
        cmocka_unit_test(what_has_no_value_is_told_the_same),
    };
    return cmocka_run_group_tests(tests, world_build, finish);
}
