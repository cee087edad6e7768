// Evaluation from inside: rows, fields read through a scan and off the wire alike, error texts, limits.
#include "core/cel/cel_testing.h"
#include "core/cel/collections.h"

#include <errno.h>

static struct error failure;

// The error's text, or "" when a value came out.
static const char *failing(const char *source, const struct cel_limits *limits) {
    struct cel_value value;
    cel_program_destroy(&world.program);
    world.problems.count = 0;
    if (cel_compile(world.env, bytes_of_string(source), limits, &world.program, &world.problems) != 0)
        fail_msg("%s: %s", source, world.problems.items[0].text);
    world_activate();
    failure.text[0] = '\0';
    int rc = cel_eval(world.program, world.activation, &value, &failure);
    assert_int_equal(rc, failure.text[0] ? CEL_FAILED : 0);
    return failure.text;
}

static void test_errors(void **state) {
    (void)state;
    static const char overload[] = "no such overload: the values are not of kinds that fit the operation";
    static const char *const table[][2] = {
        {"9223372036854775807 + 1", "integer overflow"},
        {"-9223372036854775808 - 1", "integer overflow"},
        {"9223372036854775807 * 2", "integer overflow"},
        {"-(-9223372036854775808)", "integer overflow"},
        {"-9223372036854775808 / -1", "integer overflow"},
        {"-9223372036854775808 % -1", "integer overflow"},
        {"0u - 1u", "integer overflow"},
        {"18446744073709551615u + 1u", "integer overflow"},
        {"18446744073709551615u * 2u", "integer overflow"},
        {"1 / 0", "division by zero"},
        {"1u / 0u", "division by zero"},
        {"1 % 0", "modulus by zero"},
        {"1u % 0u", "modulus by zero"},
        {"[1][1]", "index out of range: the list has 1 elements"},
        {"[1][-1]", "index out of range: the list has 1 elements"},
        {"[1][dyn(0.5)]", "an index must be a whole number"},
        {"[1][dyn(0.0) / dyn(0.0)]", "an index must be a whole number"},
        {"{'a': 1}['b']", "no such key: \"b\""},
        {"{'a': 1}.b", "no such key: \"b\""},
        {"{1: 1}[2]", "no such key in the map"},
        {"{dyn(1.5): 1}", "unsupported key type: a map's key is no double"},
        {"{1: 1, 1u: 2}", "a key stands twice in the map"},
        {"dyn(msg.inner).nowhere", "no such field: test.three.Inner has no nowhere"},
        {"has(dyn(msg.inner).nowhere)", "no such field: test.three.Inner has no nowhere"},
        {"dyn(1).x", overload},
        {"has(dyn(1).x)", overload},
        {"dyn(1) + dyn('a')", overload},
        {"dyn(1) && true", overload},
        {"dyn(1) ? 1 : 2", overload},
        {"dyn('a').startsWith(dyn(1))", overload},
        {"known.int64_value + 1", overload},
        {"[1].all(x, dyn(x))", overload},
        {"[1].filter(x, dyn(x))", overload},
        {"[dyn(1)].join()", overload},
        {"int('x')", "\"x\" is no int"},
        {"uint('-1')", "\"-1\" is no uint"},
        {"double('1.5.5')", "\"1.5.5\" is no double"},
        {"bool('yes')", "\"yes\" is no bool"},
        {"int(1e300)", "range error: the number doesn't fit"},
        {"uint(-1)", "range error: the number doesn't fit"},
        {"timestamp(dyn(253402300800))", "range error: the number doesn't fit"},
        {"timestamp(string(n))", "\"42\" is no timestamp within range, such as 2026-01-01T00:00:00Z"},
        {"duration(string(n))", "\"42\" is no duration within range, such as 1h30m or 1.5s"},
        {"int('汉字汉字汉字汉字汉字汉字汉字汉字')", "\"汉字汉字汉字汉字汉字汉字汉\" is no int"},
        {"string(b'\\xff')", "the bytes are not UTF-8: invalid as a string"},
        {"timestamp('9999-12-31T23:59:59Z') + duration('1s')",
            "range error: a timestamp lies in the years 1 to 9999"},
        {"duration('315576000000s') + duration('1s')",
            "range error: a duration that is worked out is at most 292 years"},
        {"known.timestamp.getHours(id)", "\"330106\" is no time zone here: it is \"UTC\", an offset such as "
                                         "\"+08:00\", or a name that stands in "
                                         "the expression"},
        {"'abc'.substring(4)", "index out of range: the text has no character 4"},
        {"'abc'.substring(-1)", "index out of range: the text has no character -1"},
        {"'abc'.substring(0, 9223372036854775807)",
            "index out of range: the text has no character 9223372036854775806"},
        {"'abc'.substring(2, 1)", "substring(): its start 2 lies behind its end 1"},
        {"'abc'.charAt(4)", "index out of range: the text has no character 4"},
        {"'abc'.indexOf('a', 4)", "index out of range: the text has no character 4"},
        {"'abc'.lastIndexOf('a', -1)", "index out of range: the text has no character -1"},
        {"'a'.matches('[' + id)",
            "the pattern is wrong at its byte 8: missing terminating ] for character class"},
        {"'a'.matches('(?=' + id)", "the pattern is wrong at its byte 1: RE2, whose patterns these are, has "
                                    "no look-around, conditions or "
                                    "recursion"},
        {"codes('relation', id)", "unmapped code \"330106\" in map relation"},
        {"codes('relation', msg.renamed)", "unmapped code \"\" in map relation"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *is = failing(table[i][0], NULL);
        if (strcmp(is, table[i][1]) != 0)
            fail_msg("%s\n  says  %s\n  and not %s", table[i][0], is, table[i][1]);
    }
}

static void test_limits(void **state) {
    (void)state;
    static const char steps[] = "the expression takes more steps than its limit allows";
    static const char memory[] = "the expression makes more values than its memory limit allows";
    static const char matches[] = "the pattern needs more steps on this text than its limit allows";
    struct cel_limits limits = {.steps = 10, .memory = 100000, .matches = 100};
    assert_string_equal(failing("[1, 2, 3].all(x, [1, 2, 3].all(y, x + y > 0))", &limits), steps);
    assert_string_equal(failing("[1, 2, 3].map(x, [1, 2, 3].map(y, x + y)) == []", &limits), steps);
    assert_string_equal(failing("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].exists_one(x, x == 1)", &limits), steps);
    assert_string_equal(failing("!(n in [1, 2, 3]) && n in [1, 2, 3, 4, 5, 6, 7, 8]", &limits), steps);
    assert_string_equal(failing("[1, 2, 3, 4, 5, 6] + [1, 2, 3, 4, 5, n] == []", &limits), steps);
    assert_string_equal(
        failing("msg.inner == msg.inner && msg.inner == msg.inner && msg.inner == msg.inner", &limits),
        steps);
    limits.steps = 2000;
    limits.memory = 0;
    // Lists that share their elements are larger than they look; exists() goes on behind an error.
    static const char shared[] = "cel.bind(a, [n, n, n, n, n, n, n, n], cel.bind(b, [a, a, a, a, a, a, a, "
                                 "a], cel.bind(c, [b, b, b, b, b, b, b, b], "
                                 "cel.bind(d, [c, c, c, c, c, c, c, c], b.exists(x, %s == null)))))";
    static const char *const built[] = {"test.three.Known{value: d}", "test.three.Known{list: d}",
        "test.three.Known{struct: {'d': d}}", "test.three.Known{any: d}", "test.three.Known{values: [d]}"};
    char source[600];
    for (size_t i = 0; i < sizeof built / sizeof *built; i++) {
        snprintf(source, sizeof source, shared, built[i]);
        assert_string_equal(failing(source, &limits), steps);
    }
    static const char late[] = "cel.bind(a, '0123456789abcdef'.replace('', "
                               "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), "
                               "(a + a + a + a + a).lastIndexOf('b' + a)) == n";
    assert_string_equal(failing(late, &limits), steps);
    limits = (struct cel_limits){.memory = 100000, .matches = 100};
    static const char doubling[] =
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(a, 'xxxxxxxxxx' + id).map(b, b + b + b + b)"
        ".map(c, c + c + c + c + c + c + c + c).map(d, d + d + d + d + d + d + d + d)";
    assert_string_equal(failing(doubling, &limits), memory);
    assert_string_equal(
        failing("(id + 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa').matches('^(0|6|a+)+$|b')", &limits), "");
    assert_string_equal(
        failing("(id + 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa!').matches('(0|6|a+)+$')", &limits), matches);
}

// A message in a list is walked for each field that is read of it.
static void test_walking_limits(void **state) {
    (void)state;
    struct buffer message = {0};
    struct error error = {0};
    bool value;
    assert_int_equal(view_put_tag(&message, 41, 2), 0);
    assert_int_equal(view_put_varint(&message, 40004), 0);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(buffer_append(&message, "\x22\x00", 2), 0); // tags
    assert_int_equal(buffer_append(&message, "\x0a\x02zz", 4), 0);   // name
    cel_program_destroy(&world.program);
    struct bytes source = bytes_of_string("msg.inners.exists(i, i.tags.exists(t, t == i.name))");
    assert_int_equal(cel_compile(world.env, source, NULL, &world.program, NULL), 0);
    cel_activation_reset(world.activation);
    assert_int_equal(scan_run(world.scans[0], buffer_bytes(&message), false, &error), 0);
    cel_activation_set_scan(world.activation, 0, world.scans[0]);
    assert_int_equal(cel_eval_bool(world.program, world.activation, &value, &error), CEL_FAILED);
    assert_string_equal(error.text, "the expression takes more steps than its limit allows");
    buffer_destroy(&message);
}

// Patterns that go back and forth: each match has its limit, and all of an evaluation share that of its
// steps.
static void test_pattern_limits(void **state) {
    (void)state;
    static const char steps[] = "the expression takes more steps than its limit allows";
    static const char matches[] = "the pattern needs more steps on this text than its limit allows";
    struct cel_limits limits = {0};
    static const char *const hard[] = {
        "^(a+)+$", "(a|aa)+$", "(a|a?)+$", "([a-z]+)*[01]$", "^(.*?a){12}$", "(x+x+)+[yz]"};
    char source[300];
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        snprintf(source, sizeof source,
            "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!' + id).matches('%s')",
            hard[i]);
        const char *text = failing(source, &limits);
        if (strcmp(text, matches) != 0)
            fail_msg("%s: \"%s\"", hard[i], text);
    }
    // exists() goes on behind an error: three of a hundred thousand items each, ten of them a step.
    static const char each[] =
        "[1, 2, 3].exists(x, ('aaaaaaaaaaaaaaaaaaaaaaaaaaaa' + id + '!').matches('(a+)+$'))";
    limits.steps = 35000;
    assert_string_equal(failing(each, &limits), matches);
    limits.steps = 25000;
    assert_string_equal(
        failing(
            "[1, 2, 3].map(x, ('aaaaaaaaaaaaaaaaaaaaaaaaaaaa' + id + '!').matches('(a+)+$')) == []", &limits),
        matches);
    assert_string_equal(
        failing("[1, 2, 3].filter(x, ('aaaaaaaaaaa' + id + '!').matches('(a+)+[9!]$')) == []", &limits), "");
    limits.steps = 2000;
    assert_string_equal(
        failing("[1, 2, 3].filter(x, ('aaaaaaaaaaa' + id + '!').matches('(a+)+[9!]$')) == []", &limits),
        steps);
    // A text that is walked over from each of its places: 1,506 bytes, an eighth of half their square.
    static const char walk[] =
        "(('a'.replace('', 'aaaaaaaaaaaa') + id).replace('a', "
        "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')).matches('[a-y]+[.,]')";
    limits = (struct cel_limits){.matches = 130000};
    assert_string_equal(failing(walk, &limits), matches);
    limits.matches = 320000;
    assert_string_equal(failing(walk, &limits), "");
    limits.steps = 10000;
    assert_string_equal(failing(walk, &limits), steps);
    limits.steps = 100;
    assert_string_equal(failing("'a'.matches(id)", &limits), steps);
}

