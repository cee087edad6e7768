// Expressions and what must come of them by CEL's definition, through cel.h alone.
#include "core/cel/cel_testing.h"

struct expectation {
    const char *source;
    const char *value; // as rendered() writes it; "error": an error comes out; "refused": not compiled
};

static void expect(const struct expectation *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *is = evaluated(table[i].source);
        bool refused_too = strcmp(table[i].value, "refused") == 0 && strncmp(is, "refused at", 10) == 0;
        if (!refused_too && strcmp(is, table[i].value) != 0)
            fail_msg("%s\n  must be %s\n  but is %s", table[i].source, table[i].value, is);
    }
}
#define EXPECT(table) expect(table, sizeof(table) / sizeof *(table))

static void test_literals(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"1", "1"},
        {"-1", "-1"},
        {"0x1F", "31"},
        {"-0x1f", "-31"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"18446744073709551615u", "18446744073709551615u"},
        {"0xFFU", "255u"},
        {"1.5", "1.5"},
        {"-1.5e3", "-1500.0"},
        {".25", "0.25"},
        {"1e-2", "0.01"},
        {"true", "true"},
        {"null", "null"},
        {"'a\"b'", "'a\"b'"},
        {"\"a'b\"", "'a'b'"},
        {"'''a\n'b''c'''", "'a\n'b''c'"},
        {"\"\"\"a\"b\"\"\"", "'a\"b'"},
        {"'\\n\\t\\\\\\x41\\101\\u6c49\\U0001F600'", "'\n\t\\AA汉😀'"},
        {"r'\\n'", "'\\n'"},
        {"R\"\"\"\\\"\"\"", "'\\'"},
        {"b'\\xff\\377\\101'", "b'ff ff 41'"},
        {"b'汉'", "b'e6 b1 89'"},
        {"br'\\x'", "b'5c 78'"},
        {"Rb'\\x'", "b'5c 78'"},
        {"[]", "[]"},
        {"[1, 2,]", "[1, 2]"},
        {"{}", "{}"},
        {"{'a': 1, 'b': 2,}", "{'a': 1, 'b': 2}"},
        {"1 // comment\n + 2", "3"},
        {" \t\r\n1", "1"},
    };
    EXPECT(table);
}

static void test_arithmetic(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"1 + 2 * 3", "7"},
        {"(1 + 2) * 3", "9"},
        {"10 - 3 - 2", "5"},
        {"7 / 2", "3"},
        {"-7 / 2", "-3"},
        {"-7 % 2", "-1"},
        {"7 % -2", "1"},
        {"7u / 2u", "3u"},
        {"1.0 / 4.0", "0.25"},
        {"1.0 / 0.0 > 1e308", "true"},
        {"0.0 / 0.0 == 0.0 / 0.0", "false"},
        {"--1", "1"},
        {"- - 1", "1"},
        {"-(-1)", "1"},
        {"1 -1", "0"},
        {"9223372036854775807 + 1", "error"},
        {"-9223372036854775808 - 1", "error"},
        {"9223372036854775807 * 2", "error"},
        {"-(-9223372036854775808)", "error"},
        {"-9223372036854775808 / -1", "error"},
        {"-9223372036854775808 % -1", "error"},
        {"1 / 0", "error"},
        {"1 % 0", "error"},
        {"1u / 0u", "error"},
        {"1u % 0u", "error"},
        {"0u - 1u", "error"},
        {"18446744073709551615u + 1u", "error"},
        {"18446744073709551615u * 2u", "error"},
        {"'a' + 'b' + ''", "'ab'"},
        {"b'a' + b'b'", "b'61 62'"},
        {"[1] + [2, 3] + []", "[1, 2, 3]"},
        {"n + 1", "43"},
        {"-n", "-42"},
    };
    EXPECT(table);
}

