// The syntax tree of an expression (CEL language definition, "Syntax"), with the place of everything in the
// source. Nodes lie in an arena; names and places point into the source.
#pragma once

#include "core/cel/cel.h"
#include "core/schema/arena.h"

enum ast_kind {
    AST_CONSTANT,
    AST_NAME,    // a plain name, or one with a leading dot
    AST_SELECT,  // target.name, or has(target.name)
    AST_CALL,    // name(args), target.name(args), and operators: "_+_", "!_", "_?_:_", "@in", "_[_]"
    AST_LIST,    // [args]
    AST_MAP,     // {keys: args}
    AST_MESSAGE, // name{fields: args}
    AST_MACRO,   // target.all(name, args[0]) and its like
};

enum ast_macro {
    MACRO_ALL,
    MACRO_EXISTS,
    MACRO_EXISTS_ONE,
    MACRO_FILTER, // args[0]: what must hold
    MACRO_MAP,    // args: the element, or a condition and the element
};

struct ast_span { // bytes of the source
    uint32_t offset;
    uint32_t length;
};

struct ast_field {
    struct bytes name;
    struct ast_span at;
};

struct cel_overload;
struct cel_variable;

struct ast_node {
    enum ast_kind kind;
    enum ast_macro macro;
    bool absolute;        // a name with a leading dot
    bool test;            // AST_SELECT: has()
    uint32_t depth;       // 1: nothing below
    struct ast_span span; // the whole of it, with parentheses around it
    struct ast_span at;   // the name, operator or bracket
    struct bytes name;
    struct ast_node *target; // NULL: none
    struct ast_node **args;
    struct ast_node **keys;         // AST_MAP
    const struct ast_field *fields; // AST_MESSAGE
    size_t count;                   // of args, keys, fields
    struct cel_value constant;

    // What the checker found out.
    const struct cel_type *type;
    const struct cel_variable *variable;  // AST_NAME, AST_SELECT: declared under this name
    const struct schema_field *field;     // AST_SELECT: of a message type known at check
    const struct schema_message *message; // AST_MESSAGE
    const struct cel_overload *const
        *overloads; // AST_CALL: those that may apply; more than one only with dyn
    size_t overload_count;
    const void *bound; // what a function was bound to at check: a code map or list
    uint32_t local;    // AST_MACRO, and AST_NAME of its variable: where the value is held
    bool is_local;
    bool resolved; // a dotted name became a constant, variable or type: the nodes below it are void
};

// Adds a problem at `span`, as long as there is room; counts it in any case.
struct problems {
    struct cel_problems *out; // NULL: not wanted
    size_t count;
};
void problem_add(struct problems *problems, struct ast_span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// What must be known of memory at parse and check.
struct ast {
    struct arena *arena;
    struct bytes source;
    const struct cel_limits *limits;
    struct problems problems;
    struct ast_node *root;
    size_t nodes;
    bool no_memory;
};

// 0, CEL_REFUSED (with problems), -ENOMEM.
int ast_parse(struct ast *ast);
// A new node; NULL without memory or over the limit (then noted).
struct ast_node *ast_node_new(struct ast *ast, enum ast_kind kind, struct ast_span span);
