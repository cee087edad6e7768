// Functions and operators by their values: texts, times, numbers. CEL's libraries: libraries_test.c; Hutong's
// own: own_test.c.
#include "core/cel/cel_testing.h"

struct expectation {
    const char *source;
    const char *value;
};

static void expect(const struct expectation *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *is = evaluated(table[i].source);
        if (strcmp(is, table[i].value) != 0)
            fail_msg("%s\n  must be %s\n  but is %s", table[i].source, table[i].value, is);
    }
}
#define EXPECT(table) expect(table, sizeof(table) / sizeof *(table))

static void test_text(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"'汉字ab'.charAt(0)", "'汉'"},
        {"'汉字ab'.charAt(3)", "'b'"},
        {"'汉字ab'.charAt(4)", "''"},
        {"''.charAt(0)", "''"},
        {"'汉字汉字'.indexOf('字')", "1"},
        {"'汉字汉字'.indexOf('字', 2)", "3"},
        {"'汉字汉字'.indexOf('x')", "-1"},
        {"'汉字'.indexOf('')", "0"},
        {"'汉字'.indexOf('', 2)", "2"},
        {"'汉字'.indexOf('汉字汉字')", "-1"},
        {"'汉字汉字'.lastIndexOf('字')", "3"},
        {"'汉字汉字'.lastIndexOf('字', 2)", "1"},
        {"'汉字汉字'.lastIndexOf('字', 0)", "-1"},
        {"'汉字'.lastIndexOf('')", "2"},
        {"'汉字'.lastIndexOf('汉字汉字')", "-1"},
        {"'a'.lastIndexOf('b')", "-1"},
        {"['a', 'b'].join()", "'ab'"},
        {"['a', 'b', '汉'].join(', ')", "'a, b, 汉'"},
        {"[].join('-')", "''"},
        {"['a'].join('-')", "'a'"},
        {"['', ''].join('')", "''"},
        {"msg.strings.join('/')", "'p/q'"},
        {"'ÄbC汉'.lowerAscii()", "'Äbc汉'"},
        {"'äbC汉'.upperAscii()", "'äBC汉'"},
        {"''.upperAscii()", "''"},
        {"'a-b-c'.replace('-', '+')", "'a+b+c'"},
        {"'a-b-c'.replace('-', '')", "'abc'"},
        {"'a-b-c'.replace('-', '+', 1)", "'a+b-c'"},
        {"'a-b-c'.replace('-', '+', 0)", "'a-b-c'"},
        {"'a-b-c'.replace('-', '+', -1)", "'a+b+c'"},
        {"'汉字'.replace('', '-')", "'-汉-字-'"},
        {"'汉字'.replace('', '-', 1)", "'-汉字'"},
        {"''.replace('', 'x')", "'x'"},
        {"'abc'.replace('x', 'y')", "'abc'"},
        {"''.replace('x', 'y')", "''"},
        {"'a,b,c'.split(',')", "['a', 'b', 'c']"},
        {"'a,b,c'.split(',', 2)", "['a', 'b,c']"},
        {"'a,b,c'.split(',', 1)", "['a,b,c']"},
        {"'a,b,c'.split(',', 0)", "[]"},
        {"'a,b,c'.split(',', -1)", "['a', 'b', 'c']"},
        {"',a,'.split(',')", "['', 'a', '']"},
        {"''.split(',')", "['']"},
        {"''.split('')", "[]"},
        {"'汉字a'.split('')", "['汉', '字', 'a']"},
        {"'汉字a'.split('', 2)", "['汉', '字a']"},
        {"'汉字ab'.substring(1)", "'字ab'"},
        {"'汉字ab'.substring(1, 3)", "'字a'"},
        {"'汉字ab'.substring(4)", "''"},
        {"'汉字ab'.substring(2, 2)", "''"},
        {"' \\t\\n汉 字\\u3000\\u00a0 '.trim()", "'汉 字'"},
        {"'\\u2003'.trim()", "''"},
        {"''.trim()", "''"},
        {"'a'.trim()", "'a'"},
        {"'汉字ab'.reverse()", "'ba字汉'"},
        {"''.reverse()", "''"},
        {"'汉' + '字'", "'汉字'"},
        {"'' + ''", "''"},
        {"b'a' + b'\\xff'", "b'61 ff'"},
        {"b'' + b''", "b''"},
        {"[] + [1] + [2, 3]", "[1, 2, 3]"},
        {"msg.int32s + msg.int32s", "[1, 2, 3, 1, 2, 3]"},
        {"'a' < 'b' && 'a' <= 'a' && 'b' > 'a' && 'b' >= 'b' && 'a' < 'aa' && 'z' < '汉'", "true"},
        {"b'a' < b'b' && b'' < b'a' && !(b'b' <= b'a')", "true"},
        {"false < true && !(true < true) && true >= false", "true"},
    };
    EXPECT(table);
}

