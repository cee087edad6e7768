// The examples of docs/adapters-http.md and adapter.yaml of housing are right, and mistakes are told at their
// place.
#include "adapters/connectors/http/http.h"

#include "adapters/runtime/config_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_examples(void **state) {
    (void)state;
    testing_examples(&http_connector, HUTONG_SOURCE_DIR "/docs/adapters-http.md", 3);
}

static void test_housing(void **state) {
    (void)state;
    setenv("HOUSING_URL", "http://127.0.0.1:1/x", 1);
    testing_adapter(&http_connector, HUTONG_SOURCE_DIR "/adapters/housing/adapter.yaml");
}

static const char wrong[] = "http:\n"
                            "  service: { url: ftp://x, namespaces: { t: urn:t } }\n"
                            "  poll:\n"
                            "    - name: p\n"
                            "      request: { path: '/${cursr}' }\n"
                            "      records: rows\n"
                            "      cursor: c\n"
                            "      columns: [a]\n"
                            "      give: []\n"
                            "  take:\n"
                            "    - on: gov.housing.v1.TenantDeceasedNotice\n"
                            "      request:\n"
                            "        xml: |\n"
                            "          <a ${id}=\"1\">\n"
                            "          ${msg.citizen_numbr}\n"
                            "          </a>\n"
                            "      answer: { kind: xml, code: //q:Code, done: [OK] }\n"
                            "  listen: { on: 0.0.0.0:80, paths: [ { path: x, messages: [ { type: "
                            "gov.housing.v1.LeaseField } ] } ] }\n";

static void check_has(const struct buffer *out, const char *text) {
    if (!strstr((const char *)out->data, text))
        fprintf(stderr, "%s\nhas no \"%s\"\n", (const char *)out->data, text);
    assert_non_null(strstr((const char *)out->data, text));
}

static void test_mistakes(void **state) {
    (void)state;
    struct buffer out = {0};
    testing_configure(&http_connector, "a.yaml", bytes_of_string(wrong), &out);
    assert_non_null(buffer_text(&out));
    check_has(&out, "a.yaml:2:19: error: expected http://");
    check_has(&out, "a.yaml:5:28: error: ");
    check_has(&out, "a.yaml:6:16: error: a JSON pointer");
    check_has(&out, "a.yaml:7:15: error: no column is called \"c\"");
    check_has(&out, "a.yaml:14:14: error: a placeholder inside a tag");
    check_has(&out, "a.yaml:15:17: error: ");
    check_has(&out, "did you mean citizen_number?");
    check_has(&out, "a prefix that \"namespaces\" doesn't list");
    check_has(&out, "is not loopback");
    check_has(&out, "a path starts with");
    check_has(&out, "did you mean \"gov.housing.v1.LeaseFiled\"?");
    buffer_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_housing),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
