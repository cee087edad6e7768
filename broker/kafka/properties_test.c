#include "broker/kafka/properties.h"
#include "test/support/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/hutong-properties-XXXXXX";

static void write_file(const char *text) {
    FILE *file = fopen(path, "we");
    bool written = file && fputs(text, file) >= 0;
    if (!file || fclose(file) != 0 || !written)
        fail_msg("can't write %s", path);
}

static void settings_are_read(void **state) {
    (void)state;
    struct properties properties = {0};
    struct error error = {0};
    write_file("# how to get in\n\n security.protocol = SASL_SSL \nsasl.password=a=b#c\r\nempty=\n");
    assert_int_equal(properties_read(path, &properties, &error), 0);
    assert_int_equal(properties.count, 3);
    assert_string_equal(properties.items[0].name, "security.protocol");
    assert_string_equal(properties.items[0].value, "SASL_SSL");
    assert_string_equal(properties.items[1].value, "a=b#c");
    assert_string_equal(properties.items[2].value, "");
    properties_destroy(&properties);
    assert_int_equal(properties.count, 0);
}

static void what_is_no_setting_is_said(void **state) {
    (void)state;
    struct properties properties = {0};
    struct error error = {0};
    write_file("a=b\nsecret\n");
    assert_int_equal(properties_read(path, &properties, &error), -22);
    assert_non_null(strstr(error.text, ":2: expected name=value"));
    assert_null(strstr(error.text, "secret"));
    assert_int_equal(properties.count, 0);
    write_file("=b\n");
    assert_int_equal(properties_read(path, &properties, &error), -22);
    assert_int_equal(properties_read("/nowhere/at.all", &properties, &error), -2);
    assert_string_equal(error.text, "/nowhere/at.all: No such file or directory");
}

static void no_memory_is_said(void **state) {
    (void)state;
    write_file("a=b\nc=d\n");
    int rc = -1;
    for (size_t n = 0; rc; n++) {
        struct properties properties = {0};
        struct error error = {0};
        alloc_fail_after(n);
        rc = properties_read(path, &properties, &error);
        alloc_fail_never();
        assert_int_equal(properties.count, rc ? 0 : 2);
        properties_destroy(&properties);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_read),
        cmocka_unit_test(what_is_no_setting_is_said),
        cmocka_unit_test(no_memory_is_said),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return rc;
}
