// Messages that are built, values that stand for messages, macros with two names, cel.bind(), functions that
// are only declared, and expressions without types: beside CEL's own suite, which test/conformance/cel runs.
#include "core/cel/cel_testing.h"
#include "core/cel/collections.h"

#include <errno.h>

struct expectation {
    const char *source;
    const char *value; // "error: …": the text's start
};

static const char *outcome(const char *source, const struct cel_limits *limits) {
    struct cel_value value;
    struct error error = {0};
    buffer_clear(&world.text);
    cel_program_destroy(&world.program);
    int rc = cel_compile(world.env, bytes_of_string(source), limits, &world.program, &world.problems);
    if (rc == CEL_REFUSED)
        return world.problems.items[0].text;
    assert_int_equal(rc, 0);
    world_activate();
    rc = cel_eval(world.program, world.activation, &value, &error);
    if (rc == 0)
        render(&world.text, &value);
    else
        assert_int_equal(buffer_append_format(&world.text, "error: %s", error.text), 0);
    return buffer_text(&world.text);
}

static void expect(const struct expectation *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *is = outcome(table[i].source, NULL);
        bool start = strncmp(table[i].value, "error", 5) == 0;
        if (start ? strstr(is, table[i].value) != is : strcmp(is, table[i].value) != 0)
            fail_msg("%s\n  must be %s\n  but is %s", table[i].source, table[i].value, is);
    }
}
#define EXPECT(table) expect(table, sizeof(table) / sizeof *(table))

static void messages_are_built(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"Inner{}", "test.three.Inner{}"},
        {"Inner{name: 'x', number: -1}", "test.three.Inner{0a 01 78 10 ff ff ff ff ff ff ff ff ff 01}"},
        {"Inner{name: '', number: 0}", "test.three.Inner{}"},
        {"test.three.Inner{inner: Inner{name: id}}.inner.name", "'330106'"},
        {"All{maybe_int32: 0, choice_string: ''}", "test.three.All{a8 01 00 9a 03 00}"},
        {"All{int32s: [1, 2], loose_int32s: [1, 2]}", "test.three.All{9a 02 02 01 02 88 03 01 88 03 02}"},
        {"All{int32s: [], names: {}} == All{}", "true"},
        {"All{names: {'a': 'b'}, by_number: {5: Inner{name: 'c'}}}.by_number[5].name", "'c'"},
        {"All{by_bool: {true: Kind.KIND_MOVE}}.by_bool[true] == Kind.KIND_MOVE", "true"},
        {"All{inner: null, a_float: 0.5, a_sint64: -3, a_fixed32: 7u, a_bytes: b'x', kind: 77}.kind", "77"},
        {"All{an_int32: 2147483648}", "error: range error: the number doesn't fit test.three.All.an_int32"},
        {"All{a_uint32: 4294967296u}", "error: range error"},
        {"All{kind: -2147483649}", "error: range error"},
        {"All{int32s: [1, 2147483648]}", "error: range error"},
        {"All{an_int32: dyn('x')}", "error: unsupported field type: test.three.All.an_int32 takes no string"},
        {"All{an_int32: dyn(null)}", "error: unsupported field type"},
        {"All{int32s: dyn({})}", "error: unsupported field type"},
        {"All{names: dyn([])}", "error: unsupported field type"},
        {"All{inner: dyn(All{})}", "error: unsupported field type"},
        {"All{inner: Inner{number: 1 / 0}}", "error: division by zero"},
        {"All{inners: msg.inners}.inners == msg.inners && All{inner: msg.inner}.inner == msg.inner", "true"},
        {"[Inner{number: n}, null][0].number", "42"},
        {"All{choice_string: 'a', choice_int32: 1}",
            "choice_string and choice_int32 are of one oneof, of which one is set"},
    };
    EXPECT(table);
}

static void a_message_is_a_value(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"msg == msg", "true"},
        {"msg.inner == Inner{name: 'x', number: 0, tags: ['a', 'b']}", "true"},
        {"[msg][0].a_string", "'330106'"},
        {"msg == null", "false"},
        {"type(msg) == All", "true"},
        {"[msg, All{}].map(m, m.a_string)", "['330106', '']"},
        {"{'m': msg}.m.int32s", "[1, 2, 3]"},
        {"(n > 1 ? msg : All{}).a_string", "'330106'"},
    };
    EXPECT(table);
}

