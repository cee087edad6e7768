// Any bytes are a file or a list of problems; the place of each byte of each scalar is told, and reads back
// as its value.
#include "core/config/internal.h"

#include <stdlib.h>

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct compare {
    struct bytes text;
    struct bytes source;
    size_t at;
    size_t last;
};

static bool same(void *context, uint8_t byte, size_t source_offset) {
    struct compare *compare = context;
    if (compare->at == compare->text.size)
        return false; // breaks behind the value, which are stripped
    MUST(compare->text.data[compare->at] == byte);
    MUST(source_offset >= compare->last && source_offset < compare->source.size);
    compare->last = source_offset;
    compare->at++;
    return true;
}

static void check_scalar(const struct config_node *node, struct report *report) {
    struct compare compare = {.text = node->text, .source = config_source(node->file)};
    position_walk(node, same, &compare);
    MUST(compare.at == node->text.size);
    size_t step = node->text.size / 4 + 1;
    for (size_t offset = 0; offset <= node->text.size; offset += step) {
        struct mark mark = config_mark_inside(node, offset);
        MUST(mark.line >= node->mark.line && mark.offset <= compare.source.size);
        config_error_inside(node, offset, step, report, "%.*s", BYTES_ARGS(node->text));
    }
}

static void read_all(const struct config_node *node, const char *key, struct report *report) {
    int64_t number;
    uint64_t low = 0;
    uint64_t high = 0;
    size_t choice;
    bool flag;
    const char *text;
    static const char *const names[] = {"one", "three", NULL};
    config_read_string(node, key, &text, report);
    config_read_bool(node, key, &flag, report);
    config_read_int(node, key, -5, 1 << 20, &number, report);
    config_read_duration(node, key, 5, UINT64_MAX, &low, report);
    if (config_read_duration_range(node, key, &low, &high, report))
        MUST(low <= high);
    config_read_size(node, key, 1, 1 << 30, &high, report);
    config_read_choice(node, key, names, &choice, report);
    config_read_time(node, key, &number, report);
}

// Nodes are nested 32 deep at most.
// NOLINTNEXTLINE(misc-no-recursion)
static void check_node(const struct config_node *node, struct report *report) {
    static const struct config_key keys[] = {{"name", CONFIG_REQUIRED}, {"list", CONFIG_OPTIONAL}, {NULL, 0}};
    if (node->kind == CONFIG_SCALAR)
        check_scalar(node, report);
    config_expect_mapping(node, "a thing", keys, report);
    config_expect_sequence(node, "a list", report);
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys) {
            check_node(node->keys[i], report);
            read_all(node, (const char *)node->keys[i]->text.data, report);
        }
        check_node(node->values[i], report);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct config_limits limits = {.bytes = 1u << 16, .nodes = 300, .depth = 32};
    struct report *report = report_new(100);
    struct buffer out = {0};
    struct config_file *file = config_parse("fuzz.yaml", bytes_of(data, size), &limits, report);
    MUST(file != NULL || report_errors(report) > 0);
    MUST(file == NULL || report_errors(report) == 0);
    if (file && config_root(file))
        check_node(config_root(file), report);
    MUST(report_print(report, &out) == 0 && report_print_json(report, &out) == 0);
    buffer_destroy(&out);
    config_destroy(&file);
    report_destroy(&report);
    return 0;
}
