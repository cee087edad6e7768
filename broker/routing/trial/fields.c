// A message's fields in YAML: to JSON, and so to wire bytes.
#include "broker/routing/trial/cases_internal.h"
#include "core/schema/json.h"
#include "core/schema/json_known.h"
#include "core/schema/nearest.h"

#include <errno.h>
#include <stdlib.h>

// NOLINTBEGIN(misc-no-recursion): YAML is nested 32 deep at most
static json_t *read_one(
    const struct config_node *node, const struct schema_field *field, struct report *report);

static json_t *expected(const struct config_node *node, struct report *report, const char *what,
    const struct schema_field *field) {
    config_error(node, report, "%s is %s, not a %s", field->name, what,
        node->kind == CONFIG_SCALAR     ? "plain value"
        : node->kind == CONFIG_SEQUENCE ? "list"
                                        : "mapping");
    return NULL;
}

static json_t *text_of(const struct config_node *node) {
    return json_stringn((const char *)node->text.data, node->text.size);
}

// Of google.protobuf.Value and its like: what YAML says that it is.
static json_t *read_any(const struct config_node *node) {
    json_t *out = NULL;
    if (node->kind == CONFIG_SEQUENCE) {
        out = json_array();
        for (size_t i = 0; i < node->count; i++)
            json_array_append_new(out, read_any(node->values[i]));
    } else if (node->kind == CONFIG_MAPPING) {
        out = json_object();
        for (size_t i = 0; i < node->count; i++)
            json_object_setn_new(out, (const char *)node->keys[i]->text.data, node->keys[i]->text.size,
                read_any(node->values[i]));
    } else if (config_is_null(node)) {
        out = json_null();
    } else {
        if (!node->quoted)
            out = json_loadb((const char *)node->text.data, node->text.size, JSON_DECODE_ANY, NULL);
        out = out ? out : text_of(node);
    }
    return out;
}

static json_t *read_enum(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    char *end;
    long number = strtol((const char *)node->text.data, &end, 10);
    if (node->text.size > 0 && *end == '\0')
        return json_integer(number);
    const struct schema_enum *enumeration = field->enumeration;
    if (schema_enum_named(enumeration, node->text))
        return text_of(node);
    struct nearest nearest = nearest_start(node->text);
    for (size_t i = 0; i < enumeration->value_count; i++)
        nearest_offer(&nearest, enumeration->values[i].name);
    config_error(node, report, "%s has no value \"%.*s\"%s%s%s", enumeration->full_name,
        BYTES_ARGS(node->text), nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
        nearest.best ? "\"?" : "");
    return NULL;
}

static json_t *read_bool(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    bool yes = bytes_equal_string(node->text, "true");
    if (yes || bytes_equal_string(node->text, "false"))
        return json_boolean(yes);
    config_error(node, report, "%s is true or false", field->name);
    return NULL;
}

// Numbers go as texts, which JSON's mapping allows: so none loses a digit.
static json_t *read_scalar(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    if (node->kind != CONFIG_SCALAR)
        return expected(node, report, "a plain value", field);
    if (field->kind == SCHEMA_BOOL)
        return read_bool(node, field, report);
    return field->kind == SCHEMA_ENUM ? read_enum(node, field, report) : text_of(node);
}

static json_t *read_message(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    switch (json_known(field->message)) {
    case JSON_PLAIN:
        if (node->kind != CONFIG_MAPPING)
            return expected(node, report, "a message", field);
        return fields_read(node, field->message, report);
    case JSON_WRAPPER:
        return read_scalar(node, &field->message->fields[0], report);
    case JSON_STRUCT:
    case JSON_VALUE:
    case JSON_LIST:
    case JSON_ANY:
        return read_any(node);
    default:
        return read_scalar(node, field, report);
    }
}

static json_t *read_one(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    return field->message ? read_message(node, field, report) : read_scalar(node, field, report);
}

static json_t *read_list(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    if (node->kind != CONFIG_SEQUENCE)
        return expected(node, report, "a list", field);
    json_t *out = json_array();
    for (size_t i = 0; i < node->count; i++) {
        json_t *one = read_one(node->values[i], field, report);
        json_array_append_new(out, one ? one : json_null());
    }
    return out;
}

static json_t *read_map(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    if (node->kind != CONFIG_MAPPING)
        return expected(node, report, "a map", field);
    json_t *out = json_object();
    for (size_t i = 0; i < node->count; i++) {
        json_t *one = read_one(node->values[i], &field->message->fields[1], report);
        json_object_setn_new(
            out, (const char *)node->keys[i]->text.data, node->keys[i]->text.size, one ? one : json_null());
    }
    return out;
}

static json_t *read_field(
    const struct config_node *node, const struct schema_field *field, struct report *report) {
    if (config_is_null(node))
        return json_null();
    if (field->map)
        return read_map(node, field, report);
    return field->repeated ? read_list(node, field, report) : read_one(node, field, report);
}