static void test_pattern_size(void **state) {
    (void)state;
    struct cel_limits limits = {0};
    assert_string_equal(
        failing("'a'.matches(('a'.replace('', id)).replace('3', "
                "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('a', "
                "'bbbbbbbbbbbbbbbbbbbbbbbb'))",
            &limits),
        "the pattern is wrong at its byte 4097: a pattern has at most 4,096 bytes");
    assert_string_equal(failing("'a'.matches(id + '{1001}')", &limits),
        "the pattern is wrong at its byte 7: RE2, whose patterns these are, repeats at most 1,000 times");
    assert_string_equal(failing("'a'.matches(id + '(a{1,99999999999999999999})')", &limits),
        "the pattern is wrong at its byte 9: RE2, whose patterns these are, repeats at most 1,000 times");
    assert_non_null(strstr(failing("'a'.matches(id + '((a{1000}){1000}){1000}')", &limits), "too large"));
}

// ---- Fields: through a scan, and off the wire ----

// A variable, and what its fields are read with.
struct place {
    const struct cel_env *env;
    const char *name;
    size_t index;
    struct paths *paths;
    struct scan *scan;
    struct cel_activation *activation;
};

static struct place place_of(size_t index) {
    return (struct place){
        world.env, index ? "known" : "msg", index, world.paths[index], world.scans[index], world.activation};
}