static void known_messages_are_what_they_stand_for(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"google.protobuf.Timestamp{seconds: 5, nanos: 7}", "timestamp 5.000000007"},
        {"google.protobuf.Duration{seconds: -5}", "duration -5.000000000"},
        {"google.protobuf.Int32Value{value: 7} + 1", "8"},
        {"google.protobuf.Value{}", "null"},
        {"google.protobuf.Value{string_value: 'x'}", "'x'"},
        {"google.protobuf.Struct{fields: {'a': 1.0}}.a", "1.0"},
        {"google.protobuf.ListValue{values: [true, null, {'a': [1]}]}", "[true, null, {'a': [1.0]}]"},
        {"google.protobuf.Any{}", "error: conversion error: the Any holds nothing"},
        {"google.protobuf.Any{type_url: 'x/no.Such'}",
            "error: conversion error: the Any holds no x/no.Such that is known"},
        {"google.protobuf.Any{type_url: 'x/test.three.Inner', value: b'\\x0a'}", "error: conversion error"},
        {"google.protobuf.Any{type_url: 'x/test.three.Inner', value: b'\\x0a\\x01x'}.name", "'x'"},
        {"Known{any: Known{any: [1, 'a', {'b': null}]}.any}.any", "[1.0, 'a', {'b': null}]"},
        {"[1, 2u, 1.5, 'a', b'b', true, null].map(x, Known{any: x}.any)",
            "[1, 2u, 1.5, 'a', b'62', true, null]"},
        {"[timestamp(5), duration('1s'), msg.inner].map(x, Known{any: x}.any == x)", "[true, true, true]"},
        {"Known{any: int}", "error: no such overload"},
        {"[1, 9007199254740993, 18446744073709551615u, b'\\xff\\xfe', timestamp(0), duration('1.5s')]"
         ".map(x, Known{value: x}.value)",
            "[1.0, '9007199254740993', '18446744073709551615', '//4=', '1970-01-01T00:00:00Z', '1.500s']"},
        {"Known{value: Inner{name: 'x'}}.value", "{'name': 'x'}"},
        {"Known{value: google.protobuf.Empty{}}.value", "{}"},
        {"Known{value: google.protobuf.FieldMask{paths: ['a_b', 'c']}}.value", "'aB,c'"},
        {"Known{struct: {1: 2}}", "test.three.Known.struct takes map(string, dyn), not map(int, int)"},
        {"Known{struct: dyn({1: 2})}", "error: bad key type"},
        {"Known{struct: null}", "test.three.Known.struct takes map(string, dyn), not null"},
        {"Known{choice_null: null, int32_value: null, timestamp: null} == Known{}", "true"},
        {"Known{string_value: ''}.string_value", "''"},
        {"Known{string_value: dyn(1)}", "error: unsupported field type"},
        {"Known{timestamp: dyn(duration('1s'))}", "error: unsupported field type"},
        {"[known.any, known.value, known.struct, known.list]", "[null, null, {}, []]"},
        {"has(known.any) || has(known.value) || has(known.struct)", "false"},
        {"Known{any: 1} == Known{any: 1} && Known{any: 1} != Known{any: 2} && Known{any: 1} != Known{}",
            "true"},
    };
    EXPECT(table);
}