static const struct schema_field *find_field(
    const struct config_node *key, const struct schema_message *type, struct report *report) {
    const struct schema_field *field = schema_field_json(type, key->text);
    if (field)
        return field;
    const char *nearest = schema_nearest_field(type, key->text);
    config_error(key, report, "%s has no field \"%.*s\"%s%s%s", type->full_name, BYTES_ARGS(key->text),
        nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

json_t *fields_read(
    const struct config_node *node, const struct schema_message *type, struct report *report) {
    size_t before = report_errors(report);
    json_t *out = json_object();
    for (size_t i = 0; out && i < node->count; i++) {
        const struct schema_field *field = find_field(node->keys[i], type, report);
        json_t *value = field ? read_field(node->values[i], field, report) : NULL;
        if (value && json_object_get(out, field->name))
            config_error(node->keys[i], report, "%s is there already, by its other name", field->name);
        if (value)
            json_object_set_new(out, field->name, value);
    }
    if (report_errors(report) > before) {
        json_decref(out);
        return NULL;
    }
    return out;
}

// ---- One upon the other ----

static void clear_rivals(json_t *base, const struct schema_message *type, const struct schema_field *field) {
    for (size_t i = 0; field->oneof >= 0 && i < type->field_count; i++)
        if (type->fields[i].oneof == field->oneof && &type->fields[i] != field)
            json_object_del(base, type->fields[i].name);
}

static int merge_field(json_t *base, const struct schema_field *field, const char *name, const json_t *over) {
    json_t *under = json_object_get(base, name);
    bool plain = field && field->message && !field->repeated && json_known(field->message) == JSON_PLAIN;
    if (json_is_null(over)) {
        json_object_del(base, name);
        return 0;
    }
    if (plain && json_is_object(under) && json_is_object(over))
        return fields_merge(under, over, field->message);
    return json_object_set_new(base, name, json_deep_copy(over)) ? -ENOMEM : 0;
}

int fields_merge(json_t *base, const json_t *over, const struct schema_message *type) {
    const char *name;
    json_t *value;
    int rc = 0;
    json_object_foreach((json_t *)(uintptr_t)over, name, value) {
        const struct schema_field *field = schema_field_json(type, bytes_of_string(name));
        if (field && !json_is_null(value))
            clear_rivals(base, type, field);
        if (rc == 0)
            rc = merge_field(base, field, name, value);
    }
    return rc;
}
// NOLINTEND(misc-no-recursion)

// ---- To wire bytes ----

static const struct config_node *child(const struct config_node *node, struct bytes name) {
    for (size_t i = 0; node->kind == CONFIG_MAPPING && i < node->count; i++)
        if (bytes_equal(node->keys[i]->text, name))
            return node->values[i];
    return NULL;
}

// The part of a path that comes next: a name, ["key"] or [7]. Moves on.
static struct bytes next_step(struct bytes *path, bool *index) {
    size_t at = path->size && path->data[0] == '.';
    const char *ends = ".[";
    *index = false;
    if (at < path->size && path->data[at] == '[') {
        at++;
        ends = "]";
        *index = at < path->size && path->data[at] != '"';
    }
    size_t end = at;
    while (end < path->size && !strchr(ends, path->data[end]))
        end++;
    struct bytes step = bytes_of(path->data + at, end - at);
    size_t used = end + (*ends == ']' && end < path->size);
    *path = bytes_of(path->data + used, path->size - used);
    if (step.size >= 2 && step.data[0] == '"')
        step = bytes_of(step.data + 1, step.size - 2);
    return step;
}

static const struct config_node *element(const struct config_node *node, struct bytes step) {
    size_t i = 0;
    for (size_t k = 0; k < step.size; k++)
        i = i * 10 + (size_t)(step.data[k] - '0');
    return node->kind == CONFIG_SEQUENCE && i < node->count ? node->values[i] : NULL;
}

// The node that a path leads to; as deep as it goes. NULL: nowhere.
static const struct config_node *follow(const struct config_node *node, struct bytes path) {
    const struct config_node *found = NULL;
    while (path.size > 0) {
        bool index;
        struct bytes step = next_step(&path, &index);
        node = index ? element(node, step) : child(node, step);
        if (!node)
            break;
        found = node;
    }
    return found;
}

// "at PATH, line 1, column 9: why": the path says where in the YAML, the rest of the place is of no use.
static void report_refused(
    const struct config_node *const *nodes, size_t count, const struct error *error, struct report *report) {
    const char *text = error->text;
    const char *line = strstr(text, ", line ");
    const char *why = line ? strstr(line, ": ") : NULL;
    const struct config_node *at = NULL;
    if (strncmp(text, "at ", 3) == 0 && why)
        for (size_t i = 0; !at && i < count; i++)
            at = nodes[i] ? follow(nodes[i], bytes_of(text + 3, (size_t)(line - text) - 3)) : NULL;
    for (size_t i = 0; !at && i < count; i++)
        at = nodes[i];
    config_error(at, report, "%s", why ? why + 2 : text);
}

int fields_write(const json_t *fields, const struct schema_message *type,
    const struct config_node *const *nodes, size_t count, struct report *report, struct buffer *out) {
    char *text = json_dumps(fields, JSON_COMPACT);
    struct error error = {0};
    int rc = text ? json_to_message(type, bytes_of_string(text), out, &error) : -ENOMEM;
    free(text);
    if (rc == VIEW_REFUSED)
        report_refused(nodes, count, &error, report);
    return rc;
}

json_t *fields_parse(
    const struct schema_message *type, struct bytes wire, bool with_defaults, struct error *error) {
    struct buffer text = {0};
    struct json_options options = {.proto_names = true, .with_defaults = with_defaults};
    json_t *out = NULL;
    if (json_from_message(type, wire, &options, &text, error) == 0)
        out = json_loadb((const char *)text.data, text.size, 0, NULL);
    buffer_destroy(&text);
    return out;
}
