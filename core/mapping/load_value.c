// One value: an expression, a nested mapping, or the name of an enum's value.
#include "core/mapping/internal.h"
#include "core/schema/nearest.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

static bool ends_early(const struct config_node *scalar, const struct cel_problem *problem) {
    return problem->offset + problem->length >= scalar->text.size && config_cut_by_comment(scalar) &&
           strstr(problem->text, "missing");
}

static void report_problems(
    const struct config_node *scalar, const struct cel_problems *problems, struct report *report) {
    bool empty = scalar->text.size == 0; // its quotes are underlined then
    for (size_t i = 0; i < problems->count && empty; i++)
        config_error(scalar, report, "%s", problems->items[i].text);
    for (size_t i = 0; i < problems->count && !empty; i++)
        config_error_inside(scalar, problems->items[i].offset, problems->items[i].length, report, "%s%s",
            problems->items[i].text,
            ends_early(scalar, &problems->items[i])
                ? "; a \" #\" begins a comment in YAML: put the expression in quotes or in a block"
                : "");
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
    config_error_whole(scalar, report, "this is %s, but %s is needed here",
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

static void load_enum(struct mapped_value *out, const struct schema_enum *enumeration,
    const struct config_node *scalar, struct bytes name, struct report *report) {
    const struct schema_enum_value *value = schema_enum_named(enumeration, name);
    if (value) {
        out->number = value->number;
        return;
    }
    const char *nearest = nearest_value(enumeration, name);
    config_error_inside(scalar, 1, name.size, report, "%s has no value \"%.*s\"%s%s%s",
        enumeration->full_name, BYTES_ARGS(name), nearest ? "; did you mean \"" : "", nearest ? nearest : "",
        nearest ? "\"?" : "");
}

static const char *what_it_is(const struct schema_field *field, bool one) {
    if (field->map && !one)
        return "a map";
    return field->repeated && !one ? "a list" : "no message";
}

// A mapping where the field has no fields inside.
static void report_mapping(
    const struct schema_field *field, bool one, const struct config_node *node, const struct loader *loader) {
    config_error(node, loader->report, "%s is %s: expected an expression, not a mapping", field->name,
        what_it_is(field, one));
}

static void load_nested(struct mapped_value *out, const struct schema_field *field, bool one,
    const struct config_node *node, const struct loader *loader) {
    struct loader inner = *loader;
    inner.depth++;
    if (field->kind != SCHEMA_MESSAGE || mapping_special(field->message) != MAPPING_PLAIN)
        report_mapping(field, one, node, loader);
    else if (loader->depth == MAPPING_NESTING_LIMIT)
        config_error(node, loader->report, "mappings nest at most %d deep", MAPPING_NESTING_LIMIT);
    else
        out->nested = mapping_load_fields(node, field->message, &inner);
}

static void load_expression(struct mapped_value *out, const struct schema_field *field, bool one,
    const struct config_node *node, const struct loader *loader) {
    char have[160];
    char wanted[400];
    out->program = compile(node, loader->env, loader->report);
    if (!out->program)
        return;
    const struct cel_type *type = cel_program_type(out->program);
    if (!mapping_fits(field, one, type, wanted, sizeof wanted))
        config_error_whole(node, loader->report, "%s.%s takes %s, but this is %s%s", field->parent->full_name,
            field->name, wanted, cel_type_name(type, have, sizeof have), mapping_hint(field, one, type));
}

void mapping_load_value(struct mapped_value *out, const struct schema_field *field, bool one,
    const struct config_node *node, const struct loader *loader) {
    struct bytes name;
    bool single = one || !field->repeated;
    if (node->kind == CONFIG_MAPPING)
        load_nested(out, field, one, node, loader);
    else if (single && node->kind == CONFIG_SCALAR && field->kind == SCHEMA_ENUM && enum_name(node, &name))
        load_enum(out, field->enumeration, node, name, loader->report);
    else
        load_expression(out, field, one, node, loader);
}