static void compare_field(
    const struct place *place, struct bytes message, const struct schema_field *field, bool has) {
    char source[200];
    struct cel_value whole = {.kind = CEL_MESSAGE, .message = {.type = field->parent, .bytes = message}};
    struct cel_value by_scan;
    struct cel_value by_wire;
    struct error error;
    snprintf(source, sizeof source, has ? "has(%s.%s)" : "%s.%s", place->name, field->name);
    cel_program_destroy(&world.program);
    assert_int_equal(cel_compile(place->env, bytes_of_string(source), NULL, &world.program, NULL), 0);
    cel_activation_reset(place->activation);
    if (scan_run(place->scan, message, false, &error) != 0)
        fail_msg("%s", error.text);
    cel_activation_set_scan(place->activation, place->index, place->scan);
    int rc = cel_eval(world.program, place->activation, &by_scan, &error);
    if (has)
        message_has(place->activation, &whole, field, &by_wire);
    else
        message_field(place->activation, &whole, field, &by_wire);
    assert_int_equal(rc, by_wire.kind == CEL_ERROR ? CEL_FAILED : 0); // an Any of nothing
    if (rc)
        return;
    if (!cel_equal(place->activation, &by_scan, &by_wire))
        fail_msg("%s differs by scan and by wire", source);
    assert_true(cel_equal(place->activation, &by_wire, &by_wire));
}