static void test_comparison(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"1 == 1", "true"},
        {"1 != 1", "false"},
        {"1 == 1u", "true"},
        {"1 == 1.0", "true"},
        {"-1 == 18446744073709551615u", "false"},
        {"9007199254740993 == 9007199254740992.0", "true"},
        {"9223372036854775807 < 9223372036854775808.0", "false"},
        {"18446744073709551615u < 1.8446744073709552e19", "false"},
        {"-1 < 0u", "true"},
        {"1u > -1", "true"},
        {"1.5 > 1", "true"},
        {"1 <= 1.0", "true"},
        {"'a' < 'b'", "true"},
        {"'a' < 'aa'", "true"},
        {"'汉' > 'z'", "true"},
        {"b'\\xff' > b'\\x7f'", "true"},
        {"false < true", "true"},
        {"'a' == 'a' && 'a' != 'b'", "true"},
        {"[1, 2] == [1.0, 2u]", "true"},
        {"[1] == [1, 2]", "false"},
        {"{'a': 1, 'b': 2} == {'b': 2.0, 'a': 1u}", "true"},
        {"{'a': 1} == {'a': 2}", "false"},
        {"{1: 'a'} == {1u: 'a'}", "true"},
        {"null == null", "true"},
        {"dyn(1) == 'a'", "false"},
        {"dyn(1) != 'a'", "true"},
        {"dyn('a') < 1", "error"},
        {"1 < 2 && 2 < 3", "true"},
    };
    EXPECT(table);
}

static void test_logic(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"true && false", "false"},
        {"true || false", "true"},
        {"!true", "false"},
        {"!!true", "true"},
        {"1 / 0 == 1 || true", "true"},
        {"true || 1 / 0 == 1", "true"},
        {"1 / 0 == 1 || false", "error"},
        {"false || 1 / 0 == 1", "error"},
        {"1 / 0 == 1 && false", "false"},
        {"false && 1 / 0 == 1", "false"},
        {"1 / 0 == 1 && true", "error"},
        {"true && 1 / 0 == 1 && false", "false"},
        {"dyn(1) || true", "true"},
        {"dyn(1) || false", "error"},
        {"dyn('a') && false", "false"},
        {"!dyn(1)", "error"},
        {"true ? 1 : 2", "1"},
        {"false ? 1 / 0 : 2", "2"},
        {"1 / 0 > 0 ? 1 : 2", "error"},
        {"false ? 1 : true ? 2 : 3", "2"},
        {"n == 42 ? 'yes' : 'no'", "'yes'"},
        {"true ? 1 : dyn('a')", "1"},
    };
    EXPECT(table);
}

static void test_collections(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"1 in [1, 2]", "true"},
        {"3 in [1, 2]", "false"},
        {"1.0 in [1, 2]", "true"},
        {"1u in [1]", "true"},
        {"1 in []", "false"},
        {"'a' in {'a': 1}", "true"},
        {"'b' in {'a': 1}", "false"},
        {"1u in {1: 2}", "true"},
        {"dyn(1.0) in {1: 2}", "true"},
        {"dyn(1.5) in {1: 2}", "false"},
        {"[1, 2][1]", "2"},
        {"[1, 2][2]", "error"},
        {"[1, 2][-1]", "error"},
        {"[1, 2][dyn(1.0)]", "2"},
        {"[1, 2][dyn(1u)]", "2"},
        {"[1, 2][dyn(1.5)]", "error"},
        {"{'a': 1}['a']", "1"},
        {"{'a': 1}.a", "1"},
        {"{'a': 1}['b']", "error"},
        {"{'a': 1}.b", "error"},
        {"{1: 'x'}[1u]", "'x'"},
        {"has({'a': 1}.a)", "true"},
        {"has({'a': 1}.b)", "false"},
        {"{'a': 1, 'a': 2}", "error"},
        {"{1: 1, dyn(1u): 2}", "error"},
        {"size([])", "0"},
        {"[1, 2].size()", "2"},
        {"size({'a': 1})", "1"},
        {"[[1], [2, 3]][1][0]", "2"},
        {"[1, 'a', 2.0]", "[1, 'a', 2.0]"},
        {"[1 / 0]", "error"},
        {"{'a': 1 / 0}", "error"},
    };
    EXPECT(table);
}

