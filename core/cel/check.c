#include "core/cel/check.h"

void check_set(struct ast *node, const struct cel_type *type) {
    node->type = type ? type : type_basic(CEL_ERROR);
}

const char *check_type_name(const struct ast *node, char out[TYPE_NAME]) {
    return cel_type_name(node->type, out, TYPE_NAME);
}

// The tree's height is limited; that bounds the recursion of all parts of the checker.
// NOLINTBEGIN(misc-no-recursion)
static void check_list(struct compiler *compiler, struct ast *node) {
    const struct cel_type *element = NULL;
    for (struct ast *arg = node->args; arg; arg = arg->next) {
        check_node(compiler, arg);
        element = element ? type_join(compiler, element, arg->type) : arg->type;
        element = element ? element : type_basic(CEL_DYN);
    }
    check_set(node, type_list(compiler, element ? element : type_basic(CEL_DYN)));
}

static bool key_type(const struct cel_type *type) {
    return type_unknown(type) || type->kind == CEL_BOOL || type->kind == CEL_INT || type->kind == CEL_UINT ||
           type->kind == CEL_STRING || type->kind == CEL_ENUM;
}

static void check_map(struct compiler *compiler, struct ast *node) {
    const struct cel_type *types[2] = {NULL, NULL}; // of keys, of values
    size_t i = 0;
    char name[TYPE_NAME];
    for (struct ast *arg = node->args; arg; arg = arg->next, i = 1 - i) {
        check_node(compiler, arg);
        if (i == 0 && !key_type(arg->type))
            compiler_problem(compiler, arg->offset, arg->length,
                "a map's key is a bool, int, uint or string, not %s", check_type_name(arg, name));
        types[i] = types[i] ? type_join(compiler, types[i], arg->type) : arg->type;
        types[i] = types[i] ? types[i] : type_basic(CEL_DYN);
    }
    const struct cel_type *dyn = type_basic(CEL_DYN);
    check_set(node, type_map(compiler, types[0] ? types[0] : dyn, types[1] ? types[1] : dyn));
}

static void check_new(struct compiler *compiler, struct ast *node) {
    compiler_problem(compiler, node->offset, node->length,
        "a message can't be built inside an expression; in a mapping, fill its fields by a mapping of their "
        "own");
    check_set(node, NULL);
}

// What the macro's name stands for: an element of the list, or a key of the map.
static const struct cel_type *element_of(struct compiler *compiler, const struct ast *node) {
    const struct cel_type *range = node->target->type;
    char name[TYPE_NAME];
    if (range->kind == CEL_LIST)
        return range->element;
    if (range->kind == CEL_MAP)
        return range->key;
    if (!type_unknown(range))
        compiler_problem(compiler, node->name_offset, node->name_length,
            "%.*s() works on a list or map, not on %s", (int)node->name_length,
            (const char *)compiler->source.data + node->name_offset, check_type_name(node->target, name));
    return range->kind == CEL_DYN ? range : type_basic(CEL_ERROR);
}

static void check_condition(struct compiler *compiler, const struct ast *condition) {
    char name[TYPE_NAME];
    if (condition && !type_unknown(condition->type) && condition->type->kind != CEL_BOOL)
        compiler_problem(compiler, condition->offset, condition->length,
            "the macro's condition is a bool, not %s", check_type_name(condition, name));
}

static void check_macro(struct compiler *compiler, struct ast *node) {
    check_node(compiler, node->target);
    struct local local = {.name = node->name,
        .type = element_of(compiler, node),
        .outer = compiler->locals,
        .index = compiler->depth};
    node->index = compiler->depth++;
    if (compiler->local_count < compiler->depth)
        compiler->local_count = compiler->depth;
    compiler->locals = &local;
    for (struct ast *arg = node->args; arg; arg = arg->next)
        check_node(compiler, arg);
    compiler->locals = local.outer;
    compiler->depth--;
    if (node->macro != MACRO_MAP)
        check_condition(compiler, node->args);
    if (node->macro == MACRO_FILTER)
        check_set(node, type_list(compiler, local.type));
    else if (node->macro == MACRO_MAP || node->macro == MACRO_MAP_IF)
        check_set(node, type_list(compiler, node->last->type));
    else
        check_set(node, type_basic(CEL_BOOL));
}

void check_node(struct compiler *compiler, struct ast *node) {
    switch (node->kind) {
    case AST_LITERAL:
        check_set(node, type_basic(node->value.kind));
        break;
    case AST_NAME:
        check_name(compiler, node);
        break;
    case AST_SELECT:
        check_select(compiler, node);
        break;
    case AST_CALL:
        check_call(compiler, node);
        break;
    case AST_LIST:
        check_list(compiler, node);
        break;
    case AST_MAP:
        check_map(compiler, node);
        break;
    case AST_MACRO:
        check_macro(compiler, node);
        break;
    case AST_NEW:
    case AST_FIELD:
        check_new(compiler, node);
        break;
    }
}
// NOLINTEND(misc-no-recursion)

void check(struct compiler *compiler, struct ast *root) {
    check_node(compiler, root);
}