static void compare_all(const struct place *place, struct bytes message) {
    const struct schema_message *type = paths_root(place->paths);
    for (size_t i = 0; i < type->field_count; i++) {
        compare_field(place, message, &type->fields[i], false);
        compare_field(place, message, &type->fields[i], true);
    }
}

static void put_scalar(struct buffer *out, const struct schema_field *field, int64_t value) {
    static const uint8_t inner[] = {0x0a, 0x01, 'i', 0x10, 0x05};
    static const uint8_t five[] = {0x08, 0x05};
    bool known = strncmp(field->message ? field->message->full_name : "", "google.", 7) == 0;
    int rc;
    switch (field->kind) {
    case SCHEMA_DOUBLE:
    case SCHEMA_FLOAT:
        rc = view_put_double(out, field, (double)value);
        break;
    case SCHEMA_STRING:
    case SCHEMA_BYTES:
        rc = view_put_bytes(out, field, value ? bytes_of_string("text") : (struct bytes){0});
        break;
    case SCHEMA_MESSAGE:
        rc = view_put_bytes(
            out, field, known ? bytes_of(five, sizeof five) : bytes_of(inner, field->map ? 0 : sizeof inner));
        break;
    default: // several elements are packed
        rc = view_put_int(out, field, value);
        break;
    }
    assert_int_equal(rc, 0);
}

static void compare_filled(const struct place *place) {
    const struct schema_message *type = paths_root(place->paths);
    struct buffer message = {0};
    compare_all(place, (struct bytes){0});
    for (int64_t value = 1; value >= 0; value--) {
        for (size_t i = 0; i < type->field_count; i++) // the last of a oneof stays, messages merge
            put_scalar(&message, &type->fields[i], value);
        compare_all(place, buffer_bytes(&message));
    }
    for (size_t i = type->field_count; i > 0; i--)
        put_scalar(&message, &type->fields[i - 1], 1);
    compare_all(place, buffer_bytes(&message));
    buffer_destroy(&message);
}

