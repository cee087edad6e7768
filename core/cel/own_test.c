// Hutong's own functions by their values, and what is told of their literals.
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

static void test_codes(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"in_codes('sex', '01')", "true"},
        {"in_codes('sex', id)", "false"},
        {"['01', '02'].filter(c, in_codes('sex', c)).map(c, codes('relation', c))", "['10']"},
        {"codes('relation', '01', known.timestamp)", "'10'"},
        {"in_codes('sex', '01', timestamp('1990-01-01T00:00:00Z'))", "true"},
        {"codes('relation', id)", "error"},
        {"codes('relation', id, timestamp(0))", "error"},
        {"codes('relation', '99')", "refused at 18+4: the code map \"relation\" never had a code \"99\""},
        {"in_codes('sex', '9')", "refused at 16+3: the code list \"sex\" never had a code \"9\""},
        {"in_codes('seks', '01')", "refused at 9+6: there is no code list \"seks\""},
        {"codes(id, '01')", "refused at 6+2: the code map's name must be a literal string"},
        {"codes('relation', 1)",
            "refused at 0+5: no function codes(string, int); there is codes(string, string)"},
        {"codes('relation', id, id)", "refused at 0+5: no function codes(string, string, string); there is "
                                      "codes(string, string, timestamp)"},
    };
    EXPECT(table);
}

// A map whose entries change: by the day of the message, or by the day that is asked for.
static void test_dated_codes(void **state) {
    (void)state;
    struct code_map *map;
    struct codes *codes = codes_new();
    const struct code_entry old = {.code = bytes_of_string("a"),
        .name = bytes_of_string("old"),
        .from = CODES_ALWAYS_FROM,
        .until = 1000};
    const struct code_entry new = {.code = bytes_of_string("a"),
        .name = bytes_of_string("new"),
        .from = 1000,
        .until = CODES_ALWAYS_UNTIL};
    assert_int_equal(codes_add_map(codes, bytes_of_string("m"), NULL, NULL, &map, NULL), 0);
    assert_int_equal(code_map_add(map, &old, NULL), 0);
    assert_int_equal(code_map_add(map, &new, NULL), 0);
    const struct code_entry ended = {
        .code = bytes_of_string("b"), .name = bytes_of_string("b"), .from = CODES_ALWAYS_FROM, .until = 1000};
    assert_int_equal(code_map_add(map, &ended, NULL), 0);
    struct cel_env *env = cel_env_new(NULL, codes, NULL);
    struct cel_activation *activation = cel_activation_new(env);
    static const struct {
        int64_t time;
        const char *source;
        const char *value;
    } table[] = {
        {0, "codes('m', 'a')", "new"}, {999, "codes('m', 'a')", "old"},
        {999, "codes('m', 'a', timestamp(1000))", "new"}, {2000, "codes('m', 'a', timestamp(999))", "old"},
        {2000, "codes('m', 'a', timestamp(0))", "old"},
        {999, "codes('m', 'b')", "b"}, // a literal that was a code once
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct cel_program *program = NULL;
        struct cel_value value;
        assert_int_equal(cel_compile(env, bytes_of_string(table[i].source), NULL, &program, NULL), 0);
        cel_activation_set_time(activation, table[i].time);
        assert_int_equal(cel_eval(program, activation, &value, NULL), 0);
        assert_true(bytes_equal_string(value.bytes, table[i].value));
        cel_program_destroy(&program);
    }
    cel_activation_destroy(&activation);
    cel_env_destroy(&env);
    codes_destroy(&codes);
}

#define WOMAN "'11010519491231002X'" // the standard's own example
#define MAN "'440524188001010014'"

static void test_numbers(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"citizen_number(" WOMAN ").valid() && citizen_number(" MAN ").valid()", "true"},
        {"citizen_number(id).valid() || citizen_number('').valid()",
            "refused at 45+2: the citizen number must have 18 characters"},
        {"citizen_number(id).valid()", "false"},
        {"citizen_number(" WOMAN ").birth_date() + ' ' + citizen_number(" MAN ").birth_date()",
            "'1949-12-31 1880-01-01'"},
        {"citizen_number(" WOMAN ").sex() + citizen_number(" MAN ").sex()", "'21'"},
        {"string(citizen_number(" WOMAN ").division())", "'110105'"},
        {"citizen_number(" WOMAN ").division().within('1101')", "true"},
        {"string(citizen_number(" WOMAN "))", WOMAN},
        {"citizen_number(" WOMAN ") == citizen_number(" WOMAN ") && citizen_number(" WOMAN ") != "
         "citizen_number(" MAN ")",
            "true"},
        {"string(type(citizen_number(" WOMAN ")) == type(credit_code(id)))", "'false'"},
        {"[citizen_number(" WOMAN ")].exists(c, c.valid())", "true"},
        {"dyn(citizen_number(" WOMAN ")).valid()", "true"},
        {"citizen_number(id).birth_date()", "error"},
        {"citizen_number(id).sex()", "error"},
        {"citizen_number(id).division().level() > 0", "error"},
        {"citizen_number('110105194912310021')",
            "refused at 15+20: the citizen number has a check character that doesn't fit the rest"},
        {"citizen_number('11010519490231002X').valid()",
            "refused at 15+20: the citizen number has a birth date that doesn't exist"},
        {"id.valid()", "refused at 3+5: no function string.valid(); there is citizen_number.valid(), "
                       "credit_code.valid(), "
                       "division.valid()"},
        {"citizen_number(" WOMAN ").level()",
            "refused at 37+5: no function citizen_number.level(); there is division.level()"},
        {"citizen_number(n)",
            "refused at 0+14: no function citizen_number(int); there is citizen_number(string)"},
        {"citizen_number(id) == id", "refused at 19+2: citizen_number can't be compared with string"},
        {"citizen_numbr(id)",
            "refused at 0+13: unknown function \"citizen_numbr\"; did you mean citizen_number()?"},
        {"credit_code('91350100M000100Y43').valid()", "true"},
        {"credit_code(id).valid()", "false"},
        {"string(credit_code('91350100M000100Y43').division())", "'350100'"},
        {"credit_code(id).division().valid()", "error"},
        {"credit_code('91350100M000100Y44')",
            "refused at 12+20: the credit code has a check character that doesn't fit the rest"},
    };
    EXPECT(table);
}

