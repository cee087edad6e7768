#include "core/codes/codes.h"
#include "core/codes/divisions.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum {
    T2010 = 1262304000,
    T2020 = 1577836800,
    T2021_04_09 = 1617926400,
    T2026 = 1767225600,
};

#define B(text) bytes_of_string(text)

static int add(struct code_list *list, const char *code, const char *name, int64_t from, int64_t until,
    const char *next) {
    struct code_entry entry = {
        .code = B(code), .name = B(name), .from = from, .until = until, .replaced_by = B(next)};
    return code_list_add(list, &entry, NULL);
}

// Hangzhou before and after the change of 2021.
static struct codes *hangzhou(struct code_list **list) {
    struct codes *codes = codes_new();
    assert_non_null(codes);
    assert_int_equal(codes_add_list(codes, B("gb2260"), list, NULL), 0);
    const int64_t ever = CODES_ALWAYS_FROM;
    const int64_t end = CODES_ALWAYS_UNTIL;
    assert_int_equal(add(*list, "330102", "上城区", ever, end, NULL), 0);
    assert_int_equal(add(*list, "330103", "下城区", ever, T2021_04_09, "330105"), 0);
    assert_int_equal(add(*list, "330104", "江干区", ever, T2021_04_09, "330102"), 0);
    assert_int_equal(add(*list, "330105", "拱墅区", ever, end, NULL), 0);
    assert_int_equal(add(*list, "330114", "钱塘区", T2021_04_09, end, NULL), 0);
    return codes;
}

static void entries_hold_in_their_time(void **state) {
    (void)state;
    struct code_list *list;
    struct codes *codes = hangzhou(&list);
    assert_true(code_list_contains(list, B("330103"), T2020));
    assert_true(code_list_contains(list, B("330103"), T2021_04_09 - 1));
    assert_false(code_list_contains(list, B("330103"), T2021_04_09));
    assert_false(code_list_contains(list, B("330103"), CODES_CURRENT));
    assert_true(code_list_contains(list, B("330103"), CODES_EVER));
    assert_false(code_list_contains(list, B("330114"), T2020));
    assert_true(code_list_contains(list, B("330114"), T2021_04_09));
    assert_true(code_list_contains(list, B("330114"), CODES_CURRENT));
    assert_false(code_list_contains(list, B("33010"), CODES_EVER));
    assert_true(codes_contains(codes, B("gb2260"), B("330102"), T2026));
    assert_false(codes_contains(codes, B("gb2261"), B("330102"), T2026));
    assert_true(bytes_equal_string(codes_name(codes, B("gb2260"), B("330114"), T2026), "钱塘区"));
    assert_int_equal(codes_name(codes, B("gb2260"), B("330199"), T2026).size, 0);
    assert_int_equal(code_list_size(list), 5);
    codes_destroy(&codes);
    assert_null(codes);
}

static void a_code_may_be_used_again_but_not_at_once(void **state) {
    (void)state;
    struct code_list *list;
    struct codes *codes = hangzhou(&list);
    assert_int_equal(add(list, "999999", "second", T2020, T2026, NULL), 0);
    assert_int_equal(add(list, "999999", "first", CODES_ALWAYS_FROM, T2010, NULL), 0);
    assert_int_equal(add(list, "999999", "between", T2010, T2020, NULL), 0);
    assert_int_equal(add(list, "999999", "third", T2026, CODES_ALWAYS_UNTIL, NULL), 0);
    assert_int_equal(add(list, "999999", "overlap", T2020 + 1, T2020 + 2, NULL), CODES_DUPLICATE);
    struct bytes name = code_list_find(list, B("999999"), T2010 - 1)->name;
    assert_true(bytes_equal_string(name, "first"));
    assert_true(bytes_equal_string(code_list_find(list, B("999999"), T2010)->name, "between"));
    assert_true(bytes_equal_string(code_list_find(list, B("999999"), T2020)->name, "second"));
    assert_true(bytes_equal_string(code_list_find(list, B("999999"), CODES_CURRENT)->name, "third"));
    assert_true(bytes_equal_string(code_list_find(list, B("999999"), CODES_EVER)->name, "third"));
    codes_destroy(&codes);
}

