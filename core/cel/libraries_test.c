// CEL's extensions by their values: format, quote, base64, math; and what is told of them before they run.
#include "core/cel/cel_testing.h"

#include <locale.h>

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

static void test_format(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"'%s住%s，%d岁'.format([id, '杭州', n])", "'330106住杭州，42岁'"},
        {"''.format([])", "''"},
        {"'100%%'.format([])", "'100%'"},
        {"'%s %s %s'.format([null, true, b'abc'])", "'null true abc'"},
        {"'%s %s'.format([timestamp(0), duration('90s')])", "'1970-01-01T00:00:00Z 90s'"},
        {"'%s'.format([type(1)])", "'int'"},
        {"'%s'.format([[1, 2u, 1.5, 'a', [], {}]])", "'[1, 2, 1.5, a, [], {}]'"},
        {"'%s'.format([{'b': 1, 'a': [2], true: null, 10: 'x', 'aa': 0}])",
            "'{10: x, a: [2], aa: 0, b: 1, true: null}'"},
        {"'%s'.format([msg.int32s]) + '%s'.format([msg.names])", "'[1, 2, 3]{k: v}'"},
        {"'%d %d %d %d'.format([-5, 18446744073709551615u, -9223372036854775808, Kind.KIND_MOVE])",
            "'-5 18446744073709551615 -9223372036854775808 2'"},
        {"'%d %d'.format([1.5, 3.0])", "'1.5 3'"},
        {"'%.2f %.0f %f %.1f'.format([2.345, 0.5, 1, 2u])", "'2.35 0 1.000000 2.0'"},
        {"'%.2e %e'.format([12345.678, 0])", "'1.23e+04 0.000000e+00'"},
        {"'%b %b %b %b'.format([5, -5, true, false])", "'101 -101 1 0'"},
        {"'%o %o'.format([8, -8])", "'10 -10'"},
        {"'%x %X %x %x %X'.format([255, 255u, -255, 'AZ', b'\\xab\\x01'])", "'ff FF -ff 415a AB01'"},
        {"'%x'.format(['汉'])", "'e6b189'"},
        {"'%s %e'.format([double('inf'), double('-inf')]) + '%d'.format([0.0 / 0.0])",
            "'Infinity -InfinityNaN'"},
        {"'%.100f'.format([0.0]).size()", "102"},
        {"'%d'.format([id])",
            "refused at 13+2: error during formatting: %d takes a number, not a value of type string"},
        {"'%s %y'.format([id, 1])", "refused at 4+2: could not parse formatting clause: unrecognized "
                                    "formatting clause \"%y\"; there is %s %d "
                                    "%f %.2f %e %b %o %x %X, and %% for a percent sign"},
        {"'\\t%y'.format([1])", "refused at 0+6: the format is wrong at its byte 2: could not parse "
                                "formatting clause: unrecognized "
                                "formatting clause \"%y\""},
        {"'汉%'.format([])", "refused at 4+1: could not parse formatting clause: the text ends behind \"%\" "
                             "\"%\"; there is %s %d %f "
                             "%.2f %e %b %o %x %X, and %% for a percent sign"},
        {"'%.101f'.format([1.0])", "refused at 1+1: a precision is at most 100 \"%\"; there is %s %d %f %.2f "
                                   "%e %b %o %x %X, and %% for a "
                                   "percent sign"},
        {"'%.2d'.format([1])", "refused at 1+4: a precision stands only before f and e \"%.2d\"; there is %s "
                               "%d %f %.2f %e %b %o %x %X, "
                               "and %% for a percent sign"},
        {"'%d %d'.format([1])",
            "refused at 15+3: index 1 out of range: the format has 2 verbs, but the list 1 values"},
        {"'%d'.format([1, 2])", "refused at 12+6: the list has 2 values, but the format only 1 verbs"},
        {"'%s'.format([msg.inner])",
            "refused at 13+9: error during formatting: %s takes any value but a message, not a value of type "
            "test.three.Inner"},
        {"'%s'.format('x')",
            "refused at 5+6: no function string.format(string); there is string.format(list)"},
        {"(id + '%d').format([dyn('x')])", "error"},
        {"'%d'.format([dyn(duration('1s'))])", "error"},
        {"'%s'.format([dyn([msg.inner])])", "error"},
        {"'%s'.format([{1: msg.inner}])", "error"},
        {"'%s'.format([[b'\\xff']])", "error"},
        {"(id + '%').format([])", "error"},
        {"(id + '%q').format([1])", "error"},
        {"(id + '%汉').format([1])", "error"},
        {"(id + '%d').format([])", "error"},
        {"(id + '%.9999999999f').format([1.0])", "error"},
        {"(id + '%s').format(msg.int32s)", "'3301061'"},
    };
    EXPECT(table);
}