static void macros_take_two_names(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"[5, 6].transformList(i, v, i * 10 + v)", "[5, 16]"},
        {"[5, 6, 7].transformList(i, v, i > 0, v)", "[6, 7]"},
        {"{'a': 1, 'b': 2}.transformMap(k, v, k + string(v))", "{'a': 'a1', 'b': 'b2'}"},
        {"['a', 'b'].transformMap(i, v, v)", "{0: 'a', 1: 'b'}"},
        {"{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)", "{'b': 2}"},
        {"{'a': 1, 'b': 2}.transformMapEntry(k, v, {v: k})", "{1: 'a', 2: 'b'}"},
        {"[5, 6].transformMapEntry(i, v, i == 0, {v: i, -v: i})", "{5: 0, -5: 0}"},
        {"['a', 'b'].transformMapEntry(i, v, {1: v})", "error: a key stands twice in the map"},
        {"['a'].transformMapEntry(i, v, dyn(v))", "error: no such overload"},
        {"[1, 2].transformMapEntry(i, v, i / 0 == 1, {v: i})", "error: division by zero"},
        {"msg.int32s.all(i, v, v == i + 1) && msg.names.exists(k, v, k == 'k')", "true"},
        {"msg.int32s.existsOne(i, v, v == 2) && msg.int32s.exists_one(v, v == 2)", "true"},
        {"msg.int32s.existsOne(v, v > 1)", "false"},
        {"[[1], [2]].transformList(i, v, v.transformList(j, w, i + j + w))", "[[1], [3]]"},
        {"cel.bind(x, n * 2, x + x)", "168"},
        {"cel.bind(x, 1 / 0, true)", "true"},
        {"cel.bind(x, 1 / 0, x == 1)", "error: division by zero"},
        {"cel.bind(m, msg.inner, m.name + m.name)", "'xx'"},
        {"cel.bind(x, 1, cel.bind(x, x + 1, x * 10))", "20"},
        {"[1, 2].map(y, cel.bind(x, y, [3].map(z, x + y + z)))", "[[5], [7]]"},
    };
    EXPECT(table);
}

static void limits_hold(void **state) {
    (void)state;
    static const char steps[] = "error: the expression takes more steps than its limit allows";
    static const char memory[] = "error: the expression makes more values than its memory limit allows";
    struct cel_limits limits = {.steps = 10};
    struct buffer source = {0};
    static const char *const many[] = {
        "[1, 2, 3].all(i, x, [1, 2, 3].all(j, y, x + y > 0))",
        "[1, 2, 3].transformList(i, x, [1, 2, 3].transformList(j, y, x + y)) == []",
        "{1: 1, 2: 2, 3: 3}.transformMap(k, v, {1: 1, 2: 2, 3: 3}.transformMap(l, w, v + w)) == {}",
        "[1, 2, 3].transformMapEntry(i, x, {x: 1, -x: 2, x + 10: 3})",
        "[1, 2, 3, 4, 5, 6].map(x, Inner{number: x}).map(m, m.number)",
        "[1, 2, 3, 4].map(x, Known{any: x}.any)",
    };
    for (size_t i = 0; i < sizeof many / sizeof *many; i++)
        assert_string_equal(outcome(many[i], &limits), steps);
    limits = (struct cel_limits){.memory = 17000};
    assert_string_equal(
        outcome("[1, 2, 3, 4, 5, 6, 7, 8].map(a, 'xxxxxxxxxx' + id).map(b, b + b + b + b)"
                ".map(c, Inner{name: c + c + c + c, tags: [c, c, c, c, c, c]}).map(i, Inner{inner: i})",
            &limits),
        memory);
    // Lists in lists, by values that are named: 99 levels each time.
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(
            buffer_append_format(&source, "cel.bind(x%zu, [[[[[%s%zu]]]]], ", i, i ? "x" : "", i ? i - 1 : 0),
            0);
    assert_int_equal(buffer_append_string(&source, "Known{list: x29}"), 0);
    for (size_t i = 0; i < 30; i++)
        assert_int_equal(buffer_append_string(&source, ")"), 0);
    assert_string_equal(
        outcome(buffer_text(&source), NULL), "error: the value is nested deeper than 64 levels");
    buffer_clear(&source);
    for (size_t i = 0; i < 70; i++)
        assert_int_equal(buffer_append_string(&source, "Inner{inner: "), 0);
    assert_int_equal(buffer_append_string(&source, "null"), 0);
    for (size_t i = 0; i < 70; i++)
        assert_int_equal(buffer_append_string(&source, "}"), 0);
    limits = (struct cel_limits){.depth = 400};
    const char *is = outcome(buffer_text(&source), &limits);
    if (strncmp(is, "error: the message can't be built: ", 35) != 0)
        fail_msg("%s", is);
    buffer_destroy(&source);
}

