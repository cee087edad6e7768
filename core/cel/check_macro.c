// Macros: their names stand for parts of a list or map, or for a value, in what is evaluated.
#include "core/cel/check.h"

// Makes the name known inside; `local` must live until it is taken off again.
static void push_local(
    struct compiler *compiler, struct local *local, struct bytes name, const struct cel_type *type) {
    *local =
        (struct local){.name = name, .type = type, .outer = compiler->locals, .index = compiler->depth++};
    if (compiler->local_count < compiler->depth)
        compiler->local_count = compiler->depth;
    compiler->locals = local;
}

static void pop_local(struct compiler *compiler) {
    compiler->locals = compiler->locals->outer;
    compiler->depth--;
}

// What the macro walks over must be a list or map.
static const struct cel_type *range_of(struct compiler *compiler, const struct ast *node) {
    const struct cel_type *range = node->target->type;
    char name[TYPE_NAME];
    if (range->kind == CEL_LIST || range->kind == CEL_MAP)
        return range;
    if (!type_unknown(range))
        compiler_mismatch(compiler, node->name_offset, node->name_length,
            "%.*s() works on a list or map, not on %s", (int)node->name_length,
            (const char *)compiler->source.data + node->name_offset, check_type_name(node->target, name));
    return NULL;
}

static const struct cel_type *unknown_of(const struct ast *node) {
    return node->target->type->kind == CEL_ERROR ? type_basic(CEL_ERROR) : type_basic(CEL_DYN);
}

// What the first name stands for: an element of the list or a key of the map; of two names: index or key.
static const struct cel_type *first_type(const struct ast *node, const struct cel_type *range) {
    if (!range)
        return unknown_of(node);
    if (range->kind == CEL_MAP)
        return range->key;
    return node->second.data ? type_basic(CEL_INT) : range->element;
}

static bool has_condition(enum ast_macro macro) {
    return macro != MACRO_MAP && macro != MACRO_VALUES && macro != MACRO_ENTRIES;
}

static void check_condition(struct compiler *compiler, const struct ast *condition) {
    char name[TYPE_NAME];
    if (condition && !type_unknown(condition->type) && condition->type->kind != CEL_BOOL)
        compiler_mismatch(compiler, condition->offset, condition->length,
            "the macro's condition is a bool, not %s", check_type_name(condition, name));
}

static const struct cel_type *entries_type(struct compiler *compiler, const struct ast *node) {
    const struct cel_type *type = node->last->type;
    char name[TYPE_NAME];
    if (type->kind == CEL_MAP)
        return type;
    if (!type_unknown(type))
        compiler_mismatch(compiler, node->last->offset, node->last->length,
            "transformMapEntry() makes a map of maps such as {key: value}, not of %s",
            check_type_name(node->last, name));
    return type_basic(CEL_MAP);
}

static const struct cel_type *result_type(
    struct compiler *compiler, const struct ast *node, const struct cel_type *first) {
    switch (node->macro) {
    case MACRO_FILTER:
        return type_list(compiler, first);
    case MACRO_MAP:
    case MACRO_MAP_IF:
        return type_list(compiler, node->last->type);
    case MACRO_VALUES:
    case MACRO_VALUES_IF:
        return type_map(compiler, first, node->last->type);
    case MACRO_ENTRIES:
    case MACRO_ENTRIES_IF:
        return entries_type(compiler, node);
    default:
        return type_basic(CEL_BOOL);
    }
}

// NOLINTBEGIN(misc-no-recursion): the tree's height is limited
void check_macro(struct compiler *compiler, struct ast *node) {
    struct local locals[2];
    check_node(compiler, node->target);
    const struct cel_type *range = range_of(compiler, node);
    const struct cel_type *first = first_type(node, range);
    node->index = compiler->depth;
    push_local(compiler, &locals[0], node->name, first);
    if (node->second.data)
        push_local(compiler, &locals[1], node->second, range ? range->element : unknown_of(node));
    for (struct ast *arg = node->args; arg; arg = arg->next)
        check_node(compiler, arg);
    if (node->second.data)
        pop_local(compiler);
    pop_local(compiler);
    if (has_condition(node->macro))
        check_condition(compiler, node->args);
    check_set(node, result_type(compiler, node, first));
}

void check_bind(struct compiler *compiler, struct ast *node) {
    struct local local;
    check_node(compiler, node->target);
    node->index = compiler->depth;
    push_local(compiler, &local, node->name, node->target->type);
    check_node(compiler, node->args);
    pop_local(compiler);
    check_set(node, node->args->type);
}
// NOLINTEND(misc-no-recursion)
