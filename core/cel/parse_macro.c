// has(), cel.bind() and the macros on lists and maps: calls by their looks, but they take names, which are
// not values.
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
    size_t variables;
    size_t count; // of arguments, the variables among them
    enum ast_macro macro;
};

static const struct macro macros[] = {
    {"all", 1, 2, MACRO_ALL},
    {"exists", 1, 2, MACRO_EXISTS},
    {"exists_one", 1, 2, MACRO_EXISTS_ONE},
    {"existsOne", 1, 2, MACRO_EXISTS_ONE},
    {"map", 1, 2, MACRO_MAP},
    {"map", 1, 3, MACRO_MAP_IF},
    {"filter", 1, 2, MACRO_FILTER},
    {"all", 2, 3, MACRO_ALL},
    {"exists", 2, 3, MACRO_EXISTS},
    {"exists_one", 2, 3, MACRO_EXISTS_ONE},
    {"existsOne", 2, 3, MACRO_EXISTS_ONE},
    {"transformList", 2, 3, MACRO_MAP},
    {"transformList", 2, 4, MACRO_MAP_IF},
    {"transformMap", 2, 3, MACRO_VALUES},
    {"transformMap", 2, 4, MACRO_VALUES_IF},
    {"transformMapEntry", 2, 3, MACRO_ENTRIES},
    {"transformMapEntry", 2, 4, MACRO_ENTRIES_IF},
};

static const struct {
    const char *name;
    const char *usage;
} usages[] = {
    {"all", "all() takes a name and a condition: list.all(x, x > 0)"},
    {"exists", "exists() takes a name and a condition: list.exists(x, x > 0)"},
    {"exists_one", "exists_one() takes a name and a condition: list.exists_one(x, x > 0)"},
    {"existsOne", "existsOne() takes a name and a condition: list.existsOne(x, x > 0)"},
    {"map", "map() takes a name and a value: list.map(x, x + 1); or a name, a condition and a value"},
    {"filter", "filter() takes a name and a condition: list.filter(x, x > 0)"},
    {"transformList",
        "transformList() takes two names, maybe a condition, and a value: list.transformList(i, x, x + i)"},
    {"transformMap",
        "transformMap() takes two names, maybe a condition, and a value: map.transformMap(k, x, x + 1)"},
    {"transformMapEntry", "transformMapEntry() takes two names, maybe a condition, and a map: "
                          "map.transformMapEntry(k, x, {x: k})"},
};

static bool is_variable(const struct ast *node) {
    return node->kind == AST_NAME && !node->rooted;
}

static const struct macro *find(const struct ast *call) {
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (bytes_equal_string(call->name, macros[i].name) && call->count == macros[i].count)
            return &macros[i];
    return NULL;
}

static struct ast *expand(struct parser *parser, struct ast *call, const struct macro *macro) {
    struct ast *name = call->args;
    struct ast *second = name->next;
    if (!is_variable(name))
        return wrong(parser, name, "a macro's first argument is a name for the element, such as x");
    if (macro->variables == 2 && !is_variable(second))
        return wrong(parser, second, "a macro's second argument is a name for the value, such as v");
    if (macro->variables == 2 && bytes_equal(name->name, second->name))
        return wrong(parser, second, "a macro's two names must differ");
    call->kind = AST_MACRO;
    call->macro = macro->macro;
    call->name = name->name; // its place stays that of the macro
    call->args = macro->variables == 2 ? second->next : second;
    call->second = macro->variables == 2 ? second->name : (struct bytes){0};
    call->count -= macro->variables;
    return call;
}

// cel.bind(name, value, expression)
static bool is_bind(const struct ast *call) {
    return is_variable(call->target) && bytes_equal_string(call->target->name, "cel") &&
           bytes_equal_string(call->name, "bind");
}

static struct ast *expand_bind(struct parser *parser, struct ast *call) {
    struct ast *name = call->args;
    if (call->count != 3)
        return wrong(parser, call,
            "cel.bind() takes a name, its value and an expression: cel.bind(x, msg.number, x * x)");
    if (!is_variable(name))
        return wrong(parser, name, "cel.bind()'s first argument is a name for the value, such as x");
    call->kind = AST_BIND;
    call->name = name->name;
    call->target = name->next;
    call->args = name->next->next;
    call->target->next = NULL;
    call->count = 1;
    return call;
}

struct ast *parse_macro(struct parser *parser, struct ast *call) {
    if (!call->target)
        return bytes_equal_string(call->name, "has") && !call->rooted ? expand_has(parser, call) : call;
    if (is_bind(call))
        return expand_bind(parser, call);
    const struct macro *macro = find(call);
    if (macro)
        return expand(parser, call, macro);
    for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
        if (bytes_equal_string(call->name, usages[i].name))
            return wrong(parser, call, usages[i].usage);
    return call;
}
