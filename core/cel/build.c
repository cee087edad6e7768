// From the checked tree to the program.
#include "core/cel/collections.h"
#include "core/cel/functions.h"
#include "core/cel/program.h"
#include "core/cel/types.h"

#include <errno.h>

static struct node *new_node(struct compiler *compiler, node_eval eval, size_t args) {
    struct node *node = compiler_keep(compiler, sizeof *node);
    const struct node **list = node ? compiler_keep(compiler, (args + 1) * sizeof *list) : NULL;
    if (!list)
        return NULL;
    node->eval = eval;
    node->args = list;
    node->count = args;
    return node;
}

// NOLINTBEGIN(misc-no-recursion): the tree's height is limited
static const struct node *build_node(struct compiler *compiler, const struct ast *ast);

// A node over `target` (or NULL) and the arguments.
static struct node *build_over(struct compiler *compiler, const struct ast *ast, node_eval eval) {
    size_t count = ast->count + (ast->target ? 1 : 0);
    struct node *node = compiler_keep(compiler, sizeof *node);
    const struct node **list = node ? compiler_keep(compiler, (count + 1) * sizeof *list) : NULL;
    size_t n = 0;
    if (!list)
        return NULL;
    if (ast->target && !(list[n++] = build_node(compiler, ast->target)))
        return NULL;
    for (const struct ast *arg = ast->args; arg; arg = arg->next)
        if (!(list[n++] = build_node(compiler, arg)))
            return NULL;
    *node = (struct node){.eval = eval, .args = list, .count = count};
    return node;
}

static const struct node *build_literal(struct compiler *compiler, const struct cel_value *value) {
    struct node *node = new_node(compiler, eval_literal, 0);
    if (node)
        node->value = *value;
    return node;
}

static const struct node *build_indexed(struct compiler *compiler, node_eval eval, size_t index) {
    struct node *node = new_node(compiler, eval, 0);
    if (node)
        node->index = index;
    return node;
}

static const struct node *build_variable(struct compiler *compiler, const struct ast *ast) {
    const struct cel_variable *variable = &compiler->env->variables[ast->index];
    return build_indexed(compiler, variable->paths ? eval_scan : eval_variable, ast->index);
}

// ---- Fields that a scan finds ----

// The variable where the chain of fields starts; NULL when it passes through anything else.
static const struct cel_variable *path_base(
    const struct compiler *compiler, const struct ast *ast, size_t *count, size_t *index) {
    *count = 0;
    for (; ast->kind == AST_SELECT && ast->meaning == MEANS_FIELD; ast = ast->target) {
        if (*count > 0 && (ast->test || ast->field->repeated))
            return NULL;
        ++*count;
    }
    bool variable = ast->meaning == MEANS_VARIABLE && compiler->env->variables[ast->index].paths;
    *index = ast->index;
    return variable ? &compiler->env->variables[ast->index] : NULL;
}

static bool add_path(struct compiler *compiler, const struct cel_variable *variable, const struct ast *ast,
    const struct schema_field *const *fields, size_t count, uint32_t *slot) {
    size_t found;
    int rc = paths_add(variable->paths, fields, count, &found);
    if (rc == -EINVAL)
        compiler_problem(
            compiler, ast->offset, ast->length, "the field lies deeper than messages may be nested");
    else if (rc != 0)
        compiler->failure = rc;
    else
        *slot = (uint32_t)found;
    return rc == 0;
}

// The slots inside a message that CEL knows as a plain value.
static bool add_inner(struct compiler *compiler, const struct cel_variable *variable, const struct ast *ast,
    const struct schema_field **fields, size_t count, struct node_path *path) {
    const struct schema_message *message = path->field->message;
    enum known known = message && !path->field->repeated ? known_of(message) : KNOWN_NOT;
    if (known != KNOWN_TIMESTAMP && known != KNOWN_DURATION && known != KNOWN_WRAPPER)
        return true;
    size_t inner = message->field_count < 2 ? message->field_count : 2;
    for (size_t i = 0; i < inner; i++) { // seconds and nanos; or value
        fields[count] = &message->fields[i];
        if (!add_path(compiler, variable, ast, fields, count + 1, &path->inner[i]))
            return false;
    }
    return true;
}