static void test_patterns(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"'浙A12345'.matches('^[\\\\p{Han}][A-Z][0-9]{5}$')", "true"},
        {"'ab'.matches('(?i)^AB$')", "true"},
        {"'ab'.matches('(?i:A)b')", "true"},
        {"'ab'.matches('^(?P<x>a)(?<y>b)$')", "true"},
        {"'a]b'.matches('[]]') && 'x'.matches('[^]]') && '5'.matches('[[:digit:]]')", "true"},
        {"r'a\\b'.matches(r'^a\\\\b$') && 'a.b'.matches(r'a\\.b')", "true"},
        {"'a(b'.matches(r'\\Qa(\\Eb')", "true"},
        {"'a(b'.matches(r'\\Qa(b')", "true"},
        {"'a-b'.matches(r'[\\-+]')", "true"},
        {"'aaa'.matches('^a{2,3}?$') && 'a'.matches('^a*?$') && 'a+'.matches(r'^a\\+$')", "true"},
        {"''.matches('')", "true"},
        {"'a\\nb'.matches('^a.b$')", "false"},
        {"'a\\nb'.matches('(?s)^a.b$')", "true"},
        {"'a\\nb'.matches('(?m)^b$')", "true"},
        {"'١'.matches(r'\\d')", "false"},
        {"id.matches(id)", "true"},
        {"'a{'.matches('a[{]') && 'a{x'.matches('a{x') && 'aaa'.matches('^a{3}$') && "
         "'aa'.matches('^a{1,1000}$')",
            "true"},
    };
    EXPECT(table);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"1.5 + 2.25 - 0.5 * 2.0 / 4.0", "3.5"},
        {"-(1.5)", "-1.5"},
        {"1.0 / 0.0 > 1e308 && -1.0 / 0.0 < -1e308", "true"},
        {"0.0 / 0.0 == 0.0 / 0.0", "false"},
        {"0.0 / 0.0 != 0.0 / 0.0", "true"},
        {"0.0 / 0.0 <= 1.0 || 0.0 / 0.0 >= 1.0", "false"},
        {"7u / 2u + 7u % 2u * 2u - 1u", "4u"},
        {"-7 / 2 + -7 % 2", "-4"},
        {"1 < 1.5 && 1.5 > 1 && 2 > 1.5 && 1 == 1.0 && 1.0 == 1 && 1u == 1 && 1 == 1u && 1u == 1.0", "true"},
        {"-1 < 0u && 0u > -1 && !(-1 == 18446744073709551615u)", "true"},
        // As doubles, as the suite of CEL has it: beyond 2^53 a number stands for its neighbours too.
        {"9223372036854775807 < 9223372036854775808.0 || 9223372036854775808.0 > 9223372036854775807",
            "false"},
        {"-9223372036854775808 == -9223372036854775808.0 && -9223372036854775808 > -1e19", "true"},
        {"9007199254740993 >= 9007199254740992.0 && 9007199254740993 == 9007199254740992.0", "true"},
        {"18446744073709551615u <= 18446744073709551616.0 && 1u < 1.5 && 1u > -0.5 && 2u > 1.5", "true"},
        {"18446744073709551615u > 1e10 && 3u >= 3.0 && 3u <= 3.0", "true"},
        {"1 < 0.0 / 0.0 || 1u > 0.0 / 0.0 || -1 == 0.0 / 0.0", "false"},
        {"n > 41 && n >= 42 && n < 43 && n <= 42 && n == 42 && n != 41", "true"},
        {"n > 42 || n >= 43 || n < 42 || n <= 41", "false"},
        {"double('1e3') + double(5u)", "1005.0"},
        {"string(double('NaN')) + string(double('-inf')) + string(double('Infinity'))", "'NaN-Inf+Inf'"},
        {"double('1e400')", "error"},
        {"double('+')", "error"},
        {"double('')", "error"},
        {"double('0x10')", "error"},
        {"string(0.1) + ' ' + string(1e21) + ' ' + string(-0.0) + ' ' + string(100.0)", "'0.1 1e+21 -0 100'"},
        {"string(0.30000000000000004)", "'0.30000000000000004'"},
        {"int('+5') + int('-5')", "0"},
        {"int('-9223372036854775808')", "-9223372036854775808"},
        {"uint('18446744073709551615')", "18446744073709551615u"},
        {"uint('18446744073709551616')", "error"},
        {"uint(18446744073709551616.0)", "error"},
        {"bool('t') && bool('1') && bool('True') && !bool('F') || bool('0')", "error"},
        {"bool('t') && bool('1') && bool('True') && !bool('f') && !bool('0')", "true"},
        {"type(null) == null_type && type(1.0) == double && type(b'') == bytes && type(true) == bool",
            "true"},
        {"type(timestamp(0)) == google.protobuf.Timestamp && type(duration('0')) == google.protobuf.Duration",
            "true"},
        {"type(msg.inner) == test.three.Inner && type(msg.inner) == Inner && type(msg.kind) == int", "true"},
        {"dyn(1u) + 1u == dyn(2u) && dyn([1]) + [2] == [1, 2]", "true"},
        {"{1: 'a', 2u: 'b', 'x': 'c', true: 'd'}[dyn(2)] + {1: 'a'}[dyn(1.0)]", "'ba'"},
        {"1u in {1: 2} && 1.0 in {1: 2} && !(1.5 in {1: 2}) && !('1' in dyn({1: 2})) && !(null in dyn([1]))",
            "true"},
        {"{1: 1} == {1u: 1.0} && {1: 1} != {1: 2} && {1: 1} != {2: 1} && {1: 1} != {}", "true"},
        {"[1, 2] == [1, 2.0] && [1] != [2] && [1] != [1, 1] && [] == [] && [[1]] == [[1u]]", "true"},
        {"18446744073709551615u in {18446744073709551615u: 1} && 18446744073709551614.0 in {1: 1}", "false"},
    };
    EXPECT(table);
}