static void test_divisions(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"division('330106002051').within('330106') && division(id).within('330100') && "
         "division(id).within('33')",
            "true"},
        {"division(id).within(division('330105')) || division('33').within(id)", "false"},
        {"division(id).within(id)", "true"},
        {"division(id).valid() && !division(id + 'x').valid()", "true"},
        {"division('33').level() + 10 * division('330100').level() + 100 * division(id).level() + 1000 * "
         "division('330106002').level() + 10000 * division('330106002051').level()",
            "54321"},
        {"string(division('330106002051').parent().parent().parent().parent())", "'330000'"},
        {"string(division('330106002051').parent()) + string(division('3301').parent())", "'33010600233'"},
        {"division('330000').parent() == division(id)", "error"},
        {"division(id + 'x').parent() == division(id)", "error"},
        {"division(id + 'x').level()", "error"},
        {"division(id + 'x').within(id)", "false"},
        {"division('33010')", "refused at 9+7: a division is a text of 2, 4, 6, 9 or 12 digits"},
        {"division(id).within('33010X')", "refused at 20+8: a division is a text of 2, 4, 6, 9 or 12 digits"},
        {"division(id).within(n)",
            "refused at 13+6: no function division.within(int); there is division.within(division), "
            "division.within(string)"},
    };
    EXPECT(table);
}

static void test_known_divisions(void **state) {
    (void)state;
    struct code_list *list;
    struct codes *codes = codes_new();
    const struct code_entry entry = {.code = bytes_of_string("330103"),
        .name = bytes_of_string("x"),
        .from = CODES_ALWAYS_FROM,
        .until = 1000};
    assert_int_equal(codes_add_list(codes, bytes_of_string("gb2260"), &list, NULL), 0);
    assert_int_equal(code_list_add(list, &entry, NULL), 0);
    struct cel_env *env = cel_env_new(NULL, codes, NULL);
    static const struct {
        const char *source;
        int rc;
    } table[] = {
        {"division('330103002051').level()", 0}, // was one: that is enough
        {"division('3399').level()", 0},
        {"division('339999').level()", CEL_REFUSED},
        {"division('330103').within('339999')", CEL_REFUSED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct cel_program *program = NULL;
        struct cel_problems problems = {0};
        assert_int_equal(
            cel_compile(env, bytes_of_string(table[i].source), NULL, &program, &problems), table[i].rc);
        if (table[i].rc)
            assert_string_equal(problems.items[0].text, "the division never was one by the code list gb2260");
        cel_program_destroy(&program);
    }
    cel_env_destroy(&env);
    codes_destroy(&codes);
}

static void test_mask(void **state) {
    (void)state;
    static const struct expectation table[] = {
        {"mask('张三丰')", "'***'"},
        {"mask('张三丰', 1, 0)", "'张**'"},
        {"mask('张三丰', 1, 1)", "'张*丰'"},
        {"mask('张三', 1, 1)", "'**'"},
        {"mask('张', 1, 0)", "'*'"},
        {"mask('13800138000', 3, 4)", "'138****8000'"},
        {"mask(" WOMAN ", 6, 0)", "'110105************'"},
        {"mask('', 1, 1) + mask('')", "''"},
        {"mask('ab', 9223372036854775807, 9223372036854775807)", "'**'"},
        {"mask('ab', 0, 1)", "'*b'"},
        {"mask(id, n - 43, 0)", "error"},
        {"mask(id, -1, 0)", "refused at 9+2: mask() keeps 0 characters or more at either end"},
        {"mask(id, 1)",
            "refused at 0+4: no function mask(string, int); there is mask(string), mask(string, int, int)"},
        {"mask(citizen_number(id))",
            "refused at 0+4: no function mask(citizen_number); there is mask(string)"},
    };
    EXPECT(table);
}

static void test_hash(void **state) {
    (void)state;
    // HMAC-SHA256(HMAC-SHA256(key, scope), text), by another implementation (Python's).
    static const struct expectation table[] = {
        {"hash(id)", "'c7aff29fdba1b17f5222344b1725f8ac25a6975045cfc42c9077369c84e94950'"},
        {"hash(id, 'PS-HOUSING')", "'d1c7c02c1b0a4911ed4a986b07f2506ed69cbdb39978849287d53a057d5e6578'"},
        {"hash(id, '') == hash(id) && hash(id, 'a') != hash(id, 'b') && hash(id) != hash(id + 'x')", "true"},
        {"hash('') + hash('', 'x')", "''"},
        {"hash(n)", "refused at 0+4: no function hash(int); there is hash(string)"},
    };
    EXPECT(table);
    struct cel_env *env = cel_env_new(NULL, NULL, NULL);
    struct cel_program *program = NULL;
    struct cel_problems problems = {0};
    assert_int_equal(
        cel_compile(env, bytes_of_string("1 + size(hash('x'))"), NULL, &program, &problems), CEL_REFUSED);
    assert_int_equal(problems.items[0].offset, 9);
    assert_non_null(strstr(problems.items[0].text, "hash_key_file"));
    cel_env_destroy(&env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_dated_codes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_divisions),
        cmocka_unit_test(test_known_divisions),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