static const struct node *build_path(struct compiler *compiler, const struct cel_variable *variable,
    const struct ast *ast, size_t count, size_t index) {
    const struct schema_field **fields = compiler_tree(compiler, (count + 1) * sizeof *fields);
    struct node *node = fields ? new_node(compiler, NULL, 0) : NULL;
    if (!node)
        return NULL;
    const struct ast *part = ast;
    for (size_t i = count; i > 0; i--, part = part->target)
        fields[i - 1] = part->field;
    struct node_path path = {.variable = (uint32_t)index, .field = ast->field};
    if (!add_path(compiler, variable, ast, fields, count, &path.slot))
        return NULL;
    if (!ast->test && !add_inner(compiler, variable, ast, fields, count, &path))
        return NULL;
    node->path = path;
    node->eval = ast->test ? eval_path_has : path_eval(ast->field);
    return node;
}

static const struct node *build_select(struct compiler *compiler, const struct ast *ast) {
    size_t count;
    size_t index;
    const struct cel_variable *variable = path_base(compiler, ast, &count, &index);
    if (variable)
        return build_path(compiler, variable, ast, count, index);
    struct node *node = build_over(compiler, ast, ast->test ? eval_has : eval_select);
    if (!node)
        return NULL;
    node->select.field = ast->meaning == MEANS_FIELD ? ast->field : NULL;
    node->select.name = compiler_keep_bytes(compiler, ast->name);
    return node->select.name.data ? node : NULL;
}

// ---- Calls ----

static bool bind_pattern(struct compiler *compiler, const struct ast *ast, struct node *node) {
    const struct ast *pattern = ast->last;
    char why[160];
    size_t offset;
    struct cel_program *program = compiler->program;
    if (!pattern || pattern->kind != AST_LITERAL || pattern->value.kind != CEL_STRING)
        return true;
    struct program_match *match = compiler_keep(compiler, sizeof *match);
    if (!match)
        return false;
    match->code = match_compile(pattern->value.bytes, &offset, why, sizeof why);
    if (!match->code) {
        if (why[0])
            compiler_problem(compiler, pattern->offset, pattern->length,
                "the pattern is wrong at its byte %zu: %s", offset + 1, why);
        else
            compiler->failure = -ENOMEM;
        return false;
    }
    match->next = program->matches;
    program->matches = match;
    node->call.bound = match;
    return true;
}

static bool all_literal(const struct node *node) {
    for (size_t i = 0; i < node->count; i++)
        if (node->args[i]->eval != eval_literal)
            return false;
    return true;
}

static bool is_plain(enum cel_kind kind) {
    return kind == CEL_BOOL || kind == CEL_INT || kind == CEL_UINT || kind == CEL_DOUBLE ||
           kind == CEL_TIMESTAMP || kind == CEL_DURATION;
}

// A list of literals is made once.
static const struct node *build_list(struct compiler *compiler, const struct ast *ast) {
    const struct node *node = build_over(compiler, ast, eval_list);
    if (!node || node->count == 0 || !all_literal(node))
        return node;
    struct cel_list *list = compiler_keep(compiler, sizeof *list);
    struct list_items *items = list ? compiler_keep(compiler, sizeof *items) : NULL;
    struct cel_value *values = items ? compiler_keep(compiler, node->count * sizeof *values) : NULL;
    if (!values)
        return NULL;
    for (size_t i = 0; i < node->count; i++)
        values[i] = node->args[i]->value;
    items->values = values;
    *list = (struct cel_list){.size = node->count, .items = items};
    return build_literal(compiler, &(struct cel_value){.kind = CEL_LIST, .list = list});
}

// What can be worked out now is. A time that is wrong is told now; other errors wait, as && and || may absorb
// them.
static const struct node *fold(struct compiler *compiler, const struct ast *ast, const struct node *node) {
    struct cel_value value;
    if (!node || !ast->overload || node->call.bound || !all_literal(node))
        return node;
    if (!compiler->activation && !(compiler->activation = cel_activation_new(compiler->env))) {
        compiler->failure = -ENOMEM;
        return NULL;
    }
    cel_activation_reset(compiler->activation);
    compiler->activation->program = compiler->program;
    compiler->activation->steps = compiler->limits->steps;
    node_run(node, compiler->activation, &value);
    if (compiler->activation->failure) {
        compiler->failure = compiler->activation->failure;
        return NULL;
    }
    bool time = bytes_equal_string(ast->name, "timestamp") || bytes_equal_string(ast->name, "duration");
    if (value.kind == CEL_ERROR && time) {
        compiler_problem(compiler, ast->args->offset, ast->args->length, "%s", value.error->text);
        return NULL;
    }
    return is_plain(value.kind) ? build_literal(compiler, &value) : node;
}

