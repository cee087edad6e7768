#include "core/mapping/internal.h"
#include "core/schema/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NESTING_LIMIT 16

static void report_problems(
    const struct config_node *scalar, const struct cel_problems *problems, struct report *report) {
    for (size_t i = 0; i < problems->count; i++)
        config_error_inside(scalar, problems->items[i].offset, problems->items[i].length, report, "%s",
            problems->items[i].text);
}

static struct cel_program *compile(
    const struct config_node *scalar, const struct cel_env *env, struct report *report) {
    if (scalar->kind != CONFIG_SCALAR) {
        config_error(scalar, report, "expected an expression, not a %s",
            scalar->kind == CONFIG_SEQUENCE ? "sequence" : "mapping");
        return NULL;
    }
    struct cel_program *program = NULL;
    struct cel_problems *problems = calloc(1, sizeof *problems);
    int rc = problems ? cel_compile(env, scalar->text, NULL, &program, problems) : -ENOMEM;
    if (rc == CEL_REFUSED)
        report_problems(scalar, problems, report);
    else if (rc)
        config_error(scalar, report, "out of memory");
    free(problems);
    return program;
}

struct cel_program *mapping_expression(
    const struct config_node *scalar, const struct cel_env *env, enum cel_kind want, struct report *report) {
    struct cel_program *program = compile(scalar, env, report);
    if (!program || want == CEL_DYN)
        return program;
    const struct cel_type *type = cel_program_type(program);
    if (type->kind == want || type->kind == CEL_DYN || (want == CEL_INT && type->kind == CEL_ENUM))
        return program;
    char have[160];
    char wanted[160];
    config_error_inside(scalar, 0, scalar->text.size, report, "this is %s, but %s is needed here",
        cel_type_name(type, have, sizeof have),
        cel_type_name(&(struct cel_type){.kind = want}, wanted, sizeof wanted));
    cel_program_destroy(&program);
    return NULL;
}

// 'MOVE_IN': a name in quotes is the value of an enum. False where the scalar is anything else.
static bool enum_name(const struct config_node *scalar, struct bytes *name) {
    struct bytes text = scalar->text;
    if (text.size < 3 || (text.data[0] != '"' && text.data[0] != '\'') ||
        text.data[text.size - 1] != text.data[0])
        return false;
    *name = bytes_of(text.data + 1, text.size - 2);
    for (size_t i = 0; i < name->size; i++)
        if (!isalnum(name->data[i]) && name->data[i] != '_')
            return false;
    return true;
}

static const char *nearest_value(const struct schema_enum *enumeration, struct bytes name) {
    struct nearest nearest = nearest_start(name);
    for (size_t i = 0; i < enumeration->value_count; i++)
        nearest_offer(&nearest, enumeration->values[i].name);
    return nearest.best;
}

static void load_enum(
    struct mapped_field *mapped, const struct config_node *scalar, struct bytes name, struct report *report) {
    const struct schema_enum *enumeration = mapped->field->enumeration;
    const struct schema_enum_value *value = schema_enum_named(enumeration, name);
    if (value) {
        mapped->number = value->number;
        return;
    }
    const char *nearest = nearest_value(enumeration, name);
    config_error_inside(scalar, 1, name.size, report, "%s has no value \"%.*s\"%s%s%s",
        enumeration->full_name, BYTES_ARGS(name), nearest ? "; did you mean \"" : "", nearest ? nearest : "",
        nearest ? "\"?" : "");
}

static struct mapping *load(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report, unsigned depth);

static void load_nested(struct mapped_field *mapped, const struct config_node *value,
    const struct cel_env *env, struct report *report, unsigned depth) {
    const struct schema_field *field = mapped->field;
    if (field->repeated || field->kind != SCHEMA_MESSAGE || mapping_special(field->message) != MAPPING_PLAIN)
        config_error(value, report, "%s is %s: expected an expression, not a mapping", field->name,
            field->map        ? "a map"
            : field->repeated ? "a list"
                              : "no message");
    else if (depth == NESTING_LIMIT)
        config_error(value, report, "mappings nest at most %d deep", NESTING_LIMIT);
    else
        mapped->nested = load(value, field->message, env, report, depth + 1);
}