static void test_encode(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"strings.quote('a\"b\\\\c\\a\\b\\f\\n\\r\\t\\v汉')", "'\"a\\\"b\\\\c\\a\\b\\f\\n\\r\\t\\v汉\"'"},
        {"strings.quote('')", "'\"\"'"},
        {"strings.quote('\\x00').size()", "3"},
        {"strings.quote(id)", "'\"330106\"'"},
        {"base64.encode(b'')", "''"},
        {"base64.encode(b'f') + base64.encode(b'fo') + base64.encode(b'foo') + base64.encode(b'foob')",
            "'Zg==Zm8=Zm9vZm9vYg=='"},
        {"base64.encode(b'\\xfb\\xff\\xfe')", "'+//+'"},
        {"string(base64.decode('Zm9vYg==')) + string(base64.decode('Zm9v')) + string(base64.decode('Zm8'))",
            "'foobfoofo'"},
        {"base64.decode('')", "b''"},
        {"base64.decode('+//+')", "b'fb ff fe'"},
        {"base64.decode('Zg=')", "refused at 14+5: the text is not base64 at its byte 3"},
        {"base64.decode('Zg===')", "refused at 14+7: the text is not base64 at its byte 3"},
        {"base64.decode('Z===')", "refused at 14+6: the text is not base64 at its byte 2"},
        {"base64.decode('=')", "refused at 14+3: the text is not base64 at its byte 1"},
        {"base64.decode('Z')", "refused at 14+3: the text is not base64 at its byte 2"},
        {"base64.decode('Zh==')", "refused at 14+6: the text is not base64 at its byte 2"},
        {"base64.decode('Zm9 v')", "refused at 14+7: the text is not base64 at its byte 4"},
        {"base64.decode('Zm-_')", "refused at 14+6: the text is not base64 at its byte 3"},
        {"base64.decode(id + 'ab')", "b'df 7d 35 d3 a6 9b'"},
        {"base64.decode(id)", "error"},
        {"base64.decode(id + '!')", "error"},
        {"base64.decode(id + 'a')", "error"},
        {"base64.encode(id)",
            "refused at 0+13: no function base64.encode(string); there is base64.encode(bytes)"},
        {"base64.encod(b'')",
            "refused at 0+12: unknown function \"base64.encod\"; did you mean base64.encode()?"},
        {"strings.qoute('')",
            "refused at 0+13: unknown function \"strings.qoute\"; did you mean strings.quote()?"},
    };
    EXPECT(table);
}