static const struct node *build_function(struct compiler *compiler, const struct ast *ast) {
    static const node_eval evals[] = {NULL, eval_call_1, eval_call_2, eval_call_more, eval_call_more};
    size_t count = ast->count + (ast->target ? 1 : 0);
    struct node *node = build_over(compiler, ast, ast->overload ? evals[count] : eval_call_any);
    if (!node)
        return NULL;
    if (count == 0 || count > CEL_ARGS) { // no function takes as many
        node->eval = eval_no_overload;
        return node;
    }
    node->call.function = ast->overload ? ast->overload->function : NULL;
    node->call.overload = overload_find(ast->name);
    node->call.member = ast->target != NULL;
    node->call.bound = ast->bound;
    if (bytes_equal_string(ast->name, "matches") && !bind_pattern(compiler, ast, node))
        return NULL;
    if (ast->overload)
        fast_choose(ast, node);
    return fold(compiler, ast, node);
}

static const struct node *build_call(struct compiler *compiler, const struct ast *ast) {
    if (bytes_equal_string(ast->name, "_&&_"))
        return build_over(compiler, ast, eval_and);
    if (bytes_equal_string(ast->name, "_||_"))
        return build_over(compiler, ast, eval_or);
    if (bytes_equal_string(ast->name, "_?_:_"))
        return build_over(compiler, ast, eval_choice);
    return build_function(compiler, ast);
}

static const struct node *build_macro(struct compiler *compiler, const struct ast *ast) {
    struct node *node = build_over(compiler, ast, eval_macro);
    if (!node)
        return NULL;
    node->macro.local = ast->index;
    node->macro.kind = ast->macro;
    node->macro.two = ast->second.data != NULL;
    return node;
}

static const struct node *build_bind(struct compiler *compiler, const struct ast *ast) {
    struct node *node = build_over(compiler, ast, eval_bind);
    if (node)
        node->macro.local = ast->index;
    return node;
}

// A name that means nothing, where the env is dynamic.
static const struct node *build_unknown(struct compiler *compiler, const struct ast *ast) {
    struct node *node = new_node(compiler, eval_unknown, 0);
    const struct ast *named = ast->kind == AST_NEW ? ast->target : ast;
    if (!node)
        return NULL;
    node->select.name = compiler_keep_bytes(compiler, named->name);
    return node->select.name.data ? node : NULL;
}

// Type{field: value}: a node for each value, and which fields they are.
static const struct node *build_new(struct compiler *compiler, const struct ast *ast) {
    struct node *node = new_node(compiler, eval_new, ast->count);
    const struct node **args = node ? compiler_keep(compiler, (ast->count + 1) * sizeof *args) : NULL;
    const struct schema_field **fields =
        args ? compiler_keep(compiler, (ast->count + 1) * sizeof *fields) : NULL;
    size_t n = 0;
    if (!fields)
        return NULL;
    for (const struct ast *field = ast->args; field; field = field->next, n++) {
        fields[n] = field->field;
        if (!(args[n] = build_node(compiler, field->target)))
            return NULL;
    }
    node->args = args;
    node->make.type = ast->message;
    node->make.fields = fields;
    return node;
}

static const struct node *build_node(struct compiler *compiler, const struct ast *ast) {
    if (ast->kind == AST_LITERAL || ast->meaning == MEANS_CONSTANT)
        return build_literal(compiler, &ast->value);
    if (ast->meaning == MEANS_UNKNOWN)
        return build_unknown(compiler, ast);
    if (ast->meaning == MEANS_VARIABLE)
        return build_variable(compiler, ast);
    if (ast->meaning == MEANS_LOCAL)
        return build_indexed(compiler, eval_local, ast->index);
    switch (ast->kind) {
    case AST_SELECT:
        return build_select(compiler, ast);
    case AST_CALL:
        return build_call(compiler, ast);
    case AST_LIST:
        return build_list(compiler, ast);
    case AST_MAP:
        return build_over(compiler, ast, eval_map);
    case AST_MACRO:
        return build_macro(compiler, ast);
    case AST_BIND:
        return build_bind(compiler, ast);
    case AST_NEW:
        return build_new(compiler, ast);
    default:
        return NULL; // a name that the checker refused
    }
}
// NOLINTEND(misc-no-recursion)

const struct node *build(struct compiler *compiler, const struct ast *root) {
    return build_node(compiler, root);
}
