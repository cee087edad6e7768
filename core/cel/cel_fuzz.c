// Any bytes are an expression or a list of problems whose places lie inside; what compiles evaluates to a
// value of its static type or to an error, twice the same, on a fixed message. What doesn't compile is tried
// without types.
#include "core/cel/cel_samples.h"
#include "core/cel/value.h"

#include <stdlib.h>

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct catalogue *types(void) {
    static struct catalogue *catalogue;
    if (!catalogue)
        MUST(catalogue_load_file(HUTONG_BUILD_DIR "/core/schema/testdata.binpb", &catalogue, NULL) == 0);
    return catalogue;
}

static const struct codes *lists(void) {
    static struct codes *codes;
    if (!codes)
        MUST((codes = sample_codes()) != NULL);
    return codes;
}

struct world {
    struct paths *paths[2];
    struct scan *scans[2];
    struct cel_env *env;
    struct cel_activation *activation;
};

static void declare(struct world *world, size_t i, const char *name, const char *type) {
    size_t index;
    const struct schema_message *message = catalogue_message(types(), bytes_of_string(type));
    MUST(message && (world->paths[i] = paths_new(message)));
    MUST(cel_env_declare_message(world->env, name, world->paths[i], &index) == 0);
}

static struct world build(void) {
    struct world world = {.env = cel_env_new(types(), lists(), "test.three")};
    size_t index;
    MUST(world.env);
    cel_env_set_hash_key(world.env, sample_key);
    declare(&world, 0, "msg", "test.three.All");
    declare(&world, 1, "known", "test.three.Known");
    MUST(cel_env_declare(world.env, "id", CEL_STRING, &index) == 0);
    MUST(cel_env_declare(world.env, "n", CEL_INT, &index) == 0);
    return world;
}

static void activate(struct world *world, struct bytes second) {
    const struct bytes messages[] = {bytes_of(message_all, sizeof message_all), second};
    const struct cel_value id = {.kind = CEL_STRING, .bytes = bytes_of_string("330106")};
    const struct cel_value n = {.kind = CEL_INT, .i64 = 42};
    struct error error;
    if (world->activation) {
        cel_activation_destroy(&world->activation);
        for (size_t i = 0; i < 2; i++)
            scan_destroy(&world->scans[i]);
    }
    MUST(world->activation = cel_activation_new(world->env));
    for (size_t i = 0; i < 2; i++) {
        MUST(world->scans[i] = scan_new(world->paths[i]));
        MUST(scan_run(world->scans[i], messages[i], false, &error) == 0);
        cel_activation_set_scan(world->activation, i, world->scans[i]);
    }
    cel_activation_set(world->activation, 2, &id);
    cel_activation_set(world->activation, 3, &n);
}

static void destroy(struct world *world) {
    cel_activation_destroy(&world->activation);
    for (size_t i = 0; i < 2; i++)
        scan_destroy(&world->scans[i]);
    cel_env_destroy(&world->env);
    for (size_t i = 0; i < 2; i++)
        paths_destroy(&world->paths[i]);
}

static bool of_type(const struct cel_type *type, enum cel_kind kind) {
    if (type->kind == CEL_DYN || (type->kind == CEL_ENUM && kind == CEL_INT) || kind == CEL_NULL)
        return true;
    return type->kind == kind;
}

// Takes everything apart, so that a sanitizer sees what points nowhere.
// NOLINTNEXTLINE(misc-no-recursion)
static void touch(const struct cel_value *value, struct cel_activation *activation, unsigned depth) {
    struct cel_value key, item;
    struct buffer out = {0};
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES)
        MUST(buffer_append_bytes(&out, value->bytes) == 0);
    if (value->kind == CEL_MESSAGE) {
        MUST(cel_message_append(value, &out) == 0);
        MUST(view_check(value->message.type, buffer_bytes(&out), NULL, NULL) == 0);
    }
    buffer_destroy(&out);
    for (size_t i = 0; depth < 4 && value->kind == CEL_LIST && i < cel_list_size(value->list); i++) {
        MUST(cel_list_get(value->list, activation, i, &item) == 0);
        touch(&item, activation, depth + 1);
    }
    for (size_t i = 0; depth < 4 && value->kind == CEL_MAP && i < cel_map_size(value->map); i++) {
        MUST(cel_map_entry(value->map, activation, i, &key, &item) == 0);
        touch(&key, activation, depth + 1);
        touch(&item, activation, depth + 1);
    }
}

static void evaluate(const struct cel_program *program, struct world *world) {
    struct error error = {0};
    struct cel_value value, again;
    char name[128];
    bool truth;
    int rc = cel_eval(program, world->activation, &value, &error);
    MUST(rc == 0 || (rc == CEL_FAILED && error.text[0] != '\0'));
    if (rc == 0) {
        MUST(of_type(cel_program_type(program), value.kind));
        touch(&value, world->activation, 0);
    }
    MUST(cel_type_name(cel_program_type(program), name, sizeof name) == name && name[0] != '\0');
    cel_activation_reset(world->activation);
    MUST(cel_eval(program, world->activation, &again, &error) == rc && (rc != 0 || again.kind == value.kind));
    if (cel_program_type(program)->kind == CEL_BOOL)
        MUST(cel_eval_bool(program, world->activation, &truth, &error) == rc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct cel_limits limits = {
        .source = 1u << 14, .nodes = 2000, .depth = 60, .matches = 1000, .steps = 20000, .memory = 8u << 20};
    struct cel_problems problems = {0};
    struct cel_program *program = NULL;
    struct world world = build();
    int rc = cel_compile(world.env, bytes_of(data, size), &limits, &program, &problems);
    MUST(rc == 0 || rc == CEL_REFUSED);
    MUST((rc == 0) == (problems.count == 0) && (rc == 0) == (program != NULL));
    for (size_t i = 0; i < problems.count; i++)
        MUST(
            problems.items[i].offset + problems.items[i].length <= size && problems.items[i].text[0] != '\0');
    if (!program) { // what is wrong in it may be absorbed when it is evaluated
        cel_env_set_dynamic(world.env, true);
        rc = cel_compile(world.env, bytes_of(data, size), &limits, &program, NULL);
        MUST(rc == 0 || rc == CEL_REFUSED);
    }
    if (program) {
        activate(&world, bytes_of(message_known, sizeof message_known));
        evaluate(program, &world);
        activate(&world, bytes_of(message_extreme, sizeof message_extreme));
        evaluate(program, &world);
    }
    cel_program_destroy(&program);
    destroy(&world);
    return 0;
}
