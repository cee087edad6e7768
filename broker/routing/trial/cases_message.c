// A message as it is written under "messages" or in a case.
#include "broker/routing/trial/cases_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct config_key message_keys[] = {{"type", CONFIG_REQUIRED}, {"from", CONFIG_REQUIRED},
    {"subject", CONFIG_OPTIONAL}, {"data", CONFIG_OPTIONAL}, {"file", CONFIG_OPTIONAL},
    {NULL, CONFIG_OPTIONAL}};

const struct schema_message *case_type(struct cases *cases, const struct config_node *node) {
    const struct catalogue *catalogue = policy_catalogue(routes_policy(cases->routes));
    const char *name;
    if (config_is_null(node) || !config_string(node, &name, cases->report))
        return NULL;
    const struct schema_message *type = catalogue_message(catalogue, node->text);
    if (type)
        return type;
    const char *nearest = catalogue_nearest_message(catalogue, node->text);
    config_error(node, cases->report, "no type \"%s\" in the catalogue%s%s%s", name,
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

const struct policy_system *case_system(struct cases *cases, const struct config_node *node) {
    const struct policy *policy = routes_policy(cases->routes);
    const char *name;
    if (config_is_null(node) || !config_string(node, &name, cases->report))
        return NULL;
    const struct policy_system *system = policy_system_named(policy, node->text);
    if (system)
        return system;
    const char *nearest = policy_nearest_system(policy, node->text);
    config_error(node, cases->report, "no system \"%s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
        nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

// ---- Data ----

static int read_file(const char *path, struct buffer *out) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    int rc = 0;
    out->limit = view_default_limits.bytes + 1;
    while (rc == 0 && !feof(file) && !ferror(file)) {
        uint8_t block[16384];
        size_t got = fread(block, 1, sizeof block, file);
        rc = buffer_append(out, block, got);
    }
    if (rc == 0 && ferror(file))
        rc = -EIO;
    fclose(file);
    return rc;
}

// Beside the file of tests, unless it is absolute. `out` holds the bytes.
static bool open_file(struct cases *cases, const struct config_node *node, struct buffer *out) {
    const char *name;
    struct buffer path = {0};
    if (!config_string(node, &name, cases->report))
        return false;
    const char *base = config_path(node->file);
    const char *slash = name[0] == '/' ? NULL : strrchr(base, '/');
    int rc = buffer_append(&path, base, slash ? (size_t)(slash - base) + 1 : 0);
    rc = rc ? rc : buffer_append_string(&path, name);
    const char *text = rc ? NULL : buffer_text(&path);
    rc = text ? read_file(text, out) : -ENOMEM;
    if (rc)
        config_error(node, cases->report, "%s can't be read: %s", text ? text : name,
            rc == -EMSGSIZE ? "it is larger than a message may be" : strerror(-rc));
    buffer_destroy(&path);
    return rc == 0;
}

static json_t *parse_file(struct cases *cases, const struct config_node *node, struct bytes text) {
    json_error_t error;
    json_t *out = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (out && json_is_object(out)) {
        json_t *data = json_object_get(out, "data");
        bool envelope = json_is_object(data) && json_is_string(json_object_get(out, "type"));
        json_t *inner = envelope ? json_incref(data) : json_incref(out);
        json_decref(out);
        return inner;
    }
    if (out)
        config_error(node, cases->report, "%.*s holds no JSON object", BYTES_ARGS(node->text));
    else
        config_error(node, cases->report, "%.*s: line %d, column %d: %s", BYTES_ARGS(node->text), error.line,
            error.column, error.text);
    json_decref(out);
    return NULL;
}

static bool is_binary(const struct config_node *file) {
    static const char end[] = ".binpb";
    size_t size = strlen(end);
    return file->kind == CONFIG_SCALAR && file->text.size > size &&
           memcmp(file->text.data + file->text.size - size, end, size) == 0;
}

// The fields before the case's own changes. NULL: reported.
static json_t *base_fields(
    struct cases *cases, const struct config_node *message, const struct schema_message *type) {
    const struct config_node *data = config_get(message, "data");
    const struct config_node *file = config_get(message, "file");
    if (!config_is_null(data) && !config_is_null(file)) {
        config_error(file, cases->report, "a message has \"data\" or \"file\", not both");
        return NULL;
    }
    if (!config_is_null(file)) {
        struct buffer text = {0};
        json_t *out = open_file(cases, file, &text) ? parse_file(cases, file, buffer_bytes(&text)) : NULL;
        buffer_destroy(&text);
        return out;
    }
    if (config_is_null(data))
        return json_object();
    if (data->kind == CONFIG_MAPPING)
        return fields_read(data, type, cases->report);
    config_error(data, cases->report, "\"data\" is a mapping of fields of %s", type->full_name);
    return NULL;
}

// Whether they are a message of the type; told here, once for all cases that use it.
static bool check_fields(struct cases *cases, const struct fixture *fixture) {
    const struct config_node *const nodes[] = {
        config_get(fixture->node, "data"), config_get(fixture->node, "file"), fixture->node};
    struct buffer wire = {0};
    int rc = fields_write(
        fixture->fields, fixture->type, nodes, sizeof nodes / sizeof *nodes, cases->report, &wire);
    buffer_destroy(&wire);
    if (rc == -ENOMEM)
        cases->no_memory = true;
    return rc == 0;
}

static bool load_content(struct cases *cases, struct fixture *out) {
    const struct config_node *file = config_get(out->node, "file");
    if (!config_is_null(file) && is_binary(file)) {
        out->binary = true;
        return open_file(cases, file, &out->bytes);
    }
    out->fields = base_fields(cases, out->node, out->type);
    return out->fields && check_fields(cases, out);
}

void fixture_load(struct cases *cases, const struct config_node *node, struct fixture *out) {
    *out = (struct fixture){.node = node};
    if (!config_expect_mapping(node, "a message", message_keys, cases->report))
        return;
    out->type = case_type(cases, config_get(node, "type"));
    out->from = case_system(cases, config_get(node, "from"));
    const char *text;
    const struct config_node *subject = config_get(node, "subject");
    if (!config_is_null(subject) && config_string(subject, &text, cases->report))
        out->subject = subject->text;
    out->fine = out->type && load_content(cases, out) && out->from;
}

void fixture_free(struct fixture *fixture) {
    json_decref(fixture->fields);
    buffer_destroy(&fixture->bytes);
    *fixture = (struct fixture){0};
}
