#include "core/mapping/internal.h"

#include <stdio.h>
#include <stdlib.h>

static const struct schema_field *find_field(
    const struct config_node *key, const struct schema_message *target, struct report *report) {
    const struct schema_field *field = schema_field_named(target, key->text);
    if (field)
        return field;
    const char *nearest = schema_nearest_field(target, key->text);
    if (nearest)
        config_error(key, report, "%s has no field \"%.*s\"; did you mean \"%s\"?", target->full_name,
            BYTES_ARGS(key->text), nearest);
    else
        config_error(key, report, "%s has no field \"%.*s\"", target->full_name, BYTES_ARGS(key->text));
    return NULL;
}

static bool shares_oneof(const struct mapping *mapping, const struct schema_field *field) {
    for (size_t i = 0; i < mapping->count; i++)
        if (field->oneof >= 0 && mapping->fields[i].field->oneof == field->oneof)
            return true;
    return false;
}

static void load_field(struct mapping *mapping, const struct config_node *key,
    const struct config_node *value, const struct loader *loader) {
    const struct schema_field *field = find_field(key, mapping->target, loader->report);
    if (!field)
        return;
    if (shares_oneof(mapping, field))
        config_error(
            key, loader->report, "another field of the same oneof is mapped already; only one can be set");
    struct mapped_field *mapped = &mapping->fields[mapping->count++];
    *mapped = (struct mapped_field){.field = field, .at = key};
    if (field->map && value->kind == CONFIG_MAPPING)
        mapping_load_map(mapped, value, loader);
    else if (field->repeated && !field->map && value->kind != CONFIG_SCALAR)
        mapping_load_list(mapped, value, loader);
    else
        mapping_load_value(&mapped->value, field, false, value, loader);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = ((const struct mapped_field *)a)->field->number;
    uint32_t y = ((const struct mapped_field *)b)->field->number;
    return (x > y) - (x < y);
}

static bool is_mapped(const struct mapping *mapping, const struct schema_field *field) {
    for (size_t i = 0; i < mapping->count; i++)
        if (mapping->fields[i].field == field)
            return true;
    return false;
}

static void check_required(
    const struct mapping *mapping, const struct config_node *node, struct report *report) {
    const struct schema_message *target = mapping->target;
    for (size_t i = 0; i < target->field_count; i++)
        if (target->fields[i].needed && !is_mapped(mapping, &target->fields[i]))
            config_error(
                node, report, "%s.%s is required, but not mapped", target->full_name, target->fields[i].name);
}

// NOLINTNEXTLINE(misc-no-recursion): mappings nest 16 deep at most
struct mapping *mapping_load_fields(
    const struct config_node *node, const struct schema_message *target, const struct loader *loader) {
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (mapping) {
        mapping->target = target;
        mapping->fields = calloc(node->count + 1, sizeof *mapping->fields);
    }
    if (!mapping || !mapping->fields) {
        config_error(node, loader->report, "out of memory");
        mapping_destroy(&mapping);
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++)
        load_field(mapping, node->keys[i], node->values[i], loader);
    qsort(mapping->fields, mapping->count, sizeof *mapping->fields, by_number);
    check_required(mapping, node, loader->report);
    return mapping;
}

static bool is_target(const struct schema_message *target, const struct cel_type *type) {
    return type->kind == CEL_DYN || (type->kind == CEL_MESSAGE && type->message == target);
}

// An expression whose value is the message.
static struct mapping *load_whole(
    const struct config_node *node, const struct schema_message *target, const struct loader *loader) {
    char have[160];
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (!mapping) {
        config_error(node, loader->report, "out of memory");
        return NULL;
    }
    mapping->target = target;
    mapping->at = node;
    mapping->whole = mapping_expression(node, loader->env, CEL_DYN, loader->report);
    const struct cel_type *type = mapping->whole ? cel_program_type(mapping->whole) : NULL;
    if (type && !is_target(target, type))
        config_error_whole(node, loader->report,
            "this is %s, but %s is needed here; or a mapping of its fields to expressions",
            cel_type_name(type, have, sizeof have), target->full_name);
    return mapping;
}