static void test_macros(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"[1, 2].all(x, x > 0)", "true"},
        {"[1, 2].all(x, x > 1)", "false"},
        {"[].all(x, x > 1)", "true"},
        {"[1, 2].exists(x, x > 1)", "true"},
        {"[1, 2].exists(x, x > 2)", "false"},
        {"[].exists(x, true)", "false"},
        {"[1, 2].exists_one(x, x > 1)", "true"},
        {"[1, 2].exists_one(x, x > 0)", "false"},
        {"[].exists_one(x, true)", "false"},
        {"[1, 2, 3].filter(x, x % 2 == 1)", "[1, 3]"},
        {"[1, 2].map(x, x * 10)", "[10, 20]"},
        {"[1, 2, 3].map(x, x > 1, x * 10)", "[20, 30]"},
        {"{'a': 1}.all(k, k == 'a')", "true"},
        {"{'a': 1, 'b': 2}.filter(k, k != 'a')", "['b']"},
        {"{'a': 1}.map(k, k + 'x')", "['ax']"},
        {"[0, 1].exists(x, 1 / x == 1)", "true"},
        {"[0, 1].all(x, 1 / x == 2)", "false"},
        {"[0].exists(x, 1 / x == 1)", "error"},
        {"[0].all(x, 1 / x == 1)", "error"},
        {"[1, 0].exists_one(x, 1 / x == 1)", "error"},
        {"[0].map(x, 1 / x)", "error"},
        {"[0].filter(x, 1 / x == 1)", "error"},
        {"[1, 2].all(x, [3].exists(y, x < y))", "true"},
        {"[[1, 2], [3]].map(x, x.map(y, y + 1))", "[[2, 3], [4]]"},
        {"[1].all(n, n == 1) && n == 42", "true"},
        {"[1, 2].map(x, [x].map(x, x + 1)[0] + x)", "[3, 5]"},
        {"dyn([1, 2]).exists(x, x == 2)", "true"},
        {"dyn(1).exists(x, x == 2)", "error"},
    };
    EXPECT(table);
}

static void test_texts(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"'abc'.startsWith('ab')", "true"},
        {"'abc'.startsWith('')", "true"},
        {"'ab'.startsWith('abc')", "false"},
        {"'abc'.endsWith('bc')", "true"},
        {"'abc'.endsWith('b')", "false"},
        {"'abc'.contains('b')", "true"},
        {"'abc'.contains('')", "true"},
        {"'abc'.contains('ac')", "false"},
        {"'汉字'.contains('字')", "true"},
        {"size('汉字')", "2"},
        {"'汉字'.size()", "2"},
        {"size(b'汉')", "3"},
        {"size('')", "0"},
        {"'330106'.matches('^33[0-9]{4}$')", "true"},
        {"matches('abc', 'b')", "true"},
        {"'abc'.matches('^b')", "false"},
        {"'汉字'.matches('^..$')", "true"},
        {"'a\\n'.matches('^a$')", "false"},
        {"'a'.matches('(' + id)", "error"},
        {"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'.matches('^(a+)+$')", "error"},
    };
    EXPECT(table);
}

