#include "core/config/testing.h"

// Reads "v" of `source`, and compares: the value as text when it is fine, or the only problem's text.
struct reading {
    const char *source;
    const char *expected;
};

typedef bool (*read_function)(const struct config_node *root, char *out, size_t size, struct report *report);

static void check(const struct reading *readings, size_t count, read_function read) {
    for (size_t i = 0; i < count; i++) {
        char value[200] = "untouched";
        struct report *report = report_new(0);
        struct config_file *file = config_parse("f", bytes_of_string(readings[i].source), NULL, report);
        assert_non_null(file);
        bool fine = read(config_root(file), value, sizeof value, report);
        assert_int_equal(report_size(report), fine ? 0 : 1);
        assert_string_equal(fine ? value : report_problem(report, 0)->text, readings[i].expected);
        config_destroy(&file);
        report_destroy(&report);
    }
}
#define CHECK(readings, read) check(readings, sizeof(readings) / sizeof(readings)[0], read)

static bool read_bool(const struct config_node *root, char *out, size_t size, struct report *report) {
    bool value = true;
    bool given = !config_is_null(config_get(root, "v"));
    bool fine = config_read_bool(root, "v", &value, report);
    if (fine && given)
        snprintf(out, size, "%s", value ? "true" : "false");
    return fine;
}

static void booleans(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: true", "true"},
        {"v: False", "false"},
        {"w: 1", "untouched"},
        {"v: ~", "untouched"},
        {"v:", "untouched"},
        {"v: yes", "\"yes\" is only a text in YAML 1.2; write true"},
        {"v: Off", "\"Off\" is only a text in YAML 1.2; write false"},
        {"v: 'true'", "\"v\" is true or false, without quotes"},
        {"v: maybe", "\"v\" is true or false"},
        {"v: [true]", "\"v\" is true or false, not a list"},
    };
    CHECK(readings, read_bool);
}

static bool read_int(const struct config_node *root, char *out, size_t size, struct report *report) {
    int64_t value;
    bool fine = config_read_int(root, "v", -10, INT64_MAX, &value, report);
    if (fine)
        snprintf(out, size, "%lld", (long long)value);
    return fine;
}

static bool read_any_int(const struct config_node *root, char *out, size_t size, struct report *report) {
    int64_t value;
    bool fine = config_read_int(root, "v", INT64_MIN, INT64_MAX, &value, report);
    if (fine)
        snprintf(out, size, "%lld", (long long)value);
    return fine;
}

static void integers(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: 0", "0"},
        {"v: +7", "7"},
        {"v: -10", "-10"},
        {"v: 0x1F", "31"},
        {"v: 0o17", "15"},
        {"v: 9223372036854775807", "9223372036854775807"},
        {"v: 9223372036854775808", "\"v\" is from -10 to 9223372036854775807, not 9223372036854775808"},
        {"v: -11", "\"v\" is from -10 to 9223372036854775807, not -11"},
        {"v: 010", "a number that starts with 0 is octal for some; write 10, or 0o10 for octal"},
        {"v: '5'", "\"v\" is a number: write it without quotes"},
        {"v: 1_000", "\"v\" is a whole number: write only its digits"},
        {"v: 1.5", "\"v\" is a whole number, not \"1.5\""},
        {"v: --", "\"v\" is a whole number, not \"--\""},
        {"v: {}", "\"v\" is a whole number, not a mapping"},
    };
    static const struct reading ends[] = {{"v: -9223372036854775808", "-9223372036854775808"}};
    CHECK(ends, read_any_int);
    CHECK(readings, read_int);
}

static bool read_duration(const struct config_node *root, char *out, size_t size, struct report *report) {
    uint64_t value;
    bool fine = config_read_duration(root, "v", 0, 365 * 86400000000000u, &value, report);
    if (fine)
        snprintf(out, size, "%llu", (unsigned long long)value / 1000);
    return fine;
}

