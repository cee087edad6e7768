#include "adapters/runtime/moment.h"
#include "adapters/runtime/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// cmocka needs the three above
#include <cmocka.h>

#define EAST8 (8 * 3600)

static int read_text(const struct text_form *form, const char *text, int64_t *i64, double *f64, char *out) {
    struct buffer buffer = {0};
    struct error error = {0};
    int rc = text_read(form, bytes_of_string(text), i64, f64, &buffer, &error);
    if (rc == 0)
        snprintf(out, 64, "%s", buffer.size ? buffer_text(&buffer) : "");
    else
        assert_true(error.text[0] != '\0');
    buffer_destroy(&buffer);
    return rc;
}

static void dates_in_all_spellings(void **state) {
    (void)state;
    static const char *const same[] = {"20261124", "2026-11-24", "2026/11/24", "2026.11.24", "2026年11月24日",
        " 2026-11-24 ", "2026-11-24 09:30:00", "20261124093000", "2026-11-24T09:30:00+08:00", "202611240930"};
    static const char *const none[] = {"2026-02-29", "2026-13-01", "20261301", "2026-11-24x", "26-11-24",
        "2026-11/24", "2026-11-24 24:00:00", "2026-11-24 09:60", "2026112", "", "0000-01-01",
        "2026-11-24 09:30:00+0", "十一月"};
    struct text_form form = {.type = TEXT_DATE, .zone = EAST8};
    char out[64];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(read_text(&form, same[i], NULL, NULL, out), 0);
        assert_string_equal(out, "2026-11-24");
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(read_text(&form, none[i], NULL, NULL, out), TEXT_BAD);
    assert_int_equal(read_text(&form, "2024/2/29", NULL, NULL, out), 0);
    assert_string_equal(out, "2024-02-29");
}

static void times_get_their_zone(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"2026-11-24 09:30:00", "2026-11-24T09:30:00+08:00"},
        {"20261124093000", "2026-11-24T09:30:00+08:00"}, {"2026/11/24 9:30", "2026-11-24T09:30:00+08:00"},
        {"2026-11-24", "2026-11-24T00:00:00+08:00"}, {"2026-11-24T09:30:00.250Z", "2026-11-24T09:30:00.25Z"},
        {"2026-11-24 09:30:00.1234567891-0530", "2026-11-24T09:30:00.123456789-05:30"},
        {"2026-11-24 09:30:00+08", "2026-11-24T09:30:00+08:00"}};
    struct text_form form = {.type = TEXT_TIME, .zone = EAST8};
    char out[64];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(read_text(&form, pairs[i][0], NULL, NULL, out), 0);
        assert_string_equal(out, pairs[i][1]);
    }
}

static void patterns_are_exact(void **state) {
    (void)state;
    struct text_form form = {.type = TEXT_DATE, .pattern = "%d.%m.%Y", .zone = EAST8};
    char out[64];
    assert_int_equal(read_text(&form, "24.11.2026", NULL, NULL, out), 0);
    assert_string_equal(out, "2026-11-24");
    assert_int_equal(read_text(&form, "2026-11-24", NULL, NULL, out), TEXT_BAD);
    assert_int_equal(read_text(&form, "24.11.2026 ", NULL, NULL, out), 0); // blanks around it don't count
    assert_null(moment_check_pattern("%Y%m%d%H%M%S", true));
    assert_non_null(moment_check_pattern("%Y%m", true));
    assert_non_null(moment_check_pattern("%Y%m%d%H", false));
    assert_non_null(moment_check_pattern("%Y%m%d%q", true));
    assert_non_null(moment_check_pattern("%Y%m%d%", true));
}