static void test_times(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"timestamp('2026-11-24T23:59:58.75Z').getFullYear()", "2026"},
        {"timestamp('2026-11-24T23:59:58.75Z').getMonth()", "10"},
        {"timestamp('2026-11-24T23:59:58.75Z').getDayOfYear()", "327"},
        {"timestamp('2026-11-24T23:59:58.75Z').getDayOfMonth()", "23"},
        {"timestamp('2026-11-24T23:59:58.75Z').getDate()", "24"},
        {"timestamp('2026-11-24T23:59:58.75Z').getDayOfWeek()", "2"},
        {"timestamp('2026-11-24T23:59:58.75Z').getHours()", "23"},
        {"timestamp('2026-11-24T23:59:58.75Z').getMinutes()", "59"},
        {"timestamp('2026-11-24T23:59:58.75Z').getSeconds()", "58"},
        {"timestamp('2026-11-24T23:59:58.75Z').getMilliseconds()", "750"},
        {"timestamp('2026-12-31T16:00:00Z').getFullYear('+08:00')", "2027"},
        {"timestamp('2026-12-31T16:00:00Z').getMonth('+08:00')", "0"},
        {"timestamp('2026-12-31T16:00:00Z').getDayOfYear('+08:00')", "0"},
        {"timestamp('2026-12-31T16:00:00Z').getDayOfMonth('08:00')", "0"},
        {"timestamp('2026-12-31T16:00:00Z').getDate('+08:00')", "1"},
        {"timestamp('2026-12-31T16:00:00Z').getDayOfWeek('+08:00')", "5"},
        {"timestamp('2026-12-31T16:00:00Z').getHours('-02:30')", "13"},
        {"timestamp('2026-12-31T16:00:00Z').getMinutes('-02:30')", "30"},
        {"timestamp('2026-12-31T16:00:07Z').getSeconds('UTC')", "7"},
        {"timestamp('2026-12-31T16:00:07.123Z').getMilliseconds('Z')", "123"},
        {"timestamp('1969-12-31T23:59:59Z').getDayOfWeek()", "3"},
        {"timestamp('0001-01-01T00:00:00Z').getFullYear()", "1"},
        {"timestamp('0001-01-01T00:00:00Z').getFullYear('-08:00')", "0"},
        {"timestamp('9999-12-31T23:59:59Z').getFullYear('+08:00')", "10000"},
        {"timestamp('2000-02-29T00:00:00Z').getDayOfYear() + "
         "timestamp('1900-03-01T00:00:00Z').getDayOfYear()",
            "118"},
        {"timestamp('1900-02-29T00:00:00Z')",
            "refused at 10+22: \"1900-02-29T00:00:00Z\" is no timestamp within range, "
            "such as 2026-01-01T00:00:00Z"},
        {"timestamp(id + 'x') == timestamp(0) || true", "true"},
        {"duration('3h30m15.25s').getHours()", "3"},
        {"duration('3h30m15.25s').getMinutes()", "210"},
        {"duration('3h30m15.25s').getSeconds()", "12615"},
        {"duration('3h30m15.25s').getMilliseconds()", "250"},
        {"duration('1.5h') == duration('90m') && duration('.5s') == duration('500ms')", "true"},
        {"duration('1\\u00b5s') == duration('1us') && duration('1\\u03bcs') == duration('1000ns')", "true"},
        {"duration('+1s') == duration('1s') && duration('0') == duration('0s') && duration('-0s') == "
         "duration('0')",
            "true"},
        {"duration('-1h') < duration('-59m') && duration('1s') > duration('999ms') && duration('1s') >= "
         "duration('1s')",
            "true"},
        {"duration('1h') - duration('2h') + duration('0.5s')", "duration -3599.-500000000"},
        {"timestamp('2292-01-01T00:00:00Z') - timestamp('2000-01-01T00:00:00Z') > duration('1s')", "true"},
        {"timestamp('2293-01-01T00:00:00Z') - timestamp('2000-01-01T00:00:00Z') > duration('1s')", "error"},
        {"timestamp('1700-01-01T00:00:00Z') - timestamp('2000-01-01T00:00:00Z') > duration('1s')", "error"},
        {"duration('-1s') + duration('1.5s')", "duration 0.500000000"},
        {"timestamp('2026-01-01T00:00:00.25Z') - timestamp('2026-01-01T00:00:01Z')", "duration 0.-750000000"},
        {"timestamp(10) - duration('10.5s')", "timestamp -1.500000000"},
        {"timestamp(2) >= timestamp(1) && timestamp(1) <= timestamp(1) && timestamp(1) != timestamp(2)",
            "true"},
        {"string(timestamp('2026-01-01T08:00:00.000000001+08:00'))", "'2026-01-01T00:00:00.000000001Z'"},
        {"string(duration('-0.5s')) + string(duration('-1m'))", "'-0.5s-60s'"},
        {"int(timestamp('1969-12-31T23:59:59.5Z'))", "-1"},
        {"local_date(timestamp('2026-12-31T16:00:00Z'), '+08:00')", "'2027-01-01'"},
        {"local_time(timestamp('2026-12-31T16:00:00Z'), '+08:00')", "'2027-01-01T00:00:00+08:00'"},
        {"local_time(timestamp('2026-12-31T16:00:00.9Z'), '-03:30')", "'2026-12-31T12:30:00-03:30'"},
        {"local_time(timestamp('2026-12-31T16:00:00Z'), 'UTC')", "'2026-12-31T16:00:00+00:00'"},
        {"local_date(known.timestamp, string(n))", "error"},
        {"known.timestamps.size() + known.durations.size()", "0"},
    };
    EXPECT(table);
}