static void load_expression(struct mapped_field *mapped, const struct config_node *value,
    const struct cel_env *env, struct report *report) {
    const struct schema_field *field = mapped->field;
    struct bytes name;
    if (value->kind == CONFIG_SCALAR && field->kind == SCHEMA_ENUM && !field->repeated &&
        enum_name(value, &name)) {
        load_enum(mapped, value, name, report);
        return;
    }
    mapped->program = compile(value, env, report);
    if (!mapped->program)
        return;
    char have[160];
    char wanted[400];
    const struct cel_type *type = cel_program_type(mapped->program);
    if (!mapping_fits(field, type, wanted, sizeof wanted))
        config_error_inside(value, 0, value->text.size, report, "%s.%s takes %s, but this is %s",
            field->parent->full_name, field->name, wanted, cel_type_name(type, have, sizeof have));
}

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
    const struct config_node *value, const struct cel_env *env, struct report *report, unsigned depth) {
    const struct schema_field *field = find_field(key, mapping->target, report);
    if (!field)
        return;
    if (shares_oneof(mapping, field))
        config_error(key, report, "another field of the same oneof is mapped already; only one can be set");
    struct mapped_field *mapped = &mapping->fields[mapping->count++];
    *mapped = (struct mapped_field){.field = field, .at = key};
    if (value->kind == CONFIG_MAPPING)
        load_nested(mapped, value, env, report, depth);
    else
        load_expression(mapped, value, env, report);
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
        if (target->fields[i].required && !is_mapped(mapping, &target->fields[i]))
            config_error(
                node, report, "%s.%s is required, but not mapped", target->full_name, target->fields[i].name);
}

static struct mapping *load(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report, unsigned depth) {
    struct mapping *mapping = calloc(1, sizeof *mapping);
    if (mapping) {
        mapping->target = target;
        mapping->fields = calloc(node->count + 1, sizeof *mapping->fields);
    }
    if (!mapping || !mapping->fields) {
        config_error(node, report, "out of memory");
        mapping_destroy(&mapping);
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++)
        load_field(mapping, node->keys[i], node->values[i], env, report, depth);
    qsort(mapping->fields, mapping->count, sizeof *mapping->fields, by_number);
    check_required(mapping, node, report);
    return mapping;
}

struct mapping *mapping_load(const struct config_node *node, const struct schema_message *target,
    const struct cel_env *env, struct report *report) {
    size_t before = report_errors(report);
    if (node->kind != CONFIG_MAPPING || node->count == 0) {
        config_error(node, report, "expected a mapping of fields of %s to expressions", target->full_name);
        return NULL;
    }
    struct mapping *mapping = load(node, target, env, report, 0);
    if (report_errors(report) > before)
        mapping_destroy(&mapping);
    return mapping;
}

void mapping_destroy(struct mapping **self) {
    struct mapping *mapping = *self;
    if (!mapping)
        return;
    for (size_t i = 0; mapping->fields && i < mapping->count; i++) {
        cel_program_destroy(&mapping->fields[i].program);
        mapping_destroy(&mapping->fields[i].nested);
    }
    free(mapping->fields);
    free(mapping);
    *self = NULL;
}

const struct schema_message *mapping_target(const struct mapping *mapping) {
    return mapping->target;
}

static void each_field(const struct mapping *mapping, const char *prefix,
    void (*visit)(void *context, const char *path, const struct config_node *at), void *context) {
    for (size_t i = 0; i < mapping->count; i++) {
        const struct mapped_field *mapped = &mapping->fields[i];
        char path[512];
        snprintf(path, sizeof path, "%s%s", prefix, mapped->field->name);
        if (!mapped->nested) {
            visit(context, path, mapped->at);
            continue;
        }
        size_t length = strlen(path);
        snprintf(path + length, sizeof path - length, ".");
        each_field(mapped->nested, path, visit, context);
    }
}

void mapping_each_field(const struct mapping *mapping,
    void (*visit)(void *context, const char *path, const struct config_node *at), void *context) {
    each_field(mapping, "", visit, context);
}