static void numbers_and_amounts(void **state) {
    (void)state;
    static const struct {
        enum text_type type;
        int rc;
        const char *text;
        int64_t value;
    } cases[] = {{TEXT_INT, 0, "42", 42}, {TEXT_INT, 0, " -7 ", -7}, {TEXT_INT, TEXT_BAD, "4x", 0},
        {TEXT_INT, TEXT_BAD, "99999999999999999999", 0}, {TEXT_INT, TEXT_BAD, "", 0}, {TEXT_BOOL, 0, "是", 1},
        {TEXT_BOOL, 0, "F", 0}, {TEXT_BOOL, TEXT_BAD, "maybe", 0}, {TEXT_DECIMAL, 0, "1,234.5", 123450},
        {TEXT_DECIMAL, 0, "-0.05", -5}, {TEXT_DECIMAL, 0, "7", 700}, {TEXT_DECIMAL, TEXT_BAD, "0.005", 0},
        {TEXT_DECIMAL, TEXT_BAD, ".", 0}, {TEXT_DECIMAL, TEXT_BAD, "1.2.3", 0},
        {TEXT_DECIMAL, TEXT_BAD, "92233720368547758.08", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text_form form = {.type = cases[i].type, .scale = 2};
        int64_t i64 = 0;
        char out[64];
        assert_int_equal(read_text(&form, cases[i].text, &i64, NULL, out), cases[i].rc);
        assert_int_equal(i64, cases[i].value);
    }
    struct text_form form = {.type = TEXT_DOUBLE};
    double f64 = 0;
    char out[64];
    assert_int_equal(read_text(&form, "2.5e3", NULL, &f64, out), 0);
    assert_true(f64 == 2500);
    assert_int_equal(read_text(&form, "nan", NULL, &f64, out), TEXT_BAD);
}

static int write_text(const struct text_form *form, struct cel_value value, char *out) {
    struct buffer buffer = {0};
    struct error error = {0};
    int rc = text_write(form, &value, &buffer, &error);
    snprintf(out, 64, "%s", buffer.size ? buffer_text(&buffer) : "");
    buffer_destroy(&buffer);
    return rc;
}

static struct cel_value string(const char *text) {
    return (struct cel_value){.kind = CEL_STRING, .bytes = bytes_of_string(text)};
}

static void values_are_written_as_the_system_wants_them(void **state) {
    (void)state;
    struct text_form compact = {.type = TEXT_DATE, .pattern = "%Y%m%d", .zone = EAST8};
    struct text_form time = {.type = TEXT_TIME, .zone = EAST8};
    struct text_form amount = {.type = TEXT_DECIMAL, .scale = 2};
    struct text_form plain = {.type = TEXT_STRING, .zone = EAST8};
    struct cel_value moment = {
        .kind = CEL_TIMESTAMP, .time = {.seconds = 1795483800}}; // 2026-11-24T01:30:00Z
    char out[64];
    assert_int_equal(write_text(&compact, string("2026-11-24"), out), 0);
    assert_string_equal(out, "20261124");
    assert_int_equal(write_text(&compact, string(""), out), 0);
    assert_string_equal(out, "");
    assert_int_equal(write_text(&compact, string("soon"), out), TEXT_BAD);
    assert_int_equal(write_text(&compact, moment, out), 0);
    assert_string_equal(out, "20261124");
    assert_int_equal(write_text(&time, moment, out), 0);
    assert_string_equal(out, "2026-11-24 09:30:00");
    assert_int_equal(write_text(&time, string("2026-11-24T01:30:00Z"), out), 0);
    assert_string_equal(out, "2026-11-24 09:30:00");
    assert_int_equal(write_text(&plain, moment, out), 0);
    assert_string_equal(out, "2026-11-24T09:30:00+08:00");
    assert_int_equal(write_text(&amount, (struct cel_value){.kind = CEL_INT, .i64 = -5}, out), 0);
    assert_string_equal(out, "-0.05");
    assert_int_equal(write_text(&plain, (struct cel_value){.kind = CEL_DOUBLE, .f64 = 0.1}, out), 0);
    assert_string_equal(out, "0.1");
    assert_int_equal(write_text(&plain, (struct cel_value){.kind = CEL_UINT, .u64 = UINT64_MAX}, out), 0);
    assert_string_equal(out, "18446744073709551615");
    assert_int_equal(write_text(&plain, (struct cel_value){.kind = CEL_LIST}, out), TEXT_BAD);
}

static void days_there_and_back(void **state) {
    (void)state;
    for (int64_t seconds = -62135596800; seconds < 253402300800; seconds += 86400 * 97 + 3671) {
        struct moment moment = moment_of(seconds, 0, 0);
        assert_int_equal(moment_seconds(&moment), seconds);
    }
    struct moment before = moment_of(-1, 0, 0);
    assert_int_equal(before.year, 1969);
    assert_int_equal(before.second, 59);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_in_all_spellings),
        cmocka_unit_test(times_get_their_zone),
        cmocka_unit_test(patterns_are_exact),
        cmocka_unit_test(numbers_and_amounts),
        cmocka_unit_test(values_are_written_as_the_system_wants_them),
        cmocka_unit_test(days_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
