// The examples of docs/adapters-http.md and adapter.yaml of housing are right, and mistakes are told at their
// place.
#include "adapters/connectors/http/http.h"

#include "core/codes/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct catalogue *catalogue;
static struct codes *codes;

static void load(void) {
    struct error error = {0};
    struct report *report = report_new(0);
    assert_int_equal(catalogue_load_file(HUTONG_BUILD_DIR "/catalogue.binpb", &catalogue, &error), 0);
    codes = codes_new();
    assert_int_equal(codes_load(codes, HUTONG_SOURCE_DIR "/conf/codes", report), 0);
    report_destroy(&report);
}

static void unload(void) {
    catalogue_destroy(&catalogue);
    codes_destroy(&codes);
}

// Configures from the key `http` of a YAML text; the report's text into `out`.
static void configure(const char *name, struct bytes yaml, struct buffer *out) {
    struct report *report = report_new(0);
    load();
    struct connector_host host = {
        .catalogue = catalogue, .codes = codes, .base_folder = "/tmp", .zone = 8 * 3600};
    struct config_file *file = config_parse(name, yaml, NULL, report);
    const struct config_node *node = file ? config_get(config_root(file), "http") : NULL;
    struct connector *connector = node ? http_connector.configure(node, &host, report) : NULL;
    assert_int_equal(report_print(report, out), 0);
    assert_true(!connector == (report_errors(report) > 0));
    if (connector)
        http_connector.destroy(&connector);
    config_destroy(&file);
    report_destroy(&report);
    unload();
}

static void check_fine(const char *name, struct bytes yaml) {
    struct buffer out = {0};
    configure(name, yaml, &out);
    assert_string_equal(out.size ? buffer_text(&out) : "", "");
    buffer_destroy(&out);
}

static void read_file(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "rb");
    if (!file)
        abort();
    uint8_t *at = buffer_extend(out, 1 << 16);
    out->size = fread(at, 1, 1 << 16, file);
    fclose(file);
    assert_non_null(buffer_text(out));
}

static void test_examples(void **state) {
    (void)state;
    struct buffer text = {0};
    int examples = 0;
    read_file(HUTONG_SOURCE_DIR "/docs/adapters-http.md", &text);
    for (const char *p = (const char *)text.data; (p = strstr(p, "```yaml\n")) != NULL; examples++) {
        const char *start = p + strlen("```yaml\n");
        p = strstr(start, "```");
        assert_non_null(p);
        check_fine("docs/adapters-http.md", bytes_of(start, (size_t)(p - start)));
        p += 3;
    }
    assert_int_equal(examples, 3);
    buffer_destroy(&text);
}

static void test_housing(void **state) {
    (void)state;
    struct buffer text = {0};
    setenv("HOUSING_URL", "http://127.0.0.1:1/x", 1);
    read_file(HUTONG_SOURCE_DIR "/adapters/housing/adapter.yaml", &text);
    check_fine("adapter.yaml", buffer_bytes(&text));
    buffer_destroy(&text);
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
    configure("a.yaml", bytes_of_string(wrong), &out);
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
