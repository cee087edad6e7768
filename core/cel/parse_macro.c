// has() and the macros on lists: calls by their looks, but their first argument is a name and not a value.
#include "core/cel/compiler.h"

static struct ast *wrong(struct parser *parser, const struct ast *at, const char *why) {
    compiler_problem(parser->compiler, at->offset, at->length, "%s", why);
    return NULL;
}

static struct ast *expand_has(struct parser *parser, struct ast *call) {
    struct ast *field = call->args;
    if (call->count != 1 || field->kind != AST_SELECT || field->test)
        return wrong(parser, call, "has() takes one field: has(msg.field)");
    field->test = true;
    field->offset = call->offset;
    field->length = call->length;
    return field;
}

struct macro {
    const char *name;
    size_t count;
    enum ast_macro macro;
    const char *usage;
};

static const struct macro macros[] = {
    {"all", 2, MACRO_ALL, "all() takes a name and a condition: list.all(x, x > 0)"},
    {"exists", 2, MACRO_EXISTS, "exists() takes a name and a condition: list.exists(x, x > 0)"},
    {"exists_one", 2, MACRO_EXISTS_ONE,
        "exists_one() takes a name and a condition: list.exists_one(x, x > 0)"},
    {"map", 3, MACRO_MAP_IF, NULL},
    {"map", 2, MACRO_MAP,
        "map() takes a name and a value: list.map(x, x + 1); or a name, a condition and a value"},
    {"filter", 2, MACRO_FILTER, "filter() takes a name and a condition: list.filter(x, x > 0)"},
};

static const struct macro *find(const struct ast *call) {
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (bytes_equal_string(call->name, macros[i].name) &&
            (call->count == macros[i].count || macros[i].usage))
            return &macros[i];
    return NULL;
}

static struct ast *expand(struct parser *parser, struct ast *call, const struct macro *macro) {
    struct ast *name = call->args;
    if (call->count != macro->count)
        return wrong(parser, call, macro->usage);
    if (name->kind != AST_NAME || name->rooted)
        return wrong(parser, name, "a macro's first argument is a name for the element, such as x");
    call->kind = AST_MACRO;
    call->macro = macro->macro;
    call->name = name->name; // its place stays that of the macro
    call->args = name->next;
    call->count--;
    return call;
}

struct ast *parse_macro(struct parser *parser, struct ast *call) {
    if (!call->target)
        return bytes_equal_string(call->name, "has") && !call->rooted ? expand_has(parser, call) : call;
    const struct macro *macro = find(call);
    return macro ? expand(parser, call, macro) : call;
}