static void deep_values_are_not_compared(void **state) {
    (void)state;
    struct buffer source = {0};
    struct cel_limits limits = {.depth = 400};
    for (size_t i = 0; i < 150; i++)
        assert_int_equal(buffer_append_format(&source, "cel.bind(x%zu, [[[[[[[[[[%s%zu]]]]]]]]]], ", i,
                             i ? "x" : "", i ? i - 1 : 0),
            0);
    assert_int_equal(buffer_append_string(&source, "x149 == x149"), 0);
    for (size_t i = 0; i < 150; i++)
        assert_int_equal(buffer_append_string(&source, ")"), 0);
    assert_string_equal(
        outcome(buffer_text(&source), &limits), "error: the values are nested deeper than 1000 levels");
    buffer_destroy(&source);
}

static void a_field_is_put(void **state) {
    (void)state;
    static const uint8_t expected[] = {0x9a, 0x02, 0x02, 0x01, 0x02};
    const struct schema_message *type = catalogue_message(world.catalogue, bytes_of_string("test.three.All"));
    const struct schema_field *field = schema_field_named(type, bytes_of_string("int32s"));
    struct cel_value values[2] = {{.kind = CEL_INT, .i64 = 1}, {.kind = CEL_INT, .i64 = 2}};
    struct cel_value list;
    struct cel_value map;
    struct buffer out = {0};
    struct error error;
    world_activate();
    assert_int_equal(cel_list_make(world.activation, values, 2, &list), 0);
    assert_int_equal(cel_put_field(world.activation, field, &list, &out, &error), 0);
    assert_memory_equal(out.data, expected, sizeof expected);
    values[1].i64 = INT64_MAX;
    assert_int_equal(cel_list_make(world.activation, values, 2, &list), 0);
    assert_int_equal(cel_put_field(world.activation, field, &list, &out, &error), CEL_FAILED);
    assert_non_null(strstr(error.text, "range error"));
    assert_int_equal(out.size, sizeof expected);
    assert_int_equal(cel_map_make(world.activation, values, 1, &map), 0);
    assert_int_equal(cel_put_field(world.activation, field, &map, &out, &error), CEL_FAILED);
    struct cel_value twice[4] = {values[0], values[0], values[0], values[1]};
    assert_int_equal(cel_map_make(world.activation, twice, 2, &map), -EINVAL);
    twice[2] = (struct cel_value){.kind = CEL_DOUBLE, .f64 = 2};
    assert_int_equal(cel_map_make(world.activation, twice, 2, &map), -EINVAL);
    buffer_destroy(&out);
}

// ---- Declared functions, and no types ----

static void declared_functions_are_checked(void **state) {
    (void)state;
    static const struct cel_type t = {.kind = CEL_PARAM, .name = "T"};
    static const struct cel_type integer = {.kind = CEL_INT};
    static const struct cel_type list = {.kind = CEL_LIST, .element = &t};
    static const struct cel_type *const inner[] = {&t};
    static const struct cel_type box = {
        .kind = CEL_ABSTRACT, .name = "box", .parameters = inner, .parameter_count = 1};
    static const struct cel_type *const first[] = {&list, &t};
    static const struct cel_type *const second[] = {&box};
    static const struct {
        const char *source;
        const char *type;
    } table[] = {{"boxed([1], 2)", "box(int)"}, {"boxed(['a'], dyn(1))", "box(dyn)"},
        {"boxed([], 1u)", "box(uint)"}, {"size_of(boxed([1], 2))", "int"},
        {"[boxed([1], 1), boxed([dyn(1)], 1)]", "list(box(dyn))"}, {"boxed([1], 1) == boxed([1], 2)", "bool"},
        {"n > 1 ? boxed([], 1) : boxed([2], 1)", "box(int)"}};
    char name[80];
    struct cel_env *env = cel_env_new(world.catalogue, NULL, NULL);
    size_t index;
    assert_int_equal(cel_env_declare(env, "n", CEL_INT, &index), 0);
    assert_int_equal(cel_env_declare_function(env, "boxed", first, 2, &box), 0);
    assert_int_equal(cel_env_declare_function(env, "size_of", second, 1, &integer), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        cel_program_destroy(&world.program);
        assert_int_equal(
            cel_compile(env, bytes_of_string(table[i].source), NULL, &world.program, &world.problems), 0);
        assert_string_equal(cel_type_name(cel_program_type(world.program), name, sizeof name), table[i].type);
    }
    cel_program_destroy(&world.program);
    static const char *const wrong[] = {
        "boxed(1, 1)", "boxed([1], 'a')", "boxed([1])", "size_of(1)", "boxed([1], 1) == 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(
            cel_compile(env, bytes_of_string(wrong[i]), NULL, &world.program, &world.problems), CEL_REFUSED);
        assert_int_equal(world.problems.items[0].kind, CEL_PROBLEM_TYPE);
    }
    cel_env_destroy(&env);
}

