// Messages that are built: Type{field: value}.
#include "core/cel/check.h"
#include "core/cel/suggest.h"

static void report_field(
    struct compiler *compiler, const struct schema_message *message, const struct ast *field) {
    struct nearest nearest = nearest_start(field->name);
    char suggestion[SUGGEST_SIZE];
    for (size_t i = 0; i < message->field_count; i++)
        nearest_offer(&nearest, message->fields[i].name);
    compiler_problem(compiler, field->name_offset, field->name_length, "%s has no field %.*s%s",
        message->full_name, BYTES_ARGS(field->name), suggest_text(&nearest, "", "", suggestion));
}

static bool accepts_null(const struct schema_field *field) {
    if (field->repeated)
        return false;
    if (field->kind == SCHEMA_ENUM)
        return strcmp(field->enumeration->full_name, "google.protobuf.NullValue") == 0;
    enum known known = field->message ? known_of(field->message) : KNOWN_STRUCT;
    return known != KNOWN_STRUCT && known != KNOWN_LIST;
}

static bool field_accepts(
    const struct schema_field *field, const struct cel_type *wanted, const struct cel_type *value) {
    return value->kind == CEL_NULL ? accepts_null(field) : type_accepts(wanted, value);
}

// NOLINTBEGIN(misc-no-recursion): the tree's height is limited
static void check_value(struct compiler *compiler, const struct schema_message *message, struct ast *field) {
    char wanted[TYPE_NAME];
    char have[TYPE_NAME];
    check_node(compiler, field->target);
    check_set(field, field->target->type);
    field->field = message ? schema_field_named(message, field->name) : NULL;
    if (message && !field->field && !compiler->env->dynamic)
        report_field(compiler, message, field);
    const struct cel_type *type = field->field ? type_of_field(compiler, field->field) : NULL;
    if (type && !field_accepts(field->field, type, field->target->type))
        compiler_mismatch(compiler, field->target->offset, field->target->length, "%s.%s takes %s, not %s",
            message->full_name, field->field->name, cel_type_name(type, wanted, sizeof wanted),
            check_type_name(field->target, have));
}

// Another member of its oneof that is given before it, or NULL.
static const struct ast *rival_before(const struct ast *node, const struct ast *field) {
    for (const struct ast *other = node->args; other != field; other = other->next)
        if (other->field && field->field && field->field->oneof >= 0 &&
            other->field->oneof == field->field->oneof && other->field != field->field)
            return other;
    return NULL;
}

static bool stands_before(const struct ast *node, const struct ast *field) {
    for (const struct ast *other = node->args; other != field; other = other->next)
        if (bytes_equal(other->name, field->name))
            return true;
    return false;
}

void check_new(struct compiler *compiler, struct ast *node) {
    const struct schema_message *message = check_type(compiler, node->target);
    for (struct ast *field = node->args; field; field = field->next) {
        check_value(compiler, message, field);
        if (stands_before(node, field))
            compiler_problem(compiler, field->name_offset, field->name_length,
                "the field %.*s is given twice", BYTES_ARGS(field->name));
        const struct ast *rival = rival_before(node, field);
        if (rival)
            compiler_mismatch(compiler, field->name_offset, field->name_length,
                "%.*s and %.*s are of one oneof, of which one is set", BYTES_ARGS(rival->name),
                BYTES_ARGS(field->name));
    }
    node->message = message;
    node->meaning = message ? MEANS_NOTHING : MEANS_UNKNOWN;
    check_set(node, message ? node->target->type : NULL);
}
// NOLINTEND(misc-no-recursion)