static void durations(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: 500ms", "500000"},
        {"v: 1h30m", "5400000000"},
        {"v: 7d", "604800000000"},
        {"v: 0", "0"},
        {"v: 30", "\"30\" has no unit; write ms, s, m, h or d behind the number, as in 30s"},
        {"v: 5 min", "\"5 min\" has an unknown unit; did you mean \"5m\"?"},
        {"v: 1.5 Hours", "\"1.5 Hours\" has a fraction; did you mean \"1h30m\"?"},
        {"v: 90天", "\"90天\" has an unknown unit; did you mean \"90d\"?"},
        {"v: ３0s", "\"３\" is a full-width sign; write \"3\""},
        {"v: 5 moons", "\"5 moons\" has an unknown unit; the units are ms, s, m, h and d, as in 1h30m"},
        {"v: 30m10min", "\"30m10min\" has an unknown unit; the units are ms, s, m, h and d, as in 1h30m"},
        {"v: 400000000weeks",
            "\"400000000weeks\" has an unknown unit; the units are ms, s, m, h and d, as in "
            "1h30m"},
        {"v: 30m1h", "\"30m1h\" has its units in the wrong order; write the largest first, as in 1h30m"},
        {"v: soon", "\"soon\" is no duration; write a whole number and a unit (ms, s, m, h or d), as in 30s "
                    "or 1h30m"},
        {"v: 99999999999999d", "\"99999999999999d\" is too long"},
        {"v: 99999999999999999999s", "\"99999999999999999999s\" is too long"},
        {"v: 366d", "\"v\" is from 0 to 365d, not 366d"},
    };
    CHECK(readings, read_duration);
}

static bool read_range(const struct config_node *root, char *out, size_t size, struct report *report) {
    uint64_t low;
    uint64_t high;
    bool fine = config_read_duration_range(root, "v", &low, &high, report);
    if (fine)
        snprintf(
            out, size, "%llu %llu", (unsigned long long)low / 1000000, (unsigned long long)high / 1000000);
    return fine;
}

static void ranges(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: 1s..10m", "1000 600000"},
        {"v: 0..1s500ms", "0 1500"},
        {"v: 10m..1s", "the first duration is larger than the second; write \"1s..10m\""},
        {"v: 10m", "\"v\" is a range of two durations, as in 1s..10m"},
        {"v: 1s..5", "\"5\" has no unit; write ms, s, m, h or d behind the number, as in 30s"},
    };
    CHECK(readings, read_range);
}

static bool read_size(const struct config_node *root, char *out, size_t size, struct report *report) {
    uint64_t value;
    bool fine = config_read_size(root, "v", 1024, 1ull << 40, &value, report);
    if (fine)
        snprintf(out, size, "%llu", (unsigned long long)value);
    return fine;
}

static void sizes(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: 8MiB", "8388608"},
        {"v: 1000000", "1000000"},
        {"v: 2MB", "2000000"},
        {"v: 8M", "\"8M\" has an unknown unit; did you mean \"8MiB\"?"},
        {"v: 8mb", "\"8mb\" has an unknown unit; did you mean \"8MB\"?"},
        {"v: 2MiB3",
            "\"2MiB3\" has an unknown unit; the units are KiB, MiB, GiB (1024) and KB, MB, GB (1000)"},
        {"v: big", "\"big\" is no size; write a whole number and a unit, as in 64KiB or 8MiB"},
        {"v: 1000", "\"v\" is from 1KiB to 1TiB, not 1000"},
        {"v: 99999999999TiB", "\"99999999999TiB\" is too large"},
    };
    CHECK(readings, read_size);
}

static bool read_choice(const struct config_node *root, char *out, size_t size, struct report *report) {
    static const char *const names[] = {"debug", "info", NULL};
    size_t value = 9;
    bool fine = config_read_choice(root, "v", names, &value, report);
    if (fine)
        snprintf(out, size, "%zu", value);
    return fine;
}

static void choices(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: info", "1"},
        {"v: debgu", "\"v\" can't be \"debgu\"; did you mean \"debug\"?"},
        {"v: loud", "\"v\" can't be \"loud\"; it is one of debug, info"},
    };
    CHECK(readings, read_choice);
}

static bool read_time(const struct config_node *root, char *out, size_t size, struct report *report) {
    int64_t value;
    bool fine = config_read_time(root, "v", &value, report);
    if (fine)
        snprintf(out, size, "%lld", (long long)value);
    return fine;
}