static void test_conversion(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"int('42')", "42"},
        {"int('-42')", "-42"},
        {"int('4 2')", "error"},
        {"int('')", "error"},
        {"int('9223372036854775808')", "error"},
        {"int(3.9)", "3"},
        {"int(-3.9)", "-3"},
        {"int(1e19)", "error"},
        {"int(0.0 / 0.0)", "error"},
        {"int(18446744073709551615u)", "error"},
        {"int(7u)", "7"},
        {"int(timestamp('1970-01-01T00:01:00Z'))", "60"},
        {"uint(7)", "7u"},
        {"uint(-1)", "error"},
        {"uint('7')", "7u"},
        {"uint(3.9)", "3u"},
        {"uint(-1.0)", "error"},
        {"double(1)", "1.0"},
        {"double('1.5')", "1.5"},
        {"double('x')", "error"},
        {"string(1)", "'1'"},
        {"string(-1)", "'-1'"},
        {"string(1u)", "'1'"},
        {"string(1.5)", "'1.5'"},
        {"string(true)", "'true'"},
        {"string(b'\\xe6\\xb1\\x89')", "'汉'"},
        {"string(b'\\xff')", "error"},
        {"string('a')", "'a'"},
        {"bytes('汉')", "b'e6 b1 89'"},
        {"bool('true')", "true"},
        {"bool('false')", "false"},
        {"bool('x')", "error"},
        {"dyn(1)", "1"},
        {"type(1) == int", "true"},
        {"type('') == string && type([]) == list && type({}) == map", "true"},
        {"type(1u) == int", "false"},
        {"type(type(1)) == type", "true"},
    };
    EXPECT(table);
}

static void test_time(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"timestamp('1970-01-01T00:00:00Z')", "timestamp 0.000000000"},
        {"timestamp('2026-11-24T10:15:00.5+08:00')", "timestamp 1795486500.500000000"},
        {"timestamp('1969-12-31T23:59:59.9Z')", "timestamp -1.900000000"},
        {"timestamp('2026-02-30T00:00:00Z')", "refused"},
        {"timestamp(dyn('2026-02-30T00:00:00Z'))", "error"},
        {"timestamp('2026-01-01')", "refused"},
        {"timestamp(dyn('2026-01-01'))", "error"},
        {"timestamp(60)", "timestamp 60.000000000"},
        {"duration('1h30m')", "duration 5400.000000000"},
        {"duration('1.5s')", "duration 1.500000000"},
        {"duration('-1.5s')", "duration -1.-500000000"},
        {"duration('5ms')", "duration 0.005000000"},
        {"duration('1us')", "duration 0.000001000"},
        {"duration('1ns')", "duration 0.000000001"},
        {"duration('x')", "refused"},
        {"duration(dyn('x'))", "error"},
        {"duration('')", "refused"},
        {"duration(dyn(''))", "error"},
        {"timestamp(0) + duration('1s')", "timestamp 1.000000000"},
        {"duration('1s') + timestamp(0)", "timestamp 1.000000000"},
        {"timestamp(0) - duration('1ns')", "timestamp -1.999999999"},
        {"timestamp(10) - timestamp(4)", "duration 6.000000000"},
        {"duration('1s') - duration('1500ms')", "duration 0.-500000000"},
        {"duration('1s') + duration('1m')", "duration 61.000000000"},
        {"timestamp('9999-12-31T23:59:59Z') + duration('1s')", "error"},
        {"timestamp('0001-01-01T00:00:00Z') - duration('1s')", "error"},
        {"timestamp(1) < timestamp(2)", "true"},
        {"timestamp(1) == timestamp('1970-01-01T00:00:01Z')", "true"},
        {"duration('1s') < duration('1m')", "true"},
        {"duration('60s') == duration('1m')", "true"},
        {"string(timestamp(0))", "'1970-01-01T00:00:00Z'"},
        {"string(timestamp('2026-11-24T10:15:00.500Z'))", "'2026-11-24T10:15:00.5Z'"},
        {"string(duration('1h'))", "'3600s'"},
        {"string(duration('1.5s'))", "'1.5s'"},
    };
    EXPECT(table);
}

