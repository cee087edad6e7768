#include "adapters/connectors/text/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

// Reads `text` in one form and writes what came in its plain form.
static void check_read(enum form_kind kind, const char *pattern, const char *text, const char *want) {
    static const struct form plain = {.kind = FORM_STRING};
    struct form form = {.kind = kind, .pattern = pattern};
    struct buffer scratch = {0};
    struct buffer out = {0};
    struct cel_value value;
    struct error error = {0};
    int rc = form_read(&form, bytes_of_string(text), &scratch, &value, &error);
    if (rc == 0) {
        assert_int_equal(value.kind, form_value_kind(kind));
        assert_int_equal(form_write(&plain, &value, &out, &error), 0);
    }
    assert_string_equal(rc ? error.text : buffer_text(&out), want);
    buffer_destroy(&scratch);
    buffer_destroy(&out);
}

static void check_write(enum form_kind kind, const char *pattern, struct cel_value value, const char *want) {
    struct form form = {.kind = kind, .pattern = pattern};
    struct buffer out = {0};
    struct error error = {0};
    int rc = form_write(&form, &value, &out, &error);
    assert_string_equal(rc ? error.text : buffer_text(&out), want);
    buffer_destroy(&out);
}

static struct cel_value string(const char *text) {
    return (struct cel_value){.kind = CEL_STRING, .bytes = bytes_of_string(text)};
}

static struct cel_value integer(int64_t value) {
    return (struct cel_value){.kind = CEL_INT, .i64 = value};
}

static void test_read(void **state) {
    (void)state;
    check_read(FORM_STRING, NULL, " a ", " a ");
    check_read(FORM_INT, NULL, "-17", "-17");
    check_read(FORM_INT, NULL, "1x", "is no whole number");
    check_read(FORM_INT, NULL, "99999999999999999999", "is no whole number");
    check_read(FORM_DOUBLE, NULL, "1.5", "1.5");
    check_read(FORM_DOUBLE, NULL, "nan", "is no number");
    check_read(FORM_BOOL, NULL, "是", "true");
    check_read(FORM_BOOL, NULL, "maybe", "is neither yes (true 1 Y 是) nor no (false 0 N 否)");
    check_read(FORM_YUAN, NULL, "1234.5", "123450");
    check_read(FORM_YUAN, NULL, "-0.05", "-5");
    check_read(FORM_YUAN, NULL, "12.345", "is no amount in yuan, such as 1234.50");
    check_read(FORM_YUAN, NULL, "", "is empty, not a yuan");
}

static void test_read_times(void **state) {
    (void)state;
    check_read(FORM_DATE, "%Y/%m/%d", "2026/11/24", "2026-11-24");
    check_read(FORM_DATE, "%Y%m%d", "20240229", "2024-02-29");
    check_read(FORM_DATE, "%Y%m%d", "20230229", "is no date such as 20261124");
    check_read(FORM_DATE, NULL, "2026-11-24x", "is no date such as 2026-11-24");
    check_read(FORM_TIME, NULL, "2026-11-24 09:30:00", "2026-11-24T01:30:00Z");
    check_read(FORM_TIME, NULL, "2026-11-24 25:00:00", "is no time such as 2026-11-24 09:30:00");
}

static void test_write(void **state) {
    (void)state;
    struct cel_value time = {
        .kind = CEL_TIMESTAMP, .time = {.seconds = 1795512600}}; // 2026-11-24T17:30:00 in Shanghai
    check_write(FORM_YUAN, NULL, integer(123450), "1234.50");
    check_write(FORM_YUAN, NULL, integer(-5), "-0.05");
    check_write(FORM_YUAN, NULL, string("1"), "yuan are written from an integer of fen");
    check_write(FORM_DATE, "%Y/%m/%d", string("2026-11-24"), "2026/11/24");
    check_write(FORM_DATE, "%Y/%m/%d", string(""), "");
    check_write(FORM_DATE, NULL, string("24.11.2026"), "is no date YYYY-MM-DD");
    check_write(FORM_DATE, NULL, time, "2026-11-24");
    check_write(FORM_TIME, NULL, time, "2026-11-24 17:30:00");
    check_write(FORM_TIME, "%H:%M", string("2026-11-24T09:30:00Z"), "17:30");
    check_write(FORM_STRING, NULL, time, "2026-11-24T09:30:00Z");
    check_write(FORM_STRING, NULL, (struct cel_value){.kind = CEL_BOOL, .boolean = true}, "true");
    check_write(FORM_STRING, NULL, (struct cel_value){.kind = CEL_LIST}, "has no form as text");
    check_write(FORM_YUAN, NULL, (struct cel_value){.kind = CEL_NULL}, "");
    assert_true(form_takes(FORM_DATE, CEL_TIMESTAMP));
    assert_false(form_takes(FORM_YUAN, CEL_STRING));
    assert_false(form_takes(FORM_STRING, CEL_MESSAGE));
}

int main(void) {
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_times),
        cmocka_unit_test(test_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