// What stands in the way of names: shadowing, scopes, leading dots.
static void test_names(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"[1, 2].exists(msg, msg == 2) && msg.a_bool", "true"},
        {"[1].map(n, n + 1)[0] + n", "44"},
        {"[1].map(Kind, Kind + 1)", "[2]"},
        {".n + .msg.an_int64", "41"},
        {"[1].all(n, .n == 42)", "true"},
        {".test.three.Kind.KIND_MOVE + three.Kind.KIND_MOVE + Kind.KIND_MOVE", "6"},
        {"Alias.ALIAS_SECOND == Alias.ALIAS_FIRST", "true"},
        {"[[1, 2], [3]].map(l, l.filter(x, x > 1).map(x, [x, l.size()]))", "[[[2, 2]], [[3, 1]]]"},
        {"has({'a': 1}.a) && !has({'a': 1}.b)", "true"},
        {"{'a-b': 1}.`a-b`", "1"},
        {"true || mgs", "refused at 8+3: unknown name \"mgs\"; did you mean msg?"},
        {"(msg).a_string + (((id)))", "'330106330106'"},
        {"-1 - -1 + - 1", "-1"},
        {"!!true && !(!(!false))", "true"},
        {"- - 5 + -n", "-37"},
        {"true ? (false ? 1 : 2) : 3", "2"},
        {"false ? 1 : false ? 2 : 3", "3"},
        {"1 < 2 == true", "true"},
        {"2 + 3 * 4 - 6 / 2 % 2", "13"},
        {"1 + 1 in [2]", "true"},
        {"[true, 1 / 0 == 1].exists(x, x)", "error"},
    };
    EXPECT(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
