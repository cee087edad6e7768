// What the tests of mappings share: two messages, and what a mapping in YAML makes of them.
#pragma once

#include "core/cel/cel_samples.h"
#include "core/mapping/mapping.h"
#include "core/schema/json.h"
#include "test/support/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct catalogue *catalogue;
static struct codes *codes;
static struct paths *paths[2];
static struct cel_env *env;
static struct buffer text;

static inline const struct schema_message *type_named(const char *name) {
    const struct schema_message *type = catalogue_message(catalogue, bytes_of_string(name));
    assert_non_null(type);
    return type;
}

static inline int set_up(void **state) {
    (void)state;
    size_t index;
    struct error error;
    const char *path = HUTONG_BUILD_DIR "/core/schema/testdata.binpb";
    assert_int_equal(catalogue_load_file(path, &catalogue, &error), 0);
    codes = sample_codes();
    env = cel_env_new(catalogue, codes, "test.three");
    paths[0] = paths_new(type_named("test.three.All"));
    paths[1] = paths_new(type_named("test.three.Known"));
    assert_int_equal(cel_env_declare_message(env, "msg", paths[0], &index), 0);
    assert_int_equal(cel_env_declare_message(env, "known", paths[1], &index), 0);
    return 0;
}

static inline int tear_down(void **state) {
    (void)state;
    cel_env_destroy(&env);
    paths_destroy(&paths[0]);
    paths_destroy(&paths[1]);
    codes_destroy(&codes);
    catalogue_destroy(&catalogue);
    buffer_destroy(&text);
    return 0;
}

static inline int run(const struct mapping *mapping, struct buffer *out, struct error *error) {
    const struct bytes messages[] = {
        bytes_of(message_all, sizeof message_all), bytes_of(message_known, sizeof message_known)};
    struct scan *scans[2];
    struct cel_activation *activation = cel_activation_new(env);
    assert_non_null(activation);
    for (size_t i = 0; i < 2; i++) {
        scans[i] = scan_new(paths[i]);
        assert_int_equal(scan_run(scans[i], messages[i], false, error), 0);
        cel_activation_set_scan(activation, i, scans[i]);
    }
    int rc = mapping_run(mapping, activation, out, NULL, error);
    cel_activation_destroy(&activation);
    scan_destroy(&scans[0]);
    scan_destroy(&scans[1]);
    return rc;
}

// The JSON of what comes out, or the refusal, or the problems.
static inline const char *mapped(const char *target, const char *yaml) {
    struct report *report = report_new(0);
    struct buffer out = {0};
    struct error error = {0};
    buffer_clear(&text);
    struct config_file *file = config_parse("m.yaml", bytes_of_string(yaml), NULL, report);
    assert_non_null(file);
    struct mapping *mapping = mapping_load(config_root(file), type_named(target), env, report);
    assert_int_equal(mapping == NULL, report_errors(report) > 0);
    if (!mapping)
        assert_int_equal(report_print(report, &text), 0);
    else if (run(mapping, &out, &error) == 0)
        assert_int_equal(json_from_message(type_named(target), buffer_bytes(&out), NULL, &text, &error), 0);
    else
        buffer_append_string(&text, error.text);
    mapping_destroy(&mapping);
    config_destroy(&file);
    report_destroy(&report);
    buffer_destroy(&out);
    return buffer_text(&text);
}

struct row {
    const char *yaml;
    const char *out; // the whole of it; of a refusal or problem, its start
};

static inline void expect(const char *target, const struct row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *is = mapped(target, rows[i].yaml);
        size_t size = rows[i].out[0] == '{' ? strlen(is) : strlen(rows[i].out);
        if (strncmp(is, rows[i].out, size > strlen(rows[i].out) ? size : strlen(rows[i].out)) != 0)
            fail_msg("%s\n  must be %s\n  but is %s", rows[i].yaml, rows[i].out, is);
    }
}
#define EXPECT(target, rows) expect(target, rows, sizeof(rows) / sizeof *(rows))
