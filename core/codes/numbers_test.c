#include "core/codes/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static enum number_fault citizen(const char *text) {
    return citizen_number_check(bytes_of_string(text));
}

static enum number_fault credit(const char *text) {
    return credit_code_check(bytes_of_string(text));
}

static void citizen_numbers_of_the_standard_are_valid(void **state) {
    (void)state;
    assert_int_equal(citizen("11010519491231002X"), NUMBER_OK); // GB 11643-1999, the examples in its text
    assert_int_equal(citizen("440524188001010014"), NUMBER_OK);
    assert_true(citizen_number_valid(bytes_of_string("11010519491231002X")));
    assert_int_equal(citizen_number_check_character("11010519491231002"), 'X');
    assert_int_equal(citizen_number_check_character("44052418800101001"), '4');
    assert_int_equal(citizen_number_check_character("4405241880010100A"), '\0');
}

static void each_changed_character_is_refused(void **state) {
    (void)state;
    static const char *const numbers[] = {"11010519491231002X", "440524188001010014"};
    static const char alphabet[] = "0123456789XxA /:";
    for (size_t n = 0; n < 2; n++)
        for (size_t at = 0; at < 18; at++)
            for (const char *c = alphabet; *c; c++) {
                char changed[19];
                snprintf(changed, sizeof changed, "%s", numbers[n]);
                if (changed[at] == *c)
                    continue;
                changed[at] = *c;
                assert_int_not_equal(citizen(changed), NUMBER_OK);
            }
}

static void swapped_neighbours_are_refused(void **state) {
    (void)state;
    const char *number = "11010519491231002X";
    for (size_t at = 0; at + 1 < 17; at++) {
        char changed[19];
        snprintf(changed, sizeof changed, "%s", number);
        if (changed[at] == changed[at + 1])
            continue;
        changed[at] = number[at + 1];
        changed[at + 1] = number[at];
        assert_int_not_equal(citizen(changed), NUMBER_OK);
    }
}

static void refusals_say_why(void **state) {
    (void)state;
    assert_int_equal(citizen(""), NUMBER_LENGTH);
    assert_int_equal(citizen("110105491231002"), NUMBER_LENGTH); // the 15 digits of before 1999
    assert_int_equal(citizen("11010519491231002X "), NUMBER_LENGTH);
    assert_int_equal(citizen("11010519491231002x"), NUMBER_CHARACTER);
    assert_int_equal(citizen("X10105194912310021"), NUMBER_CHARACTER);
    assert_int_equal(citizen("010105194912310021"), NUMBER_CHARACTER);
    assert_int_equal(citizen("110105194902290028"), NUMBER_DATE); // 1949 was no leap year
    assert_int_equal(citizen("110105194913310028"), NUMBER_DATE);
    assert_int_equal(citizen("110105194900310028"), NUMBER_DATE);
    assert_int_equal(citizen("110105194912000028"), NUMBER_DATE);
    assert_int_equal(citizen("110105190002290028"), NUMBER_DATE); // nor was 1900
    assert_int_equal(citizen("110105194912310021"), NUMBER_CHECK);
    for (int fault = NUMBER_OK; fault <= NUMBER_CHECK; fault++)
        assert_non_null(number_fault_text((enum number_fault)fault));
}

static void a_leap_day_is_a_date(void **state) {
    (void)state;
    char number[19] = "110105200002290010";
    number[17] = citizen_number_check_character(number);
    assert_int_equal(citizen(number), NUMBER_OK);
}

static void credit_codes_are_checked(void **state) {
    (void)state;
    const char *example = "91350100M000100Y43"; // GB 32100-2015, the example in its text
    assert_int_equal(credit(example), NUMBER_OK);
    assert_true(credit_code_valid(bytes_of_string(example)));
    assert_int_equal(credit_code_check_character("91350100M000100Y4"), '3');
    for (size_t at = 0; at < 18; at++)
        for (const char *c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZa-"; *c; c++) {
            char changed[19];
            snprintf(changed, sizeof changed, "%s", example);
            if (changed[at] == *c)
                continue;
            changed[at] = *c;
            assert_int_not_equal(credit(changed), NUMBER_OK);
        }
    assert_int_equal(credit("91350100M000100Y4"), NUMBER_LENGTH);
    assert_int_equal(credit("91350100M000100Y4I"), NUMBER_CHARACTER);
    assert_int_equal(credit("9135A100M000100Y43"), NUMBER_CHARACTER);
    assert_int_equal(credit("91350100M000100Y44"), NUMBER_CHECK);
}

static void test_parts(void **state) {
    (void)state;
    char date[NUMBER_DATE_SIZE];
    citizen_number_birth_date(bytes_of_string("11010519491231002X"), date);
    assert_memory_equal(date, "1949-12-31", sizeof date);
    assert_false(citizen_number_male(bytes_of_string("11010519491231002X")));
    assert_true(citizen_number_male(bytes_of_string("440524188001010014")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(citizen_numbers_of_the_standard_are_valid),
        cmocka_unit_test(each_changed_character_is_refused),
        cmocka_unit_test(swapped_neighbours_are_refused),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(a_leap_day_is_a_date),
        cmocka_unit_test(credit_codes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
