// What was expected against what came, field by field.
#include "broker/routing/trial/cases_internal.h"
#include "core/schema/json_known.h"

#include <errno.h>
#include <stdlib.h>

// Where something stands: in a field of the outer place, or as an element of its list.
struct place {
    const struct config_node *node; // what was written of it
    const struct place *outer;      // NULL: the message itself
    const char *name;               // of a field
    size_t index;                   // of an element, where there is no name
};

// NOLINTNEXTLINE(misc-no-recursion): YAML is nested 32 deep at most
static int append_path(struct buffer *out, const struct place *place) {
    if (!place->outer)
        return 0;
    int rc = append_path(out, place->outer);
    if (rc)
        return rc;
    if (!place->name)
        return buffer_append_format(out, "[%zu]", place->index);
    return buffer_append_format(out, "%s%s", out->size ? "." : "", place->name);
}

// What is said of a value: JSON, cut where it is long.
static char *shown(const struct fields_diff *diff, const json_t *value) {
    enum { LONGEST = 300 };
    if (!value || (!diff->exact && json_is_object(value))) // that would be full of defaults
        return strdup(value ? "a message" : "nothing");
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text && strlen(text) > LONGEST) {
        size_t end = LONGEST - 4;
        while (end > 0 && (text[end] & 0xC0) == 0x80)
            end--;
        memcpy(text + end, "\u2026", sizeof "\u2026");
    }
    return text;
}

static int tell(
    const struct fields_diff *diff, const struct place *place, const json_t *expected, const json_t *got) {
    char *a = shown(diff, expected);
    char *b = shown(diff, got);
    struct buffer path = {0};
    const char *at = append_path(&path, place) == 0 ? buffer_text(&path) : NULL;
    if (a && b && at)
        config_error(place->node, diff->report, "%s: %s: expected %s, got %s", diff->what, at, a, b);
    int rc = a && b && at ? 0 : -ENOMEM;
    buffer_destroy(&path);
    free(a);
    free(b);
    return rc;
}

static const struct config_node *node_of_field(
    const struct config_node *node, const struct schema_message *type, const char *name) {
    for (size_t i = 0; node->kind == CONFIG_MAPPING && i < node->count; i++) {
        const struct schema_field *field = type ? schema_field_json(type, node->keys[i]->text) : NULL;
        if (field ? strcmp(field->name, name) == 0 : bytes_equal_string(node->keys[i]->text, name))
            return node->values[i];
    }
    return NULL;
}

static const struct schema_field *field_of(const struct schema_message *type, const char *name) {
    return type ? schema_field_named(type, bytes_of_string(name)) : NULL;
}

// NOLINTBEGIN(misc-no-recursion): YAML is nested 32 deep at most
static int compare(const struct fields_diff *diff, const struct place *place,
    const struct schema_field *field, const json_t *expected, const json_t *got);
static int compare_object(const struct fields_diff *diff, const struct place *place,
    const struct schema_message *type, const json_t *expected, const json_t *got);

static int compare_list(const struct fields_diff *diff, const struct place *place,
    const struct schema_field *field, const json_t *expected, const json_t *got) {
    int rc = 0;
    if (json_array_size(expected) != json_array_size(got))
        return tell(diff, place, expected, got);
    for (size_t i = 0; rc == 0 && i < json_array_size(expected); i++) {
        struct place inner = {.node = place->node, .outer = place, .index = i};
        if (place->node->kind == CONFIG_SEQUENCE && i < place->node->count)
            inner.node = place->node->values[i];
        const json_t *one = json_array_get(expected, i);
        const json_t *other = json_array_get(got, i);
        bool objects = json_is_object(one) && json_is_object(other);
        if (objects && field && field->message && json_known(field->message) == JSON_PLAIN)
            rc = compare_object(diff, &inner, field->message, one, other);
        else if (!json_equal(one, other))
            rc = tell(diff, &inner, one, other);
    }
    return rc;
}

static int compare(const struct fields_diff *diff, const struct place *place,
    const struct schema_field *field, const json_t *expected, const json_t *got) {
    if (json_is_array(expected) && json_is_array(got))
        return compare_list(diff, place, field, expected, got);
    bool objects = json_is_object(expected) && json_is_object(got) && place->node->kind == CONFIG_MAPPING;
    if (objects && field && field->map)
        return compare_object(diff, place, NULL, expected, got);
    if (objects && field && field->message && json_known(field->message) == JSON_PLAIN)
        return compare_object(diff, place, field->message, expected, got);
    return json_equal(expected, got) ? 0 : tell(diff, place, expected, got);
}

// What came and was not expected.
static int compare_rest(
    const struct fields_diff *diff, const struct place *place, const json_t *expected, const json_t *got) {
    int rc = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)got, name, value) {
        struct place inner = {.node = place->node, .outer = place, .name = name};
        if (rc == 0 && !json_object_get(expected, name))
            rc = tell(diff, &inner, NULL, value);
    }
    return rc;
}

// A field that was written as null is to be absent.
static int compare_absent(const struct fields_diff *diff, const struct place *place,
    const struct schema_message *type, const json_t *expected, const json_t *got) {
    int rc = 0;
    bool written = type && place->node->kind == CONFIG_MAPPING && !diff->exact;
    for (size_t i = 0; rc == 0 && written && i < place->node->count; i++) {
        const struct schema_field *field = schema_field_json(type, place->node->keys[i]->text);
        if (!field || json_object_get(expected, field->name) || !json_object_get(got, field->name))
            continue;
        struct place inner = {.node = place->node->values[i], .outer = place, .name = field->name};
        rc = tell(diff, &inner, NULL, json_object_get(got, field->name));
    }
    return rc;
}

static int compare_object(const struct fields_diff *diff, const struct place *place,
    const struct schema_message *type, const json_t *expected, const json_t *got) {
    int rc = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)expected, name, value) {
        const struct config_node *node = node_of_field(place->node, type, name);
        struct place inner = {.node = node ? node : place->node, .outer = place, .name = name};
        if (rc == 0 && (node || diff->exact))
            rc = compare(diff, &inner, field_of(type, name), value, json_object_get(got, name));
    }
    if (rc == 0)
        rc = diff->exact ? compare_rest(diff, place, expected, got)
                         : compare_absent(diff, place, type, expected, got);
    return rc;
}
// NOLINTEND(misc-no-recursion)

int fields_compare(const struct fields_diff *diff, const struct config_node *node,
    const struct schema_message *type, const json_t *expected, const json_t *got) {
    const struct place place = {.node = node};
    return compare_object(diff, &place, type, expected, got);
}