static void what_is_wrong_is_refused(void **state) {
    (void)state;
    struct code_list *list;
    struct codes *codes = hangzhou(&list);
    char large[CODES_TEXT_SIZE + 2];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_int_equal(add(list, "", "no code", CODES_ALWAYS_FROM, CODES_ALWAYS_UNTIL, NULL), -EINVAL);
    assert_int_equal(add(list, "1", "ends first", T2020, T2010, NULL), -EINVAL);
    assert_int_equal(add(list, "1", large, T2010, T2020, NULL), -EMSGSIZE);
    assert_int_equal(add(list, large, "x", T2010, T2020, NULL), -EMSGSIZE);
    struct code_list *again = NULL;
    struct error error;
    assert_int_equal(codes_add_list(codes, B("gb2260"), &again, &error), CODES_DUPLICATE);
    assert_non_null(strstr(error.text, "gb2260"));
    assert_int_equal(codes_add_list(codes, B(""), &again, NULL), -EINVAL);
    assert_int_equal(codes_add_list(codes, B(large), &again, NULL), -EMSGSIZE);
    assert_null(again);
    codes_destroy(&codes);
}

static int add_pair(struct code_map *map, const char *from, const char *to, int64_t since) {
    struct code_entry entry = {.code = B(from), .name = B(to), .from = since, .until = CODES_ALWAYS_UNTIL};
    return code_map_add(map, &entry, NULL);
}

static void maps_guess_nothing(void **state) {
    (void)state;
    struct codes *codes = codes_new();
    struct code_list *sex;
    struct code_map *map;
    struct bytes to = {0};
    assert_int_equal(codes_add_list(codes, B("gb2261_1"), &sex, NULL), 0);
    assert_int_equal(add(sex, "1", "男性", CODES_ALWAYS_FROM, CODES_ALWAYS_UNTIL, NULL), 0);
    assert_int_equal(add(sex, "2", "女性", CODES_ALWAYS_FROM, CODES_ALWAYS_UNTIL, NULL), 0);
    assert_int_equal(codes_add_map(codes, B("sex"), sex, NULL, &map, NULL), 0);
    assert_int_equal(add_pair(map, "1", "M", CODES_ALWAYS_FROM), 0);
    assert_int_equal(add_pair(map, "2", "F", T2020), 0);
    assert_int_equal(add_pair(map, "3", "?", CODES_ALWAYS_FROM), -EINVAL);
    assert_int_equal(codes_map(codes, B("sex"), B("1"), CODES_CURRENT, &to), 0);
    assert_true(bytes_equal_string(to, "M"));
    assert_int_equal(codes_map(codes, B("sex"), B("2"), T2010, &to), CODES_UNMAPPED);
    assert_true(bytes_equal_string(to, "M")); // untouched
    assert_int_equal(codes_map(codes, B("sex"), B("2"), T2020, &to), 0);
    assert_int_equal(codes_map(codes, B("sex"), B(""), T2020, &to), CODES_UNMAPPED);
    assert_int_equal(codes_map(codes, B("sexes"), B("1"), T2020, &to), CODES_UNKNOWN_MAP);
    const struct code_map *bound = codes_find_map(codes, B("sex"));
    assert_int_equal(code_map_get(bound, B("2"), T2026, &to), 0);
    size_t count;
    assert_string_equal(codes_map_names(codes, &count)[0], "sex");
    assert_int_equal(count, 1);
    struct code_map *backwards;
    assert_int_equal(codes_add_map(codes, B("backwards"), NULL, sex, &backwards, NULL), 0);
    assert_int_equal(add_pair(backwards, "M", "1", CODES_ALWAYS_FROM), 0);
    assert_int_equal(add_pair(backwards, "X", "7", CODES_ALWAYS_FROM), -EINVAL);
    codes_destroy(&codes);
}