// A message in pieces with another field between them, a map with a key twice, packed and loose numbers
// mixed.
static const uint8_t odd[] = {0x5a, 0x03, 0x0a, 0x01, 'a', 0x40, 0x01, 0x5a, 0x02, 0x10, 0x07, 0xea, 0x03,
    0x06, 0x0a, 0x01, 'k', 0x12, 0x01, 'a', 0x98, 0x02, 0x05, 0x9a, 0x02, 0x02, 0x06, 0x07, 0xea, 0x03, 0x06,
    0x0a, 0x01, 'k', 0x12, 0x01, 'b', 0x98, 0x02, 0x08, 0xea, 0x03, 0x00};

static void test_fields(void **state) {
    (void)state;
    struct place msg = place_of(0);
    struct place known = place_of(1);
    compare_filled(&msg);
    compare_filled(&known);
    compare_all(&msg, bytes_of(message_all, sizeof message_all));
    compare_all(&known, bytes_of(message_known, sizeof message_known));
    compare_all(&msg, bytes_of(odd, sizeof odd));
}

// proto2: numbers that a closed enum doesn't know are passed over, groups are messages.
static void test_legacy(void **state) {
    (void)state;
    static const uint8_t message[] = {0x08, 0x01, 0x18, 0x01, 0x18, 0x09, 0x20, 0x01, 0x20, 0x09, 0x20, 0x02,
        0x2a, 0x03, 0x01, 0x09, 0x02, 0x33, 0x0a, 0x01, 's', 0x10, 0x05, 0x34, 0x3b, 0x08, 0x07, 0x3c, 0x3b,
        0x3c, 0x70, 0x02};
    static const char *const table[][2] = {{"old.closed", "1"}, {"old.closeds", "[1, 2]"},
        {"old.packed_closeds", "[1, 2]"}, {"size(old.closeds)", "2"}, {"old.place.street", "'s'"},
        {"old.entry.map(e, e.value)", "[7, 0]"}, {"old.choice_closed == Closed.TWO", "true"}};
    struct place old = {.name = "old", .index = 0};
    struct cel_value value;
    struct bytes text;
    struct error error;
    old.paths = paths_new(catalogue_message(world.catalogue, bytes_of_string("test.two.Legacy")));
    struct cel_env *env = cel_env_new(world.catalogue, NULL, NULL);
    assert_int_equal(cel_env_declare_message(env, "old", old.paths, &old.index), 0);
    old.env = env;
    old.scan = scan_new(old.paths);
    old.activation = cel_activation_new(env);
    compare_all(&old, bytes_of(message, sizeof message));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cel_program_destroy(&world.program);
        assert_int_equal(cel_compile(env, bytes_of_string(table[i][0]), NULL, &world.program, NULL), 0);
        assert_int_equal(scan_run(old.scan, bytes_of(message, sizeof message), false, &error), 0);
        cel_activation_set_scan(old.activation, old.index, old.scan);
        assert_int_equal(cel_eval(world.program, old.activation, &value, &error), 0);
        assert_false(cel_program_text(world.program, old.activation, &text)); // it may be no UTF-8
        buffer_clear(&world.text);
        render(&world.text, &value);
        assert_string_equal(buffer_text(&world.text), table[i][1]);
    }
    cel_program_destroy(&world.program);
    cel_activation_destroy(&old.activation);
    scan_destroy(&old.scan);
    cel_env_destroy(&env);
    paths_destroy(&old.paths);
}

static void expect_of(struct bytes message, const char *source, const char *must) {
    struct cel_value value;
    struct error error;
    cel_program_destroy(&world.program);
    assert_int_equal(cel_compile(world.env, bytes_of_string(source), NULL, &world.program, NULL), 0);
    world_activate();
    assert_int_equal(scan_run(world.scans[0], message, false, &error), 0);
    assert_int_equal(cel_eval(world.program, world.activation, &value, &error), 0);
    buffer_clear(&world.text);
    render(&world.text, &value);
    assert_string_equal(buffer_text(&world.text), must);
}

static void test_odd_wire(void **state) {
    (void)state;
    const struct bytes message = bytes_of(odd, sizeof odd);
    expect_of(message, "msg.inner", "test.three.Inner{0a 01 61 10 07}");
    expect_of(message, "msg.inner.name + string(msg.inner.number)", "'a7'");
    expect_of(message, "(msg.a_bool ? msg.inner : msg.choice_inner).number", "7");
    expect_of(message, "msg.inner == msg.inner", "true");
    expect_of(message, "msg.names", "{'k': 'b', '': ''}");
    expect_of(message, "msg.names.k + msg.names['']", "'b'");
    expect_of(message, "msg.int32s", "[5, 6, 7, 8]");
    expect_of(message, "size(msg.int32s)", "4");
}

