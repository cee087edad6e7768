// Time zones: against libc's own reading of the same files, and against files that are none.
#include "core/cel/zone.h"

#include "core/cel/cel_testing.h"
#include "core/cel/compiler.h"
#include "core/cel/zone_rule.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <time.h>

static const struct zone *load(struct arena *arena, const char *name) {
    const struct zone *zone = NULL;
    struct error error;
    int rc = zone_load(arena, ZONE_FOLDER, bytes_of_string(name), &zone, &error);
    if (rc != 0)
        fail_msg("%s: %s", name, error.text);
    return zone;
}

static void compare_with_libc(const char *name) {
    struct arena arena = {0};
    const struct zone *zone = load(&arena, name);
    setenv("TZ", name, 1);
    tzset();
    // From 1880 to 2150, an odd number of seconds apart.
    for (time_t t = -2840140800; t < 5680281600; t += 401957) {
        struct tm tm;
        assert_non_null(localtime_r(&t, &tm));
        if (zone_offset(zone, t) != tm.tm_gmtoff)
            fail_msg("%s at %lld: %d, not %ld", name, (long long)t, zone_offset(zone, t), tm.tm_gmtoff);
    }
    unsetenv("TZ");
    tzset();
    arena_destroy(&arena);
}

static void test_libc(void **state) {
    (void)state;
    static const char *const names[] = {"Asia/Shanghai", "Asia/Urumqi", "Asia/Hong_Kong", "PRC", "UTC",
        "Asia/Kathmandu", "America/New_York", "America/St_Johns", "America/Sao_Paulo", "Australia/Sydney",
        "Australia/Lord_Howe", "Europe/Dublin", "Europe/London", "Africa/Casablanca", "Asia/Gaza",
        "Pacific/Apia", "Pacific/Auckland", "America/Nuuk", "US/Central", "Etc/GMT-14"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_with_libc(names[i]);
}

// The second before a change, and its own.
static void test_edges(void **state) {
    (void)state;
    struct arena arena = {0};
    const struct zone *york = load(&arena, "America/New_York");
    assert_int_equal(zone_offset(york, 1772953199), -5 * 3600); // 2026-03-08T06:59:59Z
    assert_int_equal(zone_offset(york, 1772953200), -4 * 3600);
    assert_int_equal(zone_offset(york, 1793512799), -4 * 3600); // 2026-11-01T05:59:59Z
    assert_int_equal(zone_offset(york, 1793512800), -5 * 3600);
    const struct zone *shanghai = load(&arena, "Asia/Shanghai");
    assert_int_equal(zone_offset(shanghai, 587923199), 9 * 3600);  // 1988: summer time
    assert_int_equal(zone_offset(shanghai, INT64_MIN / 4), 29143); // local mean time
    arena_destroy(&arena);
}

static void test_rules(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "CE", "CET", "CET-", "CET-26", "CET-1:60", "CET-1CEST",
        "CET-1CEST,", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,", "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,J0,J60", "CET-1CEST,J366,J60", "CET-1CEST,366,60",
        "CET-1CEST,M3.5.0/168,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0x", "<+08-8", "<+8>", "CET-1 ",
        "CET-99999999999999999999", "C1T-1"};
    struct zone_rule rule;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (zone_rule_parse(bytes_of_string(wrong[i]), &rule))
            fail_msg("\"%s\" is no rule", wrong[i]);
    assert_true(zone_rule_parse(bytes_of_string("<+0330>-3:30:15"), &rule));
    assert_int_equal(zone_rule_offset(&rule, 0), 3 * 3600 + 30 * 60 + 15);
    // The 60th day is March 1 for J, and in a leap year February 29 as 59 (counted from 0).
    assert_true(zone_rule_parse(bytes_of_string("AAA0BBB-2,J60/0,59/0"), &rule));
    assert_int_equal(zone_rule_offset(&rule, 1709164800), 0);                      // 2024-02-29T00:00:00Z
    assert_int_equal(zone_rule_offset(&rule, 1709251200), 2 * 3600);               // 2024-03-01T00:00:00Z
    assert_true(zone_rule_parse(bytes_of_string("AAA0BBB-2,J59/0,J61/0"), &rule)); // February 28 to March 2
    assert_int_equal(zone_rule_offset(&rule, 1709078400), 2 * 3600);               // 2024-02-28T00:00:00Z
    assert_int_equal(zone_rule_offset(&rule, 1709078399), 0);
    // Summer time that lasts the whole year.
    assert_true(zone_rule_parse(bytes_of_string("XXX3EDT4,0/0,J365/23"), &rule));
    assert_int_equal(zone_rule_offset(&rule, 1767225600 + 4 * 3600), -4 * 3600);
}

static struct bytes read_whole(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fail_msg("%s can't be read", path);
        return (struct bytes){0};
    }
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        assert_int_equal(buffer_append_byte(out, (uint8_t)c), 0);
    fclose(file);
    return buffer_bytes(out);
}