static void times(void **state) {
    (void)state;
    static const struct reading readings[] = {
        {"v: 1970-01-01", "0"},
        {"v: 2026-03-01", "1772323200"},
        {"v: 2026-03-01T08:00:00+08:00", "1772323200"},
        {"v: 2026-02-28T23:59:59.999Z", "1772323199"},
        {"v: 1969-12-31T23:00:00-01:00", "0"},
        {"v: 2024-02-29", "1709164800"},
        {"v: 1582-10-04", "-12220243200"},
        {"v: 2026-02-30", "there is no such day as 2026-02-30"},
        {"v: 2026-13-01", "there is no such day as 2026-13-01"},
        {"v: 1.3.2026", "\"1.3.2026\" is no date or time; write 2026-03-01, or 2026-03-01T08:00:00+08:00"},
        {"v: 2026-03-01T25:00:00Z",
            "\"2026-03-01T25:00:00Z\" is no date or time; write 2026-03-01, or 2026-03-01T08:00:00+08:00"},
        {"v: 2026-03-01 08:00",
            "\"2026-03-01 08:00\" is no date or time; write 2026-03-01, or 2026-03-01T08:00:00+08:00"},
    };
    CHECK(readings, read_time);
}

static void mappings_are_checked(void **state) {
    (void)state;
    static const struct config_key keys[] = {{"name", CONFIG_REQUIRED}, {"listen", CONFIG_OPTIONAL},
        {"to", CONFIG_REQUIRED}, {NULL, CONFIG_OPTIONAL}};
    struct report *report = report_new(0);
    struct config_file *file = config_parse("f",
        bytes_of_string(
            "r:\n  lisen: x\n  what: y\n  to:\ns: text\nt: [1, {}, ~]\nu: {name: 1, to: 2, listen: ~}\n"),
        NULL, report);
    const struct config_node *root = config_root(file);
    const char *text;
    assert_true(config_expect_mapping(config_get(root, "u"), "a route", keys, report));
    assert_int_equal(report_size(report), 0);
    assert_true(config_expect_mapping(config_get(root, "r"), "a route", keys, report));
    assert_false(config_expect_mapping(config_get(root, "s"), "a route", keys, report));
    assert_false(config_expect_sequence(config_get(root, "s"), "a list of routes", report));
    const struct config_node *list = config_get(root, "t");
    assert_true(config_expect_sequence(list, "a list", report));
    assert_true(config_string(list->values[0], &text, report));
    assert_string_equal(text, "1");
    assert_false(config_string(list->values[1], &text, report));
    assert_false(config_string(list->values[2], &text, report));
    assert_string_equal(printed(report),
        "f:2:3: error: unknown key \"lisen\"; did you mean \"listen\"?\n"
        "    2 |   lisen: x\n      |   ^~~~~\n"
        "f:2:3: error: a route needs \"name\"\n"
        "    2 |   lisen: x\n      |   ^~~~~\n"
        "f:3:3: error: unknown key \"what\"; a route may have: name, listen, to\n"
        "    3 |   what: y\n      |   ^~~~\n"
        "f:4:6: error: \"to\" has no value\n"
        "    4 |   to:\n      |      ^\n"
        "f:5:4: error: a route is a mapping with the keys name, listen, to; this is a text\n"
        "    5 | s: text\n      |    ^~~~\n"
        "f:5:4: error: a list of routes is a list ([a, b], or a line with \"- \" for each); "
        "this is a text\n"
        "    5 | s: text\n      |    ^~~~\n"
        "f:6:8: error: this is a text, not a mapping\n"
        "    6 | t: [1, {}, ~]\n      |        ^~\n"
        "f:6:12: error: this is a text, not nothing\n"
        "    6 | t: [1, {}, ~]\n      |            ^\n");
    config_destroy(&file);
    report_destroy(&report);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(booleans),
        cmocka_unit_test(integers),
        cmocka_unit_test(durations),
        cmocka_unit_test(ranges),
        cmocka_unit_test(sizes),
        cmocka_unit_test(choices),
        cmocka_unit_test(times),
        cmocka_unit_test(mappings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