// ---- Rows ----

static void test_rows(void **state) {
    (void)state;
    static const struct schema_column columns[] = {{"CITIZEN_NO", SCHEMA_STRING, false},
        {"age", SCHEMA_INT64, false}, {"住址", SCHEMA_STRING, false}, {"note", SCHEMA_STRING, false}};
    static const uint8_t message[] = {0x0a, 0x02, '3', '3', 0x10, 0x00, 0x1a, 0x03, 'a', 'b', 'c'};
    const struct {
        const char *source;
        bool absent;
        const char *value;
        const char *text; // NULL: it doesn't only select one
    } table[] = {{"row.CITIZEN_NO", false, "'33'", "33"}, {"row.age", false, "0", NULL},
        {"has(row.age)", false, "true", NULL}, {"row.note", true, "''", ""},
        {"has(row.note)", false, "false", NULL}, {"row.`住址`", false, "'abc'", "abc"},
        {"row.note == ''", false, "true", NULL}, {"row.note + 'x'", false, "'x'", NULL}};
    const struct schema_message *type;
    struct cel_program *program;
    struct cel_value value;
    struct bytes text;
    struct error error;
    size_t index;
    assert_int_equal(catalogue_define(world.catalogue, "row.of.test", columns, 4, &type, &error), 0);
    struct paths *paths = paths_new(type);
    struct cel_env *env = cel_env_new(world.catalogue, NULL, "test.three.All");
    assert_int_equal(cel_env_declare_message(env, "row", paths, &index), 0);
    struct cel_activation *activation = cel_activation_new(env);
    struct scan *scan = scan_new(paths);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(cel_compile(env, bytes_of_string(table[i].source), NULL, &program, NULL), 0);
        assert_false(i == 0 && cel_program_absent(program, activation)); // without a scan
        assert_false(i == 0 && cel_program_text(program, activation, &text));
        assert_int_equal(scan_run(scan, bytes_of(message, sizeof message), false, &error), 0);
        cel_activation_set_scan(activation, index, scan);
        assert_int_equal(cel_eval(program, activation, &value, &error), 0);
        assert_int_equal(cel_program_absent(program, activation), table[i].absent);
        assert_int_equal(cel_program_text(program, activation, &text), table[i].text != NULL);
        assert_true(!table[i].text || bytes_equal_string(text, table[i].text));
        assert_int_equal(scan_run(scan, bytes_of(message, sizeof message), true, &error), 0);
        assert_false(cel_program_text(program, activation, &text)); // nobody checked it
        buffer_clear(&world.text);
        render(&world.text, &value);
        assert_string_equal(buffer_text(&world.text), table[i].value);
        cel_program_destroy(&program);
        cel_activation_reset(activation);
    }
    scan_destroy(&scan);
    cel_activation_destroy(&activation);
    cel_env_destroy(&env);
    paths_destroy(&paths);
}

// ---- What callers may do wrong, and values out of lists ----

static void test_unset(void **state) {
    (void)state;
    struct cel_activation *activation = cel_activation_new(world.env);
    struct cel_value value = {.kind = CEL_INT};
    struct error error;
    bool out = false;
    cel_activation_set(activation, 99, &value);
    cel_activation_set_scan(activation, 99, world.scans[0]);
    cel_program_destroy(&world.program);
    assert_int_equal(cel_compile(world.env, bytes_of_string("msg.a_bool"), NULL, &world.program, NULL), 0);
    assert_int_equal(cel_eval_bool(world.program, activation, &out, &error), CEL_FAILED);
    assert_string_equal(error.text, "the variable msg has no value");
    cel_program_destroy(&world.program);
    assert_int_equal(cel_compile(world.env, bytes_of_string("dyn(n)"), NULL, &world.program, NULL), 0);
    assert_int_equal(cel_eval_bool(world.program, activation, &out, &error), CEL_FAILED);
    assert_string_equal(error.text, "the variable n has no value");
    cel_activation_set(activation, 3, &value);
    assert_int_equal(cel_eval_bool(world.program, activation, &out, &error), CEL_FAILED);
    assert_non_null(strstr(error.text, "no such overload"));
    cel_activation_destroy(&activation);
}

