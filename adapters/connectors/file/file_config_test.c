// The examples of docs/adapters-file.md and adapter.yaml of civil affairs are right, and mistakes are told at
// their place.
#include "adapters/connectors/file/file.h"

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

// Configures from the key `file` of a YAML text; the report's text into `out`.
static void configure(const char *name, struct bytes yaml, struct buffer *out) {
    struct report *report = report_new(0);
    load();
    struct connector_host host = {
        .catalogue = catalogue, .codes = codes, .base_folder = "/tmp", .zone = 8 * 3600};
    struct config_file *file = config_parse(name, yaml, NULL, report);
    const struct config_node *node = file ? config_get(config_root(file), "file") : NULL;
    struct connector *connector = node ? file_connector.configure(node, &host, report) : NULL;
    assert_int_equal(report_print(report, out), 0);
    assert_true(!connector == (report_errors(report) > 0));
    if (connector)
        file_connector.destroy(&connector);
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
    read_file(HUTONG_SOURCE_DIR "/docs/adapters-file.md", &text);
    for (const char *p = (const char *)text.data; (p = strstr(p, "```yaml\n")) != NULL; examples++) {
        const char *start = p + strlen("```yaml\n");
        p = strstr(start, "```");
        assert_non_null(p);
        check_fine("docs/adapters-file.md", bytes_of(start, (size_t)(p - start)));
        p += 3;
    }
    assert_int_equal(examples, 3);
    buffer_destroy(&text);
}

static void test_civil_affairs(void **state) {
    (void)state;
    struct buffer text = {0};
    setenv("CIVIL_HOME", "/srv/civil", 1);
    read_file(HUTONG_SOURCE_DIR "/adapters/civil_affairs/adapter.yaml", &text);
    check_fine("adapter.yaml", buffer_bytes(&text));
    buffer_destroy(&text);
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
    configure("a.yaml", bytes_of_string(wrong), &out);
    assert_non_null(buffer_text(&out));
    check_has(&out, "a.yaml:3:13: error: a name has letters");
    check_has(&out, "a.yaml:5:17: error: ");
    check_has(&out, "did you mean \"settle\"?");
    check_has(&out, "a.yaml:16:13: error: the file's name needs {first} or {last}");
    check_has(&out, "a.yaml:17:38: error: ");
    buffer_destroy(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_civil_affairs),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