// Whatever is cut off or changed in a file: it is refused, or a zone comes out; never more.
static void test_damaged(void **state) {
    (void)state;
    struct buffer file = {0};
    struct bytes whole = read_whole(ZONE_FOLDER "/America/New_York", &file);
    assert_true(whole.data && whole.size > 0);
    for (size_t size = 0; whole.data && size < whole.size; size++) {
        struct arena arena = {0};
        const struct zone *zone = NULL;
        struct error error;
        uint8_t *copy = malloc(size + 1); // so that a sanitizer sees what reads behind it
        assert_non_null(copy);
        memcpy(copy, whole.data, size);
        assert_int_equal(zone_parse(&arena, bytes_of(copy, size), &zone, &error), -EINVAL);
        assert_null(zone);
        free(copy);
        arena_destroy(&arena);
    }
    for (size_t i = 0; i < whole.size; i++) {
        struct arena arena = {0};
        const struct zone *zone = NULL;
        file.data[i] ^= 0xff;
        int rc = zone_parse(&arena, buffer_bytes(&file), &zone, NULL);
        assert_true(rc == 0 ? zone != NULL : rc == -EINVAL);
        if (zone)
            (void)zone_offset(zone, 1700000000);
        file.data[i] ^= 0xff;
        arena_destroy(&arena);
    }
    buffer_destroy(&file);
}

static void expect_failure(const char *folder, const char *name, int code, const char *says) {
    struct arena arena = {0};
    struct error error;
    const struct zone *zone = NULL;
    assert_int_equal(zone_load(&arena, folder, bytes_of_string(name), &zone, &error), code);
    assert_null(zone);
    if (!strstr(error.text, says))
        fail_msg("%s: %s\n  does not say %s", name, error.text, says);
    arena_destroy(&arena);
}

static void test_failures(void **state) {
    (void)state;
    expect_failure(ZONE_FOLDER, "Asia/Shangai", -ENOENT,
        "there is no time zone \"Asia/Shangai\"; did you mean \"Asia/Shanghai\"?");
    expect_failure(ZONE_FOLDER, "US/Centrall", -ENOENT, "did you mean \"US/Central\"?");
    expect_failure(ZONE_FOLDER, "Asia", -ENOENT, "there is no time zone \"Asia\"");
    expect_failure(ZONE_FOLDER, "Asia/", -ENOENT, "there is no time zone");
    expect_failure(ZONE_FOLDER, "../../../etc/passwd", -ENOENT, "there is no time zone");
    expect_failure(ZONE_FOLDER, "/etc/localtime", -ENOENT, "there is no time zone");
    expect_failure(ZONE_FOLDER, "", -ENOENT, "there is no time zone \"\"");
    expect_failure(ZONE_FOLDER, "UTC/x", -ENOENT, "there is no time zone \"UTC/x\"");
    expect_failure(
        ZONE_FOLDER, "leapseconds", -EINVAL, "the time zone \"leapseconds\": it is no time zone file");
    expect_failure(ZONE_FOLDER, "right/UTC", -EINVAL, "its clock counts leap seconds");
    expect_failure("/nowhere", "UTC", -ENOENT, "need /nowhere, which can't be read");
    expect_failure("/nowhere", "UTC", -ENOENT, "install the package tzdata");
    expect_failure(ZONE_FOLDER, "A-name-that-is-longer-than-the-sixty-four-bytes-that-a-name-may-have",
        -ENOENT, "there is no time zone");
}

static void test_expressions(void **state) {
    (void)state;
    static const char *const table[][2] = {
        {"timestamp('2026-07-01T12:00:00Z').getHours('America/New_York')", "8"},
        {"timestamp('2026-12-01T12:00:00Z').getHours('America/New_York')", "7"},
        {"timestamp('1988-07-01T00:30:00Z').getHours('Asia/Shanghai')", "9"},
        {"local_date(timestamp('2026-12-31T16:00:00Z'), 'Asia/Shanghai')", "'2027-01-01'"},
        {"local_time(timestamp('2026-12-31T16:00:00Z'), 'Asia/Kathmandu')", "'2026-12-31T21:45:00+05:45'"},
        {"timestamp('2026-01-01T00:00:00Z').getHours(n > 40 ? 'Asia/Tokyo' : n > 3 ? 'Asia/Dubai' : "
         "'+01:00')",
            "9"},
        {"['Asia/Tokyo', id].exists(z, timestamp(0).getHours(z) == timestamp(0).getHours('Asia/Tokyo'))",
            "true"},
        {"['Asia/Tokyo'].exists(z, timestamp(0).getHours(z) == 9)", "error"},
        {"dyn(timestamp(0)).getHours('Asia/Tokyo')", "9"},
        {"timestamp(0).getHours('Mars/Olympus')", "refused at 22+14: there is no time zone \"Mars/Olympus\"; "
                                                  "one is \"UTC\", an offset such as \"+08:00\" "
                                                  "or a name such as \"Asia/Shanghai\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_string_equal(evaluated(table[i][0]), table[i][1]);
    world.env->zones = "/nowhere";
    assert_non_null(strstr(evaluated("timestamp(0).getHours('UTC') + timestamp(0).getHours('Asia/Tokyo')"),
        "refused at 53+12: named time zones need /nowhere"));
    world.env->zones = ZONE_FOLDER;
}

static void test_memory(void **state) {
    (void)state;
    int rc = -ENOMEM;
    for (size_t n = 0; rc == -ENOMEM; n++) {
        struct arena arena = {0};
        const struct zone *zone = NULL;
        alloc_fail_after(n);
        rc = zone_load(&arena, ZONE_FOLDER, bytes_of_string("Asia/Shanghai"), &zone, NULL);
        alloc_fail_never();
        assert_true(rc == 0 ? zone != NULL && n > 1 : rc == -ENOMEM && !zone);
        arena_destroy(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_libc),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, world_build, world_destroy);
}