static void test_fields(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"msg.a_string", "'330106'"},
        {"msg.a_string.startsWith('330106') && msg.kind != Kind.KIND_MOVE", "true"},
        {"msg.an_int64", "-1"},
        {"msg.a_double", "0.5"},
        {"msg.a_bool", "true"},
        {"msg.a_uint64", "0u"},
        {"msg.a_bytes", "b''"},
        {"msg.kind", "1"},
        {"msg.kind == Kind.KIND_VISIT", "true"},
        {"msg.kind == test.three.Kind.KIND_VISIT", "true"},
        {"msg.kind == .test.three.Kind.KIND_VISIT", "true"},
        {"msg.kind == 1", "true"},
        {"msg.kind in [Kind.KIND_MOVE, Kind.KIND_LOSS]", "false"},
        {"msg.kinds", "[]"},
        {"msg.inner.name", "'x'"},
        {"msg.inner.tags", "['a', 'b']"},
        {"msg.inner.inner.inner.name", "''"},
        {"has(msg.inner)", "true"},
        {"has(msg.inner.inner)", "false"},
        {"has(msg.inner.name)", "true"},
        {"has(msg.inner.number)", "false"},
        {"has(msg.maybe_string)", "false"},
        {"has(msg.choice_string)", "false"},
        {"has(msg.int32s)", "true"},
        {"has(msg.int64s)", "false"},
        {"has(msg.names)", "true"},
        {"has(msg.a_uint64)", "false"},
        {"msg.int32s", "[1, 2, 3]"},
        {"msg.int32s[1]", "2"},
        {"2 in msg.int32s", "true"},
        {"2.0 in msg.int32s", "true"},
        {"4 in msg.int32s", "false"},
        {"'q' in msg.strings", "true"},
        {"size(msg.strings)", "2"},
        {"msg.strings + ['r']", "['p', 'q', 'r']"},
        {"msg.names", "{'k': 'v'}"},
        {"msg.names['k']", "'v'"},
        {"msg.names.k", "'v'"},
        {"'k' in msg.names", "true"},
        {"'x' in msg.names", "false"},
        {"size(msg.names)", "1"},
        {"msg.by_number[1].name", "'n'"},
        {"msg.inners[1].number", "7"},
        {"msg.inners[0].inner.name", "''"},
        {"has(msg.inners[1].number) && !has(msg.inners[0].number)", "true"},
        {"msg.inners.map(i, i.number)", "[0, 7]"},
        {"msg.inners.exists(i, i.number == 7)", "true"},
        {"msg.inners.filter(i, i.number > 0).size()", "1"},
        {"msg.inners[0] == msg.inner.inner", "true"},
        {"msg.inners[1] == msg.inners[0]", "false"},
        {"msg.inner in msg.inners", "false"},
        {"msg.inner == null", "false"},
        {"known.timestamp", "timestamp 1700000000.000000005"},
        {"known.duration", "duration 90.000000000"},
        {"known.timestamp + known.duration > timestamp(0)", "true"},
        {"known.int32_value", "7"},
        {"known.int32_value == 7", "true"},
        {"known.int32_value + 1", "8"},
        {"known.int64_value", "null"},
        {"known.int64_value == null", "true"},
        {"known.string_value", "''"},
        {"has(known.string_value) && !has(known.int64_value)", "true"},
        {"has(known.timestamp)", "true"},
        {"known.timestamps", "[]"},
        {"id", "'330106'"},
        {"msg.a_string == id", "true"},
        {"codes('relation', '01')", "'10'"},
        {"codes('relation', id)", "error"},
        {"codes('relation', id) == '' || true", "true"},
    };
    EXPECT(table);
}

// Times of a message that are none by protobuf's definition are errors, and harm nothing.
static void test_extreme_times(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"known.timestamp", "error"},
        {"known.duration", "error"},
        {"known.timestamp + known.duration == known.timestamp", "error"},
        {"string(known.timestamp) + string(known.duration)", "error"},
        {"known.timestamp.getFullYear()", "error"},
        {"has(known.timestamp)", "true"},
        {"known.timestamp == timestamp(0) || true", "true"},
    };
    world.known = bytes_of(message_extreme, sizeof message_extreme);
    EXPECT(table);
    world.known = bytes_of(message_known, sizeof message_known);
}