static void without_types_the_evaluation_finds_out(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"nothing || true", "true"},
        {"nothing.at.all", "error: unknown name: nothing.at.all"},
        {"has(nothing.at)", "error: unknown name: nothing"},
        {"unknown(1, 2, 3, 4, 5) || true", "true"},
        {"unknown(1)", "error: no such overload"},
        {"n.foo(1)", "error: no such overload"},
        {"true ? 1 : 'a'", "1"},
        {"'a' ? 1 : 2", "error: no such overload"},
        {"'a' && false", "false"},
        {"!0", "error: no such overload"},
        {"msg.no_field", "error: no such field"},
        {"has(msg.inner.no_field)", "error: no such field"},
        {"Inner{no_field: 1}", "error: no such field in test.three.Inner"},
        {"Inner{name: 1}", "error: unsupported field type"},
        {"Outer{}", "error: unknown name: Outer"},
        {"{1.5: 2}", "error: unsupported key type"},
        {"[1][true]", "error: an index must be a whole number"},
        {"'abc'.all(x, true)", "error: no such overload"},
        {"[1].all(x, x)", "error: no such overload"},
        {"1 == 'a'", "false"},
        {"id.matches()", "error: no such overload"},
        {"id.matches(1)", "error: no such overload"},
        {"codes('relation', true ? '01' : 1)", "'10'"},
        {"msg.inner.name", "'x'"},
    };
    cel_env_set_dynamic(world.env, true);
    EXPECT(table);
    cel_env_set_dynamic(world.env, false);
    assert_string_equal(
        outcome("nothing || true", NULL), "unknown name \"nothing\"; there is msg, known, id, n");
}

static void faults_are_told(void **state) {
    (void)state;
    static const struct {
        const char *source;
        enum cel_fault fault;
    } table[] = {{"1 / 0", CEL_FAULT_DIVISION}, {"[1][3]", CEL_FAULT_INDEX}, {"{1: 2}[3]", CEL_FAULT_NO_KEY},
        {"9223372036854775807 + n", CEL_FAULT_OVERFLOW}, {"int('x' + id)", CEL_FAULT_CONVERSION},
        {"{1: 2, 1u: 3}", CEL_FAULT_ARGUMENT}, {"dyn(1) + dyn('a')", CEL_FAULT_NO_OVERLOAD}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        outcome(table[i].source, NULL);
        assert_int_equal(cel_activation_fault(world.activation), table[i].fault);
    }
    assert_int_equal(refused("n +")->kind, CEL_PROBLEM_SYNTAX);
    assert_int_equal(refused("m")->kind, CEL_PROBLEM_NAME);
    assert_int_equal(refused("n + 'a'")->kind, CEL_PROBLEM_TYPE);
    assert_int_equal(refused("timestamp('x')")->kind, CEL_PROBLEM_VALUE);
    static const struct cel_limits limits = {.nodes = 2};
    assert_string_equal(outcome("1 + 1", &limits), "the expression has more than 2 parts");
    assert_int_equal(world.problems.items[0].kind, CEL_PROBLEM_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_built),
        cmocka_unit_test(a_message_is_a_value),
        cmocka_unit_test(known_messages_are_what_they_stand_for),
        cmocka_unit_test(macros_take_two_names),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(deep_values_are_not_compared),
        cmocka_unit_test(a_field_is_put),
        cmocka_unit_test(declared_functions_are_checked),
        cmocka_unit_test(without_types_the_evaluation_finds_out),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
