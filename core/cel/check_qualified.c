// Functions with a namespace: in math.abs(x) no value is named math.
#include "core/cel/check.h"
#include "core/cel/functions.h"

#include <errno.h>

static bool is_variable(const struct compiler *compiler, struct bytes name) {
    for (const struct local *local = compiler->locals; local; local = local->outer)
        if (bytes_equal(local->name, name))
            return true;
    for (size_t i = 0; i < compiler->env->count; i++)
        if (bytes_equal_string(name, compiler->env->variables[i].name))
            return true;
    return false;
}

// math.greatest(a, b, c) is math.greatest([a, b, c]).
static void gather(struct compiler *compiler, struct ast *node) {
    struct ast *list = compiler_tree(compiler, sizeof *list);
    if (!list)
        return;
    *list = (struct ast){.kind = AST_LIST,
        .offset = node->args->offset,
        .length = node->last->offset + node->last->length - node->args->offset,
        .args = node->args,
        .last = node->last,
        .count = node->count,
        .height = node->height};
    node->args = node->last = list;
    node->count = 1;
}

void check_qualified(struct compiler *compiler, struct ast *node) {
    const struct ast *space = node->target;
    if (!space || space->kind != AST_NAME || !overload_has_space(space->name) ||
        (!space->rooted && is_variable(compiler, space->name)))
        return;
    const char *full = arena_join(&compiler->tree, space->name, node->name);
    if (!full) {
        compiler->failure = -ENOMEM;
        return;
    }
    node->name = bytes_of_string(full);
    node->name_length += node->name_offset - space->offset;
    node->name_offset = space->offset;
    node->target = NULL;
    bool many = node->count > 2;
    if (many &&
        (bytes_equal_string(node->name, "math.greatest") || bytes_equal_string(node->name, "math.least")))
        gather(compiler, node);
}
