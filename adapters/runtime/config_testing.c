#include "adapters/runtime/config_testing.h"

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

void testing_configure(
    const struct connector_class *class, const char *name, struct bytes yaml, struct buffer *out) {
    struct report *report = report_new(0);
    load();
    struct connector_host host = {
        .catalogue = catalogue, .codes = codes, .base_folder = "/tmp", .zone = 8 * 3600};
    struct config_file *file = config_parse(name, yaml, NULL, report);
    const struct config_node *node = file ? config_get(config_root(file), class->name) : NULL;
    struct connector *connector = node ? class->configure(node, &host, report) : NULL;
    assert_int_equal(report_print(report, out), 0);
    assert_true(!connector == (report_errors(report) > 0));
    if (connector)
        class->destroy(&connector);
    config_destroy(&file);
    report_destroy(&report);
    unload();
}

static void check_fine(const struct connector_class *class, const char *name, struct bytes yaml) {
    struct buffer out = {0};
    testing_configure(class, name, yaml, &out);
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

void testing_examples(const struct connector_class *class, const char *page, int expected) {
    struct buffer text = {0};
    int examples = 0;
    read_file(page, &text);
    for (const char *p = (const char *)text.data; (p = strstr(p, "```yaml\n")) != NULL; examples++) {
        const char *start = p + strlen("```yaml\n");
        p = strstr(start, "```");
        assert_non_null(p);
        check_fine(class, page, bytes_of(start, (size_t)(p - start)));
        p += 3;
    }
    assert_int_equal(examples, expected);
    buffer_destroy(&text);
}

void testing_adapter(const struct connector_class *class, const char *path) {
    struct buffer text = {0};
    read_file(path, &text);
    check_fine(class, path, buffer_bytes(&text));
    buffer_destroy(&text);
}