// ---- What is refused, and where ----

struct refusal {
    const char *source;
    size_t offset;
    size_t length;
    const char *says; // a part of the text
};

static void test_refused(void **state) {
    (void)state;
    static const struct refusal table[] = {
        {"mgs.a_string == 'x'", 0, 3, "msg"},
        {"msg.a_strin == 'x'", 4, 7, "a_string"},
        {"msg.inner.nam", 10, 3, "name"},
        {"msg.kind == Kind.KIND_VIST", 17, 9, "KIND_VISIT"},
        {"msg.a_string.startWith('a')", 13, 9, "startsWith"},
        {"codes('relaton', '01')", 6, 9, "relation"},
        {"msg.a_string == 1", SIZE_MAX, 0, "string"},
        {"msg.kind == 'KIND_VISIT'", SIZE_MAX, 0, "KIND_VISIT"},
        {"1 + 'a'", SIZE_MAX, 0, "int"},
        {"1 && true", 0, 1, "bool"},
        {"'a' in 'abc'", SIZE_MAX, 0, "list"},
        {"true ? 1 : 'a'", SIZE_MAX, 0, "int"},
        {"msg.inners.number", 11, 6, ""},
        {"msg.a_string.length", 13, 6, ""},
        {"1 +", 3, 0, ""},
        {"(1", 2, 0, "\")\""},
        {"'abc", 0, 4, "missing"},
        {"'\\q'", 1, 2, "escape"},
        {"1 2", 2, 1, ""},
        {"n = 1", 2, 1, "=="},
        {"n & 1", 2, 1, "&&"},
        {"9223372036854775808", 0, 19, ""},
        {"", 0, 0, ""},
        {"has(msg)", SIZE_MAX, 0, "has"},
        {"'汉字' + mgs.a", 11, 3, "msg"},
        {"'a'.matches('(')", 12, 3, ""},
        {"'aa'.matches('(a)\\\\1')", 13, 8, ""},
        {"'a'.matches('(?=a)')", 12, 7, ""},
        {"'a'.matches('(?<!a)b')", 12, 9, ""},
        {"'a'.matches('(*UCP)a')", 12, 9, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct cel_problem *problem = refused(table[i].source);
        if (!problem)
            fail_msg("%s was not refused", table[i].source);
        if (table[i].offset != SIZE_MAX &&
            (problem->offset != table[i].offset || problem->length != table[i].length))
            fail_msg("%s: %s\n  at %zu+%zu, not at %zu+%zu", table[i].source, problem->text, problem->offset,
                problem->length, table[i].offset, table[i].length);
        if (!strstr(problem->text, table[i].says))
            fail_msg("%s: %s\n  does not say %s", table[i].source, problem->text, table[i].says);
    }
}

// ---- What docs/cel.md shows ----

// "expression // value": blanks at the ends of both are no part of them.
static void check_example(char *line) {
    char *comment = strstr(line, " // ");
    if (!comment) {
        fail_msg("docs/cel.md: no value: %s", line);
        return;
    }
    char *value = comment + 4 + strspn(comment + 4, " ");
    value[strcspn(value, "\n")] = '\0';
    while (comment > line && comment[-1] == ' ')
        comment--;
    *comment = '\0';
    expect(&(struct expectation){line, value}, 1);
}

static void test_documentation(void **state) {
    (void)state;
    char line[1024];
    bool inside = false;
    unsigned count = 0;
    FILE *file = fopen(HUTONG_SOURCE_DIR "/docs/cel.md", "r");
    if (!file) {
        fail_msg("docs/cel.md can't be read");
        return;
    }
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "```", 3) == 0) {
            inside = !inside && strcmp(line, "```cel\n") == 0;
        } else if (inside) {
            check_example(line);
            count++;
        }
    }
    fclose(file);
    assert_true(count > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_logic),
        cmocka_unit_test(test_collections),
        cmocka_unit_test(test_macros),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_extreme_times),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_documentation),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
