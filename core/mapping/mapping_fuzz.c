// Any YAML is a mapping or a list of problems; what loads makes a valid message of its target of a fixed one,
// twice the same, or says why not and writes nothing. The first byte picks the target.
#include "core/cel/cel_samples.h"
#include "core/mapping/mapping.h"

#include <stdlib.h>

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct catalogue *catalogue;
    struct codes *codes;
    struct paths *paths;
    struct cel_env *env;
    size_t msg;
};

static const struct schema_message *type_named(const struct world *world, const char *name) {
    const struct schema_message *type = catalogue_message(world->catalogue, bytes_of_string(name));
    MUST(type);
    return type;
}

// A new env for each input, since paths only grow.
static struct world build(void) {
    static struct catalogue *catalogue;
    static struct codes *codes;
    if (!catalogue) {
        MUST(catalogue_load_file(HUTONG_BUILD_DIR "/core/schema/testdata.binpb", &catalogue, NULL) == 0);
        MUST((codes = sample_codes()) != NULL);
    }
    struct world world = {.catalogue = catalogue, .codes = codes};
    MUST(world.paths = paths_new(type_named(&world, "test.three.All")));
    MUST(world.env = cel_env_new(catalogue, codes, "test.three"));
    MUST(cel_env_declare_message(world.env, "msg", world.paths, &world.msg) == 0);
    return world;
}

// What is said to be a copy is one.
static void check_copies(const struct mapping_copies *copies, const struct buffer *out) {
    size_t end = 0;
    for (size_t i = 0; i < copies->count; i++) {
        const struct mapping_copy *copy = &copies->items[i];
        MUST(copy->size >= MAPPING_COPY_LEAST && copy->at >= end);
        end = copy->at + copy->size;
        MUST(end <= out->size && memcmp(out->data + copy->at, copy->from, copy->size) == 0);
    }
}

static int run(const struct mapping *mapping, const struct world *world, struct buffer *out) {
    struct error error = {0};
    struct scan *scan = scan_new(world->paths);
    struct cel_activation *activation = cel_activation_new(world->env);
    MUST(scan && activation);
    MUST(scan_run(scan, bytes_of(message_all, sizeof message_all), false, &error) == 0);
    cel_activation_set_scan(activation, world->msg, scan);
    out->limit = 1 << 20;
    struct mapping_copy items[4];
    struct mapping_copies copies = {.items = items, .capacity = sizeof items / sizeof items[0]};
    int rc = mapping_run(mapping, activation, out, &copies, &error);
    check_copies(&copies, out);
    MUST(rc == 0 || (rc == MAPPING_REFUSED && error.text[0] != '\0' && out->size == 0));
    cel_activation_destroy(&activation);
    scan_destroy(&scan);
    return rc;
}

static void count(void *context, const char *path, const struct config_node *at) {
    size_t *fields = context;
    MUST(path && at);
    ++*fields;
}

static void use(const struct mapping *mapping, const struct world *world) {
    struct buffer first = {0};
    struct buffer second = {0};
    struct error error = {0};
    size_t fields = 0;
    mapping_each_field(mapping, count, &fields);
    int rc = run(mapping, world, &first);
    MUST(run(mapping, world, &second) == rc && bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    if (rc == 0 && view_check(mapping_target(mapping), buffer_bytes(&first), NULL, &error) != 0)
        abort();
    buffer_destroy(&first);
    buffer_destroy(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const targets[] = {
        "test.three.All", "test.three.Known", "test.two.Legacy", "test.required.Notice"};
    static const struct config_limits limits = {.bytes = 1 << 14, .nodes = 2000, .depth = 24};
    if (size == 0)
        return 0;
    struct report *report = report_new(0);
    struct config_file *file = config_parse("m.yaml", bytes_of(data + 1, size - 1), &limits, report);
    MUST(report);
    if (file && config_root(file)) {
        struct world world = build();
        struct mapping *mapping =
            mapping_load(config_root(file), type_named(&world, targets[data[0] % 4]), world.env, report);
        MUST((mapping == NULL) == (report_errors(report) > 0));
        if (mapping)
            use(mapping, &world);
        mapping_destroy(&mapping);
        cel_env_destroy(&world.env);
        paths_destroy(&world.paths);
    }
    config_destroy(&file);
    report_destroy(&report);
    return 0;
}