struct mapping *mapping_load_partial(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report) {
    const struct loader loader = {.env = env, .report = report};
    bool scalar = node->kind == CONFIG_SCALAR;
    if (!scalar && (node->kind != CONFIG_MAPPING || node->count == 0)) {
        config_error(node, report, "expected a mapping of fields of %s to expressions", target->full_name);
        return NULL;
    }
    return scalar ? load_whole(node, target, &loader) : mapping_load_fields(node, target, &loader);
}

struct mapping *mapping_load(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report) {
    size_t before = report_errors(report);
    struct mapping *mapping = mapping_load_partial(node, target, env, report);
    if (report_errors(report) > before)
        mapping_destroy(&mapping);
    return mapping;
}

static void value_destroy(struct mapped_value *value) {
    cel_program_destroy(&value->program);
    mapping_destroy(&value->nested);
}

static void field_destroy(struct mapped_field *mapped) {
    value_destroy(&mapped->value);
    for (size_t i = 0; mapped->items && i < mapped->count; i++)
        value_destroy(&mapped->items[i]);
    free(mapped->items);
    free(mapped->keys);
    free(mapped->texts);
    cel_program_destroy(&mapped->list);
    cel_env_destroy(&mapped->env);
}

void mapping_destroy(struct mapping **self) {
    struct mapping *mapping = *self;
    if (!mapping)
        return;
    for (size_t i = 0; mapping->fields && i < mapping->count; i++)
        field_destroy(&mapping->fields[i]);
    cel_program_destroy(&mapping->whole);
    free(mapping->fields);
    free(mapping);
    *self = NULL;
}

const struct schema_message *mapping_target(const struct mapping *mapping) {
    return mapping->target;
}

// Where mappings report the fields that they fill.
struct tour {
    void (*visit)(void *context, const char *path, const struct config_node *at);
    void *context;
};

#define PATH_SIZE 512

static void each_field(const struct mapping *mapping, const char *prefix, const struct tour *tour);

// Messages without fields still tell how many there are.
// NOLINTNEXTLINE(misc-no-recursion): mappings nest 16 deep at most
static void each_inside(const struct mapped_value *value, const char *path, const struct config_node *at,
    const struct tour *tour) {
    if (value->nested && value->nested->count > 0)
        each_field(value->nested, path, tour);
    else
        tour->visit(tour->context, path, at);
}

// What lies in a map is told as the map: agreements don't look into one.
// NOLINTNEXTLINE(misc-no-recursion)
static void each_path(const struct mapped_field *mapped, const char *path, const struct tour *tour) {
    if (mapped->form == MAPPED_ENTRIES)
        tour->visit(tour->context, path, mapped->at);
    else if (mapped->form == MAPPED_LIST)
        for (size_t k = 0; k < mapped->count; k++)
            each_inside(&mapped->items[k], path, mapped->at, tour);
    else
        each_inside(&mapped->value, path, mapped->at, tour);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void each_field(const struct mapping *mapping, const char *prefix, const struct tour *tour) {
    for (size_t i = 0; i < mapping->count; i++) {
        const struct mapped_field *mapped = &mapping->fields[i];
        char path[PATH_SIZE];
        int size = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", mapped->field->name);
        if (size > 0 && size < PATH_SIZE)
            each_path(mapped, path, tour);
        else
            tour->visit(tour->context, "", mapped->at); // too long to be told: as if it were all
    }
}

void mapping_each_field(const struct mapping *mapping,
    void (*visit)(void *context, const char *path, const struct config_node *at), void *context) {
    const struct tour tour = {.visit = visit, .context = context};
    if (mapping->whole)
        visit(context, "", mapping->at);
    else
        each_field(mapping, "", &tour);
}