static void test_math(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"math.greatest(n, 41, -1) + math.least(n, 41) + math.greatest(n)", "125"},
        {"math.greatest(1, 2.5, 2u)", "2.5"},
        {"math.least(3u, 2)", "2"},
        {"math.greatest(msg.int32s) + math.least(msg.int32s)", "4"},
        {"math.greatest([dyn(1), 2u, 1.5])", "2u"},
        {"math.greatest(0.0 / 0.0, 1.0) > 0.0", "false"},
        {"math.greatest([]) == 0", "error"},
        {"math.least(['a'])",
            "refused at 0+10: no function math.least(list(string)); there is math.least(number), "
            "math.least(list(number))"},
        {"math.least('a', 1, 2)", "refused at 11+3: math.least() takes numbers, not string"},
        {"math.greatest([1.5, b'', 2])", "refused at 20+3: math.greatest() takes numbers, not bytes"},
        {"math.least([dyn('a')])", "error"},
        {"math.least(dyn('a'), 1)", "error"},
        {"math.greatest()", "refused at 0+13: no function math.greatest(); there is math.greatest(number), "
                            "math.greatest(number, "
                            "number), math.greatest(list(number))"},
        {"math.ceil(1.2) + math.floor(-1.2) + math.round(-1.5) + math.round(0.5) + math.trunc(-1.9)", "-2.0"},
        {"math.ceil(1)", "refused at 0+9: no function math.ceil(int); there is math.ceil(double)"},
        {"math.isNaN(0.0 / 0.0) && math.isInf(-1.0 / 0.0) && math.isFinite(1.0) && !math.isFinite(1.0 / 0.0)",
            "true"},
        {"math.sqrt(49.0) + math.sqrt(81) + math.sqrt(4u)", "18.0"},
        {"math.isNaN(math.sqrt(-1))", "true"},
        {"math.abs(-1) + math.abs(1)", "2"},
        {"math.abs(-1.5)", "1.5"},
        {"math.abs(7u)", "7u"},
        {"math.abs(-9223372036854775808)", "error"},
        {"math.sign(-5) + math.sign(0) + math.sign(9)", "0"},
        {"math.sign(-0.5) + math.sign(0.0) + math.sign(2.0)", "0.0"},
        {"math.sign(9u) + math.sign(0u)", "1u"},
        {"math.bitAnd(12, 10) + math.bitOr(12, 10) + math.bitXor(12, 10)", "28"},
        {"math.bitAnd(12u, 10u) + math.bitOr(12u, 10u) + math.bitXor(12u, 10u)", "28u"},
        {"math.bitNot(0) - math.bitNot(-1)", "-1"},
        {"math.bitNot(0u)", "18446744073709551615u"},
        {"math.bitShiftLeft(1, 62) + math.bitShiftLeft(1, 64)", "4611686018427387904"},
        {"math.bitShiftRight(-1, 63) + math.bitShiftRight(-1, 64)", "1"},
        {"math.bitShiftLeft(1u, 63)", "9223372036854775808u"},
        {"math.bitShiftLeft(1, -1) == 0", "error"},
        {"math.bitShiftRight(1u, n - 43) == 0u", "error"},
        {"math.bitAnd(1, 1u)",
            "refused at 0+11: no function math.bitAnd(int, uint); there is math.bitAnd(int, int), "
            "math.bitAnd(uint, uint)"},
        {"math.flor(1.5)", "refused at 0+9: unknown function \"math.flor\"; did you mean math.floor()?"},
        {"[{'abs': 1}].exists(math, math.abs == 1)", "true"},
        {".math.abs(-1)", "1"},
        {"math", "refused at 0+4: unknown name \"math\"; there is msg, known, id, n"},
    };
    EXPECT(table);
}

// A driver may have set a locale with a comma; numbers are written and read as ever.
static void test_locale(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"'%.2f %e %s'.format([1.5, 1.5, 1.5]) + string(0.25)", "'1.50 1.500000e+00 1.50.25'"},
        {"double('1.5') == 1.5 && 1.25 + 0.5 == 1.75 && double('1e-1') == 0.1", "true"},
        {"double('1,5')", "error"},
    };
    char text[8];
    EXPECT(table);
    setenv("LOCPATH", HUTONG_BUILD_DIR "/core/cel/locale", 1);
    assert_non_null(setlocale(LC_NUMERIC, "comma"));
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5");
    EXPECT(table);
    snprintf(text, sizeof text, "%.1f", 1.5);
    assert_string_equal(text, "1,5"); // and the process keeps its own
    setlocale(LC_NUMERIC, "C");
    unsetenv("LOCPATH");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_math),
        cmocka_unit_test(test_locale),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
