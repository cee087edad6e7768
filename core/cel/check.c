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
    check_set(node, type_list(compiler, element ? element : type_nothing()));
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
            compiler_mismatch(compiler, arg->offset, arg->length,
                "a map's key is a bool, int, uint or string, not %s", check_type_name(arg, name));
        types[i] = types[i] ? type_join(compiler, types[i], arg->type) : arg->type;
        types[i] = types[i] ? types[i] : type_basic(CEL_DYN);
    }
    const struct cel_type *nothing = type_nothing();
    check_set(node, type_map(compiler, types[0] ? types[0] : nothing, types[1] ? types[1] : nothing));
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
    case AST_BIND:
        check_bind(compiler, node);
        break;
    case AST_NEW:
        check_new(compiler, node);
        break;
    case AST_FIELD: // inside NEW
        break;
    }
    if (compiler->env->dynamic && node->type->kind == CEL_ERROR)
        check_set(node, type_basic(CEL_DYN)); // nothing was reported: the evaluation finds out
}
// NOLINTEND(misc-no-recursion)

void check(struct compiler *compiler, struct ast *root) {
    check_node(compiler, root);
}
