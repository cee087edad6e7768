// The examples of docs/adapters-file.md and adapter.yaml of civil affairs are right, and mistakes are told at
// their place.
#include "adapters/connectors/file/file.h"

#include "adapters/runtime/config_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_examples(void **state) {
    (void)state;
    testing_examples(&file_connector, HUTONG_SOURCE_DIR "/docs/adapters-file.md", 3);
}

static void test_civil_affairs(void **state) {
    (void)state;
    setenv("CIVIL_HOME", "/srv/civil", 1);
    testing_adapter(&file_connector, HUTONG_SOURCE_DIR "/adapters/civil_affairs/adapter.yaml");
}

static const char wrong[] = "file:\n"
                            "  in:\n"
                            "    - name: a b\n"
                            "      folder: x\n"
                            "      encoding: gb18031\n"
                            "      settel: 2s\n"
                            "      done: delete\n"
                            "      rejects: r\n"
                            "      columns: [a]\n"
                            "      give: []\n"
                            "  take:\n"
                            "    - on: gov.civil_affairs.v1.DeathNotice\n"
                            "      name: d\n"
                            "      folder: o\n"
                            "      encoding: gbk\n"
                            "      file: a.csv\n"
                            "      columns: { 𠮷: msg.name, b: msg.nmae }\n";

static void check_has(const struct buffer *out, const char *text) {
    if (!strstr((const char *)out->data, text))
        fprintf(stderr, "%s\nhas no \"%s\"\n", (const char *)out->data, text);
    assert_non_null(strstr((const char *)out->data, text));
}

static void test_mistakes(void **state) {
    (void)state;
    struct buffer out = {0};
    testing_configure(&file_connector, "a.yaml", bytes_of_string(wrong), &out);
    assert_non_null(buffer_text(&out));
    check_has(&out, "a.yaml:3:13: error: a name has letters");
    check_has(&out, "a.yaml:5:17: error: ");
    check_has(&out, "did you mean \"settle\"?");
    check_has(&out, "a.yaml:16:13: error: the file's name needs {first} or {last}");
    check_has(&out, "a.yaml:17:38: error: ");
    buffer_destroy(&out);
}

static const char shared[] = "file:\n"
                             "  out: { folder: o, encoding: gbk, wait: soon }\n"
                             "  take:\n"
                             "    - { on: gov.civil_affairs.v1.DeathNotice, name: d, file: "
                             "\"a_{first}.csv\", columns: { a: msg.name } }\n"
                             "    - { on: gov.civil_affairs.v1.LeaseNotice, name: l, file: "
                             "\"b_{first}.csv\", columns: { a: msg.lease_number } }\n";

static void test_what_rules_share_is_told_once(void **state) {
    (void)state;
    struct buffer out = {0};
    testing_configure(&file_connector, "a.yaml", bytes_of_string(shared), &out);
    assert_non_null(buffer_text(&out));
    check_has(&out, "a.yaml:2:42: error: \"soon\" is no duration");
    const char *first = strstr((const char *)out.data, "error");
    assert_null(strstr(first + 1, "error"));
    buffer_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_civil_affairs),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_what_rules_share_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
