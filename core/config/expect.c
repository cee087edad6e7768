#include "core/config/internal.h"

#include <ctype.h>
#include <stdio.h>

static void add(const struct config_node *node, struct report *report, enum report_severity severity,
    struct mark mark, size_t length, const char *format, va_list args) __attribute__((format(printf, 6, 0)));

static void add(const struct config_node *node, struct report *report, enum report_severity severity,
    struct mark mark, size_t length, const char *format, va_list args) {
    report_add_list(
        report, severity, config_path(node->file), config_source(node->file), mark, length, format, args);
}

void config_error(const struct config_node *node, struct report *report, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(node, report, REPORT_ERROR, node->mark, node->length, format, args);
    va_end(args);
}

void config_warning(const struct config_node *node, struct report *report, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(node, report, REPORT_WARNING, node->mark, node->length, format, args);
    va_end(args);
}

void config_error_inside(const struct config_node *scalar, size_t offset, size_t length,
    struct report *report, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(scalar, report, REPORT_ERROR, config_mark_inside(scalar, offset),
        position_length(scalar, offset, length), format, args);
    va_end(args);
}

void config_error_whole(const struct config_node *scalar, struct report *report, const char *format, ...) {
    struct bytes text = scalar->text;
    size_t from = 0;
    size_t to = text.size;
    while (from < to && isspace(text.data[from]))
        from++;
    while (to > from && isspace(text.data[to - 1]))
        to--;
    va_list args;
    va_start(args, format);
    if (from == to)
        add(scalar, report, REPORT_ERROR, scalar->mark, scalar->length, format, args);
    else
        add(scalar, report, REPORT_ERROR, config_mark_inside(scalar, from),
            position_length(scalar, from, to - from), format, args);
    va_end(args);
}

const struct config_node *config_get(const struct config_node *mapping, const char *key) {
    if (!mapping || mapping->kind != CONFIG_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++)
        if (mapping->keys[i]->kind == CONFIG_SCALAR && bytes_equal_string(mapping->keys[i]->text, key))
            return mapping->values[i];
    return NULL;
}

bool scalar_equals_any(const struct config_node *node, const char *const *words) {
    if (node->kind != CONFIG_SCALAR || node->quoted)
        return false;
    for (size_t i = 0; words[i]; i++)
        if (bytes_equal_string(node->text, words[i]))
            return true;
    return false;
}

bool config_is_null(const struct config_node *node) {
    static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
    return !node || scalar_equals_any(node, words);
}

static const char *kind_name(const struct config_node *node) {
    if (config_is_null(node))
        return "nothing";
    return node->kind == CONFIG_MAPPING ? "a mapping" : node->kind == CONFIG_SEQUENCE ? "a list" : "a text";
}

// "name, on, from", cut where it gets long.
static const char *list_keys(const struct config_key *keys, char *out, size_t size) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; keys[i].name && used + 4 < size; i++) {
        int n = snprintf(out + used, size - used, "%s%s", i ? ", " : "", keys[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

#define KEYS_LIMIT 64

static const char *nearest_key(const struct config_node *key, const struct config_key *keys) {
    const char *names[KEYS_LIMIT];
    size_t count = 0;
    while (keys[count].name && count < KEYS_LIMIT) {
        names[count] = keys[count].name;
        count++;
    }
    return report_nearest(key->text, names, count);
}

static void unknown_key(
    const struct config_node *key, const char *what, const struct config_key *keys, struct report *report) {
    char list[512];
    if (config_full_width(key, report))
        return;
    const char *nearest = nearest_key(key, keys);
    if (nearest)
        config_error(
            key, report, "unknown key \"%.*s\"; did you mean \"%s\"?", BYTES_ARGS(key->text), nearest);
    else
        config_error(key, report, "unknown key \"%.*s\"; %s may have: %s", BYTES_ARGS(key->text), what,
            list_keys(keys, list, sizeof list));
}

static bool is_known(const struct config_node *key, const struct config_key *keys) {
    for (size_t i = 0; keys[i].name; i++)
        if (bytes_equal_string(key->text, keys[i].name))
            return true;
    return false;
}

// An unknown key that was said to mean `name`: then it isn't missing too.
static bool is_misspelled(const struct config_node *node, const struct config_key *keys, const char *name) {
    for (size_t i = 0; i < node->count; i++) {
        const char *nearest = is_known(node->keys[i], keys) ? NULL : nearest_key(node->keys[i], keys);
        if (nearest && strcmp(nearest, name) == 0)
            return true;
    }
    return false;
}

static void check_required(const struct config_node *node, const char *what, const struct config_key *keys,
    const struct config_key *key, struct report *report) {
    const struct config_node *value = config_get(node, key->name);
    if (!value && !is_misspelled(node, keys, key->name))
        config_error(node, report, "%s needs \"%s\"", what, key->name);
    else if (!value)
        return;
    else if (config_is_null(value))
        config_error(value, report, "\"%s\" has no value", key->name);
}

bool config_expect_mapping(
    const struct config_node *node, const char *what, const struct config_key *keys, struct report *report) {
    char list[512];
    if (!node)
        return false; // an empty document has no place to point at: its reader says what should be there
    if (node->kind != CONFIG_MAPPING) {
        config_error(node, report, "%s is a mapping with the keys %s; this is %s", what,
            list_keys(keys, list, sizeof list), kind_name(node));
        return false;
    }
    for (size_t i = 0; i < node->count; i++)
        if (node->keys[i]->kind == CONFIG_SCALAR && !is_known(node->keys[i], keys))
            unknown_key(node->keys[i], what, keys, report);
    for (size_t i = 0; keys[i].name; i++)
        if (keys[i].need == CONFIG_REQUIRED)
            check_required(node, what, keys, &keys[i], report);
    return true;
}

bool config_expect_sequence(const struct config_node *node, const char *what, struct report *report) {
    if (!node)
        return false;
    if (node->kind == CONFIG_SEQUENCE)
        return true;
    config_error(node, report, "%s is a list ([a, b], or a line with \"- \" for each); this is %s", what,
        kind_name(node));
    return false;
}