static void divisions_lie_in_each_other(void **state) {
    (void)state;
    assert_true(division_within(B("330106002051"), B("330106")));
    assert_true(division_within(B("330106002051"), B("330100")));
    assert_true(division_within(B("330106002051"), B("330000")));
    assert_true(division_within(B("330106"), B("33")));
    assert_true(division_within(B("330106"), B("330106")));
    assert_false(division_within(B("330106"), B("330106002")));
    assert_false(division_within(B("330206"), B("330100")));
    assert_false(division_within(B("33010"), B("33")));
    assert_false(division_within(B("330106"), B("")));
    assert_false(division_within(B("33010X"), B("33")));
    assert_true(division_within(B("330106002051"), B("330106000000")));
    assert_true(division_within(B("330106000"), B("330106000000")));
    assert_false(division_within(B("330106002051"), B("330106003000")));
}

static void divisions_follow_their_changes(void **state) {
    (void)state;
    struct code_list *list;
    struct codes *codes = hangzhou(&list);
    assert_true(division_known(list, B("330103001002"), T2020));
    assert_false(division_known(list, B("330103001002"), T2026));
    assert_false(division_known(list, B("3301"), T2020));
    assert_true(bytes_equal_string(division_successor(list, B("330104"), T2020)->code, "330102"));
    assert_true(bytes_equal_string(division_successor(list, B("330102"), T2020)->code, "330102"));
    assert_null(division_successor(list, B("330104"), T2026));
    assert_int_equal(add(list, "1", "a", CODES_ALWAYS_FROM, T2010, "2"), 0);
    assert_int_equal(add(list, "2", "b", CODES_ALWAYS_FROM, T2020, NULL), 0);
    assert_null(division_successor(list, B("1"), T2010 - 1)); // ends with nothing in its place
    codes_destroy(&codes);
}

static void no_memory_leaves_all_as_it_was(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        struct codes *codes = codes_new();
        struct code_list *list = NULL;
        struct code_map *map = NULL;
        int rc = codes ? codes_add_list(codes, B("list"), &list, NULL) : -ENOMEM;
        if (rc == 0)
            rc = add(list, "1", "one", CODES_ALWAYS_FROM, T2010, NULL);
        if (rc == 0)
            rc = add(list, "1", "uno", T2010, CODES_ALWAYS_UNTIL, NULL);
        if (rc == 0)
            rc = codes_add_map(codes, B("map"), list, NULL, &map, NULL);
        if (rc == 0)
            rc = add_pair(map, "1", "I", CODES_ALWAYS_FROM);
        alloc_fail_never();
        if (codes && list)
            assert_true(code_list_size(list) <= 2);
        codes_destroy(&codes);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_true(n < 100);
    }
}

static void test_division_levels(void **state) {
    (void)state;
    static const struct {
        const char *code;
        unsigned level;
        const char *parent;
    } table[] = {
        {"33", 1, ""},
        {"330000", 1, ""},
        {"330000000000", 1, ""},
        {"3301", 2, "33"},
        {"330100", 2, "330000"},
        {"330106", 3, "330100"},
        {"330106000000", 3, "330100"},
        {"330106002", 4, "330106"},
        {"330106002000", 4, "330106"},
        {"330106002051", 5, "330106002"},
        {"33010", 0, ""},
        {"33010X", 0, ""},
        {"", 0, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char parent[DIVISION_SIZE] = "";
        size_t size = division_parent(B(table[i].code), parent);
        assert_int_equal(division_level(B(table[i].code)), table[i].level);
        assert_true(bytes_equal_string(bytes_of(parent, size), table[i].parent));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_division_levels),
        cmocka_unit_test(entries_hold_in_their_time),
        cmocka_unit_test(a_code_may_be_used_again_but_not_at_once),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(maps_guess_nothing),
        cmocka_unit_test(divisions_lie_in_each_other),
        cmocka_unit_test(divisions_follow_their_changes),
        cmocka_unit_test(no_memory_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