static void test_declare(void **state) {
    (void)state;
    size_t index;
    struct cel_env *env = cel_env_new(NULL, NULL, NULL);
    struct cel_problems problems;
    assert_int_equal(cel_env_declare(env, "a", CEL_INT, &index), 0);
    assert_int_equal(cel_env_declare(env, "a", CEL_INT, &index), -EEXIST);
    assert_int_equal(cel_env_declare(env, "b", CEL_LIST, &index), -EINVAL);
    cel_program_destroy(&world.program);
    assert_int_equal(
        cel_compile(env, bytes_of_string("codes('a', 'b')"), NULL, &world.program, &problems), CEL_REFUSED);
    assert_string_equal(problems.items[0].text, "there are no code lists here");
    assert_int_equal(
        cel_compile(env, bytes_of_string("a.b.c == A.B"), NULL, &world.program, &problems), CEL_REFUSED);
    assert_string_equal(problems.items[0].text, "int has no fields");
    cel_env_destroy(&env);
}

static void test_walking(void **state) {
    (void)state;
    struct cel_value value;
    struct cel_value key;
    struct cel_value item;
    struct buffer out = {0};
    cel_program_destroy(&world.program);
    assert_int_equal(
        cel_compile(world.env, bytes_of_string("{'a': msg.int32s}"), NULL, &world.program, NULL), 0);
    world_activate();
    assert_int_equal(cel_eval(world.program, world.activation, &value, NULL), 0);
    assert_int_equal(cel_map_size(value.map), 1);
    assert_int_equal(cel_map_entry(value.map, world.activation, 1, &key, &item), -ERANGE);
    assert_int_equal(cel_map_entry(value.map, world.activation, 0, &key, &item), 0);
    assert_int_equal(cel_list_get(item.list, world.activation, 3, &value), -ERANGE);
    assert_int_equal(cel_list_get(item.list, world.activation, 2, &value), 0);
    assert_int_equal(value.i64, 3);
    assert_int_equal(cel_message_append(&value, &out), -EINVAL);
    assert_false(cel_message_present(&value));
    assert_string_equal(cel_kind_name(CEL_TIMESTAMP), "timestamp");
}

// codes() maps by the activation's time.
static void test_dated_codes(void **state) {
    (void)state;
    struct code_map *map;
    struct cel_program *program;
    struct cel_value value;
    size_t index;
    const struct code_entry entries[] = {{.code = bytes_of_string("1"),
                                             .name = bytes_of_string("old"),
                                             .from = CODES_ALWAYS_FROM,
                                             .until = 1000},
        {.code = bytes_of_string("1"),
            .name = bytes_of_string("new"),
            .from = 1000,
            .until = CODES_ALWAYS_UNTIL}};
    struct codes *codes = codes_new();
    assert_int_equal(codes_add_map(codes, bytes_of_string("m"), NULL, NULL, &map, NULL), 0);
    assert_int_equal(code_map_add(map, &entries[0], NULL), 0);
    assert_int_equal(code_map_add(map, &entries[1], NULL), 0);
    struct cel_env *env = cel_env_new(NULL, codes, NULL);
    assert_int_equal(cel_env_declare(env, "x", CEL_STRING, &index), 0);
    struct cel_activation *activation = cel_activation_new(env);
    assert_int_equal(cel_compile(env, bytes_of_string("codes('m', '1')"), NULL, &program, NULL), 0);
    static const struct {
        int64_t time;
        const char *to;
    } table[] = {{0, "new"}, {999, "old"}, {1000, "new"}};
    for (size_t i = 0; i < 3; i++) {
        cel_activation_set_time(activation, table[i].time);
        assert_int_equal(cel_eval(program, activation, &value, NULL), 0);
        assert_true(bytes_equal_string(value.bytes, table[i].to));
    }
    cel_program_destroy(&program);
    cel_activation_destroy(&activation);
    cel_env_destroy(&env);
    codes_destroy(&codes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_walking_limits),
        cmocka_unit_test(test_pattern_limits),
        cmocka_unit_test(test_pattern_size),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_legacy),
        cmocka_unit_test(test_odd_wire),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unset),
        cmocka_unit_test(test_declare),
        cmocka_unit_test(test_walking),
        cmocka_unit_test(test_dated_codes),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
