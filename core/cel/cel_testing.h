// What tests of expressions and their fuzzer share: two messages, two plain variables, a code map, and values
// as texts.
#pragma once

#include "core/cel/cel_samples.h"
#include "core/cel/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct catalogue *catalogue;
    struct codes *codes;
    struct paths *paths[2];
    struct scan *scans[2];
    struct cel_env *env;
    struct cel_activation *activation;
    struct cel_program *program;
    struct cel_problems problems;
    struct buffer text;
    struct bytes known; // what "known" is
};

static struct world world;

static inline void world_declare(size_t i, const char *name, const char *type) {
    size_t index;
    const struct schema_message *message = catalogue_message(world.catalogue, bytes_of_string(type));
    assert_non_null(message);
    world.paths[i] = paths_new(message);
    assert_int_equal(cel_env_declare_message(world.env, name, world.paths[i], &index), 0);
    world.scans[i] = scan_new(world.paths[i]);
}

static inline int world_build(void **state) {
    struct error error;
    size_t index;
    (void)state;
    const char *path = HUTONG_BUILD_DIR "/core/schema/testdata.binpb";
    assert_int_equal(catalogue_load_file(path, &world.catalogue, &error), 0);
    world.codes = sample_codes();
    assert_non_null(world.codes);
    world.env = cel_env_new(world.catalogue, world.codes, "test.three");
    cel_env_set_hash_key(world.env, sample_key);
    world_declare(0, "msg", "test.three.All");
    world_declare(1, "known", "test.three.Known");
    assert_int_equal(cel_env_declare(world.env, "id", CEL_STRING, &index), 0);
    assert_int_equal(cel_env_declare(world.env, "n", CEL_INT, &index), 0);
    world.activation = cel_activation_new(world.env);
    assert_non_null(world.activation);
    world.known = bytes_of(message_known, sizeof message_known);
    return 0;
}

static inline int world_destroy(void **state) {
    (void)state;
    cel_program_destroy(&world.program);
    cel_activation_destroy(&world.activation);
    cel_env_destroy(&world.env);
    for (size_t i = 0; i < 2; i++) {
        scan_destroy(&world.scans[i]);
        paths_destroy(&world.paths[i]);
    }
    codes_destroy(&world.codes);
    catalogue_destroy(&world.catalogue);
    buffer_destroy(&world.text);
    return 0;
}

static inline void world_activate(void) {
    const struct bytes messages[] = {bytes_of(message_all, sizeof message_all), world.known};
    const struct cel_value id = {.kind = CEL_STRING, .bytes = bytes_of_string("330106")};
    const struct cel_value n = {.kind = CEL_INT, .i64 = 42};
    struct error error;
    cel_activation_reset(world.activation);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(scan_run(world.scans[i], messages[i], false, &error), 0);
        cel_activation_set_scan(world.activation, i, world.scans[i]);
    }
    cel_activation_set(world.activation, 2, &id);
    cel_activation_set(world.activation, 3, &n);
}

static inline void render(struct buffer *out, const struct cel_value *value);

static inline void render_double(struct buffer *out, double value) {
    char text[64];
    snprintf(text, sizeof text, "%.15g", value);
    buffer_append_format(out, "%s%s", text, strpbrk(text, ".en") ? "" : ".0");
}

static inline void render_list(struct buffer *out, const struct cel_list *list) {
    buffer_append_string(out, "[");
    for (size_t i = 0; i < cel_list_size(list); i++) {
        struct cel_value item;
        assert_int_equal(cel_list_get(list, world.activation, i, &item), 0);
        buffer_append_string(out, i ? ", " : "");
        render(out, &item);
    }
    buffer_append_string(out, "]");
}

static inline void render_map(struct buffer *out, const struct cel_map *map) {
    buffer_append_string(out, "{");
    for (size_t i = 0; i < cel_map_size(map); i++) {
        struct cel_value key, item;
        assert_int_equal(cel_map_entry(map, world.activation, i, &key, &item), 0);
        buffer_append_string(out, i ? ", " : "");
        render(out, &key);
        buffer_append_string(out, ": ");
        render(out, &item);
    }
    buffer_append_string(out, "}");
}

static inline void render_hex(struct buffer *out, struct bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++)
        buffer_append_format(out, "%s%02x", i ? " " : "", (unsigned)bytes.data[i]);
}

static inline void render(struct buffer *out, const struct cel_value *value) {
    struct buffer wire = {0};
    switch (value->kind) {
    case CEL_NULL:
        buffer_append_string(out, "null");
        break;
    case CEL_BOOL:
        buffer_append_string(out, value->boolean ? "true" : "false");
        break;
    case CEL_INT:
        buffer_append_format(out, "%lld", (long long)value->i64);
        break;
    case CEL_UINT:
        buffer_append_format(out, "%lluu", (unsigned long long)value->u64);
        break;
    case CEL_DOUBLE:
        render_double(out, value->f64);
        break;
    case CEL_STRING:
        buffer_append_format(out, "'%.*s'", BYTES_ARGS(value->bytes));
        break;
    case CEL_BYTES:
        buffer_append_string(out, "b'");
        render_hex(out, value->bytes);
        buffer_append_string(out, "'");
        break;
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        buffer_append_format(out, "%s %lld.%09d", value->kind == CEL_TIMESTAMP ? "timestamp" : "duration",
            (long long)value->time.seconds, (int)value->time.nanos);
        break;
    case CEL_LIST:
        render_list(out, value->list);
        break;
    case CEL_MAP:
        render_map(out, value->map);
        break;
    case CEL_MESSAGE:
        assert_int_equal(cel_message_append(value, &wire), 0);
        buffer_append_format(out, "%s{", value->message.type->full_name);
        render_hex(out, buffer_bytes(&wire));
        buffer_append_string(out, "}");
        buffer_destroy(&wire);
        break;
    default:
        buffer_append_format(out, "type %.*s", BYTES_ARGS(value->bytes));
        break;
    }
}

// What the source evaluates to, as a text; "error": an error; "refused at 3+4: …". Valid until the next call.
static inline const char *evaluated(const char *source) {
    struct cel_value value;
    struct error error = {0};
    buffer_clear(&world.text);
    cel_program_destroy(&world.program);
    world.problems.count = 0;
    int rc = cel_compile(world.env, bytes_of_string(source), NULL, &world.program, &world.problems);
    if (rc == CEL_REFUSED) {
        const struct cel_problem *first = &world.problems.items[0];
        buffer_append_format(
            &world.text, "refused at %zu+%zu: %s", first->offset, first->length, first->text);
        return buffer_text(&world.text);
    }
    assert_int_equal(rc, 0);
    world_activate();
    rc = cel_eval(world.program, world.activation, &value, &error);
    if (rc == 0)
        render(&world.text, &value);
    else
        buffer_append_string(&world.text, rc == CEL_FAILED && error.text[0] ? "error" : "out of memory");
    return buffer_text(&world.text);
}

// The first problem of a source, or NULL: it compiles.
static inline const struct cel_problem *refused(const char *source) {
    cel_program_destroy(&world.program);
    world.problems.count = 0;
    int rc = cel_compile(world.env, bytes_of_string(source), NULL, &world.program, &world.problems);
    assert_int_equal(rc == CEL_REFUSED, world.problems.count > 0);
    return rc == CEL_REFUSED ? &world.problems.items[0] : NULL;
}
